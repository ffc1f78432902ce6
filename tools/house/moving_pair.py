"""Two hosts of a system, and a guest that moves from one to the other while somebody outside listens to its heartbeat: what ./tern bench
downtime measures with, in turns, and the demo shows.

The guest is `web`, which sends a heartbeat every few milliseconds (host/listener.py). Of the gap in what is heard, the part that the guest's own
clock has lived through is what it spent on suspending, on waking up and without a network; the rest is the blackout, in which it did not
run.

A guest that is not told that it is moved (workload `ticker`, a guest of ours, on Tern alone) beats on its console; in both hosts a relay sends
on what comes there.

`xl migrate` speaks through tern-carry (guests/linux/carry) in the place of ssh: in the clear, where Tern's stream has TLS. What Tern prints
of itself counts only for total, bytes and rounds, and stands beside what was measured (`blackout_stamped_ms`).
"""
import contextlib
import dataclasses
import json
import time

from house import paths
from house.dom0 import kernel_tree
from house.host import disk, hosts, listener, shape, webs
from house.say import Failure

PERIOD_US = 5000
TICKER_HZ, TICKER_BEATS = 1000, 8  # a beat every so many ticks
ANSWERS = 7  # of which the quickest counts
PATIENCE = 120  # seconds without a heartbeat that was to come
ADDRESSES = ("10.0.0.1", "10.0.0.2")
LISTENER = ".".join(map(str, listener.ADDRESS))
TICKER, BUILD = "ticker", "kernel-build"
BEAT = f"beat+{LISTENER}+{listener.PORT}+{PERIOD_US}"  # what the guest keeps doing
PORT = 4000  # where Xen's hosts take guests

CREATE_TICKER = f"""set -e; xl create /dev/null 'name="web"' 'kernel="/usr/lib/tern/guests/ticker"' memory=$1 \\
    'extra="hz={TICKER_HZ} beats={TICKER_BEATS}"' >/dev/null"""
RELAY = webs.SHELL + "serve tern-load relay /var/log/xen/console guest-web $1 $2"
CREATE = webs.SHELL + """set -e; xl create /etc/xen/web.cfg "$@" >/dev/null
    timeout 120 sh -c 'until wget -qO- http://web/ >/dev/null 2>&1; do usleep 100000; done'"""
KEEP = 'wget -qO- "http://web/cgi-bin/keep?$1"'
# So many objects were begun. The first comes when make has looked at everything.
BUILT = "wget -qO- http://web/cgi-bin/built | head -n 1"
BUILD_BEGINS = f"""wget -qO- http://web/cgi-bin/build; timeout 600 sh -c 'until test "$({BUILT})" -gt 0; do sleep 1; done'"""
RECEIVE = webs.SHELL + r"""printf '#!/bin/sh\nexec xl migrate-receive 2>>/tmp/receive.log\n' >/tmp/receive
    chmod +x /tmp/receive; serve nc -ll -p $1 -e /tmp/receive"""
MOVE_TERN = "there=$1; shift; timeout 300 migrate web $there --format json \"$@\" 2>/tmp/said || { cat /tmp/said; exit 1; }"
# Moved by what is Xen's own; the time is dom0's.
MOVE_XEN = """now() { cut -d' ' -f1 /proc/uptime; }; begin=$(now); rm -f /tmp/carried
    timeout 300 xl migrate -s '' web "tern-carry $1 $2 /tmp/carried $3" >/tmp/said 2>&1 || { cat /tmp/said; exit 1; }
    echo $begin $(now); cat /tmp/carried"""
# (busybox's own `wget -T` crashes: Debian's 1.35.0-4+deb12u1+b1.)
ASK = webs.SHELL + """: >/tmp/answers
    serve sh -c 'echo $$ >/tmp/asks; while :; do timeout 5 wget -qO- http://web/ >/dev/null && echo >>/tmp/answers; done'"""
ASKED = "kill $(cat /tmp/asks); wc -l </tmp/answers"


