# SPDX-License-Identifier: MIT
"""Relays and siblings that do not keep to themselves: what they forge is dropped and counted, one
for one; nothing is answered, nothing reaches the interface, no endpoint moves."""

import base64
import hashlib
import ipaddress
import itertools
import os
import struct
import time

import tap
from lab import HERE, wait_until
from packets import ICMP, ICMPV6, checksum, make, make_syn, make_udp, with_checksum
from peers import Interface, Key, WireguardGo, at, sections
from scene import IS_SANITIZED, main, scene
from traffic import IperfServer, cpu_s, iperf
from world import (CLIENT, CLIENT6, ENTRY, ENTRY6, ENTRY_INNER, ENTRY_INNER6, EVERYTHING, EXIT,
                   EXIT6, EXIT_INNER, OFFICE, OFFICE6, WORLD, WORLD6, wait_reachable)

SIDE_INNER, SIDE_INNER6, SIDE_NET, SIDE_NET6 = "10.80.0.2", "fd80::2", "10.50.0.0/16", "fd50::/48"
SIDE, SIDE6 = "10.50.0.80", "fd50::80"
REAL_PORT, VIRTUAL_PORT = 51999, 52001
keys = {}


def up():
    """The main job and a sibling of the office, whose relay may send from anywhere."""
    side = [("Tunnel side", {"Via": "entry", "PrivateKey": keys["side-client"].private,
                             "Address": [SIDE_INNER + "/32", SIDE_INNER6 + "/128"],
                             "Routes": [SIDE_NET, SIDE_NET6]}),
            ("Peer", {"PublicKey": keys["side"].public, "Endpoint": at(EXIT, 51821),
                      "AllowedIPs": EVERYTHING})]
    parts = scene.world.client_parts(entry={"ListenPort": REAL_PORT},
                                     office={"ListenPort": VIRTUAL_PORT})
    hopwire = scene.up(text=sections(*parts, *side))
    for place in (OFFICE, WORLD, SIDE):
        wait_reachable(scene.client, place)
    return hopwire


def echo_request(source, target, payload):
    if ":" in source:
        return make(source, target, ICMPV6, with_checksum(
            source, target, ICMPV6, struct.pack("!BBHHH", 128, 0, 0, 7, 7) + payload, 2))
    message = struct.pack("!BBHHH", 8, 0, 0, 7, 7) + payload
    return make(source, target, ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])


def error_about(source, target, quote, mtu):
    """A too-big."""
    if ":" in source:
        return make(source, target, ICMPV6, with_checksum(
            source, target, ICMPV6, struct.pack("!BBHI", 2, 0, 0, mtu) + quote, 2))
    message = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quote
    return make(source, target, ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])


