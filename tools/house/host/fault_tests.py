"""Migrations that are broken at each moment at which it makes a difference (docs/migration-protocol.md, "What each crash leads to"): on two
hosts, with real processes killed and a real wire cut. Whatever is done, afterwards the guest runs on exactly one host, each page of it as it was,
and nothing is left on either: no half-made domain, no journal without an end.

A worker of `migrated` runs a script at each moment (mover/src/moments.hpp); the script does the deed, once. What was observed is written into
docs/migration-faults.md by the whole matrix (--all).
"""
import contextlib
import dataclasses
import functools
import json
import shlex
import time

from house import paths
from house.host import shared, webs
from house.host.dom0_tests import CLEAN_LOG
from house.host.tests import HostTest
from house.say import Failure, say

DEEDS = {
    "worker": "kill -9 $3",
    "daemon": "set -- $1 $2 $3 $(awk '{ print $4 }' /proc/$3/stat); kill -9 $3 $4; setsid sh -c 'migrated >>/var/log/migrated.log 2>&1' &",
    "cut": "ip link set eth0 down; (sleep 1; ip link set eth0 up) &",
    "gone": "ip link set eth0 down; (sleep 45; ip link set eth0 up) &",
}
WORDS = {"worker": "its process is killed", "daemon": "daemon and process are killed, the daemon comes back",
         "cut": "the wire is cut for a second", "gone": "the wire is cut for 45 seconds"}
MOMENTS = {
    "source": ("moving-", "moving", "round", "suspended", "commit-", "commit", "nothing-"),
    "destination": ("building-", "building", "complete", "verified-", "verified", "committed-", "committed", "runs", "resumed-", "resumed", "nothing-"),
}
# Between verified and committed a destination waits for the source's word, which is there before, mostly: here the source waits with it until
# the other host calls.
WAITING = ("verified-", "verified")
HOLD = "nc -l -p 777 </dev/null >/dev/null"
SECONDS = 150  # for everything to come to rest


@dataclasses.dataclass(frozen=True)
class Case:
    deed: str
    role: str
    moment: str

    def __str__(self):
        return f"{self.role} at {self.moment}: {WORDS[self.deed]}"


def matrix():
    """The wire matters most where both wait for each other's word; who cuts it is the same."""
    killed = [Case(deed, role, moment) for role, moments in MOMENTS.items() for moment in moments for deed in ("worker", "daemon")]
    cut = [Case(deed, role, moment) for deed in ("cut", "gone") for role, moment in
           (("source", "round"), ("source", "suspended"), ("source", "commit"), ("destination", "verified"), ("destination", "runs"))]
    return killed + cut


FEW = (Case("daemon", "source", "commit"), Case("worker", "destination", "complete"))

@dataclasses.dataclass(frozen=True)
class Refusal:
    """What the destination lacks, before anything is begun: how it comes to lack it, how it gets it back, and what `migrate` says."""
    lacks: str
    takes: str
    gives: str
    status: str
    says: str


REFUSALS = (
    Refusal("it has not the memory", """free=$(xl info | awk '/^free_memory/ { print $3 }')
            xl create /dev/null 'name="big"' 'kernel="/usr/lib/tern/guests/ticker"' "memory=$((free - 60))" >/dev/null""",
            "xl destroy big", "3", "cannot make a domain"),
    Refusal("it has another certificate than it had", "mv /etc/tern/keys /etc/tern/away; migrated keys init >/dev/null",
            "rm -r /etc/tern/keys; mv /etc/tern/away /etc/tern/keys", "4", "trust"),
)

UP = "timeout 60 sh -c 'until migrate --status >/dev/null 2>&1; do usleep 50000; done'; "
# The daemons begin anew, with the hook; a script that is not there is not run.
READY = (f"set -e; {UP} kill -9 $(pidof migrated); "
         f"TERN_MOMENTS=/tmp/moment setsid sh -c 'migrated >>/var/log/migrated.log 2>&1 </dev/null' & {UP}")


