"""ISO images that GRUB2 starts the hypervisor from, with one guest as its first module."""
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from house import paths
from house.say import Failure

# GRUB stays silent unless something cannot be loaded: then it says why on the serial line.
CONFIGURATION = """\
set timeout=0
function load {{
{body}}}
if load; then
    boot
fi
serial --unit=0 --speed=115200
terminal_output serial
echo "GRUB could not load the image:"
load
halt
"""
GUEST = """\
    if multiboot2 /boot/hypervisor {options}; then
        module2 /boot/guest {arguments}
    else
        false
    fi
"""
MODULES = "biosdisk iso9660 linux multiboot2 normal serial terminal halt echo test true"


def word(text):
    """`text` as one GRUB script word list: quotes would end up in the command line, so refuse what needs them."""
    for special in "'\"\\$;|&<>{}\n":
        if special in text:
            raise Failure(f"a command line with {special!r} in it cannot be passed through GRUB")
    return text


def make(preset, guest, options, arguments):
    """The ISO of our hypervisor and one guest of ours. Options and arguments are what follows each file's name."""
    body = GUEST.format(options=word(options), arguments=word(f"{guest} {arguments}".strip()))
    files = {"hypervisor": paths.image(preset), "guest": paths.guest(preset, guest)}
    return pack(f"{preset}-{guest}-{hashlib.sha256(body.encode()).hexdigest()[:8]}", body, files, stripped=files)


def pack(name, body, files, stripped):
    """The ISO of that name, made only if there is none yet: GRUB obeys `body`, and has `files` (name below /boot -> path), those
    in `stripped` without what is for debuggers."""
    for file in files.values():
        if not file.exists():
            raise Failure(f"{file.relative_to(paths.ROOT)} was not built")
    configuration = CONFIGURATION.format(body=body)
    key = hashlib.sha256(configuration.encode())
    for file in files.values():
        with file.open("rb") as data:
            key.update(hashlib.file_digest(data, "sha256").digest())
    iso = paths.BUILD / "iso" / f"{name}.iso"
    stamp = iso.with_suffix(".key")
    if iso.exists() and stamp.exists() and stamp.read_text() == key.hexdigest():
        iso.touch()
        return iso
    iso.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=iso.parent) as scratch:
        tree = Path(scratch) / "tree"
        (tree / "boot/grub").mkdir(parents=True)
        (tree / "boot/grub/grub.cfg").write_text(configuration)
        for placed, file in files.items():
            if placed in stripped:
                strip(file, tree / "boot" / placed)
            else:
                os.link(file, tree / "boot" / placed)
        made = Path(scratch) / "made.iso"
        result = subprocess.run(["grub-mkrescue", f"--install-modules={MODULES}", "--fonts=", "--locales=", "--themes=",
                                 "-o", made, tree], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Failure(f"grub-mkrescue failed: {result.stderr.strip().splitlines()[-1]}")
        os.replace(made, iso)  # a machine that runs from the old one keeps it
    stamp.write_text(key.hexdigest())
    return iso


def strip(source, target):
    subprocess.run(["objcopy", "--strip-debug", source, target], check=True)
