"""A whole Debian as dom0, from its own initramfs to a login on hvc0: it comes up without a failed unit, Xen's tools work, it ends and
begins again, and it bears a load. And the same Debian as a guest. Slow (--all)."""
import dataclasses
import functools
import shlex
import subprocess
import time

from house import paths
from house.dom0 import bootstrap, debian
from house.host import disk, dom0_tests, domu_tests, hosts, shape, terminal
from house.host.tests import HostTest
from house.machine import Verdict, verdict_of
from house.say import say, tail

SHAPE = shape.Shape(system="debian", cpus=2, dom0_memory=1024, disks=((debian.LABEL, 2048),))
LOGIN_SECONDS = 900
ANSWER_SECONDS = 300
END_SECONDS = 300

STRESS_SECONDS = 600
STRESS = "cd /var/tmp && stress-ng --cpu 2 --vm 2 --vm-bytes 128M --fork 2 --io 2 --hdd 1 --hdd-bytes 64M --switch 2 --verify --metrics-brief"

GUEST_HOST = shape.Shape(cpus=2, memory=4096, disks=((debian.LABEL, 2048), ("initrd", 256)), arguments="tern.shell")
GUEST_STRESS_SECONDS = 180
# An ordinary configuration; more vCPUs than the host has CPUs.
GUEST = """name="debian"
kernel="/usr/lib/tern/vmlinuz"
ramdisk="/tmp/initrd"
memory=1024
vcpus=4
disk=["phy:/dev/vm/debian,xvda,w"]
vif=["mac=00:16:3e:00:02:01, bridge=br0"]
extra="console=hvc0 root=LABEL=debian ro"
"""

CLEAN_LOG = dom0_tests.CLEAN_LOG.replace("Oops", "Oops|rcu.*stall|blocked for more than|EXT4-fs error|I/O error")
WELL = """
state=$(systemctl is-system-running --wait) || { echo "$state"; systemctl --failed --no-legend; exit 1; }
mount | grep -q '^/dev/.* on / type ext4 (rw'
""" + CLEAN_LOG
# Xen's unit starts xenstored, and makes domain 0 known to it.
ANSWERS = f"""{WELL}
systemctl is-active xen
test "$(xenstore-read /local/domain/0/name)" = Domain-0
xl info | grep xen_version
xl list 0
"""
GUEST_ANSWERS = f"""{WELL}
test "$(systemd-detect-virt)" = xen
test "$(nproc)" = 4
test -e /sys/class/net/eth0 -o -e /sys/class/net/enX0
"""


def check(console, script, seconds=ANSWER_SECONDS):
    """The script goes through, as a whole and line by line."""
    status, output = console.run(f"sh -ec {shlex.quote(script)}", seconds)
    assert status == 0, f"exit status {status}:\n{tail(output)}"
    return output


def log_in(laboratory, console):
    """At the next login that the console offers; all is well then."""
    console.log_in(LOGIN_SECONDS)
    say(f"logged in, {time.monotonic() - laboratory.began:.0f} s after the machine was switched on")
    check(console, ANSWERS)


def boot_of(console):
    return check(console, "cat /proc/sys/kernel/random/boot_id").split()[-1]


def end(laboratory, console, command, status):
    """`command` ends the machine, and leaves a file system that needs no repair."""
    console.type(f"{command}\n")
    console.wait_for_end(END_SECONDS)
    ended = laboratory.processes[0].wait(timeout=END_SECONDS)
    assert status(ended), f"{command}: QEMU's exit status is {ended}"
    check_file_system(laboratory, command)


def check_file_system(laboratory, command):
    image = laboratory.folder / f"{debian.LABEL}.raw"
    checked = subprocess.run(["e2fsck", "-f", "-n", image], capture_output=True, text=True, check=False,
                             env={"PATH": bootstrap.PATH, "LC_ALL": "C"})
    assert checked.returncode == 0, f"the file system after {command}:\n{tail(checked.stdout + checked.stderr)}"


def started(wanted):
    files = debian.make()
    contents = {debian.LABEL: files.root, "initrd": files.initramfs}
    return hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec", contents)


def it_boots_reboots_and_powers_off(wanted):
    with started(wanted) as laboratory:
        console = terminal.of(laboratory, wanted.names[0])
        log_in(laboratory, console)
        first = boot_of(console)
        console.type("systemctl reboot\n")
        log_in(laboratory, console)
        assert boot_of(console) != first, "it says that it has not booted anew"
        end(laboratory, console, "systemctl poweroff", lambda status: status == 0)


def it_bears_a_load_and_halts(wanted):
    with started(wanted) as laboratory:
        console = terminal.of(laboratory, wanted.names[0])
        log_in(laboratory, console)
        check(console, f"{STRESS} --timeout {STRESS_SECONDS}", 2 * STRESS_SECONDS)
        check(console, ANSWERS)
        end(laboratory, console, "systemctl halt", lambda status: verdict_of(status) is Verdict.PASSED)


def it_is_a_guest():
    """From its own initramfs and a disk, on four vCPUs of a host with two CPUs: it comes up, bears a load, and its end is seen."""
    with started(GUEST_HOST) as laboratory:
        size = debian.Files().initramfs.stat().st_size
        before = laboratory.shell(domu_tests.ENDS + "free").strip()
        laboratory.shell(f"set -e; head -c {size} /dev/vm/initrd >/tmp/initrd; echo '{GUEST}' >/tmp/cfg; xl create /tmp/cfg >/dev/null")
        console = terminal.of(laboratory, GUEST_HOST.names[0])
        console.type("xl console debian\n")
        console.log_in(LOGIN_SECONDS)
        say(f"logged in, {time.monotonic() - laboratory.began:.0f} s after the host was switched on")
        check(console, GUEST_ANSWERS)
        check(console, f"{STRESS} --timeout {GUEST_STRESS_SECONDS}", 3 * GUEST_STRESS_SECONDS)
        check(console, GUEST_ANSWERS)
        console.type("systemctl poweroff\n")
        console.wait(rb"reboot: System halted", END_SECONDS)
        laboratory.shell(domu_tests.ENDS + f"set -e; gone {END_SECONDS}; rm /tmp/initrd; back {before}; (! xenstore-ls | grep -q debian); " + dom0_tests.CLEAN_LOG, seconds=2 * END_SECONDS)
        check_file_system(laboratory, "poweroff")


def tests():
    images = {"debug": True, "release": False}
    def on(body, **more):
        return {image: functools.partial(body, dataclasses.replace(SHAPE, debug=debug, **more)) for image, debug in images.items()}
    bodies = {"ends": on(it_boots_reboots_and_powers_off, restarts=True), "load": on(it_bears_a_load_and_halts)}
    as_dom0 = [HostTest(f"qemu.debian.{name}.{image}", body) for name, each in bodies.items() for image, body in each.items()]
    return [*as_dom0, HostTest("qemu.debian.guest", it_is_a_guest)]
