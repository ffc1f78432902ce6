#!/usr/bin/env python3
"""Makes the image's table of symbols: `nm` output in, assembly out (read by backtrace.cpp).

    count, addresses[count] (rising, from the image's offset on), places[count] of names, names (length byte first)

Arguments of functions are left out: a name is for reading, and the image is small.
"""
import re
import sys

IMAGE_OFFSET = 0xFFFF82D080000000


def short(name: str) -> str:
    name = name.replace("(anonymous namespace)::", "")
    name = re.sub(r"\[abi:\w+\]", "", name)
    return (re.sub(r"\(.*", "", name) or name)[:255]


def symbols(lines):
    found = {}
    for line in lines:
        address, kind, name = line.rstrip("\n").split(" ", 2)
        if kind in "tT" and int(address, 16) > IMAGE_OFFSET:
            found[int(address, 16) - IMAGE_OFFSET] = short(name)
    return sorted(found.items())


def main():
    table = symbols(sys.stdin)
    places, names = [], {}
    end = 0
    for _, name in table:
        if name not in names:
            names[name] = end
            end += len(name) + 1
        places.append(names[name])
    print('    .section .symbols, "a", @progbits\n    .balign 4')
    print(f"    .long {len(table)}")
    for address, _ in table:
        print(f"    .long {address:#x}")
    for place in places:
        print(f"    .long {place}")
    for name in names:
        print(f'    .byte {len(name)}\n    .ascii "{name}"')
    print('    .section .note.GNU-stack, "", @progbits')


main()
