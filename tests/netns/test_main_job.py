# SPDX-License-Identifier: MIT
"""The main job: the office through entry and exit, everything else out at the entry."""

import json

import tap
from scene import main, scene
from world import (CLIENT, ENTRY, ENTRY6, ENTRY_INNER, ENTRY_INNER6, EXIT, EXIT_INNER, EXIT_INNER6,
                   OFFICE, OFFICE6, OFFICE_NET, OFFICE_NET6, WORLD, WORLD6, wait_reachable)

NETWORK_MARK = 0x48000000


@tap.test
def office_is_reached_through_both_hops():
    scene.up()
    client = scene.client
    tap.equal(client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "IPv4")
    tap.equal(client.fetch(f"http://[{OFFICE6}]/"), f"office sees {EXIT_INNER6}\n", "IPv6")


@tap.test
def everything_else_leaves_at_the_entry():
    scene.up()
    client = scene.client
    tap.equal(client.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "IPv4")
    tap.equal(client.fetch(f"http://[{WORLD6}]/"), f"world sees {ENTRY6}\n", "IPv6")


@tap.test
def udp_of_every_size_passes_both_ways():
    scene.up()
    for size in (0, 1, 15, 16, 17, 1000, 1290):
        for place, name, seen in ((OFFICE, "office", EXIT_INNER), (OFFICE6, "office", EXIT_INNER6),
                                  (WORLD, "world", ENTRY), (WORLD6, "world", ENTRY6)):
            answer = scene.ask(place, 7, "--size", size).split()
            tap.equal(answer[:3], [name, "sees", seen], f"{size} bytes to {place}: {answer}")
            tap.equal(answer[-2:], ["echoed", str(size)], f"{size} bytes to {place}")


@tap.test
def pings_of_the_paths_full_size_pass():
    scene.up()
    client, world = scene.client, scene.world
    for place, size in ((OFFICE, world.exit_mtu - 28), (WORLD, world.entry_mtu - 28),
                        (OFFICE6, world.exit_mtu - 48), (WORLD6, world.entry_mtu - 48)):
        tap.check(client.ping(place, "-M", "do", "-s", 0), f"an empty ping to {place}")
        tap.check(client.ping(place, "-M", "do", "-s", size), f"a ping with {size} to {place}")


@tap.test
def the_first_packets_wait_for_the_handshakes_and_are_not_lost():
    scene.up()
    tap.check(scene.client.ping(OFFICE, count=1, wait=5), "the very first ping is answered")


@tap.test
def the_entry_sees_datagrams_to_the_exit_and_no_office_address():
    scene.up()
    client, entry = scene.client, scene.world.entry
    inside, outside, uplink = entry.capture("wg0"), entry.capture("public"), client.capture("uplink")
    for place in (OFFICE, f"[{OFFICE6}]", WORLD, f"[{WORLD6}]"):
        client.fetch(f"http://{place}/")
    inside, outside, uplink = inside.stop(), outside.stop(), uplink.stop()
    for name, seen in (("inside", inside), ("public", outside), ("uplink", uplink)):
        office = [p for p in seen if p.concerns(OFFICE_NET) or p.concerns(OFFICE_NET6)]
        tap.check(seen and not office, f"no office address {name}: {office[:3]}")
    to_exit = [p for p in inside if p.dst == EXIT]
    tap.check(to_exit and all(p.dport == 51820 and p.src == ENTRY_INNER for p in to_exit),
              f"the exit gets WireGuard from the client's address at the entry: {to_exit[:3]}")
    tap.check(any(p.src == ENTRY and p.dst == WORLD for p in outside), "the world, from the entry")
    tap.check(not scene.leaks(uplink), f"only the entry on the uplink: {scene.leaks(uplink)[:3]}")


@tap.test
def C2_the_pushed_header_is_as_promised():
    scene.up()
    client = scene.client
    client.ping(OFFICE)
    inside = scene.world.entry.capture("wg0")
    wanted = {0: 0, 1: 1, 2: 2, 3: 3, 0xb8: 0}
    for index, tos in enumerate(wanted):
        tap.check(client.ping(OFFICE, "-Q", tos, "-s", 100 + 16 * index), f"a ping with TOS {tos}")
    pushed = [p for p in inside.stop() if p.dst == EXIT and p.dport == 51820 and p.payload[0] == 4]
    tap.check(len(pushed) >= len(wanted), f"datagrams to the exit: {pushed}")
    for packet in pushed:
        tap.equal(packet.ttl, 64, "TTL")
        tap.check(not packet.df and not packet.more_fragments, "DF is clear")
        tap.check(packet.checksum_is_right(), "the checksums are right")
        tap.equal(packet.tos >> 2, 0, "DSCP")
    identifications = [p.identification for p in pushed]
    tap.equal(len(set(identifications)), len(identifications), "each has an ID of its own")
    ecn_by_size = {len(p.payload): p.tos & 3 for p in pushed}
    for index, (tos, ecn) in enumerate(wanted.items()):
        size = 16 + 20 + 8 + 100 + 16 * index + 16
        tap.equal(ecn_by_size.get(size), ecn, f"ECN of a packet with TOS {tos}")


