"""./tern bench boot: how long a machine takes from QEMU's start to dom0's shell, on Tern and on real Xen, in turns.

Both start from GRUB on an ISO image, with the same kernel file, the same initramfs and the same CPU model; one boot at a time. The shell
is there when the host answers its first command.
"""
import json
import statistics
import time

from house import build, paths
from house.guest_bench import CPU, FEWEST_PAIRS, at_least, compare, ratio_text
from house.host import disk, hosts, shape
from house.say import Arguments, Failure, Progress, step

ABOUT = """Boots Debian's Linux as dom0 on Tern and on real Xen, one after the other, in turns, and prints the seconds from QEMU's start until
dom0 answers its first command: from vmlinuz as packaged, which the hypervisor unpacks, and from the ELF file in it. A ratio below 1 says
that Tern is faster; with it stands the interval that holds the true median at 95 %.

  ./tern bench boot
  ./tern bench boot --pairs 11 --cpus 2 --kernel packaged"""

KERNELS = ("packaged", "extracted")
SYSTEMS = ("tern", "xen")


def main(words):
    parser = Arguments("bench boot", ABOUT)
    parser.add_argument("--pairs", type=at_least(1), default=FEWEST_PAIRS, metavar="N", help=f"turns; default {FEWEST_PAIRS}")
    parser.add_argument("--kernel", choices=KERNELS, action="append", help="one of the two; default both")
    parser.add_argument("--cpus", type=shape.number(64), default=1, metavar="N", help="of each machine; default 1")
    parser.add_argument("--cpu", default=CPU, metavar="MODEL", help=f"of QEMU; default {CPU}, which real Xen's guests bear")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    chosen = parser.parse_args(words)
    build.set_up()
    kernels = tuple(dict.fromkeys(chosen.kernel or KERNELS))
    wanted = {(kernel, name): shape.Shape(hypervisor=name, cpus=chosen.cpus, cpu=chosen.cpu, kernel=kernel)
              for kernel in kernels for name in SYSTEMS}
    images = {key: disk.make(one) for key, one in wanted.items()}
    with step(f"{len(wanted)} boots, {chosen.pairs} turns"):
        times = measure(wanted, images, chosen.pairs)
    rows = [summary(kernel, *(times[kernel, name] for name in SYSTEMS)) for kernel in kernels]
    print(json.dumps({"schema": 1, "rows": rows}) if chosen.format == "json" else table(rows), flush=True)
    return 0


def measure(wanted, images, pairs):
    """(kernel, system) -> seconds, turn by turn."""
    times = {key: [] for key in wanted}
    progress = Progress()
    for turn in range(pairs):
        for key, one in wanted.items():
            progress.show(f"turn {turn + 1} of {pairs}: {' on '.join(key)}")
            times[key].append(boot(one, images[key]))
    progress.close()
    return times


def boot(one, image):
    """Seconds from QEMU's start until dom0 has run a command."""
    with hosts.temporary(one, image, paths.BUILD / "exec") as laboratory:
        status, _, errors = laboratory.ask((b"true",))
        if status != 0:
            raise Failure(f"{one.hypervisor}: true: {errors.decode(errors='replace').strip()}")
        return time.monotonic() - laboratory.began


def summary(kernel, ours, theirs):
    ratio, low, high = compare(ours, theirs)
    return {"name": kernel, "tern": statistics.median(ours), "xen": statistics.median(theirs),
            "ratio_to_xen": ratio, "ratio_low": low, "ratio_high": high}


def table(rows):
    lines = [f"{'':12}{'tern s':>10}{'xen s':>10}   tern/xen"]
    lines += [f"{row['name']:12}{row['tern']:10.1f}{row['xen']:10.1f}   {ratio_text(row)}" for row in rows]
    return "\n".join(lines)
