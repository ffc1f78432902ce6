"""./tern bench downtime: how long a guest stands still while it moves to another host, on Tern and on real Xen, in turns.

Two hosts of each system are up; on the first is the guest `web`, which sends a heartbeat every few milliseconds to somebody outside
(host/listener.py). It moves to the other host and back: each move is a run. Of the gap in what is heard, the part that the guest's own
clock has lived through is what it spent on suspending, on waking up and without a network; the rest is the blackout, in which it did not
run. Only one system has work at a time: the guest of the other is paused.

`xl migrate` speaks through tern-carry (guests/linux/carry) in the place of ssh: in the clear, where Tern's stream has TLS. What Tern prints
of itself counts only for total, bytes and rounds, and stands beside what was measured (`blackout_stamped_ms`).
"""
import argparse
import contextlib
import json
import re
import statistics
import time

from house import build, paths, results
from house.guest_bench import CPU, at_least
from house.host import disk, hosts, listener, shape, webs
from house.say import Arguments, Failure, Progress, say, step

ABOUT = """Boots two hosts on Tern (and with --against xen two on real Xen), moves a guest there and back while somebody outside listens to its
heartbeat, and prints how long a move took, what it sent, and for how long the guest was not heard, and did not run.

  ./tern bench downtime
  ./tern bench downtime --against xen --runs 10 --workload dirty:64M@4M
  ./tern bench downtime --against xen --keep     the ratio of blackouts is what qemu.migrate.downtime compares with from then on

Workloads: idle; dirty:SIZE@RATE, the guest writes to SIZE of its memory, so much a second (0: as fast as it can); http, the host that it
moves to asks for its page, again and again."""

RUNS, MEMORY, PERIOD_US = 6, 256, 5000
A_SECOND = 1_000_000 // PERIOD_US  # heartbeats
PATIENCE = 120  # seconds without a heartbeat that was to come
ADDRESSES = ("10.0.0.1", "10.0.0.2")
BASELINE = paths.ROOT / "bench/baseline.json"
PORT = 4000  # where Xen's hosts take guests

CREATE = webs.SHELL + """set -e; xl create /etc/xen/web.cfg memory=$1 >/dev/null
    timeout 120 sh -c 'until wget -qO- http://web/ >/dev/null 2>&1; do usleep 100000; done'"""
KEEP = 'wget -qO- "http://web/cgi-bin/keep?$1"'
RECEIVE = webs.SHELL + r"""printf '#!/bin/sh\nexec xl migrate-receive 2>>/tmp/receive.log\n' >/tmp/receive
    chmod +x /tmp/receive; serve nc -ll -p $1 -e /tmp/receive"""
MOVE_TERN = "timeout 300 migrate web $1 --format json 2>/tmp/said || { cat /tmp/said; exit 1; }"
# Moved by what is Xen's own; the time is dom0's.
MOVE_XEN = """now() { cut -d' ' -f1 /proc/uptime; }; begin=$(now); rm -f /tmp/carried
    timeout 300 xl migrate -s '' web "tern-carry $1 $2 /tmp/carried" >/tmp/said 2>&1 || { cat /tmp/said; exit 1; }
    echo $begin $(now); cat /tmp/carried"""
ASK = webs.SHELL + """: >/tmp/answers
    serve sh -c 'echo $$ >/tmp/asks; while :; do wget -qO- -T 5 http://web/ >/dev/null && echo >>/tmp/answers; done'"""
ASKED = "kill $(cat /tmp/asks); wc -l </tmp/answers"


def workload(text):
    """The words themselves, and what the guest does besides beating."""
    match = re.fullmatch(r"dirty:([1-9]\d*[MG]?)@(0|[1-9]\d*[MG]?)", text)
    if match:
        size, rate = shape.mebibytes(match[1]), 0 if match[2] == "0" else shape.mebibytes(match[2])
        return text, f"dirty+{size}+{rate}", size
    if text in ("idle", "http"):
        return text, None, 0
    raise argparse.ArgumentTypeError(f"'{text}' is not idle, http or a workload like dirty:64M@4M")


