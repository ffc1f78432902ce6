"""What ./tern bench downtime makes of a guest's heartbeats, and who hears them."""
import argparse
import struct
import sys
import types
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from house import downtime_bench, moving_pair  # noqa: E402
from house.host import listener, reflector  # noqa: E402
from house.say import Failure  # noqa: E402

GUEST = bytes.fromhex("00163e000064")
ADDRESS = bytes((10, 0, 0, 100))
MS = 1_000_000


def beat(number, monotonic, destination=listener.ADDRESS, station=listener.STATION, port=listener.PORT):
    """As it is on the wire."""
    udp = struct.pack("!HHHH", 40000, port, 8 + 16, 0) + struct.pack("<QQ", number, monotonic)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0, ADDRESS, destination)
    return reflector.ETHERNET.pack(station, GUEST, reflector.IPV4) + ip + udp


def on_wire(frame):
    return struct.pack("!I", len(frame)) + frame


class Hearing(unittest.TestCase):
    def test_a_beat_is_its_number_and_the_senders_time(self):
        self.assertEqual(listener.beat_in(beat(7, 123456789)), (7, 123456789))

    def test_what_is_for_others_or_cut_short_is_none(self):
        whole = beat(7, 1)
        for frame in (beat(7, 1, destination=reflector.ADDRESS), beat(7, 1, port=21), *(whole[:length] for length in range(len(whole)))):
            self.assertIsNone(listener.beat_in(frame))

    def test_frames_come_in_pieces_of_any_size_and_only_those_for_him_are_kept(self):
        mine, others = beat(1, 1), beat(2, 2, station=bytes.fromhex("525400540001"))
        stream = on_wire(mine) + on_wire(others) + on_wire(b"\xff" * 60) + on_wire(mine)
        for size in (1, 3, 50, len(stream)):
            frames = listener.Frames()
            found = [frame for at in range(0, len(stream), size) for frame in frames.feed(stream[at:at + size])]
            self.assertEqual(found, [mine, b"\xff" * 60, mine])

    def test_who_asks_for_his_address_is_told(self):
        ask = reflector.ETHERNET.pack(b"\xff" * 6, GUEST, reflector.ARP) + reflector.ARP_BODY.pack(
            1, reflector.IPV4, 6, 4, reflector.REQUEST, GUEST, ADDRESS, b"\0" * 6, listener.ADDRESS)
        sent = []
        one = types.SimpleNamespace(end=types.SimpleNamespace(sendall=sent.append))
        self.assertIsNone(listener.Listener.heard(one, ask))
        told = reflector.ARP_BODY.unpack_from(sent[0], reflector.LENGTH.size + reflector.ETHERNET.size)
        self.assertEqual(told[4:], (reflector.REPLY, listener.STATION, listener.ADDRESS, GUEST, ADDRESS))
        self.assertIsNone(listener.Listener.heard(one, beat(1, 1, destination=ADDRESS)))
        self.assertEqual(len(sent), 1, "others' datagrams have no answer")


