"""How a command gets into a host, and what it says comes out: the other end of guests/linux/agent, whose head has the form.

Nothing here reads or writes anything: bytes in, bytes out.
"""
import os
import struct

from house.say import Failure

NONCE_BYTES = 16
MOST_BYTES = 2 << 20
HEAD = struct.Struct("<cI")
OUTPUT, ERRORS, EXIT = b"o", b"e", b"x"


def new_nonce():
    return os.urandom(NONCE_BYTES)


def request(nonce, vector):
    """The bytes that ask for a command. `vector`: its arguments, as bytes."""
    if not vector:
        raise Failure("there is no command to run")
    words = b"".join(word + b"\0" for word in vector)
    if len(words) > MOST_BYTES:
        raise Failure(f"the command has {len(words)} bytes of arguments; {MOST_BYTES} is the most")
    return nonce + struct.pack("<I", len(words)) + words


class Answer:
    """Takes apart what comes back."""

    def __init__(self, nonce):
        self.nonce = nonce
        self.started = False
        self.status = None  # the command's exit status, once it is known
        self.waiting = b""

    def feed(self, data):
        """(OUTPUT or ERRORS, bytes) pairs that are complete now."""
        self.waiting += data
        if not self.started:
            before, found, after = self.waiting.partition(self.nonce)
            # Whatever comes before our nonce was another's; it may end with the first bytes of ours.
            self.waiting = after if found else before[-NONCE_BYTES + 1:]
            self.started = bool(found)
        pieces = []
        while self.started and self.status is None and len(self.waiting) >= HEAD.size:
            kind, length = HEAD.unpack_from(self.waiting)
            if len(self.waiting) < HEAD.size + length:
                break
            payload, self.waiting = self.waiting[HEAD.size:HEAD.size + length], self.waiting[HEAD.size + length:]
            if kind == EXIT and length == 4:
                self.status, = struct.unpack("<I", payload)
            elif kind in (OUTPUT, ERRORS):
                pieces.append((kind, payload))
            else:
                raise Failure(f"the host's agent sent a frame of unknown kind {kind!r}")
        return pieces
