"""The tests that run on the build machine: ctest's, counted."""
import dataclasses
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

from house import build, paths
from house.say import say, step, tail


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        return self

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed"


def run(pattern=None):
    """Runs the tests whose names match `pattern` (all, if none)."""
    junit = paths.BUILD / "dev/ctest.xml"
    junit.unlink(missing_ok=True)
    command = ["ctest", "--preset", "dev", "-j", str(os.cpu_count()), "--output-junit", junit]
    if pattern:
        command += ["-R", pattern]
    with step("hosted tests and gates"):
        build.run_logged(command, paths.BUILD / "dev/ctest.log", re.compile(r"^\s*\d+/\d+ Test"))
    if not junit.exists():
        say(f"ctest did not run; the end of its log:\n{tail((paths.BUILD / 'dev/ctest.log').read_text())}")
        return Count(failed=1)
    return count(junit.read_text())


def count(junit):
    counted = Count()
    for case in ElementTree.fromstring(junit).iter("testcase"):
        status = case.get("status")
        if status == "run":
            counted.passed += 1
        elif case.find("skipped") is not None and status != "fail" and skipped(case):
            say(f"skipped: {case.get('name')}")
        else:
            counted.failed += 1
            say(f"FAILED {case.get('name')}\n{tail(case.findtext('system-out') or '')}")
    return counted


def skipped(case):
    """A test that said so itself; one that could not be started has failed."""
    return case.find("skipped").get("message", "").startswith("SKIP_")


def names():
    listing = subprocess.run(["ctest", "--preset", "dev", "-N"], cwd=paths.ROOT, capture_output=True, text=True,
                             check=False).stdout
    return re.findall(r"Test +#\d+: (\S+)", listing)
