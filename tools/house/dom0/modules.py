"""Kernel modules: which ones others need, and the lists that modprobe reads. Both stand in the modules themselves."""
from house.dom0 import elf
from house.say import Failure


def name_of(path):
    return path.name.partition(".ko")[0].replace("-", "_")


def information(data):
    """(key, value) pairs: "depends", "alias" ..."""
    return [line.decode().partition("=")[::2] for line in elf.section(data, ".modinfo").split(b"\0") if b"=" in line]


def depends(info):
    return [name.replace("-", "_") for key, value in info if key == "depends" for name in value.split(",") if name]


def load(tree):
    """name -> path, of all modules in a tree."""
    return {name_of(path): path for path in sorted(tree.rglob("*.ko"))}


def closure(available, wanted):
    """name -> (path, data, information), of the wanted modules and all that they depend on."""
    found, waiting = {}, [name.replace("-", "_") for name in wanted]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in available:
            raise Failure(f"the kernel's package has no module {name}")
        data = available[name].read_bytes()
        info = information(data)
        found[name] = (available[name], data, info)
        waiting += depends(info)
    return found


def all_depends(infos, name):
    """What must be there before `name`, the nearest first: the order in which modules.dep has them."""
    found = []
    waiting = depends(infos[name])
    while waiting:
        one = waiting.pop(0)
        found = [other for other in found if other != one] + [one]
        waiting += depends(infos[one])
    return found


def lists(infos, files):
    """The texts of modules.dep and modules.alias. `files`: name -> the module's path below the folder of the lists."""
    dep = "".join(f"{files[name]}: {' '.join(files[one] for one in all_depends(infos, name))}".rstrip() + "\n"
                  for name in sorted(infos))
    alias = "".join(f"alias {value} {name}\n" for name in sorted(infos) for key, value in infos[name] if key == "alias")
    return dep, alias
