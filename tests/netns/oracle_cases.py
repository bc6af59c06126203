# SPDX-License-Identifier: MIT
"""The cases of test_oracle.py: packets, what they must become, and what must be refused."""

import copy
import ipaddress
import itertools
import random
import struct

import recipes
from packets import ICMP, ICMPV6, TCP, UDP, checksum
from recipes import Quote, Recipe, normalise, put16

OUT, BACK = "out", "back"
HEADER_BYTES = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}


def naive(packet, direction, to):
    """The packet with another source or destination, its finished checksums adjusted (RFC 1624)."""
    is_ipv4 = packet[0] >> 4 == 4
    at = {True: (12, 16), False: (8, 24)}[is_ipv4][direction == BACK]
    old = packet[at:at + len(to)]
    headers, protocol = ((packet[0] & 15) * 4, packet[9]) if is_ipv4 else (40, packet[6])
    packet = packet[:at] + to + packet[at + len(to):]
    fields = [10] if is_ipv4 else []
    if protocol in recipes.PSEUDO:
        fields.append(headers + recipes.PSEUDO[protocol])
    for field in fields:
        value = struct.unpack("!H", packet[field:field + 2])[0]
        is_udp = field > 10 and protocol == UDP
        if value == 0 and is_udp:
            continue
        added = struct.pack("!H", value ^ 0xffff) + bytes(byte ^ 0xff for byte in old) + to
        packet = put16(packet, field, checksum(added) or (0xffff if is_udp else 0))
    return packet


