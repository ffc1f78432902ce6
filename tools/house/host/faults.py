"""How a migration is broken, and what is looked at afterwards (fault_tests.py says when, and what is expected)."""
import contextlib
import dataclasses
import json
import shlex
import time

from house.host import webs
from house.host.dom0_tests import CLEAN_LOG
from house.say import Failure, say

DAEMON = "$(awk '{ print $4 }' /proc/$3/stat)"
ANOTHER = "setsid sh -c 'migrated >>/var/log/migrated.log 2>&1' &"
GONE = "ip link set eth0 down; (sleep 45; ip link set eth0 up) &"
DEEDS = {
    "worker": "kill -9 $3",
    "daemon": f"set -- $1 $2 $3 {DAEMON}; kill -9 $3 $4; {ANOTHER}",
    "alone": f"kill -9 {DAEMON}; {ANOTHER}",
    "cut": "ip link set eth0 down; (sleep 1; ip link set eth0 up) &",
    "gone": GONE,
    "alone and gone": f"kill -9 {DAEMON}; {ANOTHER}\n{GONE}",
    "power": "echo b >/proc/sysrq-trigger",
    "for good": "ip link set eth0 down",
}
WORDS = {"worker": "its process is killed", "daemon": "daemon and process are killed, the daemon comes back",
         "alone": "the daemon is killed and comes back", "cut": "the wire is cut for a second", "gone": "the wire is cut for 45 seconds",
         "alone and gone": "the daemon is killed and comes back, the wire is cut for 45 seconds",
         "power": "its host loses its power, and has it again", "for good": "the wire is cut until a person has decided"}
# Between verified and committed a destination waits for the source's word, which is there before, mostly: here the source waits with it until
# the other host calls.
WAITING = ("verified-", "verified")
HOLD = "nc -l -p 777 </dev/null >/dev/null"
SECONDS = 150  # for everything to come to rest


def call(name):
    """Whoever holds there goes on."""
    return f"until nc -w 1 {name} 777 </dev/null; do usleep 20000; done"


@dataclasses.dataclass(frozen=True)
class Case:
    """The guest is on one of the two, and the protocol alone says on which."""
    deed: str
    role: str
    moment: str

    def __str__(self):
        return f"{self.role} at {self.moment}: {WORDS[self.deed]}"


@dataclasses.dataclass(frozen=True)
class Loss(Case):
    """Then it must be where it is expected: moved, stayed, or gone with the host that had it."""
    after: str
    complete: bool = False  # the destination has all of it by then
    person: tuple = ()  # what a person says where, when neither host can know


@dataclasses.dataclass(frozen=True)
class Refusal:
    """What one lacks before anything is begun: how it comes to lack it, how it gets it back, what `migrate` says. Status 0: it moves all the same."""
    lacks: str
    status: str
    says: str
    here: tuple = ("", "")
    there: tuple = ("", "")
    to: str = ""  # another than the other host, and options


UP = "timeout 60 sh -c 'until migrate --status >/dev/null 2>&1; do usleep 50000; done'; "
# `again`: the daemon begins anew, with the hook; a script that is not there is not run.
AGAIN = f"""again() {{
    kill -9 $(pidof migrated)
    TERN_MOMENTS=/tmp/moment setsid migrated "$@" >>/var/log/migrated.log 2>&1 </dev/null &
    {UP}
}}
"""
NOTHING_LEFT = "(! xl list | grep incoming); (! xenstore-ls | grep incoming); "
BANNER = "(TERN) Tern "  # of a machine that begins


