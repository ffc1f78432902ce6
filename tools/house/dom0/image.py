"""The files that a laboratory host boots from, below build/linux: the kernel as packaged and extracted, the Xen to compare with, and
the initramfs. Made again only when the recipe, what it names, or this code changed."""
import dataclasses
import fcntl
import gzip
import hashlib
import os
import tempfile
import tomllib
from pathlib import Path

from house import build, paths
from house.dom0 import bzimage, cpio, elf, modules, packages
from house.say import Failure, step

SOURCE = paths.ROOT / "guests/linux"
BUILD = paths.BUILD / "linux"
PROGRAMS = {name: paths.BUILD / f"release/guests/linux/linux-{name}" for name in ("agent", "bench", "carry", "churn", "harvest", "load", "record", "sched")}  # our own
PROGRAMS["migrate"] = paths.BUILD / "release/migrate-daemon/app/migrate"
PROGRAMS["migrated"] = paths.BUILD / "release/migrate-daemon/migrated/migrated"
GUESTS = {name: paths.guest("release", name) for name in paths.guest_names()}  # our own kernels
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib64")


@dataclasses.dataclass(frozen=True)
class Files:
    packaged: Path = BUILD / "vmlinuz"
    extracted: Path = BUILD / "vmlinux"
    xen: Path = BUILD / "xen"
    initramfs: Path = BUILD / "dom0.cpio"


def make():
    """Brings all of them up to date."""
    build.build("release", (*(path.name for path in PROGRAMS.values()), "guests"))
    BUILD.mkdir(parents=True, exist_ok=True)
    files, stamp = Files(), BUILD / "stamp"
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        recipe = tomllib.loads((SOURCE / "recipe.toml").read_text())
        chosen = locked(BUILD / "packages.lock", recipe["packages"], packages.choose)
        folders = [SOURCE / name for name in ("files", "guest", *recipe["guests"])]
        key = key_of(chosen, [SOURCE / "recipe.toml", *(file for folder in folders for file in folder.rglob("*")),
                              *Path(__file__).parent.glob("*.py"), *PROGRAMS.values(), *GUESTS.values()])
        if stamp.exists() and stamp.read_text() == key and all(path.exists() for path in dataclasses.astuple(files)):
            return files
        packages.download(chosen, BUILD / "debs")
        with step("making the dom0 image"), tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            tree = Path(scratch)
            packages.unpack(chosen, BUILD / "debs", tree)
            kernel, = tree.glob("boot/vmlinuz-*")
            write(files.packaged, kernel.read_bytes())
            write(files.extracted, bzimage.extract(kernel.read_bytes()))
            write(files.xen, gzip.decompress((tree / recipe["hypervisor"]["file"]).read_bytes()))
            entries = contents(recipe["initramfs"], tree, kernel.name.removeprefix("vmlinuz-"))
            entries |= guests(recipe, tree, kernel)
            write(files.initramfs, cpio.archive(entries))
        stamp.write_text(key)
    return files


def locked(lock, recipe, choose):
    """What was chosen when the recipe's list of packages was last changed."""
    head = f"# {hashlib.sha256(repr(sorted(recipe.items())).encode()).hexdigest()}\n"
    if not lock.exists() or not lock.read_text().startswith(head):
        with step("asking apt for packages"), tempfile.TemporaryDirectory(dir=lock.parent) as scratch:
            write(lock, (head + packages.format_lock(choose(recipe, scratch))).encode())
    return packages.parse_lock(lock.read_text().removeprefix(head))


def key_of(chosen, inputs):
    """Of the packages, and of files: where they are, what is in them, whether they are programs."""
    key = hashlib.sha256(packages.format_lock(chosen).encode())
    for path in sorted(inputs):
        if path.is_file():
            key.update(f"{path.relative_to(paths.ROOT)} {os.access(path, os.X_OK)}\n".encode())
            key.update(path.read_bytes())
    return key.hexdigest()


