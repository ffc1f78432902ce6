"""./tern test: everything that can be checked here; the last line is counted."""
import re
import time

from house import build, guests, hosted, results, slow
from house.dom0 import image
from house.host import dom0_tests, domu_tests, fault_tests, migrate_tests
from house.host import tests as host_tests
from house.say import Arguments, Failure, say

ABOUT = """Builds everything and runs the tests: hosted unit tests under ASan and UBSan, the gates, our guests in QEMU, and
Debian's Linux as dom0 with Xen's tools.
The last line is "N passed, N failed"; exits 0 only if none failed.

  ./tern test                    all of it
  ./tern test shadow             those with "shadow" in their names
  ./tern test 'qemu.*smp'        a regular expression does too
  ./tern test --all              also the slow pieces: fuzzers, a minute each; booting on every kind of machine; hosts
  ./tern test --all fuzz.acpi    one slow piece; its result and date are kept in build/results/
  ./tern test qemu.exec          ./tern exec and ./tern lab, on hosts with Linux
  ./tern test qemu.linux         dom0 on machines of every kind
  ./tern test qemu.debian        a whole Debian as dom0; 10 minutes under load, with the debug image and with that which ships"""


def arguments_of(words):
    parser = Arguments("test", ABOUT)
    parser.add_argument("--all", action="store_true", help="also fuzzers, the whole boot matrix, and hosts with Linux")
    parser.add_argument("--list", action="store_true", help="only say which names there are")
    parser.add_argument("--fuzz-seconds", type=int, default=slow.FUZZ_SECONDS, metavar="S", help="a fuzzer; default 60")
    parser.add_argument("--keep-corpus", action="store_true", help="inputs that reach new code join tests/corpus")
    parser.add_argument("pattern", nargs="?", metavar="PATTERN", help="of the names of tests; a regular expression")
    chosen = parser.parse_args(words)
    chosen.all = chosen.all or bool(re.match(r"qemu\\?\.(debian|exec|linux|xen)", chosen.pattern or ""))  # who names them, wants them
    try:
        chosen.expression = re.compile(chosen.pattern or "")
    except re.error as error:
        parser.error(f"PATTERN is not a regular expression: {error}")
    return chosen


def main(words):
    chosen = arguments_of(words)
    begin = time.monotonic()
    wanted = lambda name: bool(chosen.expression.search(name))
    build.set_up()
    machine_tests = [test for test in guests.tests() + slow.sampled_boots() if wanted(test.name)]
    dom0 = [test for test in dom0_tests.tests() + domu_tests.tests() + migrate_tests.tests() + fault_tests.tests() + migrate_tests.last_tests()
            if wanted(test.name)]
    slow_names = [name for name in slow.names() if wanted(name)] if chosen.all else []
    counted = hosted.Count()
    try:
        # A pattern that begins like this names no hosted test: those need not be built to know.
        kind = re.match(r"(fuzz|qemu)\b", chosen.pattern or "")
        if not kind:
            build.build("dev")
        elif machine_tests or any(test.name in slow_names for test in slow.other_boots()):
            build.build("dev", build.IMAGE)
        hosted_names = [] if kind else [name for name in hosted.names() if wanted(name)]
        if chosen.list:
            print("\n".join(hosted_names + [test.name for test in machine_tests + dom0] + slow_names))
            return 0
        if not (hosted_names or machine_tests or dom0 or slow_names):
            say(f"no test is named like '{chosen.pattern}'; ./tern test --all --list lists them")
            return 2
        if hosted_names:
            counted += hosted.run(chosen.pattern)
        if any(test.preset == "release" for test in machine_tests):
            build.build("release", build.IMAGE)
        counted += guests.run(machine_tests)
        if dom0:
            image.make()  # or the first has its time taken by it
        counted += host_tests.run(dom0, began=begin)
        if chosen.all:
            if not chosen.pattern:
                results.record("tests", counted.failed == 0, time.monotonic() - begin, str(counted))
            counted += slow.run(wanted, chosen.fuzz_seconds, chosen.keep_corpus)
    except Failure as failure:
        say(f"{failure}")
        counted += hosted.Count(failed=1)
    say(f"tested in {time.monotonic() - begin:.0f} s")
    print(counted, flush=True)
    return 0 if counted.failed == 0 and counted.passed > 0 else 1
