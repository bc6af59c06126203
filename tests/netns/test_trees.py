# SPDX-License-Identifier: MIT
"""Shapes of a network: forests, chains of three, several peers, wide exits, files in a chain."""

import tap
from lab import wait_until
from peers import Interface, Key, WireguardGo, at, sections
from scene import main, scene
from world import (CLIENT, CLIENT6, ENTRY, ENTRY6, ENTRY_INNER, EVERYTHING, EXIT, EXIT6, EXIT_INNER,
                   EXIT_INNER6, OFFICE, OFFICE_NET, OFFICE_NET6, WORLD, WORLD6,
                   wait_reachable)

# Further WireGuard servers, made once: name → (endpoint, net behind it, a server there).
HOME, HOME_NET, HOME_INNER = "10.30.0.80", "10.30.0.0/16", "10.80.0.2"
DEEP, DEEP_NET, DEEP_INNER = "10.40.0.80", "10.40.0.0/16", "10.90.0.2"
SIDE, SIDE_NET = "10.50.0.80", "10.50.0.0/16"


class More:
    """`home` answers beside the exit on port 51821, `deep` on the office's server, `side` on the
    world's server with the office tunnel's own client key: a second peer."""

    def __init__(self):
        world = scene.world
        here = __file__.rsplit("/", 1)[0]
        self.keys = {name: Key() for name in ("home", "deep", "side", "home-client", "deep-client")}
        self.add(world.exit, "home", 51821, "10.80.0.1/24", HOME, self.keys["home-client"],
                 HOME_INNER, 1440)
        self.add(world.office, "deep", 51820, "10.90.0.1/24", DEEP, self.keys["deep-client"],
                 DEEP_INNER, world.exit_mtu - 60)
        self.add(world.world, "side", 51820, "10.70.0.1/24", SIDE, world.keys["office"], EXIT_INNER,
                 world.exit_mtu)
        world.world.route(EXIT_INNER + "/32", "dev", "side")
        world.exit.start("python3", here + "/services.py", "home").wait_output("ready")

    def add(self, host, name, port, net, server, client_key, client_inner, mtu):
        interface = Interface(name, self.keys[name], [net], port=port, mtu=mtu)
        WireguardGo(host, interface.peer(client_key, [client_inner + "/32"]))
        host.address("lo", server + "/32")

    def home(self, **own):
        return [("Tunnel home", {"PrivateKey": self.keys["home-client"].private,
                                 "Address": HOME_INNER + "/32", **own}),
                ("Peer", {"PublicKey": self.keys["home"].public, "Endpoint": at(EXIT, 51821),
                          "AllowedIPs": HOME_NET})]

    def deep(self, **own):
        return [("Tunnel deep", {"Via": "office", "PrivateKey": self.keys["deep-client"].private,
                                 "Address": DEEP_INNER + "/32", **own}),
                ("Peer", {"PublicKey": self.keys["deep"].public, "Endpoint": at(OFFICE),
                          "AllowedIPs": DEEP_NET})]


more = None


def page(place):
    return scene.client.fetch(f"http://[{place}]/" if ":" in place else f"http://{place}/").strip()


def check_main_job():
    tap.equal(page(OFFICE), f"office sees {EXIT_INNER}", "the office")
    tap.equal(page(WORLD), f"world sees {ENTRY}", "the world")


@tap.test
def A6_a_forest_has_two_roots():
    scene.up(text=sections(*scene.world.client_parts(), *more.home()))
    uplink = scene.client.capture("uplink")
    check_main_job()
    tap.equal(page(HOME), f"home sees {HOME_INNER}", "home")
    seen = uplink.stop()
    tap.check(any(p.dst == EXIT and p.dport == 51821 for p in seen), "home is reached directly")
    tap.check(not [p for p in scene.leaks(seen) if EXIT not in (p.src, p.dst)], "nothing else")


@tap.test
def a_chain_of_three_hops():
    scene.up(text=sections(*scene.world.client_parts(), *more.deep()))
    tap.equal(page(DEEP), f"office sees {DEEP_INNER}", "the third hop")
    check_main_job()
    mtu = scene.world.exit_mtu - 60
    tap.check(scene.client.ping(DEEP, "-M", "do", "-s", mtu - 28), "a full ping through three")


