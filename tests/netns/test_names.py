# SPDX-License-Identifier: MIT
"""G1, G2: names of endpoints at the root are asked of the uplink's name server, lazily."""

import os
import time

import tap
from lab import HERE, wait_until
from packets import UDP
from peers import Hopwire, Key, sections
from scene import main, scene
from world import ENTRY, ENTRY6, EVERYTHING, EXIT, EXIT_INNER, OFFICE, WORLD, wait_reachable

RESOLVER, RESOLVER6 = "192.0.2.1", "2001:db8:2::1"
ENTRY_NAME, EXIT_NAME = "entry.example.net", "exit.example.net"
NAMED = {"Endpoint": ENTRY_NAME + ":51820"}


def name_server(*records):
    server = scene.world.internet.start("python3", os.path.join(HERE, "dns.py"), *records, name="dns")
    server.wait_output("ready")
    return server


def resolver_is(*addresses):
    scene.client.write("resolv.conf", "".join(f"nameserver {a}\n" for a in addresses), 0o644)


@tap.test
def a_root_s_name_is_resolved_and_used():
    server = name_server(f"{ENTRY_NAME}={ENTRY}")
    resolver_is(RESOLVER)
    uplink = scene.client.capture("uplink")
    scene.up(entry_peer=NAMED)
    wait_reachable(scene.client, OFFICE)
    tap.equal(scene.client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "the office")
    tap.equal(scene.client.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "the world")
    leaks = [p for p in scene.leaks(uplink.stop())
             if not (p.protocol == UDP and RESOLVER in (p.src, p.dst) and 53 in (p.sport, p.dport))]
    tap.check(not leaks, f"on the uplink beside the entry and DNS: {leaks[:3]}")
    server.stop()


@tap.test
def up_does_not_wait_for_a_name_that_nobody_answers():
    resolver_is("192.0.2.99")
    hopwire = scene.up(entry_peer=NAMED)
    tap.check(hopwire.status(), "status answers")
    tap.check(not scene.client.ping(WORLD, wait=1), "nothing leaves meanwhile")


@tap.test
def I4_an_endpoint_that_wg_set_is_nobody_s_name():
    server = name_server(f"{ENTRY_NAME}={ENTRY}")
    resolver_is(RESOLVER)
    hopwire = scene.up(entry_peer=NAMED)
    wait_reachable(scene.client, OFFICE)
    peer = lambda: hopwire.status()["tunnels"][0]["peers"][0]
    tap.equal(peer()["endpoint_name"], NAMED["Endpoint"], "the name")
    key = peer()["public_key"]
    scene.client.run("wg", "set", "hop0", "peer", key, "endpoint", f"[{ENTRY6}]:51820")
    tap.equal(peer()["endpoint_name"], None, "no name any more")
    scene.client.ip("address", "add", "192.0.2.77/24", "dev", "uplink")  # routes are looked at again
    wait_reachable(scene.client, OFFICE)
    tap.equal(peer()["endpoint"], f"[{ENTRY6}]:51820", "the endpoint")
    scene.client.ip("address", "del", "192.0.2.77/24", "dev", "uplink")
    other = Key().public
    scene.client.run("wg", "set", "hop0", "peer", other, "allowed-ips", EVERYTHING.replace(" ", ""),
                     "peer", key, "remove")
    tap.equal(peer()["public_key"], other, "who is left")
    server.stop()


@tap.test
def I7_a_peer_that_wg_adds_makes_no_name_asked_again():
    server = name_server(f"{ENTRY_NAME}={ENTRY}")
    resolver_is(RESOLVER)
    hopwire = scene.up(entry_peer=NAMED)
    wait_reachable(scene.client, OFFICE)
    uplink = scene.client.capture("uplink")
    scene.client.run("wg", "set", "hop0", "peer", Key().public, "endpoint", f"{EXIT}:51820",
                     "persistent-keepalive", "1")
    wait_until(lambda: any(p.dst == EXIT for p in uplink.so_far()), 10, "the new peer's datagrams")
    questions = [p for p in uplink.stop() if p.protocol == UDP and p.dport == 53]
    tap.equal(questions, [], "questions")
    tap.equal(hopwire.status()["tunnels"][0]["peers"][0]["endpoint_name"], NAMED["Endpoint"], "name")
    server.stop()


