"""./tern lab: hosts that stay between commands."""
import dataclasses
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import termios
import time
import tty

from house import build, paths
from house.exec import UNAVAILABLE, Words, as_bytes, end_on_term, split
from house.host import disk, emulator, hosts, shape
from house.say import Arguments, Failure, say

ABOUT = """Keeps hosts alive between commands.

  ./tern lab up --hosts 2                 boots alpha and beta; --help has the options, those of ./tern exec
  ./tern lab run -- xl list               runs a command in alpha, as ./tern exec does; 125 if the host is not there
  ./tern lab run beta -- dmesg            ... in beta; up to 4 commands at once in a host
  ./tern lab console beta                 its serial console, with a shell; Ctrl-] leaves
  ./tern lab down                         ends them

More than one laboratory can be up: each command takes --name NAME."""

LEAVE = b"\x1d"
DOWN_SECONDS = 5


def folder_of(name):
    return paths.BUILD / "lab" / name


def load(name):
    """The folder and the shape of a laboratory that is up."""
    folder = folder_of(name)
    try:
        return folder, json.loads((folder / "lab.json").read_text())
    except FileNotFoundError:
        raise Failure(f"no laboratory '{name}' is up: ./tern lab up") from None


def up(words):
    parser = Arguments("lab up", "Boots hosts and leaves them running: ./tern lab --help.")
    parser.add_argument("--name", default="lab", help="of the laboratory; default lab")
    parser.add_argument("--timeout", type=int, default=hosts.BOOT_SECONDS, metavar="S",
                        help=f"to boot in; default {hosts.BOOT_SECONDS}")
    shape.add_options(parser)
    chosen = parser.parse_args(words)
    wanted = shape.of(parser, chosen)
    wanted = dataclasses.replace(wanted, arguments=f"tern.shell {wanted.arguments}".strip())
    end_on_term()
    folder = folder_of(chosen.name)
    if (folder / "lab.json").exists():
        raise Failure(f"the laboratory '{chosen.name}' is up already: ./tern lab down")
    build.set_up()
    iso = disk.make(wanted)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{chosen.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "lab.json").exists():
            raise Failure(f"the laboratory '{chosen.name}' is up already: ./tern lab down")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        say(f"booting {' '.join(wanted.names)} ({wanted})")
        laboratory = hosts.Laboratory(wanted, folder, iso, stays=True)
        try:
            for name in wanted.names:
                hosts.run(folder, name, 0, [b"true"], laboratory.began + chosen.timeout)
                say(f"{name} is ready after {time.monotonic() - laboratory.began:.1f} s")
            (folder / "lab.json").write_text(json.dumps(dataclasses.asdict(wanted)))
        except BaseException:
            laboratory.stop()
            raise
    return 0


def run(words):
    parser = Words("lab run", "Runs a command in a host: ./tern lab --help.", usage="./tern lab run [HOST] -- COMMAND [ARGUMENT...]")
    parser.add_argument("--name", default="lab", help="of the laboratory; default lab")
    parser.add_argument("host", nargs="?", default=shape.NAMES[0], metavar="HOST", help="default alpha")
    ours, vector = split(parser, words)
    chosen = parser.parse_args(ours)
    if not vector:
        parser.error("a command follows after '--'")
    end_on_term()
    try:
        folder, about = load(chosen.name)
        with free_port(folder, about, chosen.host) as (number, _):
            return hosts.run(folder, chosen.host, number, as_bytes(vector), time.monotonic() + hosts.BOOT_SECONDS)
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except (Failure, OSError) as failure:
        say(f"{failure}")
        return UNAVAILABLE


class free_port:
    """One of the host's ports, ours while the block runs."""

    def __init__(self, folder, about, name):
        if name not in shape.NAMES[:about["hosts"]]:
            raise Failure(f"there is no host {name}; there are {' '.join(shape.NAMES[:about['hosts']])}")
        for number in range(emulator.PORTS):
            self.number = number
            self.lock = (folder / f"{emulator.port(name, number)}.lock").open("w")
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                self.lock.close()
        raise Failure(f"{emulator.PORTS} commands run in {name} already")

    def __enter__(self):
        return self.number, self.lock

    def __exit__(self, *_):
        self.lock.close()


def console(words):
    parser = Arguments("lab console", "Joins this terminal with a host's serial console. Ctrl-] leaves.")
    parser.add_argument("--name", default="lab", help="of the laboratory; default lab")
    parser.add_argument("host", nargs="?", default=shape.NAMES[0], metavar="HOST", help="default alpha")
    chosen = parser.parse_args(words)
    folder, _ = load(chosen.name)
    with hosts.connect(folder, f"{chosen.host}.console") as end:
        say(f"the console of {chosen.host}; Ctrl-] leaves")
        terminal = termios.tcgetattr(0) if os.isatty(0) else None
        try:
            if terminal:
                tty.setraw(0)
            pump(end)
        finally:
            if terminal:
                termios.tcsetattr(0, termios.TCSADRAIN, terminal)
    return 0


def pump(end):
    """Between the terminal and `end`, until either side leaves."""
    watched = [end, 0]
    while True:
        ready = select.select(watched, [], [])[0]
        if end in ready:
            data = end.recv(hosts.PIECE)
            if not data:
                return
            os.write(1, data)
        if 0 in ready:
            data = os.read(0, hosts.PIECE)
            before, left, _ = data.partition(LEAVE)
            end.sendall(before)
            if left or not data:
                return


def down(words):
    parser = Arguments("lab down", "Ends the hosts of a laboratory, and removes their disks.")
    parser.add_argument("--name", default="lab", help="of the laboratory; default lab")
    chosen = parser.parse_args(words)
    folder, about = load(chosen.name)
    for name in shape.NAMES[:about["hosts"]]:
        end_process(folder, name)
    shutil.rmtree(folder)
    return 0


def end_process(folder, name):
    """Ends that host's QEMU, if the number in its file is still that of a process of this folder."""
    try:
        number = int((folder / f"{name}.pid").read_text())
        process = os.pidfd_open(number)
        if os.readlink(f"/proc/{number}/cwd") != str(folder):
            return
    except (OSError, ValueError):
        return
    for deed in (signal.SIGTERM, signal.SIGKILL):
        signal.pidfd_send_signal(process, deed)
        if select.select([process], [], [], DOWN_SECONDS)[0]:
            return


VERBS = {"up": up, "run": run, "console": console, "down": down}


def main(words):
    if not words or words[0] not in VERBS:
        Arguments("lab", ABOUT, usage="./tern lab up|run|console|down [OPTIONS]").parse_args(words[:1])
        say("./tern lab up, run, console or down; --help says more")
        return 2
    return VERBS[words[0]](words[1:])
