"""The QEMU command line of a host. Every path in it is a name in the laboratory's folder, in which QEMU runs: the path of a
socket has to be short."""
from house import machine

PORTS = 4  # so many commands can run in a host at once


def port(name, number):
    return f"{name}.{number}"


def command(shape, number, iso):
    """Of host `number`, from 0. Its sockets and console are called by its name, wires by the number of the host on their left."""
    name = shape.names[number]
    # Counted: the machine's clock moves by a nanosecond for each instruction, and by nothing else.
    clock = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"] if shape.counted else ["-accel", "tcg,thread=multi"]
    words = [*shape.emulator, "-name", name, *clock, "-machine", shape.machine,
             "-cpu", shape.cpu, "-smp", str(shape.cpus), "-m", f"{shape.memory}M", "-nodefaults", "-display", "none",
             "-pidfile", f"{name}.pid",
             "-chardev", f"socket,id=console,path={name}.console,server=on,wait=off,logfile={name}.log",
             "-serial", "chardev:console"]
    if not shape.restarts:
        words += ["-no-reboot"]
    if shape.hypervisor == "tern":
        words += ["-device", f"isa-debug-exit,iobase={machine.PORT:#x},iosize=0x04"]
    return words + boot_disk(shape, iso) + ports(name) + wire(shape, number) + disks(shape)


def boot_disk(shape, iso):
    """The firmware sees this disk and no other. When it sees virtio disks, too, real Xen starts three to five times slower: QEMU then
    takes pages that the hypervisor writes all the time for pages with code."""
    place = {"q35": "ide.2", "pc": "ide.1,unit=0"}[shape.machine]
    return ["-drive", f"if=none,id=cd,media=cdrom,readonly=on,file={iso}",
            "-device", f"ide-cd,bus={place},drive=cd,bootindex=0", "-boot", "strict=on"]


def sockets(shape, number):
    """What QEMU makes before the machine runs."""
    name = shape.names[number]
    wires = [f"wire.{number}"] if number < wires_of(shape) else []
    return [f"{name}.console", *(port(name, one) for one in range(PORTS)), *wires]


def ports(name):
    words = ["-device", f"virtio-serial-pci,max_ports={PORTS + 1}"]
    for number in range(PORTS):
        words += ["-chardev", f"socket,id=port{number},path={port(name, number)},server=on,wait=off",
                  "-device", f"virtserialport,chardev=port{number},name=tern.{number}"]
    return words


def wires_of(shape):
    """Each goes from a host to the next; the last, if it is there, to a program of ours."""
    return shape.hosts if shape.far_end else shape.hosts - 1


def wire(shape, number):
    """A row of hosts: in each, a hub joins the card with the wires to its left and right neighbours."""
    card = {"virtio": "virtio-net-pci", "emulated": "e1000e"}[shape.devices]
    words = ["-netdev", "hubport,id=card,hubid=0",
             "-device", f"{card},netdev=card,mac=52:54:00:54:00:{number + 1:02x},romfile="]
    ends = {"left": (number - 1, "off"), "right": (number, "on")}
    for end, (wire_number, server) in ends.items():
        if 0 <= wire_number < wires_of(shape):
            words += ["-netdev", f"stream,id={end},server={server},addr.type=unix,addr.path=wire.{wire_number}",
                      "-netdev", f"hubport,id=to-{end},hubid=0,netdev={end}"]
    if wires_of(shape) == 0:
        # A hub without another port takes no frame: the card would keep the first for ever, and Linux sends no segment again that still waits in
        # a card. Here is somebody who takes all and says nothing: its network is another, and it may not reach any other.
        words += ["-netdev", "user,id=nobody,restrict=on,ipv6=off,net=192.0.2.0/24", "-netdev", "hubport,id=to-nobody,hubid=0,netdev=nobody"]
    return words


def disks(shape):
    """Shared by all hosts, as on a SAN: nobody caches, nobody locks."""
    words = []
    for number, (name, _) in enumerate(shape.disks):
        words += ["-blockdev", f"driver=file,node-name=file{number},filename={name}.raw,locking=off,cache.direct=on",
                  "-blockdev", f"driver=raw,node-name=disk{number},file=file{number},cache.direct=on",
                  "-device", disk_device(shape, number) + f",drive=disk{number},serial={name},share-rw=on"]
    return words


def disk_device(shape, number):
    if shape.devices == "virtio":
        return "virtio-blk-pci"
    # On q35 each bus has one place, and the third has the CD; on pc the second has it as its first.
    places = {"q35": ("ide.0", "ide.1", "ide.3", "ide.4", "ide.5"), "pc": ("ide.0,unit=0", "ide.0,unit=1", "ide.1,unit=1")}
    return f"ide-hd,bus={places[shape.machine][number]}"
