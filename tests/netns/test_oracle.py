# SPDX-License-Identifier: MIT
"""The kernel's own 1:1 NAT translates the same packets as Hopwire's: byte for byte the same, after
reassembly, TTL and IPv4 header checksum apart. What the kernel does not translate (conntrack leaves
it alone, or drops it) must be as the same packet made anew with the other address.

HOPWIRE_TEST_SEED and HOPWIRE_ORACLE_CASES repeat and lengthen a run."""

import collections
import ipaddress
import os
import random
import struct
import subprocess
import sys

import recipes
import tap
from lab import HERE, Lab, NotPossible, reexec_unprivileged
from packets import ICMP, ICMPV6, TCP, UDP, checksum
from peers import hopwire_binary
from recipes import Recipe, normalise, put16

SEED = int(os.environ.get("HOPWIRE_TEST_SEED") or struct.unpack("!I", os.urandom(4))[0])
CASES = int(os.environ.get("HOPWIRE_ORACLE_CASES") or 1500)
OUT, BACK = "out", "back"

# What Hopwire refuses and the kernel passes, with the reason (RULES B4).
REFUSED = {
    "udp-lite": "the checksum covers only a part that the header names: not worth its code",
    "dccp": "the checksum covers only a part that the header names: not worth its code",
    "ah": "the header authenticates the addresses: translated, it is worthless to the receiver",
    "unknown protocol": "whether a checksum covers the addresses is not known",
    "cut off": "the transport header is not whole in the packet or the first fragment, so its "
               "checksum cannot be adjusted",
    "routing segments": "the destination in the header is not the one that the checksum covers",
    "unreadable quote": "a quoted header that contradicts itself: whom it is about is not known",
}
HEADER_BYTES = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}