def fragment(packet, offset, more, identification=7):
    """A packet's transport from `offset` on as a fragment; IPv6 gets its header."""
    if packet[0] >> 4 == 4:
        head = packet[:4] + struct.pack("!HH", identification, offset // 8 | more << 13) + packet[8:]
        head = head[:10] + bytes(2) + head[12:]
        return head[:10] + struct.pack("!H", checksum(head[:20])) + head[12:]
    piece = struct.pack("!BBHI", packet[6], 0, offset | more, identification) + packet[40:]
    return packet[:4] + struct.pack("!HB", len(piece), 44) + packet[7:40] + piece


def endpoints(hopwire):
    lines = str(hopwire.status())
    return [word for word in lines.replace("'", " ").split() if word.count(":") and word[-1].isdigit()
            and ("." in word or "]" in word)]


def attack(hopwire, host, interface, packets, verdict, times=1, marker=b"forged"):
    """Sends all the packets `times` times and one ping that must still work; the verdict counted
    exactly those; before that ping there is nothing at all on the interface, and no answer to them
    anywhere."""
    before, moved = hopwire.verdict(verdict), endpoints(hopwire)
    tun, uplink = scene.client.capture("hop0"), scene.client.capture("uplink")
    inside = host.capture(interface)
    for _ in range(times):
        scene.inject(host, interface, *packets)
    wanted = before + times * len(packets)
    wait_until(lambda: hopwire.verdict(verdict) >= wanted, 20,
               f"{wanted - before} of {verdict}; drops now: {hopwire.status()}")
    tap.check(scene.client.ping(OFFICE), "the office still answers")
    tap.equal(hopwire.verdict(verdict), wanted, f"the verdict {verdict}")
    passed = tun.stop()
    seen = list(itertools.takewhile(lambda p: not (p.dst == OFFICE and p.type == 8), passed))
    seen += [p for p in passed if marker in p.raw]
    tap.check(not seen, f"on the interface: {seen}")
    outside = uplink.stop()
    leaks = [p for p in scene.leaks(outside) if p.raw not in packets]
    tap.check(not leaks, f"on the uplink: {leaks}")
    replies = [p for p in outside if p.sport == REAL_PORT and p.payload[:1] in (b"\2", b"\3")]
    tap.check(not replies, f"handshake answers on the uplink: {replies}")
    answers = [p for p in inside.stop() if marker in p.raw and p.raw not in packets]
    tap.check(not answers, f"answers: {answers}")
    tap.equal(endpoints(hopwire), moved, "endpoints")


@tap.test
def C4_the_exit_cannot_reach_other_addresses_of_the_client():
    hopwire = up()
    targets = [ENTRY_INNER, "127.0.0.1", CLIENT, "192.0.2.77", SIDE_INNER, OFFICE]
    targets6 = [ENTRY_INNER6, "::1", CLIENT6, "2001:db8:2::77", SIDE_INNER6, OFFICE6]
    packets = [echo_request(OFFICE, target, b"forged") for target in targets]
    packets += [echo_request(OFFICE6, target, b"forged") for target in targets6]
    packets += [make_udp(OFFICE, ENTRY_INNER, 7, VIRTUAL_PORT, b"forged"),
                make_syn(OFFICE6, ENTRY_INNER6, 7, 22, 1200)]
    attack(hopwire, scene.world.exit, "wg0", packets, "misdirected", 3)


@tap.test
def C4_the_entry_cannot_forge_inner_sources():
    hopwire = up()
    packets = []
    for source, target in ((OFFICE, ENTRY_INNER), (OFFICE6, ENTRY_INNER6), (SIDE, ENTRY_INNER)):
        packet = make_udp(source, target, 7, 4444, b"forged" * 20)
        packets += [packet, echo_request(source, target, b"forged"),
                    fragment(packet, 0, True), fragment(packet, 80, False),
                    make_syn(source, target, 7, 4444, 1200)]
    attack(hopwire, scene.world.entry, "wg0", packets, "spoofed", 3)


@tap.test
def C6_the_entry_cannot_lower_the_path_of_an_inner_flow():
    hopwire = up()
    packets = []
    for own, place in ((ENTRY_INNER, OFFICE), (ENTRY_INNER6, OFFICE6), (EXIT_INNER, OFFICE)):
        for quoted in (own, "10.1.2.3" if place == OFFICE else "fd99::3"):
            quote = make_udp(quoted, place, 4444, 7, b"forged")
            target = ENTRY_INNER if place == OFFICE else ENTRY_INNER6
            packets += [error_about(place, target, quote, 576),
                        error_about(place, target, fragment(quote, 0, True), 576),
                        error_about(place, target, fragment(quote, 80, False), 576),
                        error_about(WORLD if place == OFFICE else WORLD6, target, quote, 576)]
    attack(hopwire, scene.world.entry, "wg0", packets, "icmp_refused", 3)
    tap.check(scene.client.ping(OFFICE, "-M", "do", "-s", scene.world.exit_mtu - 28), "full size")


@tap.test
def C4_C6_a_sibling_cannot_forge_either():
    hopwire = up()
    spoofed, refused, foreign = [], [], []
    for source, own, place in ((OFFICE, SIDE_INNER, OFFICE), (OFFICE6, SIDE_INNER6, OFFICE6),
                               (WORLD, SIDE_INNER, WORLD), (WORLD6, SIDE_INNER6, WORLD6)):
        packet = make_udp(source, own, 7, 4444, b"forged" * 20)
        spoofed += [packet, fragment(packet, 0, True), fragment(packet, 80, False),
                    echo_request(source, own, b"forged")]
        refused.append(error_about(source, own, make_udp(own, place, 4444, 7, b"forged"), 576))
        foreign.append(echo_request(source, ENTRY_INNER6 if ":" in own else ENTRY_INNER, b"forged"))
    attack(hopwire, scene.world.exit, "side", spoofed, "spoofed", 2)
    attack(hopwire, scene.world.exit, "side", refused, "icmp_refused", 2)
    attack(hopwire, scene.world.exit, "side", foreign, "misdirected", 2)


def inner_messages():
    """The exit's data and a new initiation of its, as they pass the entry."""
    world = scene.world
    inside = world.entry.capture("wg0")
    tap.check(scene.client.ping(OFFICE, count=3), "the office")
    key = world.keys["office"].public
    endpoint = world.exit.run("wg", "show", "wg0", "endpoints").stdout.split()[-1]
    world.exit.run("wg", "set", "wg0", "peer", key, "remove")
    world.exit.run("wg", "set", "wg0", "peer", key, "allowed-ips", EVERYTHING.replace(" ", ""),
                   "endpoint", endpoint)
    world.exit.ping(EXIT_INNER, wait=1)
    wait_until(lambda: [p for p in inside.so_far() if p.src == EXIT and p.payload[:1] == b"\1"], 5,
               "an initiation of the exit")
    found = [p.payload for p in inside.stop() if p.src == EXIT and p.sport == 51820 and p.payload]
    data = [payload for payload in found if payload[0] == 4]
    return data, [payload for payload in found if payload[0] == 1]


@tap.test
def C3_inner_messages_at_the_real_socket_count_for_nothing():
    hopwire = up()
    data, initiations = inner_messages()
    tap.check(len(data) >= 3 and initiations, "messages of the exit")
    wait_reachable(scene.client, OFFICE)
    for payloads, verdict in ((data, "unknown_index"), (initiations, "bad_mac1")):
        packets = [make_udp(source, target, 51820, REAL_PORT, payload) for payload in payloads
                   for source, target in ((EXIT, CLIENT), (ENTRY, CLIENT), (EXIT6, CLIENT6))]
        attack(hopwire, scene.world.internet, "client", packets, verdict, 2)


@tap.test
def C5_each_fragment_that_is_never_joined_is_counted():
    hopwire = up()
    packets = []
    for number in range(40):
        for source, target in ((EXIT, ENTRY_INNER), (EXIT6, ENTRY_INNER6)):
            packet = make_udp(source, target, 51820, VIRTUAL_PORT, b"forged" * 100)
            packets += [fragment(packet, 0, True, number), fragment(packet, 8, True, number)]
    attack(hopwire, scene.world.entry, "wg0", packets, "fragment_refused")


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


@tap.test
def C5_a_long_flood_of_fragments_costs_no_memory():
    hopwire = up()
    pid, entry = hopwire.pids()[0], scene.world.entry
    packets = []
    for number in range(1500):
        for source, target in ((EXIT, ENTRY_INNER), (EXIT6, ENTRY_INNER6)):
            packet = make_udp(source, target, 51820, VIRTUAL_PORT, b"forged" * 100)
            packets += [fragment(packet, 0, True, number), fragment(packet, 8, True, number),  # overlaps
                        fragment(packet, 8000, True, 5000 + number),  # never a first one
                        fragment(packet, 65000, False, 9000 + number)]  # ends beyond all
    path = entry.write("fragments", "\n".join(packet.hex() for packet in packets))
    tap.check(scene.client.ping(OFFICE), "the office")
    before, moved = rss_mib(pid), endpoints(hopwire)
    tun = scene.client.capture("hop0")
    flood = entry.start("sh", "-c", f"exec python3 {HERE}/inject.py wg0 5000 12 < {path}", name="flood")
    answers = [scene.client.ping(OFFICE, wait=3) for _ in range(5)]
    flood.wait()
    after = rss_mib(pid)
    refused = hopwire.verdict("fragment_refused")
    tap.note(f"{refused} of {flood.output().strip()} refused, {hopwire.verdict('malformed')} malformed, "
             f"VmRSS {before:.1f} to {after:.1f} MiB, {sum(answers)} of 5 pings during the flood")
    tap.check(refused >= 10_000, f"only {refused} fragments are refused")
    tap.check(after - before < (32 if IS_SANITIZED else 8), "memory is bounded")
    tap.check(any(answers), "the office answers beside the flood")
    wait_reachable(scene.client, OFFICE)
    seen = [p for p in tun.stop() if b"forged" in p.raw]
    tap.check(not seen, f"on the interface: {seen[:3]}")
    tap.equal(endpoints(hopwire), moved, "endpoints")


def redirect(source, target, gateway, quote):
    if ":" in source:
        body = struct.pack("!BBHI", 137, 0, 0, 0) + ipaddress.ip_address(gateway).packed
        return make(source, target, ICMPV6, with_checksum(
            source, target, ICMPV6, body + quote[24:40], 2), ttl=255)
    message = struct.pack("!BBH", 5, 1, 0) + ipaddress.ip_address(gateway).packed + quote
    return make(source, target, ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])


