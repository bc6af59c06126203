# SPDX-License-Identifier: MIT
"""A relay behind a way that is narrower than the links at both ends: routers there tell with ICMP, and
everything arrives, at one hop and at two, over IPv4 and IPv6, also from a LAN with jumbo frames."""

import hashlib

import tap
from lab import wait_until
from pattern import pattern
from scene import main, scene
from world import ENTRY, ENTRY6, EXIT, EXIT6, OFFICE, OFFICE6, WORLD, WORLD6, at, wait_reachable

SIZE = 1_000_000
DIGEST = hashlib.sha256(pattern(SIZE)).hexdigest()
PATIENCE = 40


def url(place):
    return f"http://[{place}]" if ":" in place else f"http://{place}"


def transfer(*places):
    """1 MB up and down, all side by side."""
    client, running = scene.client, []
    body = client.write("body", "")
    with open(body, "wb") as file:
        file.write(pattern(SIZE))
    for place in places:
        running.append((f"upload {place}", client.start(
            "curl", "-sS", "-f", "-g", "-m", PATIENCE, "-T", body, url(place) + "/", name="upload")))
        running.append((f"download {place}", client.start(
            "sh", "-c", f"curl -sS -f -g -m {PATIENCE} '{url(place)}/bytes/{SIZE}' | sha256sum",
            name="download")))
    for what, process in running:
        process.wait(PATIENCE + 10)
        tap.contains(process.output(), DIGEST, what)


class Narrow:
    """The link between the internet's router and a relay takes less; the relay's tunnel is made for it,
    as its keeper would make it (TRAPS 39). A newer wireguard-go's runs of datagrams are off (see main):
    it loses each run whose datagrams the link takes in fragments only."""

    def __init__(self, relay, name, way, tunnel_mtu):
        self.relay, self.name, self.way, self.tunnel_mtu = relay, name, way, tunnel_mtu

    def set(self, way, tunnel_mtu):
        self.relay.ip("link", "set", "public", "mtu", way)
        scene.world.internet.ip("link", "set", self.name, "mtu", way)
        self.relay.ip("link", "set", "wg0", "mtu", tunnel_mtu)

    def __enter__(self):
        scene.world.renew_relays()
        self.set(self.way, self.tunnel_mtu)

    def __exit__(self, *exception):
        world = scene.world
        self.set(1500, world.entry_mtu if self.name == "entry" else world.exit_mtu)
        for host in (scene.client, world.entry, world.exit, world.world, world.office):
            host.ip("-6", "route", "flush", "cache")
            host.ip("route", "flush", "cache")


def up(entry=ENTRY, exit=EXIT):
    hopwire = scene.up(entry_peer={"Endpoint": at(entry)}, office_peer={"Endpoint": at(exit)})
    wait_reachable(scene.client, OFFICE)
    return hopwire


def tunnel(hopwire, name):
    return next(t for t in hopwire.status()["tunnels"] if t["name"] == name)


def office_over_a_way_of(way, entry, exit, expected):
    with Narrow(scene.world.exit, "exit", way, max(1280, way - 80)):
        hopwire = up(entry, exit)
        capture = scene.world.exit.capture("public", 100)
        transfer(OFFICE, OFFICE6)
        fragments = [p for p in capture.stop() if p.more_fragments and p.version == 6
                     and p.dst == EXIT6]
        office = tunnel(hopwire, "office")
        tap.equal(office["mtu"], expected, "the MTU inside")
        if ":" in exit:
            tap.equal(office["peers"][0]["path_mtu"], way, "the way in status")
            tap.contains(hopwire.command("status", hopwire.name).stdout,
                         f"the way there takes {way} bytes", "in words")
            tap.equal(bool(fragments), way - 80 < 1280, "IPv6 fragments towards the exit")
            wait_until(lambda: f"mtu {expected}" in
                       scene.client.ip("route", "show", "table", "all"), 10,
                       f"a route of {expected}")
        hopwire.down()
        scene.networks.remove(hopwire)


@tap.test
def C6_an_exit_over_ipv6_behind_a_way_of_1380_and_1400():
    office_over_a_way_of(1380, ENTRY, EXIT6, 1300)
    office_over_a_way_of(1400, ENTRY6, EXIT6, 1320)


@tap.test
def C6_E4_a_way_too_narrow_for_ipv6_inside_takes_fragments():
    office_over_a_way_of(1320, ENTRY, EXIT6, 1280)


@tap.test
def C6_an_exit_over_ipv4_behind_a_way_of_1380():
    office_over_a_way_of(1380, ENTRY, EXIT, 1380)


@tap.test
def C6_an_entry_behind_a_way_of_1380_over_either_family():
    for entry in (ENTRY, ENTRY6):
        with Narrow(scene.world.entry, "entry", 1380, 1300):
            hopwire = up(entry, EXIT)
            transfer(WORLD, WORLD6, OFFICE)
            hopwire.down()
            scene.networks.remove(hopwire)


@tap.test
def C6_a_lan_of_jumbo_frames_at_home():
    client, internet = scene.client, scene.world.internet
    try:
        for host, interface in ((client, "uplink"), (internet, "client")):
            host.ip("link", "set", interface, "mtu", 9000)
        for entry in (ENTRY, ENTRY6):
            scene.world.renew_relays()
            hopwire = up(entry, EXIT6)
            transfer(WORLD, WORLD6, OFFICE, OFFICE6)
            hopwire.down()
            scene.networks.remove(hopwire)
    finally:
        for host, interface in ((client, "uplink"), (internet, "client")):
            host.ip("link", "set", interface, "mtu", 1500)
        for host in (client, scene.world.entry, scene.world.exit):
            host.ip("-6", "route", "flush", "cache")


@tap.test
def C6_an_exit_that_cannot_be_reached_is_told_in_words():
    internet = scene.world.internet
    for exit, words in ((EXIT, "host unreachable"), (EXIT6, "no route")):
        scene.world.renew_relays()
        hopwire = up(ENTRY, exit)
        try:
            internet.ip("route", "add", "unreachable", exit)
            scene.client.start("ping", "-i", "0.2", "-c", "100", OFFICE)
            wait_until(lambda: tunnel(hopwire, "office")["peers"][0]["error"] == words, 20, words)
            peer = tunnel(hopwire, "office")["peers"][0]
            tap.contains(hopwire.command("status", hopwire.name).stdout,
                         f"{peer['error_from']} said {peer['error_s']} s ago: {words}", "status")
        finally:
            internet.ip("route", "del", "unreachable", exit)
        hopwire.down()
        scene.networks.remove(hopwire)


if __name__ == "__main__":
    main(segments=False)
