# SPDX-License-Identifier: MIT
"""ICMP that is made, passed on and judged; what is refused at the tunnel's ends; MSS."""

import ipaddress
import struct

import tap
from lab import wait_until
from packets import ICMP, ICMPV6, UDP, checksum, make, make_syn, make_udp
from scene import main, scene
from world import (ENTRY_INNER, ENTRY_INNER6, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6,
                   OFFICE_NET, OFFICE_NET6, WORLD, WORLD6, wait_reachable)


def up(**changes):
    hopwire = scene.up(**changes)
    wait_reachable(scene.client, OFFICE)
    wait_reachable(scene.client, WORLD)
    return hopwire


def answer_on_the_interface(send, wanted, what, timeout=3):
    """Sends, and returns the first packet on hop0 that is wanted."""
    capture = scene.client.capture("hop0")
    send()
    wait_until(lambda: [p for p in capture.so_far() if wanted(p)], timeout, what)
    return next(p for p in capture.stop() if wanted(p))


def inject_from_client(*raw):
    scene.inject(scene.client, "hop0", *raw)


@tap.test
def D1_D4_too_big_comes_from_the_destination_and_quotes_what_was_sent():
    up()
    for source, place, protocol, quote in ((ENTRY_INNER, OFFICE, ICMP, 576),
                                           (ENTRY_INNER6, OFFICE6, ICMPV6, 1280)):
        sent = make_udp(source, place, 4000, 9, bytes(1380), df=True)
        answer = answer_on_the_interface(
            lambda: inject_from_client(sent), lambda p: p.is_too_big(), f"too-big about {place}")
        tap.equal((answer.src, answer.dst), (place, source), "its addresses")
        tap.check(answer.checksum_is_right(), "its checksum")
        tap.check(answer.length <= quote, f"its length: {answer.length}")
        quoted = answer.payload
        compared = min(len(quoted), 60)
        tap.equal(quoted[:compared], sent[:compared], "the quote")
        unused, mtu = struct.unpack("!HH", answer.transport[4:8])
        tap.equal(mtu, scene.world.exit_mtu, "its MTU")
        tap.equal(unused, 0, "the high half")


@tap.test
def D1_a_socket_that_probes_is_told_that_it_is_too_big():
    up()
    for place in (OFFICE, OFFICE6):
        tap.equal(scene.ask(place, 7, "--probe", "--size", 1380), "EMSGSIZE", f"towards {place}")
        answer = scene.ask(place, 7, "--probe", "--size", 1200)
        tap.contains(answer, "echoed", f"a smaller one towards {place}")


@tap.test
def D5_IPv4_without_DF_is_fragmented_after_NAT():
    up()
    office = scene.world.office.capture("lan")
    payload = bytes(i & 255 for i in range(1400))
    inject_from_client(make_udp(ENTRY_INNER, OFFICE, 4000, 7, payload))
    wait_until(lambda: sum(p.src == EXIT_INNER for p in office.so_far()) >= 2, 3, "two fragments")
    parts = sorted((p for p in office.stop() if p.src == EXIT_INNER), key=lambda p: p.fragment_offset)
    tap.equal([p.more_fragments for p in parts], [True, False], "more fragments")
    tap.check(all(p.length <= scene.world.exit_mtu for p in parts), "each fits the path")
    whole = b"".join(p.transport for p in parts)
    tap.equal(whole[8:], payload, "the payload")
    addresses = b"".join(ipaddress.ip_address(a).packed for a in (EXIT_INNER, OFFICE))
    tap.equal(checksum(addresses + struct.pack("!II", len(whole), UDP) + whole), 0, "the checksum")


@tap.test
def D2_no_icmp_about_icmp_errors_and_multicast():
    up()
    capture = scene.client.capture("hop0")
    quote = make_udp(OFFICE, ENTRY_INNER, 9, 9, bytes(8))
    error = struct.pack("!BBHI", 3, 1, 0, 0) + quote + bytes(1350)
    error = error[:2] + struct.pack("!H", checksum(error)) + error[4:]
    inject_from_client(make(ENTRY_INNER, OFFICE, ICMP, error, df=True),
                       make_udp(ENTRY_INNER, "224.0.0.251", 5353, 5353, bytes(1400), df=True),
                       make_udp(ENTRY_INNER6, "ff02::fb", 5353, 5353, bytes(1370)),
                       make_udp(ENTRY_INNER, OFFICE, 4001, 9, bytes(1400), df=True))
    # The last one must be answered: then the others had their chance.
    wait_until(lambda: [p for p in capture.so_far() if p.is_too_big()], 3, "one too-big")
    made = [p for p in capture.stop() if p.protocol in (ICMP, ICMPV6) and p.dst in
            (ENTRY_INNER, ENTRY_INNER6)]
    tap.equal(len(made), 1, f"ICMP made: {made}")


