# SPDX-License-Identifier: MIT
"""G2: a literal IPv4 endpoint on a network that has only IPv6 and translates. The prefix is asked
for, and asked again in the next network; with IPv4 the peer is reached straight again."""

import os

import tap
from lab import HERE, wait_until
from packets import UDP
from peers import Key
from scene import main, scene
from world import ENTRY, EXIT, OFFICE, WORLD, wait_reachable

GATEWAY, RESOLVER6 = "192.0.2.1", "2001:db8:2::1"
POOL = "198.18.64.1"
WELL_KNOWN, OWN = "64:ff9b::", "2001:db8:64::"


def inside(prefix):
    return {WELL_KNOWN: "64:ff9b::c633:640a", OWN: "2001:db8:64::c633:640a"}[prefix]


class Network:
    """IPv6 alone, with a translator and a name server that tells its prefix."""

    def __init__(self, prefix):
        internet = scene.world.internet
        here = os.path.join(HERE, "nat64.py")
        self.translator = internet.start("python3", here, "nat64", prefix, POOL, name="nat64")
        self.translator.wait_output("ready")
        internet.route(prefix + "/96", "dev", "nat64")
        internet.route(POOL + "/32", "dev", "nat64")
        self.dns = internet.start("python3", os.path.join(HERE, "dns.py"),
                                  f"ipv4only.arpa={prefix}c000:aa", "ipv4only.arpa=192.0.0.170",
                                  name="dns")
        self.dns.wait_output("ready")
        scene.client.write("resolv.conf", f"nameserver {RESOLVER6}\n", 0o644)
        scene.client.ip("-4", "route", "del", "default", check=False)

    def leave(self):
        self.translator.stop()
        self.dns.stop()
        scene.client.route("default", "via", GATEWAY, "dev", "uplink")


def endpoint_of(hopwire):
    return hopwire.status()["tunnels"][0]["peers"][0]["endpoint"]


def reached_inside(hopwire, prefix):
    wait_until(lambda: inside(prefix) in (endpoint_of(hopwire) or ""), 20, "the NAT64 address")
    for place in (WORLD, OFFICE):
        wait_reachable(scene.client, place)


@tap.test
def G2_a_literal_IPv4_endpoint_is_reached_through_NAT64():
    for prefix in (WELL_KNOWN, OWN):
        network = Network(prefix)
        try:
            uplink = scene.client.capture("uplink")
            hopwire = scene.up()
            reached_inside(hopwire, prefix)
            tap.equal(hopwire.status()["tunnels"][0]["mtu"], 1420, "the entry's MTU, over IPv6")
            others = [p for p in uplink.stop() if not p.is_link_local() and p.protocol == UDP
                      and inside(prefix) not in (p.src, p.dst) and 53 not in (p.sport, p.dport)]
            tap.equal(others[:3], [], "other datagrams on the uplink")
            hopwire.down()
        finally:
            network.leave()


@tap.test
def G2_it_follows_the_network_and_goes_straight_where_it_can():
    client = scene.client
    network = Network(WELL_KNOWN)
    try:
        hopwire = scene.up(network={"KillSwitch": "on"})
        reached_inside(hopwire, WELL_KNOWN)
        client.route("default", "via", GATEWAY, "dev", "uplink")
        wait_until(lambda: endpoint_of(hopwire) == ENTRY + ":51820", 20, "the literal again")
        wait_reachable(client, WORLD)
        # Another network, with another prefix.
        network.leave()
        network = Network(OWN)
        reached_inside(hopwire, OWN)
    finally:
        network.leave()


@tap.test
def I7_a_peer_that_wg_adds_or_sets_forgets_no_way():
    client = scene.client
    network = Network(WELL_KNOWN)
    try:
        hopwire = scene.up()
        reached_inside(hopwire, WELL_KNOWN)
        network.dns.stop()  # what is known is not asked for again
        entry = hopwire.status()["tunnels"][0]["peers"][0]["public_key"]
        client.run("wg", "set", "hop0", "peer", entry, "endpoint", ENTRY + ":51820")
        wait_until(lambda: inside(WELL_KNOWN) in (endpoint_of(hopwire) or ""), 5, "the same text")
        client.run("wg", "set", "hop0", "peer", Key().public, "endpoint", EXIT + ":51820")
        wait_until(lambda: "64:ff9b::" in (hopwire.status()["tunnels"][0]["peers"][1]["endpoint"]),
                   20, "the new peer's NAT64 address")
        tap.contains(endpoint_of(hopwire), inside(WELL_KNOWN), "the other one's")
        client.route("default", "via", GATEWAY, "dev", "uplink")
        wait_until(lambda: endpoint_of(hopwire) == ENTRY + ":51820", 20, "the literal again")
        wait_reachable(client, WORLD)
    finally:
        network.leave()


@tap.test
def G2_without_a_prefix_status_and_check_say_so():
    client = scene.client
    network = Network(WELL_KNOWN)
    network.dns.stop()
    network.dns = scene.world.internet.start("python3", os.path.join(HERE, "dns.py"), "x.example=::1",
                                             name="dns")
    network.dns.wait_output("ready")
    try:
        hopwire = scene.up()
        check = hopwire.command("check", hopwire.write(scene.world.client_text())).stdout
        tap.contains(check, f"no way to {ENTRY}", "check")
        tap.contains(check, "NAT64", "check")
        wait_until(lambda: "NAT64" in (hopwire.status()["tunnels"][0]["peers"][0]["endpoint_error"]
                                       or ""), 20, "status to tell")
        tap.check(not client.ping(WORLD, wait=0.5), "nothing is reached")
    finally:
        network.leave()


if __name__ == "__main__":
    main()
