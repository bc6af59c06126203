# SPDX-License-Identifier: MIT
"""RULES F1, F4: containers and virtual machines behind a bridge of the host, with the rules that docker
and libvirt lay for them: they keep names, world, host and published ports, what they send elsewhere
goes into the tunnels or nowhere, and a bridge that leads to others is none of theirs."""

import os

import tap
from lab import HERE, wait_until
from scene import main, scene
from world import CLIENT, ENTRY, OFFICE, WORLD, WORLD6, wait_reachable

DOCKER, DOCKER6 = "172.17.0", "fd17:17::"
LIBVIRT = "192.168.122"
GATEWAY = "192.0.2.1"
RULES = f"""
table ip docker {{
    chain prerouting {{
        type nat hook prerouting priority dstnat
        fib daddr type local tcp dport 8080 dnat to {DOCKER}.2:80
    }}
    chain output {{
        type nat hook output priority -100
        ip daddr != 127.0.0.0/8 fib daddr type local tcp dport 8080 dnat to {DOCKER}.2:80
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat
        ip saddr {DOCKER}.0/16 oifname != "docker0" masquerade
        ip saddr {DOCKER}.2 ip daddr {DOCKER}.2 tcp dport 80 masquerade
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop
        oifname "docker0" ct state related,established accept
        oifname "docker0" ip daddr {DOCKER}.2 tcp dport 80 accept
        iifname "docker0" accept
        iifname "alone" oifname "alone" accept
        oifname "virbr0" ip daddr {LIBVIRT}.0/24 ct state related,established accept
        iifname "virbr0" ip saddr {LIBVIRT}.0/24 accept
    }}
}}
table ip libvirt {{
    chain postrouting {{
        type nat hook postrouting priority srcnat
        ip saddr {LIBVIRT}.0/24 ip daddr {{ 224.0.0.0/24, 255.255.255.255 }} return
        ip saddr {LIBVIRT}.0/24 ip daddr != {LIBVIRT}.0/24 masquerade
    }}
}}
table ip6 docker {{
    chain postrouting {{
        type nat hook postrouting priority srcnat
        ip6 saddr {DOCKER6}/64 oifname != "docker0" masquerade
    }}
}}
"""


def add_guest(name, bridge, *addresses):
    """A host of its own behind a port of the client's bridge."""
    client, guest = scene.client, scene.lab.host(name)
    scene.lab.link(client, f"v{name}", guest, "eth0")
    client.ip("link", "set", f"v{name}", "master", bridge)
    for address in addresses:
        guest.address("eth0", address)
        gateway = address.split("/")[0][:-1] + "1"
        guest.route("default", "via", gateway)
    return guest


def add_bridge(name, *addresses):
    scene.client.ip("link", "add", name, "type", "bridge")
    scene.client.ip("link", "set", name, "up")
    scene.client.address(name, *addresses)


def make_guests():
    client = scene.client
    client.forward()
    client.write_sysctl("net.ipv4.conf.all.rp_filter", 1)
    add_bridge("docker0", f"{DOCKER}.1/16", f"{DOCKER6}1/64")
    add_bridge("virbr0", f"{LIBVIRT}.1/24")
    scene.container = add_guest("container", "docker0", f"{DOCKER}.2/16", f"{DOCKER6}2/64")
    scene.machine = add_guest("machine", "virbr0", f"{LIBVIRT}.2/24")
    for host in (client, scene.container, scene.machine):
        host.start("python3", os.path.join(HERE, "services.py"), host.name,
                   name="services").wait_output("ready")
    client.run("nft", "-f", "-", input=RULES)
    wait_until(lambda: "tentative" not in client.ip("-6", "address"), 10, "the addresses")
    scene.before = client.network_state()


def page(host, address, port=80):
    return host.run("curl", "-sS", "-f", "-g", "-m", 3, f"http://{address}:{port}/",
                    check=False).stdout.strip()


def is_echoed(host, address):
    return "echoed" in scene.ask(address, 7, host=host)


