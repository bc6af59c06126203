# SPDX-License-Identifier: MIT
"""`hopwire INTERFACE` on both ends, and what happens to the way between them (TRAPS 23, 27, 30, 31):
roaming, crypto-routing, short NAT mappings, sources that answers leave from, marks, ports."""

import base64
import os

import tap
from lab import wait_until
from peers import Interface, Key, WireguardGo, at, hopwire_binary
from scene import main, scene
from wg_pair import PORT, RELAY, RELAY6, Pair, clean_interfaces, wait_endpoint
from world import (CLIENT, CLIENT6, ENTRY, ENTRY6, ENTRY_INNER, ENTRY_INNER6, EXIT,
                   wait_reachable)

@tap.test
def TRAP_23_who_roams_is_followed_in_both_families():
    pair, client, entry = Pair(), scene.client, scene.world.entry
    wait_reachable(client, RELAY)
    tap.equal(pair.endpoint(entry), f"{CLIENT}:40000", "first")
    client.write_sysctl("net.ipv4.conf.uplink.promote_secondaries", 1)
    client.address("uplink", "192.0.2.77/24")
    client.ip("address", "del", CLIENT + "/24", "dev", "uplink")
    client.route("default", "via", "192.0.2.1")
    tap.check(client.ping(RELAY, count=3), "from another address")
    wait_endpoint(pair, entry, "192.0.2.77:40000")
    pair.set(client, "listen-port", "9999")
    tap.check(client.ping(RELAY6, count=3), "from another port")
    wait_endpoint(pair, entry, "192.0.2.77:9999")
    pair.set(client, "peer", "PEER", "endpoint", at(ENTRY6))
    tap.check(client.ping(RELAY, count=3), "in the other family")
    wait_endpoint(pair, entry, f"[{CLIENT6}]:9999")
    tap.check(entry.ping(ENTRY_INNER, count=3), "and back")
    pair.set(entry, "listen-port", "9998")
    tap.check(entry.ping(ENTRY_INNER, count=3), "the other end may, too")
    wait_endpoint(pair, client, f"[{ENTRY6}]:9998")
    tap.check(client.ping(RELAY, count=3), "and is answered there")
    pair.down()
    client.address("uplink", CLIENT + "/24")
    client.ip("address", "del", "192.0.2.77/24", "dev", "uplink")
    client.route("default", "via", "192.0.2.1")


@tap.test
def TRAP_27_a_source_that_is_another_s_does_not_enter():
    pair, client, entry = Pair(), scene.client, scene.world.entry
    wait_reachable(client, RELAY)
    other = Key()
    pair.set(entry, "peer", "PEER", "allowed-ips", "10.64.0.0/24")
    tap.check(client.ping(RELAY, count=3), "the whole net is the client's")
    pair.set(entry, "peer", other.public, "allowed-ips", ENTRY_INNER + "/32")
    pair.set(client, "listen-port", "9997")
    tap.check(not client.ping(RELAY, wait=1), "its address is another peer's now")
    wait_endpoint(pair, entry, f"{CLIENT}:9997")  # it is authenticated all the same
    client.address("wg0", "10.64.0.3/24")
    tap.check(client.ping(RELAY, "-I", "10.64.0.3", count=3), "its others are not")
    pair.set(entry, "peer", other.public, "remove")
    tap.check(not client.ping(RELAY6, wait=1), "IPv6 went with allowed-ips")
    tap.check(client.ping(RELAY, count=3), "that peer is gone")
    pair.down()


@tap.test
def what_no_peer_takes_is_told_as_the_kernel_s_tells_it():
    """The host, not its net, is out of reach: a peer may come."""
    pair, client = Pair(), scene.client
    told = lambda address: client.run("ping", "-n", "-c", "1", "-W", "2", address, check=False).stdout
    tap.contains(told("10.64.0.9"), "Destination Host Unreachable", "in nobody's AllowedIPs")
    tap.contains(told("fc00:bbbb::9"), "Address unreachable", "in nobody's AllowedIPs, IPv6")
    pair.set(client, "peer", "PEER", "remove")
    tap.contains(told(RELAY), "Destination Host Unreachable", "without any peer")
    pair.set(client, "peer", "PEER", "allowed-ips", RELAY + "/32")
    tap.contains(told(RELAY), "Destination Host Unreachable", "without an endpoint")
    pair.down()


