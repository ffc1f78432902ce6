"""The parts of the disk with a kernel's sources that need no machine."""
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from house.dom0 import kernel_tree  # noqa: E402

NEEDED = {"Makefile", "arch/Kconfig", "arch/arm/crypto/Kconfig", "arch/x86/kernel/cpu.c", "Documentation/Kconfig", "drivers/base/core.c", "drivers/gpu/drm/Kconfig",
          "drivers/net/Makefile", "include/sound/core.h", "tools/arch/x86/lib/insn.c"}
NOT_NEEDED = {"arch/arm/kernel/head.S", "arch/xtensa/kernel/entry.S", "Documentation/index.rst", "drivers/gpu/drm/drm.c", "sound/core/sound.c"}


class Sources(unittest.TestCase):
    def test_what_the_smallest_kernel_has_nothing_of_is_not_unpacked(self):
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "usr/src"
            place.mkdir(parents=True)
            with tarfile.open(place / "linux-source-6.1.tar.xz", "w:xz") as tar:
                for name in sorted(NEEDED | NOT_NEEDED):
                    tar.addfile(tarfile.TarInfo(f"linux-source-6.1/{name}"))
            subprocess.run([kernel_tree.SOURCE / "unpack", scratch], check=True)
            self.assertEqual({str(path.relative_to(place / "linux")) for path in place.rglob("*") if path.is_file()}, NEEDED)


class Disk(unittest.TestCase):
    def test_it_holds_the_whole_image_and_no_mebibyte_more(self):
        with tempfile.TemporaryDirectory() as scratch:
            image = Path(scratch) / "image"
            for size, mebibytes in ((1, 1), (1 << 20, 1), ((1 << 20) + 1, 2)):
                image.touch()
                os.truncate(image, size)
                with mock.patch.object(kernel_tree, "make", lambda: image):
                    self.assertEqual(kernel_tree.disk(), ("kernel", mebibytes))


if __name__ == "__main__":
    unittest.main()
