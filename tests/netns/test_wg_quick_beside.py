# SPDX-License-Identifier: MIT
"""RULES F3: a full tunnel of wg-quick's beside a full tunnel of Hopwire's, started in any order: it
rides Hopwire's, and neither the other in a circle."""

import os

import tap
from foreign import FAMILIES, Mesh, order, stands_behind_local, way
from lab import CommandFailed, wait_until
from peers import at, sections
from scene import main, scene
from world import ENTRY, EXIT, EXIT_INNER, WORLD, wait_reachable

MARK = "0x48000001"  # of the tunnels' own datagrams


class WgQuick:
    """A full tunnel to the exit by wg-quick; the exit's own address by a route of its own."""

    def __init__(self):
        world = scene.world
        self.path = scene.client.write("wgq.conf", sections(
            ("Interface", {"PrivateKey": world.keys["office"].private,
                           "Address": EXIT_INNER + "/32"}),
            ("Peer", {"PublicKey": world.keys["exit"].public, "Endpoint": at(EXIT),
                      "AllowedIPs": "0.0.0.0/0, 10.70.0.0/24"})))

    def run(self, what):
        return scene.client.run("wg-quick", what, self.path,
                                env={"WG_QUICK_USERSPACE_IMPLEMENTATION": "wireguard-go"})


def need_wg_quick():
    try:
        scene.client.run("sh", "-c", "command -v wg-quick nft")
    except CommandFailed as missing:
        raise tap.Skip("wg-quick or nft is missing") from missing


@tap.test
def F3_a_wg_quick_beside_rides_the_tunnel_in_either_order():
    client = scene.client
    need_wg_quick()
    for is_first in (True, False):
        quick = WgQuick()
        if is_first:
            quick.run("up")
        hopwire = scene.up(text=scene.world.entry_quick_text(), name="hopw")
        try:
            if not is_first:
                quick.run("up")
            uplink = client.capture("uplink")
            wait_reachable(client, "10.70.0.1")
            wait_reachable(client, WORLD)
            outside = {(p.dst, p.dport) for p in uplink.stop() if p.src == "192.0.2.2"}
            tap.equal(outside, {(ENTRY, 51820)}, f"on the uplink, wg-quick first: {is_first}")
        finally:
            quick.run("down")
        wait_until(lambda: stands_behind_local("-4") and order("-4").count("ours") == 4, 10,
                   "our rules after wg-quick's end, which deletes by content")
        wait_reachable(client, WORLD)
        hopwire.down()


@tap.test
def F3_a_wg_quick_beside_rides_a_network_that_starts_anew():
    """`ip rule add` gave it a place directly behind the first start's rules: so it stands in front of
    those of the next ones."""
    client = scene.client
    need_wg_quick()
    text = scene.world.entry_quick_text()
    hopwire, quick = scene.up(text=text, name="hopw"), WgQuick()
    path = os.path.join(client.dir, "hopw.conf")
    quick.run("up")
    try:
        for ends, start in ((hopwire.down, ("up", path)), (hopwire.kill, ("up", path)),
                            (None, ("up", "--replace", path))):
            if ends:
                ends()
            uplink = client.capture("uplink")
            hopwire.command(*start)
            hopwire.is_up = True
            # wireguard-go goes on from the address that it had while its datagrams went straight.
            client.run("wg", "set", "wgq", "peer", scene.world.keys["exit"].public, "endpoint", at(EXIT))
            wait_reachable(client, "10.70.0.1")
            wait_reachable(client, WORLD)
            outside = {(p.dst, p.dport) for p in uplink.stop() if p.src == "192.0.2.2"}
            tap.equal(outside, {(ENTRY, 51820)}, f"on the uplink after {start[1:]}")
            tap.check(stands_behind_local("-4"), f"the order {order('-4')}")
    finally:
        quick.run("down")
    wait_reachable(client, WORLD)
    hopwire.down()


@tap.test
def F3_a_wg_quick_beside_rides_the_tunnel_where_others_steer_packets_too():
    """With a mesh's rules, which decide about our datagrams as before, and a priority behind or before
    them: neither rides the other in a circle."""
    client = scene.client
    need_wg_quick()
    for network in ({}, {"Priority": 5271}, {"Priority": 5000}):
        for is_first in (True, False):
            when = f"{network}, wg-quick first: {is_first}"
            with Mesh():
                quick = WgQuick()
                if is_first:
                    quick.run("up")
                hopwire = scene.up(text=sections(*scene.world.client_parts(network=network)[:3]))
                try:
                    if not is_first:
                        tap.contains(way("100.64.0.9", "mark", MARK), "dev mesh0", "alone")
                        quick.run("up")
                    for family in FAMILIES:
                        wait_until(lambda: "dev uplink" in way(ENTRY, "mark", MARK), 10,
                                   f"our datagrams on the uplink: {when}")
                    uplink = client.capture("uplink")
                    wait_reachable(client, "10.70.0.1")
                    wait_reachable(client, WORLD)
                    outside = {(p.dst, p.dport) for p in uplink.stop() if p.src == "192.0.2.2"}
                    tap.equal(outside, {(ENTRY, 51820)}, f"on the uplink, {when}")
                    tap.contains(way("100.64.0.9", "mark", MARK), "dev mesh0", f"{when}")
                    tap.contains(way("fd7a::9", "mark", MARK), "dev mesh0", f"{when}")
                finally:
                    quick.run("down")
                wait_reachable(client, WORLD)
                hopwire.down()


main(services=False)
