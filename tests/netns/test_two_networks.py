# SPDX-License-Identifier: MIT
"""Several networks on one host: their kill switches pass each other, one address may be that of two,
and nobody reaches one's address through the other (RULES B1, F4)."""

import tap
from peers import Hopwire, at, sections
from scene import main, scene
from world import (CLIENT, ENTRY_INNER, ENTRY_INNER6, EXIT, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6,
                   OFFICE_NET, OFFICE_NET6, WORLD, WORLD6, wait_reachable)

PLACES = (OFFICE, OFFICE6, WORLD, WORLD6)


@tap.test
def F4_two_networks_with_kill_switches_pass_each_other():
    world = scene.world
    entry = sections(*[(title, {**keys, "KillSwitch": "on"} if title == "Network" else keys)
                       for title, keys in world.client_parts()[:3]])
    office = sections(
        ("Network", {"Interface": "hop1", "KillSwitch": "on"}),
        ("Tunnel office", {"PrivateKey": world.keys["office"].private,
                           "Address": [EXIT_INNER + "/32"]}),
        ("Peer", {"PublicKey": world.keys["exit"].public, "Endpoint": at(EXIT),
                  "AllowedIPs": [OFFICE_NET]}))
    scene.up(text=entry)
    scene.up(text=office, name="second")
    wait_reachable(scene.client, WORLD)
    for _ in range(2):
        wait_reachable(scene.client, OFFICE)


def share_addresses():
    """The exit relay takes the entry's client address too, as two providers hand out one address."""
    world, shared = scene.world, [ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"]
    world.exit.run("wg", "set", "wg0", "peer", world.keys["office"].public, "allowed-ips",
                   ",".join([EXIT_INNER + "/32", EXIT_INNER6 + "/128"] + shared))
    for prefix in shared:
        world.exit.route(prefix, "dev", "wg0")
    return shared


@tap.test
def B1_F4_two_networks_with_one_address_both_work():
    """Each lets in what comes by an interface that has the address, and nothing else."""
    world, client, shared = scene.world, scene.client, share_addresses()
    second_text = lambda kill_switch: sections(
        ("Network", {"Interface": "hop1", "KillSwitch": kill_switch}),
        ("Tunnel office", {"PrivateKey": world.keys["office"].private, "Address": shared}),
        ("Peer", {"PublicKey": world.keys["exit"].public, "Endpoint": at(EXIT),
                  "AllowedIPs": [OFFICE_NET, OFFICE_NET6, "10.70.0.1/32"]}))
    world.internet.route(ENTRY_INNER + "/32", "via", CLIENT)
    try:
        for kill_switch in ("off", "on"):
            first = Hopwire(client, "first")
            scene.networks.append(first)
            first.up(text=sections(*world.client_parts(network={"KillSwitch": kill_switch})[:3]))
            second = scene.up(text=second_text(kill_switch), name="second")
            for _ in range(2):
                for place in PLACES:
                    wait_reachable(client, place)
            tap.check(not world.internet.ping(ENTRY_INNER, wait=0.5), "no answer to a neighbour")
            second.down()
            wait_reachable(client, WORLD, 3)
            second.up(text=second_text(kill_switch))
            first.down()
            wait_reachable(client, OFFICE, 3)
            second.down()
    finally:
        world.internet.ip("route", "del", ENTRY_INNER + "/32")


@tap.test
def F4_an_address_of_one_network_is_not_reached_through_another():
    """The other relay is outside as well (CVE-2019-14899)."""
    world, client = scene.world, scene.client
    scene.up(text=sections(*world.client_parts(network={"Interface": "hop1"})[:3]), name="first")
    scene.up(text=sections(
        ("Network", {"Interface": "hop0"}),
        ("Tunnel office", {"PrivateKey": world.keys["office"].private,
                           "Address": EXIT_INNER + "/32"}),
        ("Peer", {"PublicKey": world.keys["exit"].public, "Endpoint": at(EXIT),
                  "AllowedIPs": [OFFICE_NET, "10.70.0.1/32"]})), name="second")
    wait_reachable(client, OFFICE)
    world.exit.run("wg", "set", "wg0", "peer", world.keys["office"].public, "allowed-ips",
                   f"{EXIT_INNER}/32,{ENTRY_INNER}/32")
    world.exit.route(ENTRY_INNER + "/32", "dev", "wg0")
    inside = client.capture("hop0")
    world.exit.ping(ENTRY_INNER, wait=0.5)
    seen = [(p.src, p.dst) for p in inside.stop()]
    tap.check(("10.70.0.1", ENTRY_INNER) in seen, f"it came: {seen}")
    tap.check((ENTRY_INNER, "10.70.0.1") not in seen, f"and was not answered: {seen}")


main(services=False)
