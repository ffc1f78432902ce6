"""A laboratory: hosts that run, in a folder with their consoles, sockets and disks."""
import contextlib
import io
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from house.host import channel, emulator
from house.say import Failure, tail

BOOT_SECONDS = 300
PIECE = 1 << 16


class Laboratory:
    """The hosts of `shape` in `folder`. Ends with its process unless it `stays`. `contents`: disk -> the image that it begins with;
    else it is empty."""

    def __init__(self, shape, folder, iso, stays=False, contents=None):
        self.shape, self.folder = shape, folder
        self.began = time.monotonic()
        self.processes = []
        for name, mebibytes in shape.disks:
            fill(folder / f"{name}.raw", mebibytes, (contents or {}).get(name))
        try:
            for number in range(shape.hosts):
                self.start(number, iso, stays)
        except BaseException:
            self.stop()
            raise

    def start(self, number, iso, stays):
        name = self.shape.names[number]
        command = emulator.command(self.shape, number, iso)
        # Whatever ends us ends the hosts, even what cannot be caught.
        ending = [] if stays else ["setpriv", "--pdeathsig", "KILL"]
        with (self.folder / f"{name}.errors").open("wb") as errors:
            process = subprocess.Popen(ending + command, cwd=self.folder, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True)
        self.processes.append(process)
        # The next host looks for the wire that this one offers.
        while not all((self.folder / made).exists() for made in emulator.sockets(self.shape, number)):
            if process.poll() is not None:
                why = (self.folder / f"{name}.errors").read_text(errors="replace")
                raise Failure(f"QEMU did not start {name}: {why.strip()}")
            time.sleep(0.005)

    def ask(self, vector, seconds=BOOT_SECONDS, host=0):
        """(exit status, standard output, standard error) of the command, as bytes, in the first host or another, which may still
        be booting: `seconds` for that."""
        output, errors = io.BytesIO(), io.BytesIO()
        status = run(self.folder, self.shape.names[host], 0, vector, time.monotonic() + seconds, streams=(output, errors))
        return status, output.getvalue(), errors.getvalue()

    def shell(self, script, *words, host=0, seconds=BOOT_SECONDS):
        """What the script, which has `words` from $0 on, prints; Failure with what it said if it does not end well."""
        vector = (b"sh", b"-c", script.encode(), *(word.encode() for word in words))
        status, output, errors = self.ask(vector, seconds, host)
        said = output.decode(errors="replace")
        if status != 0:
            raise Failure(f"{self.shape.hypervisor}: exit status {status}: {errors.decode(errors='replace').strip()} {said.strip()}")
        return said

    def stop(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


def fill(disk, mebibytes, image):
    if image:
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, disk], check=True)
    else:
        disk.touch()
    with disk.open("r+b") as file:
        file.truncate(mebibytes << 20)


@contextlib.contextmanager
def temporary(shape, iso, parent, contents=None):
    """A laboratory that ends with the block; its folder goes, too, unless the block fails: then its consoles stay."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    folder = parent / f"{os.getpid()}-{os.urandom(4).hex()}"
    folder.mkdir()
    laboratory = None
    kept = ()
    try:
        laboratory = Laboratory(shape, folder, iso, contents=contents)
        yield laboratory
    except Failure:
        kept = (".log", ".errors")
        raise
    finally:
        if laboratory:
            laboratory.stop()
        for path in folder.iterdir():
            if path.suffix not in kept:
                path.unlink()
        if not kept:
            folder.rmdir()


def sweep(parent):
    """Removes what was left by those who were killed: such a folder still has disks."""
    for disk in parent.glob("*-*/*.raw"):
        if not Path(f"/proc/{disk.parent.name.partition('-')[0]}").exists():
            shutil.rmtree(disk.parent, ignore_errors=True)


def end_of_console(folder, name):
    log = folder / f"{name}.log"
    return tail(log.read_text(errors="replace") if log.exists() else "", 15)


def connect(folder, name):
    """A connection to the named socket; by a path that is short enough wherever the folder is."""
    end = socket.socket(socket.AF_UNIX)
    place = os.open(folder, os.O_PATH)
    try:
        end.connect(f"/proc/self/fd/{place}/{name}")
    except OSError as error:
        end.close()
        raise Failure(f"the host is not there: {name}: {error.strerror}") from None
    finally:
        os.close(place)
    return end


def run(folder, name, port, vector, deadline, started=lambda: None, streams=None):
    """Runs the command in the host and shows what it says (or writes it to streams: output, errors). Its exit status; Failure
    if the host cannot be had."""
    nonce = channel.new_nonce()
    answer = channel.Answer(nonce)
    output, errors = streams or (sys.stdout.buffer, sys.stderr.buffer)
    streams = {channel.OUTPUT: output, channel.ERRORS: errors}
    with connect(folder, emulator.port(name, port)) as end:
        try:
            end.sendall(channel.request(nonce, vector))
        except OSError:
            raise gone(folder, name) from None
        while answer.status is None:
            left = None if answer.started else max(0, deadline - time.monotonic())
            if not select.select([end], [], [], left)[0]:
                raise Failure(f"{name} was not ready in time; the end of its console ({folder / (name + '.log')}):\n"
                              f"{end_of_console(folder, name)}")
            try:
                data = end.recv(PIECE)
            except OSError:
                data = b""
            if not data:
                raise gone(folder, name)
            before = answer.started
            pieces = answer.feed(data)
            if answer.started and not before:
                started()
            for kind, piece in pieces:
                streams[kind].write(piece)
                streams[kind].flush()
    return answer.status


def gone(folder, name):
    """Why, as far as its QEMU and its console tell."""
    complaints = [line for line in (folder / f"{name}.errors").read_text(errors="replace").splitlines() if "warning:" not in line]
    return Failure(f"{name} went away{': ' if complaints else ''}{' '.join(complaints)}; the end of its console "
                   f"({folder / (name + '.log')}):\n{end_of_console(folder, name)}")
