# SPDX-License-Identifier: MIT
"""The kernel's own 1:1 NAT translates the same packets as Hopwire's: byte for byte the same, after
reassembly, TTL and IPv4 header checksum apart. What conntrack leaves alone must be as the same packet
made anew with the other address. The differences that are meant are listed in doc/RULES.md; any
other one fails the test, and so does a packet that the kernel drops.

HOPWIRE_TEST_SEED and HOPWIRE_ORACLE_CASES repeat and lengthen a run."""

import collections
import ipaddress
import os
import re
import struct
import subprocess
import sys

import recipes
import tap
from lab import HERE, Lab, NotPossible, reexec_unprivileged
from oracle_cases import BACK, OUT, Maker
from packets import TCP
from peers import hopwire_binary
from recipes import normalise

SEED = int(os.environ.get("HOPWIRE_TEST_SEED") or struct.unpack("!I", os.urandom(4))[0])
CASES = int(os.environ.get("HOPWIRE_ORACLE_CASES") or 1500)

# doc/RULES.md lists these: what Hopwire refuses, and what it translates otherwise than the kernel.
REFUSED = {"udp-lite", "dccp", "ah", "unknown protocol", "cut off", "routing segments",
           "unreadable quote", "redirect"}
DIFFERENT = {"odd gre", "short quote", "cut-off tcp quote", "sctp quote",
             "vxlan with a partial checksum"}
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
        """Asks again, with more patience, where nothing came."""
        found = self.ask_kernel_once(cases)
        silent = [at for at, packets in enumerate(found) if not packets]
        if silent:
            for at, packets in zip(silent, self.ask_kernel_once([cases[at] for at in silent])):
                found[at] = packets
        return found

    def ask_kernel_once(self, cases):
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


def difference(case):
    """Which of the differences that are meant it is, or None: the kernel up to 6.18 takes no quoted
    TCP checksum unless all 20 bytes are there, sums SCTP's anew over what of it is quoted, and takes
    a finished checksum for a partial one where another one in the packet is."""
    if case.raw and case.recipe.protocol == recipes.GRE:
        header = case.raw[20 if case.recipe.version == 4 else 40:]
        if len(header) < 8 or header[1] & 7 > 1:
            return "odd gre"
    if case.recipe.partial == "inner":
        return "vxlan with a partial checksum"
    if case.recipe.quote:
        left, body = case.recipe.quote.transport_bytes()
        protocol = case.recipe.quote.recipe.protocol
        if left < 8 and not case.recipe.quote.index:
            return "short quote"
        if protocol == TCP and left in (18, 19):
            return "cut-off tcp quote"
        if protocol == recipes.SCTP and left >= 12 and (
                left < body or case.recipe.quote.extension):
            return "sctp quote"
    return None


def can_be_remade(case):
    """Not where half of a quoted checksum is cut off: its other half stays as it was."""
    if case.recipe.damage:
        return False
    if not case.recipe.quote:
        return True
    left, _ = case.recipe.quote.transport_bytes()
    at = recipes.PSEUDO.get(case.recipe.quote.recipe.protocol)
    return at is None or left != at + 1


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
        if not by_kernel and not difference(case):
            differences.append((case, "the kernel drops it"))
            continue
        if difference(case):
            count["different: " + difference(case)] += 1
            continue
        if not is_translated(case, by_kernel):
            count["left alone by the kernel"] += 1
            continue
        theirs = normalise(by_kernel)
        count["the same"] += theirs == ours
        if theirs != ours:
            differences.append((case, f"ours   {ours.hex()}\nkernel "
                                + (theirs.hex() if theirs else " ".join(p.hex() for p in by_kernel))))
    tap.note(", ".join(f"{number} {what}" for what, number in sorted(count.items())))
    tap.check(not differences, f"{len(differences)} differences; seed {SEED}\n" + "\n".join(
        f"{case}\ngiven  {' '.join(case.words_of_packets())}\n{what}"
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
def B4_every_chain_of_extension_headers_is_translated_as_the_kernel_does():
    count = race([case for direction in (OUT, BACK) for case in oracle.maker.chains(direction)])
    tap.check(count["the same"] > count["cases"] * 0.7, f"the kernel translated too few: {count}")


@tap.test
def B5_partial_checksums_are_translated_and_completed_as_the_kernel_does():
    count = race(both_ways(oracle.maker.partial))
    tap.check(count["the same"] > count["cases"] * 0.5, f"the kernel translated too few: {count}")


@tap.test
def B4_random_bytes_are_translated_as_the_kernel_does():
    count = race(both_ways(oracle.maker.mangled))
    tap.check(count["the same"] > count["cases"] * 0.3, f"the kernel translated too few: {count}")


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


@tap.test
def B4_the_documentation_lists_every_difference():
    with open(os.path.join(HERE, "..", "..", "doc", "RULES.md")) as file:
        section = file.read().partition("## Where NAT differs")[2].partition("\n## ")[0]
    tap.equal(sorted(re.findall(r"^- \*(.*?)\*:", section, re.M)), sorted(REFUSED | DIFFERENT),
              "the list in doc/RULES.md")


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