@tap.test
def C6_F6_no_relay_is_the_client_s_router():
    hopwire = up()
    redirects = []
    for source, own, place in ((ENTRY, ENTRY_INNER, WORLD), (ENTRY6, ENTRY_INNER6, WORLD6)):
        quote = make_udp(own, place, 4444, 7, b"forged")
        redirects.append(redirect(source, own, source, quote))
    advert = struct.pack("!BBHBBHIIBBHI", 134, 0, 0, 64, 0, 1800, 0, 0, 5, 1, 0, 1280)
    adverts = [make("fe80::1", ENTRY_INNER6, ICMPV6, with_checksum(
        "fe80::1", ENTRY_INNER6, ICMPV6, advert, 2), ttl=255)]
    attack(hopwire, scene.world.entry, "wg0", redirects, "redirect", 3)
    attack(hopwire, scene.world.entry, "wg0", adverts, "scope", 3)
    routes = scene.client.ip("-6", "route", "show", "table", "all")
    tap.check("fe80::1 " not in routes, f"a router was believed: {routes}")


@tap.test
def other_branches_work_beside_a_flood_of_ten_thousand_forgeries_a_second():
    hopwire = up()
    seconds, world = 3, scene.world
    packets = [make_udp(OFFICE, ENTRY_INNER, 7, 4444, b"forged" * 10),
               make_udp(OFFICE6, ENTRY_INNER6, 7, 4444, b"forged" * 10),
               error_about(WORLD, ENTRY_INNER, make_udp(ENTRY_INNER, OFFICE, 4444, 7, b"forged"), 576)]
    path = world.entry.write("flood", "\n".join(packet.hex() for packet in packets))
    pid = hopwire.pids()[0]
    began = cpu_s(pid)
    world.entry.run("sh", "-c", f"python3 {HERE}/inject.py wg0 10000 2 < {path}")
    alone = hopwire.verdict("spoofed") + hopwire.verdict("icmp_refused")
    tap.note(f"{(cpu_s(pid) - began) / max(alone, 1) * 1e6:.1f} us of the daemon's CPU a forgery")
    for name, destination in (("direct", WORLD), ("through both hops", OFFICE)):
        calm = iperf(scene.client, destination, seconds)["gbits"]
        before = hopwire.verdict("spoofed") + hopwire.verdict("icmp_refused")
        flood = world.entry.start("sh", "-c", f"exec python3 {HERE}/inject.py wg0 10000 {seconds + 1} "
                                  f"< {path}", name="flood")
        time_sent = time.monotonic()
        loud = iperf(scene.client, destination, seconds)["gbits"]
        flood.wait()
        wait_until(lambda: hopwire.verdict("spoofed") > 0, 3, "the verdict")
        counted = hopwire.verdict("spoofed") + hopwire.verdict("icmp_refused") - before
        tap.note(f"{name}: {calm:.2f} Gbit/s alone, {loud:.2f} beside {flood.output().strip()} forgeries "
                 f"in {time.monotonic() - time_sent:.1f} s, {counted} of them counted "
                 f"({loud / calm:.0%})")
        tap.check(counted > 1000, f"{counted} counted")
    tap.check(scene.client.ping(OFFICE) and scene.client.ping(SIDE), "all branches answer")


