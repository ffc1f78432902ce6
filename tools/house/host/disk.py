"""The disk that a host boots from: GRUB, the hypervisor, the kernel, the initramfs. The same for all hosts of a laboratory."""
import hashlib

from house import build, iso, machine, paths
from house.dom0 import debian, image

WITH_HYPERVISOR = """\
    if multiboot2 /boot/hypervisor {options}; then
        if module2 /boot/kernel {arguments}; then
            module2 /boot/initramfs
        else
            false
        fi
    else
        false
    fi
"""
WITHOUT = """\
    if linux /boot/kernel {arguments}; then
        initrd /boot/initramfs
    else
        false
    fi
"""
KEPT = 6  # they are large


def options(shape):
    dom0 = f"dom0_mem={shape.dom0_memory}M,max:{shape.dom0_memory}M dom0_max_vcpus={shape.cpus}"
    tern = machine.LOG_OPTIONS if shape.restarts else machine.OPTIONS
    line = {"tern": f"{tern} {dom0}", "xen": f"console=com1 com1=115200,8n1 loglvl=warning {dom0}", "none": ""}
    return f"{line[shape.hypervisor]} {shape.options}".strip()


def arguments(shape):
    memory = f" mem={shape.dom0_memory}M" if shape.hypervisor == "none" else ""
    console = "ttyS0" if shape.hypervisor == "none" else "hvc0"
    root = f" root=LABEL={debian.LABEL} ro" if shape.system == "debian" else ""
    return f"console={console} loglevel=4 panic=-1{memory}{root} {shape.arguments}".strip()


def make(shape):
    """The ISO for this shape, made only if there is none yet."""
    files = debian.make() if shape.system == "debian" else image.make()
    if shape.hypervisor == "tern":
        build.build("dev" if shape.debug else "release", ("tern-hypervisor",))
    body = (WITHOUT if shape.hypervisor == "none" else WITH_HYPERVISOR).format(
        options=iso.word(options(shape)), arguments=iso.word(arguments(shape)))
    placed = {"kernel": getattr(files, shape.kernel), "initramfs": files.initramfs}
    if shape.hypervisor == "tern":
        placed["hypervisor"] = paths.image("dev" if shape.debug else "release")
    elif shape.hypervisor == "xen":
        placed["hypervisor"] = image.make().xen
    digest = hashlib.sha256(repr(body).encode()).hexdigest()[:8]
    made = iso.pack(f"host-{shape.system}-{shape.hypervisor}-{shape.kernel}-{digest}", body, placed, stripped=("hypervisor",) if shape.hypervisor == "tern" else ())
    old = sorted(made.parent.glob("host-*.iso"), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]
    for path in old:
        path.unlink(missing_ok=True)  # a machine that runs from it keeps it
        path.with_suffix(".key").unlink(missing_ok=True)
    return made