@tap.test
def a_NAT_that_forgets_soon_is_kept_open():
    router, client, entry = scene.world.internet, scene.client, scene.world.entry
    router.masquerade("entry")
    for key in ("nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"):
        router.write_sysctl("net.netfilter." + key, 2)
    pair = Pair(keepalive=1)
    try:
        wait_reachable(client, RELAY)
        tap.equal(pair.endpoint(entry).split(":")[0], "198.51.100.1", "behind the router")
        seen = entry.capture("public")
        wait_until(lambda: len([p for p in seen.so_far() if p.dport == PORT]) >= 5, 10,
                   "keepalives for longer than the router remembers")
        seen.stop()
        tap.check(entry.ping(ENTRY_INNER, wait=2), "from outside in")
    finally:
        pair.down()
        router.run("nft", "delete", "table", "inet", "lab")


@tap.test
def TRAP_31_an_own_address_that_goes_is_not_clung_to():
    client = scene.client
    client.write_sysctl("net.ipv4.conf.uplink.promote_secondaries", 1)
    for endpoint, own, more, gateway in (
            (ENTRY, CLIENT + "/24", "192.0.2.10/24", "192.0.2.1"),
            (ENTRY6, CLIENT6 + "/64", "2001:db8:2::10/64", "2001:db8:2::1")):
        pair = Pair(at(endpoint))
        wait_reachable(client, RELAY)
        client.address("uplink", more)
        client.ip("address", "del", own, "dev", "uplink")
        client.route("default", "via", gateway)
        tap.check(client.ping(RELAY, count=2, wait=3), f"{own} went, {more} came")
        wait_endpoint(pair, scene.world.entry, at(more.split("/")[0], 40000))
        pair.down()
        client.address("uplink", own)
        client.ip("address", "del", more, "dev", "uplink")
        client.route("default", "via", gateway)


@tap.test
def TRAP_31_answers_leave_from_where_they_were_asked():
    client, entry = scene.client, scene.world.entry
    more = ("198.51.100.11", "2001:db8:51::11")
    entry.address("public", *(address + ("/64" if ":" in address else "/24") for address in more))
    pair = Pair()
    for address in (ENTRY, more[0], ENTRY6, more[1], ENTRY):
        pair.set(client, "peer", "PEER", "endpoint", at(address))
        tap.check(client.ping(RELAY, count=2, wait=3), f"to {address}")
        tap.equal(pair.endpoint(client), at(address), "the answer's source")
        tap.check(entry.ping(ENTRY_INNER, count=2, wait=3), "asked by the entry itself")
        tap.equal(pair.endpoint(client), at(address), "its source")
    for address in more:
        length = "/64" if ":" in address else "/24"
        pair.set(client, "peer", "PEER", "endpoint", at(address))
        tap.check(client.ping(RELAY, wait=3), f"to {address}")
        entry.ip("address", "del", address + length, "dev", "public")
        tap.check(entry.ping(ENTRY_INNER, wait=3), f"{address} went")
        entry.address("public", address + length)
        pair.set(client, "peer", "PEER", "endpoint", at(address))
        tap.check(client.ping(RELAY, wait=3), f"{address} is back")
        tap.equal(pair.endpoint(client), at(address), "and answers leave from it again")
    pair.down()
    for address in more:
        entry.ip("address", "del", address + ("/64" if ":" in address else "/24"), "dev", "public")


def another_way():
    """A second cable between the client and the router."""
    client, router = scene.client, scene.world.internet
    scene.lab.link(client, "second", router, "client2")
    for host, interface, last in ((client, "second", 2), (router, "client2", 1)):
        host.write_sysctl(f"net.ipv4.conf.{interface}.rp_filter", 0)
        host.address(interface, f"192.0.2.{128 + last}/25", f"2001:db8:22::{last}/64")


def wait_source(pair, source, what):
    """The entry is spoken to from there, with traffic, and each question has an answer."""
    def is_so():
        tap.check(scene.client.ping(RELAY, wait=3), what)
        return pair.endpoint(scene.world.entry) == at(source, 40000)
    wait_until(is_so, 10, f"the entry to hear the client at {source}: {what}")


@tap.test
def TRAP_31_a_source_is_not_clung_to_when_the_way_leads_elsewhere():
    client = scene.client
    another_way()
    for endpoint, own, gateway, later, near in (
            (ENTRY, CLIENT, "192.0.2.129", "192.0.2.130", "192.0.2.1"),
            (ENTRY6, CLIENT6, "2001:db8:22::1", "2001:db8:22::2", "2001:db8:2::1")):
        pair = Pair(at(endpoint))
        wait_source(pair, own, "by the first cable")
        client.route(endpoint, "via", near)
        wait_source(pair, own, "a route that leads the same way")
        client.route(endpoint, "via", gateway)
        wait_source(pair, later, "a route by the second cable")
        client.ip("route", "del", endpoint)
        wait_source(pair, own, "which is gone again")
        family = "-6" if ":" in endpoint else "-4"
        client.ip(family, "rule", "add", "fwmark", "0x55", "table", "77")
        client.ip(family, "route", "add", "default", "via", gateway, "table", "77")
        pair.set(client, "fwmark", "0x55")
        wait_source(pair, later, "a mark that leads by the second cable")
        client.ip(family, "rule", "del", "fwmark", "0x55", "table", "77")
        wait_source(pair, own, "whose rule is gone")
        client.ip(family, "route", "flush", "table", "77")
        pair.down()
    client.ip("link", "del", "second")


