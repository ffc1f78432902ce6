"""Migrations that are broken at each moment at which it makes a difference (docs/migration-protocol.md, "What each crash leads to"): on two
hosts, with real processes killed, a real wire cut, machines that lose their power. Whatever is done, afterwards the guest runs on exactly one host, each page of
it as it was, and nothing is left on either: no half-made domain, no journal without an end. (It runs on none where the host went that had it.)

A worker of `migrated` runs a script at each moment (mover/src/moments.hpp); the script does the deed, once. What was observed is written into
docs/migration-faults.md by the whole matrix (--all).
"""
import functools
import subprocess
import tempfile
from pathlib import Path

from house import paths
from house.host import disk, hosts, shape, shared
from house.host.faults import Case, Loss, Matrix, Refusal
from house.host.tests import HostTest

MOMENTS = {
    "source": ("moving-", "moving", "round", "suspended", "commit-", "commit", "nothing-"),
    "destination": ("building-", "building", "complete", "verified-", "verified", "committed-", "committed", "runs", "resumed-", "resumed", "nothing-"),
}


def matrix():
    """The wire matters most where both wait for each other's word; who cuts it is the same."""
    killed = [Case(deed, role, moment) for role, moments in MOMENTS.items() for moment in moments for deed in ("worker", "daemon")]
    met = (("source", "round"), ("source", "suspended"), ("source", "commit"), ("destination", "verified"), ("destination", "runs"))
    cut = [Case(deed, role, moment) for deed in ("cut", "gone", "alone") for role, moment in met]
    return killed + cut + [Case("alone and gone", "source", "commit"), Case("alone and gone", "destination", "verified")]


# Who has the guest when the power is back, as the protocol's table says. A source that is complete at the destination has waited until it is.
LOSSES = (
    Loss("power", "source", "round", "gone"),
    Loss("power", "source", "suspended", "gone"),
    Loss("power", "source", "commit-", "moved", complete=True),
    Loss("power", "source", "commit", "moved", complete=True),
    Loss("power", "source", "nothing-", "moved"),
    Loss("power", "destination", "building", "stayed"),
    Loss("power", "destination", "complete", "stayed"),
    Loss("power", "destination", "verified", "stayed", complete=True),
    Loss("power", "destination", "committed", "stayed", person=(("source", "here"),)),
    Loss("power", "destination", "nothing-", "gone"),
    Loss("for good", "source", "commit", "stayed", complete=True, person=(("source", "here"), ("destination", "there"))),
    Loss("for good", "source", "commit", "moved", complete=True, person=(("source", "there"), ("destination", "here"))),
)

FEW = (Case("daemon", "source", "commit"), Case("worker", "destination", "complete"))

NEW_KEYS = ("mv /etc/tern/keys /etc/tern/away; migrated keys init >/dev/null", "rm -r /etc/tern/keys; mv /etc/tern/away /etc/tern/keys")
REFUSALS = (
    Refusal("it has not the memory", "3", "cannot make a domain",
            there=("""free=$(xl info | awk '/^free_memory/ { print $3 }')
                   xl create /dev/null 'name="big"' 'kernel="/usr/lib/tern/guests/ticker"' "memory=$((free - 60))" >/dev/null""", "xl destroy big")),
    Refusal("it has another certificate than it had", "4", "trust", there=NEW_KEYS),
)
# The source calls somebody at its side of the wire who alters an octet: of a data connection, which alone gets that far. Its own port is another for
# that time.
SPOILT = ("""printf 'insecure = true\\nlisten = "%s"\\nport = 7381\\n' "$(hostname -i)" >/tmp/spoilt.toml; again --config /tmp/spoilt.toml
          serve tern-load spoil 7381 $other 7380 1500000""", "kill $(pidof tern-load); again")
OLDER, TOO_OLD = (f"export TERN_NEWEST_PROTOCOL={number}; again; unset TERN_NEWEST_PROTOCOL" for number in (1, 0))
SLOW_REFUSALS = (
    Refusal("an octet of the stream is altered on its way", "1", "runs here", here=SPOILT, to="localhost"),
    Refusal("an octet of the stream is altered on its way, without TLS", "1", "runs here", here=SPOILT, to="localhost --insecure"),
    Refusal("the source is too old", "3", "version", here=(TOO_OLD, "again")),
    Refusal("it is too old", "3", "version", there=(TOO_OLD, "again")),
    Refusal("the source speaks the first version only", "0", "", here=(OLDER, "again")),
    Refusal("it speaks the first version only", "0", "", there=(OLDER, "again")),
)


def breaks(cases, refusals=REFUSALS, losses=(), laboratory=None):
    tried = Matrix(laboratory or shared.HOSTS.laboratory(shared.PAIR))
    tried.begin()
    for refusal in refusals:
        tried.refuse(refusal)
    for case in cases:
        tried.run(case)
    for loss in losses:
        tried.lose(loss)
    tried.shell("timeout 120 xl shutdown -w web1 >/dev/null", tried.at)
    return tried


def whole_matrix():
    """On machines that go on after they have lost their power, each with a disk of its own for what must not be lost with it."""
    own = tuple((name, 16) for name in shared.PAIR.names)
    wanted = shape.Shape(hypervisor="tern", cpus=2, hosts=2, disks=(*shared.PAIR.disks, *own), restarts=True, arguments="TERN_MOMENTS=/tmp/moment")
    parent = paths.BUILD / "exec"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="disk-") as folder:
        empty = Path(folder) / "empty"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", empty, "16M"], check=True, stdout=subprocess.DEVNULL)
        with hosts.temporary(wanted, disk.make(wanted), parent, contents={name: empty for name, _ in own}) as laboratory:
            tried = breaks(matrix(), REFUSALS + SLOW_REFUSALS, LOSSES, laboratory)
    (paths.ROOT / "docs/migration-faults.md").write_text(tried.table())


def tests():
    return [HostTest("qemu.migrate.breaks", functools.partial(breaks, FEW))]


def slow_tests():
    return [HostTest("qemu.migrate.matrix", whole_matrix)]
