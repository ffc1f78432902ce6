"""Archives in cpio's "newc" form, as Linux unpacks them: everything belongs to root, and no time is kept, so that the
same files give the same bytes."""
import dataclasses
import stat


@dataclasses.dataclass(frozen=True)
class Entry:
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(data, mode=0o644):
    return Entry(stat.S_IFREG | mode, data)


def link(target):
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def folder(mode=0o755):
    return Entry(stat.S_IFDIR | mode)


def character_device(major, minor, mode=0o600):
    return Entry(stat.S_IFCHR | mode, device=(major, minor))


def with_folders(entries):
    """The same entries and the folders above them."""
    parents = {"/".join(path.split("/")[:depth]) for path in entries for depth in range(1, path.count("/") + 1)}
    return {**{path: folder() for path in parents}, **entries}


def record(number, path, entry):
    name = path.encode() + b"\0"
    fields = (number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields)
    return padded(head + name) + padded(entry.data)


def padded(data):
    return data + bytes(-len(data) % 4)


def archive(entries):
    """`entries`: path, without a leading slash, -> Entry. Folders come before what they hold."""
    records = [record(number, path, entry) for number, (path, entry) in enumerate(sorted(with_folders(entries).items()), 1)]
    return b"".join(records) + record(0, "TRAILER!!!", Entry(0))
