"""The tests that run in the emulated machine: each guest, as dom0, says itself whether the hypervisor kept its
promises."""
import concurrent.futures
import dataclasses
import os

from house import iso, machine, paths, tap
from house.hosted import Count
from house.say import Progress, head, say, step, tail

SECONDS = 240
CPUS = (1, 2)
MORE_CPUS = {"hello": (4,)}
RELEASE_CPUS = 2
# What is refused is logged; a guest that asks for nothing else would wait for the serial line. The last option counts.
MORE_OPTIONS = {"hostile": " guest_loglvl=none/all"}


@dataclasses.dataclass(frozen=True)
class GuestTest:
    guest: str
    shape: machine.Shape
    name: str
    preset: str = "dev"
    options: str = machine.OPTIONS
    arguments: str = ""


def options_for(guest):
    return machine.OPTIONS + MORE_OPTIONS.get(guest, "")


def tests():
    """Each guest on one and on two CPUs; hello on four as well; each with two vCPUs that take turns; and on what ships."""
    alone = [GuestTest(guest, machine.Shape(cpus), f"qemu.{guest}.{cpus}cpu", options=options_for(guest))
             for guest in paths.test_guests() for cpus in CPUS + MORE_CPUS.get(guest, ())]
    sharing = [GuestTest(guest, machine.Shape(1), f"qemu.{guest}.1cpu.2vcpus",
                         options=f"{options_for(guest)} dom0_max_vcpus=2", arguments="shares-cpu")
               for guest in paths.test_guests()]
    return alone + sharing + released()


def released():
    """Each guest, as it is built for release, on the image that ships."""
    return [GuestTest(guest, machine.Shape(RELEASE_CPUS), f"qemu.{guest}.release", "release", options_for(guest))
            for guest in paths.test_guests()]


def run_one(test):
    """(problem or None, the run, the report)"""
    disk = iso.make(test.preset, test.guest, test.options, test.arguments)
    run = machine.run(test.shape, disk, paths.BUILD / "guest-logs" / f"{test.name}.log", SECONDS)
    report = tap.parse(run.console)
    problem = run.verdict.value if run.verdict is not machine.Verdict.PASSED else report.problem()
    return problem, run, report


def explain(test, problem, run, report):
    broken = "".join(f"\n    not ok {line}" for line in report.failed)
    panic = run.console.find("PANIC on")
    told = f"from its panic on:\n{head(run.console[panic:])}" if panic >= 0 else f"the end of its console:\n{tail(run.console)}"
    say(f"FAILED {test.name} ({test.shape}): {problem}{broken}\n    {told}")


def run(chosen, each=None):
    """Runs the chosen tests, two at a time; `each` is told (test, passed, seconds, note) as they end."""
    counted = Count()
    if not chosen:
        return counted
    progress = Progress()
    with step(f"{len(chosen)} guest runs in QEMU"):
        with concurrent.futures.ThreadPoolExecutor(max_workers=min(2, os.cpu_count())) as pool:
            waiting = {pool.submit(run_one, test): test for test in chosen}
            for done, future in enumerate(concurrent.futures.as_completed(waiting), 1):
                test = waiting[future]
                problem, run_, report = future.result()
                progress.show(f"{done}/{len(chosen)} {test.name}: {run_.seconds:.1f} s")
                counted += Count(passed=not problem, failed=bool(problem))
                if report.skipped:
                    progress.close()
                    say(f"{test.name}: {len(report.skipped)} promises skipped: {'; '.join(sorted(set(report.skipped)))}")
                if problem:
                    progress.close()
                    explain(test, problem, run_, report)
                if each:
                    each(test.name, not problem, run_.seconds, problem or str(test.shape))
        progress.close()
    return counted