@tap.test
def D3_too_bigs_are_rate_limited():
    hopwire = up()
    capture = scene.client.capture("hop0")
    inject_from_client(*[make_udp(ENTRY_INNER, OFFICE, 4000 + i, 9, bytes(1390), df=True)
                         for i in range(1000)])
    refused = wait_until(lambda: (lambda n: n >= 400 and n)(hopwire.verdict("too_big")), 5, "verdicts")
    made = [p for p in capture.stop() if p.is_too_big()]
    tap.check(0 < len(made) < refused, f"{len(made)} answers to {refused} packets")


@tap.test
def F6_multicast_and_link_local_are_dropped_silently():
    hopwire = up()
    before = hopwire.verdict("scope")
    inject_from_client(make_udp(ENTRY_INNER, "224.0.0.251", 5353, 5353, b"x"),
                       make_udp(ENTRY_INNER6, "ff02::fb", 5353, 5353, b"x"))
    wait_until(lambda: hopwire.verdict("scope") >= before + 2, 3, "the verdict scope")


@tap.test
def B2_a_foreign_source_never_enters_a_translated_tunnel():
    hopwire = up()
    office = scene.world.office.capture("lan")
    strange = make_udp("192.168.7.7", OFFICE, 4000, 7, b"strange")
    strange6 = make_udp("2001:db8:77::7", OFFICE6, 4000, 7, b"strange")
    inject_from_client(strange, strange6)
    wait_until(lambda: hopwire.verdict("nat_source") >= 2, 3, "the verdict nat_source")
    tap.check(scene.client.ping(OFFICE), "the tunnel still works")
    seen = [p for p in office.stop() if p.payload == b"strange"]
    tap.check(not seen, f"at the office: {seen}")


@tap.test
def A4_routed_but_in_no_peers_allowed_ips_is_answered_with_icmp():
    hopwire = up(office={"Routes": [OFFICE_NET, OFFICE_NET6]},
                 office_peer={"AllowedIPs": ["10.20.0.0/24", "fd20:20::/64"]})
    for place in ("10.20.77.1", "fd20:20:0:77::1"):
        answer = scene.ask(place, 7)
        tap.check(answer in ("EHOSTUNREACH", "ENETUNREACH", "EACCES"), f"{place}: {answer}")
    tap.check(hopwire.verdict("no_peer") >= 2, "the verdict no_peer")


@tap.test
def C6_port_unreachable_reaches_the_socket_through_both_hops():
    up()
    for place in (OFFICE, OFFICE6, WORLD, WORLD6):
        tap.equal(scene.ask(place, 9999), "ECONNREFUSED", f"a closed port of {place}")


def up_with_the_exit_s_own_address_allowed():
    up(office={"Routes": [OFFICE_NET, OFFICE_NET6]},
       office_peer={"AllowedIPs": [OFFICE_NET, OFFICE_NET6, "10.70.0.1/32", "fd70::1/128"]})


@tap.test
def C6_time_exceeded_reaches_ping():
    up_with_the_exit_s_own_address_allowed()
    for place, words in ((OFFICE, "time to live exceeded"), (OFFICE6, "time exceeded")):
        result = scene.client.run("ping", "-n", "-c", 1, "-W", 2, "-t", 1, place, check=False)
        tap.contains(result.stdout, words, f"a TTL of 1 towards {place}")


