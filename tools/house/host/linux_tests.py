"""Debian's Linux as dom0 on machines of every kind: what it drives works, its log is clean, and it can end. Slow (--all)."""
import functools

from house import paths, pairwise
from house.host import disk, dom0_tests, hosts, older_qemu, reflector, shape
from house.host.tests import HostTest
from house.machine import Verdict, verdict_of
from house.say import Failure, tail

MATRIX = {"machine": ("q35", "pc"), "devices": ("virtio", "emulated"), "kernel": ("extracted", "packaged"),
          "cpus": (1, 2, 4), "memory": (512, 1024, 2048, 4096), "cpu": ("max", "qemu64", "EPYC", "Skylake-Client"),
          "qemu": ("installed", "older")}
DRIVERS = {"virtio": "virtio_net", "emulated": "e1000e"}

# 1 MiB to the disk and back past all caches, datagrams to the far end of the wire and back, Xen's tools, the kernel's own log.
SCRIPT = """set -e
nproc
basename "$(readlink /sys/class/net/eth0/device/driver)"
dd if=/dev/urandom of=/tmp/written bs=64k count=16 2>/dev/null
dd if=/tmp/written of=/dev/vm/vm bs=64k oflag=direct 2>/dev/null
dd if=/dev/vm/vm bs=64k count=16 iflag=direct 2>/dev/null | cmp - /tmp/written
/usr/lib/tern/bench disk-read 50 >/dev/null
/usr/lib/tern/bench network 50 >/dev/null
xl info >/dev/null
""" + dom0_tests.CLEAN_LOG


def shape_of(row):
    older = row["qemu"] == "older"
    # SMAP is one of the things that the older QEMU has wrong.
    cpu = f"{row['cpu']},-smap" if older and row["cpu"] != "qemu64" else row["cpu"]
    return shape.Shape(cpus=row["cpus"], memory=row["memory"], dom0_memory=min(shape.DOM0_MIB, shape.for_dom0("tern", row["memory"])),
                       kernel=row["kernel"], cpu=cpu, machine=row["machine"], devices=row["devices"], far_end=True,
                       emulator=older_qemu.command() if older else shape.EMULATOR)


def everything_works(row):
    wanted = shape_of(row)
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        reflector.start(laboratory)
        status, output, errors = laboratory.ask([b"sh", b"-c", SCRIPT.encode()])
    said = f"{output.decode()}\n{errors.decode()}"
    assert status == 0, f"exit status {status}:\n{tail(said)}"
    assert output.decode().split()[:2] == [str(wanted.cpus), DRIVERS[wanted.devices]], said


def the_machine_ends(command, verdict):
    """`command` in dom0 ends the machine, with the hypervisor's word for how."""
    wanted = shape.Shape()
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        try:
            laboratory.ask(command)
        except Failure:
            pass  # it went away, as it should
        status = laboratory.processes[0].wait(timeout=60)
    assert verdict_of(status) is verdict, f"{b' '.join(command).decode()}: QEMU's exit status {status}: {verdict_of(status).value}"


def name_of(row):
    return "qemu.linux." + ".".join(f"{value}{unit}" for value, unit in zip(
        (row["machine"], row["devices"], row["kernel"], row["cpus"], row["memory"], row["cpu"], row["qemu"]),
        ("", "", "", "cpu", "M", "", "-qemu")))


def tests():
    matrix = [HostTest(name_of(row), functools.partial(everything_works, row)) for row in pairwise.sample(MATRIX)]
    ends = [HostTest("qemu.linux.poweroff", functools.partial(the_machine_ends, [b"poweroff", b"-f"], Verdict.PASSED)),
            HostTest("qemu.linux.reboot", functools.partial(the_machine_ends, [b"reboot", b"-f"], Verdict.REBOOT))]
    return ends + matrix
