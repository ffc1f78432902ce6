"""The parts of tools/house that decide whether something passed."""
import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from house import hosted, iso, pairwise, tap  # noqa: E402
from house.host import dom0_tests  # noqa: E402
from house.machine import Verdict, verdict_of  # noqa: E402
from house.say import Failure  # noqa: E402


class TapTest(unittest.TestCase):
    def test_a_complete_report_is_a_pass(self):
        report = tap.parse("hello\nok 1 - it starts\nok 2 - it stops\n1..2\n")
        self.assertEqual(report.passed, ["1 - it starts", "2 - it stops"])
        self.assertIsNone(report.problem())

    def test_what_the_hypervisor_puts_before_a_line_does_not_hide_it(self):
        report = tap.parse("[    1.25] (d0) not ok 1 - it starts\r\n(d0) 1..1\r\n")
        self.assertEqual(report.failed, ["1 - it starts"])
        self.assertEqual(report.planned, 1)

    def test_a_broken_promise_is_a_problem(self):
        self.assertEqual(tap.parse("1..2\nok 1 - a\nnot ok 2 - b\n").problem(), "1 of 2 promises broken")

    def test_what_was_skipped_is_told(self):
        report = tap.parse("1..1\nok 1 - a # SKIP this CPU has no UMIP\n")
        self.assertIsNone(report.problem())
        self.assertEqual(report.skipped, ["this CPU has no UMIP"])

    def test_silence_is_a_problem(self):
        self.assertIn("no plan", tap.parse("").problem())

    def test_fewer_lines_than_planned_are_a_problem(self):
        self.assertIn("planned 3", tap.parse("1..3\nok 1 - a\n").problem())

    def test_prose_is_not_a_report(self):
        self.assertEqual(tap.parse("all is ok 1 way or the other\nnot okay\n"), tap.Report(None, [], []))


class VerdictTest(unittest.TestCase):
    def test_each_exit_status_has_its_meaning(self):
        self.assertEqual([verdict_of(status) for status in (33, 35, 37, 39, 124, 137, 0, 1)],
                         [Verdict.PASSED, Verdict.FAILED, Verdict.PANIC, Verdict.REBOOT, Verdict.HANG, Verdict.HANG,
                          Verdict.SILENT, Verdict.BROKEN])


class RefusalsTest(unittest.TestCase):
    def test_what_was_refused_is_told_by_call_and_reason(self):
        log = ("(TERN) [    4.9] d0v0: hypercall 12(0xb, 0xffffffff82a03d00, 0x40, 0x0): no memory\r\n"
               "(TERN) [    1.3] d0v1: hypercall 7(0xffffffff82a03d70, 0x0, 0x0, 0x26000): not implemented\r\n"
               "(TERN) [    4.3] d0: page table refused: the frame has another use (G6ec0b)\r\n"
               "(TERN) [    6.1] c0 35109300260 d0v1: hypercall 25(0x3, 0x0, 0x0)\r\n")
        self.assertEqual(dom0_tests.refusals(log), {"hypercall 12 (11): no memory", "hypercall 7: not implemented",
                                                    "page table refused: the frame has another use"})


class PairwiseTest(unittest.TestCase):
    PARAMETERS = {"cpus": (1, 2, 4), "machine": ("q35", "pc"), "cpu": ("a", "b", "c", "d"), "memory": ("512M", "4G")}

    def test_every_pair_of_values_occurs(self):
        rows = pairwise.sample(self.PARAMETERS)
        for a, b in itertools.combinations(self.PARAMETERS, 2):
            for pair in itertools.product(self.PARAMETERS[a], self.PARAMETERS[b]):
                self.assertIn(pair, {(row[a], row[b]) for row in rows})

    def test_the_rows_are_few_and_the_same_each_time(self):
        rows = pairwise.sample(self.PARAMETERS)
        self.assertLessEqual(len(rows), 16)
        self.assertEqual(rows, pairwise.sample(self.PARAMETERS))


class HostedTest(unittest.TestCase):
    JUNIT = """<testsuite><testcase name="a" status="run"/><testcase name="b" status="fail"><failure/>
        <system-out>expected 1</system-out></testcase>
        <testcase name="c" status="notrun"><skipped message="Unable to find executable"/></testcase>
        <testcase name="d" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase></testsuite>"""

    def test_what_could_not_run_has_failed_and_what_was_skipped_counts_as_neither(self):
        said = []
        original, hosted.say = hosted.say, said.append
        try:
            counted = hosted.count(self.JUNIT)
        finally:
            hosted.say = original
        self.assertEqual(str(counted), "1 passed, 2 failed")
        self.assertIn("expected 1", said[0])


class IsoTest(unittest.TestCase):
    def test_what_grub_would_read_as_syntax_is_refused(self):
        self.assertEqual(iso.word("console=com1 dom0_mem=256M"), "console=com1 dom0_mem=256M")
        for text in ("a;b", "$x", "'a'", "a\nb"):
            with self.assertRaises(Failure):
                iso.word(text)


if __name__ == "__main__":
    unittest.main()
