"""Hosts that several tests have one after the other: a boot takes as long as most of them. Who uses them leaves them as they were found. After a
test that failed the next one gets fresh ones (tests.run). What a host is like when it has just booted, tests see that use ./tern exec."""
import contextlib

from house import paths
from house.host import disk, hosts, shape

PAIR = shape.Shape(hypervisor="tern", cpus=2, hosts=2, disks=(("vm", 160),))


class SharedHosts:
    def __init__(self):
        self.kept = {}  # shape -> laboratory
        self.ending = contextlib.ExitStack()

    def laboratory(self, wanted):
        if wanted not in self.kept:
            self.kept[wanted] = self.ending.enter_context(hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec"))
        return self.kept[wanted]

    def shell(self, hypervisor, script, **how):
        """What the script prints on a host with two CPUs; Failure if it fails."""
        return self.laboratory(shape.Shape(hypervisor=hypervisor, cpus=2, cpu=shape.CPU[hypervisor])).shell(script, **how)

    def end(self):
        self.kept.clear()
        self.ending.close()


HOSTS = SharedHosts()
