"""./tern demo: what Tern is, shown. For now: it runs paravirtual guests of ours, and Linux, in which Xen's tools make another Linux."""
import json
import time

from house import build, guests, iso, machine, moving_pair, paths
from house.dom0 import image
from house.host import disk, domu_tests, hosts, listener, migrate_tests, shape
from house.say import Arguments, Failure, say, tail

ABOUT = """Boots the hypervisor as it ships in an emulated machine, shows one guest's console, then runs all our test guests
and says how long each took and what it found. At last it boots two hosts with Debian's Linux as dom0, where Debian's xl makes a guest, which
serves its page again and again, and moves from one to the other and back while it does. Somebody outside listens to its heartbeat."""

SHOWN = "hello"
FEW = 4
A_SECOND = moving_pair.Pair.a_second  # heartbeats
NOT_THERE_YET = """\
`./tern exec --hosts 2 -- sh -c 'xl create /etc/xen/web.cfg && migrate web beta'` does that alone. CHANGELOG.md and
docs/abi-coverage.md say what is there."""
# Its steps are shown, and between them the guest's own word that it is up.
CREATE = f"""set -e
{domu_tests.UP}
show() {{ echo "alpha# $*"; "$@"; }}
show xl create /etc/xen/web.cfg
up web
show wget -qO- http://web/ | tee /tmp/page
grep -q 'web: Linux' /tmp/page
"""
MOVE = """set -e
show() { echo "$HERE# $*"; "$@"; }
HERE=$1
show migrate web $2
"""
SERVES = """set -e
echo "$1# xl list"; xl list
echo "$1# wget -qO- http://web/"; wget -qO- http://web/ | grep 'web: Linux'
"""
KEEP_HEARD = "cat >/tmp/heard <<'end'\n{}\nend\n"


def main(words):
    Arguments("demo", ABOUT).parse_args(words)
    build.set_up()
    build.build("release", build.IMAGE)
    image.make()
    print("Tern is a hypervisor that speaks the Xen paravirtual ABI. GRUB2 starts it in an emulated machine of "
          f"{guests.RELEASE_CPUS} CPUs;\nit starts our guest '{SHOWN}' as domain 0. From here to the next line of dashes: its "
          f"console.\n{'-' * 80}", flush=True)
    shown = machine.run(machine.Shape(guests.RELEASE_CPUS), iso.make("release", SHOWN, machine.OPTIONS, ""),
                        paths.BUILD / "demo.log", guests.SECONDS, interactive=True)
    print(f"{'-' * 80}\n{SHOWN}: {shown.verdict.value} ({shown.seconds:.1f} s, from power-on to power-off)\n")
    print("Each of our guests checks one part of what the hypervisor promises:\n")
    failures = int(shown.verdict is not machine.Verdict.PASSED)
    for test in guests.released():
        failures += not show(test)
    failures += not guest_of_linux()
    print(f"\n{NOT_THERE_YET}")
    return 0 if failures == 0 else 1


def guest_of_linux():
    print("\nNow two hosts with Debian's Linux as domain 0. Debian's xl starts a guest on alpha; it moves to beta, as it runs and serves, and back:\n",
          flush=True)
    wanted = shape.Shape(hypervisor="tern", cpus=2, hosts=2, far_end=True)
    page = paths.BUILD / "demo-report.html"
    try:
        with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
            print(laboratory.shell(CREATE), flush=True)
            somebody = listener.Listener(laboratory)
            laboratory.shell(moving_pair.KEEP, "sh", moving_pair.BEAT)
            somebody.wait(A_SECOND, moving_pair.PATIENCE)
            first = move(laboratory, somebody, 0)
            move(laboratory, somebody, 1)
            page.write_text(laboratory.shell(KEEP_HEARD.format(json.dumps(first)) + migrate_tests.REPORT + " --heard /tmp/heard"))
    except Failure as failure:
        print(f"\nThat did NOT work: {failure}")
        return False
    print(f"The guest moved there and back, and answered at each. What the first move was made of: {page.relative_to(paths.ROOT)}")
    return True


def move(laboratory, somebody, here):
    """To the other host, which asks for its page all the time; what somebody outside heard of it."""
    names = laboratory.shape.names
    there = 1 - here
    laboratory.shell(moving_pair.ASK, host=there)
    somebody.wait(A_SECOND, moving_pair.PATIENCE)
    began = time.monotonic_ns()
    print(laboratory.shell(MOVE, "sh", names[here], names[there], host=here), end="", flush=True)
    somebody.wait(A_SECOND, moving_pair.PATIENCE)
    answers = int(laboratory.shell(moving_pair.ASKED, host=there))
    if answers == 0:
        raise Failure(f"the guest answered nobody while it moved to {names[there]}")
    beats = somebody.since(began)
    gap = listener.gap_of(beats, A_SECOND)
    print(f"Outside it was not heard for {gap['outside_gap_ms']:.0f} ms: by its own clock it has lived through {gap['guest_gap_ms']:.0f} of "
          f"them (it suspended itself, woke up and connected its devices), and stood still for {gap['blackout_ms']:.0f}.\n"
          f"{names[there]} asked for its page meanwhile, and was answered {answers} times.\n", flush=True)
    print(laboratory.shell(SERVES, "sh", names[there], host=there), flush=True)
    return gap | {"beats_ms": listener.beats_around(beats)}


def show(test):
    problem, run, report = guests.run_one(test)
    outcome = problem or f"{len(report.passed)} promises kept"
    print(f"  {test.guest:14} {run.seconds:5.1f} s   {outcome}", flush=True)
    lines = report.failed if problem else report.passed
    for line in lines[:FEW]:
        print(f"                          {line.partition(' - ')[2]}")
    if len(lines) > FEW:
        print(f"                          ... and {len(lines) - FEW} more: build/guest-logs/{test.name}.log")
    if problem:
        say(f"the end of its console:\n{tail(run.console, 20)}")
    return not problem
