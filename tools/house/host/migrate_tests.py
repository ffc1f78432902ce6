"""The tests of `migrate`: domains that go into files and come out of them."""
import functools
import json
import statistics

from house import downtime_bench
from house.host import shared, webs
from house.host.dom0_tests import CLEAN_LOG, in_dom0
from house.host.domu_tests import ENDS
from house.host.tests import HostTest
from house.say import say

# The page of the first move that ended here, the oldest that the history has.
REPORT = r"""migrate --report $(migrate --history | sed -n 's/.*"id":"\([0-9a-f]*\)".*"outcome":"moved".*"role":"source".*/\1/p' | tail -n 1)"""


def files():
    """A busy guest goes into a file as it runs, comes out of it, is kept once more while it runs on, and comes out on another host: each
    page of its memory is as it left it, the connection by which it is asked lives on, its disk is what it wrote, and xl knows it as before."""
    first = "set -e\n" + webs.SHELL + ENDS + """
        before=$(free); truncate -s 4M /tmp/disk; web 1 'disk=["/tmp/disk,raw,xvda,rw"]'
        migrate --save web1 /tmp/saved 2>/tmp/said; grep -q 'waiting for the guest to finish booting' /tmp/said
        migrate --restore /tmp/saved; answers 1; rm /tmp/saved
        serve timeout 200 wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+24+20'
        timeout 60 sh -c 'until test -n "$(wget -qO- "http://10.0.0.101/cgi-bin/load?vdso")"; do :; done'
        first=$(xl domid web1); uuid=$(xl list -l web1 | grep '"uuid"')
        migrate --save web1 /tmp/saved; test "$(xl list | wc -l)" = 2
        migrate --restore /tmp/saved; rm /tmp/saved; second=$(xl domid web1); test "$second" != "$first"
        xl list -l web1 | grep -q '"kernel": "/usr/lib/tern/vmlinuz"'; test "$(xl list -l web1 | grep '"uuid"')" = "$uuid"
        answers 1; dd if=/dev/urandom of=/tmp/sent bs=1M count=4 2>/dev/null
        test "$(nc 10.0.0.101 20 </tmp/sent)" = written; cmp /tmp/sent /tmp/disk; xl block-detach web1 xvda
        migrate --save web1 /tmp/kept --checkpoint --format json | grep -q '"outcome":"saved"'
        test "$(xl domid web1)" = "$second"; answers 1
        (! migrate --restore /tmp/kept 2>/tmp/why); grep -q 'called web1 already' /tmp/why; rm /tmp/kept
        migrate --save web1 /tmp/saved --stopped; tar cf /dev/vm/vm -C /tmp saved; sync; gone; back "$before"
        test -z "$(losetup -a)"; (! ls /sys/class/net | grep -q vif); """ + CLEAN_LOG
    second = """set -e; tar xf /dev/vm/vm -C /tmp; migrate --restore /tmp/saved --format json | grep -q '"outcome":"restored"'"""
    third = "set -e\n" + webs.SHELL + """
        answers 1; timeout 100 sh -c 'until test -s /tmp/checked; do usleep 100000; done'
        grep ', each as it was left' /tmp/checked >/dev/null"""
    fourth = "set -e\n" + webs.SHELL + ENDS + """
        id=$(xl domid web1); xl reboot web1; timeout 60 sh -c "until test \\"\\$(xl domid web1 2>/dev/null || echo $id)\\" != $id; do usleep 50000; done"
        answers 1; timeout 120 xl shutdown -w web1 >/dev/null; gone; """ + CLEAN_LOG
    laboratory = shared.HOSTS.laboratory(shared.PAIR)
    for script, host in ((first, 0), (second, 1), (third, 0), (fourth, 1)):
        laboratory.shell(script, host=host)
    for host in (0, 1):
        laboratory.shell("rm -f /tmp/saved /tmp/checked /tmp/disk /tmp/sent", host=host)


