"""What ./tern bench guest makes of its measurements, and who answers on the wire while it measures."""
import json
import socket
import struct
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from house import boot_bench, guest_bench  # noqa: E402
from house.host import reflector  # noqa: E402

GUEST = bytes.fromhex("525400540001")
ADDRESS = bytes((10, 0, 0, 1))


class IntervalTest(unittest.TestCase):
    def test_of_seven_values_only_all_hold_the_median_at_95_percent(self):
        self.assertEqual(guest_bench.interval([3, 1, 2, 7, 5, 4, 6]), (1, 7))

    def test_many_values_hold_it_more_narrowly(self):
        self.assertEqual(guest_bench.interval(range(20)), (5, 14))


class SummaryTest(unittest.TestCase):
    FIGURES = {"tern": [2.0, 4.0, 3.0], "xen": [4.0, 4.0, 4.0], "none": [1.0, 1.0, 1.0]}

    def test_a_ratio_is_the_median_over_pairs_of_time_over_time(self):
        row = guest_bench.summary("pipe", self.FIGURES)
        self.assertEqual([row["ratio_to_xen"], row["ratio_low"], row["ratio_high"], row["ratio_to_none"]], [0.75, 0.5, 1.0, 3.0])

    def test_what_was_not_measured_is_null(self):
        row = guest_bench.summary("pipe", {"tern": [2.0]})
        self.assertEqual(json.loads(json.dumps(row)), {"name": "pipe", "tern": 2.0, "xen": None, "none": None, "ratio_to_xen": None,
                                                       "ratio_low": None, "ratio_high": None, "ratio_to_none": None})
        self.assertIn("pipe", guest_bench.table([row]))

    def test_the_table_ends_with_the_geometric_mean(self):
        rows = [guest_bench.summary("a", self.FIGURES), guest_bench.summary("b", {"tern": [3.0], "xen": [1.0]})]
        self.assertRegex(guest_bench.table(rows).splitlines()[-1], r"^geometric mean +1\.50 +3\.00$")


class BootTest(unittest.TestCase):
    def test_a_ratio_is_the_median_over_turns(self):
        row = boot_bench.summary("packaged", [12.0, 9.0, 10.0], [10.0, 10.0, 20.0])
        self.assertEqual([row["tern"], row["xen"], row["ratio_to_xen"], row["ratio_low"], row["ratio_high"]], [10.0, 10.0, 0.9, 0.5, 1.2])
        self.assertRegex(boot_bench.table([row]).splitlines()[-1], r"^packaged +10\.0 +10\.0 +0\.90 \(0\.50 to 1\.20\)$")


class ReflectorTest(unittest.TestCase):
    def datagram(self, destination):
        udp = struct.pack("!HHHH", 40000, 9, 8 + 4, 0x1234) + b"ping"
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0x4321, ADDRESS, destination)
        return reflector.ETHERNET.pack(reflector.STATION, GUEST, reflector.IPV4) + ip + udp

    def test_a_datagram_comes_back_with_its_addresses_and_ports_exchanged(self):
        sent = self.datagram(reflector.ADDRESS)
        back = reflector.answer(sent)
        self.assertEqual(back[:12], GUEST + reflector.STATION)
        self.assertEqual(back[26:38], reflector.ADDRESS + ADDRESS + struct.pack("!HH", 9, 40000))
        self.assertEqual((back[12:26], back[38:]), (sent[12:26], sent[38:]), "the rest, sums and all, is as it was")

    def test_who_asks_for_his_address_is_told(self):
        ask = reflector.ETHERNET.pack(b"\xff" * 6, GUEST, reflector.ARP) + reflector.ARP_BODY.pack(
            1, reflector.IPV4, 6, 4, reflector.REQUEST, GUEST, ADDRESS, b"\0" * 6, reflector.ADDRESS)
        told = reflector.ARP_BODY.unpack_from(reflector.answer(ask), reflector.ETHERNET.size)
        self.assertEqual(told[4:], (reflector.REPLY, reflector.STATION, reflector.ADDRESS, GUEST, ADDRESS))

    def test_what_is_not_for_him_or_cut_short_has_no_answer(self):
        whole = self.datagram(reflector.ADDRESS)
        for frame in (b"", self.datagram(bytes((10, 0, 0, 2))), *(whole[:length] for length in range(38))):
            self.assertIsNone(reflector.answer(frame))

    def test_frames_come_and_go_with_their_lengths(self):
        near, far = socket.socketpair()
        frame = self.datagram(reflector.ADDRESS)
        near.sendall(struct.pack("!I", len(frame)) + frame)
        near.shutdown(socket.SHUT_WR)
        reflector.serve(far)
        self.assertEqual(near.recv(1 << 16), struct.pack("!I", len(frame)) + reflector.answer(frame))
        near.close()


class OptionsTest(unittest.TestCase):
    def test_too_few_pairs_are_refused(self):
        with self.assertRaises(SystemExit) as ended:
            guest_bench.main(["--pairs", "3"])
        self.assertEqual(ended.exception.code, 2)

    def test_only_xen_and_none_can_be_compared_with(self):
        with self.assertRaises(SystemExit) as ended:
            guest_bench.main(["--against", "kvm"])
        self.assertEqual(ended.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
