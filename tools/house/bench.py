"""./tern bench: how fast it is. Figures go to stdout; nothing here can fail a test."""
import re
import subprocess

from house import boot_bench, build, domu_bench, downtime_bench, guest_bench, iso, logdirty_bench, machine, paths
from house.say import Arguments, Failure, say, step

ABOUT = """Builds what ships and measures it: each room's Google Benchmark on this machine, then our guest 'bench', which prints
what hypercalls and page faults cost it in QEMU.

  ./tern bench             all of it
  ./tern bench shadow      the benchmarks whose names match, a regular expression; the guest's name is guest.bench
  ./tern bench guest       Linux in dom0, beside real Xen and the bare kernel: ./tern bench guest --help
  ./tern bench boot        from QEMU's start to dom0's shell, beside real Xen: ./tern bench boot --help
  ./tern bench domu        guests' network, disk and clock, beside real Xen: ./tern bench domu --help
  ./tern bench logdirty    what it costs to know what a guest writes: ./tern bench logdirty --help
  ./tern bench downtime    how long a guest that moves stands still, beside real Xen: ./tern bench downtime --help"""

GUEST = "guest.bench"
OF_LINUX = {"guest": guest_bench.main, "boot": boot_bench.main, "domu": domu_bench.main,
            "downtime": downtime_bench.main, "logdirty": logdirty_bench.main}


def programs():
    return sorted(path.stem for path in (paths.BUILD / "release/bench").glob("*/*_bench"))


def main(words):
    if words and words[0] in OF_LINUX:
        return OF_LINUX[words[0]](words[1:])
    parser = Arguments("bench", ABOUT)
    parser.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="of the names; a regular expression")
    try:
        wanted = re.compile(parser.parse_args(words).pattern).search
    except re.error as error:
        parser.error(f"PATTERN is not a regular expression: {error}")
    build.set_up()
    build.build("release", ("benchmarks",) + build.IMAGE)
    chosen = [name for name in programs() + [GUEST] if wanted(name)]
    if not chosen:
        say(f"no benchmark is named like that; there are {' '.join(programs() + [GUEST])}")
        return 2
    for name in chosen:
        with step(name):
            run_guest() if name == GUEST else run_program(name)
    return 0


def run_program(name):
    program = paths.BUILD / "release/bench" / name.removesuffix("_bench") / name
    if subprocess.run([program], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Failure(f"{program.relative_to(paths.ROOT)} failed")


def run_guest():
    disk = iso.make("release", "bench", machine.OPTIONS, "")
    run = machine.run(machine.Shape(1), disk, paths.BUILD / "guest-logs/bench.log", 120)
    if run.verdict is not machine.Verdict.PASSED:
        raise Failure(f"the guest 'bench': {run.verdict.value}; its console is in build/guest-logs/bench.log")
    print("\n".join(line for line in run.console.splitlines() if line.startswith("#")), flush=True)
