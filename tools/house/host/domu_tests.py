"""The tests of unprivileged domains: Debian's stock Linux, made, shown, stopped and ended by Debian's xl in dom0; and kernels of
our own."""
import functools
import json
import re

from house import paths, tap
from house.host import disk, hosts, shape, shared, webs
from house.host.dom0_tests import CLEAN_LOG, in_dom0
from house.host.tests import HostTest
from house.say import say

# The console is read until the guest says that it is up, which is shown: nothing sleeps.
UP = """up() {
    mkfifo /tmp/console; xl console $1 </dev/null >/tmp/console & reader=$!
    timeout 120 sed -n "/$1 is up/{p;q}" /tmp/console | grep "$1 is up" || { echo "$1 is not up"; xl list; exit 1; }
    kill $reader 2>/dev/null || true; rm /tmp/console
}
"""
ENDS = """gone() { timeout ${1:-60} sh -c 'until test "$(xl list | wc -l)" = 2; do :; done'; }
# Domain 0's own tables grow a little meanwhile; that every frame comes back is hypercall.DomainLife's to show.
back() { now=$(free); test $((now - $1)) -le 4 && test $(($1 - now)) -le 4; }
free() { xl info | awk '/^free_memory/ { print $3 }'; }
"""


def life(hypervisor):
    """Made and destroyed, and shut down by its own hand: free memory is what it was, and nothing of it is left."""
    script = "set -e\n" + UP + ENDS + """
        for round in 1 2; do
            test $round = 1 || before=$(free)
            xl create /etc/xen/small.cfg >/dev/null; up small
            test "$(xl list | awk '$1 == "small" { print $3, $4 }')" = "128 1"
            xl pause small; xl list | grep -q 'small .* -[b-]p---'; xl unpause small
            xl destroy small
            test $round = 1 || back "$before"
        done
        xl create /etc/xen/small.cfg >/dev/null; up small
        timeout 120 xl shutdown -w small >/dev/null
        gone; back "$before"; (! xenstore-ls | grep -q small)
        echo lived; """ + CLEAN_LOG
    lines = shared.HOSTS.shell(hypervisor, script).splitlines()
    assert lines[-1:] == ["lived"], f"it said: {lines}"


def mistakes(hypervisor):
    """A configuration that cannot be gives xl's own error, and leaves nothing."""
    script = "set -e\n" + UP + ENDS + """
        xl create /etc/xen/small.cfg >/dev/null; up small; xl destroy small; before=$(free)
        (! xl create /etc/xen/small.cfg 'kernel="/no-such-file"' 2>/tmp/why); grep -q 'no-such-file' /tmp/why
        (! xl create /etc/xen/small.cfg 'memory=100000' 2>/tmp/why); test -s /tmp/why
        (! xl create /etc/xen/small.cfg 'kernel="/etc/hosts"' 2>/tmp/why); test -s /tmp/why
        test "$(xl list | wc -l)" = 2; back "$before"
        echo refused; """ + CLEAN_LOG
    lines = shared.HOSTS.shell(hypervisor, script).splitlines()
    assert lines[-1:] == ["refused"], f"it said: {lines}"


def devices(hypervisor):
    """A network card on dom0's bridge and a disk that is a file: nothing is lost or changed on the way, nor over detaching and
    attaching, and nothing of them is left when the guest is gone."""
    script = "set -e\n" + UP + ENDS + """
        random() { dd if=/dev/urandom of=$1 bs=1M count=24 2>/dev/null; }
        random /tmp/one; random /tmp/other; cp /tmp/one /tmp/disk
        xl create /etc/xen/web.cfg 'disk=["/tmp/disk,raw,xvda,rw"]' >/dev/null; up web
        wget -qO- http://web/ | grep -qF 'web: Linux 6.1.'
        test "$(nc web 9 </tmp/other)" = "$(md5sum </tmp/other)"
        nc web 19 </dev/null | cmp - /tmp/one
        test "$(nc web 20 </tmp/other)" = written; cmp /tmp/disk /tmp/other
        xl block-detach web xvda; test -z "$(losetup -a)"
        xl block-attach web /tmp/one,raw,xvda,rw; nc web 19 </dev/null | cmp - /tmp/one
        (! xl block-attach web /tmp/no-such-disk,raw,xvdb,rw 2>/tmp/why); grep -q 'no-such-disk' /tmp/why
        xl mem-set web 112; timeout 60 sh -c 'until xl list web | grep -qE "web +[0-9]+ +112 "; do :; done'
        wget -qO- http://web/ >/dev/null
        timeout 120 xl shutdown -w web >/dev/null; gone
        test -z "$(losetup -a)"; (! ls /sys/class/net | grep -q vif); (! xenstore-ls | grep -q web.cfg)
        echo served; """ + CLEAN_LOG
    lines = shared.HOSTS.shell(hypervisor, script).splitlines()
    assert lines[-1:] == ["served"], f"it said: {lines}"


