# SPDX-License-Identifier: MIT
"""Sends IP packets (hex, one a line on standard input) into an interface as they are.

    inject.py INTERFACE"""

import socket
import sys

if __name__ == "__main__":
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    for line in sys.stdin:
        packet = bytes.fromhex(line)
        protocol = 0x0800 if packet[0] >> 4 == 4 else 0x86dd
        sender.sendto(packet, (sys.argv[1], protocol, 0, 0, b""))