def faults():
    """Whatever goes wrong, the guest runs on where it was, or the file is refused with a sentence, and nothing half-made is left."""
    script = "set -e\n" + webs.SHELL + ENDS + r"""
        refused() { want=$1; shift; if "$@" 2>/tmp/why; then echo "not refused: $*"; exit 1; fi; grep -q "$want" /tmp/why || { cat /tmp/why; exit 1; }; }
        web 1; answers 1; before=$(free)
        refused 'no domain' migrate --save nobody /tmp/x; refused 'domain 0 stays' migrate --save 0 /tmp/x
        refused 'cannot be made' migrate --save web1 /no/such/folder
        mount -t tmpfs -o size=4m small /mnt
        refused 'disk is full' migrate --save web1 /mnt/x; test -z "$(ls /mnt)"; answers 1; umount /mnt
        # Killed at whatever moment: the guest answers, nothing is left, and it can be kept the next time.
        for tenths in 1 4 10 20 25 30 35 40; do
            migrate --save web1 /tmp/x 2>/dev/null & victim=$!
            usleep $((tenths * 100000)); kill -9 $victim 2>/dev/null || true; wait $victim 2>/dev/null || true
            timeout 20 sh -c 'while ls /tmp/x.part >/dev/null 2>&1; do usleep 50000; done'
            if ! xl domid web1 >/dev/null 2>&1; then migrate --restore /tmp/x; fi; answers 1; rm -f /tmp/x
        done
        migrate --save web1 /tmp/x; size=$(stat -c %s /tmp/x)
        for part in 0 10 63 64 100 5000 $((size / 2)) $((size - 1)); do
            head -c $part /tmp/x >/tmp/y; refused 'not a whole domain' migrate --restore /tmp/y
        done
        for place in 3 40 70 2000 $((size / 3)) $((size / 2)) $((size - 40)); do
            cp /tmp/x /tmp/y; octet=$(dd if=/tmp/x bs=1 skip=$place count=1 2>/dev/null | od -An -tu1)
            printf "\\$(printf %o $((octet ^ 16)))" | dd of=/tmp/y bs=1 seek=$place conv=notrunc 2>/dev/null
            refused 'not a whole domain' migrate --restore /tmp/y
        done
        test "$(xl list | wc -l)" = 2; (! xenstore-ls | grep -q incoming); (! ls /sys/class/net | grep -q vif)
        for tenths in 5 10 15 20 30; do
            migrate --restore /tmp/x >/dev/null 2>&1 & victim=$!
            usleep $((tenths * 100000)); kill -9 $victim 2>/dev/null || true; wait $victim 2>/dev/null || true
            timeout 20 sh -c 'while xl list | grep -q incoming; do usleep 50000; done'
            if xl domid web1 >/dev/null 2>&1; then answers 1; migrate --save web1 /tmp/x; fi
        done
        xl create /dev/null 'name="big"' 'kernel="/usr/lib/tern/guests/ticker"' "memory=$(($(free) - 60))" >/dev/null
        refused 'migrate' migrate --restore /tmp/x; xl destroy big
        migrate --restore /tmp/x; answers 1; xl destroy web1; gone
        echo kept; """ + CLEAN_LOG
    lines = in_dom0("tern", script, "--cpus", "2").splitlines()
    assert lines[-1:] == ["kept"], f"it said: {lines}"


# What is expected of a command: its exit status, and what it said, in /tmp/out and /tmp/why.
STATUS = r"""
        status() { want=$1; shift; got=0; "$@" >/tmp/out 2>/tmp/why || got=$?; test $got = $want || { echo "$*: $got"; cat /tmp/out /tmp/why; exit 1; }; }"""


