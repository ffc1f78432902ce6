"""The tests of `migrate`: domains that go into files and come out of them."""
import functools

from house import paths
from house.host import disk, hosts, shape, webs
from house.host.dom0_tests import CLEAN_LOG, in_dom0
from house.host.domu_tests import ENDS
from house.host.tests import HostTest


def files():
    """A busy guest goes into a file as it runs, comes out of it, is kept once more while it runs on, and comes out on another host: each
    page of its memory is as it left it, the connection by which it is asked lives on, its disk is what it wrote, and xl knows it as before."""
    first = "set -e\n" + webs.SHELL + ENDS + """
        before=$(free); truncate -s 4M /tmp/disk; web 1 'disk=["/tmp/disk,raw,xvda,rw"]'
        migrate --save web1 /tmp/saved 2>/tmp/said; grep -q 'waiting for the guest to finish booting' /tmp/said
        migrate --restore /tmp/saved; answers 1; rm /tmp/saved
        serve timeout 200 wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+24+20'
        timeout 60 sh -c 'until test -n "$(wget -qO- "http://10.0.0.101/cgi-bin/load?vdso")"; do :; done'
        first=$(xl domid web1); uuid=$(xl domid web1; xl list -l web1 | grep '"uuid"')
        migrate --save web1 /tmp/saved; test "$(xl list | wc -l)" = 2
        migrate --restore /tmp/saved; second=$(xl domid web1); test "$second" != "$first"
        xl list -l web1 | grep -q '"kernel": "/usr/lib/tern/vmlinuz"'; xl list -l web1 | grep '"uuid"' | grep -qF "${uuid#*
}"
        answers 1; dd if=/dev/urandom of=/tmp/sent bs=1M count=4 2>/dev/null
        test "$(nc 10.0.0.101 20 </tmp/sent)" = written; cmp /tmp/sent /tmp/disk; xl block-detach web1 xvda
        migrate --save web1 /tmp/kept --checkpoint --format json | grep -q '"outcome":"saved"'
        test "$(xl domid web1)" = "$second"; answers 1
        ! migrate --restore /tmp/kept 2>/tmp/why; grep -q 'called web1 already' /tmp/why
        migrate --save web1 /tmp/saved --stopped; dd if=/tmp/saved of=/dev/vm/vm bs=1M conv=fsync 2>/dev/null; gone; back "$before"
        test -z "$(losetup -a)"; ! ls /sys/class/net | grep -q vif; """ + CLEAN_LOG
    second = "set -e; dd if=/dev/vm/vm of=/tmp/disk bs=1M 2>/dev/null; " + """
        head -c "$(stat -c %s /tmp/disk)" /tmp/disk >/tmp/saved; migrate --restore /tmp/saved --format json | grep -q '"outcome":"restored"'"""
    third = "set -e\n" + webs.SHELL + """
        answers 1; timeout 100 sh -c 'until test -s /tmp/checked; do usleep 100000; done'
        grep ', each as it was left' /tmp/checked >/dev/null"""
    fourth = "set -e\n" + webs.SHELL + ENDS + """
        id=$(xl domid web1); xl reboot web1; timeout 60 sh -c "until test \\"\\$(xl domid web1 2>/dev/null || echo $id)\\" != $id; do usleep 50000; done"
        answers 1; timeout 120 xl shutdown -w web1 >/dev/null; gone; """ + CLEAN_LOG
    wanted = shape.Shape(hypervisor="tern", cpus=2, hosts=2, disks=(("vm", 160),))
    with hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec") as laboratory:
        for script, host in ((first, 0), (second, 1), (third, 0), (fourth, 1)):
            laboratory.shell(script, host=host)


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
        test "$(xl list | wc -l)" = 2; ! xenstore-ls | grep -q incoming; ! ls /sys/class/net | grep -q vif
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


def hundred(times=100):
    """So many times in a row into a file and out of it: the guest's memory is as it left it, and its connection lives on."""
    script = "set -e\n" + webs.SHELL + ENDS + f"""
        web 1; answers 1; before=$(free)
        serve timeout 3000 wget -qO /tmp/checked 'http://10.0.0.101/cgi-bin/load?check+24+{times * 6}'
        for n in $(seq {times}); do migrate --save web1 /tmp/x 2>/dev/null; migrate --restore /tmp/x; answers 1; done
        timeout 600 sh -c 'until test -s /tmp/checked; do usleep 100000; done'; grep -q ', each as it was left' /tmp/checked
        back "$before"; timeout 120 xl shutdown -w web1 >/dev/null; gone; """ + CLEAN_LOG
    in_dom0("tern", script, "--cpus", "2")


def tests():
    """Part of every test run."""
    return [HostTest("qemu.migrate.files", files), HostTest("qemu.migrate.faults", faults)]


def slow_tests():
    return [HostTest("qemu.migrate.hundred", functools.partial(hundred, 100))]
