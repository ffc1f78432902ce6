"""As much of ELF (64 bits, little-endian) as it takes to see what a file needs."""
import struct

PT_INTERP, PT_LOAD, PT_DYNAMIC = 3, 1, 2
DT_NEEDED, DT_STRTAB = 1, 5


def is_elf(data):
    return data[:6] == b"\x7fELF\x02\x01"


def text_at(data, offset):
    return data[offset:data.index(b"\0", offset)].decode()


def segments(data):
    """(type, offset, address, size in the file) of each."""
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    for at in range(start, start + count * size, size):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, at)
        yield kind, offset, address, length


def needs(data):
    """The names of the shared libraries, and the path of the interpreter, that this file names; none if it is static."""
    if not is_elf(data):
        return []
    found = list(segments(data))
    entries = [struct.unpack_from("<qQ", data, at) for kind, offset, _, length in found if kind == PT_DYNAMIC
               for at in range(offset, offset + length, 16)]
    needed = [text_at(data, offset) for kind, offset, _, _ in found if kind == PT_INTERP]
    for tag, strings in entries:
        if tag == DT_STRTAB:
            offset = next(strings - address + offset for kind, offset, address, length in found
                          if kind == PT_LOAD and address <= strings < address + length)
            needed += [text_at(data, offset + value) for tag, value in entries if tag == DT_NEEDED]
    return needed


def section(data, wanted):
    """The bytes of the section of that name; empty if there is none."""
    start, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, start + number * size) for number in range(count)]
    strings = headers[names][4]
    for name, _, _, _, offset, length in headers:
        if text_at(data, strings + name) == wanted:
            return data[offset:offset + length]
    return b""