def control(hypervisor):
    """Two vCPUs, one taken away; another name, another card, a key; its memory in a file; and it comes back when it reboots."""
    script = "set -e\n" + UP + ENDS + """
        soon() { timeout 60 sh -c "until $1; do :; done" || { echo "never: $1"; exit 1; }; }
        xl create /etc/xen/web.cfg vcpus=2 >/dev/null; up web; first=$(xl domid web)
        wget -qO- http://web/ | grep -q 'up on 2 vCPUs'
        xl vcpu-set web 1; soon 'xl vcpu-list web | tail -n 1 | grep -q " --p "'
        xl vcpu-set web 2; soon 'xl vcpu-list web | tail -n 1 | grep -q " [r-][b-]- "'
        xl rename web other; test "$(xl domname $first)" = other; xl rename other web
        xl network-attach web bridge=br0; soon 'xl network-list web | grep -q "^1 .* 4 "'
        xl network-detach web 1; test "$(xl network-list web | wc -l)" = 2
        xl sysrq web h
        xl dump-core web /tmp/core >/dev/null; test $(stat -c %s /tmp/core) -gt $((128 << 20)); rm /tmp/core
        wget -qO- http://web/ | grep -q 'up on 2 vCPUs'
        xl reboot web >/dev/null; soon 'id=$(xl domid web 2>/dev/null) && test "$id" != '$first
        soon "xenstore-exists /local/domain/$(xl domid web)/console/tty"; up web
        wget -qO- http://web/ | grep -q 'up on 2 vCPUs'
        xl destroy web; gone; echo controlled; """ + CLEAN_LOG
    lines = shared.HOSTS.shell(hypervisor, script).splitlines()
    assert lines[-1:] == ["controlled"], f"it said: {lines}"


def reservations():
    """tern-sched sets what it shows, of a domain that runs; what cannot be is refused with a reason, and changes nothing."""
    script = "set -e\n" + UP + """
        xl create /etc/xen/small.cfg >/dev/null; up small; id=$(xl domid small)
        tern-sched $id --period 10 --slice 3; tern-sched $id | grep -qE '^ +0 +10.000 +3.000$'
        (! tern-sched $id --period 10 --slice 9.5 2>/tmp/why); grep -q 'nine tenths' /tmp/why
        (! tern-sched $id --period 1 --slice 2 2>/tmp/why); grep -q 'at most the period' /tmp/why
        tern-sched $id | grep -qE '^ +0 +10.000 +3.000$'
        (! tern-sched 999 2>/tmp/why); grep -q 'no such domain' /tmp/why
        tern-sched $id --none; tern-sched $id | grep -qE '^ +0 +- +-$'
        tern-sched $id --period 20 --slice 18; xl destroy small
        tern-sched 0 --vcpu 1 --period 20 --slice 18; tern-sched 0 --vcpu 0 --period 20 --slice 18
        tern-sched 0 --vcpu 1 --none; tern-sched 0 --vcpu 0 --none
        echo reserved; """ + CLEAN_LOG
    lines = shared.HOSTS.shell("tern", script).splitlines()
    assert lines[-1:] == ["reserved"], f"it said: {lines}"


