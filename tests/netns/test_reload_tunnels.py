# SPDX-License-Identifier: MIT
"""RULES I2, I3, I7, F4: tunnels come, go and move in a reload, and the others keep all they have."""

import re

import tap
from hidden_name import NAME, NAMED, NameServer, expect_no_query, resolver_is_mute
from lab import wait_until
from peers import Interface, Key, at, sections
from reloading import Pings, reload, said, sessions, up, with_parts
from scene import main, scene
from world import ENTRY, EXIT, OFFICE, OFFICE_NET, OFFICE_NET6, WORLD, wait_reachable


def third(**changes):
    """A tunnel more, to the exit relay, as the client's third key."""
    return [("Tunnel third", {"PrivateKey": scene.world.keys["third"].private,
                              "Address": "10.70.0.9/32", "Routes": "10.20.0.90/32", **changes}),
            ("Peer", {"PublicKey": scene.world.keys["exit"].public, "Endpoint": at(EXIT),
                      "AllowedIPs": "10.20.0.0/16"})]


class ThirdKey:
    """Known to the exit relay; the office answers on one address more."""

    def __enter__(self):
        key = scene.world.keys["third"] = Key()
        scene.world.exit.run("wg", "set", "wg0", "peer", key.public, "allowed-ips", "10.70.0.9/32")
        scene.world.office.address("lan", "10.20.0.90/16")

    def __exit__(self, *_):
        key = scene.world.keys.pop("third")
        scene.world.exit.run("wg", "set", "wg0", "peer", key.public, "remove")
        scene.world.office.ip("address", "del", "10.20.0.90/16", "dev", "lan")


def names(hopwire):
    return [tunnel["name"] for tunnel in hopwire.status()["tunnels"]]


@tap.test
def I2_a_carried_tunnel_comes_and_goes():
    client = scene.client
    hopwire = up()
    with ThirdKey():
        pings, before = Pings(), sessions(hopwire)
        said(reload(hopwire, with_parts(*third(Via="entry"))),
             "tunnel third: added, inside entry, with 1 peer")
        wait_reachable(client, "10.20.0.90")
        tap.equal(names(hopwire), ["entry", "office", "third"], "the tunnels")
        tap.contains(client.run("wg", "show", "interfaces").stdout, "hop0.third", "what wg shows")
        tap.contains(client.run("wg", "show", "hop0.third", "endpoints").stdout, EXIT, "its peer")
        said(reload(hopwire, scene.world.client_text()), "tunnel third: removed")
        tap.check("hop0.third" not in client.run("wg", "show", "interfaces").stdout, "wg")
        tap.equal(sessions(hopwire), before, "the others' sessions")
        pings.stop()


@tap.test
def I2_a_tunnel_comes_before_another_one_and_one_goes_from_between():
    client = scene.client
    hopwire = up()
    with ThirdKey():
        parts = scene.world.client_parts()
        before = sessions(hopwire)
        reload(hopwire, sections(*parts[:3], *third(Via="entry"), *parts[3:]))
        wait_reachable(client, "10.20.0.90")
        wait_reachable(client, OFFICE)
        reload(hopwire, sections(*parts[:3], *third(Via="entry")))
        wait_reachable(client, "10.20.0.90")
        tap.equal(names(hopwire), ["entry", "third"], "the tunnels")
        tap.equal(client.run("wg", "show", "interfaces").stdout.split(), ["hop0", "hop0.third"], "wg")
        tap.contains(client.ip("route", "get", "10.20.0.90"), "dev hop0", "its route")
        reload(hopwire, scene.world.client_text())
        wait_reachable(client, OFFICE)
        tap.equal(sessions(hopwire)["entry", scene.world.keys["entry"].public],
                  before["entry", scene.world.keys["entry"].public], "the entry's session")


@tap.test
def I2_a_root_comes_and_goes_under_a_kill_switch():
    client = scene.client
    network = {"KillSwitch": "on"}
    hopwire = up(network=network)
    with ThirdKey():
        capture, pings, before = client.capture("uplink", 128), Pings(), sessions(hopwire)
        for port in ("5557", "5558"):
            said(reload(hopwire, with_parts(*third(ListenPort=port), network=network)),
                 "tunnel third: added, a root, with 1 peer")
            wait_reachable(client, "10.20.0.90")
            tap.contains(client.run("ss", "-lun").stdout, ":" + port, "its socket")
            reload(hopwire, scene.world.client_text(network=network))
            tap.check(":" + port not in client.run("ss", "-lun").stdout, "no socket of it")
            tap.check(EXIT not in client.run("nft", "list", "ruleset").stdout, "nor its endpoint")
        pings.stop()
        tap.equal(sessions(hopwire), before, "the others' sessions")
        leaks = [p for p in scene.leaks(capture.stop()) if EXIT not in (p.src, p.dst)]
        tap.equal(leaks[:3], [], "on the uplink")


