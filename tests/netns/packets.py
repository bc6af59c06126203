# SPDX-License-Identifier: MIT
"""Reads the files that sniff.py writes: each packet with the fields that tests ask for."""

import ipaddress
import struct

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
IPV6_SKIPPED = (0, 43, 60)  # hop-by-hop, routing and destination headers: (next, length) first


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Packet:
    """An IP packet: version src dst protocol ttl tos df more_fragments fragment_offset identification
    flow_label sport dport payload (of the transport), for TCP flags and mss, for ICMP type and code.
    What a packet does not have is None."""

    def __init__(self, time, raw):
        self.time, self.raw = time, raw
        self.sport = self.dport = self.flags = self.mss = self.type = self.code = None
        self.df = self.identification = self.flow_label = None
        self.more_fragments, self.fragment_offset, self.payload = False, 0, b""
        self.version = raw[0] >> 4
        (self.parse_ipv4 if self.version == 4 else self.parse_ipv6)()
        if self.fragment_offset == 0:
            self.parse_transport()

    def parse_ipv4(self):
        raw = self.raw
        self.tos, total, self.identification, fragment = struct.unpack("!xBHHH", raw[:8])
        self.ttl, self.protocol = raw[8], raw[9]
        self.df, self.more_fragments = bool(fragment & 0x4000), bool(fragment & 0x2000)
        self.fragment_offset = (fragment & 0x1fff) * 8
        self.src, self.dst = (str(ipaddress.IPv4Address(raw[at:at + 4])) for at in (12, 16))
        self.length, self.header_bytes = total or len(raw), (raw[0] & 15) * 4
        self.transport = raw[self.header_bytes:self.length]

    def parse_ipv6(self):
        raw = self.raw
        first, length, following, self.ttl = struct.unpack("!IHBB", raw[:8])
        self.tos, self.flow_label = first >> 20 & 0xff, first & 0xfffff
        self.src, self.dst = (str(ipaddress.IPv6Address(raw[at:at + 16])) for at in (8, 24))
        self.length, at = length + 40 if length else len(raw), 40
        while following in IPV6_SKIPPED or following == 44:
            if following == 44:
                fragment, self.identification = struct.unpack("!xxHI", raw[at:at + 8])
                self.fragment_offset, self.more_fragments = fragment & ~7, bool(fragment & 1)
                following, at = raw[at], at + 8
            else:
                following, at = raw[at], at + 8 + raw[at + 1] * 8
        self.protocol, self.header_bytes = following, at
        self.transport = raw[at:self.length]

    def parse_transport(self):
        data = self.transport
        if self.protocol == UDP and len(data) >= 8:
            self.sport, self.dport = struct.unpack("!HH", data[:4])
            self.payload = data[8:]
        elif self.protocol == TCP and len(data) >= 20:
            self.sport, self.dport = struct.unpack("!HH", data[:4])
            self.flags, header = data[13], (data[12] >> 4) * 4
            self.payload = data[header:]
            self.parse_tcp_options(data[20:header])
        elif self.protocol in (ICMP, ICMPV6) and len(data) >= 8:
            self.type, self.code = data[0], data[1]
            self.payload = data[8:]

    def parse_tcp_options(self, options):
        while options and options[0] != 0:
            size = 1 if options[0] == 1 else options[1] if len(options) > 1 else 0
            if size == 0:
                return
            if options[0] == 2 and size == 4:
                self.mss = struct.unpack("!H", options[2:4])[0]
            options = options[size:]

    def is_syn(self):
        return self.flags is not None and self.flags & 2 != 0

    def is_too_big(self):
        return ((self.protocol == ICMP and (self.type, self.code) == (3, 4))
                or (self.protocol == ICMPV6 and self.type == 2))

    def quoted(self):
        """The packet that an ICMP error quotes (cut off as it may be)."""
        return Packet(self.time, self.payload)

    def checksum_is_right(self):
        """Of the transport, and of an IPv4 header. Only for packets that were captured whole, where
        no offload was still to fill it in."""
        if self.version == 4 and checksum(self.raw[:self.header_bytes]) != 0:
            return False
        if self.protocol == ICMP:
            return checksum(self.transport) == 0
        addresses = b"".join(ipaddress.ip_address(text).packed for text in (self.src, self.dst))
        pseudo = addresses + struct.pack("!II", len(self.transport), self.protocol)
        return checksum(pseudo + self.transport) == 0

    def concerns(self, prefix):
        """Source or destination lies in the prefix."""
        network = ipaddress.ip_network(prefix)
        return any(ipaddress.ip_address(text) in network for text in (self.src, self.dst))

    def is_link_local(self):
        return any(ipaddress.ip_address(text).is_link_local or ipaddress.ip_address(text).is_multicast
                   for text in (self.src, self.dst)) or self.type in (135, 136)

    def __repr__(self):
        ports = f" {self.sport}>{self.dport}" if self.sport is not None else ""
        icmp = f" type {self.type} code {self.code}" if self.type is not None else ""
        return f"<{self.src} > {self.dst} protocol {self.protocol}{ports}{icmp}, {self.length} bytes>"


def read_pcap(path):
    """All IP packets of the file; a last one that is still being written is left out."""
    with open(path, "rb") as file:
        data = file.read()
    found, at = [], 24
    while at + 16 <= len(data):
        seconds, micros, captured, length = struct.unpack("<IIII", data[at:at + 16])
        raw = data[at + 16:at + 16 + captured]
        if len(raw) < captured:
            break
        at += 16 + captured
        if captured >= 20 and raw[0] >> 4 in (4, 6):
            found.append(Packet(seconds + micros / 1e6, raw))
    return found


def make(src, dst, protocol, transport, ttl=64, tos=0, df=False, identification=1):
    """An IP packet; the transport's checksum must be in it already (see make_udp)."""
    source, target = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(transport), protocol,
                           ttl) + source.packed + target.packed + transport
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(transport), identification,
                       0x4000 if df else 0, ttl, protocol, 0) + source.packed + target.packed
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + transport


def with_checksum(src, dst, protocol, transport, at):
    """The transport with its checksum, pseudo-header included, at that byte."""
    addresses = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
    value = checksum(addresses + struct.pack("!II", len(transport), protocol) + transport)
    return transport[:at] + struct.pack("!H", value or 0xffff) + transport[at + 2:]


def make_udp(src, dst, sport, dport, payload=b"", **options):
    transport = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    return make(src, dst, UDP, with_checksum(src, dst, UDP, transport, 6), **options)


def make_syn(src, dst, sport, dport, mss, **options):
    transport = struct.pack("!HHIIBBHHHBBH", sport, dport, 1000, 0, 6 << 4, 2, 64240, 0, 0, 2, 4, mss)
    return make(src, dst, TCP, with_checksum(src, dst, TCP, transport, 16), **options)