def up_and_log(*names):
    """A foreground `up` of a network with a root for each name: its process."""
    parts = []
    for number, name in enumerate(names, 1):
        parts += [(f"Tunnel t{number}", {"PrivateKey": Key().private,
                                         "Address": f"10.9{number}.0.2/32"}),
                  ("Peer", {"PublicKey": Key().public, "Endpoint": f"{name}:51820",
                            "AllowedIPs": f"10.9{number}.0.0/16"})]
    hopwire = Hopwire(scene.client, "named")
    path = hopwire.write(sections(*parts))
    scene.networks.append(hopwire)
    return scene.client.start(hopwire.binary, "up", "-f", path, name="named")


@tap.test
def G2_each_name_s_reason_is_told_by_itself():
    resolver_is()
    process = up_and_log("one.example.net", "two.example.net")
    process.wait_output("t2: endpoint two.example.net: ")
    for line in process.output().splitlines():
        tap.check(line.count("names no DNS server") <= 1, line)


@tap.test
def G2_the_log_says_within_5_s_whose_answer_is_missing():
    resolver_is("192.0.2.99", RESOLVER6)
    began = time.monotonic()
    process = up_and_log("one.example.net")
    waiting = "one.example.net: no answer yet from 192.0.2.99, " + RESOLVER6
    process.wait_output(waiting)
    seconds = time.monotonic() - began
    tap.check(seconds < 5, f"after {seconds:.1f} s")
    process.wait_output("cannot resolve one.example.net", 40)  # it did not give up sooner
    tap.equal(process.output().count("no answer yet"), 1, "times that it is said")


@tap.test
def G2_an_answer_that_no_host_can_have_is_passed_over():
    resolver_is(RESOLVER)
    server = name_server("one.example.net=0.0.0.0", "one.example.net=255.255.255.255",
                         "one.example.net=224.0.0.1", "one.example.net=fe80::1",
                         "two.example.net=0.0.0.0", f"two.example.net={ENTRY}")
    process = up_and_log("one.example.net", "two.example.net")
    process.wait_output("t1: endpoint one.example.net: ")
    process.wait_output("t2: endpoint two.example.net: ")
    tap.contains(process.output(), "one.example.net: none of its addresses can be a host's", "t1")
    tap.contains(process.output(), f"two.example.net: {ENTRY}:51820", "t2")
    server.stop()


@tap.test
def G2_a_name_that_fails_is_asked_again():
    resolver_is(RESOLVER)
    first = name_server("other.example.net=192.0.2.5")
    scene.up(entry_peer=NAMED)
    scene.client.ping(WORLD, wait=1)
    wait_until(lambda: "asked " + ENTRY_NAME in first.output(), 10, "the first question")
    first.stop()
    second = name_server(f"{ENTRY_NAME}={ENTRY}")
    wait_reachable(scene.client, WORLD, 60)
    second.stop()


@tap.test
def G2_a_name_that_moved_is_found_when_handshakes_fail():
    resolver_is(RESOLVER)
    first = name_server(f"{ENTRY_NAME}=198.51.100.99")
    scene.up(entry_peer=NAMED)
    scene.client.ping(WORLD, wait=1)
    wait_until(lambda: "asked " + ENTRY_NAME in first.output(), 10, "the first question")
    first.stop()
    second = name_server(f"{ENTRY_NAME}={ENTRY}")
    flood = scene.client.start("ping", "-q", "-i", "0.5", WORLD, name="ping")
    wait_reachable(scene.client, WORLD, 120)
    flood.stop()
    second.stop()


