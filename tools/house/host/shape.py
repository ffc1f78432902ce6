"""What a host is made of, and the options that say so."""
import argparse
import dataclasses
import re

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
HYPERVISORS = ("tern", "xen", "none")
DOM0_MIB = 768
EMULATOR = ("qemu-system-x86_64",)  # as its command line begins
FOR_OTHERS_MIB = 192  # what a hypervisor wants for itself
# Real Xen's guests see corrupt floating-point state under QEMU's "max".
CPU = {"tern": "max", "xen": "qemu64", "none": "max"}
# GRUB starts Linux by itself from the packaged kernel only.
KERNEL = {"tern": "extracted", "xen": "extracted", "none": "packaged"}


@dataclasses.dataclass(frozen=True)
class Shape:
    hypervisor: str = "tern"
    cpus: int = 1
    memory: int = 2048  # MiB
    dom0_memory: int = DOM0_MIB
    hosts: int = 1
    kernel: str = KERNEL["tern"]
    cpu: str = CPU["tern"]
    machine: str = "q35"
    devices: str = "virtio"
    disks: tuple = (("vm", 1024),)
    debug: bool = False
    options: str = ""
    arguments: str = ""
    emulator: tuple = EMULATOR
    system: str = "laboratory"  # our initramfs; or "debian": a whole one, on a disk called root
    restarts: bool = False  # with dom0, as a machine does; else QEMU ends, and says how dom0 did
    far_end: bool = False  # of the last host's wire: a socket, for a program of ours
    counted: bool = False  # a nanosecond of the machine's time is an instruction

    @property
    def names(self):
        return NAMES[:self.hosts]

    def __str__(self):
        return (f"{self.hypervisor}; {self.cpus} CPU{'s' if self.cpus > 1 else ''} ({self.cpu}), {self.memory}M, "
                f"dom0 {self.dom0_memory}M, {self.machine}")


def mebibytes(text):
    match = re.fullmatch(r"([1-9]\d*)([MG]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size like 2G, 512M or 512 (MiB)")
    return int(match[1]) * (1024 if match[2] == "G" else 1)


def number(most):
    def parse(text):
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {most}")
        return int(text)
    return parse


def disk(text):
    match = re.fullmatch(r"([A-Za-z0-9_-]{1,20})(?:=(.+))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is not a disk like vm or vm=4G (a name of at most 20 letters and digits)")
    return match[1], mebibytes(match[2] or "1G")


def add_options(parser):
    parser.add_argument("--hypervisor", choices=HYPERVISORS, default="tern",
                        help="tern (default); xen: Debian's, of the release; none: the bare kernel")
    parser.add_argument("--cpus", type=number(64), default=1, metavar="N", help="of the machine, and vCPUs of dom0; default 1")
    parser.add_argument("--memory", type=mebibytes, default=2048, metavar="M", help="of the machine: 2G (default), 512M, 512 ...")
    parser.add_argument("--dom0-memory", type=mebibytes, metavar="M", help=f"of it, dom0's; default {DOM0_MIB}M; with "
                        "'none' the kernel leaves the rest alone, so that the three compare")
    parser.add_argument("--hosts", type=number(len(NAMES)), default=1, metavar="N", help="alpha, beta ... on one wire; default 1")
    parser.add_argument("--kernel", choices=("packaged", "extracted"),
                        help="vmlinuz as Debian ships it, or the ELF file in it (default; 'none' takes packaged)")
    parser.add_argument("--cpu", metavar="MODEL", help="of QEMU; default max, with 'xen' qemu64")
    parser.add_argument("--machine", choices=("q35", "pc"), default="q35", help="default q35")
    parser.add_argument("--devices", choices=("virtio", "emulated"), default="virtio",
                        help="virtio-net and virtio-blk (default), or e1000e and disks on the chipset's controller")
    parser.add_argument("--disk", type=disk, action="append", metavar="NAME[=SIZE]",
                        help="a raw disk that all hosts reach as /dev/vm/NAME; may be repeated; default vm=1G")
    parser.add_argument("--debug", action="store_true", help="Tern with its assertions, instead of as it ships")
    parser.add_argument("--options", default="", metavar="TEXT", help="more options for the hypervisor")
    parser.add_argument("--arguments", default="", metavar="TEXT", help="more on dom0's kernel command line")


def for_dom0(hypervisor, memory):
    """The most that dom0 can have of `memory`, in MiB."""
    return memory - (0 if hypervisor == "none" else FOR_OTHERS_MIB)


def of(parser, chosen):
    """The Shape that the options ask for."""
    kernel = chosen.kernel or KERNEL[chosen.hypervisor]
    if chosen.hypervisor == "none" and kernel == "extracted":
        parser.error("GRUB starts Linux from the packaged kernel only: without a hypervisor, --kernel is packaged")
    left = for_dom0(chosen.hypervisor, chosen.memory)
    dom0 = chosen.dom0_memory or min(DOM0_MIB, left)
    if not 128 <= dom0 <= left:
        parser.error(f"dom0 cannot have {dom0}M of {chosen.memory}M")
    return Shape(chosen.hypervisor, chosen.cpus, chosen.memory, dom0, chosen.hosts, kernel,
                 chosen.cpu or CPU[chosen.hypervisor], chosen.machine, chosen.devices,
                 tuple(chosen.disk or [("vm", 1024)]), chosen.debug, chosen.options, chosen.arguments)
