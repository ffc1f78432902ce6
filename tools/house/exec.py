"""./tern exec: a host, one command in its dom0, and no host any more."""
import shutil
import signal
import sys
import time
from pathlib import Path

from house import build, paths
from house.host import disk, hosts, shape
from house.say import Arguments, Failure, say

ABOUT = """Boots a host in QEMU, runs a command in its dom0 (of the first host, if there are more), and ends the host. The command is
an argument vector, passed on as it is; use `sh -c '...'` for a shell. Its standard output and error come out here, byte for byte, and
its exit status is ours; 125 if the host could not be had. Everything else that is said goes to standard error.

  ./tern exec -- xl info
  ./tern exec --cpus 2 -- uname -a
  ./tern exec --hypervisor xen --hosts 2 -- ping -c 3 beta"""

UNAVAILABLE = 125  # as env, timeout and others have it
BROKEN_PIPE = 128 + signal.SIGPIPE


class Words(Arguments):
    """Our own mistakes in a verb that passes on another's status: 125, not 2."""

    def error(self, message):
        self.exit(UNAVAILABLE, f"tern: {message}; {self.prog} --help\n")


def split(parser, words):
    """(our words, the command's) around the first "--"."""
    if "--" not in words:
        if not {"-h", "--help"} & set(words):
            parser.error("a command follows after '--'")
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1:]


def as_bytes(vector):
    """What we were called with: Python took it for text."""
    return [word.encode(sys.getfilesystemencoding(), "surrogateescape") for word in vector]


def end_on_term():
    """TERM unwinds us as INT does, so that all that was begun ends."""
    def end(number, _):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, end)


def main(words):
    parser = Words("exec", ABOUT, usage="./tern exec [OPTIONS] -- COMMAND [ARGUMENT...]")
    shape.add_options(parser)
    parser.add_argument("--timeout", type=int, default=hosts.BOOT_SECONDS, metavar="S",
                        help=f"to boot in; default {hosts.BOOT_SECONDS}. The command takes as long as it takes")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the first host's console there")
    ours, vector = split(parser, words)
    chosen = parser.parse_args(ours)
    if not vector:
        parser.error("a command follows after '--'")
    wanted = shape.of(parser, chosen)
    end_on_term()
    try:
        return run(wanted, as_bytes(vector), chosen.timeout, chosen.log)
    except BrokenPipeError:
        return BROKEN_PIPE
    except (Failure, OSError) as failure:
        say(f"{failure}")
        return UNAVAILABLE


def run(wanted, vector, seconds, log):
    build.set_up()
    iso = disk.make(wanted)
    first = wanted.names[0]
    with hosts.temporary(wanted, iso, paths.BUILD / "exec") as laboratory:
        say(f"booting {' '.join(wanted.names)} ({wanted})")
        try:
            started = lambda: say(f"ready after {time.monotonic() - laboratory.began:.1f} s")
            for other in wanted.names[1:]:
                hosts.run(laboratory.folder, other, 0, [b"true"], laboratory.began + seconds)
            return hosts.run(laboratory.folder, first, 0, vector, laboratory.began + seconds, started)
        finally:
            if log:
                shutil.copyfile(laboratory.folder / f"{first}.log", log)