class Matrix:
    def __init__(self, laboratory):
        self.laboratory = laboratory
        self.at = 0  # the host that has the guest
        self.rows = []

    def shell(self, script, host):
        return self.laboratory.shell(webs.SHELL + script, host=host)

    def begin(self):
        for host in (0, 1):
            self.shell(READY, host)
        self.shell("set -e; web 1; answers 1", 0)

    def hook(self, host, role, moment, script):
        program = f'#!/bin/sh\ntest "$1 $2" = "{role} {moment}" || exit 0\n{script}\n'
        self.shell(f"printf '%s' {shlex.quote(program)} >/tmp/moment; chmod +x /tmp/moment", host)

    def run(self, case):
        source, other = self.at, 1 - self.at
        name = self.laboratory.shape.names[other]
        deed = DEEDS[case.deed]
        if case.moment in WAITING:
            self.hook(source, "source", "commit-", HOLD)
            deed = f"until nc -w 1 {self.laboratory.shape.names[source]} 777 </dev/null; do usleep 20000; done\n{deed}"
        self.hook(source if case.role == "source" else other, case.role, case.moment, f"mkdir /tmp/done 2>/dev/null || exit 0\n{deed}")
        began = time.monotonic()
        said = self.shell("serve timeout 200 wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+4+10'; "
                          f"timeout {SECONDS} migrate web1 {name} --streams 2 --on-timeout force >/tmp/out 2>&1; echo $?; tail -n 1 /tmp/out", source)
        status, _, sentence = said.strip().partition("\n")
        self.come_to_rest(case)
        took = time.monotonic() - began
        here = [host for host in (0, 1) if self.shell("xl list web1 >/dev/null 2>&1 && echo yes || true", host).strip()]
        assert len(here) == 1, f"{case}: it is on {len(here)} hosts; migrate had said: {said}"
        self.at = here[0]
        # In parentheses: what a shell negates does not end it by itself.
        fired = [self.shell("set -e; (! xl list | grep incoming); (! xenstore-ls | grep incoming); rm -f /tmp/moment; "
                            f"rmdir /tmp/done 2>/dev/null && echo fired; {CLEAN_LOG}", host) for host in (0, 1)]
        assert "".join(fired).count("fired") == 1, f"{case}: this moment did not come; migrate had said: {said}"
        self.shell("set -e; answers 1; timeout 120 sh -c 'until test -s /tmp/checked; do usleep 100000; done'; "
                   "grep ', each as it was left' /tmp/checked >/dev/null; rm /tmp/checked", source)
        where = "moved" if self.at == other else "stayed"
        self.rows.append((case.role, f"`{case.moment}`", WORDS[case.deed], status, where, took))
        say(f"{case}: {where}, exit status {status}, {took:.0f} s: {sentence.strip()}")

    def refuse(self, refusal):
        other = 1 - self.at
        self.shell("set -e; " + refusal.takes, other)
        began = time.monotonic()
        said = self.shell(f"timeout {SECONDS} migrate web1 {self.laboratory.shape.names[other]} >/tmp/out 2>&1; echo $?; cat /tmp/out", self.at)
        took = time.monotonic() - began
        status, _, sentence = said.strip().partition("\n")
        assert status == refusal.status and refusal.says in sentence, f"{refusal.lacks}: {said}"
        self.shell("set -e; answers 1; (! xl list | grep incoming)", self.at)
        self.shell("set -e; (! xl list | grep incoming); (! xenstore-ls | grep incoming); " + refusal.gives, other)
        self.rows.append(("destination", "", refusal.lacks, status, "stayed", took))
        say(f"destination: {refusal.lacks}: exit status {status}: {sentence.splitlines()[-1]}")

    def come_to_rest(self, case):
        end = time.monotonic() + SECONDS
        while True:
            states = []
            for host in (0, 1):
                with contextlib.suppress(Failure, ValueError):
                    states.append(json.loads(self.shell("migrate --status --format json", host)))
            if len(states) == 2 and not any(state["migrations"] or state["cut_off"] for state in states):
                return
            assert time.monotonic() < end, f"{case}: it does not come to rest: {states}"
            time.sleep(0.2)

    def table(self):
        lines = ["# What was broken, and what became of the guest", "",
                 "Written by `./tern test --all qemu.migrate.matrix`: two hosts in QEMU, a stock Linux with a vif that is asked and writes all the time.",
                 "In each row, afterwards: it ran on exactly one host, its memory was as it was, nothing was left. Moments: `migrate-daemon/mover/src/moments.hpp`.",
                 "", "| whose | moment | deed | exit status of `migrate` | the guest | s |", "|---|---|---|---|---|---|"]
        lines += ["| " + " | ".join(words) + f" | {took:.0f} |" for *words, took in self.rows]
        return "\n".join(lines) + "\n"


def breaks(cases, document=None):
    tried = Matrix(shared.HOSTS.laboratory(shared.PAIR))
    tried.begin()
    for refusal in REFUSALS:
        tried.refuse(refusal)
    for case in cases:
        tried.run(case)
    tried.shell("timeout 120 xl shutdown -w web1 >/dev/null", tried.at)
    if document:
        document.write_text(tried.table())


def tests():
    return [HostTest("qemu.migrate.breaks", functools.partial(breaks, FEW))]


def slow_tests():
    return [HostTest("qemu.migrate.matrix", functools.partial(breaks, matrix(), paths.ROOT / "docs/migration-faults.md"))]
