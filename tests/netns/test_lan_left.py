# SPDX-License-Identifier: MIT
"""RULES A7, F1, F4: what `AllowLAN = on` and guests' bridges open is open on the link only. When the
daemon is dead and the host leaves that network, by whatever way, nothing for its prefix goes anywhere,
although nobody follows; back there, it is reached again."""

import os
import signal

import tap
from lab import wait_until
from scene import main, scene
from world import OFFICE_NET, OFFICE_NET6

OWN = ("192.168.77.2/24", "fd77::2/64")
NEIGHBOUR = ("192.168.77.1", "fd77::1")
PLACES = NEIGHBOUR + ("192.168.77.9", "fd77::9")
NEXT = ("172.20.5.2/24", "fd05::2/64")
NEXT_GATEWAY = ("172.20.5.1", "fd05::1")
GUESTS, GUEST = ("172.17.0.1/16", "fd17:17::1/64"), ("172.17.0.2", "fd17:17::2")
AROUND = f"{OFFICE_NET}, {OFFICE_NET6}, 192.168.0.0/16, 172.16.0.0/12, fd77::/32, fd17::/16"

KNOCK = """
import sys
from socket import *
device, places = sys.argv[1], sys.argv[2:]
for place in places:
    for kind in (SOCK_STREAM, SOCK_DGRAM):
        s = socket(AF_INET6 if ":" in place else AF_INET, kind)
        s.setblocking(False)
        try:
            if device:
                s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, device.encode())
            s.connect_ex((place, 80))
            s.send(b"x")
        except OSError:
            pass
"""


def knock(places, device=""):
    client = scene.client
    client.run("python3", "-c", KNOCK, device, *places)
    for place in places:
        client.ping(place, *(("-I", device) if device else ()), wait=0.2)


def wait_addresses():
    wait_until(lambda: "tentative" not in scene.client.ip("-6", "address"), 10, "the addresses")


def set_addresses(addresses):
    for address in addresses:
        scene.client.address("wifi", address)
    wait_addresses()


def set_defaults(gateways):
    for gateway in gateways:
        scene.client.ip("route", "replace", "default", "via", gateway, "dev", "wifi", "metric", 5)


def make_wifi():
    """The link that the host goes its way by, better than the uplink while it is there."""
    client, cafe = scene.client, scene.cafe
    scene.lab.link(client, "wifi", cafe, "wifi")
    cafe.address("wifi", NEIGHBOUR[0] + "/24", NEIGHBOUR[1] + "/64",
                 *(gateway + ("/64" if ":" in gateway else "/24") for gateway in NEXT_GATEWAY))


def join():
    make_wifi()
    set_addresses(OWN)
    set_defaults(NEIGHBOUR)


def leave():
    scene.client.ip("link", "del", "wifi", check=False)


def links():
    return [link["ifname"] for link in scene.client.ip_json("link")
            if link["ifname"] in ("wifi", "uplink", "docker0")]


def what_leaves(places, devices=("",)):
    captures = [scene.client.capture(link) for link in links()]
    for device in devices:
        knock(places, device)
    return [p for capture in captures for p in capture.stop() if p.dst in places]


def check_closed(what, has_kill_switch):
    """Also to whoever answers for all: as a neighbour that proxies, in no need of a question."""
    client = scene.client
    hardware = scene.cafe.ip_json("link", "show", "wifi")[0]["address"] if "wifi" in links() else ""
    for place in PLACES if hardware else ():
        client.ip("neigh", "replace", place, "lladdr", hardware, "dev", "wifi", check=False)
    devices = ("", *links()) if has_kill_switch else ("",)
    left = what_leaves(PLACES, devices)
    tap.equal(left[:3], [], f"{what}: packets for the LAN that was left")


def reaches_lan(what):
    for place in NEIGHBOUR:
        wait_until(lambda: scene.client.ping(place, wait=0.5), 5, f"{what}: {place} to answer")


def address_goes():
    """A new address on the same link, the old one taken, another network's gateway."""
    set_addresses(NEXT)
    set_defaults(NEXT_GATEWAY)
    for address in OWN:
        scene.client.ip("address", "del", address, "dev", "wifi")


def address_goes_first():
    for address in OWN:
        scene.client.ip("address", "del", address, "dev", "wifi")
    set_addresses(NEXT)
    set_defaults(NEXT_GATEWAY)


def set_default_on_link():
    """As a modem's: everything is on the link."""
    for family in ("-4", "-6"):
        scene.client.ip(family, "route", "replace", "default", "dev", "wifi", "metric", 5)


