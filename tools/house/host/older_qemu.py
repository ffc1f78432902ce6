"""Debian 12's own QEMU, beside the one that is installed: downloaded and unpacked below build, once.

It has faults that no CPU has (docs/debugging.md), and is what a plain Debian 12 runs.
"""
import fcntl
import shutil
import tempfile
from pathlib import Path

from house import paths
from house.dom0 import packages
from house.say import step

FOLDER = paths.BUILD / "qemu-of-bookworm"
NAMES = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios")


def command():
    """The beginning of its command line."""
    make()
    data = [word for share in ("qemu", "seabios") for word in ("-L", str(FOLDER / "usr/share" / share))]
    return (str(FOLDER / "usr/bin/qemu-system-x86_64"), *data)


def make():
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / f".{FOLDER.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if FOLDER.exists():
            return
        with step("unpacking Debian 12's own QEMU"), tempfile.TemporaryDirectory(dir=FOLDER.parent) as scratch:
            folder = Path(scratch)
            chosen = packages.locate([f"{name}/bookworm" for name in NAMES], folder)
            packages.download(chosen, folder)
            packages.unpack(chosen, folder, folder / "tree")
            shutil.move(folder / "tree", FOLDER)
