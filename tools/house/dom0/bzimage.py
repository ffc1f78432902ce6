"""The ELF file inside a packaged Linux kernel. Offsets are those of Linux's x86 boot protocol (Documentation/x86/boot.rst)."""
import lzma
import struct

from house.say import Failure

SECTOR = 512


def payload(image):
    """The compressed kernel, and what else lies in its place."""
    if image[0x202:0x206] != b"HdrS" or struct.unpack_from("<H", image, 0x206)[0] < 0x208:
        raise Failure("the kernel is no bzImage that says where its payload lies")
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (1 + setup_sectors) * SECTOR + offset
    return image[begin:begin + length]


def extract(image):
    packed = payload(image)
    if packed[:6] != b"\xfd7zXZ\0":
        raise Failure("the kernel's payload is not XZ, as Debian's is")
    return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed)  # its length follows, and is ignored
