"""agent_test AGENT: the agent of guests/linux, on a terminal in the place of its port."""
import os
import signal
import subprocess
import sys
import tty
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from house.host import channel  # noqa: E402

AGENT = sys.argv.pop(1)


class Agent(unittest.TestCase):
    def setUp(self):
        self.port, self.far_end = os.openpty()
        tty.setraw(self.far_end)
        self.agent = subprocess.Popen([AGENT, os.ttyname(self.far_end)], start_new_session=True)
        self.addCleanup(self.end)

    def end(self):
        os.killpg(self.agent.pid, signal.SIGKILL)
        self.agent.wait()
        os.close(self.port)
        os.close(self.far_end)

    def ask(self, *vector):
        answer = channel.Answer(channel.new_nonce())
        os.write(self.port, channel.request(answer.nonce, vector))
        return answer

    def until(self, answer, done):
        """What was written to standard output and error until `done` says that it is enough."""
        text = {channel.OUTPUT: b"", channel.ERRORS: b""}
        while not done(text[channel.OUTPUT]):
            for kind, piece in answer.feed(os.read(self.port, 4096)):
                text[kind] += piece
        return text[channel.OUTPUT], text[channel.ERRORS]

    def run_it(self, *vector):
        answer = self.ask(*vector)
        output, errors = self.until(answer, lambda _: answer.status is not None)
        return answer.status, output, errors

    def test_arguments_arrive_as_they_are(self):
        words = [b"a b", b"", b"\n", b"'\"$x\\", b"\xff"]
        self.assertEqual(self.run_it(b"printf", b"[%s]", *words), (0, b"".join(b"[%s]" % word for word in words), b""))

    def test_output_and_errors_come_apart_byte_for_byte(self):
        self.assertEqual(self.run_it(b"sh", b"-c", b"printf 'a\\r\\n\\0'; printf 'b\\n' >&2; exit 7"),
                         (7, b"a\r\n\0", b"b\n"))

    def test_much_output_comes_whole(self):
        status, output, _ = self.run_it(b"sh", b"-c", b"seq 200000")
        self.assertEqual((status, output), (0, b"".join(b"%d\n" % number for number in range(1, 200001))))

    def test_there_is_no_input(self):
        self.assertEqual(self.run_it(b"cat"), (0, b"", b""))

    def test_a_signal_and_a_command_that_is_not_there_have_a_shells_status(self):
        self.assertEqual(self.run_it(b"sh", b"-c", b"kill -9 $$")[0], 137)
        self.assertEqual(self.run_it(b"no-such-command"), (127, b"", b"no-such-command: No such file or directory\n"))
        self.assertEqual(self.run_it(b"/dev/null")[0], 126)

    def test_a_descendant_that_keeps_the_pipes_open_is_not_waited_for(self):
        self.assertEqual(self.run_it(b"sh", b"-c", b"sleep 5 & echo done"), (0, b"done\n", b""))

    def test_another_request_ends_the_command_that_runs(self):
        said, _ = self.until(self.ask(b"sh", b"-c", b"echo $$; exec sleep 30"), lambda output: b"\n" in output)
        self.assertEqual(self.run_it(b"true"), (0, b"", b""))
        self.assertFalse(Path(f"/proc/{int(said)}").exists())


if __name__ == "__main__":
    unittest.main()
