"""./tern boot: one guest as dom0, its console on this terminal."""
import argparse
import re
from pathlib import Path

from house import build, iso, machine, paths
from house.say import Arguments, say

ABOUT = """Boots the hypervisor in QEMU through GRUB2, with one of our guests as dom0, shows the console, and exits with the
guest's verdict: 0 if it powered off (passed), 1 otherwise.

  ./tern boot --guest hello
  ./tern boot --guest smp --cpus 4 --memory 1G
  ./tern boot --guest pagetables --gdb      waits for gdb on port 1234"""

SECONDS = 600


def memory(text):
    if not re.fullmatch(r"[1-9]\d*[MG]", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 512M or 4G")
    return text


def cpus(text):
    if not text.isdecimal() or not 1 <= int(text) <= 255:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of CPUs (1 to 255)")
    return int(text)


def arguments_of(words):
    parser = Arguments("boot", ABOUT)
    parser.add_argument("--guest", required=True, metavar="NAME", help="a folder of guests/")
    parser.add_argument("--cpus", type=cpus, default=1, metavar="N", help="CPUs of the machine and of dom0; default 1")
    parser.add_argument("--memory", type=memory, default="512M", metavar="M", help="of the machine: 512M, 4G ...")
    parser.add_argument("--cpu", default="max", metavar="MODEL", help="of QEMU: max (default), qemu64, EPYC ...")
    parser.add_argument("--machine", default="q35", choices=("q35", "pc"), help="default q35")
    parser.add_argument("--release", action="store_true", help="the image as it ships, instead of the debug image")
    parser.add_argument("--gdb", action="store_true", help="wait for gdb before the first instruction")
    parser.add_argument("--log", type=Path, default=paths.BUILD / "boot.log", metavar="FILE",
                        help="where the console goes too; default build/boot.log")
    parser.add_argument("--options", default="", metavar="TEXT", help="more options for the hypervisor")
    parser.add_argument("--arguments", default="", metavar="TEXT", help="the guest's command line, after its name")
    parser.add_argument("--timeout", type=int, default=SECONDS, metavar="S", help=f"give up after; default {SECONDS} s")
    chosen = parser.parse_args(words)
    names = paths.guest_names()
    if chosen.guest not in names:
        parser.error(f"there is no guest '{chosen.guest}'; there are: {' '.join(names)}")
    return chosen


def main(words):
    chosen = arguments_of(words)
    preset = "release" if chosen.release else "dev"
    build.set_up()
    build.build(preset, build.IMAGE)
    shape = machine.Shape(chosen.cpus, chosen.memory, chosen.cpu, chosen.machine)
    disk = iso.make(preset, chosen.guest, f"{machine.OPTIONS} {chosen.options}".strip(), chosen.arguments)
    say(f"booting {chosen.guest} ({preset}; {shape}); the console is also in {chosen.log}")
    if chosen.gdb:
        say(f"waiting for: gdb {paths.image(preset).relative_to(paths.ROOT)} -ex 'target remote :1234'")
    run = machine.run(shape, disk, chosen.log, chosen.timeout, interactive=True, gdb=chosen.gdb)
    say(f"{chosen.guest}: {run.verdict.value} ({run.seconds:.1f} s)")
    return 0 if run.verdict is machine.Verdict.PASSED else 1
