"""What the tools tell the user: all of it on stderr, so that stdout is the answer."""
import argparse
import contextlib
import sys
import time


class Failure(Exception):
    """Ends a verb: one clear sentence, exit 1."""


def say(text):
    print(f"tern: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(doing):
    """Says what is being done, and how long it took."""
    say(doing)
    begin = time.monotonic()
    yield
    say(f"{doing}: done in {time.monotonic() - begin:.1f} s")


class Progress:
    """One redrawn line on a terminal; otherwise a line every quarter of a minute."""

    EVERY_SECONDS = 15

    def __init__(self):
        self.terminal = sys.stderr.isatty()
        self.last = time.monotonic()

    def show(self, text):
        if self.terminal:
            print(f"\r\033[K  {text[:110]}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.last >= self.EVERY_SECONDS:
            self.last = time.monotonic()
            print(f"  {text}", file=sys.stderr, flush=True)

    def close(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def tail(text, lines=40):
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def head(text, lines=40):
    return "\n".join(f"    {line}" for line in text.splitlines()[:lines])


class Arguments(argparse.ArgumentParser):
    """Bad input is one line with a hint, and exit 2."""

    def __init__(self, verb, about, usage=None):
        super().__init__(prog=f"./tern {verb}", description=about, usage=usage, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message):
        self.exit(2, f"tern: {message}; {self.prog} --help\n")