def ports(hopwire):
    return {tunnel["name"]: tunnel.get("listen_port") for tunnel in hopwire.status()["tunnels"]}


@tap.test
def I2_roots_swap_their_ports_and_one_keeps_it_under_another_name():
    hopwire = up(entry={"ListenPort": "5556"})
    with ThirdKey():
        def text(entry_port, third_port, name="third"):
            (_, keys), peer = third(ListenPort=third_port)
            return with_parts((f"Tunnel {name}", keys), peer, entry={"ListenPort": entry_port})

        reload(hopwire, text("5556", "5557"))
        wait_reachable(scene.client, "10.20.0.90")
        pings, before = Pings(), sessions(hopwire)
        for entry_port, third_port in (("5557", "5556"), ("5556", "5557")):
            reload(hopwire, text(entry_port, third_port))
            found = ports(hopwire)
            tap.equal((found["entry"], found["third"]), (int(entry_port), int(third_port)), "ports")
            pings.more(10)
            wait_reachable(scene.client, "10.20.0.90")
        tap.equal(sessions(hopwire), before, "the sessions")
        pings.stop(most_lost=20)  # what is under way to a port that is another one's now
        said(reload(hopwire, text("5556", "5557", "other")),
             "tunnel other: added, a root, with 1 peer", "tunnel third: removed")
        tap.equal(ports(hopwire)["other"], 5557, "its port")
        wait_reachable(scene.client, "10.20.0.90")
        tap.equal(names(hopwire), ["entry", "office", "other"], "the tunnels")


@tap.test
def I3_a_tunnel_moves_out_of_its_carrier_and_back():
    client = scene.client
    network = {"KillSwitch": "on"}
    hopwire = up(network=network)
    capture, pings, before = client.capture("uplink", 128), Pings(), sessions(hopwire)
    said(reload(hopwire, scene.world.client_text(network=network, office={"Via": None})),
         "tunnel office: Via entry → none")
    pings.more(20)
    tap.equal(hopwire.status()["tunnels"][1].get("carrier"), None, "its carrier")
    client.run("wg", "set", "hop0.office", "fwmark", "0x480000aa")  # goes with its sockets
    said(reload(hopwire, scene.world.client_text(network=network)), "tunnel office: Via none → entry")
    pings.more(20)
    tap.equal(client.run("wg", "show", "hop0.office", "fwmark").stdout, "off\n", "its mark")
    tap.equal(sessions(hopwire), before, "the sessions")
    pings.stop(most_lost=20)
    leaks = [p for p in scene.leaks(capture.stop()) if EXIT not in (p.src, p.dst)]
    tap.equal(leaks[:3], [], "on the uplink, but for what the file said")


def way_to_office():
    """What the kernel says of it: the interface, and how long a packet may be."""
    return re.search(r" dev (\S+) .*mtu (\d+)", scene.client.ip("route", "get", OFFICE).replace("\n", " "))


@tap.test
def I3_route_MTUs_are_those_of_the_new_way_when_a_move_is_told():
    """So nothing is ever sent that the engine had to refuse: programs hear it from their own kernel."""
    client, hopwire = scene.client, up()
    largest = lambda: int(way_to_office().group(2))
    ping = lambda size: client.run("ping", "-n", "-c", "1", "-W", "3", "-M", "do", "-s", size - 28, OFFICE,
                                   check=False)
    carried = largest()
    for turn in range(2):
        reload(hopwire, scene.world.client_text(office={"Via": None}))
        alone = largest()
        tap.equal(alone, carried + 60, "a hop less")
        wait_until(lambda: ping(alone).returncode == 0, 15, "the largest, straight")
        reload(hopwire, scene.world.client_text())
        tap.equal(largest(), carried, "a hop more")
        wait_until(lambda: ping(carried).returncode == 0, 15, "the largest, inside")
        refused = ping(alone)  # newer ones do not say the MTU
        tap.contains(refused.stdout + refused.stderr, "essage too long", "the kernel's word")
    tap.equal(hopwire.verdict("too_big"), 0, "packets that the engine refused")


