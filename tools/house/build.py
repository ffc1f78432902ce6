"""./tern build: the hypervisor, the guests, the dom0 image. Also what the other verbs build with."""
import fcntl
import re
import subprocess

from house import paths
from house.dom0 import image
from house.say import Arguments, Failure, Progress, say, step, tail

ABOUT = """Builds what ./tern boot needs: the hypervisor and the guests, with assertions (build/dev) and as they ship
(build/release); and what ./tern exec and ./tern lab boot: Debian's kernel, its Xen, and the dom0 image (build/linux).
Hosted tests are built by ./tern test."""

IMAGE = ("tern-hypervisor", "guests")
PRESETS = ("dev", "release")


def run_logged(command, log, counter):
    """Runs `command` with its output in `log`; shows the lines that `counter` matches as progress."""
    progress = Progress()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file, subprocess.Popen(command, cwd=paths.ROOT, text=True, errors="replace",
                                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                                 stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            file.write(line)
            if counter.search(line):
                progress.show(line.strip())
    progress.close()
    return process.returncode


def set_up():
    """Installs missing packages; silent if there are none."""
    if subprocess.run([paths.ROOT / "tools/setup", "--if-needed"], check=False).returncode != 0:
        raise Failure("the machine is not set up; ./tern doctor says what is missing")


def build(preset, targets=()):
    """Brings `targets` (all, if none is named) of `preset` up to date."""
    folder = paths.BUILD / preset
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        what = " ".join(targets) if targets else "everything"
        with step(f"building {what} ({preset})"):
            if stale(folder):
                run(["cmake", "--preset", preset], folder / "configure.log", re.compile("^-- "), "configuring")
            command = ["cmake", "--build", "--preset", preset]
            if targets:
                command += ["--target", *targets]
            run(command, folder / "build.log", re.compile(r"^\[\d+/\d+\]"), "building")


def stale(folder):
    """The presets are not among what the build system watches."""
    made = folder / "build.ninja"
    return not made.exists() or made.stat().st_mtime < (paths.ROOT / "CMakePresets.json").stat().st_mtime


def run(command, log, counter, what):
    if run_logged(command, log, counter) != 0:
        text = log.read_text()
        errors = re.findall(r"^.*(?:error:|undefined reference|CMake Error).*$", text, re.M)
        say(f"{what} failed; the end of {log.relative_to(paths.ROOT)}:\n{tail(text)}")
        raise Failure(f"{what} failed" + (f": {errors[0].strip()}" if errors else ""))


def main(arguments):
    Arguments("build", ABOUT).parse_args(arguments)
    set_up()
    for preset in PRESETS:
        build(preset, IMAGE)
    image.make()
    for preset in PRESETS:
        print(paths.image(preset).relative_to(paths.ROOT))
    return 0
