"""A disk that a guest compiles a kernel from (guests/linux/web/etc/build), build/kernel-build/image: a file system that can only be read,
with Debian's compiler and Debian's sources of Linux, configured. Made again only when the recipe, what it names, or this code changed."""
import fcntl
import os
import shlex
import tempfile
import tomllib
from pathlib import Path

from house import paths
from house.dom0 import bootstrap, packages
from house.dom0.image import key_of, locked
from house.say import step

SOURCE = paths.ROOT / "guests/kernel-build"
BUILD = paths.BUILD / "kernel-build"
IMAGE = BUILD / "image"
LABEL = "kernel"  # of the disk: /dev/vm/kernel
UNREAD = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "locale", "man")]
# Choosing what to compile, and compiling the tools for it, take an emulated CPU minutes. Where it is made is in its commands.
CONFIGURE = '''--customize-hook=chroot "$1" make -C /usr/src/linux O=/tmp/build ARCH=x86_64 tinyconfig prepare scripts &&
    mv "$1/tmp/build" "$1/usr/src/build"'''


def make():
    """Brings it up to date; its path."""
    BUILD.mkdir(parents=True, exist_ok=True)
    stamp = BUILD / "stamp"
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        recipe = tomllib.loads((SOURCE / "recipe.toml").read_text())
        chosen = locked(BUILD / "packages.lock", recipe["packages"], packages.choose_system)
        key = key_of(chosen, [SOURCE / "recipe.toml", SOURCE / "unpack", Path(__file__), Path(bootstrap.__file__)])
        if stamp.exists() and stamp.read_text() == key and IMAGE.exists():
            return IMAGE
        packages.download(chosen, BUILD / "debs")
        with step("making a disk with a compiler and a kernel's sources, a few minutes"), tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            place = Path(scratch)
            place.chmod(0o755)  # root in a namespace is somebody else here
            unpack = f'--customize-hook={shlex.quote(str(SOURCE / "unpack"))} "$1"'
            archive = bootstrap.install(chosen, BUILD, place, *UNREAD, unpack, CONFIGURE)
            # Of all that Linux can unpack, LZ4 takes an emulated CPU the least.
            bootstrap.run("sqfstar", BUILD, "sh", "-c", 'exec sqfstar -quiet -no-progress -comp lz4 -Xhc "$1" <"$2"', "sh", place / "image", archive)
            os.replace(place / "image", IMAGE)
        stamp.write_text(key)
    return IMAGE


def disk():
    """The image's place in a laboratory (Shape.disks): the name of the disk, and as many MiB as hold it."""
    return LABEL, -(-make().stat().st_size >> 20)
