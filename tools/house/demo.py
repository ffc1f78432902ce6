"""./tern demo: what Tern is, shown. For now: it runs paravirtual guests of ours, and Linux, in which Xen's tools make another Linux."""
from house import build, guests, iso, machine, paths
from house.dom0 import image
from house.host import disk, domu_tests, hosts, migrate_tests, shape
from house.say import Arguments, Failure, say, tail

ABOUT = """Boots the hypervisor as it ships in an emulated machine, shows one guest's console, then runs all our test guests
and says how long each took and what it found. At last it boots two hosts with Debian's Linux as dom0, where Debian's xl makes a guest, which
answers on the network and moves from one to the other and back while it does."""

SHOWN = "hello"
FEW = 4
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
show migrate web beta
show wget -qO- http://web/ | grep 'web: Linux'
"""
BACK = """set -e
show() { echo "beta# $*"; "$@"; }
show xl list
show migrate web alpha
show wget -qO- http://web/ | grep 'web: Linux'
"""


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
    print("\nNow two hosts with Debian's Linux as domain 0. Debian's xl starts a guest on alpha; it moves to beta, as it runs, and back:\n",
          flush=True)
    wanted = shape.Shape(hypervisor="tern", cpus=2, hosts=2)
    try:
        with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
            for script, host in ((CREATE, 0), (BACK, 1)):
                print(laboratory.shell(script, host=host), flush=True)
            page = paths.BUILD / "demo-report.html"
            page.write_text(laboratory.shell(migrate_tests.REPORT))
    except Failure as failure:
        print(f"\nThat did NOT work: {failure}")
        return False
    print(f"The guest moved there and back, and answered at each. What the first move was made of: {page.relative_to(paths.ROOT)}")
    return True


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
