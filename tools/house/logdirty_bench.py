"""./tern bench logdirty: what it costs to know what a guest writes, on Tern and on real Xen.

A guest of M MiB touches each page of W MiB, again and again, as fast as it can; dom0 asks ten times a second what was written. Under TCG the
guest's loss is that of an emulator's TLB refills and faults; on metal both are smaller. How much of it is refills, the neighbour tells: it is
asked in the guest's place, which changes nothing for the guest but that all CPUs flush their TLBs.
"""
import json
import statistics

from house import build, paths
from house.guest_bench import CPU
from house.host import disk, hosts, shape, webs
from house.say import Arguments, step

ABOUT = """Boots a host on Tern (and with --against xen one on real Xen) with a guest, which writes to W of its M MiB as fast as it can, while
dom0 asks ten times a second what it has written (XEN_DOMCTL_shadow_op). Prints how long it takes to begin and to be answered, how
much slower the guest is than without, and, on Tern, for how long it stood still at the beginning (the longest of all turns). On Tern three
times: by dirty bits; by a fault at the first write to each page; and with a neighbour asked in its place, which costs the guest nothing but the
flushes of TLBs.

  ./tern bench logdirty
  ./tern bench logdirty --against xen --memory 512"""

ROUNDS, PAUSE, SECONDS, TURNS = 20, 100, 3, 3
TOUCHED = (0, 1, 16, 64)
# What dom0 asks of, and how; the neighbour does nothing.
BY_DIRTY_BITS = "tern-harvest --tracker dirty-bits $(xl domid {})"
WAYS = {"tern": {"harvest": BY_DIRTY_BITS.format("web1"), "write-protect": "tern-harvest --tracker write-protect $(xl domid web1)",
                 "neighbour": BY_DIRTY_BITS.format("web2")},
        "xen": {"log-dirty": "tern-harvest $(xl domid web1)"}}


def main(words):
    parser = Arguments("bench logdirty", ABOUT)
    parser.add_argument("--against", choices=("xen",), help="the same on real Xen")
    parser.add_argument("--memory", type=shape.number(2048), default=256, metavar="MIB", help="of the guest; default 256")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    chosen = parser.parse_args(words)
    if chosen.memory < 2 * max(TOUCHED):
        parser.error(f"--memory: at least {2 * max(TOUCHED)}, since the guest touches up to {max(TOUCHED)} MiB")
    build.set_up()
    results = [row for system in ("tern", chosen.against) if system for row in measure(system, chosen.memory)]
    print(json.dumps({"schema": 1, "rows": results}) if chosen.format == "json" else table(results), flush=True)
    return 0


def measure(system, memory):
    wanted = shape.Shape(hypervisor=system, cpus=2, cpu=CPU, memory=memory + 2048)
    rows = [(way, touched) for way in WAYS[system] for touched in TOUCHED if touched or way != "neighbour"]
    guests = "web 2 memory=128; answers 2;" if "neighbour" in WAYS[system] else ""
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory, step(f"{system}: {len(rows)} rows"):
        laboratory.shell(webs.SHELL + f"web 1 memory={memory}; answers 1; {guests}")
        return [row(laboratory, system, way, memory, touched) for way, touched in rows]


def row(laboratory, system, way, memory, touched):
    """Without and with, in turns; medians."""
    touch = f"load 1 touch {touched} {SECONDS}" if touched else f"sleep {SECONDS}; echo 0"
    without, tracked, asked, starts, stops = [], [], [], [], []
    for _ in range(TURNS):
        without.append(float(laboratory.shell(webs.SHELL + touch)))
        said = laboratory.shell(webs.SHELL + f"""
            (usleep 300000; exec {WAYS[system][way]} {ROUNDS} {PAUSE}) >/tmp/harvest & harvest=$!
            {touch}; wait $harvest; cat /tmp/harvest""").splitlines()
        tracked.append(float(said[0]))
        found = json.loads(said[1])
        starts.append(found["start_us"])
        stops.append(found["stopped_ns"])
        asked += found["rounds"][1:]  # the first is of all that was written before
    slower = statistics.median(without) / statistics.median(tracked) if touched else None
    return {"system": system, "tracker": way, "memory_mib": memory, "touched_mib": touched, "start_us": statistics.median(starts),
            "stopped_us": None if None in stops else max(stops) / 1000, "harvest_us": statistics.median(one["us"] for one in asked),
            "dirty": statistics.median(one["dirty"] for one in asked), "slower": slower}


def table(rows):
    head = f"{'':6}{'':15}{'memory':>6}{'touched':>9}{'begin':>11}{'stopped':>12}{'an answer':>12}{'frames':>9}{'guest slower':>14}"
    return "\n".join([head, *(
        f"{one['system']:6}{one['tracker']:15}{one['memory_mib']:>6}{one['touched_mib']:>9}{one['start_us'] / 1000:>8.1f} ms{stopped(one):>12}"
        f"{one['harvest_us'] / 1000:>9.2f} ms{one['dirty']:>9.0f}{'' if one['slower'] is None else format(one['slower'], '.2f'):>14}" for one in rows)])


def stopped(row):
    return "" if row["stopped_us"] is None else f"{row['stopped_us'] / 1000:.3f} ms"
