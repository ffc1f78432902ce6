"""Someone on the wire who sends back what comes to him: the far end of a network benchmark.

He has one address, answers who asks for it, and returns every datagram to its sender, addresses and ports exchanged: the sums in
its heads hold as they are.
"""
import struct
import threading

from house.host import hosts

ADDRESS = bytes((10, 0, 0, 254))
STATION = bytes.fromhex("525400540fff")
ARP, IPV4 = 0x0806, 0x0800
REQUEST, REPLY = 1, 2
UDP = 17
ETHERNET = struct.Struct("!6s6sH")
ARP_BODY = struct.Struct("!HHBBH6s4s6s4s")
IPV4_HEAD = struct.Struct("!B8sB2s4s4s")
PORTS = struct.Struct("!HH")
LENGTH = struct.Struct("!I")  # before each frame, as QEMU's stream netdev has it


def answer(frame):
    """What he sends when `frame` comes; None if nothing."""
    if len(frame) < ETHERNET.size:
        return None
    _, sender, kind = ETHERNET.unpack_from(frame)
    if kind == ARP:
        return answer_arp(frame, ADDRESS, STATION)
    body = answer_udp(frame[ETHERNET.size:]) if kind == IPV4 else None
    return body and ETHERNET.pack(sender, STATION, kind) + body


def answer_arp(frame, mine, station):
    """What one whose address is `mine` says to who asks for it; None if nobody does."""
    if len(frame) < ETHERNET.size + ARP_BODY.size or ETHERNET.unpack_from(frame)[2] != ARP:
        return None
    *form, operation, asker, address, _, asked = ARP_BODY.unpack_from(frame, ETHERNET.size)
    if operation != REQUEST or asked != mine:
        return None
    return ETHERNET.pack(asker, station, ARP) + ARP_BODY.pack(*form, REPLY, station, mine, asker, address)


def answer_udp(body):
    if len(body) < IPV4_HEAD.size:
        return None
    version, middle, protocol, checksum, source, destination = IPV4_HEAD.unpack_from(body)
    ports = (version & 0xF) * 4
    if protocol != UDP or destination != ADDRESS or len(body) < ports + PORTS.size:
        return None
    near, far = PORTS.unpack_from(body, ports)
    return (IPV4_HEAD.pack(version, middle, protocol, checksum, destination, source) + body[IPV4_HEAD.size:ports] +
            PORTS.pack(far, near) + body[ports + PORTS.size:])


def receive(end, count):
    data = b""
    while len(data) < count:
        piece = end.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def serve(end):
    """Until the other end goes away."""
    try:
        while True:
            frame = receive(end, *LENGTH.unpack(receive(end, LENGTH.size)))
            back = answer(frame)
            if back:
                end.sendall(LENGTH.pack(len(back)) + back)
    except (EOFError, OSError):
        end.close()


def start(laboratory):
    """At the far end of a laboratory's wire, until the laboratory ends."""
    end = hosts.connect(laboratory.folder, f"wire.{laboratory.shape.hosts - 1}")
    threading.Thread(target=serve, args=(end,), daemon=True).start()
