# SPDX-License-Identifier: MIT
"""Routes that lead a tunnel's own datagrams into the interface again: dropped by name, and nothing
multiplies."""

import tap
from lab import wait_until
from peers import at, sections
from scene import main, scene
from world import ENTRY, ENTRY_INNER, EVERYTHING, EXIT, WORLD, wait_reachable

PINGS = 20


def sent_into(interface):
    return scene.client.ip_json("-s", "link", "show", interface)[0]["stats64"]["tx"]["packets"]


def drops(hopwire, verdict):
    status = hopwire.status()
    return sum(part["drops"].get(verdict, 0) for part in [status, *status["tunnels"]])


def up_without_routes(*peers):
    """Nothing routed by Hopwire; the world goes into the interface."""
    client, world = scene.client, scene.world
    hopwire = scene.up(text=sections(
        ("Network", {"Interface": "hop0", "Table": "off"}), ("Tunnel entry", {
            "PrivateKey": world.keys["client"].private, "Address": ENTRY_INNER + "/32"}), *peers))
    client.route(WORLD + "/32", "dev", "hop0")
    return hopwire


def entry_peer(allowed=EVERYTHING, endpoint=ENTRY):
    return "Peer", {"PublicKey": scene.world.keys["entry"].public, "Endpoint": at(endpoint),
                    "AllowedIPs": allowed}


def check_nothing_multiplies(hopwire):
    before = sent_into("hop0")
    scene.client.ping(WORLD, count=PINGS, wait=1)
    wait_until(lambda: drops(hopwire, "loop") > 0, 10, "a loop that is counted")
    tap.check(sent_into("hop0") - before < 5 * PINGS,
              f"{sent_into('hop0') - before} packets of {PINGS} pings")


@tap.test
def H6_TRAPS_18_the_relay_routed_into_its_own_tunnel():
    hopwire = up_without_routes(entry_peer())
    client = scene.client
    client.route(ENTRY + "/32", "dev", "hop0")
    uplink = client.capture("uplink")
    check_nothing_multiplies(hopwire)
    tap.check(not [p for p in uplink.stop() if ENTRY in (p.src, p.dst)], "nothing reaches the entry")
    client.ip("route", "del", ENTRY + "/32", "dev", "hop0")
    wait_reachable(client, WORLD)
    # and in a tunnel that was up already
    client.route(ENTRY + "/32", "dev", "hop0")
    before = sent_into("hop0")
    client.ping(WORLD, count=PINGS, wait=1)
    tap.check(sent_into("hop0") - before < 5 * PINGS, "a running tunnel multiplies nothing either")


@tap.test
def H6_TRAPS_18_two_relays_each_routed_into_the_other():
    exit_peer = ("Peer", {"PublicKey": scene.world.keys["exit"].public, "Endpoint": at(EXIT),
                          "AllowedIPs": [ENTRY + "/32"]})
    hopwire = up_without_routes(entry_peer(), exit_peer)
    scene.client.route(ENTRY + "/32", "dev", "hop0")
    scene.client.route(EXIT + "/32", "dev", "hop0")
    check_nothing_multiplies(hopwire)


@tap.test
def H6_a_mark_keeps_a_relay_inside_its_own_allowed_ips_out_of_the_tunnel():
    """The usual case: 0.0.0.0/0 holds the relay itself."""
    hopwire = scene.up()
    wait_reachable(scene.client, WORLD)
    tap.equal(drops(hopwire, "loop"), 0, "loops")


if __name__ == "__main__":
    main()