@tap.test
def TRAP_30_a_mark_may_be_set_later():
    pair, client = Pair(), scene.client
    wait_reachable(client, RELAY)
    for family in ("-4", "-6"):
        client.ip(family, "rule", "add", "fwmark", "0x55", "blackhole")
    for endpoint in (ENTRY, ENTRY6):
        pair.set(client, "peer", "PEER", "endpoint", at(endpoint))
        tap.check(client.ping(RELAY, wait=3), "without")
        pair.set(client, "fwmark", "0x55")
        tap.check(not client.ping(RELAY, wait=1), "with: the rule takes it")
        tap.equal(client.run("wg", "show", "wg0", "fwmark").stdout.strip(), "0x55", "shown")
        pair.set(client, "listen-port", "40010")
        tap.check(not client.ping(RELAY, wait=1), "the new port's socket has it, too")
        pair.set(client, "fwmark", "0")
        wait_reachable(client, RELAY)
        pair.set(client, "listen-port", "40000")
    for family in ("-4", "-6"):
        client.ip(family, "rule", "del", "fwmark", "0x55")
    pair.down()


@tap.test
def TRAP_31_a_port_that_is_taken_is_refused_and_the_old_one_stays():
    client, pair = scene.client, Pair()
    wait_reachable(client, RELAY)
    for family in ("AF_INET", "AF_INET6"):
        holder = client.start("python3", "-c", f"""if True:
            import socket, time
            held = socket.socket(socket.{family}, socket.SOCK_DGRAM)
            if held.family == socket.AF_INET6:
                held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            held.bind(("", 7777))
            print("held", flush=True)
            time.sleep(600)""", name="holder")
        holder.wait_output("held")
        result = pair.set(client, "listen-port", "7777", check=False)
        tap.check(result.returncode != 0, f"{family}: refused")
        tap.contains(result.stderr, "Address already in use", "errno")
        tap.equal(client.run("wg", "show", "wg0", "listen-port").stdout.strip(), "40000", "stays")
        tap.check(client.ping(RELAY, wait=3), "and works")
        holder.stop()
    pair.set(client, "listen-port", "7777")
    tap.check(client.ping(RELAY, count=2, wait=3), "free again")
    pair.down()


# The points of low order, zero first: with any key they make the same secret, which all know.
LOW_ORDER = ("00" * 32, "01" + "00" * 31,
             "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
             "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
             "ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f")


@tap.test
def TRAP_21_a_peer_without_a_secret_is_there_and_never_spoken_to():
    client = scene.client
    client.run(hopwire_binary(), "low0")
    client.run("wg", "set", "low0", "private-key", client.write("low.key", Key().private))
    keys = [base64.b64encode(bytes.fromhex(point)).decode() for point in LOW_ORDER]
    for key in keys:
        client.run("wg", "set", "low0", "peer", key, "persistent-keepalive", "1", "endpoint",
                   at(ENTRY, 1111))
    tap.equal(set(client.run("wg", "show", "low0", "peers").stdout.split()), set(keys), "peers")
    good = Key()
    client.run("wg", "set", "low0", "peer", good.public, "persistent-keepalive", "1", "endpoint",
               at(ENTRY, 2222))
    uplink = client.capture("uplink")
    client.ip("link", "set", "low0", "up")
    wait_until(lambda: [p for p in uplink.so_far() if p.dport == 2222], 5, "the good one's turn")
    tap.equal([p for p in uplink.stop() if p.dport == 1111], [], "to the others")
    for key in keys:
        client.run("wg", "set", "low0", "peer", key, "remove")
    tap.equal(client.run("wg", "show", "low0", "peers").stdout.split(), [good.public], "left")
    client.ip("link", "del", "dev", "low0")
    wait_until(lambda: not os.listdir(client.run_path("wireguard")), 5, "its end")