class Gaps(unittest.TestCase):
    # It runs on for 60 ms without being heard, stands still for 140, and runs 20 more until it is heard again. Its first beat then has
    # waited for the network for 15 of those.
    BEATS = [(0, 0, 1000), (6 * MS, 1, 1000 + 5 * MS), (225 * MS, 18, 1000 + 70 * MS), (226 * MS, 19, 1000 + 86 * MS),
             (232 * MS, 20, 1000 + 91 * MS)]

    def test_the_largest_gap_is_told_with_its_place(self):
        self.assertEqual(listener.largest_gap(self.BEATS), (219 * MS, 1))

    def test_a_beat_that_waited_does_not_count_as_time_stood_still(self):
        self.assertEqual(listener.stood_still(self.BEATS, 1, 200), 140 * MS)

    def test_beats_long_before_do_not_count(self):
        early = [(-50 * MS, 0, 1000 - 30 * MS), *self.BEATS]
        self.assertEqual(listener.stood_still(early, 2, 2), 140 * MS)
        self.assertEqual(listener.stood_still(early, 2, 3), 160 * MS)

    def test_a_sender_whose_clock_goes_on_sees_itself_what_it_has_missed(self):
        beats = [(0, 0, 1000), (8 * MS, 1, 1000 + 8 * MS), (120 * MS, 2, 1000 + 98 * MS), (121 * MS, 3, 1000 + 106 * MS)]
        self.assertEqual(listener.gap_of(beats, 100, told=False), {"blackout_ms": 90.0, "guest_gap_ms": 22.0, "outside_gap_ms": 112.0})

    def test_beats_are_told_from_the_last_one_before_the_gap_on(self):
        self.assertEqual(listener.beats_around(self.BEATS, 5), [0.0, 219.0, 220.0])
        self.assertEqual(listener.beats_around(self.BEATS, 6), [-6.0, 0.0, 219.0, 220.0])

    def test_who_is_not_heard_has_no_gap(self):
        with self.assertRaises(Failure):
            listener.largest_gap(self.BEATS[:1])

    def test_what_the_guest_has_not_lived_through_is_the_blackout(self):
        heard = {"total_ms": 900, "bytes": 5, "rounds": 2, "blackout_ms": 140.0, "guest_gap_ms": 79.0, "outside_gap_ms": 219.0, "quiet_gap_ms": 6.0}
        self.assertEqual(self.row({}), heard)
        said = {"blackout_stamped_ms": 110.5, "clock_stood_ms": 139.9, "clock_error_ms": 0.1, "parts": {"stop_ms": 30, "last_pages": 7, "wake_ms": 180.5}}
        self.assertEqual(self.row(said), heard | said | {"clocks_differ_ms": 0.1, "parts_ms": 210.5})
        untold = self.row(said | {"clock_stood_ms": None})
        self.assertEqual((untold["blackout_ms"], untold["clocks_differ_ms"]), (65.0, 45.5), "its own clock went on by 65 ms in the gap")

    def row(self, said):
        return moving_pair.figures_of({"total_ms": 900, "bytes": 5, "rounds": 2} | said, self.BEATS, self.BEATS[:2], 200)


class Rows(unittest.TestCase):
    ROWS = [{"system": system, "workload": "idle", "run": run, "total_ms": 1000 * ms, "bytes": 1 << 20, "rounds": 3, "blackout_ms": ms,
             "guest_gap_ms": 1, "outside_gap_ms": ms + 1, "quiet_gap_ms": 5} for run, (tern, xen) in enumerate([(2, 8), (9, 10), (3, 9)])
            for system, ms in (("tern", tern), ("xen", xen))]

    def test_a_ratio_is_of_the_medians(self):
        self.assertAlmostEqual(downtime_bench.ratio(self.ROWS, "blackout_ms"), 3 / 9)
        self.assertIsNone(downtime_bench.ratio(self.ROWS[::2], "blackout_ms"))

    def test_a_baseline_keeps_the_ratio(self):
        kept = downtime_bench.baseline(self.ROWS, 128, 2)["downtime"]
        self.assertEqual((kept["workload"], kept["memory"], kept["cpus"], kept["runs"], kept["blackout_ratio"]), ("idle", 128, 2, 3, 0.333))

    def test_the_table_has_medians_and_spreads(self):
        lines = downtime_bench.table(self.ROWS).splitlines()
        self.assertRegex(lines[0], r"^idle +tern +min to max +xen +min to max   tern/xen$")
        self.assertRegex(lines[4], r"^blackout, ms +3\.0 +2\.0 to 9\.0 +9\.0 +8\.0 to 10\.0   0\.33$")
        self.assertRegex(downtime_bench.table(self.ROWS[::2]).splitlines()[4], r"^blackout, ms +3\.0 +2\.0 to 9\.0$")

    def test_a_workload_is_what_the_guest_is_told(self):
        self.assertEqual(downtime_bench.workload("dirty:64M@4M"), ("dirty:64M@4M", "dirty+64+4", 64))
        self.assertEqual(downtime_bench.workload("dirty:64@0"), ("dirty:64@0", "dirty+64+0", 64))
        self.assertEqual(downtime_bench.workload("http"), ("http", None, 0))
        self.assertEqual(downtime_bench.workload("ticker"), ("ticker", None, 0))
        self.assertEqual(downtime_bench.bandwidth("10M"), 10 << 20)
        for text in ("", "busy", "dirty", "dirty:64M", "dirty:0@4M", "dirty:64M@4.5M", "idle "):
            with self.assertRaises(argparse.ArgumentTypeError):
                downtime_bench.workload(text)


unittest.main()
