"""Where things are."""
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
RESULTS = BUILD / "results"
CORPUS = ROOT / "tests/corpus"


def image(preset):
    return BUILD / preset / "hv/main/tern-hypervisor.elf"


def guest(preset, name):
    return BUILD / preset / "guests" / f"{name}.elf"


def guest_names():
    """Each folder of guests/ is a guest, but for the library that they share."""
    return sorted(folder.name for folder in (ROOT / "guests").iterdir()
                  if folder.is_dir() and folder.name != "lib" and any(folder.glob("*.cpp")))


def test_guests():
    """Those that can fail with nobody's help: a benchmark only prints, a ticker and a hungry one have no end, a husk never runs, and rings has
    a test of its own (qemu.domu.rings)."""
    return [name for name in guest_names() if name not in ("bench", "hungry", "husk", "rings", "ticker")]