class Case:
    """A recipe, its addresses, and what is asked of both translators."""

    def __init__(self, direction, recipe, inside, outside, far, refusal=None, opens=None):
        self.direction, self.recipe, self.refusal, self.opens = direction, recipe, refusal, opens
        is_out = direction == OUT
        self.given = (inside, far) if is_out else (far, outside)
        self.wanted = (outside, far) if is_out else (far, inside)
        self.to = outside if is_out else inside
        self.expected = None  # set where it is not the recipe for the other addresses
        self.raw = None       # a packet that is no longer the recipe's
        self.order = None     # of the fragments

    def packets(self):
        if self.raw:
            return [self.raw]
        packets = self.recipe.packets(*self.given)
        return [packets[at] for at in self.order] if self.order else packets

    def words_of_packets(self):
        if self.recipe.partial:
            packet, start, offset = self.recipe.partly_summed(*self.given)
            return [f"{packet.hex()}/{start}/{offset}"]
        return [packet.hex() for packet in self.packets()]

    def line(self):
        arrives = "inside" if self.direction == OUT else "outside"
        return " ".join([arrives, *self.words_of_packets()])

    def request(self):
        side = "source" if self.direction == OUT else "destination"
        address = ipaddress.ip_address(self.to)
        return [f"{side} {address} {word}" for word in self.words_of_packets()]

    def remade(self):
        if self.raw:
            return normalise([naive(self.raw, self.direction, self.to)])
        return self.expected or normalise([self.recipe.whole(*self.wanted)])

    def __str__(self):
        return f"{self.direction} IPv{self.recipe.version} {self.recipe.words}"


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        bits = self.random.randbytes
        self.inside = {4: b"\x0a\x40" + bits(2), 6: b"\xfd\x01" + bits(14)}
        self.outside = {4: b"\x0a\x46" + bits(2), 6: b"\xfd\x02" + bits(14)}

    def far(self, version):
        net = b"\xcb\x00" if version == 4 else b"\x20\x01\x0d\xb8"
        return net + self.random.randbytes(2 if version == 4 else 12)

    def case(self, version, recipe, direction, far=None, **options):
        return Case(direction, recipe, self.inside[version], self.outside[version],
                    far or self.far(version), **options)

    def recipe(self, version, transport=None):
        protocol, data, words = transport or recipes.random_transport(self.random, version)
        return Recipe(self.random, version, protocol, data, words)

    def ordinary(self, version, direction):
        """Any protocol, decorated, whole or cut."""
        recipe, case = self.recipe(version), None
        recipes.decorate(self.random, recipe)
        case = self.case(version, recipe, direction)
        at = recipes.PSEUDO.get(recipe.protocol)
        choice = self.random.randrange(8)
        if choice == 0 and recipe.protocol == UDP:
            recipe.has_no_checksum, recipe.words = True, recipe.words + " without checksum"
        elif choice == 1 and at is not None:
            recipe.transport += bytes(2 + len(recipe.transport) % 2)
            if recipe.protocol == UDP:
                recipe.transport = put16(recipe.transport, 4, len(recipe.transport))
            recipe.zero_for, recipe.words = case.wanted, recipe.words + " whose checksum becomes 0"
        elif choice in (2, 3, 4):
            least = 8 * sum(part[0] == recipes.DESTINATION for part in recipe.chain) * 2
            recipes.cut(self.random, recipe, *case.given, least + HEADER_BYTES.get(recipe.protocol, 8))
            case.order = self.random.sample(range(len(recipe.cuts) + 1), len(recipe.cuts) + 1)
        return case

    def partial(self, version, direction):
        """A checksum that is still to be completed, as on a TUN."""
        if self.random.randrange(4) == 0:
            recipe = self.recipe(version, recipes.vxlan(self.random))
            recipe.partial = "inner"
        else:
            recipe = self.recipe(version)
            while recipe.protocol not in (TCP, UDP):
                recipe = self.recipe(version)
            recipe.partial = "own"
        recipes.decorate(self.random, recipe)
        recipe.words += f" with a partial checksum, {recipe.partial}"
        case = self.case(version, recipe, direction)
        if recipe.partial == "own" and self.random.randrange(6) == 0:
            recipe.transport += bytes(2 + len(recipe.transport) % 2)
            if recipe.protocol == UDP:
                recipe.transport = put16(recipe.transport, 4, len(recipe.transport))
            recipe.zero_for = case.wanted
        return case

    def chains(self, direction):
        """Every chain of up to three extension headers before every protocol. Hop-by-hop comes first
        or not at all; one fragment header, of a packet that is not cut."""
        kinds = (recipes.HOP_BY_HOP, recipes.ROUTING, recipes.DESTINATION, recipes.FRAGMENT)
        for length in range(4):
            for chain in itertools.product(kinds, repeat=length):
                if recipes.HOP_BY_HOP in chain[1:] or chain.count(recipes.FRAGMENT) > 1:
                    continue
                for protocol in (TCP, UDP, ICMPV6, recipes.SCTP, recipes.GRE, recipes.ESP,
                                 recipes.IPIP, recipes.NONE):
                    recipe = self.recipe(6)
                    while recipe.protocol != protocol != recipes.NONE:
                        recipe = self.recipe(6)
                    if protocol == recipes.NONE:
                        recipe = self.recipe(6, (protocol, self.random.randbytes(16), "none"))
                    recipe.chain = [recipes.extension_header(self.random, kind) for kind in chain]
                    recipe.words += f" behind {chain}"
                    yield self.case(6, recipe, direction)

    def mangled(self, version, direction):
        """Random bytes: a packet of which anything behind the IP header is changed or cut off."""
        recipe = self.recipe(version)
        while recipe.protocol == recipes.SCTP:
            recipe = self.recipe(version)
        recipe.words += " mangled"
        case = self.case(version, recipe, direction)
        packet, headers = bytearray(recipe.whole(*case.given)), 20 if version == 4 else 40
        if self.random.randrange(3) == 0:
            del packet[self.random.randrange(headers, len(packet) + 1):]
            at = 2 if version == 4 else 4
            packet[at:at + 2] = struct.pack("!H", len(packet) - (0 if version == 4 else 40))
        for _ in range(self.random.randrange(9)):
            if len(packet) > headers:
                end = min(len(packet), headers + self.random.choice((8, 20, 1500)))
                packet[self.random.randrange(headers, end)] = self.random.randrange(256)
        case.raw = bytes(packet)
        if version == 4:
            case.raw = put16(put16(case.raw, 10, 0), 10, checksum(put16(case.raw, 10, 0)[:20]))
        transport = case.raw[headers:]
        least = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}.get(recipe.protocol, 0)
        if len(transport) < least:
            case.refusal = "cut off"
        elif (recipe.protocol == ICMP and transport[0] in (3, 4, 5, 11, 12)) or (
                recipe.protocol == ICMPV6 and (transport[0] < 128 or transport[0] == 137)):
            return self.mangled(version, direction)  # whether rubbish can be a quote is luck
        return case

    def damaged(self, version, direction):
        """A wrong transport checksum: as wrong afterwards, by the same amount."""
        recipe = self.recipe(version)
        if recipe.protocol in recipes.PSEUDO:
            recipe.damage = self.random.randrange(1, 0xfffe)
            recipe.words += " with a wrong checksum"
        return self.case(version, recipe, direction)

    def opening(self, version):
        """What an ICMP error can be about: a packet that opens a flow, whole or cut."""
        while True:
            opening = self.recipe(version)
            if opening.protocol in (TCP, UDP, recipes.SCTP, recipes.GRE, recipes.ESP) or (
                    opening.transport[:1] in (b"\x08", b"\x80")):
                break
        if opening.protocol == TCP:
            opening.transport = put16(opening.transport, 12, 0x5002)[:20]
            opening.transport += self.random.randbytes(self.random.choice((0, 0, 300)))
        recipes.decorate(self.random, opening)
        return opening

    def quote(self, opening, first):
        """Of one of the opening's packets, or fragments, more or less, with an extension or none."""
        quote = Quote(opening, *first.wanted, 0, self.random.randrange(len(opening.cuts) + 1))
        packet = quote.packet()
        size = len(packet)
        body = len(opening.payload_for(*quote.addresses))
        least = 20 + len(opening.options) if opening.version == 4 else min(
            size, size - body if not opening.cuts else 40 + 8 + 16 * len(opening.chain))
        least = min(least, size)
        quote.most = self.random.choice((size, min(least + 8, size),
                                         self.random.randrange(least, size + 1)))
        return quote, size

    def error(self, version, direction):
        """(the packet that opens a flow, the ICMP error about it)"""
        opening = self.opening(version)
        opening.has_no_checksum = opening.protocol == UDP and self.random.randrange(3) == 0
        back = BACK if direction == OUT else OUT
        first = self.case(version, opening, back)
        if opening.protocol == UDP and self.random.randrange(4) == 0:
            opening.transport += bytes(2 + len(opening.transport) % 2)
            opening.transport = put16(opening.transport, 4, len(opening.transport))
            opening.zero_for = first.given  # the quoted checksum becomes 0
        if self.random.randrange(3) == 0:
            chain = 16 * sum(part[0] == recipes.DESTINATION for part in opening.chain)
            recipes.cut(self.random, opening, *first.given,
                        chain + HEADER_BYTES.get(opening.protocol, 12))
        quote, size = self.quote(opening, first)
        if version == 4:
            kinds = [(3, code) for code in range(16)] + [(4, 0), (11, 0), (11, 1), (12, 0), (12, 2)]
        else:
            kinds = [(1, code) for code in range(8)] + [(2, 0), (3, 0), (3, 1), (4, 0), (4, 1), (4, 2)]
            kinds += [(self.random.randrange(128), self.random.randrange(256))]
        type, code = self.random.choice(kinds)
        rest = struct.pack("!HH", 0, self.random.choice((68, 1280, 1400)))
        if type in ((3, 11, 12) if version == 4 else (1, 3)) and self.random.randrange(3) == 0 and (
                quote.most == size or quote.most >= 128):
            quote.most = min(quote.most - quote.most % 8 * (quote.most < size), 1016)
            labels = b"\0\x08\1\1" + self.random.randbytes(4)  # RFC 4950
            quote.extension = put16(b"\x20\0\0\0" + labels, 2, checksum(b"\x20\0\0\0" + labels))
        which = f" fragment {quote.index}" if opening.cuts else ""
        error = Recipe(self.random, version, ICMP if version == 4 else ICMPV6,
                       bytes([type, code, 0, 0]) + rest, f"error {type}/{code} quoting {quote.most} of "
                       f"{size} bytes{which}{' extended' * bool(quote.extension)}: {opening.words}")
        recipes.decorate(self.random, error)
        error.quote = quote
        if self.random.randrange(4) == 0:
            chain = 16 * sum(part[0] == recipes.DESTINATION for part in error.chain)
            recipes.cut(self.random, error, *self.case(version, error, direction).given,
                        chain + 8 + quote.most)
        first_far = first.given[1] if back == OUT else first.given[0]
        router = self.far(version) if direction == BACK and self.random.randrange(2) else first_far
        second = self.case(version, error, direction, router if direction == BACK else first_far,
                           opens=first)
        wanted = copy.copy(error)
        wanted.quote = Quote(opening, *first.given, quote.most, quote.index, quote.extension)
        second.expected = normalise([wanted.whole(*second.wanted)])
        return first, second

    def refused(self, version, direction):
        """One of each refusal."""
        r = self.random
        ports = struct.pack("!HH", r.randrange(1024, 65536), r.randrange(1024, 65536))
        payload = r.randbytes(64)
        for protocol, data, refusal in (
                (recipes.UDPLITE, ports + b"\0\0\0\0" + payload, "udp-lite"),
                (recipes.DCCP, ports + payload, "dccp"),
                (recipes.AH, struct.pack("!BBH", 59, 4, 0) + payload[:20], "ah"),
                (253, payload, "unknown protocol"),
                (TCP, ports + payload[:r.randrange(16)], "cut off"),
                (UDP, ports[:r.randrange(5)], "cut off")):
            yield self.case(version, self.recipe(version, (protocol, data, refusal)), direction,
                            refusal=refusal)
        if version == 6:
            recipe = self.recipe(6, (UDP, ports + b"\0\x10\0\0" + bytes(8), "routing segments"))
            recipe.chain = [(recipes.ROUTING, b"\2\4\1" + bytes(4) + self.far(6))]
            yield self.case(6, recipe, direction, refusal="routing segments")
        recipe = self.recipe(version, (TCP, ports + bytes(8) + b"\x50\x02" + bytes(6) + payload,
                                       "cut off"))
        recipe.cuts = [8]
        yield self.case(version, recipe, direction, refusal="cut off")
        recipe = self.recipe(version, (ICMP if version == 4 else ICMPV6, bytes([3, 1, 0, 0] + [0] * 4)
                                       + payload[:12], "unreadable quote"))
        yield self.case(version, recipe, direction, refusal="unreadable quote")
        recipe = self.recipe(version, (ICMP, b"\5\1\0\0" + bytes(4), "redirect") if version == 4 else
                             (ICMPV6, b"\x89\0\0\0" + bytes(36), "redirect"))
        quoted = self.case(version, self.opening(version), BACK if direction == OUT else OUT)
        if version == 4:
            recipe.quote = Quote(quoted.recipe, *quoted.wanted, 1400)
        yield self.case(version, recipe, direction, refusal="redirect")
