"""Someone on the wire, outside of all hosts, who notes when each heartbeat of a guest comes (`tern-load beat`), by this machine's clock.

He has one address and answers who asks for it. A beat is a datagram to him with its number and the time on the sender's own clock, which
stands still while the sender does not run. So what passed here and what passed there differ by the time for which it did not run.

The hosts' cards are joined by hubs, so he is shown all that they say to each other, and has to be quick with what is not for him.
"""
import itertools
import struct
import threading
import time

from house.host import hosts, reflector
from house.host.reflector import ETHERNET, IPV4, IPV4_HEAD, LENGTH, UDP
from house.say import Failure

ADDRESS = bytes((10, 0, 0, 253))
STATION = bytes.fromhex("525400540ffe")
BROADCAST = b"\xff" * 6
PORT = 9
PIECE = 1 << 20
UDP_HEAD = struct.Struct("!HHHH")
BEAT = struct.Struct("<QQ")  # its number, nanoseconds: guests/linux/load/network.cpp


def beat_in(frame):
    """(number, the sender's nanoseconds) if it is a beat to him, else None."""
    if len(frame) < ETHERNET.size + IPV4_HEAD.size or ETHERNET.unpack_from(frame)[2] != IPV4:
        return None
    version, _, protocol, _, _, destination = IPV4_HEAD.unpack_from(frame, ETHERNET.size)
    at = ETHERNET.size + (version & 0xF) * 4
    if protocol != UDP or destination != ADDRESS or len(frame) < at + UDP_HEAD.size + BEAT.size:
        return None
    _, port, length, _ = UDP_HEAD.unpack_from(frame, at)
    return BEAT.unpack_from(frame, at + UDP_HEAD.size) if (port, length) == (PORT, UDP_HEAD.size + BEAT.size) else None


class Frames:
    """Takes apart what comes over a wire; of its frames keeps those that could be for him."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        data = self.rest + data if self.rest else data
        at, end, found = 0, len(data), []
        while end - at >= LENGTH.size:
            length, = LENGTH.unpack_from(data, at)
            if end - at < LENGTH.size + length:
                break
            at += LENGTH.size
            if data.startswith((STATION, BROADCAST), at):
                found.append(data[at:at + length])
            at += length
        self.rest = data[at:]
        return found


class Listener:
    """At the far end of a laboratory's wire, until the laboratory ends."""

    def __init__(self, laboratory):
        self.end = hosts.connect(laboratory.folder, f"wire.{laboratory.shape.hosts - 1}")
        self.beats = []  # (arrival, number, the sender's time), nanoseconds; grows
        self.came = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        frames = Frames()
        try:
            while data := self.end.recv(PIECE):
                now = time.monotonic_ns()
                new = [(now, *beat) for beat in map(self.heard, frames.feed(data)) if beat]
                if new:
                    with self.came:
                        self.beats += new
                        self.came.notify_all()
        except OSError:
            pass  # whoever waits is told by time
        self.end.close()

    def heard(self, frame):
        """The beat in it; else, if it asks for him, it is answered."""
        beat = beat_in(frame)
        if beat is None and (answer := reflector.answer_arp(frame, ADDRESS, STATION)):
            self.end.sendall(LENGTH.pack(len(answer)) + answer)
        return beat

    def wait(self, count, seconds):
        """Until so many more have come."""
        with self.came:
            wanted = len(self.beats) + count
            if not self.came.wait_for(lambda: len(self.beats) >= wanted, seconds):
                raise Failure(f"the guest is not heard: {len(self.beats) + count - wanted} heartbeats of {count} in {seconds} s")

    def since(self, begin):
        """The beats that came after `begin`, and the last one before."""
        with self.came:
            first = next((at for at in range(len(self.beats) - 1, -1, -1) if self.beats[at][0] < begin), 0)
            return self.beats[first:]


def largest_gap(beats):
    """(nanoseconds, its place): between the beat at that place and the next, which came furthest apart."""
    if len(beats) < 2:
        raise Failure("the guest was not heard")
    return max((second[0] - first[0], place) for place, (first, second) in enumerate(itertools.pairwise(beats)))


def stood_still(beats, place, most):
    """Nanoseconds for which the sender's clock stood still between the beat at `place` and the next.

    The next alone would not tell: what is sent while there is no network yet waits in the sender's queue, and comes late. So it is by
    how much the least time from sending to coming has grown, of up to `most` beats before and all that came after.
    """
    def least(some):
        return min(came - sent for came, _, sent in some)
    return least(beats[place + 1:]) - least(beats[max(place + 1 - most, 0):place + 1])


def missed(beats):
    """Nanoseconds between two beats that were furthest apart by the sender's own clock."""
    return max(second[2] - first[2] for first, second in itertools.pairwise(beats))


def gap_of(beats, most, told=True):
    """The largest gap in milliseconds: as it was heard, what the sender has lived through of it, and the rest, in which it stood still.

    The clock of who was `told` stood still meanwhile. That of who was not went on: he sees himself what he has missed, to within a beat.
    """
    outside, place = largest_gap(beats)
    blackout = stood_still(beats, place, most) if told else missed(beats)
    return {name: round(nanoseconds / 1e6, 3) for name, nanoseconds in (
        ("blackout_ms", blackout), ("guest_gap_ms", outside - blackout), ("outside_gap_ms", outside))}


def beats_around(beats, milliseconds=1000):
    """When those came that were not further away from the gap; the last one before it at 0."""
    length, place = largest_gap(beats)
    come = [(came - beats[place][0]) / 1e6 for came, _, _ in beats]
    return [round(ms, 3) for ms in come if -milliseconds <= ms <= length / 1e6 + milliseconds]