def main(words):
    parser = Arguments("bench downtime", ABOUT)
    parser.add_argument("--against", choices=("xen",), help="the same on real Xen, in turns")
    parser.add_argument("--runs", type=at_least(1), default=RUNS, metavar="N", help=f"moves of each; default {RUNS}")
    parser.add_argument("--workload", type=workload, default=workload("idle"), metavar="W", help="idle (default), dirty:SIZE@RATE or http")
    parser.add_argument("--memory", type=shape.mebibytes, default=MEMORY, metavar="M", help=f"of the guest; default {MEMORY}M")
    parser.add_argument("--cpus", type=shape.number(64), default=2, metavar="N", help="of each machine; default 2")
    parser.add_argument("--cpu", default=CPU, metavar="MODEL", help=f"of QEMU; default {CPU}, which real Xen's guests bear")
    parser.add_argument("--keep", action="store_true", help="write the ratio to bench/baseline.json")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    chosen = parser.parse_args(words)
    if 2 * chosen.workload[2] > chosen.memory:
        parser.error(f"--workload: at most half of the guest's {chosen.memory}M can be written to")
    if chosen.keep and not chosen.against:
        parser.error("--keep: there is a ratio only --against xen")
    build.set_up()
    systems = ("tern", *filter(None, [chosen.against]))
    rows = measure(systems, chosen.runs, chosen.workload, chosen.memory, chosen.cpus, chosen.cpu)
    if chosen.keep:
        BASELINE.write_text(json.dumps(baseline(rows, chosen.cpus), indent=2) + "\n")
    print(json.dumps({"schema": 1, "rows": rows}) if chosen.format == "json" else table(rows), flush=True)
    return 0


def measure(systems, runs, work, memory=MEMORY, cpus=2, cpu=CPU):
    """The rows, in turns."""
    rows, progress = [], Progress()
    with contextlib.ExitStack() as stack:
        with step(f"booting two hosts and a guest on {' and '.join(systems)}"):
            up = {name: stack.enter_context(pair(name, work, cpus, cpu)) for name in systems}
            for one in up.values():
                one.begin(memory)
        with step(f"{work[0]}: {runs} moves of each"):
            for run in range(runs):
                for name, one in up.items():
                    progress.show(f"move {run + 1} of {runs}: {name}")
                    rows.append({"system": name, "workload": work[0], "run": run + 1} | one.run())
                    say(in_short(rows[-1]))
            for one in up.values():
                one.end()
    progress.close()
    return rows


@contextlib.contextmanager
def pair(name, work, cpus, cpu):
    wanted = shape.Shape(hypervisor=name, cpus=cpus, cpu=cpu, hosts=2, far_end=True)
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        yield Pair(laboratory, work)


