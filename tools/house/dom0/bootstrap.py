"""A Debian of the locked packages, and no others: mmdebstrap installs them from a repository that has just these. With the same lock
its archive is the same, byte by byte. Who is not root works in a namespace of users (uidmap).
"""
import concurrent.futures
import hashlib
import os
import subprocess

from house import paths
from house.dom0 import packages
from house.say import Failure

SUITE = "bookworm"
MERGED = "/usr/share/mmdebstrap/hooks/merged-usr"  # bin, lib and sbin are links from the beginning
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
EPOCH = 1686355200  # Debian 12's day: no file is younger


def install(chosen, folder, place, *more):
    """The archive, in `place`, of a root file system with the packages, which are in folder/debs; `folder` gets the log, too. `more` are
    options of mmdebstrap's."""
    repository, archive = place / "repository", place / "root.tar"
    fill_repository(repository, chosen, folder / "debs")
    # dpkg need not wait for the disk: who is interrupted begins anew.
    hasty = '"$1/etc/dpkg/dpkg.cfg.d/hasty"'
    # No trace of where the packages came from.
    run("mmdebstrap", folder, "mmdebstrap", "--variant=minbase", "--format=tar", f"--hook-dir={MERGED}",
        f'--setup-hook=mkdir -p "$(dirname {hasty})" && echo force-unsafe-io >{hasty}', f"--customize-hook=rm {hasty}",
        f"--include={','.join(package.name for package in chosen)}", *more,
        '--customize-hook=find "$1/etc/apt" -name "*.list" -o -name "*.sources" | xargs rm -f',
        SUITE, archive, source_line(repository))
    return archive


def source_line(repository):
    if {" ", "[", "]"} & set(str(repository)):
        raise Failure(f"apt cannot read packages below '{repository}': a space or bracket is in its path")
    return f"deb [trusted=yes] copy:{repository} ./"


def fill_repository(folder, chosen, debs):
    """What apt takes for a repository: the packages, an index of them, and the suite's name."""
    folder.mkdir()

    def place(package):
        os.link(debs / package.file, folder / f"{package.name}.deb")
        return index_entry(package, packages.ask("dpkg-deb", "--field", folder / f"{package.name}.deb"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        index = "".join(pool.map(place, chosen)).encode()
    (folder / "Packages").write_bytes(index)
    (folder / "Release").write_text(release(index))


def index_entry(package, control):
    return (f"{control.rstrip()}\nFilename: ./{package.name}.deb\nSize: {package.size}\nSHA256: {package.sha256}\n\n")


def release(index):
    return f"Codename: {SUITE}\nSHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"


def run(name, folder, *command):
    """Its whole output stays in a log in `folder`."""
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False,
                              env={**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": str(EPOCH), "PATH": PATH})
    if done.returncode != 0:
        complaints = [line for line in log.read_text(errors="replace").splitlines() if line.startswith(("E:", "mke2fs", "sqfstar", "tar:"))]
        why = (complaints or [f"exit status {done.returncode}"])[0]
        raise Failure(f"{name} failed: {why[:200]} ({log.relative_to(paths.ROOT)} has all of it)")
