# SPDX-License-Identifier: MIT
"""Several networks on one host: their kill switches pass each other, one address may be that of two,
and nobody reaches one's address through the other (RULES B1, F4)."""

import os
import signal

import tap
from lab import wait_until
from peers import Hopwire, at, is_dead, sections
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


@tap.test
def F1_a_second_network_takes_nothing_from_a_kill_switch_with_a_priority():
    """The host has a route of its own to the world, which goes before no kill switch; and the rule of
    others that the priority lets go first still does, where nobody takes everything before it."""
    world, client = scene.world, scene.client
    client.route("198.18.0.0/24", "via", "192.0.2.1")
    client.route("203.0.113.128/25", "via", "192.0.2.1", "table", "52")
    client.ip("rule", "add", "pref", "150", "lookup", "52")
    before, scene.before = scene.before, client.network_state()

    def closed(priority):
        network = {"KillSwitch": "on", "Priority": priority}
        return "closed", sections(*world.client_parts(network=network)[:3])

    def second(takes):
        return "second", sections(
            ("Network", {"Interface": "hop1"}),
            ("Tunnel office", {"PrivateKey": world.keys["office"].private,
                               "Address": [EXIT_INNER + "/32", EXIT_INNER6 + "/128"]}),
            ("Peer", {"PublicKey": world.keys["exit"].public, "Endpoint": at(EXIT),
                      "AllowedIPs": [OFFICE_NET, OFFICE_NET6] + takes}))

    def way(destination):
        return client.ip("route", "get", destination, check=False).split("\n")[0]

    def check_ways(when):
        tap.contains(way(WORLD), "dev hop0", f"the world {when}")
        tap.contains(way(WORLD6), "dev hop0", f"the world's IPv6 {when}")
        tap.contains(way(OFFICE), "dev hop1", f"the office {when}")

    try:
        for takes in ([], ["0.0.0.0/0", "::/0"]):
            for order in (1, -1):
                when = f"with {takes}, order {order}"
                for name, text in [closed(200), second(takes)][::order]:
                    scene.up(text=text, name=name)
                check_ways(when)
                wait_reachable(client, WORLD)
                wait_reachable(client, OFFICE)
                tap.contains(way("203.0.113.129"), "dev hop0" if takes else "dev uplink", when)
                by_name = {network.name: network for network in scene.networks}
                checked = by_name["closed"].command("check", client.dir + "/closed.conf").stdout
                tap.equal("write Priority = 200 in that one's" in checked, bool(takes), checked)
                pid = by_name["closed"].daemon()
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: is_dead(pid), 5, "the killed daemon to go")
                tap.equal(way(WORLD), "", f"unreachable after a crash {when}")
                tap.contains(way(OFFICE), "dev hop1", f"the office after a crash {when}")
                uplink = client.capture("uplink")
                tap.check(not client.ping(WORLD, wait=0.5), "nothing past a crashed kill switch")
                tap.check(not [p for p in uplink.stop() if p.dst == WORLD], "and no leak")
                by_name["second"].down()
                tap.equal(way(WORLD), "", f"unreachable, the second down {when}")
                scene.clean()
    finally:
        client.ip("rule", "del", "pref", "150")
        client.ip("route", "flush", "table", "52")
        client.ip("route", "del", "198.18.0.0/24")
        scene.before = before


@tap.test
def F1_check_says_what_up_refuses_beside_another_network():
    """Behind a rule that came directly behind a network that takes everything, and is not moved."""
    world, client = scene.world, scene.client
    scene.up(text=sections(*world.client_parts()[:3]), name="whole")
    second = Hopwire(client, "second")
    text = lambda kill_switch: sections(
        ("Network", {"Interface": "hop1", "KillSwitch": kill_switch}),
        ("Tunnel office", {"PrivateKey": world.keys["office"].private,
                           "Address": EXIT_INNER + "/32"}),
        ("Peer", {"PublicKey": world.keys["exit"].public, "Endpoint": at(EXIT),
                  "AllowedIPs": OFFICE_NET}))
    said = {}
    client.ip("rule", "add", "not", "fwmark", "0x77", "lookup", "88", "protocol", "kernel")
    try:
        for kill_switch in ("off", "on"):
            path = second.write(text(kill_switch))
            for command in ("check", "up"):
                result = second.command(command, path, check=False)
                tap.equal(result.returncode, 1, command)
                said[command] = result.stderr
            tap.equal(said["check"], said["up"], "one sentence")
            tap.contains(said["up"], "leaves no room", "which")
    finally:
        client.ip("rule", "del", "not", "fwmark", "0x77", "lookup", "88")
    second.command("check", path)
    tap.equal(second.command("check", client.dir + "/whole.conf").returncode, 0, "of one that is up")


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