@tap.test
def long_requests_and_answers_are_whole():
    client = scene.client
    client.run(hopwire_binary(), "many0")
    lines = ["[Interface]", "PrivateKey = " + Key().private, "[Peer]",
             "PublicKey = " + Key().public]
    lines += [f"AllowedIPs = {a}.{b}.0.0/16, {a:x}::{b:x}/128"
              for a in range(1, 101) for b in range(256)]
    client.run("wg", "setconf", "many0", client.write("many.wg", "\n".join(lines) + "\n"))
    shown = client.run("wg", "show", "many0", "allowed-ips").stdout.split()
    tap.equal(len(shown), 1 + 2 * 100 * 256, "AllowedIPs of one peer")
    lines = ["[Interface]", "PrivateKey = " + Key().private]
    for a in range(1, 41):
        lines += ["[Peer]", "PublicKey = " + Key().public]
        lines += [f"AllowedIPs = {a}.{b}.0.0/16" for b in range(52)]
    client.run("wg", "setconf", "many0", client.write("many.wg", "\n".join(lines) + "\n"))
    shown = client.run("wg", "show", "many0", "allowed-ips").stdout.splitlines()
    tap.equal([len(line.split()) for line in shown], [53] * 40, "of forty")
    first = client.run("wg", "showconf", "many0").stdout
    client.run("wg", "setconf", "many0", client.write("many.wg", first))
    tap.equal(client.run("wg", "showconf", "many0").stdout, first, "showconf round-trips")
    tap.check(client.run("wg", "show", "nobody", check=False).returncode != 0, "no such interface")
    client.ip("link", "del", "dev", "many0")
    wait_until(lambda: not os.listdir(client.run_path("wireguard")), 5, "its end")


@tap.test
def what_is_larger_than_the_way_arrives_in_pieces():
    pair, client, entry = Pair(), scene.client, scene.world.entry
    for endpoint in (ENTRY, ENTRY6):
        pair.set(client, "peer", "PEER", "endpoint", at(endpoint))
        wait_reachable(client, RELAY)
        for mtu in (9000, 1420):
            for host in (client, entry):
                host.ip("link", "set", "wg0", "mtu", mtu)
            for address, head in ((RELAY, 28), (RELAY6, 48)):
                tap.check(client.ping(address, "-M", "do", "-s", mtu - head, count=3, wait=3),
                          f"{mtu} bytes to {address} by {endpoint}")
    pair.down()


@tap.test
def F6_multicast_goes_where_AllowedIPs_say():
    pair, client, entry = Pair(), scene.client, scene.world.entry
    wait_reachable(client, RELAY)
    pair.set(client, "peer", "PEER", "allowed-ips", "0.0.0.0/0,::/0")
    client.ip("link", "set", "wg0", "multicast", "on")
    client.route("224.0.0.0/4", "dev", "wg0")
    seen = entry.capture("wg0")
    client.ping("224.0.0.5", "-I", ENTRY_INNER, wait=1)
    client.ping("ff02::5%wg0", "-I", ENTRY_INNER6, wait=1)
    wait_until(lambda: {"224.0.0.5", "ff02::5"} <= {p.dst for p in seen.so_far()}, 5,
               "the entry to get both")
    seen.stop()
    pair.down()


@tap.test
def A8_the_host_alone_decides_how_datagrams_leave():
    pair, client, exit = Pair(), scene.client, scene.world.exit
    far = Interface("wg0", Key(), ("10.70.0.1/24",), port=PORT)
    far.peer(pair.keys[0], [ENTRY_INNER + "/32"])
    relay = WireguardGo(exit, far, hopwire_binary())
    exit.route(ENTRY_INNER + "/32", "dev", "wg0")
    pair.set(client, "peer", "PEER", "allowed-ips", f"{RELAY}/32,{EXIT}/32")
    pair.set(client, "peer", far.key.public, "allowed-ips", "10.70.0.1/32", "endpoint", at(EXIT))
    client.route("10.70.0.1/32", "dev", "wg0")
    uplink = client.capture("uplink")
    wait_reachable(client, "10.70.0.1")
    tap.equal({p.dst for p in uplink.stop() if p.src == CLIENT and p.protocol == 17}, {EXIT},
              "straight, though the exit is in the entry's AllowedIPs")
    client.route(EXIT + "/32", "dev", "wg0", "src", ENTRY_INNER)
    uplink = client.capture("uplink")
    client.ping("10.70.0.1", wait=1)
    wait_until(lambda: ENTRY in {p.dst for p in uplink.so_far()}, 5, "the route to be followed")
    uplink.stop()
    client.ip("route", "del", EXIT + "/32", "dev", "wg0")
    relay.down()
    pair.down()


def clean():
    clean_interfaces()
    clean_scene()


if __name__ == "__main__":
    clean_scene, scene.clean = scene.clean, clean
    main(services=False, relays=None)
