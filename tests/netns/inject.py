# SPDX-License-Identifier: MIT
"""Sends IP packets (hex, one a line on standard input) into an interface as they are.

    inject.py INTERFACE [PACKETS-A-SECOND SECONDS]

With a rate they are sent in turn, again and again; then it prints how many were sent."""

import socket
import sys
import time


def send(sender, packet):
    protocol = 0x0800 if packet[0] >> 4 == 4 else 0x86dd
    # On a cable without an address the frame would go to whoever the memory names.
    sender.sendto(packet, (sys.argv[1], protocol, 0, 0, b"\xff" * 6))


def flood(sender, packets, rate, seconds):
    began, sent = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        while sent < now * rate:
            try:
                send(sender, packets[sent % len(packets)])
            except OSError:
                pass  # the interface's queue is full
            sent += 1
        time.sleep(0.001)
    print(sent)


if __name__ == "__main__":
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    packets = [bytes.fromhex(line) for line in sys.stdin]
    if len(sys.argv) > 2:
        flood(sender, packets, int(sys.argv[2]), float(sys.argv[3]))
    else:
        for packet in packets:
            send(sender, packet)
