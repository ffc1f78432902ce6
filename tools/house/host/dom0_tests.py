"""The tests of dom0: Debian's stock Linux and Xen's own tools in it. What the tools print is compared with what they print on
real Xen (tests/golden/xl): the same keys and columns in the same order, `*` for what differs from one machine or moment to
another. The same tests run on real Xen, too (qemu.xen.*, --all): a golden file that Xen itself does not match is wrong."""
import fnmatch
import functools
import re

from house import paths
from house.host import hosts, shape, shared
from house.host.tests import HostTest, expect, tern

GOLDEN = paths.ROOT / "tests/golden/xl"
TABLES = {"info": "xl info", "list": "xl list", "vcpu-list": "xl vcpu-list", "sched-credit2": "xl sched-credit2",
          "cpupool-list": "xl cpupool-list", "uptime": "xl uptime", "xenstore-ls": "xenstore-ls"}
UNREAD = 2 << 20  # octets: ten times what a socket keeps
CLEAN_LOG = "(! dmesg | grep -E 'WARNING: CPU|BUG:|Call Trace|Oops')"


def in_dom0(hypervisor, script, *options):
    done = tern("exec", "--hypervisor", hypervisor, *options, "--", "sh", "-c", script)
    expect(done, 0)
    return done.stdout.decode()


def columns(text):
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def differences(name, printed):
    """What is wrong with the output of one tool, in words; nothing if it is as on Xen."""
    expected, found = columns((GOLDEN / name).read_text()), columns(printed)
    wrong = [f"'{line}' is not like '{pattern}'" for pattern, line in zip(expected, found)
             if not fnmatch.fnmatchcase(line, pattern)]
    if len(expected) != len(found):
        wrong.append(f"{len(found)} lines, not {len(expected)}")
    return [f"{TABLES[name]}: {problem}" for problem in wrong]


def the_tools_print_what_they_print_on_xen(hypervisor):
    script = "set -e; " + "; ".join(f"printf '\\f{name}\\n'; {command}" for name, command in TABLES.items()) + "; " + CLEAN_LOG
    printed = dict(piece.split("\n", 1) for piece in in_dom0(hypervisor, script, "--cpus", "2").split("\f")[1:])
    wrong = [problem for name in TABLES for problem in differences(name, printed[name])]
    assert not wrong, "\n".join(wrong)


def the_tools_change_what_they_show(hypervisor):
    """A weight, a cap, an affinity; and the hypervisor's answer to a key is in its log."""
    script = """set -e
        before=$(xl dmesg | wc -l); xl debug-keys h; test "$(xl dmesg | wc -l)" -gt "$before"
        xl sched-credit2 -d 0 -w 512 -c 150; xl sched-credit2 -d 0 | awk '{ print $3, $4 }' | tail -n 1
        xl vcpu-pin 0 1 0 all; xl vcpu-list 0 | awk '{ print $7, $8, $9 }' | tail -n 1
        uname -r; """ + CLEAN_LOG
    lines = in_dom0(hypervisor, script, "--cpus", "2").splitlines()
    assert lines[:2] == ["512 150", "0 / all"], f"weight, cap and affinity: {lines[:2]}"
    assert lines[2].startswith("6.1."), f"not Debian's kernel: {lines[2:]}"


def refusals(log):
    """What a debug build logged that it refused domain 0: without the arguments, but for a sub-operation's number."""
    found = set()
    for number, first, why in re.findall(r"d0v\d+: hypercall (\d+)\((0x[0-9a-f]+)[^)]*\): (.+)", log):
        operation = f" ({int(first, 16)})" if int(first, 16) < 256 else ""
        found.add(f"hypercall {number}{operation}: {why.strip()}")
    found |= {f"page table refused: {why}" for why in re.findall(r"d0: page table refused: ([^(\n]+) \(", log)}
    return found


def no_refusal_is_new():
    documented = set(re.findall(r"`((?:hypercall|page table) [^`]+)`", (paths.ROOT / "docs/abi-coverage.md").read_text()))
    log = paths.BUILD / "guest-logs/dom0-refusals.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    in_dom0("tern", "xl info && xl list && xl vcpu-list", "--cpus", "2", "--debug", "--log", str(log))
    seen = refusals(log.read_text(errors="replace"))
    assert seen, "a debug build logs what it refuses; nothing was logged"
    assert seen <= documented, f"not in docs/abi-coverage.md: {sorted(seen - documented)}"


def a_line_that_nobody_reads_stops_nobody():
    """More is written to the console than its reader, who does not read, has room for: what is too much is lost, and the host goes on."""
    laboratory = shared.HOSTS.laboratory(shape.Shape(hypervisor="tern", cpus=2, cpu=shape.CPU["tern"]))
    with hosts.connect(laboratory.folder, f"{laboratory.shape.names[0]}.console"):
        said = laboratory.shell(f"head -c {UNREAD} /dev/zero | tr '\\0' x >/dev/hvc0; xl list >/dev/null && echo lives")
    assert said == "lives\n", said


def tests_on(hypervisor, prefix):
    bodies = {"tools": the_tools_print_what_they_print_on_xen, "control": the_tools_change_what_they_show}
    return [HostTest(f"qemu.{prefix}.{name}", functools.partial(body, hypervisor)) for name, body in bodies.items()]


def tests():
    """On Tern: part of every test run."""
    return tests_on("tern", "dom0") + [HostTest("qemu.dom0.refusals", no_refusal_is_new),
                                       HostTest("qemu.dom0.unread", a_line_that_nobody_reads_stops_nobody)]


def tests_on_xen():
    return tests_on("xen", "xen")