# On one CPU: two that are watched, sixteen neighbours who want all of it, of each kind of guests/hungry four, and dom0, which has a weight by which it
# is heard beside them. All of them are made before the first second begins.
RESERVED = """set -e
    log() { echo /var/log/xen/console/guest-$1.log; }
    made() { name=$1; shift; xl create -p /dev/null "name='$name'" memory=8 "$@" >/dev/null; }
    lives() { timeout 100 sh -c "until grep -q '^# second $2:' $(log $1); do usleep 100000; done" || { echo "$1 stands still"; exit 1; }; }
    seconds() { grep -c '^# second' $(log $1); }
    made hungry 'kernel="/usr/lib/tern/guests/hungry"' 'extra="how=spin"' cpu_weight=16
    made sleeper 'kernel="/usr/lib/tern/guests/ticker"' 'extra="hz=97"'
    xl sched-credit2 -d 0 -w 4096
    tern-churn /usr/lib/tern/guests/hungry 16 --leave --vcpus 2
    xl unpause hungry; xl unpause sleeper
    lives hungry 2; lives sleeper 2
    tern-sched $(xl domid sleeper) --period 1 --slice 0.1
    tern-sched $(xl domid hungry) --period 10 --slice 3
    one=$(seconds hungry); other=$(seconds sleeper); echo $one $other
    lives hungry $((one + 5)); lives sleeper $((other + 5))
    cat $(log hungry) $(log sleeper)
    """ + CLEAN_LOG


def reserved():
    """Sixteen hungry neighbours leave one of small weight a few thousandths of a CPU, until it has reserved 30 %: then it has 29 % at least in
    each second, and no more than it said, since they are as hungry as before. One that mostly sleeps, always at another moment of the other's
    periods, is late by milliseconds, until it has reserved a tenth: then by less than one, each time. (QEMU cannot count what is in "max": it ends.)"""
    wanted = shape.Shape(cpu="qemu64", counted=True)
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        said = laboratory.shell(RESERVED, seconds=3 * hosts.BOOT_SECONDS)
    # A second began before there was a reservation, and one may have ended that was not logged yet.
    one, other = [(int(count), int(count) + 2) for count in said.split()[:2]]
    shares = [int(ran) / int(whole) for ran, whole in re.findall(r"ran (\d+) of (\d+) ns", said)]
    late = [int(microseconds) for microseconds in re.findall(r"the latest (\d+) us late", said)]
    assert max(shares[:one[0]]) < 0.1 and max(late[:other[0]]) > 1000, f"they need no reservation: {shares}, {late}"
    assert len(shares[one[1]:]) >= 3 and all(0.29 <= share <= 0.31 for share in shares[one[1]:]), f"{shares}, from second {one[1] + 1} on"
    assert len(late[other[1]:]) >= 3 and max(late[other[1]:]) < 1000, f"microseconds late: {late}, from second {other[1] + 1} on"


def neighbours(hypervisor, mebibytes):
    """What is on one's disk arrives whole at a neighbour, in dom0 and on the other host; and what dom0 sends is on the disk. On Tern
    the clock is read without the kernel."""
    serve = webs.SHELL + "serve nc -ll -p 9 -e md5sum; "
    script = "set -e\n" + serve + f"""
        random() {{ dd if=/dev/urandom bs=1M count={mebibytes} 2>/dev/null; }}
        random >/dev/vm/vm; sum=$(md5sum </dev/vm/vm)
        web 1 'disk=["phy:/dev/vm/vm,xvda,w"]'; web 2; answers 1; answers 2
        for to in 10.0.0.102 10.0.0.1 10.0.0.2; do
            test "$(wget -qO- "http://10.0.0.101/cgi-bin/to?$to+9")" = "$sum" || {{ echo "not whole at $to"; exit 1; }}
        done
        random >/tmp/sent; test "$(nc 10.0.0.101 20 </tmp/sent)" = written; cmp /tmp/sent /dev/vm/vm
        load 1 vdso; """ + CLEAN_LOG
    wanted = shape.Shape(hypervisor=hypervisor, cpus=2, hosts=2, cpu=shape.CPU[hypervisor], disks=(("vm", mebibytes),))
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        laboratory.shell(serve, host=1)
        said = laboratory.shell(script)
    kernel = "stays in user space" if hypervisor == "tern" else "calls the kernel"
    assert said == f"clock_gettime {kernel}\n", said


