# SPDX-License-Identifier: MIT
"""F8: what the daemon does when the way to a root's endpoint changes, and nothing else makes it
speak: one handshake at once from the new place, names asked again, the MTU read again."""

import os
import shutil
import subprocess
import time

import tap
from lab import HERE, wait_until
from packets import UDP
from peers import Hopwire, at, sections
from scene import main, scene
from world import (CLIENT, ENTRY, ENTRY_INNER, EXIT, OFFICE, WORLD, overhead,
                   wait_reachable)

NAME = "entry.example.net"
NAMED = {"entry_peer": {"Endpoint": NAME + ":51820"}}
NOBODY = "198.51.100.99"
MOVED, SECOND, SECOND_MTU = "192.0.2.77", "192.0.3.2", 1400


class NameServer:
    """On the internet's router."""

    def __init__(self, *addresses):
        records = [f"{NAME}={address}" for address in (ENTRY, *addresses)]
        self.process = scene.world.internet.start("python3", os.path.join(HERE, "dns.py"), *records,
                                                  name="dns")
        self.process.wait_output("ready")
        scene.client.write("resolv.conf", "nameserver 192.0.2.1\n", 0o644)

    def asked(self):
        return self.process.output().count("asked " + NAME)

    def stop(self):
        self.process.stop()


def initiations(capture, source):
    return [p for p in capture.so_far() if (p.src, p.dst) == (source, ENTRY) and p.protocol == UDP
            and len(p.payload) == 148 and p.payload[0] == 1]


def expect_one_handshake(capture, source):
    wait_until(lambda: initiations(capture, source), 10, f"a handshake from {source}")
    wait_until(lambda: any((p.src, p.dst) == (ENTRY, source) and len(p.payload) == 92
                           for p in capture.so_far()), 30, "its answer")
    tap.equal(len(initiations(capture, source)), 1, f"handshakes from {source}")


def link_mtu():
    return scene.client.ip_json("link", "show", "hop0")[0]["mtu"]


def settled():
    """Up, both hops with a session, and quiet."""
    hopwire = scene.up(**NAMED)
    wait_reachable(scene.client, OFFICE)
    return hopwire


@tap.test
def F8_the_uplink_s_address_changes():
    client, server = scene.client, NameServer()
    settled()
    asked, uplink = server.asked(), client.capture("uplink")
    client.ip("address", "del", CLIENT + "/24", "dev", "uplink")
    client.address("uplink", MOVED + "/24")
    client.route("default", "via", "192.0.2.1")
    try:
        expect_one_handshake(uplink, MOVED)
        wait_until(lambda: server.asked() > asked, 30, "the name to be asked again")
        tap.check(client.ping(OFFICE, wait=5), "the office, from the new address")
        late = [p for p in uplink.stop() if p.src == CLIENT]
        tap.equal(late[:3], [], "from the old address")
    finally:
        client.ip("address", "del", MOVED + "/24", "dev", "uplink")
        client.address("uplink", CLIENT + "/24")
        client.route("default", "via", "192.0.2.1")
    server.stop()


@tap.test
def F8_a_second_uplink_takes_over():
    client, internet, server = scene.client, scene.world.internet, NameServer()
    scene.lab.link(client, "second", internet, "client2", SECOND_MTU)
    client.address("second", SECOND + "/24")
    internet.address("client2", "192.0.3.1/24")
    settled()
    tap.equal(link_mtu(), scene.world.entry_mtu, "the interface's MTU before")
    asked, second = server.asked(), client.capture("second")
    first = client.capture("uplink")
    client.route("default", "via", "192.0.3.1")
    try:
        expect_one_handshake(second, SECOND)
        wait_until(lambda: server.asked() > asked, 30, "the name to be asked again")
        wait_until(lambda: link_mtu() == SECOND_MTU - overhead(ENTRY), 30, "the MTU to follow")
        tap.check(client.ping(OFFICE, wait=5), "the office, over the second uplink")
        tap.check(client.ping(WORLD, wait=5), "the world, over the second uplink")
        tap.check(not [p for p in first.stop() if ENTRY in (p.src, p.dst)], "the first is left alone")
    finally:
        client.route("default", "via", "192.0.2.1")
    wait_until(lambda: link_mtu() == scene.world.entry_mtu, 30, "the MTU to come back")
    tap.check(client.ping(OFFICE, wait=5), "the office, over the first uplink again")
    server.stop()
    for network in scene.networks:
        network.down()
    client.ip("link", "del", "second")


