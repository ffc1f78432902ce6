"""One host for all tests that want two CPUs and nothing else, and that leave it as they found it: a boot takes as long as most of them.
After a test that failed the next one gets a fresh one (tests.run). A test that shows what a host is like when it has just booted uses ./tern exec."""
import contextlib

from house import paths
from house.host import disk, hosts, shape


class SharedHosts:
    def __init__(self):
        self.kept = {}  # hypervisor -> (laboratory, how to end it)

    def shell(self, hypervisor, script):
        """What the script prints; Failure if it fails."""
        if hypervisor not in self.kept:
            wanted = shape.Shape(hypervisor=hypervisor, cpus=2, cpu=shape.CPU[hypervisor])
            ending = contextlib.ExitStack()
            self.kept[hypervisor] = ending.enter_context(hosts.temporary(wanted, disk.make(wanted), paths.BUILD / "exec")), ending
        return self.kept[hypervisor][0].shell(script)

    def end(self):
        while self.kept:
            _, (_, ending) = self.kept.popitem()
            ending.close()


HOSTS = SharedHosts()
