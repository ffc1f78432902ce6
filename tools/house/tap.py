"""The Test Anything Protocol as our guests speak it: "ok 1 - sentence", "not ok 2 - sentence", "ok 3 - sentence # SKIP
why", and a plan, "1..3"."""
import dataclasses
import re

# The hypervisor may put a time and the domain's name before what a guest prints.
LINE = re.compile(r"^(?:\[[^\]]*\]\s*|\(d\d+\)\s*)*(?:(?P<plan>1\.\.(?P<count>\d+))|"
                  r"(?P<no>not )?ok (?P<number>\d+)(?: -? ?(?P<sentence>.*?))?)\s*$")


@dataclasses.dataclass
class Report:
    planned: int | None
    passed: list[str]
    failed: list[str]
    skipped: list[str] = dataclasses.field(default_factory=list)  # why; the promises are among the passed

    def problem(self):
        """Why this is not a pass, in a sentence; None if it is one."""
        if self.failed:
            return f"{len(self.failed)} of {len(self.passed) + len(self.failed)} promises broken"
        if self.planned is None:
            return "it printed no plan (1..N): it did not come to its end"
        if self.planned != len(self.passed):
            return f"it planned {self.planned} promises and reported {len(self.passed)}"
        return None


def parse(console):
    report = Report(None, [], [])
    for line in console.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        if match["plan"]:
            report.planned = int(match["count"])
        else:
            promise = f"{match['number']} - {match['sentence'] or ''}"
            (report.failed if match["no"] else report.passed).append(promise)
            if " # SKIP " in promise:
                report.skipped.append(promise.split(" # SKIP ")[1])
    return report
