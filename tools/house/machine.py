"""The emulated machine: QEMU without acceleration, a serial line, and a device through which a verdict comes out.

The guest ends with SCHEDOP_shutdown; the hypervisor writes what that means to port 0xf4 (its option debug-exit=0xf4),
and QEMU exits with twice that value plus one. docs/debugging.md has the table.
"""
import dataclasses
import enum
import subprocess
import sys
import time
from pathlib import Path

PORT = 0xF4
LOG_OPTIONS = "console=com1 com1=115200 loglvl=all guest_loglvl=all"
OPTIONS = f"{LOG_OPTIONS} noreboot debug-exit={PORT:#x}"


class Verdict(enum.Enum):
    PASSED = "the guest powered off: passed"
    FAILED = "the guest crashed or said that it failed"
    PANIC = "the hypervisor panicked"
    REBOOT = "the guest asked for a reboot"
    HANG = "no verdict in time: it hangs"
    SILENT = "the machine went off without a verdict"
    BROKEN = "QEMU itself failed"


def verdict_of(status):
    """What the exit status of QEMU (under timeout) says."""
    by_status = {2 * 0x10 + 1: Verdict.PASSED, 2 * 0x11 + 1: Verdict.FAILED, 2 * 0x12 + 1: Verdict.PANIC,
                 2 * 0x13 + 1: Verdict.REBOOT, 124: Verdict.HANG, 137: Verdict.HANG, 0: Verdict.SILENT}
    return by_status.get(status, Verdict.BROKEN)


@dataclasses.dataclass(frozen=True)
class Shape:
    """What kind of machine."""
    cpus: int = 1
    memory: str = "512M"
    cpu: str = "max"
    machine: str = "q35"

    def __str__(self):
        return f"{self.cpus} CPU{'s' if self.cpus > 1 else ''}, {self.memory}, {self.cpu}, {self.machine}"


@dataclasses.dataclass
class Run:
    verdict: Verdict
    seconds: float
    console: str


def command(shape, iso, log, interactive, gdb):
    console = f"stdio,id=console,signal=on,logfile={log}" if interactive else f"file,id=console,path={log}"
    return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", shape.machine, "-cpu", shape.cpu,
            "-smp", str(shape.cpus), "-m", shape.memory, "-display", "none", "-monitor", "none", "-net", "none",
            "-no-reboot", "-device", f"isa-debug-exit,iobase={PORT:#x},iosize=0x04",
            "-chardev", console, "-serial", "chardev:console", "-cdrom", str(iso)] + (["-s", "-S"] if gdb else [])


def run(shape, iso, log: Path, seconds, interactive=False, gdb=False):
    """Runs the machine until its verdict, at most `seconds`. The console goes to `log`, and to stdout if interactive."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    stdin = None if interactive and sys.stdin.isatty() else subprocess.DEVNULL
    limit = [] if gdb else ["timeout", "--foreground", "--kill-after=5", str(seconds)]
    begin = time.monotonic()
    done = subprocess.run(limit + command(shape, iso, log, interactive, gdb), stdin=stdin, check=False,
                          stderr=None if interactive else subprocess.PIPE, text=True)
    took = time.monotonic() - begin
    console = log.read_text(errors="replace")
    verdict = verdict_of(done.returncode)
    if verdict is Verdict.BROKEN:
        console += f"\n{(done.stderr or '').strip()}\nQEMU exit status {done.returncode}"
    return Run(verdict, took, console)