class Case:
    """A recipe, its addresses, and what is asked of both translators."""

    def __init__(self, direction, recipe, inside, outside, far, refusal=None, opens=None):
        self.direction, self.recipe, self.refusal, self.opens = direction, recipe, refusal, opens
        is_out = direction == OUT
        self.given = (inside, far) if is_out else (far, outside)
        self.wanted = (outside, far) if is_out else (far, inside)
        self.to = outside if is_out else inside
        self.expected = None  # set where it is not the recipe for the other addresses

    def packets(self):
        return self.recipe.packets(*self.given)

    def line(self):
        arrives = "inside" if self.direction == OUT else "outside"
        return " ".join([arrives, *[packet.hex() for packet in self.packets()]])

    def request(self):
        side = "source" if self.direction == OUT else "destination"
        address = ipaddress.ip_address(self.to)
        return [f"{side} {address} {packet.hex()}" for packet in self.packets()]

    def remade(self):
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
        return case

    def damaged(self, version, direction):
        """A wrong transport checksum: as wrong afterwards, by the same amount."""
        recipe = self.recipe(version)
        if recipe.protocol in recipes.PSEUDO:
            recipe.damage = self.random.randrange(1, 0xfffe)
            recipe.words += " with a wrong checksum"
        return self.case(version, recipe, direction)

    def error(self, version, direction):
        """(the packet that opens a flow, the ICMP error about it)"""
        while True:
            opening = self.recipe(version)
            if opening.protocol in (TCP, UDP, recipes.SCTP, recipes.GRE, recipes.ESP) or (
                    opening.transport[:1] in (b"\x08", b"\x80")):
                break
        if opening.protocol == TCP:
            opening.transport = put16(opening.transport, 12, 0x5002)[:20]
        recipes.decorate(self.random, opening)
        opening.has_no_checksum = opening.protocol == UDP and self.random.randrange(3) == 0
        back = BACK if direction == OUT else OUT
        first = self.case(version, opening, back)
        quoted = first.wanted  # the packet that was refused, as the refuser saw it
        size = len(opening.whole(*quoted))
        least = size - len(opening.payload_for(*quoted)) + 8
        least = min(least, size)
        most = self.random.choice((size, least, self.random.randrange(least, size + 1)))
        if version == 4:
            kinds = ((3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (4, 0), (11, 0), (11, 1), (12, 0))
        else:
            kinds = ((1, 0), (1, 1), (1, 4), (2, 0), (3, 0), (3, 1), (4, 1), (100, 0))
        type, code = self.random.choice(kinds)
        rest = struct.pack("!HH", 0, self.random.choice((68, 1280, 1400)))
        error = Recipe(self.random, version, ICMP if version == 4 else ICMPV6,
                       bytes([type, code, 0, 0]) + rest, f"error {type}/{code} quoting {most} of "
                       f"{size} bytes: {opening.words}")
        recipes.decorate(self.random, error)
        error.quote = (opening, *quoted, most)
        if self.random.randrange(4) == 0:
            chain = 16 * sum(part[0] == recipes.DESTINATION for part in error.chain)
            recipes.cut(self.random, error, *self.case(version, error, direction).given,
                        chain + 8 + most)
        first_far = first.given[1] if back == OUT else first.given[0]
        router = self.far(version) if direction == BACK and self.random.randrange(2) else first_far
        second = self.case(version, error, direction, router if direction == BACK else first_far,
                           opens=first)
        wanted = Recipe(random.Random(0), version, error.protocol, error.transport, "")
        wanted.__dict__.update(error.__dict__)
        wanted.quote = (opening, *first.given, most)
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


class Oracle:
    def __init__(self):
        self.lab = Lab()
        self.host = self.lab.host("nat")
        self.maker = Maker(SEED)
        host, maker = self.host, self.maker
        host.forward()
        for interface in ("inside", "outside"):
            host.ip("tuntap", "add", "dev", interface, "mode", "tun")
            host.ip("link", "set", interface, "mtu", 9000, "multicast", "off", "addrgenmode", "none",
                    "up")
            host.write_sysctl(f"net.ipv4.conf.{interface}.rp_filter", 0)
            host.write_sysctl(f"net.ipv4.conf.{interface}.send_redirects", 0)
        for key in ("all.rp_filter", "all.send_redirects"):
            host.write_sysctl("net.ipv4.conf." + key, 0)
        rules = []
        for version, word in ((4, "ip"), (6, "ip6")):
            inside = ipaddress.ip_address(maker.inside[version])
            outside = ipaddress.ip_address(maker.outside[version])
            host.route(str(inside), "dev", "inside")
            host.route("default" if version == 4 else "::/0", "dev", "outside")
            rules.append((f"{word} daddr {outside} dnat {word} to {inside}",
                          f"{word} saddr {inside} snat {word} to {outside}"))
        host.run("nft", "-f", "-", input=f"""
            table inet oracle {{
                chain pre {{
                    type nat hook prerouting priority dstnat
                    iifname outside {rules[0][0]}
                    iifname outside {rules[1][0]}
                }}
                chain post {{
                    type nat hook postrouting priority srcnat
                    oifname outside {rules[0][1]}
                    oifname outside {rules[1][1]}
                }}
            }}
            """)
        # Wrong checksums and flows met in the middle are translated like others.
        host.write_sysctl("net.netfilter.nf_conntrack_checksum", 0)
        host.write_sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", 1)

    def ask_kernel(self, cases):
        lines = ["wait 0.3"] + [case.line() for case in cases]
        result = self.host.run("python3", os.path.join(HERE, "kernel_nat.py"), "inside", "outside",
                               input="\n".join(lines) + "\n", timeout=120)
        answers = result.stdout.split("\n")[:-1]
        assert len(answers) == len(cases), result.stderr
        found = []
        for case, answer in zip(cases, answers):
            found.append([bytes.fromhex(word.partition(":")[2]) for word in answer.split()])
        return found

    def ask_hopwire(self, cases):
        requests = [case.request() for case in cases]
        program = os.path.join(os.path.dirname(hopwire_binary()), "../../tests/nat_translate")
        if not os.path.exists(program):
            raise tap.Skip(f"{program} is not built")
        result = subprocess.run([program], input="".join(line + "\n" for lines in requests
                                                         for line in lines),
                                capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr
        answers = iter(result.stdout.split("\n"))
        return [[next(answers) for _ in lines] for lines in requests]


oracle = None


def is_translated(case, packets):
    at, size = {4: ((12, 16), 4), 6: ((8, 24), 16)}[case.recipe.version]
    at = at[case.direction == BACK]
    return bool(packets) and all(packet[at:at + size] == case.to for packet in packets)


def quoted_bytes(case):
    """(protocol, bytes of the quoted packet behind its headers, how many there were)"""
    if not case.recipe.quote:
        return 0, 0, 0
    quoted, source, destination, most = case.recipe.quote
    body = len(quoted.payload_for(source, destination))
    return quoted.protocol, most - (len(quoted.whole(source, destination)) - body), body


def kernel_spoils(case):
    """Where the kernel's translation of a quote is the worse one, on Linux up to 6.18: it takes no
    TCP checksum unless all 20 bytes are there, and sums SCTP's anew over what is."""
    protocol, left, body = quoted_bytes(case)
    return (protocol == TCP and left in (18, 19)) or (
        protocol == recipes.SCTP and 12 <= left < body)


def can_be_remade(case):
    """Not where half of a quoted checksum is cut off: its other half stays as it was."""
    return not case.recipe.damage and quoted_bytes(case)[:2] != (TCP, 17)


def race(cases):
    """All cases through both; the first three differences are shown."""
    kernel, hopwire = oracle.ask_kernel(cases), oracle.ask_hopwire(cases)
    count, differences = collections.Counter(), []
    for case, by_kernel, by_hopwire in zip(cases, kernel, hopwire):
        count["cases"] += 1
        refusals = [answer for answer in by_hopwire if answer.startswith("refused")]
        if refusals or case.refusal:
            count["refused"] += 1
            if bool(refusals) != bool(case.refusal):
                differences.append((case, f"{by_hopwire} where {case.refusal or 'none'} is listed"))
            continue
        ours = normalise([bytes.fromhex(answer) for answer in by_hopwire])
        if can_be_remade(case) and ours != case.remade():
            differences.append((case, f"ours  {ours and ours.hex()}\nremade {case.remade().hex()}"))
        if not is_translated(case, by_kernel):
            count["left alone by the kernel" if by_kernel else "dropped by the kernel"] += 1
            if not by_kernel:
                count["dropped: " + case.recipe.words.split(" ")[0]] += 1
            continue
        if kernel_spoils(case):
            count["spoilt by the kernel"] += 1
            continue
        theirs = normalise(by_kernel)
        count["the same"] += theirs == ours
        if theirs != ours:
            differences.append((case, f"ours   {ours.hex()}\nkernel "
                                + (theirs.hex() if theirs else " ".join(p.hex() for p in by_kernel))))
    tap.note(", ".join(f"{number} {what}" for what, number in sorted(count.items())))
    tap.check(not differences, f"{len(differences)} differences; seed {SEED}\n" + "\n".join(
        f"{case}\ngiven  {' '.join(p.hex() for p in case.packets())}\n{what}"
        for case, what in differences[:3]))
    return count


def both_ways(make, share=4):
    cases = []
    for version in (4, 6):
        for direction in (OUT, BACK):
            cases += [make(version, direction) for _ in range(CASES // share)]
    return cases


@tap.test
def B4_every_protocol_with_options_chains_and_fragments_is_translated_as_the_kernel_does():
    count = race(both_ways(oracle.maker.ordinary))
    tap.check(count["the same"] > count["cases"] * 0.7, f"the kernel translated too few: {count}")


@tap.test
def B4_wrong_checksums_stay_as_wrong_as_they_were():
    count = race(both_ways(oracle.maker.damaged, 12))
    tap.check(count["the same"] > count["cases"] * 0.7, f"the kernel translated too few: {count}")


@tap.test
def B4_icmp_errors_are_translated_with_their_quotes_as_the_kernel_does():
    pairs = both_ways(oracle.maker.error)
    count = race([case for pair in pairs for case in pair])
    tap.check(count["the same"] > count["cases"] * 0.7, f"the kernel translated too few: {count}")


@tap.test
def B4_what_is_refused_is_the_list_and_nothing_else():
    seen = collections.Counter()
    for version in (4, 6):
        for direction in (OUT, BACK):
            cases = list(oracle.maker.refused(version, direction))
            race(cases)
            seen.update(case.refusal for case in cases)
    tap.equal(set(seen), set(REFUSED), "the refusals tried")


if __name__ == "__main__":
    if "--list" in sys.argv[1:]:
        tap.main()
    try:
        hopwire_binary()
        reexec_unprivileged()
        oracle = Oracle()
    except (NotPossible, tap.Skip) as why:
        tap.skip_all(why)
    tap.note(f"seed {SEED}: HOPWIRE_TEST_SEED={SEED} repeats it")
    tap.main()
