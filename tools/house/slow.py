"""The slow pieces of ./tern test --all: fuzzers, and booting on many kinds of machine."""
import re
import subprocess
import time

from house import build, guests, machine, pairwise, paths, results
from house.hosted import Count
from house.say import say, step, tail

FUZZ_SECONDS = 60
MATRIX = {"cpus": (1, 2, 4), "machine": ("q35", "pc"), "cpu": ("qemu64", "max", "EPYC", "Skylake-Client"),
          "memory": ("512M", "1G", "2G", "4G")}
MATRIX_GUEST = "hello"


def fuzz_targets():
    return sorted(file.parent.name for file in (paths.ROOT / "tests/fuzz").glob("*/fuzz_*.cpp"))


def fuzz_pieces():
    return [f"fuzz.{target}" for target in fuzz_targets()]


def matrix_tests():
    rows = pairwise.sample(MATRIX)
    return [guests.GuestTest(MATRIX_GUEST, machine.Shape(**row),
                             f"matrix.{row['machine']}.{row['cpu']}.{row['cpus']}cpu.{row['memory']}") for row in rows]


def fuzz(target, keep_corpus):
    """One minute from the seeds in tests/corpus. What it finds is kept in build/fuzz; with `keep_corpus`, inputs that
    reach new code join the seeds."""
    binary = paths.BUILD / "fuzz/bin" / f"fuzz_{target}"
    seeds, found = paths.CORPUS / target, paths.BUILD / "fuzz/corpus" / target
    artifacts = paths.BUILD / "fuzz/artifacts" / target
    for folder in (seeds, found, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    log = paths.BUILD / "fuzz/logs" / f"{target}.log"
    begin = time.monotonic()
    with step(f"fuzzing {target} for {FUZZ_SECONDS} s"):
        status = build.run_logged([binary, f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=4096", "-timeout=10",
                                   f"-artifact_prefix={artifacts}/", found, seeds], log, re.compile(r"^#\d+"))
    if keep_corpus:
        subprocess.run([binary, "-merge=1", seeds, found], capture_output=True, check=False)
    passed = status == 0
    if not passed:
        say(f"FAILED fuzz.{target}; the input is in {artifacts.relative_to(paths.ROOT)}\n{tail(log.read_text())}")
    results.record(f"fuzz.{target}", passed, time.monotonic() - begin)
    return Count(passed=passed, failed=not passed)


def run(wanted, keep_corpus):
    """Runs the pieces whose names `wanted` accepts."""
    counted = Count()
    targets = [target for target in fuzz_targets() if wanted(f"fuzz.{target}")]
    if targets:
        build.build("fuzz", ("fuzzers",))
    for target in targets:
        counted += fuzz(target, keep_corpus)
    counted += guests.run([test for test in matrix_tests() if wanted(test.name)], each=results.record)
    return counted