@tap.test
def G1_a_local_resolver_is_refused_with_a_sentence():
    resolver_is("127.0.0.1")
    hopwire = scene.up()
    hopwire.down()
    result = hopwire.command("up", hopwire.write(scene.world.client_text(entry_peer=NAMED)),
                             check=False)
    tap.equal(result.returncode, 1, f"the exit status ({result.stdout}{result.stderr})")
    tap.contains(result.stderr, "127.0.0.1", "the sentence")


@tap.test
def G1_a_carried_endpoint_s_name_is_never_asked_outside():
    server = name_server(f"{EXIT_NAME}={EXIT}")
    resolver_is(RESOLVER)
    hopwire = scene.up()
    hopwire.down()
    text = scene.world.client_text(office_peer={"Endpoint": EXIT_NAME + ":51820"})
    result = hopwire.command("up", hopwire.write(text), check=False)
    if result.returncode == 0:
        hopwire.is_up = True
        scene.client.ping(OFFICE, wait=1)
    else:
        tap.contains(result.stderr, EXIT_NAME, "the sentence")
    tap.check(EXIT_NAME not in server.output(), "the name on the physical network")
    server.stop()


BOTH = (f"{ENTRY_NAME}={ENTRY6}", f"{ENTRY_NAME}={ENTRY}")


def seconds_until_reached(place, timeout=40):
    began = time.monotonic()
    wait_reachable(scene.client, place, timeout)
    return time.monotonic() - began


@tap.test
def G2_an_address_of_a_family_without_a_route_is_passed_over():
    """The host has a way in one family only, whatever the order of the answer."""
    client = scene.client
    for family in ("-4", "-6"):
        for records in (BOTH, BOTH[::-1]):
            scene.world.renew_relays()
            server = name_server(*records)
            resolver_is(RESOLVER if family == "-6" else RESOLVER6)
            client.ip(family, "route", "del", "default")
            try:
                hopwire = scene.up(entry_peer=NAMED)
                took = seconds_until_reached(WORLD)
                tap.check(took < 4, f"{took:.1f} s without {family}, {records}")
                hopwire.down()
            finally:
                client.route("default", "via", RESOLVER if family == "-4" else RESOLVER6)
                server.stop()


@tap.test
def G2_when_the_way_of_one_family_goes_the_other_takes_over_at_once():
    scene.world.renew_relays("hopwire")
    client, server = scene.client, name_server(*BOTH)
    resolver_is(RESOLVER)
    hopwire = scene.up(entry_peer=NAMED)
    seconds_until_reached(WORLD)
    used = hopwire.status()["tunnels"][0]["peers"][0]["endpoint"]
    family, gateway = ("-6", RESOLVER6) if ENTRY6 in used else ("-4", RESOLVER)
    client.ip(family, "route", "del", "default")
    try:
        took = seconds_until_reached(WORLD)
        tap.check(took < 4, f"{took:.1f} s after the route {family} went")
        tap.check(used != hopwire.status()["tunnels"][0]["peers"][0]["endpoint"], "the endpoint")
    finally:
        client.route("default", "via", gateway)
        server.stop()


@tap.test
def G2_an_address_that_does_not_answer_makes_room_within_one_repetition():
    """A route that leads nowhere, of either family."""
    internet = scene.world.internet
    for dead in (ENTRY, ENTRY6):
        scene.world.renew_relays()
        server = name_server(*BOTH)
        resolver_is(RESOLVER)
        block = "ip6" if ":" in dead else "ip"
        internet.run("nft", "-f", "-", input=f"""
            table inet blocked {{
                chain pre {{
                    type filter hook prerouting priority -350
                    {block} daddr {dead} udp dport 51820 drop
                }}
            }}
            """)
        try:
            hopwire = scene.up(entry_peer=NAMED)
            took = seconds_until_reached(WORLD)
            tap.check(took < 8, f"{took:.1f} s beside {dead}")
            hopwire.down()
        finally:
            internet.run("nft", "delete", "table", "inet", "blocked")
            server.stop()


if __name__ == "__main__":
    main(relays="hopwire")  # Debian 13's wireguard-go loses its first IPv6 answer after an IPv4 one