def check_guests_keep(what):
    """Names and everything else of the host, the world, each other and what they publish."""
    client, container, machine = scene.client, scene.container, scene.machine
    tap.contains(page(client, f"{DOCKER}.2"), "container sees", f"{what}: host to guest")
    tap.contains(page(client, f"{LIBVIRT}.2"), "machine sees", f"{what}: host to machine")
    tap.contains(page(client, f"[{DOCKER6}2]"), "container sees", f"{what}: host to guest, IPv6")
    for guest, host in ((container, f"{DOCKER}.1"), (machine, f"{LIBVIRT}.1"),
                        (container, f"{DOCKER6}1")):
        tap.check(is_echoed(guest, host), f"{what}: {guest.name} asks the host")
    for guest in (container, machine):
        tap.contains(page(guest, CLIENT), "client sees", f"{what}: the host's other address")
    tap.contains(page(client, CLIENT, 8080), "container sees", f"{what}: published, to the host")
    tap.contains(page(machine, CLIENT, 8080), "container sees", f"{what}: published, to a guest")


def check_world(what):
    for guest in (scene.container, scene.machine):
        tap.equal(page(guest, WORLD), f"world sees {ENTRY}", f"{what}: {guest.name} to the world")
        tap.equal(page(guest, OFFICE), "office sees 10.70.0.2", f"{what}: {guest.name}, two hops")
    tap.contains(page(scene.container, f"[{WORLD6}]"), "world sees", f"{what}: IPv6")


@tap.test
def F1_F4_guests_keep_everything_under_a_kill_switch():
    for allowed in ("off", "on"):
        hopwire = scene.up(network={"KillSwitch": "on", "AllowLAN": allowed})
        wait_reachable(scene.client, OFFICE)
        uplink = scene.client.capture("uplink")
        what = f"AllowLAN = {allowed}"
        check_guests_keep(what)
        check_world(what)
        seen = page(scene.world.internet, CLIENT, 8080)
        tap.equal("container sees" in seen, allowed == "on", f"{what}: published, to the LAN")
        tap.check(scene.container.ping(GATEWAY), f"{what}: a guest to the LAN, or by the tunnel")
        leaks = [p for p in scene.leaks(uplink.stop()) if p.src != GATEWAY]
        to_lan = [p for p in leaks if p.dst == GATEWAY]
        tap.equal(bool(to_lan), allowed == "on", f"{what}: packets to the LAN ({to_lan[:3]})")
        tap.equal([p for p in leaks if p.dst != GATEWAY][:3], [], f"{what}: other packets")
        hopwire.down()
        tap.same_lines(scene.client.network_state(), scene.before, "after down")


@tap.test
def F1_guests_keep_everything_without_a_kill_switch_too():
    for changes in ({}, {"entry": {"Routes": "0.0.0.0/0, ::/0, 172.16.0.0/12, 192.168.0.0/16"}}):
        hopwire = scene.up(**changes)
        wait_reachable(scene.client, OFFICE)
        what = f"with {changes or 'a default route'}"
        check_guests_keep(what)
        check_world(what)
        hopwire.down()
        tap.same_lines(scene.client.network_state(), scene.before, "after down")


@tap.test
def F4_what_guests_send_goes_nowhere_after_a_crash():
    hopwire = scene.up(network={"KillSwitch": "on"})
    wait_reachable(scene.client, OFFICE)
    hopwire.kill()
    uplink = scene.client.capture("uplink")
    for guest in (scene.container, scene.machine):
        tap.check(not page(guest, WORLD) and not guest.ping(OFFICE, wait=0.5), "no answer")
    scene.container.ping(WORLD6, wait=0.5)
    check_guests_keep("after a crash")
    tap.equal(scene.leaks(uplink.stop())[:3], [], "on the uplink")
    hopwire.down()
    tap.same_lines(scene.client.network_state(), scene.before, "after down")


