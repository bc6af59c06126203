# SPDX-License-Identifier: MIT
"""Sends packets through the kernel of this namespace and tells what came out.

    kernel_nat.py INSIDE OUTSIDE

Both are TUN interfaces. Each line of standard input is `INSIDE|OUTSIDE HEX…`: packets that arrive
there; `HEX/START/OFFSET` is one whose checksum is partial. Each answer line holds what left
meanwhile, as `INTERFACE:HEX` words. `wait S` answers nothing and listens for S seconds."""

import fcntl
import os
import select
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 1, 0x1000, 0x4000
VNET_HEADER_BYTES, NEEDS_CSUM = 10, 1
PATIENCE_S = 0.02  # a TUN answers while it is written to: this is for what is dropped


def attach(name):
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(),
                                            IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    return tun


def with_header(word):
    packet, *partial = word.split("/")
    start, offset = (int(number) for number in partial) if partial else (0, 0)
    return struct.pack("BBHHHH", NEEDS_CSUM if partial else 0, 0, 0, 0, start,
                       offset) + bytes.fromhex(packet)


def is_neighbourly(packet):
    """Router solicitations and the like: not what was asked for."""
    return packet[0] >> 4 == 6 and (packet[24] == 0xff or packet[8:10] == b"\xfe\x80")


def collect(tuns, patience):
    found = []
    while select.select(list(tuns.values()), [], [], 0 if found else patience)[0]:
        for name, tun in tuns.items():
            try:
                packet = os.read(tun, 1 << 17)[VNET_HEADER_BYTES:]
            except BlockingIOError:
                continue
            if not is_neighbourly(packet):
                found.append(f"{name}:{packet.hex()}")
    return found


def main():
    tuns = {name: attach(name) for name in sys.argv[1:3]}
    print("attached", file=sys.stderr, flush=True)
    for line in sys.stdin:
        name, *packets = line.split()
        if name == "wait":  # until the interfaces are configured
            collect(tuns, float(packets[0]))
            continue
        for packet in packets:
            try:
                os.write(tuns[name], with_header(packet))
            except OSError:
                pass  # the kernel does not take it: it answers nothing
        print(" ".join(collect(tuns, PATIENCE_S)))


if __name__ == "__main__":
    main()