@tap.test
def I2_a_tree_gets_deeper_and_flat_again():
    client, parts = scene.client, scene.world.client_parts()
    hopwire = scene.up(text=sections(*parts[:3]))
    wait_reachable(client, WORLD)
    pings, before = Pings(WORLD), sessions(hopwire)
    # The third hop's relay has a socket of its own, on the exit; a newer wireguard-go does not answer
    # there what came through another one.
    own, theirs = Key(), Key()
    third_interface = Interface("wg3", theirs, ["10.71.0.1/24"], port=51823).peer(own, "10.71.0.9/32")
    relay = scene.world.run_relay(scene.world.exit, third_interface, "hopwire")
    deepest = [("Tunnel third", {"Via": "office", "PrivateKey": own.private,
                                 "Address": "10.71.0.9/32"}),
               ("Peer", {"PublicKey": theirs.public, "Endpoint": at(EXIT, 51823),
                         "AllowedIPs": "10.71.0.0/24"})]
    for turn in range(2):
        reload(hopwire, with_parts())
        wait_reachable(client, OFFICE)
        reload(hopwire, with_parts(*deepest, office_peer={"AllowedIPs": [
            OFFICE_NET, OFFICE_NET6, EXIT + "/32"]}))
        wait_reachable(client, "10.71.0.1")
        client.run("ping", "-n", "-c", "3", "-i", "0.1", "-s", "1200", "10.71.0.1")
        reload(hopwire, sections(*parts[:3]))
    relay.down()
    tap.equal(sessions(hopwire), before, "the entry's session")
    pings.stop()


@tap.test
def A6_B2_the_first_root_is_the_files():
    """One that comes in front has no NAT, the interface's address, and `wg`'s socket by its name;
    the other has NAT until that one is gone again, and nobody's session ends."""
    client = scene.client
    hopwire = up()
    parts, before = scene.world.client_parts(), sessions(hopwire)
    key = Key()
    zero = [("Tunnel zero", {"PrivateKey": key.private, "Address": "10.88.0.1/32", "Routes": "none"}),
            ("Peer", {"PublicKey": Key().public, "AllowedIPs": "10.99.0.0/16"})]
    said(reload(hopwire, sections(parts[0], *zero, *parts[1:])),
         "network: the interface's IPv4 address 10.64.0.2 → 10.88.0.1",
         "tunnel zero: added, a root, with 1 peer", "network: the tunnels' order → zero, entry, office")
    tap.equal(names(hopwire), ["zero", "entry", "office"], "the tunnels")
    tap.equal(client.run("wg", "show", "hop0", "public-key").stdout.strip(), key.public, "wg's hop0")
    tap.contains(client.run("wg", "show", "hop0.entry", "endpoints").stdout, ENTRY, "wg's hop0.entry")
    tap.contains(client.ip("route", "get", OFFICE), "src 10.88.0.1", "the source")
    for address in OFFICE, WORLD:
        wait_reachable(client, address)
    said(reload(hopwire, sections(*parts)),
         "network: the interface's IPv4 address 10.88.0.1 → 10.64.0.2", "tunnel zero: removed")
    tap.contains(client.run("wg", "show", "hop0", "endpoints").stdout, ENTRY, "wg's hop0 again")
    for address in OFFICE, WORLD:
        wait_reachable(client, address)
    tap.equal(sessions(hopwire), before, "the sessions")


@tap.test
def G1_a_carried_name_is_asked_inside_its_carrier_when_numbers_have_moved():
    """The first root goes, so that the carrier is described first and has another number; then its
    passenger's endpoint becomes a name."""
    client, server = scene.client, NameServer(EXIT)
    zero = [("Tunnel zero", {"PrivateKey": Key().private, "Address": "10.88.0.1/32", "Routes": "none"}),
            ("Peer", {"PublicKey": Key().public, "AllowedIPs": "10.99.0.0/16"})]
    dns = {"entry": NAMED["entry"]}
    parts = scene.world.client_parts(**dns)
    hopwire = scene.up(text=sections(parts[0], *zero, *parts[1:]))
    wait_reachable(client, OFFICE)
    uplink = client.capture("uplink")
    reload(hopwire, sections(*parts))
    wait_reachable(client, OFFICE)
    tap.equal(names(hopwire), ["entry", "office"], "the tunnels")
    reload(hopwire, scene.world.client_text(**NAMED))
    wait_until(lambda: f"query[A] {NAME} from " in server.text(), what="the question")
    wait_reachable(client, OFFICE)
    expect_no_query(uplink)
    server.stop()


@tap.test
def G1_a_name_that_nobody_answers_is_not_asked_outside_once_its_tunnel_is_carried():
    client = scene.client
    resolver_is_mute()  # nobody listens there
    dns = {"entry": NAMED["entry"]}
    roots = scene.world.client_text(**dns, office={"Via": None}, office_peer=NAMED["office_peer"])
    hopwire = scene.up(text=roots)
    server = NameServer(EXIT)
    reload(hopwire, scene.world.client_text(**NAMED))
    uplink = client.capture("uplink")
    wait_reachable(client, OFFICE)
    tap.contains(server.text(), f"query[A] {NAME} from ", "the question inside")
    expect_no_query(uplink)
    server.stop()


if __name__ == "__main__":
    main()
