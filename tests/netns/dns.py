# SPDX-License-Identifier: MIT
"""A name server that knows what its arguments say, over UDP and TCP.

    dns.py [--room BYTES] [--empty] [--old] NAME=ADDRESS …

Prints "ready", then each question as "asked NAME TYPE [over tcp] [with room for BYTES]". A name that
it does not know gets NXDOMAIN; a known one without an address of the family an empty answer. What does
not fit into the asker's room (EDNS0, else 512; at most --room) is cut after a whole record, or before
the first (--empty), and marked as truncated. --old: a server that has never heard of EDNS0."""

import argparse
import ipaddress
import socket
import struct
import threading

TYPES = {1: 4, 28: 6}
OPT = 41


def read_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii", "replace"))
        at += 1 + packet[at]
    return ".".join(labels).lower(), at + 1


def answer(query, table, options, over_tcp):
    name, end = read_name(query, 12)
    kind = struct.unpack("!H", query[end:end + 2])[0]
    question, additional = query[12:end + 4], query[end + 4:]
    room, head = 512, b""
    if struct.unpack("!H", query[10:12])[0] and additional[1:3] == struct.pack("!H", OPT):
        room = struct.unpack("!H", additional[3:5])[0]
        head = struct.pack("!BHHIH", 0, OPT, 1232, 0, 0)
    print("asked", name, kind, *(["over tcp"] if over_tcp else []),
          *([f"with room for {room}"] if head else []), flush=True)
    if head and options.old:
        return query[:2] + struct.pack("!HHHHH", 0x8181, 1, 0, 0, 0) + question  # FORMERR
    room = 65535 if over_tcp else min(room, options.room)
    known = [a for a in table.get(name, []) if a.version == TYPES.get(kind)]
    records = [struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(a.packed)) + a.packed for a in known]
    left = room - 12 - len(question) - len(head)
    fitting = left // len(records[0]) if records else 0
    is_cut = len(records) > fitting
    if is_cut:
        records = [] if options.empty else records[:fitting]
    flags = 0x8580 | (0 if name in table else 3) | (0x200 if is_cut else 0)
    return (query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, bool(head)) + question
            + b"".join(records) + head)


def bound(kind):
    server = socket.socket(socket.AF_INET6, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", 53))
    return server


def serve_tcp(server, table, options):
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as file:
            while len(head := file.read(2)) == 2:
                query = file.read(struct.unpack("!H", head)[0])
                told = answer(query, table, options, True)
                connection.sendall(struct.pack("!H", len(told)) + told)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--room", type=int, default=65535)
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--old", action="store_true")
    parser.add_argument("records", nargs="*")
    options, table = parser.parse_args(), {}
    for argument in options.records:
        name, address = argument.split("=")
        table.setdefault(name, []).append(ipaddress.ip_address(address))
    udp, tcp = bound(socket.SOCK_DGRAM), bound(socket.SOCK_STREAM)
    tcp.listen()
    threading.Thread(target=serve_tcp, args=(tcp, table, options), daemon=True).start()
    print("ready", flush=True)
    while True:
        query, sender = udp.recvfrom(4096)
        udp.sendto(answer(query, table, options, False), sender)


if __name__ == "__main__":
    main()