def saved(hypervisor):
    """A busy guest is saved and restored, then moved to its own host as it runs (what it writes meanwhile is logged), then saved
    once more and restored on another: each page of its memory is as it left it, the connection by which it is asked lives on, and it
    can be stopped as before."""
    first = "set -e\n" + webs.SHELL + ENDS + """
        before=$(free); truncate -s 4M /tmp/disk; web 1 'disk=["/tmp/disk,raw,xvda,rw"]'; answers 1
        serve timeout 200 wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+24+20'
        timeout 60 sh -c 'until test -n "$(wget -qO- "http://10.0.0.101/cgi-bin/load?vdso")"; do :; done'
        first=$(xl domid web1); xl save web1 /tmp/saved >/dev/null 2>&1; test "$(xl list | wc -l)" = 2
        xl restore /tmp/saved >/dev/null 2>&1; second=$(xl domid web1); test "$second" != "$first"; rm /tmp/saved
        timeout 100 xl migrate -s '' web1 'xl migrate-receive' >/dev/null 2>&1; test "$(xl domid web1)" != "$second"
        answers 1; dd if=/dev/urandom of=/tmp/sent bs=1M count=4 2>/dev/null
        test "$(nc 10.0.0.101 20 </tmp/sent)" = written; cmp /tmp/sent /tmp/disk; xl block-detach web1 xvda
        xl save web1 /tmp/saved >/dev/null 2>&1; dd if=/tmp/saved of=/dev/vm/vm bs=1M conv=fsync 2>/dev/null; gone; back "$before"
        test -z "$(losetup -a)"; (! ls /sys/class/net | grep -q vif); """ + CLEAN_LOG
    second = "set -e; dd if=/dev/vm/vm of=/tmp/saved bs=1M 2>/dev/null; xl restore /tmp/saved >/dev/null 2>&1"
    third = "set -e\n" + webs.SHELL + """
        answers 1; timeout 100 sh -c 'until test -s /tmp/checked; do usleep 100000; done'
        grep ', each as it was left' /tmp/checked >/dev/null"""
    fourth = "set -e\n" + ENDS + "timeout 120 xl shutdown -w web1 >/dev/null; gone; " + CLEAN_LOG
    wanted = shape.Shape(hypervisor=hypervisor, cpus=2, hosts=2, cpu=shape.CPU[hypervisor], disks=(("vm", 160),))
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        for script, host in ((first, 0), (second, 1), (third, 0), (fourth, 1)):
            laboratory.shell(script, host=host)


# Without a limit, domain 0 fills 840 pages with shadows while it does this, and a guest with 128 MiB 300.
PRESSURE_PAGES = 84
PRESSURE = ("--cpus", "2", "--options", f"shadow-pool={4 * PRESSURE_PAGES}K")


def pressure():
    """On a tenth of the shadows that it would fill, dom0 boots and makes a guest, which boots on as few, serves, and finds its memory as
    it left it while it is saved and restored. Each has lost more shadows than twice what the pool holds, before and after, and nobody was told. (A restored domain counts anew.)"""
    script = "set -e\n" + webs.SHELL + r"""
        evicted() { xl debug-keys q; xl dmesg | sed -n 's/.*shadows evicted \([0-9]*\).*/\1/p' | tail -n 2; }
        web 1; answers 1; load 1 check 24 5 | grep -q ', each as it was left'
        serve timeout 200 wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+24+20'
        timeout 60 sh -c 'until test -n "$(wget -qO- "http://10.0.0.101/cgi-bin/load?vdso")"; do :; done'
        evicted; xl save web1 /tmp/saved >/dev/null 2>&1; xl restore /tmp/saved >/dev/null 2>&1; answers 1
        timeout 100 sh -c 'until test -s /tmp/checked; do usleep 100000; done'
        grep ', each as it was left' /tmp/checked >/dev/null
        evicted; """ + CLEAN_LOG
    evicted = [int(line) for line in in_dom0("tern", script, *PRESSURE).split()]
    assert len(evicted) == 4 and min(evicted) > 2 * PRESSURE_PAGES, f"evicted: {evicted}"


def all_at_once(wanted, count, options="", then=":"):
    """All at once: each answers a ping, reads back what is written to a disk of its own, and on Tern the last was made in no more than twice
    the time of the first (of real Xen that is only told); when they are gone, so is what they had. `then` is done with each, number $n,
    before the next is made."""
    script = "set -e\n" + webs.SHELL + ENDS + f"""
        before=$(free); patience=600
        now() {{ tr -d . </proc/uptime | cut -d' ' -f1; }}
        for n in $(seq 1 {count}); do
            truncate -s 4M /tmp/disk$n; begin=$(now)
            web $n "disk=[\\"/tmp/disk$n,raw,xvda,rw\\"]" {options}; took=$(($(now) - begin)); test $n != 1 || first=$took
            {then}
        done
        for n in $(seq 1 {count}); do answers $n; done
        for n in $(seq 1 {count}); do
            ping -c 1 10.0.0.$((100 + n)) >/dev/null
            (dd if=/dev/urandom of=/tmp/sent$n bs=1M count=4 2>/dev/null; test "$(nc 10.0.0.$((100 + n)) 20 </tmp/sent$n)" = written
             nc 10.0.0.$((100 + n)) 19 </dev/null | cmp - /tmp/sent$n && echo same >/tmp/same$n; rm /tmp/sent$n) &
            test $((n % 16)) != 0 || wait
        done; wait
        test $(cat /tmp/same* | wc -l) = {count}
        for n in $(seq 1 {count}); do xl destroy web$n; done; gone; back "$before"
        echo "$first $took"; """ + CLEAN_LOG
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        first, last = (int(word) / 100 for word in laboratory.shell(script, seconds=60 * count).split())
    say(f"the first of {count} was made in {first} s, the last in {last} s")
    assert last <= 2 * first or wanted.hypervisor != "tern", f"the first was made in {first} s, the last in {last} s"


