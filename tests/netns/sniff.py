# SPDX-License-Identifier: MIT
"""Writes what passes an interface, both ways, as a pcap file of raw IP packets.

    sniff.py INTERFACE FILE [SNAP-BYTES]

Prints "listening" when it does. On SIGTERM it drains the socket, so that everything that passed
before the signal is in the file, and ends; status 1 if the kernel dropped anything. (tcpdump wants
to change its user and cannot in a user namespace, and it can leave packets unread when it ends.)"""

import select
import signal
import socket
import struct
import sys
import time

ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 3, 263, 6, 33
WANTED = (0x0800, 0x86dd)


def main():
    interface, path = sys.argv[1:3]
    snap = int(sys.argv[3]) if len(sys.argv) > 3 else 65535
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    try:
        sniffer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
    except OSError:
        sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 << 20)
    sniffer.bind((interface, ETH_P_ALL))
    sniffer.setblocking(False)
    wake, signalled = socket.socketpair()
    signal.signal(signal.SIGTERM, lambda number, frame: signalled.send(b"."))
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        print("listening", flush=True)
        ends = False
        while not ends:
            ends = wake in select.select([sniffer, wake], [], [])[0]
            while True:
                try:
                    packet, (_, protocol, *_) = sniffer.recvfrom(1 << 18)
                except (BlockingIOError, OSError):
                    break
                if protocol in WANTED:
                    now = time.time()
                    head = struct.pack("<IIII", int(now), int(now % 1 * 1e6),
                                       min(snap, len(packet)), len(packet))
                    file.write(head + packet[:snap])
            file.flush()
    dropped = struct.unpack("II", sniffer.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
    if dropped:
        sys.exit(f"{dropped} packets dropped")


if __name__ == "__main__":
    main()
