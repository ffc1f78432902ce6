"""A whole Debian on a disk, below build/debian: the kernel as packaged and extracted, Debian's own initramfs, and the file system
that it mounts. Made again only when the recipe, what it names, or this code changed.

With the same lock the archive of the file system is the same, byte by byte (bootstrap.py); in the file system made of it, times and the
order of directories differ.
"""
import dataclasses
import fcntl
import io
import os
import shlex
import tarfile
import tempfile
import tomllib
import uuid
from pathlib import Path

from house import paths
from house.dom0 import bootstrap, bzimage, packages
from house.dom0.image import key_of, locked, write
from house.say import Failure, step

SOURCE = paths.ROOT / "guests/debian"
BUILD = paths.BUILD / "debian"
LABEL = "debian"  # of the file system; etc/fstab has it, too

# mke2fs keeps owners; who is root in a namespace only, cannot make devices, and Linux makes its own.
MAKE_FILE_SYSTEM = """set -e
trap 'rm -rf "$2"' EXIT
mkdir "$2"
tar --extract --preserve-permissions --numeric-owner --exclude='./dev/*' --directory="$2" --file="$1"
mke2fs -q -t ext4 -L "$5" -U "$6" -E hash_seed="$6",lazy_itable_init=0,lazy_journal_init=0 -d "$2" "$3" "$4"
"""


@dataclasses.dataclass(frozen=True)
class Files:
    packaged: Path = BUILD / "vmlinuz"
    extracted: Path = BUILD / "vmlinux"
    initramfs: Path = BUILD / "initrd.img"
    root: Path = BUILD / "root.ext4"


def make():
    """Brings all of them up to date."""
    BUILD.mkdir(parents=True, exist_ok=True)
    files, stamp = Files(), BUILD / "stamp"
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        recipe = tomllib.loads((SOURCE / "recipe.toml").read_text())
        chosen = locked(BUILD / "packages.lock", recipe["packages"], packages.choose_system)
        key = key_of(chosen, [SOURCE / "recipe.toml", *(SOURCE / "files").rglob("*"), Path(__file__), Path(bootstrap.__file__)])
        if stamp.exists() and stamp.read_text() == key and all(path.exists() for path in dataclasses.astuple(files)):
            return files
        packages.download(chosen, BUILD / "debs")
        with step("installing Debian, a few minutes"), tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            place = Path(scratch)
            place.chmod(0o755)  # root in a namespace is somebody else here
            archive = install(chosen, place)
            with tarfile.open(archive) as tree:
                kernel = only(tree, "./boot/vmlinuz-")
                write(files.packaged, kernel)
                write(files.extracted, bzimage.extract(kernel))
                write(files.initramfs, only(tree, "./boot/initrd.img-"))
            identity = str(uuid.uuid5(uuid.NAMESPACE_OID, key))
            bootstrap.run("mke2fs", BUILD, *as_root(), "sh", "-c", MAKE_FILE_SYSTEM, "sh", archive, place / "tree", place / "root",
                          recipe["disk"]["size"], LABEL, identity)
            os.replace(place / "root", files.root)
        stamp.write_text(key)
    return files


def install(chosen, place):
    """The archive of a root file system with these packages."""
    added = place / "files.tar"
    with added.open("wb") as file:
        file.write(files_archive(SOURCE / "files"))
    # Our own files come before the kernel: its initramfs checks the file systems of etc/fstab. No password.
    return bootstrap.install(chosen, BUILD, place, f"--essential-hook=tar-in {shlex.quote(str(added))} /",
                             '--customize-hook=chroot "$1" passwd --quiet --delete root')


def files_archive(folder):
    """The files of `folder` as a tar archive: root's, and as old as everything else."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(str(path.relative_to(folder)))
                entry.size, entry.mtime = path.stat().st_size, bootstrap.EPOCH
                entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
                tar.addfile(entry, io.BytesIO(path.read_bytes()))
    return archive.getvalue()


def only(tree, begins):
    """The one file of the archive whose name begins so."""
    found = [member for member in tree if member.isfile() and member.name.startswith(begins)]
    if len(found) != 1:
        raise Failure(f"the installed Debian has {len(found)} files {begins}*, not one")
    return tree.extractfile(found[0]).read()


def as_root():
    return [] if os.geteuid() == 0 else ["unshare", "--map-auto", "--map-root-user"]