def many(hypervisor):
    """Sixteen on 4 GiB."""
    all_at_once(shape.Shape(hypervisor=hypervisor, cpus=2, cpu="qemu64", memory=4096, dom0_memory=1024), 16)


# Linux needs more memory to start than to live: MiB.
START, LIVE = 112, 88


def crowd(hypervisor):
    """A hundred and twenty-eight on 16 GiB: each gives memory back before the next starts."""
    all_at_once(shape.Shape(hypervisor=hypervisor, cpus=2, cpu="qemu64", memory=16384, dom0_memory=2048), 128, f"memory={START}",
                f"answers $n; xl mem-set web$n {LIVE}; timeout 600 sh -c \"until xl list web$n | grep -q ' {LIVE} *1 '; do usleep 50000; done\"")


# A kernel of ours, to its end; then what it said.
KERNEL = """set -e
    log=/var/log/xen/console/guest-$0.log; rm -f $log
    xl create /dev/null "name='$0'" "kernel='/usr/lib/tern/guests/$0'" memory=64 vcpus=2 "on_crash='destroy'" >/dev/null
    timeout 120 sh -c "while xl domid $0 >/dev/null 2>&1; do usleep 50000; done" || { xl list; xl destroy $0; echo "# no end"; }
    cat $log
"""


def kernels(hypervisor):
    """Our own kernels find as domUs what they find as dom0, and what is dom0's alone is refused; the hostile one, too, hurts nobody:
    a neighbour answers after each of them, and all memory comes back."""
    shell = functools.partial(shared.HOSTS.shell, hypervisor)
    shell(webs.SHELL + "set -e; web 1; answers 1")
    before = shell(ENDS + "free").strip()
    for name in paths.test_guests():
        if name == "toolstack":  # asks for nothing but what is dom0's
            continue
        said = shell(KERNEL.replace("$0", name))
        report = tap.parse(said)
        assert not report.problem(), f"{name}: {report.problem()}\n{said}"
        shell(webs.SHELL + "set -e; answers 1")
    shell(ENDS + f"back {before} || {{ echo {before}; free; exit 1; }}; xl destroy web1; gone; " + CLEAN_LOG)


# Our own guest that attacks rings, to its end; then what it said. $1 is its command line. In a run with a typist, dom0 types into its
# console when it says that the ring is spoilt.
RINGS = r"""set -e
    log=/var/log/xen/console/guest-rings.log; rm -f $log
    soon() { timeout 60 sh -c "until $1; do usleep 50000; done" || { echo "# never: $1"; xl list; cat $log; exit 1; }; }
    attack() {
        words=$1; shift
        xl create /dev/null "name='rings'" "kernel='/usr/lib/tern/guests/rings'" memory=16 vcpus=2 "on_crash='destroy'" "extra='$words'" "$@" >/dev/null
    }
    types() {
        home=/local/domain/$(xl domid rings)
        soon "test -n \"\$(xenstore-read $home/data/spoilt 2>/dev/null)\""
        echo typed >"$(xenstore-read $home/console/tty)"; xenstore-write $home/data/typed yes
    }
    ends() { timeout 200 sh -c 'while xl domid rings >/dev/null 2>&1; do usleep 50000; done' || { xl list; xl destroy rings; echo "# no end"; }; cat $log; }
"""
# Each ends its guest's connection to the store.
STORE_ATTACKS = ("requests-far", "requests-back", "requests-taken", "requests-both", "answers-far", "answers-back", "answers-given",
                 "length", "length-most")


