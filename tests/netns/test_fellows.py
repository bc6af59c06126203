# SPDX-License-Identifier: MIT
"""RULES A8: one interface, several hops. A plain wg-quick file whose peer exit has everything and
whose peer entry has the exit's address: the exit's datagrams ride the entry, and none leaves the
client for the exit itself, whatever happens."""

import os

import tap
from lab import HERE, wait_until
from packets import UDP
from peers import Hopwire, Interface, Key, WireguardGo, at, sections
from scene import main, scene
from world import (CLIENT, ENTRY, ENTRY6, ENTRY_INNER, ENTRY_INNER6, ENTRY_NET, EVERYTHING, EXIT,
                   EXIT6, OFFICE, OFFICE6, WORLD, WORLD6, wait_reachable)

RESOLVER = "192.0.2.1"
MOVED = "198.51.100.11"
INNER = [ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"]


def make(entry=ENTRY, exit=EXIT, carrier_costs=0):
    """Both relays know the client by one key and one address."""
    scene.make(relays=None, entry_endpoint=entry, exit_endpoint=exit)
    world = scene.world
    world.entry_mtu -= carrier_costs
    world.exit_mtu -= carrier_costs
    for host, key, mtu in ((world.entry, "entry", world.entry_mtu),
                           (world.exit, "exit", world.exit_mtu)):
        host.masquerade("public")
        interface = Interface("wg0", world.keys[key], ENTRY_NET, mtu=mtu)
        interface.peer(world.keys["client"], INNER)
        WireguardGo(host, interface)


def text(exit=None, entry_allows=None, network=None, **interface):
    world = scene.world
    own = ("Interface", {"PrivateKey": world.keys["client"].private, "Address": INNER, **interface})
    peers = [("Peer", {"PublicKey": world.keys["exit"].public, "AllowedIPs": EVERYTHING,
                       "Endpoint": exit or at(world.exit_endpoint)}),
             ("Peer", {"PublicKey": world.keys["entry"].public,
                       "AllowedIPs": entry_allows or [world.exit_endpoint],
                       "Endpoint": at(world.entry_endpoint)})]
    if network:
        own = ("Tunnel wg0", own[1])
        return sections(("Network", {"Interface": "wg0", **network}), own, *peers)
    return sections(own, *peers)


def up(**changes):
    return scene.up(name="wg0", text=text(**changes))


def carried_text(carrier):
    """The two peers' tunnel inside another, to a relay in the world."""
    outer = [("Tunnel outer", {"PrivateKey": scene.world.keys["client"].private,
                               "Address": ["10.66.0.2/32", "fd66::2/128"]}),
             ("Peer", {"PublicKey": carrier.public, "Endpoint": at(WORLD), "AllowedIPs": EVERYTHING})]
    inner = text().replace("[Interface]", "[Tunnel wg0]\nVia = outer")
    return sections(*outer) + inner


def watch():
    return scene.client.capture("uplink")


def nothing_straight(capture, what, dns=False):
    """Only datagrams of the entry's were on the uplink, and there were some."""
    seen = capture.stop()
    leaks = [p for p in scene.leaks(seen)
             if not (dns and p.protocol == UDP and 53 in (p.sport, p.dport))]
    tap.equal(leaks[:3], [], f"{what}: on the uplink beside the entry's")
    tap.check(any(scene.world.entry_endpoint in (p.src, p.dst) for p in seen), f"{what}: nothing at all")


def through_both():
    wait_reachable(scene.client, OFFICE)
    tap.equal(scene.client.fetch(f"http://{OFFICE}/"), f"office sees {ENTRY_INNER}\n", "the office")
    tap.equal(scene.client.fetch(f"http://[{OFFICE6}]/"), f"office sees {ENTRY_INNER6}\n", "IPv6")
    tap.equal(scene.client.fetch(f"http://{WORLD}/"), f"world sees {EXIT}\n", "the world")
    tap.equal(scene.client.fetch(f"http://[{WORLD6}]/"), f"world sees {EXIT6}\n", "the world")


@tap.test
def A8_the_exit_rides_the_entry_in_every_pair_of_families():
    for entry, exit in ((ENTRY, EXIT), (ENTRY6, EXIT), (ENTRY, EXIT6), (ENTRY6, EXIT6)):
        make(entry, exit)
        world = scene.world
        uplink = watch()
        hopwire = up()
        through_both()
        header = 20 + 8
        tap.check(scene.client.ping(OFFICE, "-M", "do", "-s", world.exit_mtu - header),
                  "a full packet through both hops")
        tap.check(not scene.client.ping(OFFICE, "-M", "do", "-s", world.exit_mtu - header + 1),
                  "one byte more")
        size = 200_000
        tap.equal(len(scene.client.fetch(f"http://{WORLD}/bytes/{size}")), size, "bytes of TCP")
        nothing_straight(uplink, f"{exit} inside {entry}")
        hopwire.down()


@tap.test
def A8_inside_a_carrier_all_of_it_rides_that():
    make(carrier_costs=60)
    world, carrier = scene.world, Key()
    world.world.masquerade("public")
    world.world.forward()
    interface = Interface("wg5", carrier, ["10.66.0.1/24", "fd66::1/64"], mtu=1440)
    WireguardGo(world.world, interface.peer(world.keys["client"], ["10.66.0.2/32", "fd66::2/128"]))
    uplink, beyond = watch(), world.world.capture("public")
    hopwire = scene.up(name="wg0", text=carried_text(carrier))
    through_both()
    header = 20 + 8
    tap.check(scene.client.ping(OFFICE, "-M", "do", "-s", world.exit_mtu - header), "a full packet")
    tap.check(not scene.client.ping(OFFICE, "-M", "do", "-s", world.exit_mtu - header + 1), "one more")
    size = 200_000
    tap.equal(len(scene.client.fetch(f"http://{OFFICE}/bytes/{size}")), size, "bytes of TCP")
    relayed = [p for p in beyond.stop() if p.protocol == UDP and 51820 in (p.sport, p.dport)]
    tap.check(any(ENTRY == p.dst for p in relayed), "the entry's datagrams beyond the carrier")
    tap.equal([p for p in relayed if EXIT in (p.src, p.dst)][:3], [], "the exit's, beyond the carrier")
    hopwire.kill()
    for place in (OFFICE, WORLD6, EXIT):
        tap.check(not scene.client.ping(place, wait=0.5), f"{place} answers after the crash")
    seen = [p for p in uplink.stop() if p.protocol != UDP or WORLD not in (p.src, p.dst)]
    tap.equal(scene.leaks(seen)[:3] + [p for p in seen if ENTRY in (p.src, p.dst)][:3], [],
              "on the uplink beside the carrier's")


@tap.test
def A8_check_status_and_route_show_two_hops():
    make()
    hopwire = up()
    through_both()
    keys = {name: key.public for name, key in scene.world.keys.items()}
    peers = {peer["public_key"]: peer for peer in hopwire.status()["tunnels"][0]["peers"]}
    tap.equal(peers[keys["exit"]]["rides"], keys["entry"], "whom the exit rides")
    tap.equal(peers[keys["entry"]]["rides"], None, "whom the entry rides")
    tap.contains(hopwire.command("status", "wg0").stdout,
                 f"endpoint {at(EXIT)} · inside peer {keys['entry']} · up", "status")
    route = hopwire.command("route", "wg0", WORLD).stdout
    tap.contains(route, f"hop 2: wg0 to {at(EXIT)} mtu {scene.world.exit_mtu} · up", "route")
    tap.contains(route, f"hop 1: wg0 to {at(ENTRY)} mtu {scene.world.entry_mtu} · up", "route")
    own = hopwire.command("route", "wg0", EXIT).stdout
    tap.contains(own, f"hop 1: wg0 to {at(ENTRY)}", "the exit's own address")
    tap.check("hop 2" not in own, own)
    check = hopwire.command("check", hopwire.write(text())).stdout
    tap.contains(check, f"peer {keys['exit'][:8]}… at {at(EXIT)}, inside peer {keys['entry'][:8]}…\n",
                 "check's tree")
    tap.contains(check, f"  hop 1: peer {keys['entry']} at {at(ENTRY)}, MTU {scene.world.entry_mtu}\n"
                        f"    hop 2: peer {keys['exit']} at {at(EXIT)}, MTU {scene.world.exit_mtu}\n",
                 "check")


@tap.test
def A8_nothing_goes_straight_after_the_entry_roamed_and_after_a_crash():
    make()
    world, uplink = scene.world, watch()
    hopwire = up()
    through_both()
    # To the client the entry is elsewhere now: a router rewrites both ways.
    world.internet.run("nft", "-f", "-", input=f"""
        table ip moved {{
            chain pre {{
                type filter hook prerouting priority -350
                ip saddr {ENTRY} ip daddr {CLIENT} udp sport 51820 ip saddr set {MOVED} notrack
                ip saddr {CLIENT} ip daddr {MOVED} ip daddr set {ENTRY} notrack
            }}
        }}
        """)
    wait_until(lambda: scene.client.ping(WORLD, wait=1) and
               MOVED in hopwire.command("status", "wg0").stdout, 20, "the entry to roam")
    through_both()
    seen = uplink.stop()
    tap.equal([p for p in seen if EXIT in (p.src, p.dst)][:3], [], "with the exit")
    tap.check(any(MOVED == p.dst for p in seen), "to where the entry is now")
    uplink = watch()
    hopwire.kill()
    tap.check(not scene.client.ping(WORLD, wait=0.5), "after the crash nothing answers")
    tap.check(not scene.client.ping(EXIT, wait=0.5), "nor the exit's own address")
    tap.equal([p for p in uplink.stop() if EXIT in (p.src, p.dst) or WORLD in (p.src, p.dst)][:3], [],
              "after the crash")


@tap.test
def A8_a_kill_switch_lets_nothing_to_the_exit_out():
    make()
    uplink = watch()
    up(network={"KillSwitch": "on"})
    through_both()
    rules = scene.client.run("nft", "list", "ruleset").stdout
    tap.contains(rules, ENTRY, "what the kill switch lets out")
    tap.check(EXIT not in rules, "the exit is let out")
    nothing_straight(uplink, "with a kill switch")


def name_server(*records):
    server = scene.world.internet.start("python3", os.path.join(HERE, "dns.py"), *records, name="dns")
    server.wait_output("ready")
    scene.client.write("resolv.conf", f"nameserver {RESOLVER}\n", 0o644)
    return server


@tap.test
def A8_a_name_with_one_address_inside_the_entry_takes_that_one():
    for inside in (EXIT, EXIT6):
        make(exit=inside)
        server = name_server(f"exit.example.net={EXIT}", f"exit.example.net={EXIT6}")
        uplink = watch()
        hopwire = up(exit="exit.example.net:51820", entry_allows=[inside])
        through_both()
        nothing_straight(uplink, f"a name, {inside} inside the entry", dns=True)
        hopwire.down()
        server.stop()


@tap.test
def A8_H6_peers_that_would_ride_each_other_are_refused():
    make()
    world = scene.world
    hopwire = Hopwire(scene.client, "wg0")
    circle = text().replace("AllowedIPs = " + EVERYTHING, f"AllowedIPs = {EVERYTHING}, {ENTRY}/32")
    for command in ("check", "up"):
        result = hopwire.command(command, hopwire.write(circle), check=False)
        tap.equal(result.returncode, 1, command)
        tap.contains(result.stderr, "a circle", command)


if __name__ == "__main__":
    main(relays=None)
