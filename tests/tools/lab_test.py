"""The parts of ./tern exec, ./tern lab and the dom0 image that need no machine."""
import argparse
import gzip
import io
import lzma
import struct
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from house import exec as exec_  # noqa: E402
from house.dom0 import bzimage, cpio, elf, modules, packages  # noqa: E402
from house.host import channel, disk, emulator, shape  # noqa: E402
from house.say import Failure  # noqa: E402

NONCE = bytes(range(16))


def frame(kind, payload):
    return kind + struct.pack("<I", len(payload)) + payload


class CommandLine(unittest.TestCase):
    def parser(self):
        parser = exec_.Words("exec", "about")
        shape.add_options(parser)
        return parser

    def shape_of(self, *words):
        parser = self.parser()
        return shape.of(parser, parser.parse_args(words))

    def refused(self, *words):
        with self.assertRaises(SystemExit) as ended, unittest.mock.patch("sys.stderr", io.StringIO()):
            self.shape_of(*words)
        return ended.exception.code

    def test_all_after_the_first_dashes_is_the_command_as_it_is(self):
        self.assertEqual(exec_.split(self.parser(), ["--cpus", "2", "--", "a b", "", "--", "--cpus"]),
                         (["--cpus", "2"], ["a b", "", "--", "--cpus"]))

    def test_what_is_no_text_stays_the_bytes_that_it_is(self):
        self.assertEqual(exec_.as_bytes(["\udcff", "é"]), [b"\xff", "é".encode()])

    def test_a_bare_number_of_memory_is_mebibytes(self):
        self.assertEqual([shape.mebibytes(text) for text in ("2G", "512M", "512")], [2048, 512, 512])
        for text in ("", "0", "2g", "1.5G", "-1", "2 G"):
            with self.assertRaises(argparse.ArgumentTypeError):
                shape.mebibytes(text)

    def test_dom0_gets_768_mebibytes_or_what_a_small_machine_can_give(self):
        self.assertEqual(self.shape_of("--memory", "4G").dom0_memory, 768)
        self.assertEqual(self.shape_of("--memory", "512M").dom0_memory, 320)
        self.assertEqual(self.shape_of("--dom0-memory", "1G").dom0_memory, 1024)

    def test_our_own_mistakes_exit_125(self):
        self.assertEqual(self.refused("--hypervisor", "other"), 125)
        self.assertEqual(self.refused("--cpus", "0"), 125)
        self.assertEqual(self.refused("--memory", "1G", "--dom0-memory", "1G"), 125)
        self.assertEqual(self.refused("--hypervisor", "none", "--kernel", "extracted"), 125)

    def test_each_hypervisor_has_a_cpu_that_it_can_bear(self):
        self.assertEqual(self.shape_of("--hypervisor", "xen").cpu, "qemu64")
        self.assertEqual(self.shape_of().cpu, "max")
        self.assertEqual(self.shape_of("--cpu", "EPYC").cpu, "EPYC")

    def test_cpus_are_the_machines_and_dom0s(self):
        four = self.shape_of("--cpus", "4")
        self.assertIn("dom0_max_vcpus=4", disk.options(four))
        words = emulator.command(four, 0, "x.iso")
        self.assertEqual(words[words.index("-smp") + 1], "4")


class Emulator(unittest.TestCase):
    def words(self, hosts, number):
        return " ".join(emulator.command(shape.Shape(hosts=hosts), number, "x.iso"))

    def test_nothing_of_a_machine_reaches_beyond_this_one(self):
        for kind in ("user", "tap", "bridge", "mcast", "127.0.0.1", "tcp:"):
            self.assertNotIn(kind, self.words(3, 1))

    def test_neighbours_are_wired_and_nobody_else(self):
        self.assertNotIn("wire.", self.words(1, 0))
        self.assertIn("server=on,addr.type=unix,addr.path=wire.0", self.words(3, 0))
        self.assertIn("server=off,addr.type=unix,addr.path=wire.0", self.words(3, 1))
        self.assertIn("server=on,addr.type=unix,addr.path=wire.1", self.words(3, 1))
        self.assertNotIn("server=on,addr", self.words(3, 2))

    def test_hosts_differ_by_the_last_byte_of_an_address(self):
        self.assertIn("mac=52:54:00:54:00:01", self.words(2, 0))
        self.assertIn("mac=52:54:00:54:00:02", self.words(2, 1))

    def test_disks_are_shared_and_not_cached(self):
        self.assertIn("locking=off,cache.direct=on", self.words(2, 1))
        self.assertIn("share-rw=on", self.words(2, 1))


class Channel(unittest.TestCase):
    ANSWER = NONCE + frame(b"o", b"out\n") + frame(b"e", b"\0\r\n") + frame(b"o", b"") + frame(b"x", struct.pack("<I", 7))
    PIECES = [(b"o", b"out\n"), (b"e", b"\0\r\n"), (b"o", b"")]

    def test_arguments_are_ended_by_nuls(self):
        self.assertEqual(channel.request(NONCE, [b"a b", b"", b"\n\xff"]), NONCE + b"\x08\0\0\0a b\0\0\n\xff\0")

    def test_no_command_and_too_much_of_one_are_refused(self):
        for vector in ([], [b"x" * (3 << 20)]):
            with self.assertRaises(Failure):
                channel.request(NONCE, vector)

    def test_an_answer_may_come_in_any_pieces(self):
        for size in (1, 2, 3, 7, len(self.ANSWER)):
            answer, pieces = channel.Answer(NONCE), []
            for at in range(0, len(self.ANSWER), size):
                pieces += answer.feed(self.ANSWER[at:at + size])
            self.assertEqual((pieces, answer.status), (self.PIECES, 7))

    def test_what_was_for_an_earlier_client_is_passed_over(self):
        for noise in (b"\0", NONCE[:9], frame(b"x", b"\0\0\0\0"), b"x" * 100000):
            answer = channel.Answer(NONCE)
            answer.feed(noise)
            self.assertFalse(answer.started)
            self.assertEqual(answer.feed(self.ANSWER), self.PIECES)

    def test_a_frame_that_nobody_knows_is_an_error(self):
        with self.assertRaises(Failure):
            channel.Answer(NONCE).feed(NONCE + frame(b"?", b""))