def moves():
    """A busy guest moves to the other host and back: each page of its memory is as it left it, the connection by which it is asked
    lives on, and what is said of the move is what `migrate --format json` promises. It goes by four streams, and comes back by one. What cannot be moved
    stays, with the status that says why."""
    here = "set -e\n" + webs.SHELL + ENDS + STATUS + r"""
        dd if=/dev/zero of=/dev/vm/vm bs=1M count=4 2>/dev/null
        web 1 'disk=["/dev/vm/vm,raw,xvda,rw"]'
        status 3 migrate nobody beta; grep -q 'no domain' /tmp/why; status 4 migrate web1 nowhere; status 2 migrate web1; status 2 migrate web1 beta --streams 17
        answers 1; serve timeout 300 wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+24+60'
        timeout 60 sh -c 'until test -n "$(wget -qO- "http://10.0.0.101/cgi-bin/load?vdso")"; do :; done'
        (timeout 60 sh -c 'until migrate --status | grep -q precopy; do usleep 20000; done'; migrate --cancel web1 >/dev/null) & status 6 migrate web1 beta; wait $!
        answers 1; xl list web1 >/dev/null
        dd if=/dev/urandom of=/tmp/sent bs=1M count=4 2>/dev/null; test "$(nc 10.0.0.101 20 </tmp/sent)" = written
        status 0 migrate web1 beta --dry-run --format json; grep -q '"outcome":"could_move"' /tmp/out; answers 1; xl list web1 >/dev/null
        status 0 migrate web1 beta --streams 4 --on-timeout force --format jsonl; grep -q '"progress":{.*"round":0' /tmp/out; tail -n 1 /tmp/out
        (! xl list web1 >/dev/null 2>&1); test "$(nc 10.0.0.101 19 </dev/null | head -c 4194304 | md5sum)" = "$(md5sum </tmp/sent)"; """ + CLEAN_LOG
    there = "set -e\n" + webs.SHELL + """
        answers 1; xl list -l web1 | grep -q '"kernel": "/usr/lib/tern/vmlinuz"'; (! xl list | grep -q incoming)
        test "$(migrate --history | grep -c 'a dry run')" = 1
        migrate web1 alpha --on-timeout force --format json; (! xl list web1 >/dev/null 2>&1); (! xenstore-ls | grep -q web1); """ + CLEAN_LOG
    again = "set -e\n" + webs.SHELL + ENDS + STATUS + """
        answers 1; timeout 150 sh -c 'until test -s /tmp/checked; do usleep 100000; done'; grep -q ', each as it was left' /tmp/checked
        test "$(nc 10.0.0.101 19 </dev/null | head -c 4194304 | md5sum)" = "$(md5sum </tmp/sent)"
        test "$(migrate --history | grep -c '"moved"')" = 2; migrate web1 beta --dry-run | grep -q 'foreseen: '
        status 3 migrate web1 beta --dry-run --policy tern:downtime=1ms,timeout=1ms,last=cancel; grep -q 'could not be moved so' /tmp/why; answers 1; """ + REPORT + """ >/tmp/page; grep -q 'ms</span> it stood still' /tmp/page; timeout 120 xl shutdown -w web1 >/dev/null; gone; """ + CLEAN_LOG
    laboratory = shared.HOSTS.laboratory(shared.PAIR)
    for script, host in ((here, 0), (there, 1)):
        moved = json.loads(laboratory.shell(script, host=host).splitlines()[-1])
        assert moved["schema"] == 1 and moved["outcome"] == "moved" and moved["vm"] == "web1", moved
        assert moved["blackout_ms"] > 0 and moved["clock_error_ms"] > 0 and moved["rounds"] >= 2 and moved["bytes"] > 1 << 20, moved
    laboratory.shell(again, host=0)
    laboratory.shell("rm -f /tmp/checked /tmp/sent /tmp/page", host=0)


# A guest without devices, which counts its seconds on its console. A name for its log: libxl's name for it when it came.
TICKS = r"""log=/var/log/xen/console/guest-$0.log
    least() { timeout 60 sh -c "until grep -qs '^# second $1:' $log; do usleep 50000; done"; }
    seconds() { echo $(sed -n 's/^# second \([0-9]*\):.*/\1/p' $log); }
"""


def untold():
    """A guest that is told nothing moves to the other host and back, and goes on counting where it stopped: no second is lost, none is told
    twice."""
    laboratory = shared.HOSTS.laboratory(shared.PAIR)
    config = r"""printf 'name="ticker"\nkernel="/usr/lib/tern/guests/ticker"\nmemory=8\n' >/tmp/ticker.cfg; xl create /tmp/ticker.cfg >/dev/null
        """
    counted = []
    for host, log, begin, end in ((0, "ticker", config, "migrate ticker beta --format json"),
                                  (1, "ticker--incoming", "", "migrate ticker alpha --format json"),
                                  (0, "ticker--incoming", "", "xl destroy ticker; " + CLEAN_LOG)):
        script = f"set -e; {TICKS}{begin}least $1; {end}; seconds"
        *moved, seconds = laboratory.shell(script, log, str(len(counted) + 2), host=host).splitlines()
        assert all(json.loads(one)["way"] == "transparent" for one in moved), moved
        counted += map(int, seconds.split())
    assert counted == list(range(1, len(counted) + 1)) and len(counted) >= 6, counted


def downtime():
    """A short form of ./tern bench downtime: the median of three pairs; the guest's blackout is no more than one and a half times the
    part of real Xen's that bench/baseline.json keeps."""
    shared.HOSTS.end()  # the others' hosts are no part of it
    kept = json.loads(downtime_bench.BASELINE.read_text())["downtime"]
    rows = downtime_bench.measure(("tern", "xen"), 3, downtime_bench.workload(kept["workload"]), kept["memory"], kept["cpus"])
    now = downtime_bench.ratio(rows, "blackout_ms")
    assert now <= 1.5 * kept["blackout_ratio"], (f"{now:.2f} of Xen's blackout, where {kept['blackout_ratio']:.2f} is kept\n"
                                                 f"{downtime_bench.table(rows)}")