def way_without_gateway():
    address_goes()
    set_default_on_link()


def link_goes_down():
    scene.client.ip("link", "set", "wifi", "down")


def link_is_deleted():
    leave()


def link_is_made_anew():
    leave()
    make_wifi()
    set_addresses(NEXT)
    set_defaults(NEXT_GATEWAY)


def wider_network():
    """Around the old one, behind a gateway."""
    address_goes()
    for prefix, gateway in zip(("192.168.0.0/17", "fd77::/48"), NEXT_GATEWAY):
        scene.client.ip("route", "add", prefix, "via", gateway)


WAYS = (address_goes, address_goes_first, way_without_gateway, link_goes_down, link_is_deleted,
        link_is_made_anew, wider_network)


def up(kill_switch, allow_lan="on", **network):
    return scene.up(network={"KillSwitch": kill_switch, "AllowLAN": allow_lan, **network},
                    office={"Routes": AROUND}, office_peer={"AllowedIPs": AROUND})


def after_each_way(kill_switch, allow_lan="on", **network):
    for way in WAYS:
        join()
        try:
            hopwire = up(kill_switch, allow_lan, **network)
            reaches_lan("with the daemon")
            hopwire.kill()
            reaches_lan("after the crash")
            way()
            check_closed(way.__name__, kill_switch == "on")
        finally:
            leave()
        hopwire.down()
        tap.same_lines(scene.client.network_state(), scene.before, f"{way.__name__}: after down")


@tap.test
def A7_a_lan_that_is_left_after_a_crash_under_a_kill_switch():
    after_each_way("on")


@tap.test
def A7_a_lan_that_is_left_after_a_crash_inside_a_tunnel_s_prefix():
    after_each_way("off")


@tap.test
def A7_a_lan_that_is_left_after_a_crash_with_a_priority_of_the_user_s():
    after_each_way("on", Priority="100")


@tap.test
def F1_the_same_lan_again_is_reached_after_a_crash():
    for kill_switch in ("on", "off"):
        join()
        try:
            hopwire = up(kill_switch)
            reaches_lan("with the daemon")
            hopwire.kill()
            address_goes()
            check_closed("elsewhere", kill_switch == "on")
            set_addresses(OWN)
            reaches_lan("back again")
        finally:
            leave()
        hopwire.down()


@tap.test
def F4_the_table_alone_keeps_a_lan_on_its_link():
    """The routes are the user's own, so the firewall has to tell the neighbour from the gateway."""
    join()
    try:
        hopwire = up("on", Table="off")
        reaches_lan("with the daemon")
        hopwire.kill()
        reaches_lan("after the crash")
        address_goes()
        check_closed("behind a gateway", True)
        set_default_on_link()
        check_closed("on another network's link", True)
        leave()
        check_closed("by the other link's gateway", True)
        hopwire.down()
    finally:
        leave()


@tap.test
def A7_while_the_daemon_lives_nothing_waits_for_it():
    """Stopped, it is as slow as can be; going on, it gives the prefix back to the tunnel."""
    for kill_switch in ("on", "off"):
        join()
        try:
            hopwire = up(kill_switch)
            reaches_lan("with the daemon")
            pid = hopwire.pids()[0]
            os.kill(pid, signal.SIGSTOP)
            try:
                address_goes()
                check_closed("before the daemon hears of it", kill_switch == "on")
            finally:
                os.kill(pid, signal.SIGCONT)
            wait_until(lambda: all("dev hop0" in scene.client.ip("route", "get", place,
                                                                       check=False)
                                   for place in ("192.168.77.9", "fd77::9")), 10, "the tunnel")
        finally:
            leave()
        hopwire.down()


@tap.test
def F1_what_the_user_names_is_allowed_everywhere():
    join()
    try:
        hopwire = up("on", "192.168.77.0/24, fd77::/64")
        reaches_lan("with the daemon")
        hopwire.kill()
        address_goes()
        seen = {p.dst for p in what_leaves(PLACES)}
        tap.check(seen >= set(NEIGHBOUR), f"both families' packets leave: {seen}")
    finally:
        leave()
    hopwire.down()


@tap.test
def F4_the_lan_s_hosts_are_answered_from_any_address():
    """Asked at an address of another link, the host answers from that."""
    client, cafe = scene.client, scene.cafe
    join()
    client.address("lo", "10.55.5.5/32")
    cafe.ip("route", "add", "10.55.5.5", "via", "192.168.77.2")
    try:
        hopwire = up("on")
        tap.check(cafe.ping("192.168.77.2", wait=1), "its address there")
        tap.check(cafe.ping("10.55.5.5", wait=1), "another address of its own")
        hopwire.down()
    finally:
        client.ip("address", "del", "10.55.5.5/32", "dev", "lo")
        leave()