SEND = """
import socket, struct, sys
index = socket.if_nametoindex("docker0")
for family, where in ((socket.AF_INET, ("224.0.0.251", "239.255.255.250", "255.255.255.255")),
                      (socket.AF_INET6, ("ff02::fb", "ff05::c"))):
    sender = socket.socket(family, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"docker0")
    for address in where:
        try:
            sender.sendto(b"a name of mine", (address, 5353, 0, index)[:2 if "." in address else 4])
        except OSError as error:
            print(address, error)
"""


@tap.test
def F4_a_cable_put_into_a_guests_bridge_after_a_crash_is_no_way_out():
    """With the address and the route that a DHCP client would lay there."""
    client, before = scene.client, scene.before
    ways = [("default", "via", GATEWAY), ("default", "via", "2001:db8:2::1")]
    hopwire = scene.up(network={"KillSwitch": "on"})
    wait_reachable(client, OFFICE)
    hopwire.kill()
    capture = client.capture("uplink")
    client.ip("link", "set", "uplink", "master", "docker0")
    try:
        client.ip("address", "flush", "dev", "uplink", "scope", "global")
        client.address("docker0", f"{CLIENT}/24", "2001:db8:2::2/64")
        for way in ways:
            client.route(*way)
        for destination in (WORLD, WORLD6, GATEWAY, OFFICE, ENTRY, "2001:db8:2::1"):
            client.ping(destination, wait=0.3)
            client.ping(destination, "-I", "docker0", wait=0.3)
            scene.ask(destination, 53, "--timeout", "0.1")
        client.run("python3", "-c", SEND)
        # What configures guests, and the neighbours of a link, speak of nothing else.
        of_link = ("fe80", "ff02::1:ff", "ff02::16", "ff02::2", "ff02::1")
        seen = [p for p in capture.stop()
                if p.src in (CLIENT, f"{DOCKER}.1", "2001:db8:2::2", f"{DOCKER6}1")
                or p.src.startswith("fe80")]
        tap.equal([p for p in seen if not p.dst.startswith(of_link)][:4], [], "on the cable")
    finally:
        client.ip("link", "set", "uplink", "nomaster")
        client.ip("address", "del", f"{CLIENT}/24", "dev", "docker0")
        client.ip("address", "del", "2001:db8:2::2/64", "dev", "docker0")
        client.address("uplink", f"{CLIENT}/24", "2001:db8:2::2/64")
        for way in ways:
            client.route(*way)
    hopwire.down()
    tap.same_lines(client.network_state(), before, "after down")


@tap.test
def A1_a_tunnel_s_own_route_of_the_bridge_s_length_goes_before():
    scene.up(office={"Routes": f"{DOCKER}.0/16"}, office_peer={"AllowedIPs": f"{DOCKER}.0/16"})
    tap.contains(scene.client.ip("route", "get", f"{DOCKER}.9"), "dev hop0", "the office's")


@tap.test
def F1_up_names_the_guests():
    hopwire = scene.up()
    hopwire.down()
    said = hopwire.up(text=scene.world.client_text(network={"KillSwitch": "on"})).stderr
    for words in ("guests", f"docker0 {DOCKER}.0/16", f"virbr0 {LIBVIRT}.0/24"):
        tap.contains(said, words, "up")
    tap.check("fe80" not in said, f"and of no link's own prefix: {said}")


@tap.test
def F1_bridges_come_and_go():
    client = scene.client
    hopwire = scene.up(network={"KillSwitch": "on"})
    add_bridge("br-new", "172.31.9.1/24")
    try:
        guest = add_guest("late", "br-new", "172.31.9.2/24")
        wait_reachable(client, "172.31.9.2", 5)
        tap.check(guest.ping("172.31.9.1"), "the host")
        client.ip("link", "del", "vlate")
        # With a port that leads elsewhere it is no guests' any more.
        client.ip("link", "add", "far", "type", "ifb")
        client.ip("link", "set", "far", "master", "br-new")
        ruleset = lambda: client.run("nft", "list", "ruleset").stdout
        wait_until(lambda: "172.31.9.0/24" not in ruleset(), 5, "its prefix to be taken out")
        client.ip("link", "del", "far")
        wait_until(lambda: "172.31.9.0/24" in ruleset(), 5, "its prefix again")
    finally:
        client.ip("link", "del", "br-new")
    wait_until(lambda: "172.31.9.0/24" not in ruleset(), 5, "the prefix of a bridge that went")
    check_guests_keep("after bridges came and went")
    hopwire.down()