class Pair:
    """Two hosts of a system and their guest, which is paused between runs."""

    def __init__(self, laboratory, work):
        self.laboratory, self.work = laboratory, work
        self.listener = listener.Listener(laboratory)
        self.place = 0  # the host on which the guest is
        self.kept = None  # the process of the guest's work

    def shell(self, script, *words, host=None):
        return self.laboratory.shell(script, "sh", *words, host=self.place if host is None else host)

    def begin(self, memory):
        if self.laboratory.shape.hypervisor == "xen":
            for host in range(len(ADDRESSES)):
                self.shell(RECEIVE, str(PORT), host=host)
        self.shell("true", host=1)  # it has to be up, too
        self.shell(CREATE, str(memory))
        self.shell(KEEP, f"beat+{'.'.join(map(str, listener.ADDRESS))}+{listener.PORT}+{PERIOD_US}")
        if self.work[1]:
            self.kept = self.shell(KEEP, self.work[1]).strip()
        self.listener.wait(A_SECOND, PATIENCE)
        self.shell("xl pause web")

    def end(self):
        """What the guest was to do besides, it still does."""
        self.shell("xl unpause web")
        if self.kept and self.shell(KEEP, self.kept) != "runs\n":
            raise Failure(f"{self.laboratory.shape.hypervisor}: the guest did not do what it was to do meanwhile: {self.work[0]}")

    def run(self):
        self.shell("xl unpause web")
        self.listener.wait(A_SECOND // 10, PATIENCE)  # the first ends the gap of the pause
        rested = time.monotonic_ns()
        self.listener.wait(2 * A_SECOND, PATIENCE)
        began = time.monotonic_ns()
        figures = self.move()
        self.listener.wait(A_SECOND, PATIENCE)  # it can be heard where it is now
        self.shell("xl pause web")
        quiet = [beat for beat in self.listener.since(rested) if beat[0] < began]
        return figures_of(figures, self.listener.since(began), quiet)

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
        said = json.loads(self.shell(MOVE_TERN, self.laboratory.shape.names[there]))
        return {name: said[name] for name in ("total_ms", "bytes", "rounds")} | {
            "blackout_stamped_ms": said["blackout_ms"], "clock_error_ms": said["clock_error_ms"], "throttle": said["throttle"], "parts": said["parts"]}

    def move_xen(self, there):
        times, carried = self.shell(MOVE_XEN, ADDRESSES[there], str(PORT)).splitlines()
        begin, end = map(float, times.split())
        counted = json.loads(carried)
        return {"total_ms": round((end - begin) * 1000), "bytes": counted["bytes"], "rounds": counted["rounds"]}


def figures_of(said, beats, quiet):
    """A row's figures: what was said of the move, and what was heard during it, and in the seconds before."""
    outside, place = listener.largest_gap(beats)
    blackout = listener.stood_still(beats, place, A_SECOND)
    heard = {"blackout_ms": blackout, "guest_gap_ms": outside - blackout, "outside_gap_ms": outside,
             "quiet_gap_ms": listener.largest_gap(quiet)[0]}
    heard = {name: round(nanoseconds / 1e6, 3) for name, nanoseconds in heard.items()}
    return {name: said[name] for name in ("total_ms", "bytes", "rounds")} | heard | {
        name: said[name] for name in ("blackout_stamped_ms", "clock_error_ms", "throttle", "parts") if name in said}


# A figure's name in a row -> its name in the table, what it is divided by there, and how many digits follow
SHOWN = {"total_ms": ("total, s", 1000, 2), "bytes": ("sent, MiB", 1 << 20, 1), "rounds": ("rounds", 1, 0),
         "blackout_ms": ("blackout, ms", 1, 1), "guest_gap_ms": ("guest's gap, ms", 1, 1), "outside_gap_ms": ("outside gap, ms", 1, 1),
         "quiet_gap_ms": ("gap at rest, ms", 1, 1), "blackout_stamped_ms": ("blackout stamped, ms", 1, 1),
         "clock_error_ms": ("clocks within, ms", 1, 2), "throttle": ("slowed down by, %", 0.01, 0)}


def in_short(row):
    """What is said of a move as soon as it is over: who is interrupted has the moves until then."""
    return f"{row['system']} {row['run']}: " + ", ".join(f"{title} {row[name] / unit:.{digits}f}"
                                                         for name, (title, unit, digits) in SHOWN.items() if row.get(name) is not None)


def median_of(rows, system, name):
    """None if there is none."""
    values = [row[name] for row in rows if row["system"] == system and row.get(name) is not None]
    return statistics.median(values) if values else None


def ratio(rows, name):
    """Of the medians, Tern's to Xen's; None if one was not measured."""
    ours, theirs = (median_of(rows, system, name) for system in ("tern", "xen"))
    return ours / theirs if ours is not None and theirs else None


def baseline(rows, cpus):
    """What bench/baseline.json keeps: a ratio, since it hangs less on the machine than times do."""
    return {"schema": 1, "downtime": {"workload": rows[0]["workload"], "cpus": cpus, "runs": len({row["run"] for row in rows}),
                                      "blackout_ratio": round(ratio(rows, "blackout_ms"), 3), "commit": results.commit()}}


def table(rows):
    """Medians, and the least and the most."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    lines = [f"{rows[0]['workload']:22}" + "".join(f"{system:>12}{'min to max':>22}" for system in systems) + "   tern/xen"]
    for name, (title, unit, digits) in SHOWN.items():
        line = f"{title:22}"
        for system in systems:
            values = [row[name] / unit for row in rows if row["system"] == system and row.get(name) is not None]
            spread = f"{min(values):.{digits}f} to {max(values):.{digits}f}" if values else "-"
            line += (f"{statistics.median(values):12.{digits}f}" if values else f"{'-':>12}") + f"{spread:>22}"
        of_both = ratio(rows, name)
        lines.append(line + ("" if of_both is None else f"   {of_both:.2f}"))
    return "\n".join(line.rstrip() for line in lines)