class Cpio(unittest.TestCase):
    ENTRIES = {"a/b/file": cpio.file(b"12345", 0o755), "link": cpio.link("a/b/file"), "dev/console": cpio.character_device(5, 1)}

    def test_the_same_entries_in_any_order_give_the_same_bytes(self):
        backwards = dict(reversed(self.ENTRIES.items()))
        self.assertEqual(cpio.archive(self.ENTRIES), cpio.archive(backwards))

    def test_cpio_reads_it_back(self):
        listing = subprocess.run(["cpio", "-itv", "--numeric-uid-gid"], input=cpio.archive(self.ENTRIES),
                                 capture_output=True, check=True).stdout.decode()
        lines = [(words[0], words[-1]) for words in map(str.split, listing.splitlines())]
        self.assertEqual(lines, [("drwxr-xr-x", "a"), ("drwxr-xr-x", "a/b"), ("-rwxr-xr-x", "a/b/file"),
                                 ("drwxr-xr-x", "dev"), ("crw-------", "dev/console"), ("lrwxrwxrwx", "a/b/file")])


class Elf(unittest.TestCase):
    def test_a_program_names_its_interpreter_and_its_libraries(self):
        needs = elf.needs(Path("/bin/sh").read_bytes())
        self.assertIn("libc.so.6", needs)
        self.assertIn("/lib64/ld-linux-x86-64.so.2", needs)

    def test_what_is_not_elf_needs_nothing(self):
        self.assertEqual(elf.needs(b"#!/bin/sh\n"), [])


class Modules(unittest.TestCase):
    INFOS = {"top": [("depends", "middle,low"), ("alias", "pci:v1*")], "middle": [("depends", "low")], "low": [("depends", "")]}

    def test_what_is_needed_stands_after_what_needs_it(self):
        self.assertEqual(modules.all_depends(self.INFOS, "top"), ["middle", "low"])

    def test_the_lists_are_those_of_modprobe(self):
        files = {name: f"kernel/{name}.ko" for name in self.INFOS}
        dep, alias = modules.lists(self.INFOS, files)
        self.assertEqual(dep, "kernel/low.ko:\nkernel/middle.ko: kernel/low.ko\n"
                              "kernel/top.ko: kernel/middle.ko kernel/low.ko\n")
        self.assertEqual(alias, "alias pci:v1* top\n")

    def test_a_module_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(Failure, "no module virtio_x"):
            modules.closure({}, ["virtio-x"])


class BzImage(unittest.TestCase):
    def image(self, payload, version=0x20f):
        image = bytearray(0x400)
        image[0x1f1] = 1
        image[0x202:0x208] = b"HdrS" + struct.pack("<H", version)
        struct.pack_into("<II", image, 0x248, 0x10, len(payload))
        return bytes(image) + bytes(0x10) + payload + bytes(100)

    def test_the_payload_is_unpacked_and_its_length_passed_over(self):
        packed = lzma.compress(b"\x7fELF kernel") + struct.pack("<I", 11)
        self.assertEqual(bzimage.extract(self.image(packed)), b"\x7fELF kernel")

    def test_what_is_no_kernel_of_debians_is_refused(self):
        for image in (bytes(0x1000), self.image(b"x", 0x207), self.image(gzip.compress(b"x"))):
            with self.assertRaises(Failure):
                bzimage.extract(image)


class Packages(unittest.TestCase):
    GRAPH = "tool\n  Depends: liba\n |Depends: libb\n  Depends: <virtual>\n    libc\nliba\n  PreDepends: libc:any\n" \
            "libb\n  Depends: perl\nlibc\nperl\n  Depends: liba\n"

    def test_dependencies_are_followed_but_not_through_what_is_left_out(self):
        self.assertEqual(set(packages.closure(self.GRAPH, ["tool"], {"perl"})), {"tool", "liba", "libb", "libc"})

    def test_the_kernel_is_the_newest_of_its_series(self):
        shown = "Version: 3\nDepends: linux-image-6.12-amd64 (= 3)\n\nVersion: 2\nDepends: linux-image-6.1.0-9-amd64 (= 2)\n\n" \
                "Version: 1\nDepends: linux-image-6.1.0-8-amd64 (= 1)\n"
        self.assertEqual(packages.newest_kernel(shown, "linux-image-6.1."), "linux-image-6.1.0-9-amd64")
        with self.assertRaises(Failure):
            packages.newest_kernel(shown, "linux-image-5.")

    def test_a_lock_reads_back(self):
        chosen = [packages.Package("zlib1g_1%3a1.2_amd64.deb", 5, "ab" * 32)]
        self.assertEqual(packages.parse_lock(packages.format_lock(chosen)), chosen)
        self.assertEqual((chosen[0].name, chosen[0].version), ("zlib1g", "1:1.2"))

    def test_a_file_with_other_bytes_is_not_taken(self):
        with tempfile.TemporaryDirectory() as folder:
            package = packages.Package("a_1_all.deb", 3, "00" * 32)
            self.assertFalse(packages.good(package, Path(folder)))
            (Path(folder) / package.file).write_bytes(b"abc")
            self.assertFalse(packages.good(package, Path(folder)))


if __name__ == "__main__":
    unittest.main()
