"""./tern bench guest: what Linux's own operations cost in dom0 on Tern, beside real Xen and the bare machine.

The hosts stay up side by side; each row's measurements take turns (Tern, Xen, none, Tern ...), so that whatever else this machine
does falls on all of them. Of a turn's few short measurements in each the fastest counts: what others take away only ever adds.
A ratio is the median over the turns, with the interval that holds the true median at 95 %.
"""
import argparse
import contextlib
import json
import math
import re
import statistics

from house import build, paths
from house.host import disk, hosts, reflector, shape
from house.say import Arguments, Failure, Progress, say, step

ABOUT = """Boots dom0 on Tern, and on what it is compared with, and measures Linux's own operations in each by one static program
(guests/linux/bench), in turns. Prints nanoseconds per operation and ratios of times: below 1 Tern is faster.

  ./tern bench guest                                  Tern alone
  ./tern bench guest --against xen,none               beside real Xen, and the bare kernel
  ./tern bench guest --against xen --rows 'fault|fork'
  ./tern bench guest --against xen --instructions     counts them, of user, kernel and hypervisor together: the same on any machine"""

PROGRAM = b"/usr/lib/tern/bench"
FEWEST_PAIRS = 7
MEASUREMENTS = 3  # of a row in each system, in one turn
# Real Xen's guests see corrupt floating-point state under QEMU's "max": all get the same model, or nothing compares.
CPU = "qemu64"
CONFIDENCE = 0.95


def systems(text):
    chosen = text.split(",")
    if not set(chosen) <= {"xen", "none"}:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of xen and none")
    return tuple(dict.fromkeys(chosen))


def at_least(fewest):
    def parse(text):
        if not text.isdecimal() or int(text) < fewest:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least {fewest}")
        return int(text)
    return parse


def pattern(text):
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a regular expression: {error}") from None


def main(words):
    parser = Arguments("bench guest", ABOUT)
    parser.add_argument("--against", type=systems, default=(), metavar="LIST", help="xen, none or xen,none")
    parser.add_argument("--rows", type=pattern, default=re.compile(""), metavar="PATTERN", help="of the rows' names")
    parser.add_argument("--pairs", type=at_least(FEWEST_PAIRS), default=FEWEST_PAIRS, metavar="N",
                        help=f"turns of each row; default {FEWEST_PAIRS}, and no fewer")
    parser.add_argument("--milliseconds", type=at_least(1), default=100, metavar="T",
                        help=f"of each of a turn's {MEASUREMENTS} measurements; default 100")
    parser.add_argument("--cpus", type=shape.number(64), default=1, metavar="N", help="of each machine; default 1")
    parser.add_argument("--cpu", default=CPU, metavar="MODEL", help=f"of QEMU; default {CPU}, which real Xen's guests bear")
    parser.add_argument("--instructions", action="store_true", help="instructions instead of nanoseconds; for what waits for nothing")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    chosen = parser.parse_args(words)
    build.set_up()
    names = ("tern", *chosen.against)
    with contextlib.ExitStack() as stack:
        with step(f"booting dom0 on {', '.join(names)}"):
            up = {name: stack.enter_context(host(name, chosen)) for name in names}
            rows = [row for row in list_rows(up["tern"]) if chosen.rows.search(row[0])]
            for laboratory in up.values():
                ask(laboratory, b"true")
        if not rows:
            parser.error("no row is named like that")
        with step(f"{len(rows)} rows, {chosen.pairs} turns"):
            figures = measure(up, [name for name, _ in rows], chosen.pairs, chosen.milliseconds)
    results = [summary(name, figures[name]) for name, _ in rows]
    unit = "instr" if chosen.instructions else "ns"
    print(json.dumps({"schema": 1, "unit": unit, "rows": results}) if chosen.format == "json" else table(results, unit), flush=True)
    return 0


@contextlib.contextmanager
def host(name, chosen):
    wanted = shape.Shape(hypervisor=name, cpus=chosen.cpus, cpu=chosen.cpu, kernel=shape.KERNEL[name], far_end=True,
                         counted=chosen.instructions)
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        reflector.start(laboratory)
        yield laboratory


def ask(laboratory, *vector):
    """What the command prints."""
    status, output, errors = laboratory.ask(vector)
    if status != 0:
        raise Failure(f"{laboratory.shape.hypervisor}: {b' '.join(vector).decode()}: {errors.decode().strip()}")
    return output.decode()


def list_rows(laboratory):
    """(name, what one operation is) pairs."""
    return [tuple(line.split("\t")) for line in ask(laboratory, PROGRAM, b"--list").splitlines()]


def measure(up, rows, pairs, milliseconds):
    """row -> system -> nanoseconds per operation, turn by turn."""
    figures = {row: {name: [] for name in up} for row in rows}
    progress = Progress()
    for turn in range(pairs):
        for row in rows:
            progress.show(f"turn {turn + 1} of {pairs}: {row}")
            taken = {name: [] for name in up}
            for _ in range(MEASUREMENTS):
                for name, laboratory in up.items():
                    taken[name].append(float(ask(laboratory, PROGRAM, row.encode(), str(milliseconds).encode())))
            for name, times in taken.items():
                figures[row][name].append(min(times))
    progress.close()
    return figures


def interval(values):
    """The narrowest pair of order statistics between which the true median lies at CONFIDENCE."""
    ordered, count = sorted(values), len(values)
    outside, skipped = 0.0, 0
    while True:
        outside += 2 * math.comb(count, skipped) / 2**count
        if outside > 1 - CONFIDENCE:
            break
        skipped += 1
    skipped = max(skipped - 1, 0)
    return ordered[skipped], ordered[count - 1 - skipped]


def compare(ours, theirs):
    """The median ratio over pairs, and the interval that holds the true one."""
    ratios = [one / other for one, other in zip(ours, theirs)]
    low, high = interval(ratios) if ratios else (None, None)
    return (statistics.median(ratios) if ratios else None), low, high


def ratio_text(row):
    return f"{row['ratio_to_xen']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})" if row["ratio_to_xen"] else "-"


def summary(name, by_system):
    row = {"name": name, **{system: None for system in ("tern", "xen", "none")}}
    row |= {system: statistics.median(times) for system, times in by_system.items()}
    row["ratio_to_xen"], row["ratio_low"], row["ratio_high"] = compare(by_system["tern"], by_system.get("xen", []))
    row["ratio_to_none"], *_ = compare(by_system["tern"], by_system.get("none", []))
    return row


def table(rows, unit="ns"):
    lines = [f"{'':18}" + "".join(f"{name + ' ' + unit:>12}" for name in ("tern", "xen", "none")) + f"   {'tern/xen':<22}{'tern/none':>9}"]
    for row in rows:
        times = "".join(f"{row[system]:12.0f}" if row[system] else f"{'-':>12}" for system in ("tern", "xen", "none"))
        to_none = f"{row['ratio_to_none']:.2f}" if row["ratio_to_none"] else "-"
        lines.append(f"{row['name']:18}{times}   {ratio_text(row):<22}{to_none:>9}")
    means = {system: [row[f"ratio_to_{system}"] for row in rows if row[f"ratio_to_{system}"]] for system in ("xen", "none")}
    to_xen, to_none = (f"{statistics.geometric_mean(ratios):.2f}" if ratios else "-" for ratios in means.values())
    lines.append(f"{'geometric mean':18}{'':36}   {to_xen:<22}{to_none:>9}")
    return "\n".join(lines)
