"""Somebody at the console of a host: reads what it says, logs in, types commands. Nothing here looks at a clock but to give up."""
import re
import secrets
import select
import time

from house.host import hosts
from house.say import Failure, tail

PIECE = 1 << 16
# What moves cursors and paints; and the carriage returns, so that a line ends as lines do.
PAINT = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|[()].|[=>])|\r")
DEATHS = re.compile(rb"Kernel panic - not syncing[^\n]*|PANIC on c\d+[^\n]*")
PROMPT_SECONDS = 120  # from a name to a prompt


class Ended(Failure):
    """The other end is gone."""


class Terminal:
    """`end`: a connected socket, of which the other end is the console."""

    def __init__(self, end):
        self.end = end
        self.unread = b""

    def wait(self, pattern, seconds):
        """(what was said before, the match) of the next place that `pattern` matches."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.unread)):
            if death := DEATHS.search(self.unread):
                raise Failure(f"the host died: {death[0].decode(errors='replace')}")
            if not select.select([self.end], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Failure(f"{pattern!r} did not come in {seconds} s; last came:\n{tail(self.unread.decode(errors='replace'), 15)}")
            self.unread = PAINT.sub(b"", self.unread + self.receive())
        before, self.unread = self.unread[:match.start()], self.unread[match.end():]
        return before, match

    def receive(self):
        try:
            data = self.end.recv(PIECE)
        except OSError:
            data = b""
        if not data:
            raise Ended(f"the console was closed; last came:\n{tail(self.unread.decode(errors='replace'), 15)}")
        return data

    def type(self, text):
        self.end.sendall(text.encode())

    def log_in(self, seconds):
        """As root, who has no password; from then on the shell is one that neither prompts nor echoes."""
        self.wait(rb"login: ", seconds)
        self.type("root\n")
        self.wait(rb"# ", PROMPT_SECONDS)
        self.type("exec env PS1= PS2= sh\n")
        self.run("stty -echo", PROMPT_SECONDS)

    def run(self, command, seconds):
        """(exit status, output) of a line for the shell. What the kernel says meanwhile is in the output, too."""
        mark = secrets.token_hex(8)
        self.type(f"{command}\necho {mark}=$?=\n")  # an echo of this line has no number in it
        before, match = self.wait(rb"%s=(\d+)=\n" % mark.encode(), seconds)
        return int(match[1]), before.decode(errors="replace")

    def wait_for_end(self, seconds):
        """All that is said until the other end is gone."""
        try:
            self.wait(rb"(?!)", seconds)  # which nothing matches
        except Ended:
            return self.unread.decode(errors="replace")
        raise AssertionError("unreachable")


def of(laboratory, name):
    return Terminal(hosts.connect(laboratory.folder, f"{name}.console"))
