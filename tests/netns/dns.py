# SPDX-License-Identifier: MIT
"""A name server that knows what its arguments say, over UDP.

    dns.py NAME=ADDRESS …

Prints "ready", then each question as "asked NAME TYPE". A name that it does not know gets
NXDOMAIN; a known one without an address of the family an empty answer."""

import ipaddress
import socket
import struct
import sys

TYPES = {1: 4, 28: 6}


def read_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii", "replace"))
        at += 1 + packet[at]
    return ".".join(labels).lower(), at + 1


def answer(query, table):
    name, end = read_name(query, 12)
    kind = struct.unpack("!H", query[end:end + 2])[0]
    print("asked", name, kind, flush=True)
    records = b""
    for address in table.get(name, []):
        if address.version == TYPES.get(kind):
            records += struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(address.packed))
            records += address.packed
    count = sum(address.version == TYPES.get(kind) for address in table.get(name, []))
    flags = 0x8580 | (0 if name in table else 3)
    return query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + query[12:end + 4] + records


def main():
    table = {}
    for argument in sys.argv[1:]:
        name, address = argument.split("=")
        table.setdefault(name, []).append(ipaddress.ip_address(address))
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", 53))
    print("ready", flush=True)
    while True:
        query, sender = server.recvfrom(4096)
        server.sendto(answer(query, table), sender)


if __name__ == "__main__":
    main()