class Pair:
    """Two hosts of a system and their guest, which is paused between runs."""

    a_second = 1_000_000 // PERIOD_US  # heartbeats

    def __init__(self, laboratory, work, bandwidth_limit):
        self.laboratory, self.work, self.bandwidth = laboratory, work, bandwidth_limit
        self.listener = listener.Listener(laboratory)
        self.place = 0  # the host on which the guest is
        self.kept = None  # the process of the guest's work

    def shell(self, script, *words, host=None):
        return self.laboratory.shell(script, "sh", *words, host=self.place if host is None else host)

    def begin(self, memory):
        if self.laboratory.shape.hypervisor == "xen":
            for host in range(len(ADDRESSES)):
                self.shell(RECEIVE, str(PORT), host=host)
        for host in range(len(ADDRESSES)):
            self.set_clock(host)
        self.create(memory)
        self.listener.wait(self.a_second, PATIENCE)
        self.shell("xl pause web")

    def set_clock(self, host):
        """To this machine's, as near as the quickest of some answers tells: a guest that is not told counts on what its hosts' clocks say."""
        def ask():
            began = time.time_ns()
            there = int(self.shell("tern-load now", host=host))
            ended = time.time_ns()
            return ended - began, (began + ended) // 2 - there
        self.shell("tern-load step $1", str(min(ask() for _ in range(ANSWERS))[1]), host=host)

    def create(self, memory, *more):
        self.shell(CREATE, f"memory={memory}", *more)
        self.shell(KEEP, BEAT)
        if self.work[1]:
            self.kept = self.shell(KEEP, self.work[1]).strip()

    def end(self):
        """What the guest was to do besides, it still does."""
        self.shell("xl unpause web")
        if self.kept and self.shell(KEEP, self.kept) != "runs\n":
            raise Failure(f"{self.laboratory.shape.hypervisor}: the guest did not do what it was to do meanwhile: {self.work[0]}")

    def run(self):
        self.shell("xl unpause web")
        self.listener.wait(self.a_second // 10, PATIENCE)  # the first ends the gap of the pause
        rested = time.monotonic_ns()
        self.listener.wait(2 * self.a_second, PATIENCE)
        began = time.monotonic_ns()
        figures = self.move()
        self.listener.wait(self.a_second, PATIENCE)  # it can be heard where it is now
        done = self.done()
        self.shell("xl pause web")
        quiet = [beat for beat in self.listener.since(rested) if beat[0] < began]
        return figures_of(figures, self.listener.since(began), quiet, self.a_second) | done

    def done(self):
        """What the guest has done so far, for its row."""
        return {}

    def move(self):
        there = 1 - self.place
        asked = self.work[0] == "http"
        if asked:
            self.shell(ASK, host=there)
        figures = {"tern": self.move_tern, "xen": self.move_xen}[self.laboratory.shape.hypervisor](there)
        self.place = there
        if asked and int(self.shell(ASKED)) == 0:
            raise Failure(f"{self.laboratory.shape.hypervisor}: nobody was answered while the guest moved")
        return figures

    def move_tern(self, there):
        limit = ["--bandwidth", str(self.bandwidth)] if self.bandwidth else []
        said = json.loads(self.shell(MOVE_TERN, self.laboratory.shape.names[there], *limit))
        return {"blackout_stamped_ms": said["blackout_ms"]} | {name: said[name] for name in (
            "total_ms", "bytes", "rounds", "clock_stood_ms", "clock_error_ms", "throttle", "parts")}

    def move_xen(self, there):
        times, carried = self.shell(MOVE_XEN, ADDRESSES[there], str(PORT), str(self.bandwidth or "")).splitlines()
        begin, end = map(float, times.split())
        counted = json.loads(carried)
        return {"total_ms": round((end - begin) * 1000), "bytes": counted["bytes"], "rounds": counted["rounds"]}


class BuildPair(Pair):
    """Its guest compiles Linux all the time."""

    def create(self, memory):
        super().create(memory, f'disk=["phy:/dev/vm/{kernel_tree.LABEL},xvda,r"]')
        self.kept = self.shell(BUILD_BEGINS).strip()

    def done(self):
        return {"objects": int(self.shell(BUILT))}


class TickerPair(Pair):
    """Its guest is heard by its console, wherever it is."""

    a_second = TICKER_HZ // TICKER_BEATS

    def create(self, memory):
        for host in range(len(ADDRESSES)):
            self.shell(RELAY, LISTENER, str(listener.PORT), host=host)
        self.shell(CREATE_TICKER, str(memory))


@contextlib.contextmanager
def pair(name, work, cpus, cpu, bandwidth_limit):
    """Up, with all that the work wants; its guest is made by begin()."""
    wanted = shape.Shape(hypervisor=name, cpus=cpus, cpu=cpu, hosts=2, far_end=True)
    kind, contents = Pair, {}
    if work[0] == TICKER and name == "tern":
        kind = TickerPair
    elif work[0] == BUILD:
        kind, contents = BuildPair, {kernel_tree.LABEL: kernel_tree.IMAGE}
        wanted = dataclasses.replace(wanted, disks=(kernel_tree.disk(),))  # which makes the image
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec", contents) as laboratory:
        yield kind(laboratory, work, bandwidth_limit)


def figures_of(said, beats, quiet, a_second):
    """A row's figures: what was said of the move, and what was heard during it, and in the seconds before.

    Tern's clocks and the listener's agree if they tell the same of how long the guest's own clock stood still, within what Tern says of its
    error. The clock of a guest that is not told (then Tern says nothing of it) goes on, and the guest itself sees what it has missed.
    """
    heard = listener.gap_of(beats, a_second, told=said.get("clock_stood_ms", 0) is not None) | {"quiet_gap_ms": round(listener.largest_gap(quiet)[0] / 1e6, 3)}
    row = {name: said[name] for name in ("total_ms", "bytes", "rounds")} | heard | {
        name: said[name] for name in ("blackout_stamped_ms", "clock_stood_ms", "clock_error_ms", "throttle", "parts") if name in said}
    if "parts" in row:
        stood = row["blackout_stamped_ms"] if row["clock_stood_ms"] is None else row["clock_stood_ms"]
        row["clocks_differ_ms"] = round(abs(heard["blackout_ms"] - stood), 3)
        row["parts_ms"] = round(sum(ms for name, ms in row["parts"].items() if name.endswith("_ms")), 3)
    return row
