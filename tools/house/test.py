"""./tern test: everything that can be checked here; the last line is counted."""
import re
import time

from house import build, guests, hosted, results, slow
from house.say import Arguments, Failure, say

ABOUT = """Builds everything and runs the tests: hosted unit tests under ASan and UBSan, the gates, and our guests in QEMU.
The last line is "N passed, N failed"; exits 0 only if none failed.

  ./tern test                    all of it
  ./tern test shadow             those with "shadow" in their names
  ./tern test 'guest\\.hello'     a regular expression does too
  ./tern test --all              also the slow pieces: fuzzers, a minute each, and the boot matrix
  ./tern test --all fuzz.acpi    one slow piece; its result and date are kept in build/results/"""


def arguments_of(words):
    parser = Arguments("test", ABOUT)
    parser.add_argument("--all", action="store_true", help="also fuzzers and the boot matrix")
    parser.add_argument("--list", action="store_true", help="only say which names there are")
    parser.add_argument("--keep-corpus", action="store_true", help="inputs that reach new code join tests/corpus")
    parser.add_argument("pattern", nargs="?", metavar="PATTERN", help="of the names of tests; a regular expression")
    chosen = parser.parse_args(words)
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
    machine_tests = [test for test in guests.tests() if wanted(test.name)]
    slow_names = [name for name in slow.fuzz_pieces() + [test.name for test in slow.matrix_tests()] if wanted(name)]
    counted = hosted.Count()
    try:
        only_slow = chosen.all and slow_names and chosen.pattern and re.match(r"(fuzz|matrix)\b", chosen.pattern)
        only_guests = chosen.pattern and re.match(r"(guest|matrix)\b", chosen.pattern)
        if not only_slow or any(name.startswith("matrix") for name in slow_names):
            build.build("dev", build.IMAGE if only_slow or only_guests else ())
        hosted_names = [] if only_slow or only_guests else [name for name in hosted.names() if wanted(name)]
        if chosen.list:
            print("\n".join(hosted_names + [test.name for test in machine_tests] + slow_names * chosen.all))
            return 0
        if not (hosted_names or machine_tests or (chosen.all and slow_names)):
            say(f"no test is named like '{chosen.pattern}'; ./tern test --all --list lists them")
            return 2
        if hosted_names:
            counted += hosted.run(chosen.pattern)
        counted += guests.run(machine_tests)
        if chosen.all:
            if not chosen.pattern:
                results.record("tests", counted.failed == 0, time.monotonic() - begin, str(counted))
            counted += slow.run(wanted, chosen.keep_corpus)
    except Failure as failure:
        say(f"{failure}")
        counted += hosted.Count(failed=1)
    say(f"tested in {time.monotonic() - begin:.0f} s")
    print(counted, flush=True)
    return 0 if counted.failed == 0 and counted.passed > 0 else 1