def strangers(public_key, count):
    """Initiations of unknown keys from as many places, each with a right mac1 (whitepaper 5.4.4)."""
    key = hashlib.blake2s(b"mac1----" + base64.b64decode(public_key)).digest()
    for number in range(count):
        message = struct.pack("<I", 1) + os.urandom(112)
        mac1 = hashlib.blake2s(message, key=key, digest_size=16).digest()
        source = str(ipaddress.IPv4Address("100.64.0.0") + number)
        yield make_udp(source, CLIENT, 1024 + number, REAL_PORT, message + mac1 + bytes(16))


@tap.test
def H2_strangers_with_a_right_mac1_get_cookies_for_few_diffie_hellmans():
    """6 and 24 Mbit/s of them. How much of TCP's rate that leaves is a note: beside the same packets
    thrown away by a rule, so that the generator's own share of the machine does not count."""
    hopwire, world, seconds = up(), scene.world, 3
    internet, client = world.internet, scene.client
    path = internet.write("strangers", "\n".join(
        packet.hex() for packet in strangers(world.keys["client"].public, 2000)))
    internet.ip("route", "add", "blackhole", "100.64.0.0/10")  # where cookies go
    client.run("nft", "-f", "-", input="""
        table ip away { chain pre { type filter hook prerouting priority -350; }; }""")

    def beside(rate):
        flood = internet.start("sh", "-c", f"exec python3 {HERE}/inject.py client {rate} {seconds + 1} "
                                           f"< {path}", name="flood")
        began = time.monotonic()
        gbits = iperf(client, OFFICE, seconds)["gbits"]
        flood.wait()
        return gbits, time.monotonic() - began, int(flood.output())

    for rate in (4260, 17040):
        client.run("nft", "add", "rule", "ip", "away", "pre", "ip", "saddr", "100.64.0.0/10", "drop")
        thrown_away, _, _ = beside(rate)
        client.run("nft", "flush", "table", "ip", "away")
        before = {name: hopwire.verdict(name) for name in ("handshake_refused", "under_load")}
        loud, lasted, sent = beside(rate)
        refused, cookies = (hopwire.verdict(name) - count for name, count in before.items())
        tap.note(f"{sent} in {lasted:.1f} s: {refused} looked into, {cookies} cookies; "
                 f"{loud:.2f} Gbit/s, {thrown_away:.2f} beside as many thrown away "
                 f"({loud / thrown_away:.0%})")
        tap.check(0 < refused <= 256 + 128 * (lasted + 1), f"{refused} Diffie-Hellmans in {lasted} s")
        tap.check(cookies > refused, f"{cookies} cookies")
        tap.check(client.ping(OFFICE) and client.ping(SIDE), "all branches answer")
    client.run("nft", "delete", "table", "ip", "away")
    internet.ip("route", "del", "blackhole", "100.64.0.0/10")


def build():
    world = scene.world
    for name in ("side", "side-client"):
        keys[name] = Key()
    side = Interface("side", keys["side"], ["10.80.0.1/24", "fd80::1/64"], port=51821,
                     mtu=world.exit_mtu)
    WireguardGo(world.exit, side.peer(keys["side-client"], EVERYTHING))
    world.exit.address("lo", SIDE + "/32", SIDE6 + "/128")
    # The relays may send to the client whatever they like.
    for host, key in ((world.entry, "client"), (world.exit, "office")):
        host.run("wg", "set", "wg0", "peer", world.keys[key].public, "allowed-ips",
                 EVERYTHING.replace(" ", ""))
    world.exit.run("nft", "-f", "-", input="""
        table ip6 quiet {
            chain out {
                type filter hook output priority 0
                oifname { "wg0", "side" } ip6 daddr ff00::/8 drop
            }
        }
        """)
    # What comes to the uplink from anywhere reaches the socket.
    for interface in ("all", "uplink"):
        scene.client.write_sysctl(f"net.ipv4.conf.{interface}.rp_filter", 0)
    for host in (world.world, world.office):
        IperfServer(host)


if __name__ == "__main__":
    main(afterwards=build)