# Linux 6.1 loses the 256 pages of its network card's receive ring each time it is suspended and resumed, on real Xen too (1.0 MiB of MemFree a
# time). A guest of 128 MiB dies of it after some fifty times, so whoever is moved often gets the memory for it.
LOST_EACH_TIME = 1  # MiB

# web1 has checked its memory all the time, and has found no page that was not as it left it; whoever asked hears so by the same connection.
DAY = 86400
ENOUGH = """wget -qO- http://10.0.0.101/cgi-bin/enough
        timeout 120 sh -c 'until test -s /tmp/checked; do usleep 100000; done'; grep -q ', each as it was left' /tmp/checked"""


def hundred(times=100):
    """So many times in a row into a file and out of it: the guest's memory is as it left it, and its connection lives on."""
    script = "set -e\n" + webs.SHELL + ENDS + f"""
        web 1 memory={128 + LOST_EACH_TIME * times}; answers 1; before=$(free)
        serve wget -qO /tmp/checked "http://10.0.0.101/cgi-bin/load?check+24+{DAY}"
        for n in $(seq {times}); do migrate --save web1 /tmp/x 2>/dev/null; migrate --restore /tmp/x; answers 1; test ! -s /tmp/checked; done
        {ENOUGH}
        back "$before"; timeout 120 xl shutdown -w web1 >/dev/null; gone; """ + CLEAN_LOG
    shared.HOSTS.shell("tern", script, seconds=60 * times)


def to_and_fro(times=200):
    """So many moves in a row of a guest that writes, is asked and uses its disk all the time: its memory is as it left it, one connection has
    lived through all of them, each was the first choice (nothing had to be tried again), and both hosts have their memory back. It writes to all of
    its memory while it suspends itself, so that no budget makes its blackout shorter: most moves do not try. Each tenth slows it down all the same."""
    laboratory = shared.HOSTS.laboratory(shared.PAIR)
    free = [laboratory.shell(ENDS + "free", host=host) for host in (0, 1)]
    laboratory.shell("set -e\n" + webs.SHELL + f"""
        dd if=/dev/zero of=/dev/vm/vm bs=1M count=4 2>/dev/null
        web 1 'disk=["/dev/vm/vm,raw,xvda,rw"]' memory={128 + LOST_EACH_TIME * times}; answers 1; dd if=/dev/urandom of=/tmp/sent bs=1M count=4 2>/dev/null
        serve wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+24+{DAY}'""")
    blackouts = []
    for number in range(times):
        budget = "" if number % 10 == 9 else "--max-downtime 5s"
        moved = json.loads(laboratory.shell(f"migrate web1 {laboratory.shape.names[1 - number % 2]} {budget} --on-timeout force --format json",
                                            host=number % 2))
        assert moved["outcome"] == "moved", moved
        blackouts.append(moved["blackout_ms"])
        if number % 20 == 19:
            say(f"{number + 1} moves; it stood still for {statistics.median(blackouts):.0f} ms (median), {max(blackouts):.0f} ms at most")
    laboratory.shell("set -e\n" + webs.SHELL + """
        answers 1; test "$(nc 10.0.0.101 20 </tmp/sent)" = written; test "$(nc 10.0.0.101 19 </dev/null | head -c 4194304 | md5sum)" = "$(md5sum </tmp/sent)"
        """ + ENOUGH + "; rm /tmp/checked /tmp/sent")
    laboratory.shell("timeout 120 xl shutdown -w web1 >/dev/null", host=times % 2)
    for host in (0, 1):
        laboratory.shell("set -e\n" + ENDS + f"gone; back {free[host].strip()}; (! xenstore-ls | grep -q web1); " + CLEAN_LOG, host=host)


def tests():
    """Part of every test run."""
    return [HostTest("qemu.migrate.files", files), HostTest("qemu.migrate.moves", moves), HostTest("qemu.migrate.untold", untold)]


def last_tests():
    """Part of every test run on a machine that is not so slow that the others have taken all the time that CI has."""
    return [HostTest("qemu.migrate.downtime", downtime, latest=1800)]


def slow_tests():
    return [HostTest("qemu.migrate.faults", faults), HostTest("qemu.migrate.hundred", functools.partial(hundred, 100)),
            HostTest("qemu.migrate.to_and_fro", to_and_fro)]