@tap.test
def F8_the_way_to_one_peer_of_a_root_changes():
    client, exit, keys = scene.client, scene.world.exit, scene.world.keys
    scene.lab.link(client, "second", scene.world.internet, "client2")
    client.address("second", SECOND + "/24")
    scene.world.internet.address("client2", "192.0.3.1/24")
    exit.run("wg", "set", "wg0", "peer", keys["client"].public, "allowed-ips", ENTRY_INNER + "/32")
    exit.route(ENTRY_INNER + "/32", "dev", "wg0")
    scene.up(text=sections(
        ("Network", {"Interface": "hop0"}),
        ("Tunnel both", {"PrivateKey": keys["client"].private, "Address": ENTRY_INNER + "/32"}),
        ("Peer", {"PublicKey": keys["entry"].public, "Endpoint": at(ENTRY),
                  "AllowedIPs": "10.64.0.1/32"}),
        ("Peer", {"PublicKey": keys["exit"].public, "Endpoint": at(EXIT),
                  "AllowedIPs": "10.70.0.1/32"})))

    def is_heard_at(source):
        tap.check(client.ping("10.70.0.1", wait=5), "the exit answers")
        heard = exit.run("wg", "show", "wg0", "endpoints").stdout
        return any(line.startswith(f"{keys['client'].public}\t{source}:")
                   for line in heard.splitlines())

    wait_reachable(client, "10.64.0.1")
    wait_until(lambda: is_heard_at(CLIENT), 10, "the exit to hear us by the uplink")
    client.route(EXIT, "via", "192.0.3.1")
    wait_until(lambda: is_heard_at(SECOND), 10, "the exit to hear us by the second one")
    client.ip("route", "del", EXIT)
    wait_until(lambda: is_heard_at(CLIENT), 10, "the exit to hear us by the uplink again")
    for network in scene.networks:
        network.down()
    client.ip("link", "del", "second")


@tap.test
def F8_an_uplink_that_disappears_and_comes_back():
    client, server = scene.client, NameServer()
    settled()
    client.ip("link", "set", "uplink", "down")
    time.sleep(1)  # what is back before the daemon has looked is no change, and it looks after 0.1 s
    client.ip("link", "set", "uplink", "up")
    client.address("uplink", "2001:db8:2::2/64")
    asked, uplink = server.asked(), client.capture("uplink")
    client.route("default", "via", "192.0.2.1")
    client.route("default", "via", "2001:db8:2::1")
    wait_until(lambda: initiations(uplink, CLIENT), 30, "a handshake")
    wait_until(lambda: server.asked() > asked, 30, "the name to be asked again")
    tap.check(client.ping(OFFICE, wait=5), "the office")
    server.stop()


def believing(slept):
    """The environment of a program that takes the file's seconds for a sleep of the machine."""
    compiler = os.environ.get("CC", "cc").split()
    library = os.path.join(scene.client.dir, "slept.so")
    if not shutil.which(compiler[0]):
        raise tap.Skip("no C compiler is here")
    subprocess.run([*compiler, "-shared", "-fPIC", "-o", library, os.path.join(HERE, "slept.c")],
                   check=True)
    sanitizer = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": library, "HOPWIRE_TEST_SLEPT": slept,
            "ASAN_OPTIONS": sanitizer + (":" if sanitizer else "") + "verify_asan_link_order=0"}


@tap.test
def F8_the_machine_wakes_up():
    """Nothing else changes, and nobody sends. The name's first address is not given up for another one
    before it has failed, neither now nor at the start."""
    client, server = scene.client, NameServer(NOBODY)
    everything = client.capture("uplink")
    slept = client.write("slept", "0", 0o644)
    hopwire = Hopwire(client, "multihop", believing(slept))
    scene.networks.append(hopwire)
    hopwire.up(text=scene.world.client_text(**NAMED))
    wait_reachable(client, OFFICE)
    asked, uplink = server.asked(), client.capture("uplink")
    with open(slept, "w") as file:
        file.write("3600")
    expect_one_handshake(uplink, CLIENT)
    wait_until(lambda: server.asked() > asked, 30, "the name to be asked again")
    tap.check(client.ping(OFFICE, count=20, wait=5), "the office")
    tap.equal([p for p in everything.stop() if p.dst == NOBODY][:3], [], "to the other address")
    server.stop()


@tap.test
def F8_routes_elsewhere_are_no_reason_to_speak():
    client, server = scene.client, NameServer()
    settled()
    asked, uplink = server.asked(), client.capture("uplink")
    client.route("192.0.4.0/24", "via", "192.0.2.1")
    client.route("192.0.5.0/24", "via", "192.0.2.1")
    client.ip("route", "del", "192.0.4.0/24")
    client.ip("route", "del", "192.0.5.0/24")
    client.address("uplink", "192.0.6.1/32")
    client.ip("address", "del", "192.0.6.1/32", "dev", "uplink")
    tap.check(client.ping(OFFICE, count=20), "the office answers meanwhile")
    tap.equal(len(initiations(uplink, CLIENT)), 0, "handshakes")
    tap.equal(server.asked(), asked, "names asked")
    server.stop()


if __name__ == "__main__":
    main(services=False)
