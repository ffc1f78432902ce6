"""./tern bench domu: what a guest's network, disk and clock bear, on Tern and on real Xen, in turns.

Two hosts of each kind stay up side by side; on the first are two guests, one with a disk, on the second's dom0 is the other end of the
wire. Each measurement is of work that is counted where it has arrived: octets that a sink has confirmed, blocks past the kernel's cache.
"""
import contextlib
import json
import statistics

from house import build, paths
from house.guest_bench import CPU, FEWEST_PAIRS, at_least, compare, pattern, ratio_text
from house.host import disk, hosts, shape, webs
from house.say import Arguments, Progress, step

ABOUT = """Boots two hosts on Tern and two on real Xen, each pair with two guests, and measures the guests' network, disk and clock in turns
(guests/linux/load). Prints how much there was of each a second, and the ratio of times: below 1 Tern is faster.

  ./tern bench domu
  ./tern bench domu --rows tcp --pairs 15"""

SYSTEMS = ("tern", "xen")
SINK, ECHO = 21, 22  # ports: guests/linux/web/etc/start
DISK_MIB = 256
NEIGHBOUR, DOM0, OTHER_HOST = "10.0.0.102", "10.0.0.1", "10.0.0.2"
# name -> what one is, and what the first guest is told
ROWS = {
    "clock": ("calls", "clock 1"),
    "tcp-dom0": ("MiB", f"send {DOM0} {SINK} 24"),
    "tcp-domu": ("MiB", f"send {NEIGHBOUR} {SINK} 16"),
    "tcp-other-host": ("MiB", f"send {OTHER_HOST} {SINK} 16"),
    "trip-dom0": ("trips", f"ask {DOM0} {ECHO} 300"),
    "trip-domu": ("trips", f"ask {NEIGHBOUR} {ECHO} 300"),
    "trip-other-host": ("trips", f"ask {OTHER_HOST} {ECHO} 200"),
    "disk-4k-read": ("blocks", "disk /dev/xvda read random 4096 400"),
    "disk-4k-write": ("blocks", "disk /dev/xvda write random 4096 400"),
    "disk-1M-read": ("MiB", "disk /dev/xvda read sequential 1048576 400"),
    "disk-1M-write": ("MiB", "disk /dev/xvda write sequential 1048576 400"),
}
SERVE = f"{webs.SHELL}serve tern-load sink {SINK}; serve tern-load echo {ECHO}; "
GUESTS = "web 1 'disk=[\"phy:/dev/vm/vm,xvda,w\"]'; web 2; answers 1; answers 2"


def main(words):
    parser = Arguments("bench domu", ABOUT)
    parser.add_argument("--rows", type=pattern, default=pattern(""), metavar="PATTERN", help="of the rows' names")
    parser.add_argument("--pairs", type=at_least(FEWEST_PAIRS), default=FEWEST_PAIRS, metavar="N",
                        help=f"turns of each row; default {FEWEST_PAIRS}, and no fewer")
    parser.add_argument("--cpus", type=shape.number(64), default=2, metavar="N", help="of each machine; default 2")
    parser.add_argument("--cpu", default=CPU, metavar="MODEL", help=f"of QEMU; default {CPU}, which real Xen's guests bear")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    chosen = parser.parse_args(words)
    rows = [name for name in ROWS if chosen.rows.search(name)]
    if not rows:
        parser.error(f"no row is named like that; there are {' '.join(ROWS)}")
    build.set_up()
    with contextlib.ExitStack() as stack:
        with step(f"booting two hosts and two guests on {' and '.join(SYSTEMS)}"):
            up = {name: stack.enter_context(host(name, chosen.cpus, chosen.cpu)) for name in SYSTEMS}
            for laboratory in up.values():
                laboratory.shell(SERVE, host=1)
                laboratory.shell(SERVE + GUESTS)
        with step(f"{len(rows)} rows, {chosen.pairs} turns"):
            figures = measure(up, rows, chosen.pairs)
    results = [summary(name, figures[name]) for name in rows]
    print(json.dumps({"schema": 1, "rows": results}) if chosen.format == "json" else table(results), flush=True)
    return 0


@contextlib.contextmanager
def host(name, cpus, cpu):
    wanted = shape.Shape(hypervisor=name, cpus=cpus, cpu=cpu, hosts=2, disks=(("vm", DISK_MIB),))
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        yield laboratory


def measure(up, rows, pairs):
    """row -> system -> how many a second, turn by turn."""
    figures = {row: {name: [] for name in up} for row in rows}
    progress = Progress()
    for turn in range(pairs):
        for row in rows:
            progress.show(f"turn {turn + 1} of {pairs}: {row}")
            for name, laboratory in up.items():
                figures[row][name].append(float(laboratory.shell(f"{webs.SHELL}load 1 {ROWS[row][1]}")))
    progress.close()
    return figures


def summary(name, by_system):
    ours, theirs = (by_system[system] for system in SYSTEMS)
    ratio, low, high = compare(theirs, ours)  # of times: the other way round than of rates
    return {"name": name, "unit": f"{ROWS[name][0]}/s", "tern": statistics.median(ours), "xen": statistics.median(theirs),
            "ratio_to_xen": ratio, "ratio_low": low, "ratio_high": high}


def table(rows):
    lines = [f"{'':18}{'tern':>12}{'xen':>12}           tern/xen"]
    lines += [f"{row['name']:18}{row['tern']:12.1f}{row['xen']:12.1f} {row['unit']:9} {ratio_text(row)}" for row in rows]
    # The clock's ratio is of another order, and would be all that the mean shows.
    if moving := [row["ratio_to_xen"] for row in rows if row["name"] != "clock"]:
        lines.append(f"{'geometric mean, network and disk':65} {statistics.geometric_mean(moving):.2f}")
    return "\n".join(lines)