class Matrix:
    def __init__(self, laboratory):
        self.laboratory = laboratory
        self.names = laboratory.shape.names
        self.at = 0  # the host that has the guest
        self.rows = []

    def shell(self, script, host):
        return self.laboratory.shell(webs.SHELL + AGAIN + script, host=host)

    def begin(self):
        for host in (0, 1):
            self.shell(f"set -e; {UP} again", host)
        self.shell("set -e; web 1; answers 1", 0)

    def hook(self, host, role, moment, script):
        program = f'#!/bin/sh\ntest "$1 $2" = "{role} {moment}" || exit 0\n{script}\n'
        self.shell(f"printf '%s' {shlex.quote(program)} >/tmp/moment; chmod +x /tmp/moment", host)

    def prepare(self, case, complete):
        """The hooks of both hosts. `complete`: the source waits until the destination has all of it."""
        source, other = self.at, 1 - self.at
        once = "mkdir /tmp/done 2>/dev/null || exit 0\n"
        deed = DEEDS[case.deed]
        if case.role == "source":
            if complete:
                self.hook(other, "destination", "verified", call(self.names[source]))
            self.hook(source, "source", case.moment, once + (HOLD + "\n" if complete else "") + deed)
        else:
            if complete:
                self.hook(source, "source", "commit-", HOLD)
            self.hook(other, "destination", case.moment, once + (call(self.names[source]) + "\n" if complete else "") + deed)

    def check_memory(self, host):
        """The guest looks at its memory while it moves, and tells `host`."""
        self.shell("serve timeout 200 wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+4+10'", host)

    def checked(self, host):
        self.shell("set -e; answers 1; timeout 120 sh -c 'until test -s /tmp/checked; do usleep 100000; done'; "
                   "grep ', each as it was left' /tmp/checked >/dev/null; rm /tmp/checked", host)

    def who_has_it(self):
        return [host for host in (0, 1) if self.shell("xl list web1 >/dev/null 2>&1 && echo yes || true", host).strip()]

    def move(self, other):
        """What moves the guest there, and says into /tmp/out how that went."""
        return f"timeout {SECONDS} migrate web1 {self.names[other]} --streams 2 --on-timeout force >/tmp/out 2>&1; echo $?"

    def tell(self, case, status, after, began, sentence):
        took = time.monotonic() - began
        self.rows.append((case.role, f"`{case.moment}`", WORDS[case.deed], status, after, took))
        say(f"{case}: {after}, exit status {status}, {took:.0f} s: {sentence.strip()}")

    def run(self, case):
        source, other = self.at, 1 - self.at
        self.prepare(case, case.moment in WAITING)
        began = time.monotonic()
        self.check_memory(source)
        said = self.shell(self.move(other) + "; tail -n 1 /tmp/out", source)
        status, _, sentence = said.strip().partition("\n")
        self.come_to_rest(case)
        here = self.who_has_it()
        assert len(here) == 1, f"{case}: it is on {len(here)} hosts; migrate had said: {said}"
        self.at = here[0]
        # In parentheses: what a shell negates does not end it by itself.
        fired = [self.shell(f"set -e; {NOTHING_LEFT}rm -f /tmp/moment; rmdir /tmp/done 2>/dev/null && echo fired; {CLEAN_LOG}", host) for host in (0, 1)]
        assert "".join(fired).count("fired") == 1, f"{case}: this moment did not come; migrate had said: {said}"
        self.tell(case, status, "moved" if self.at == other else "stayed", began, sentence)
        self.checked(source)

    def lose(self, loss):
        """A host's power, or the wire until a person has decided."""
        source, other = self.at, 1 - self.at
        hosts = {"source": source, "destination": other}
        power = loss.deed == "power"
        for host in (0, 1):
            self.shell("grep -q ' /var/lib/tern ext4 ' /proc/mounts", host)
        rest = 1 - hosts[loss.role] if power else source  # it hears the guest
        self.prepare(loss, loss.complete)
        boots = self.boots(hosts[loss.role])
        began = time.monotonic()
        self.check_memory(rest)
        self.shell(f"rm -f /tmp/status; serve sh -c {shlex.quote(self.move(other) + ' >/tmp/status')}", source)
        if power:
            self.wait(lambda: self.boots(hosts[loss.role]) > boots, lambda: f"{loss}: this moment did not come")
            self.shell(UP, hosts[loss.role])
        for role, word in loss.person:
            self.decide(loss, hosts[role], word)
        if not power:
            self.shell("ip link set eth0 up", hosts[loss.role])
        self.come_to_rest(loss)
        here = self.who_has_it()
        after = "gone" if not here else "moved" if here == [other] else "stayed" if here == [source] else "doubled"
        assert after == loss.after, f"{loss}: it has {after}"
        for host in (0, 1):
            self.shell(f"set -e; {NOTHING_LEFT}rm -f /tmp/moment; rmdir /tmp/done 2>/dev/null || true; {CLEAN_LOG}", host)
        lost_status = power and loss.role == "source"
        said = "- \n" if lost_status else self.shell("timeout 30 sh -c 'until test -s /tmp/status; do usleep 50000; done'; cat /tmp/status; tail -n 1 /tmp/out", source)
        status, _, sentence = said.strip().partition("\n")
        told = {"gone": "gone with its host"}.get(after, after) + (", as a person decided" if loss.person else "")
        self.tell(loss, status, told, began, sentence)
        if here:
            self.at = here[0]
            return self.checked(rest)
        self.at = rest
        self.shell("set -e; rm -f /tmp/checked; web 1; answers 1", rest)

    def boots(self, host):
        return (self.laboratory.folder / f"{self.names[host]}.log").read_text(errors="replace").count(BANNER)

    def decide(self, loss, host, word):
        """As soon as that host says that it does not know."""
        state = {}

        def asks():
            state.update(self.status(host))
            return any("in doubt" in one.get("says", "") or "has taken it" in one.get("says", "") for one in state["migrations"])
        self.wait(asks, lambda: f"{loss}: {self.names[host]} is not in doubt: {state}")
        one, *_ = state["migrations"]
        self.shell(f"migrate --resolve {one['id']} {word} >/dev/null", host)

    def refuse(self, refusal):
        source, other = self.at, 1 - self.at
        for host, (takes, _) in ((other, refusal.there), (source, refusal.here)):
            self.shell(f"set -e; other=10.0.0.{other + 1}; {takes}", host)
        began = time.monotonic()
        said = self.shell(f"timeout {SECONDS} migrate web1 {refusal.to or self.names[other]} >/tmp/out 2>&1; echo $?; cat /tmp/out", source)
        took = time.monotonic() - began
        status, _, sentence = said.strip().partition("\n")
        assert status == refusal.status and refusal.says in sentence, f"{refusal.lacks}: {said}"
        after = "stayed"
        if status == "0":
            after, self.at = "moved", other
        self.shell("set -e; answers 1", self.at)
        for host, (_, gives) in ((other, refusal.there), (source, refusal.here)):
            self.shell("set -e; " + gives, host)
        self.come_to_rest(refusal.lacks)
        for host in (0, 1):
            self.shell(f"set -e; {NOTHING_LEFT}{CLEAN_LOG}", host)
        assert self.who_has_it() == [self.at], f"{refusal.lacks}: it has not {after}"
        self.rows.append(("", "", refusal.lacks, status, after, took))
        say(f"{refusal.lacks}: {after}, exit status {status}: {sentence.splitlines()[-1]}")

    def status(self, host):
        return json.loads(self.shell("migrate --status --format json", host))

    def come_to_rest(self, case):
        states = {}

        def rests():
            for host in (0, 1):
                states[host] = self.status(host)
            return not any(state["migrations"] or state["cut_off"] for state in states.values())
        self.wait(rests, lambda: f"{case}: it does not come to rest: {states}")

    @staticmethod
    def wait(true, otherwise):
        end = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(Failure, ValueError):
                if true():
                    return
            assert time.monotonic() < end, otherwise()
            time.sleep(0.2)

    def table(self):
        lines = ["# What was broken, and what became of the guest", "",
                 "Written by `./tern test --all qemu.migrate.matrix`: two hosts in QEMU, a stock Linux with a vif that is asked and writes all the time.",
                 "In each row, afterwards: it ran on exactly one host (or on none, if it is gone with the one that had it), its memory was as it was, nothing was left.",
                 "Moments: `migrate-daemon/mover/src/moments.hpp`. \"It\" is the destination, where no other is named.",
                 "", "| whose | moment | deed | exit status of `migrate` | the guest | s |", "|---|---|---|---|---|---|"]
        lines += ["| " + " | ".join(words) + f" | {took:.0f} |" for *words, took in self.rows]
        return "\n".join(lines) + "\n"
