"""The parts of the whole Debian's disk, and of somebody at a host's console, that need no machine."""
import hashlib
import io
import socket
import sys
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from house.dom0 import bootstrap, debian, packages  # noqa: E402
from house.host import debian_tests, disk, emulator, hosts, shape, terminal  # noqa: E402
from house.say import Failure  # noqa: E402


class Packages(unittest.TestCase):
    def test_what_a_simulated_installation_installs(self):
        printed = ("Reading package lists...\nInst libc6 (2.36-9+deb12u14 Debian:12/stable [amd64]) []\n"
                   "Inst zlib1g (1:1.2.13.dfsg-1 Debian:12/stable [amd64])\nConf libc6 (2.36-9+deb12u14 Debian:12/stable [amd64])\n")
        self.assertEqual(packages.versions(printed), ["libc6=2.36-9+deb12u14", "zlib1g=1:1.2.13.dfsg-1"])

    def test_an_entry_of_the_index_has_what_the_lock_promises(self):
        entry = bootstrap.index_entry(packages.Package("zlib1g_1%3a1.2_amd64.deb", 7, "ab" * 32), "Package: zlib1g\nVersion: 1:1.2\n")
        self.assertEqual(entry, f"Package: zlib1g\nVersion: 1:1.2\nFilename: ./zlib1g.deb\nSize: 7\nSHA256: {'ab' * 32}\n\n")

    def test_the_release_has_the_indexs_hash(self):
        self.assertIn(f" {hashlib.sha256(b'index').hexdigest()} 5 Packages\n", bootstrap.release(b"index"))

    def test_a_path_that_apt_cannot_read_is_refused(self):
        self.assertEqual(bootstrap.source_line(Path("/a/b")), "deb [trusted=yes] copy:/a/b ./")
        with self.assertRaisesRegex(Failure, "a space or bracket"):
            bootstrap.source_line(Path("/a b"))


class Files(unittest.TestCase):
    def test_files_are_roots_and_have_no_time_of_their_own(self):
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "etc").mkdir()
            (Path(scratch) / "etc/hostname").write_text("debian\n")
            archive = debian.files_archive(Path(scratch))
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            entry, = tar.getmembers()
            self.assertEqual((entry.name, entry.uid, entry.gid, entry.mode, entry.mtime), ("etc/hostname", 0, 0, 0o644, bootstrap.EPOCH))

    def test_the_label_is_that_of_fstab(self):
        self.assertIn(f"LABEL={debian.LABEL} / ext4 ", (debian.SOURCE / "files/etc/fstab").read_text())

    def test_the_one_kernel_is_found_and_two_are_refused(self):
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                for name in ("./boot/a-1", "./boot/b-1", "./boot/b-2"):
                    tar.addfile(tarfile.TarInfo(name))
            file.seek(0)
            with tarfile.open(fileobj=file) as tar:
                self.assertEqual(debian.only(tar, "./boot/a-"), b"")
                with self.assertRaisesRegex(Failure, "2 files ./boot/b-"):
                    debian.only(tar, "./boot/b-")


class Machine(unittest.TestCase):
    def test_it_mounts_its_own_disk(self):
        self.assertIn("root=LABEL=debian ro", disk.arguments(debian_tests.SHAPE))
        self.assertNotIn("root=", disk.arguments(shape.Shape()))

    def test_a_machine_that_restarts_is_told_to_by_nobody_else(self):
        stays, ends = shape.Shape(restarts=True), shape.Shape()
        self.assertNotIn("noreboot", disk.options(stays))
        self.assertNotIn("debug-exit", disk.options(stays))
        self.assertIn("noreboot debug-exit=0xf4", disk.options(ends))
        self.assertNotIn("-no-reboot", emulator.command(stays, 0, "x.iso"))
        self.assertIn("-no-reboot", emulator.command(ends, 0, "x.iso"))

    def test_a_disk_begins_with_its_image_or_empty(self):
        with tempfile.TemporaryDirectory() as scratch:
            image, made = Path(scratch) / "image", Path(scratch) / "made"
            image.write_bytes(b"ext4")
            hosts.fill(made, 1, image)
            self.assertEqual((made.stat().st_size, made.read_bytes()[:5]), (1 << 20, b"ext4\0"))
            hosts.fill(Path(scratch) / "empty", 2, None)
            self.assertEqual((Path(scratch) / "empty").read_bytes(), bytes(2 << 20))


class Terminal(unittest.TestCase):
    def setUp(self):
        self.ours, self.hosts_end = socket.socketpair()
        self.terminal = terminal.Terminal(self.ours)

    def tearDown(self):
        self.ours.close()
        self.hosts_end.close()

    def shell(self, answers):
        """A host that answers each command (its line, and the line with the mark) in turn."""
        def serve():
            with self.hosts_end.makefile("rw", newline="") as stream:
                for answer in answers:
                    line, echo = stream.readline(), stream.readline()
                    stream.write(answer.replace("MARK", echo.split()[1].partition("=")[0]).replace("LINE", line))
                    stream.flush()
        threading.Thread(target=serve, daemon=True).start()

    def test_a_command_has_a_status_and_an_output(self):
        self.shell(["\x1b[0;1mone\x1b[0m\r\nMARK=0=\r\n", "MARK=7=\r\n"])
        self.assertEqual(self.terminal.run("echo one", 10), (0, "one\n"))
        self.assertEqual(self.terminal.run("exit 7", 10), (7, ""))

    def test_the_echo_of_a_command_is_not_its_answer(self):
        self.shell(["LINEecho MARK=$?=\r\nsaid\r\nMARK=3=\r\n"])
        self.assertEqual(self.terminal.run("false", 10)[0], 3)

    def test_what_never_comes_is_told_with_what_came(self):
        self.hosts_end.sendall(b"Loading, please wait...\r\n")
        with self.assertRaisesRegex(Failure, "(?s)did not come.*please wait"):
            self.terminal.wait(b"login: ", 0.05)

    def test_nobody_waits_for_the_dead(self):
        for words in (b"[  1.0] Kernel panic - not syncing: VFS\r\n", b"(TERN) PANIC on c1: assertion\r\n"):
            self.hosts_end.sendall(words)
            with self.assertRaisesRegex(Failure, "the host died: .*(VFS|assertion)"):
                self.terminal.wait(b"login: ", 10)
            self.terminal.unread = b""

    def test_the_end_is_known_from_silence(self):
        self.hosts_end.sendall(b"reboot: Power down\r\n")
        self.hosts_end.close()
        self.assertIn("Power down", self.terminal.wait_for_end(10))


if __name__ == "__main__":
    unittest.main()