@tap.test
def F1_the_link_of_a_worse_default_route_is_a_lan_too():
    """Also where it is only one of that route's next hops."""
    client = scene.client
    for has_two_hops in (False, True):
        make_wifi()
        set_addresses(OWN)
        for family, *gateways in (("-4", NEIGHBOUR[0], "192.0.2.1"),
                                  ("-6", NEIGHBOUR[1], "2001:db8:2::1")):
            hops = [["via", gateway, "dev", link] for gateway, link in
                    zip(gateways, ("wifi", "uplink"))]
            client.ip(family, "route", "add", "default", "metric", 3000,
                      *(["nexthop", *hops[0], "nexthop", *hops[1]] if has_two_hops else hops[0]))
        try:
            for kill_switch in ("on", "off"):
                hopwire = up(kill_switch)
                reaches_lan(f"two hops {has_two_hops}, kill switch {kill_switch}")
                hopwire.down()
        finally:
            leave()
            for family in ("-4", "-6"):
                client.ip(family, "route", "flush", "default", "metric", 3000, check=False)


@tap.test
def F1_a_link_without_a_prefix_is_no_lan_and_said_so():
    """A gateway outside of all prefixes, and a peer's address as of PPP: the line to write works."""
    client, gateway = scene.client, "10.55.0.1"
    for own in (["10.55.0.2/32"], ["10.55.0.2", "peer", gateway + "/32"]):
        scene.lab.link(client, "wifi", scene.cafe, "wifi")
        scene.cafe.address("wifi", gateway + "/24")
        client.ip("address", "add", *own, "dev", "wifi")
        client.ip("route", "replace", "default", "via", gateway, "dev", "wifi", "onlink")
        client.ip("-6", "route", "del", "default")
        try:
            hopwire = up("on")
            path = client.dir + "/multihop.conf"
            said = hopwire.command("up", "--replace", path).stderr
            for text in (said, hopwire.command("check", path).stdout):
                tap.contains(text, "AllowLAN = on opens nothing: of wifi", f"with {own}")
            tap.check(not client.ping(gateway, wait=0.3), "and so it is")
            hopwire.down()
            remedy = said.split("as AllowLAN = ", 1)[1].split()[0]
            hopwire = up("on", remedy)
            tap.check(client.ping(gateway, wait=1), f"the neighbour with AllowLAN = {remedy}")
            said = hopwire.command("up", "--replace", path).stderr
            tap.check("opens nothing" not in said, said)
            hopwire.down()
        finally:
            leave()
            client.route("default", "via", "192.0.2.1")
            client.route("default", "via", "2001:db8:2::1")


def make_bridge():
    client = scene.client
    client.ip("link", "add", "docker0", "type", "bridge")
    client.ip("link", "set", "docker0", "up")
    client.address("docker0", *GUESTS)
    scene.lab.link(client, "vguest", scene.guest, "eth0")
    client.ip("link", "set", "vguest", "master", "docker0")
    scene.guest.address("eth0", GUEST[0] + "/16", GUEST[1] + "/64")
    wait_addresses()


def remove_bridge():
    for link in ("docker0", "vguest"):
        scene.client.ip("link", "del", link, check=False)


@tap.test
def A7_guests_whose_bridge_goes_after_a_crash():
    for kill_switch in ("on", "off"):
        for is_made_anew in (False, True):
            make_bridge()
            try:
                hopwire = up(kill_switch, "off")
                for place in GUEST:
                    wait_until(lambda: scene.client.ping(place, wait=0.5), 5, f"{place} to answer")
                hopwire.kill()
                for place in GUEST:
                    tap.check(scene.client.ping(place, wait=1), f"{place} after the crash")
                remove_bridge()
                left = what_leaves(GUEST, ("", "uplink") if kill_switch == "on" else ("",))
                tap.equal(left[:3], [], "packets for guests that are gone")
                if is_made_anew and kill_switch == "off":
                    make_bridge()
                    wait_until(lambda: scene.client.ping(GUEST[0], wait=0.5), 5, "the new bridge")
            finally:
                remove_bridge()
            hopwire.down()
            tap.same_lines(scene.client.network_state(), scene.before, "after down")


def make_neighbours():
    scene.cafe, scene.guest = scene.lab.host("cafe"), scene.lab.host("guest")


main(services=False, afterwards=make_neighbours)