def rings(hypervisor):
    """A guest of ours spoils the rings that dom0's daemons and back ends read. Afterwards they are the same processes, dom0's log is
    clean, a neighbour answers, another guest can be made, and all memory comes back."""
    shell = functools.partial(shared.HOSTS.shell, hypervisor)
    daemons = shell(webs.SHELL + "set -e; web 1; answers 1; pidof xenstored xenconsoled").split()
    assert len(daemons) == 2, daemons
    before = shell(ENDS + "free").strip()
    cards = ", ".join(['"bridge=br0"'] * 7)  # two, and one for each attack that ends its card
    whole = f"""truncate -s 4M /tmp/rings; attack typist 'disk=["/tmp/rings,raw,xvda,rw"]' 'vif=[{cards}]'; types; ends"""
    for script in (whole, *(f"attack store={name}; ends" for name in STORE_ATTACKS)):
        said = shell(RINGS + script)
        report = tap.parse(said)
        assert not report.problem(), f"{script}: {report.problem()}\n{said}"
        assert len(report.skipped) < len(report.passed), f"{script}: nothing was done"
        shell(webs.SHELL + "set -e; answers 1")
    shell(webs.SHELL + ENDS + f"""set -e
        back {before} || {{ echo {before}; free; exit 1; }}
        web 2; answers 2; xl destroy web2; xl destroy web1; gone
        test "$(dmesg | grep -c 'bogus ring requests')" -ge 5; test "$(dmesg | grep -c 'disabling device')" -ge 5
        test "$(pidof xenstored xenconsoled)" = "{' '.join(daemons)}"; """ + CLEAN_LOG)


def churn(hypervisor):
    """A thousand small domains, one after the other: none loses a frame. (Domain 0's own tables may grow by one or two.)"""
    made = json.loads(shared.HOSTS.shell(hypervisor, "tern-churn /usr/lib/tern/guests/ticker 1000"))
    assert abs(made["frames_lost"]) <= 4, made


def thousand(hypervisor):
    """A thousand small domains at once, all of which run; when they are gone, so is what they had."""
    made = json.loads(in_dom0(hypervisor, "tern-churn /usr/lib/tern/guests/ticker 1000 --at-once", "--cpus", "2",
                              "--memory", "8G", "--dom0-memory", "1G"))
    assert abs(made["frames_lost"]) <= 4, made


def record():
    """A guest of ours is moved into another domain by its record, without being told: it goes on counting seconds, on a clock that
    stood meanwhile or one that went on; and the record, read again, is the same."""
    script = "set -e; tern-record /usr/lib/tern/guests/ticker; tern-record /usr/lib/tern/guests/ticker --counted; " + CLEAN_LOG
    stood, counted = [json.loads(line) for line in shared.HOSTS.shell("tern", script).splitlines()]
    for moved in (stood, counted):
        first, second, third = moved["seconds"]
        assert (second, third) == (first + 1, first + 2), moved
    assert stood["same"], stood
    # It stood for three seconds, of which it was to sleep one: two are missing, or none is.
    assert max(stood["late_us"]) < 1_000_000 < 1_500_000 < counted["late_us"][0], (stood, counted)


OFTEN = (life, devices, kernels)
SELDOM = (mistakes, churn, control, saved, many, crowd, rings)  # minutes, which CI has not


def tests_on(hypervisor, prefix, bodies):
    return [HostTest(f"qemu.{prefix}.{body.__name__}", functools.partial(body, hypervisor)) for body in bodies]


def tests():
    """On Tern: part of every test run."""
    return [*tests_on("tern", "domu", OFTEN), HostTest("qemu.domu.reservations", reservations)]


def slow_tests():
    """What takes long; and on real Xen the same tests, to show that they ask for what Xen does."""
    return [HostTest("qemu.domu.pressure", pressure), HostTest("qemu.domu.record", record), HostTest("qemu.domu.reserved", reserved),
            HostTest("qemu.domu.neighbours", functools.partial(neighbours, "tern", 16)),
            HostTest("qemu.domu.thousand", functools.partial(thousand, "tern")),
            HostTest("qemu.domu.large", functools.partial(neighbours, "tern", 256)),
            *tests_on("tern", "domu", SELDOM), *tests_on("xen", "xen.domu", OFTEN + SELDOM),
            HostTest("qemu.xen.domu.neighbours", functools.partial(neighbours, "xen", 16))]
