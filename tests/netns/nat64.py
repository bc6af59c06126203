# SPDX-License-Identifier: MIT
"""A NAT64 (RFC 6146) as small as a test needs it, for UDP: what is sent to PREFIX::/96 goes on in IPv4
from POOL, by the sender's port, and the answers come back.

    nat64.py INTERFACE PREFIX POOL

Makes the TUN interface and prints "ready"; routes are the caller's."""

import fcntl
import ipaddress
import os
import struct
import subprocess
import sys

import packets

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000


def main():
    name, prefix, pool = sys.argv[1], ipaddress.ip_address(sys.argv[2]).packed[:12], sys.argv[3]
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", name, "mtu", "1500", "up"], check=True)
    print("ready", flush=True)
    senders = {}
    while True:
        packet = packets.Packet(0, os.read(tun, 65536))
        if packet.protocol != packets.UDP or packet.sport is None:
            continue
        if packet.version == 6 and packet.raw[24:36] == prefix:
            senders[packet.sport] = packet.src
            os.write(tun, packets.make_udp(pool, str(ipaddress.ip_address(packet.raw[36:40])),
                                           packet.sport, packet.dport, packet.payload))
        elif packet.version == 4 and packet.dport in senders:
            source = str(ipaddress.ip_address(prefix + ipaddress.ip_address(packet.src).packed))
            os.write(tun, packets.make_udp(source, senders[packet.dport], packet.sport, packet.dport,
                                           packet.payload))


if __name__ == "__main__":
    main()