@tap.test
def status_and_route_name_the_hop_that_fails():
    hopwire = scene.up(text=sections(*scene.world.client_parts(
        office_peer={"Endpoint": at("203.0.113.99")}), *more.deep()))
    scene.client.ping(DEEP, wait=1)

    def hop_lines():
        route = hopwire.command("route", "multihop", DEEP).stdout.splitlines()
        return {line.split()[2]: line.split(" · ")[1] for line in route[1:]}

    wait_until(lambda: ", 2 tries" in hop_lines()["office"], 15, "two tries")
    lines = hop_lines()
    tap.equal(list(lines), ["deep", "office", "entry"], "the hops, innermost first")
    tap.check(lines["entry"].startswith("up "), f"the entry: {lines}")
    tap.check(lines["office"].startswith("no answer for ") and "carrier" not in lines["office"],
              f"the hop that fails: {lines}")
    tap.check(lines["deep"].startswith("no answer for ")
              and lines["deep"].endswith(" (its carrier office does not work)"), f"what it carries: {lines}")
    status = hopwire.command("status", "multihop").stdout
    for text in ("198.51.100.10:51820 · up ", "203.0.113.99:51820 · no answer for ",
                 "(its carrier office does not work)"):
        tap.contains(status, text, "status")


@tap.test
def a_relay_that_dies_is_not_up_in_text_nor_in_json_while_its_session_lives():
    hopwire = scene.up()
    wait_reachable(scene.client, OFFICE)

    def states():
        scene.client.ping(OFFICE, wait=0.2)
        return [tunnel["peers"][0]["state"] for tunnel in hopwire.status()["tunnels"]]

    tap.equal(states(), ["up", "up"], "at first")
    internet = scene.world.internet
    internet.run("nft", "-f", "-", input=f"""
        table ip dead {{
            chain pre {{ type filter hook prerouting priority -350
                         ip daddr {ENTRY} drop; ip saddr {ENTRY} drop; }}
        }}""")
    try:
        wait_until(lambda: states() == ["no answer"] * 2, 40, "the silence to be told")
        carried = hopwire.status()["tunnels"][1]["peers"][0]
        tap.equal(carried["waits_for"], "entry", "what the exit waits for")
        for command in (("status", "multihop"), ("route", "multihop", OFFICE)):
            shown = hopwire.command(*command).stdout
            tap.equal((shown.count(" · no answer for "), shown.count(" · up ")), (2, 0), shown)
    finally:
        internet.run("nft", "delete", "table", "ip", "dead")


@tap.test
def one_tunnel_with_several_peers():
    second = ("Peer", {"PublicKey": more.keys["side"].public, "Endpoint": at(WORLD),
                       "AllowedIPs": SIDE_NET})
    scene.up(text=sections(*scene.world.client_parts(), second))
    check_main_job()
    tap.equal(page(SIDE), f"world sees {EXIT_INNER}", "the second peer")


@tap.test
def an_exit_takes_everything_also_past_its_carriers_longer_prefixes():
    halves = ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]
    scene.up(entry_peer={"AllowedIPs": halves}, office_peer={"AllowedIPs": EVERYTHING})
    tap.equal(page(WORLD), f"world sees {EXIT}", "the world, IPv4")
    tap.equal(page(WORLD6), f"world sees {EXIT6}", "the world, IPv6")
    tap.equal(page(OFFICE), f"office sees {EXIT_INNER}", "the office")


@tap.test
def B3_nat_off_puts_the_tunnels_own_address_on_the_interface():
    scene.up(office={"NAT": "off"})
    found = scene.client.ip("address", "show", "dev", "hop0")
    for address in (EXIT_INNER, EXIT_INNER6, ENTRY_INNER):
        tap.contains(found, address, "the interface's addresses")
    tap.contains(scene.client.ip("route", "get", OFFICE), "src " + EXIT_INNER, "the office's route")
    check_main_job()


@tap.test
def B1_B2_nat_keeps_inner_addresses_off_the_interface():
    scene.up()
    found = scene.client.ip("address", "show", "dev", "hop0")
    for address in (EXIT_INNER, EXIT_INNER6):
        tap.check(address not in found, f"{address} is not on the interface: {found}")
    check_main_job()


@tap.test
def a_plain_wg_quick_file_is_a_network_of_one_tunnel():
    hopwire = scene.up(name="plain", text=scene.world.entry_quick_text())
    tap.equal(page(WORLD), f"world sees {ENTRY}", "IPv4")
    tap.equal(page(WORLD6), f"world sees {ENTRY6}", "IPv6")
    tap.check(scene.client.ip_json("link", "show", "plain"), "the interface has the file's name")
    tap.contains(hopwire.command("status", "plain").stdout, "plain", "status")


