"""carry_test CARRY: tern-carry of guests/linux, with both of its ends here."""
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

CARRY = sys.argv.pop(1)
PAGE_DATA, END, OTHER = 1, 0, 0xB
HEADERS = b"\xff" * 8 + b"XENF" + bytes(12) + bytes(16)


def record(kind, body):
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def pages(*frames):
    """Of ordinary frames, with their memory, which looks like a stream's beginning."""
    return record(PAGE_DATA, struct.pack("<II", len(frames), 0) + b"".join(struct.pack("<Q", frame | 0x7 << 60) for frame in frames) +
                  HEADERS.ljust(4096, b"\xff") * len(frames))


class Carry(unittest.TestCase):
    def carried(self, stream, answer=b""):
        """(what arrived there, what came back, what was counted)."""
        door = socket.create_server(("127.0.0.1", 0))
        arrived = []

        def far():
            end, _ = door.accept()
            with end:
                end.sendall(answer)
                while piece := end.recv(1 << 16):
                    arrived.append(piece)

        thread = threading.Thread(target=far)
        thread.start()
        with door, tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "carried"
            port = str(door.getsockname()[1])
            done = subprocess.run([CARRY, "127.0.0.1", port, file], input=stream, capture_output=True, timeout=60, check=True)
            thread.join()
            return b"".join(arrived), done.stdout, json.loads(file.read_text())

    def test_both_directions_are_passed_on_as_they_are(self):
        stream = bytes(range(256)) * 10_000
        self.assertEqual(self.carried(stream, b"ready"), (stream, b"ready", {"bytes": len(stream), "rounds": 0, "frames": []}))

    def test_a_frame_no_higher_than_the_one_before_begins_a_round(self):
        stream = (b"xl's own words" + HEADERS + record(OTHER, b"odd") + pages(1, 2, 9) + pages(10) + record(OTHER, b"") + pages(2) + pages(2, 5) +
                  record(END, b"") + b"more of xl's" + HEADERS + pages(1))
        _, _, counted = self.carried(stream)
        self.assertEqual(counted, {"bytes": len(stream), "rounds": 3, "frames": [4, 1, 2]})

    def test_nobody_there_is_an_error(self):
        with socket.create_server(("127.0.0.1", 0)) as door:
            port = door.getsockname()[1]
        done = subprocess.run([CARRY, "127.0.0.1", str(port), "/dev/null"], input=b"", capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"127.0.0.1", done.stderr)


unittest.main()