@tap.test
def C6_a_narrow_link_behind_the_exit_is_discovered():
    up_with_the_exit_s_own_address_allowed()
    exit = scene.world.exit
    exit.ip("route", "replace", OFFICE + "/32", "dev", "lan", "mtu", "lock", "1300")
    exit.ip("-6", "route", "replace", OFFICE6 + "/128", "dev", "lan", "mtu", "lock", "1300")
    try:
        for place in (OFFICE, OFFICE6):
            result = scene.client.run("ping", "-n", "-c", 1, "-W", 2, "-M", "do", "-s", 1310, place,
                                      check=False)
            tap.contains(result.stdout + result.stderr, "1300", f"ping's words about {place}")
        path = scene.client.dir + "/body"
        with open(path, "wb") as file:
            file.write(bytes(300_000))
        answer = scene.client.fetch(f"http://{OFFICE}/", "-T", path)
        tap.equal(answer.split()[0], "300000", "an upload over the narrow link")
    finally:
        exit.ip("route", "del", OFFICE + "/32", "dev", "lan")
        exit.ip("-6", "route", "del", OFFICE6 + "/128", "dev", "lan")


@tap.test
def C8_the_mss_is_lowered_both_ways():
    up()
    mtu = scene.world.exit_mtu
    office = scene.world.office.capture("lan")
    for source, place, header in ((ENTRY_INNER, OFFICE, 40), (ENTRY_INNER6, OFFICE6, 60)):
        syn = make_syn(source, place, 5555, 80, 8960)
        answer = answer_on_the_interface(
            lambda: inject_from_client(syn),
            lambda p: p.src == place and p.is_syn() and p.dport == 5555, f"SYN-ACK of {place}")
        tap.equal(answer.mss, mtu - header, f"the MSS in the SYN-ACK of {place}")
        tap.check(answer.checksum_is_right(), "the SYN-ACK's checksum")
    for packet in office.stop():
        if packet.is_syn() and packet.dport == 80 and packet.sport == 5555:
            header = 40 if packet.version == 4 else 60
            tap.equal(packet.mss, mtu - header, f"the MSS that the office sees: {packet}")
            tap.check(packet.checksum_is_right(), "the SYN's checksum")


@tap.test
def C4_misdirected_packets_from_a_relay_are_dropped():
    """The exit sends to an address that is not the tunnel's own."""
    hopwire = up()
    exit, key = scene.world.exit, scene.world.keys["office"].public
    exit.run("wg", "set", "wg0", "peer", key, "allowed-ips",
             f"{EXIT_INNER}/32,{EXIT_INNER6}/128,{ENTRY_INNER}/32,192.0.2.0/24")
    try:
        capture = scene.client.capture("hop0")
        scene.inject(exit, "wg0", make_udp(OFFICE, ENTRY_INNER, 9, 4444, b"misdirected"),
                     make_udp(OFFICE, "192.0.2.2", 9, 4444, b"misdirected"))
        wait_until(lambda: hopwire.verdict("misdirected") >= 2, 3, "the verdict misdirected")
        tap.check(not [p for p in capture.stop() if p.payload == b"misdirected"], "none on the TUN")
    finally:
        exit.run("wg", "set", "wg0", "peer", key, "allowed-ips",
                 f"{EXIT_INNER}/32,{EXIT_INNER6}/128")


@tap.test
def C4_spoofed_packets_from_a_relay_are_dropped():
    """The entry sends with an office source: AllowedIPs would let it, the routes do not."""
    hopwire = up()
    capture = scene.client.capture("hop0")
    scene.inject(scene.world.entry, "wg0", make_udp(OFFICE, ENTRY_INNER, 9, 4444, b"spoofed"),
                 make_udp(OFFICE6, ENTRY_INNER6, 9, 4444, b"spoofed"),
                 make_udp(WORLD, ENTRY_INNER, 9, 4444, b"honest"))
    wait_until(lambda: [p for p in capture.so_far() if p.payload == b"honest"], 3, "the honest one")
    tap.check(not [p for p in capture.stop() if p.payload == b"spoofed"], "none on the TUN")
    tap.equal(hopwire.verdict("spoofed"), 2, "the verdict spoofed")


@tap.test
def C4_sources_outside_allowed_ips_are_dropped():
    hopwire = up()
    capture = scene.client.capture("hop0")
    scene.inject(scene.world.exit, "wg0", make_udp(WORLD, EXIT_INNER, 9, 4444, b"foreign"),
                 make_udp(OFFICE, EXIT_INNER, 9, 4444, b"honest"))
    wait_until(lambda: [p for p in capture.so_far() if p.payload == b"honest"], 3, "the honest one")
    tap.check(not [p for p in capture.stop() if p.payload == b"foreign"], "none on the TUN")
    tap.equal(hopwire.verdict("source_not_allowed"), 1, "the verdict source_not_allowed")