@tap.test
def I1_files_on_the_command_line_chain_leftmost_outermost():
    client, world = scene.client, scene.world
    entry = client.write("entry.conf", world.entry_quick_text(FwMark="0x1234", Table="off"))
    office = client.write("office.conf", world.office_quick_text(PostUp="touch /tmp/never"))
    scene.up(entry, office, name="office")
    check_main_job()


@tap.test
def a_tunnel_takes_an_included_file_as_the_provider_hands_it_out():
    client, world = scene.client, scene.world
    client.write("provider.conf", world.office_quick_text())
    parts = world.client_parts()
    text = sections(*parts[:3], ("Tunnel office", {"Via": "entry", "Config": "provider.conf",
                                                   "Routes": [OFFICE_NET, OFFICE_NET6]}))
    scene.up(text=text)
    check_main_job()


@tap.test
def A1_routes_narrow_what_allowed_ips_would_take():
    scene.up(office={"Routes": OFFICE_NET}, office_peer={"AllowedIPs": EVERYTHING})
    check_main_job()


@tap.test
def A1_a_carrier_without_routes_only_carries():
    scene.up(entry={"Routes": "none"})
    tap.equal(page(OFFICE), f"office sees {EXIT_INNER}", "the office")
    tap.equal(page(WORLD), f"world sees {CLIENT}", "the world, directly")
    tap.equal(page(WORLD6), f"world sees {CLIENT6}", "the world, directly, IPv6")


@tap.test
def A1_an_exception_goes_the_hosts_own_way():
    scene.up(entry={"Routes": ["!198.18.0.0/24", "!2001:db8:18::/64"]})
    tap.equal(page(WORLD), f"world sees {CLIENT}", "the excepted world")
    tap.equal(page(WORLD6), f"world sees {CLIENT6}", "the excepted world, IPv6")
    tap.equal(page(OFFICE), f"office sees {EXIT_INNER}", "the office")


@tap.test
def A1_a_sibling_takes_what_an_exception_leaves():
    parts = scene.world.client_parts(office={"Routes": [OFFICE_NET, "!10.20.99.0/24"]})
    scene.up(text=sections(*parts))
    answer = scene.client.ip("route", "get", "10.20.99.1")
    tap.contains(answer, "hop0", "the entry takes the excepted part")
    check_main_job()


@tap.test
def TRAPS_14_a_blackholed_sibling_slows_nobody():
    dead = [("Tunnel dead", {"Via": "entry", "PrivateKey": Key().private, "Address": "10.99.0.2/32"}),
            ("Peer", {"PublicKey": Key().public, "Endpoint": at("203.0.113.99"),
                      "AllowedIPs": "10.66.0.0/16"})]
    scene.up(text=sections(*scene.world.client_parts(), *dead))
    flood = scene.client.start("ping", "-q", "-f", "-w", "5", "10.66.0.1", name="flood")
    check_main_job()
    tap.check(scene.client.ping(OFFICE, count=20), "pings beside the flood")
    flood.stop()


@tap.test
def B1_the_same_address_in_both_tunnels_is_legal():
    # Providers hand out one address to everyone: here the exit knows the client by the entry's.
    exit = scene.world.exit
    peer = scene.world.keys["office"].public
    exit.run("wg", "set", "wg0", "peer", peer, "allowed-ips", f"{EXIT_INNER}/32,{ENTRY_INNER}/32")
    exit.route(ENTRY_INNER + "/32", "dev", "wg0")
    try:
        scene.up(office={"Address": ENTRY_INNER + "/32"}, office_peer={"AllowedIPs": OFFICE_NET})
        tap.equal(page(OFFICE), f"office sees {ENTRY_INNER}", "the office")
        tap.equal(page(WORLD), f"world sees {ENTRY}", "the world")
    finally:
        exit.ip("route", "del", ENTRY_INNER + "/32", "dev", "wg0")
        exit.run("wg", "set", "wg0", "peer", peer, "allowed-ips",
                 f"{EXIT_INNER}/32,{EXIT_INNER6}/128")


@tap.test
def two_networks_live_beside_each_other():
    scene.up(office_peer={"AllowedIPs": OFFICE_NET})
    second = sections(("Network", {"Interface": "hop1"}), *more.home())
    scene.up(name="second", text=second)
    check_main_job()
    tap.equal(page(HOME), f"home sees {HOME_INNER}", "the second network")


def build():
    global more
    more = More()


if __name__ == "__main__":
    main(afterwards=build)