@tap.test
def E1_E2_interface_and_routes_carry_the_paths_mtus():
    scene.up()
    client, world = scene.client, scene.world
    link = client.ip_json("link", "show", "hop0")[0]
    tap.equal(link["mtu"], world.entry_mtu, "the interface's MTU")
    for place, mtu in ((OFFICE, world.exit_mtu), (WORLD, world.entry_mtu),
                       (OFFICE6, world.exit_mtu), (WORLD6, world.entry_mtu)):
        route = client.ip_json("-d", "route", "get", place)[0]
        tap.equal(route["dev"], "hop0", f"the device for {place}")
        metrics = (route.get("metrics") or [{}])[0]
        tap.equal(metrics.get("mtu", link["mtu"]), mtu, f"the MTU for {place}")


@tap.test
def F1_F2_rules_twins_and_sources():
    scene.up()
    client = scene.client
    for family, places in (("-4", (OFFICE_NET, ENTRY_INNER)), ("-6", (OFFICE_NET6, ENTRY_INNER6))):
        routes = client.ip_json(family, "-d", "route", "show", "table", "all")
        net, source = places
        mine = [r for r in routes if r.get("dst") == net and r.get("dev") == "hop0"]
        tap.equal(len(mine), 1, f"routes to {net}: {routes}")
        tap.equal(mine[0].get("prefsrc"), source, f"the source towards {net}")
        for prefix in (net, "default"):
            twins = [r for r in routes if r.get("dst") == prefix and r.get("type") == "unreachable"]
            tap.check(twins, f"{prefix} has an unreachable twin")
            own = [r for r in routes if r.get("dst") == prefix and r.get("dev") == "hop0"]
            tap.check(own and own[0].get("metric", 0) < twins[0]["metric"], "the twin comes last")
        rules = client.ip(family, "rule")
        tap.contains(rules, "suppress_prefixlength 0", "the rules")
        tap.contains(rules, "0x48000000/0xff000000", "the rules")


@tap.test
def addresses_are_host_addresses_without_multicast():
    scene.up()
    link = scene.client.ip_json("-d", "address", "show", "dev", "hop0")[0]
    found = {(a["local"], a["prefixlen"]) for a in link["addr_info"]}
    tap.equal(found, {(ENTRY_INNER, 32), (ENTRY_INNER6, 128)}, "the interface's addresses")
    tap.check("MULTICAST" not in link["flags"], f"flags {link['flags']}")


@tap.test
def unmarked_sockets_cannot_bypass_marked_ones_can():
    scene.up()
    tap.contains(scene.client.ip("route", "get", WORLD), "hop0", "an unmarked packet")
    tap.contains(scene.client.ip("route", "get", WORLD, "mark", NETWORK_MARK + 1), "uplink",
                 "a packet with the daemon's mark")


@tap.test
def status_names_every_tunnel_and_what_it_did():
    hopwire = scene.up()
    scene.client.fetch(f"http://{OFFICE}/")
    text = hopwire.command("status", "multihop").stdout
    for word in ("entry", "office", "hop0"):
        tap.contains(text, word, "status")
    tap.check("\x1b" not in text, "no colours into a pipe")
    whole = json.dumps(hopwire.status())
    for word in ("entry", "office"):
        tap.contains(whole, word, "status --json")
    for secret in (scene.world.keys["client"].private, scene.world.keys["office"].private):
        tap.check(secret not in whole and secret not in text, "no private key in status")


@tap.test
def route_tells_the_path_and_check_the_tree():
    hopwire = scene.up()
    text = hopwire.command("route", "multihop", OFFICE).stdout
    for word in ("entry", "office", EXIT_INNER, str(scene.world.exit_mtu)):
        tap.contains(text, word, "route to the office")
    text = hopwire.command("route", "multihop", WORLD).stdout
    tap.check("office" not in text, f"route to the world: {text}")
    before = scene.client.network_state()
    text = hopwire.command("check", hopwire.write(scene.world.client_text())).stdout
    for word in ("entry", "office"):
        tap.contains(text, word, "check")
    tap.same_lines(scene.client.network_state(), before, "check changes nothing")


@tap.test
def F7_down_restores_and_can_be_said_twice():
    hopwire = scene.up()
    tap.check(scene.client.network_state() != scene.before, "up changes something")
    hopwire.down()
    tap.same_lines(scene.client.network_state(), scene.before, "the network after down")
    tap.check(not hopwire.pids(), "the daemon is gone")
    hopwire.down(check=False)
    tap.same_lines(scene.client.network_state(), scene.before, "the network after a second down")


@tap.test
def up_and_down_ten_times_leaves_nothing():
    hopwire = scene.up()
    for _ in range(10):
        hopwire.down()
        hopwire.up(text=scene.world.client_text())
    tap.check(scene.client.ping(OFFICE, wait=5), "the last one works")


@tap.test
def the_client_s_own_networks_stay_reachable():
    scene.up()
    gateway = CLIENT.rsplit(".", 1)[0] + ".1"
    tap.check(scene.client.ping(gateway), "the uplink's gateway")


@tap.test
def in_the_foreground_a_signal_ends_it_like_down():
    hopwire = scene.up()
    hopwire.down()
    process = scene.client.start(hopwire.binary, "up", "-f", hopwire.write(scene.world.client_text()),
                                 name="foreground")
    wait_reachable(scene.client, OFFICE)
    tap.equal(process.stop(), 0, "the exit status after SIGTERM")
    hopwire.down(check=False)
    tap.same_lines(scene.client.network_state(), scene.before, "the client's network")


if __name__ == "__main__":
    main()