@tap.test
def F4_guests_of_one_bridge_talk_to_each_other_where_br_netfilter_shows_it():
    """Docker loads it. Neighbour discovery goes to groups; of a bridge without an address of the host
    nobody but its guests knows the networks."""
    client = scene.client
    if not os.path.exists("/proc/sys/net/bridge"):
        raise tap.Skip("this kernel has no br_netfilter")
    for family in ("", "6"):
        client.write_sysctl(f"net.bridge.bridge-nf-call-ip{family}tables", 1)
    add_bridge("alone")
    guests = [add_guest(name, "alone", f"10.99.0.{n}/24", f"fd99::{n}/64")
              for n, name in ((2, "one"), (3, "two"))]
    guests.append(add_guest("next", "docker0", f"{DOCKER}.3/16", f"{DOCKER6}3/64"))
    try:
        guests[1].start("python3", os.path.join(HERE, "services.py"), "two", 80, 53,
                        name="services").wait_output("ready")
        for network in ({"KillSwitch": "on"}, {"DNS": "10.64.0.1"}):
            hopwire = scene.up(network=network)
            for guest in guests + [scene.container]:
                guest.ip("neigh", "flush", "dev", "eth0")
            for guest, place in ((guests[0], "10.99.0.3"), (guests[0], "fd99::3"),
                                 (guests[2], f"{DOCKER}.2"), (guests[2], f"{DOCKER6}2")):
                tap.check(guest.ping(place), f"{network}: {guest.name} to {place}")
            for place in ("10.99.0.3", "fd99::3"):
                tap.contains(scene.ask(place, 53, host=guests[0]), "two sees", f"{network}: {place}")
            hopwire.down()
    finally:
        scene.networks, networks = [], scene.networks
        for hopwire in networks:
            hopwire.down(check=False)
        client.ip("link", "del", "alone")
        for name in ("vone", "vtwo", "vnext"):
            client.ip("link", "del", name)


@tap.test
def F1_a_bridge_that_is_the_uplink_is_nobody_s_guest():
    """As in a container, whose uplink is a veth: a bridge over it has no port but a virtual one."""
    client, before = scene.client, scene.before
    ways = client.ip("route", "show", "default"), client.ip("-6", "route", "show", "default")
    client.ip("address", "flush", "dev", "uplink", "scope", "global")
    add_bridge("br0", f"{CLIENT}/24", "2001:db8:2::2/64")
    client.ip("link", "set", "uplink", "master", "br0")
    client.route("default", "via", GATEWAY)
    client.route("default", "via", "2001:db8:2::1")
    try:
        scene.before = client.network_state()
        wait_until(lambda: client.ping(GATEWAY, wait=1), 10, "the LAN without a network")
        up = scene.up(network={"KillSwitch": "on"})
        wait_reachable(client, WORLD)
        capture = client.capture("br0")
        client.ping(GATEWAY, wait=0.5)
        scene.container.ping(GATEWAY, wait=0.5)
        tap.equal([p for p in capture.stop() if p.dst == GATEWAY], [], "to the LAN")
        check_guests_keep("with the uplink in a bridge")
        up.down()
        tap.same_lines(client.network_state(), scene.before, "after down")
    finally:
        scene.networks, networks = [], scene.networks
        for hopwire in networks:
            hopwire.down(check=False)
        client.ip("link", "del", "br0")
        client.address("uplink", f"{CLIENT}/24", "2001:db8:2::2/64")
        client.route("default", "via", GATEWAY)
        client.route("default", "via", "2001:db8:2::1")
        scene.before = before


if __name__ == "__main__":
    main(afterwards=make_guests)
