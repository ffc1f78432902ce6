"""tools/enable-backports on the forms that a machine's Debian sources have."""
import subprocess
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools/enable-backports"
SUITE = "bookworm-backports"

DEB822 = """\
# the archive
Types: deb
URIs: mirror://some.mirror/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: mirror://some.mirror/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


class Backports(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.apt = Path(self._folder.name)
        (self.apt / "sources.list.d").mkdir()

    def write(self, name, text):
        (self.apt / name).write_text(text)

    def read(self, name):
        return (self.apt / name).read_text()

    def run_tool(self):
        return subprocess.run([TOOL, SUITE, self.apt], capture_output=True, text=True)

    def test_the_stanza_of_the_release_gets_the_suite_and_no_other_line_changes(self):
        self.write("sources.list.d/debian.sources", DEB822)
        self.assertEqual(self.run_tool().returncode, 0)
        self.assertEqual(self.read("sources.list.d/debian.sources"),
                         DEB822.replace("bookworm-updates", f"bookworm-updates {SUITE}"))

    def test_nothing_is_done_twice(self):
        self.write("sources.list.d/debian.sources", DEB822)
        self.run_tool()
        once = self.read("sources.list.d/debian.sources")
        again = self.run_tool()
        self.assertEqual((again.returncode, again.stderr), (0, ""))
        self.assertEqual(self.read("sources.list.d/debian.sources"), once)

    def test_a_strangers_sources_are_left_alone(self):
        stranger = DEB822.replace("debian-archive-keyring", "stranger").replace("some.mirror", "stranger")
        self.write("sources.list.d/aaa.sources", stranger)
        self.write("sources.list.d/debian.sources", DEB822)
        self.assertEqual(self.run_tool().returncode, 0)
        self.assertEqual(self.read("sources.list.d/aaa.sources"), stranger)
        self.assertIn(SUITE, self.read("sources.list.d/debian.sources"))

    def test_source_packages_are_not_what_we_want(self):
        self.write("sources.list.d/debian.sources", DEB822.replace("Types: deb\n", "Types: deb-src\n"))
        self.assertNotEqual(self.run_tool().returncode, 0)

    def test_the_classic_form_gets_one_more_line(self):
        line = "deb [arch=amd64 signed-by=/k.gpg] mirror://some.mirror/debian bookworm main contrib"
        self.write("sources.list", f"# classic\n{line}\ndeb mirror://some.mirror/debian-security bookworm-security main\n")
        self.assertEqual(self.run_tool().returncode, 0)
        self.assertEqual(self.read("sources.list").splitlines()[2], line.replace(" bookworm ", f" {SUITE} "))
        self.assertEqual(len(self.read("sources.list").splitlines()), 4)

    def test_a_commented_suite_does_not_count(self):
        self.write("sources.list", f"# deb mirror://m/debian {SUITE} main\ndeb mirror://m/debian bookworm main\n")
        self.run_tool()
        self.assertIn(f"\ndeb mirror://m/debian {SUITE} main", self.read("sources.list"))

    def test_without_debian_sources_it_says_what_to_do(self):
        result = self.run_tool()
        self.assertEqual(result.returncode, 1)
        self.assertIn("by hand", result.stderr)


if __name__ == "__main__":
    unittest.main()
