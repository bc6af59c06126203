# SPDX-License-Identifier: MIT
"""Random packets as recipes: a recipe writes itself for any pair of addresses, with every checksum
computed from scratch, so the same recipe with another address is what a translation must give."""

import struct

from packets import ICMP, ICMPV6, TCP, UDP, checksum

SCTP, GRE, ESP, UDPLITE, DCCP, AH, NONE, IPIP, IPV6_IN_IP = 132, 47, 50, 136, 33, 51, 59, 4, 41
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
PSEUDO = {TCP: 16, UDP: 6, ICMPV6: 2, UDPLITE: 6}  # where a sum over the pseudo-header stands
VXLAN_TCP = 8 + 8 + 14 + 20  # where the inner TCP stands behind the outer UDP's first byte
CRC32C = []
for number in range(256):
    for _ in range(8):
        number = number >> 1 ^ (0x82f63b78 if number & 1 else 0)
    CRC32C.append(number)


def crc32c(data):
    value = 0xffffffff
    for byte in data:
        value = value >> 8 ^ CRC32C[(value ^ byte) & 255]
    return value ^ 0xffffffff


def put16(data, at, value):
    return data[:at] + struct.pack("!H", value) + data[at + 2:]


class Quote:
    """What an ICMP error says of a recipe's packet (of its fragments the one of that index): the
    first `most` bytes, and an extension behind it (RFC 4884) or none."""

    def __init__(self, recipe, source, destination, most, index=0, extension=b""):
        self.recipe, self.addresses = recipe, (source, destination)
        self.most, self.index, self.extension = most, index, extension

    def packet(self):
        return self.recipe.packets(*self.addresses)[self.index]

    def transport_bytes(self):
        """(how much of the quoted transport there is, how long it was)"""
        payload = self.recipe.payload_for(*self.addresses)
        if self.index:
            return 0, len(payload)
        headers = len(self.recipe.whole(*self.addresses)) - len(payload)
        headers += 8 if self.recipe.cuts and self.recipe.version == 6 else 0
        return min(self.most, len(self.packet())) - headers, len(payload)

    def written_behind(self, message):
        """The message's 8 bytes with the quote and all behind it."""
        quoted = self.packet()[:self.most]
        if not self.extension:
            return message + quoted
        at, unit = (5, 4) if self.recipe.version == 4 else (4, 8)
        quoted += bytes(max(128 - len(quoted), -len(quoted) % unit))
        message = message[:at] + bytes([len(quoted) // unit]) + message[at + 1:]
        return message + quoted + self.extension


class Recipe:
    """One packet but for its addresses (packed bytes). `words` are what its report says."""

    def __init__(self, random, version, protocol, transport, words):
        self.version, self.protocol, self.transport, self.words = version, protocol, transport, words
        self.tos, self.ttl = random.randrange(256), random.randrange(2, 256)
        self.identification = random.randrange(1 << 32)
        self.options, self.chain = b"", []  # IPv4; IPv6: (kind, body) in order
        self.has_no_checksum = False
        self.damage = 0      # added to the transport checksum
        self.quote = None    # an ICMP error: a Quote
        self.partial = None  # "own": the transport's checksum, "inner": that of TCP in VXLAN
        self.cuts = []       # fragments end here, bytes of the fragmentable part
        self.zero_for = None  # addresses for which the last two bytes make the checksum 0

    def payload_for(self, source, destination):
        data = self.transport
        if self.quote:
            data = self.quote.written_behind(data)
        at = PSEUDO.get(self.protocol)
        if self.protocol == ICMP and len(data) >= 4:
            return put16(data, 2, checksum(put16(data, 2, 0)))
        if self.protocol == SCTP and len(data) >= 12:
            bare = data[:8] + bytes(4) + data[12:]
            return data[:8] + struct.pack("<I", crc32c(bare)) + data[12:]
        if at is None or len(data) < at + 2:
            return data
        if self.has_no_checksum:
            return put16(data, at, 0)
        if self.zero_for:
            filler = self.sum(*self.zero_for, put16(data, at, 0)[:-2] + bytes(2))
            data = data[:-2] + struct.pack("!H", filler)
        value = self.sum(source, destination, put16(data, at, 0))
        if self.damage:
            value = (value + self.damage) % 0xffff
        # Who completes a partial sum does not know of what protocol: 0xffff, which is 0 for all.
        never_zero = self.protocol in (UDP, UDPLITE) or self.partial == "own"
        return put16(data, at, value or (0xffff if never_zero else 0))

    def partly_summed(self, source, destination):
        """As a TUN hands it out: (the packet, csum_start, csum_offset)."""
        packet, start = self.whole(source, destination), None
        start = len(packet) - len(self.payload_for(source, destination))
        offset, pseudo = PSEUDO[self.protocol], (source, destination, self.protocol)
        if self.partial == "inner":
            start += VXLAN_TCP
            offset, pseudo = 16, (packet[start - 8:start - 4], packet[start - 4:start], TCP)
        length = struct.pack("!II", len(packet) - start, pseudo[2])
        return put16(packet, start + offset,
                     checksum(pseudo[0] + pseudo[1] + length) ^ 0xffff), start, offset

    def sum(self, source, destination, data):
        return checksum(source + destination + struct.pack("!II", len(data), self.protocol) + data)

    def head(self, source, destination, length, fragment, next_header=None):
        if self.version == 6:
            first = struct.pack("!IHBB", 6 << 28 | self.tos << 20 | self.identification & 0xfffff,
                                length, next_header, self.ttl)
            return first + source + destination
        size = 20 + len(self.options)
        first = struct.pack("!BBHHHBBH", 0x40 | size // 4, self.tos, size + length,
                            self.identification & 0xffff, fragment, self.ttl, self.protocol, 0)
        first += source + destination + self.options
        return put16(first, 10, checksum(first))

    def chained(self, kinds, last):
        """Extension headers, each naming the next; the last one names `last`."""
        following = [kind for kind, _ in kinds[1:]] + [last]
        return b"".join(bytes([after]) + body for (_, body), after in zip(kinds, following))

    def parts(self, source, destination):
        """IPv6: what every fragment repeats, the kind of header that is cut first, what is cut."""
        ends = [at for at, part in enumerate(self.chain, 1) if part[0] in (HOP_BY_HOP, ROUTING)]
        front, back = self.chain[:max(ends, default=0)], self.chain[max(ends, default=0):]
        behind = back[0][0] if back else self.protocol
        return front, behind, self.chained(back, self.protocol) + self.payload_for(source, destination)

    def whole(self, source, destination):
        if self.version == 4:
            body = self.payload_for(source, destination)
            return self.head(source, destination, len(body), 0) + body
        front, behind, body = self.parts(source, destination)
        body = self.chained(front, behind) + body
        return self.head(source, destination, len(body), 0, front[0][0] if front else behind) + body

    def packets(self, source, destination):
        """The whole, or its fragments in order."""
        if not self.cuts:
            return [self.whole(source, destination)]
        if self.version == 4:
            front, behind, body = [], None, self.payload_for(source, destination)
        else:
            front, behind, body = self.parts(source, destination)
        found, edges = [], [0, *self.cuts, len(body)]
        for start, end in zip(edges, edges[1:]):
            more, piece = end < len(body), body[start:end]
            if self.version == 4:
                found.append(self.head(source, destination, len(piece), start // 8 | more << 13)
                             + piece)
                continue
            fragment = struct.pack("!BHI", 0, start | more, self.identification)
            piece = self.chained(front + [(FRAGMENT, fragment)], behind) + piece
            found.append(self.head(source, destination, len(piece), 0,
                                   front[0][0] if front else FRAGMENT) + piece)
        return found


def find_fragment(packet):
    """IPv6: (where the fragment header stands, where the byte that names it), or None."""
    kind, at, named = packet[6], 40, 6
    while kind in (HOP_BY_HOP, ROUTING, DESTINATION):
        kind, named, at = packet[at], at, at + (packet[at + 1] + 1) * 8
    return (at, named) if kind == FRAGMENT else None


def normalise(packets):
    """The packets as one whole with TTL and header checksum 0 (and no fragment header); None when
    pieces are missing. The IPv4 header checksums must be right."""
    if not packets:
        return None
    pieces, header = {}, b""
    for packet in packets:
        if packet[0] >> 4 == 4:
            size = (packet[0] & 15) * 4
            assert checksum(packet[:size]) == 0, f"a header checksum: {packet.hex()}"
            word = struct.unpack("!H", packet[6:8])[0]
            start, more, own = (word & 0x1fff) * 8, word >> 13 & 1, packet[:size]
            own = own[:2] + bytes(2) + own[4:6] + struct.pack("!H", word & 0x4000) + b"\0" + \
                own[9:10] + bytes(2) + own[12:]
        else:
            found, size, start, more, own = find_fragment(packet), 40, 0, 0, packet[:40]
            if found:
                at, named = found
                size, own = at + 8, packet[:named] + packet[at:at + 1] + packet[named + 1:at]
                word = struct.unpack("!H", packet[at + 2:at + 4])[0]
                start, more = word & 0xfff8, word & 1
            own = own[:4] + bytes(2) + own[6:7] + b"\0" + own[8:]
        if start == 0:
            header = own
        pieces[start] = (more, packet[size:])
    body = b""
    while len(body) in pieces:
        more, piece = pieces.pop(len(body))
        body += piece
        if not more:
            return header + body if header and not pieces else None
        if not piece:
            break
    return None


def random_transport(random, version):
    """(protocol, transport bytes without a checksum, words)"""
    ports = struct.pack("!HH", random.randrange(1024, 65536), random.randrange(1, 65536))
    payload = random.randbytes(random.choice((0, 1, 2, 7, 8, 40, 41, random.randrange(1300))))
    kind = random.randrange(12)
    if kind < 3:
        options = random.choice((b"", b"\1\1\1\0", b"\2\4\5\xb4", bytes([1, 1, 8, 10]) + bytes(8)))
        flags = random.choice((2, 16, 24, 16, 17, random.randrange(256)))
        head = ports + random.randbytes(8) + bytes([(20 + len(options)) << 2, flags])
        return TCP, head + random.randbytes(2) + bytes(4) + options + payload, "tcp"
    if kind < 6:
        return UDP, ports + struct.pack("!HH", 8 + len(payload), 0) + payload, "udp"
    if kind == 6:
        init = b"\1\0\0\x14" + random.randbytes(16)
        return SCTP, ports + bytes(8) + init, "sctp"
    if kind == 7:
        return GRE, random.choice((b"\0\0\x08\0", b"\x20\0\x08\0" + random.randbytes(4))) + bytes(8) + payload, "gre"
    if kind == 8:
        return ESP, random.randbytes(8) + payload, "esp"
    if kind == 9:
        return random.choice((IPIP, IPV6_IN_IP)), payload, "ip in ip"
    if version == 4:
        type = random.choice((8, 8, 8, 13, 15, 17, 0, 9, 10, 14, random.randrange(13, 256)))
        return ICMP, bytes([type, 0, 0, 0]) + random.randbytes(4) + payload, f"icmp type {type}"
    type = random.choice((128, 128, 128, 139, 129, 133, 135, random.randrange(138, 256)))
    return ICMPV6, bytes([type, 0, 0, 0]) + random.randbytes(4) + payload, f"icmpv6 type {type}"


def vxlan(random):
    """(UDP, transport bytes, words): TCP in IPv4 in VXLAN, its checksum right."""
    inner = random.randbytes(12) + b"\x50\x10" + random.randbytes(2) + bytes(4) + random.randbytes(61)
    addresses = b"\x0a\1\1\1\x0a\1\1\2"
    inner = put16(inner, 16, checksum(addresses + struct.pack("!II", len(inner), TCP) + inner) or 0xffff)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 7, 0, 64, TCP, 0) + addresses
    frame = random.randbytes(12) + b"\x08\0" + put16(head, 10, checksum(head)) + inner
    payload = b"\x08\0\0\0\0\0\x2a\0" + frame
    ports = struct.pack("!HHHH", random.randrange(1024, 65536), 4789, 8 + len(payload), 0)
    return UDP, ports + payload, "vxlan"


def extension_header(random, kind):
    if kind == FRAGMENT:  # of a packet that is not cut (RFC 6946)
        return kind, struct.pack("!BHI", 0, 0, random.randrange(1 << 32))
    if kind == ROUTING:
        return kind, b"\0\4\0" + bytes(4)
    return kind, random.choice((b"\0\1\4\0\0\0\0", b"\0\x1e\4abcd", b"\1\x1e\x0c" + bytes(12)))


def decorate(random, recipe):
    """Options or extension headers, sometimes."""
    if recipe.version == 4:
        # no operation, router alert, an unknown option, a stream, the end
        recipe.options = random.choice((b"", b"", b"\1\1\1\0", b"\x94\4\0\0", b"\x5e\6abcd\1\0",
                                        b"\x88\4ab", bytes([1] * 40)))
        return
    for kind, chance in ((HOP_BY_HOP, 5), (DESTINATION, 9), (ROUTING, 8), (DESTINATION, 4),
                         (DESTINATION, 9)):
        if random.randrange(chance) == 0:
            recipe.chain.append(extension_header(random, kind))


def cut(random, recipe, source, destination, first_least):
    """Fragments of any cut; the first one holds at least so many bytes of the body."""
    body = len(recipe.parts(source, destination)[2] if recipe.version == 6
               else recipe.payload_for(source, destination))
    places = [at for at in range(8, body, 8) if at >= first_least]
    if places:
        recipe.cuts = sorted(random.sample(places, min(len(places), random.choice((1, 1, 2, 5)))))
        recipe.words += f" cut at {recipe.cuts}"
