"""./tern bench downtime: how long a guest stands still while it moves to another host, on Tern and on real Xen, in turns.

Two hosts of each system are up (moving_pair.py); each move of the guest, there and back, is a run. Only one system has work at a time: the
guest of the other is paused. A guest that is not told that it is moved stands beside real Xen's idle guest of the same size.
"""
import argparse
import contextlib
import json
import re
import statistics

from house import build, paths, results
from house.guest_bench import CPU, at_least
from house.host import shape
from house.moving_pair import BUILD, TICKER, pair
from house.say import Arguments, Progress, say, step

ABOUT = """Boots two hosts on Tern (and with --against xen two on real Xen), moves a guest there and back while somebody outside listens to its
heartbeat, and prints how long a move took, what it sent, and for how long the guest was not heard, and did not run.

  ./tern bench downtime
  ./tern bench downtime --against xen --runs 10 --workload dirty:64M@4M
  ./tern bench downtime --against xen --keep     the ratio of blackouts is what qemu.migrate.downtime compares with from then on

Workloads: idle; dirty:SIZE@RATE, the guest writes to SIZE of its memory, so much a second (0: as fast as it can); http, the host that it
moves to asks for its page, again and again; kernel-build, the guest compiles Linux; ticker, a guest of ours that is not told of it and ticks a
thousand times a second, beside real Xen's idle guest."""

RUNS, MEMORY = 6, 256
BASELINE = paths.ROOT / "bench/baseline.json"


def workload(text):
    """The words themselves, and what the guest does besides beating."""
    match = re.fullmatch(r"dirty:([1-9]\d*[MG]?)@(0|[1-9]\d*[MG]?)", text)
    if match:
        size, rate = shape.mebibytes(match[1]), 0 if match[2] == "0" else shape.mebibytes(match[2])
        return text, f"dirty+{size}+{rate}", size
    if text in ("idle", "http", BUILD, TICKER):
        return text, None, 0
    raise argparse.ArgumentTypeError(f"'{text}' is not idle, http, {BUILD}, {TICKER} or a workload like dirty:64M@4M")


def bandwidth(text):
    """Octets a second."""
    return shape.mebibytes(text) << 20


def main(words):
    parser = Arguments("bench downtime", ABOUT)
    parser.add_argument("--against", choices=("xen",), help="the same on real Xen, in turns")
    parser.add_argument("--runs", type=at_least(1), default=RUNS, metavar="N", help=f"moves of each; default {RUNS}")
    parser.add_argument("--workload", type=workload, default=workload("idle"), metavar="W", help="idle (default), dirty:SIZE@RATE, http, kernel-build or ticker")
    parser.add_argument("--bandwidth", type=bandwidth, metavar="B", help="each move sends no more than so much a second: 10M; default: as it can")
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
    rows = measure(systems, chosen.runs, chosen.workload, chosen.memory, chosen.cpus, chosen.cpu, chosen.bandwidth)
    if chosen.keep:
        BASELINE.write_text(json.dumps(baseline(rows, chosen.memory, chosen.cpus), indent=2) + "\n")
    print(json.dumps({"schema": 1, "rows": rows}) if chosen.format == "json" else table(rows), flush=True)
    return 0


def measure(systems, runs, work, memory=MEMORY, cpus=2, cpu=CPU, bandwidth_limit=None):
    """The rows, in turns."""
    rows, progress = [], Progress()
    with contextlib.ExitStack() as stack:
        with step(f"booting two hosts and a guest on {' and '.join(systems)}"):
            up = {name: stack.enter_context(pair(name, work, cpus, cpu, bandwidth_limit)) for name in systems}
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


# A figure's name in a row -> its name in the table, what it is divided by there, and how many digits follow
SHOWN = {"total_ms": ("total, s", 1000, 2), "bytes": ("sent, MiB", 1 << 20, 1), "rounds": ("rounds", 1, 0),
         "blackout_ms": ("blackout, ms", 1, 1), "guest_gap_ms": ("guest's gap, ms", 1, 1), "outside_gap_ms": ("outside gap, ms", 1, 1),
         "quiet_gap_ms": ("gap at rest, ms", 1, 1), "blackout_stamped_ms": ("blackout stamped, ms", 1, 1),
         "clock_stood_ms": ("clock stood stamped", 1, 1), "clocks_differ_ms": ("clocks differ by, ms", 1, 2),
         "clock_error_ms": ("and may by, ms", 1, 2), "parts_ms": ("parts together, ms", 1, 1),
         "throttle": ("slowed down by, %", 0.01, 0),
         "objects": ("compiled so far", 1, 0)}


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


def baseline(rows, memory, cpus):
    """What bench/baseline.json keeps: a ratio, since it hangs less on the machine than times do."""
    return {"schema": 1, "downtime": {"workload": rows[0]["workload"], "memory": memory, "cpus": cpus, "runs": len({row["run"] for row in rows}),
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