def write(path, data):
    """A machine that runs from the old one keeps it."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    os.replace(new, path)


def contents(recipe, tree, version):
    """path -> cpio.Entry. Everything lies below usr, whatever the package says: bin, lib ... are links."""
    entries = {name: cpio.link(f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin")}
    entries |= {name: cpio.folder() for name in ("dev", "mnt", "proc", "root", "run/lock", "sys", "tmp", "var/lib/xen",
                                                 "var/lib/xenstored", "var/log/xen/console")}
    entries["dev/console"] = cpio.character_device(5, 1)
    entries |= {"var/run": cpio.link("../run"), "var/lock": cpio.link("../run/lock")}
    entries |= busybox(tree / recipe["busybox"])
    entries |= with_libraries(recipe["programs"], recipe["libraries"], tree)
    entries |= {path: cpio.link(target) for path, target in recipe["links"].items()}
    entries |= kernel_modules(recipe["modules"], tree / "lib/modules" / version, version)
    entries |= {f"usr/lib/tern/guests/{name}": cpio.file(path.read_bytes()) for name, path in GUESTS.items()}
    return entries | own_files(SOURCE / "files")


def own_files(folder):
    return {str(path.relative_to(folder)): cpio.file(path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)
            for path in folder.rglob("*") if path.is_file()}


def guests(recipe, tree, kernel):
    """What the configurations in etc/xen name: the kernel as packaged, and for each guest an initramfs of its own."""
    version, program = kernel.name.removeprefix("vmlinuz-"), tree / recipe["initramfs"]["busybox"]
    made = {"usr/lib/tern/vmlinuz": cpio.file(kernel.read_bytes())}
    for name, guest in recipe["guests"].items():
        entries = {folder: cpio.folder() for folder in ("dev", "proc", "sys", "tmp")} | busybox(program)
        entries |= own_files(SOURCE / "guest") | own_files(SOURCE / name)
        entries |= {folder: cpio.link(f"usr/{folder}") for folder in ("bin", "lib", "sbin")} | {"usr/sbin": cpio.link("bin")}
        entries["dev/console"] = cpio.character_device(5, 1)
        entries |= {f"usr/bin/tern-{own}": cpio.file(PROGRAMS[own].read_bytes(), 0o755) for own in guest["programs"]}
        entries |= kernel_modules(guest["modules"], tree / "lib/modules" / version, version)
        made[f"usr/lib/tern/{name}/initramfs"] = cpio.file(gzip.compress(cpio.archive(entries), 1, mtime=0))
    return made


def busybox(program):
    names = set(packages.ask(program, "--list").split()) - {"busybox"}
    return {"usr/bin/busybox": cpio.file(program.read_bytes(), 0o755),
            **{f"usr/bin/{name}": cpio.link("busybox") for name in names}}


def with_libraries(programs, libraries, tree):
    """The programs, ours, the named libraries, and all shared libraries that any of these needs."""
    found = {path: (tree / path).read_bytes() for path in programs}
    found |= {f"usr/lib/tern/{name}": path.read_bytes() for name, path in PROGRAMS.items()}
    for name in libraries:
        found.update([find_library(name, tree)])
    waiting = list(found.values())
    while waiting:
        for name in elf.needs(waiting.pop()):
            place, data = find_library(name, tree)
            if place not in found:
                found[place] = data
                waiting.append(data)
    return {path: cpio.file(data, 0o755) for path, data in found.items()}


def find_library(name, tree):
    """(where it belongs, its bytes): by its name alone, or by its path as the interpreter is called."""
    for place in [name.removeprefix("/")] if name.startswith("/") else [f"{folder}/{name}" for folder in LIBRARY_FOLDERS]:
        place = place if place.startswith("usr/") else f"usr/{place}"
        for there in (place, place.removeprefix("usr/")):
            if (tree / there).exists():
                return place, (tree / there).read_bytes()
    raise Failure(f"none of the packages has {name}: the recipe lacks one, or leaves out too much")


def kernel_modules(wanted, folder, version):
    found = modules.closure(modules.load(folder), wanted)
    files = {name: str(path.relative_to(folder)) for name, (path, _, _) in found.items()}
    dep, alias = modules.lists({name: info for name, (_, _, info) in found.items()}, files)
    place = f"usr/lib/modules/{version}"
    return {f"{place}/modules.dep": cpio.file(dep.encode()), f"{place}/modules.alias": cpio.file(alias.encode()),
            **{f"{place}/{files[name]}": cpio.file(data) for name, (_, data, _) in found.items()}}