@tap.test
def C6_forged_too_bigs_with_foreign_quotes_are_refused():
    hopwire = up()
    quote = make_udp("10.1.2.3", OFFICE, 9, 9, bytes(8))
    error = struct.pack("!BBHHH", 3, 4, 0, 0, 68) + quote
    error = error[:2] + struct.pack("!H", checksum(error)) + error[4:]
    capture = scene.client.capture("hop0")
    scene.inject(scene.world.exit, "wg0", make(OFFICE, EXIT_INNER, ICMP, error))
    wait_until(lambda: hopwire.verdict("icmp_refused") >= 1, 3, "the verdict icmp_refused")
    tap.check(not [p for p in capture.stop() if p.is_too_big()], "none on the TUN")


@tap.test
def C6_errors_about_carried_datagrams_are_consumed():
    """The entry's router says too-big about a datagram to the exit: nothing changes."""
    hopwire = up()
    quote = make_udp(ENTRY_INNER, scene.world.exit_endpoint, virtual_port(), 51820, bytes(8))
    error = struct.pack("!BBHHH", 3, 4, 0, 0, 576) + quote
    error = error[:2] + struct.pack("!H", checksum(error)) + error[4:]
    scene.inject(scene.world.entry, "wg0", make(WORLD, ENTRY_INNER, ICMP, error))
    wait_until(lambda: hopwire.verdict("icmp_consumed") >= 1, 3, "the verdict icmp_consumed")
    tap.check(scene.client.ping(OFFICE, "-M", "do", "-s", scene.world.exit_mtu - 28), "full size")


def virtual_port():
    """The carried tunnel's own port, as the entry sees it."""
    inside = scene.world.entry.capture("wg0")
    scene.client.ping(OFFICE)
    return next(p.sport for p in inside.stop() if p.dst == scene.world.exit_endpoint)


@tap.test
def C3_a_carried_tunnels_messages_count_only_inside_its_carrier():
    """Datagrams of the exit that arrive at the real socket are not looked at as the office's."""
    up(entry={"ListenPort": 51999})
    inside = scene.world.entry.capture("wg0")
    scene.client.ping(OFFICE)
    from_exit = [p for p in inside.stop() if p.src == scene.world.exit_endpoint and p.payload]
    capture = scene.client.capture("hop0")
    scene.inject(scene.world.internet, "client",
                 *[make_udp(p.src, "192.0.2.2", 51820, 51999, p.payload) for p in from_exit])
    tap.check(scene.client.ping(OFFICE), "the office still answers")
    replies = [p for p in capture.stop() if p.src == OFFICE and p.protocol == ICMP]
    tap.equal(len(replies), 1, f"the replayed reply does not come again: {replies}")


@tap.test
def malformed_packets_from_the_interface_and_from_relays_change_nothing():
    hopwire = up()
    good = make_udp(ENTRY_INNER, OFFICE, 4000, 7, bytes(64))
    good6 = make_udp(ENTRY_INNER6, OFFICE6, 4000, 7, bytes(64))
    bad = [good[:cut] for cut in (20, 21, 24, 27)] + [good6[:cut] for cut in (40, 41, 44, 47)]
    bad += [good[:at] + bytes([good[at] ^ 255]) + good[at + 1:] for at in range(1, 28)]
    bad += [good6[:at] + bytes([good6[at] ^ 255]) + good6[at + 1:] for at in range(1, 48)]
    bad += [bytes([0x40 | ihl]) + good[1:] for ihl in range(16)]
    inject_from_client(*bad)
    turned = [p.replace(ipaddress.ip_address(ENTRY_INNER).packed, b"SRC!")
              .replace(ipaddress.ip_address(OFFICE).packed,
                       ipaddress.ip_address(ENTRY_INNER).packed)
              .replace(b"SRC!", ipaddress.ip_address(WORLD).packed) for p in bad]
    scene.inject(scene.world.entry, "wg0", *turned)
    tap.check(scene.client.ping(OFFICE), "the office still answers")
    tap.check(hopwire.pids(), "the daemon lives")


if __name__ == "__main__":
    main()
