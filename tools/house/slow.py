"""The slow pieces of ./tern test --all: fuzzers, booting on every kind of machine, and hosts with Linux."""
import re
import subprocess
import time

from house import build, guests, machine, pairwise, paths, results
from house.host import debian_tests, dom0_tests, domu_tests, fault_tests, linux_tests, migrate_tests
from house.host import tests as host_tests
from house.hosted import Count
from house.say import say, step, tail

FUZZ_SECONDS = 60
MATRIX = {"cpus": (1, 2, 4), "machine": ("q35", "pc"), "cpu": ("qemu64", "max", "EPYC", "Skylake-Client"),
          "memory": ("512M", "1G", "2G", "4G")}
MATRIX_GUEST = "hello"


def fuzz_targets():
    return sorted(file.parent.name for file in (paths.ROOT / "tests/fuzz").glob("*/fuzz_*.cpp"))


def boots(rows):
    return [guests.GuestTest(MATRIX_GUEST, machine.Shape(**row),
                             f"qemu.boot.{row['machine']}.{row['cpu']}.{row['cpus']}cpu.{row['memory']}") for row in rows]


def sampled_boots():
    """Every pair of properties of a machine, once: part of every test run."""
    return boots(pairwise.sample(MATRIX))


def other_boots():
    return [test for test in boots(pairwise.product(MATRIX)) if test not in sampled_boots()]


def on_hosts():
    return host_tests.tests() + linux_tests.tests() + dom0_tests.tests_on_xen() + domu_tests.slow_tests() + migrate_tests.slow_tests() + fault_tests.slow_tests() + debian_tests.tests()


def names():
    return [f"fuzz.{target}" for target in fuzz_targets()] + [test.name for test in other_boots() + on_hosts()]


def fuzz(target, seconds, keep_corpus):
    """From the seeds in tests/corpus. What it finds is kept in build/fuzz; with `keep_corpus`, inputs that
    reach new code join the seeds."""
    binary = paths.BUILD / "fuzz/bin" / f"fuzz_{target}"
    seeds, found = paths.CORPUS / target, paths.BUILD / "fuzz/corpus" / target
    artifacts = paths.BUILD / "fuzz/artifacts" / target
    for folder in (seeds, found, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    log = paths.BUILD / "fuzz/logs" / f"{target}.log"
    begin = time.monotonic()
    with step(f"fuzzing {target} for {seconds} s"):
        status = build.run_logged([binary, f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=10",
                                   f"-artifact_prefix={artifacts}/", found, seeds], log, re.compile(r"^#\d+"))
    if keep_corpus:
        subprocess.run([binary, "-merge=1", seeds, found], capture_output=True, check=False)
    passed = status == 0
    if not passed:
        say(f"FAILED fuzz.{target}; the input is in {artifacts.relative_to(paths.ROOT)}\n{tail(log.read_text())}")
    results.record(f"fuzz.{target}", passed, time.monotonic() - begin)
    return Count(passed=passed, failed=not passed)


def run(wanted, fuzz_seconds, keep_corpus):
    """Runs the pieces whose names `wanted` accepts."""
    counted = Count()
    targets = [target for target in fuzz_targets() if wanted(f"fuzz.{target}")]
    if targets:
        build.build("fuzz", ("fuzzers",))
    for target in targets:
        counted += fuzz(target, fuzz_seconds, keep_corpus)
    counted += guests.run([test for test in other_boots() if wanted(test.name)], each=results.record)
    counted += host_tests.run([test for test in on_hosts() if wanted(test.name)], each=results.record)
    return counted
