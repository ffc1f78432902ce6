"""The tests of ./tern exec and ./tern lab themselves, on hosts without a hypervisor: they boot soonest."""
import contextlib
import dataclasses
import os
import signal
import subprocess
import time
from pathlib import Path

from house import paths
from house.host import disk, hosts, shape, shared
from house.hosted import Count
from house.say import Failure, say, step, tail

TERN = paths.ROOT / "tern"
BOOT_SECONDS = 300
WORDS = ["a b", "", "two\nlines", "'\"$x\\", b"\xff\xfe"]


@dataclasses.dataclass(frozen=True)
class HostTest:
    name: str
    body: object
    latest: float = float("inf")  # seconds after a whole run began: later, there is no time for it any more


def tern(*words):
    return subprocess.run([TERN, *words], capture_output=True, timeout=BOOT_SECONDS, check=False)


def bare(*vector, options=()):
    return tern("exec", "--hypervisor", "none", *options, "--", *vector)


def expect(done, status, output=None, errors=None):
    told = done.stderr.decode(errors="replace")
    assert done.returncode == status, f"exit status {done.returncode}, not {status}:\n{tail(told)}"
    assert output is None or done.stdout == output, f"on standard output: {done.stdout!r}, not {output!r}"
    assert errors is None or errors in done.stderr, f"{errors!r} is not in standard error:\n{tail(told)}"


def hosts_that_run():
    """The command lines of QEMUs whose folder is one of ours."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "exe").readlink().name.startswith("qemu") and "/build/exec/" in str((process / "cwd").readlink()):
                found.append(process.name)
    return found


def the_command_is_passed_on_and_its_words_come_back():
    script = 'printf "[%s]" "$@"; printf "\\r\\n\\0"; printf "err\\n" >&2; exit 7'
    words = [os.fsencode(word) for word in WORDS]
    expect(bare("sh", "-c", script, "sh", *WORDS), 7, b"".join(b"[%s]" % word for word in words) + b"\r\n\0", b"err\n")


def a_large_output_comes_whole_and_input_is_empty():
    expect(bare("sh", "-c", "cat; seq 300000"), 0, b"".join(b"%d\n" % number for number in range(1, 300001)))


def cpus_and_memory_are_what_was_asked_for():
    done = bare("sh", "-c", "nproc; free -m | awk '/Mem/ { print ($2 > 600 && $2 < 768) }'", options=("--cpus", "2", "--memory", "1G"))
    expect(done, 0, b"2\n1\n")


def two_hosts_share_a_wire_and_a_disk():
    write = "hostname; ping -c 1 -w 30 beta >/dev/null && echo reached; ls /sys/class/net/br0/brif; test -b /dev/vm/vm && echo disk"
    expect(bare("sh", "-c", write, options=("--hosts", "2")), 0, b"alpha\nreached\neth0\ndisk\n")


def a_host_that_cannot_be_had_is_125():
    expect(bare("true", options=("--timeout", "1")), 125, b"", b"was not ready in time")
    expect(bare("true", options=("--cpu", "no-such-model")), 125, b"", b"unable to find CPU model")
    expect(bare("true", options=("--arguments", "rdinit=/no-such-file")), 125, b"", b"went away")
    expect(bare("poweroff", "-f"), 125, b"", b"went away")


def an_ended_exec_leaves_no_machine():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        before = set(hosts_that_run())
        process = subprocess.Popen([TERN, "exec", "--hypervisor", "none", "--hosts", "2", "--", "sleep", "1000"],
                                   stderr=subprocess.DEVNULL)
        wait_until(lambda: len(set(hosts_that_run()) - before) == 2)
        process.send_signal(number)
        status = process.wait(timeout=30)
        assert status in (128 + number, -number), f"exit status {status} after signal {number}"
        wait_until(lambda: not set(hosts_that_run()) - before)


def a_laboratory_stays_until_it_is_taken_down():
    name = f"test-{os.getpid()}"
    expect(tern("lab", "up", "--name", name, "--hypervisor", "none"), 0)
    try:
        expect(tern("lab", "up", "--name", name, "--hypervisor", "none"), 1, None, b"is up already")
        expect(tern("lab", "run", "--name", name, "--", "sh", "-c", "echo kept >/tmp/file; exit 3"), 3)
        expect(tern("lab", "run", "--name", name, "alpha", "--", "cat", "/tmp/file"), 0, b"kept\n")
        both = [subprocess.Popen([TERN, "lab", "run", "--name", name, "--", "sh", "-c", "sleep 1; echo $0", word],
                                 stdout=subprocess.PIPE) for word in ("one", "two")]
        assert [one.communicate(timeout=60)[0] for one in both] == [b"one\n", b"two\n"]
        expect(tern("lab", "run", "--name", name, "beta", "--", "true"), 125, b"", b"no host beta")
    finally:
        expect(tern("lab", "down", "--name", name), 0)
    expect(tern("lab", "run", "--name", name, "--", "true"), 125, b"", b"is up: ./tern lab up")


def a_host_runs_a_thousand_commands_one_after_the_other():
    """Each is a client that leaves as soon as it is answered: what that costs the port, the port has to get back."""
    wanted = shape.Shape(hypervisor="none", kernel=shape.KERNEL["none"], cpu=shape.CPU["none"])
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        for number in range(1000):
            status, _, _ = laboratory.ask([b"true"])
            assert status == 0, f"exit status {status} of command {number}"


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not come to pass in a minute"
        time.sleep(0.05)


def tests():
    bodies = {"arguments": the_command_is_passed_on_and_its_words_come_back,
              "output": a_large_output_comes_whole_and_input_is_empty,
              "shape": cpus_and_memory_are_what_was_asked_for,
              "hosts": two_hosts_share_a_wire_and_a_disk,
              "unavailable": a_host_that_cannot_be_had_is_125,
              "many": a_host_runs_a_thousand_commands_one_after_the_other,
              "signals": an_ended_exec_leaves_no_machine,
              "lab": a_laboratory_stays_until_it_is_taken_down}
    return [HostTest(f"qemu.exec.{name}", body) for name, body in bodies.items()]


def run(chosen, each=None, began=None):
    """Runs the chosen tests, one after the other; `each` is told (test, passed, seconds, note) as they end. `began`: the whole run did."""
    counted = Count()
    for test in chosen:
        begin, problem = time.monotonic(), ""
        if began is not None and begin - began > test.latest:
            say(f"{test.name}: LEFT OUT, the tests before it took {begin - began:.0f} s; ./tern test {test.name} runs it alone")
            continue
        with step(test.name):
            try:
                test.body()
            except (AssertionError, Failure, subprocess.TimeoutExpired) as failure:
                problem = str(failure) or repr(failure)
                say(f"FAILED {test.name}: {problem}")
                shared.HOSTS.end()
        counted += Count(passed=not problem, failed=bool(problem))
        if each:
            each(test.name, not problem, time.monotonic() - begin, problem)
    shared.HOSTS.end()
    return counted
