"""Debian's packages: chosen by apt's lists, downloaded, checked and unpacked, without root.

What was chosen is kept in a lock, a line a package: the same lock gives the same bytes. Apt checks the signatures of its
lists, the lists give the hashes.
"""
import concurrent.futures
import dataclasses
import hashlib
import os
import re
import subprocess

from house.say import Failure, step

# apt gives up root for a user that cannot write into our folder, and complains.
APT_OPTIONS = ("-o", "APT::Sandbox::User=root")
NOTHING_INSTALLED = ("-o", "Dir::State::status=/dev/null")
NO_INDIRECT = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]


@dataclasses.dataclass(frozen=True)
class Package:
    file: str
    size: int
    sha256: str

    @property
    def name(self):
        return self.file.partition("_")[0]

    @property
    def version(self):
        return self.file.split("_")[1].replace("%3a", ":")


def ask(*command, folder=None):
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False,
                            env={**os.environ, "LC_ALL": "C"})
    if result.returncode != 0:
        why = (result.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Failure(f"{' '.join(command[:2])} failed: {why} (are apt's lists there? sudo apt-get update)")
    return result.stdout


def newest_kernel(shown, begins):
    """The package, among those that the versions `shown` of a metapackage depend on, whose name begins so."""
    for line in shown.splitlines():
        if line.startswith("Depends: "):
            for name in re.split(r"[,|]\s*", line.removeprefix("Depends: ")):
                if name.startswith(begins):
                    return name.split()[0]
    raise Failure(f"apt knows no package {begins}*: sudo apt-get update")


def closure(graph, roots, without):
    """The roots and all that they depend on, through nothing that is in `without`. `graph` is what `apt-cache depends
    --recurse` prints."""
    depends, name = {}, None
    for line in graph.splitlines():
        if not line.startswith(" "):
            name = line.strip()
            depends[name] = []
        elif match := re.match(r"\s*\|?(?:Pre)?Depends: ([^<\s]+)", line):
            depends[name].append(match[1].partition(":")[0])
    found, waiting = [], list(roots)
    while waiting:
        one = waiting.pop(0)
        if one not in found and one not in without and one in depends:
            found.append(one)
            waiting += depends[one]
    return found


def choose(recipe, scratch):
    """The packages that apt would take today, by name."""
    kernel = newest_kernel(ask("apt-cache", "show", recipe["kernel"]["of"]), recipe["kernel"]["begins"])
    named = dict(name.partition("/")[::2] for name in recipe["names"])
    whole = [name for name, release in named.items() if not release]
    graph = ask("apt-cache", "depends", "--recurse", *NO_INDIRECT, *whole)
    wanted = [f"{name}/{release}" for name, release in named.items() if release] + [kernel]
    wanted += closure(graph, whole, set(recipe["without"]))
    return locate(wanted, scratch)


def choose_system(recipe, scratch):
    """The packages of a whole system, with a kernel or without: what apt would install today where nothing is."""
    kernel = []
    if wanted := recipe.get("kernel"):
        kernel = [newest_kernel(ask("apt-cache", "show", wanted["of"]), wanted["begins"])]
    simulated = ask("apt-get", "install", "--simulate", "--no-install-recommends", *APT_OPTIONS, *NOTHING_INSTALLED, "?essential",
                    *kernel, *recipe["names"], folder=scratch)
    return locate(versions(simulated), scratch, NOTHING_INSTALLED)


def versions(simulated):
    """name=version of each package that a simulated installation installs."""
    return [f"{name}={version}" for name, version in re.findall(r"^Inst (\S+) \((\S+) ", simulated, re.M)]


def locate(wanted, scratch, options=()):
    """What apt would download for `wanted`: names, name/release, or name=version."""
    printed = ask("apt-get", "download", "--print-uris", *APT_OPTIONS, *options, *wanted, folder=scratch)
    found = [Package(file, int(size), digest)
             for file, size, digest in re.findall(r"^'\S+' (\S+) (\d+) SHA256:([0-9a-f]{64})$", printed, re.M)]
    missing = {re.split("[/=]", name)[0] for name in wanted} - {package.name for package in found}
    if missing:
        raise Failure(f"apt has nothing to download for {' '.join(sorted(missing))}")
    return sorted(found, key=lambda package: package.name)


def format_lock(packages):
    return "".join(f"{package.file} {package.size} {package.sha256}\n" for package in packages)


def parse_lock(text):
    return [Package(file, int(size), digest) for file, size, digest in map(str.split, text.splitlines())]


def good(package, folder):
    path = folder / package.file
    return (path.exists() and path.stat().st_size == package.size
            and hashlib.sha256(path.read_bytes()).hexdigest() == package.sha256)


def download(packages, folder):
    """Brings all of them into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [package for package in packages if not good(package, folder)]
    if not wanted:
        return
    with step(f"downloading {len(wanted)} Debian packages, {sum(package.size for package in wanted) >> 20} MiB"):
        ask("apt-get", "download", "-q", *APT_OPTIONS, *(f"{package.name}={package.version}" for package in wanted),
            folder=folder)
    for package in wanted:
        if not good(package, folder):
            raise Failure(f"{package.file} is not what apt's lists promise; remove {folder}, and try again")


def unpack(packages, folder, target):
    """Unpacks all of them into one tree."""
    def one(package):
        ask("dpkg-deb", "--extract", folder / package.file, target)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, packages))
