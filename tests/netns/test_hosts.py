# SPDX-License-Identifier: MIT
"""Hosts as they are, each with and without a kill switch: `up` works or refuses with a sentence, and
the uplink carries nothing but WireGuard to the entry, while it is up and after kill -9."""

import os

import tap
from lab import HERE
from peers import Hopwire
from scene import main, scene
from world import OFFICE, OFFICE6, WORLD, WORLD6, wait_reachable

PLACES = (OFFICE, OFFICE6, WORLD, WORLD6)
GATEWAY = "192.0.2.1"
CONF = "/proc/sys/net/ipv4/conf"
READ_ONLY = ("sh", "-c", "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys"
             " || exit 77; exec \"$@\"", "sh")
WITHOUT_NFT = ("python3", os.path.join(HERE, "without_nft.py"))

KNOCK = """
import sys
from socket import *
for place in sys.argv[1:]:
    for kind in (SOCK_STREAM, SOCK_DGRAM):
        s = socket(AF_INET6 if ":" in place else AF_INET, kind)
        s.settimeout(0.2)
        try:
            s.connect((place, 80))
            s.send(b"x")
        except OSError:
            pass
"""


def knock(places):
    scene.client.run("python3", "-c", KNOCK, *places)
    return [place for place in places if scene.client.ping(place, wait=0.3)]


def nothing_but_the_entry(wrapper=(), reached=PLACES, tried=PLACES, refused=None, meanwhile=None,
                          **network):
    """Up by the wrapper, knocked at, killed, up again and down. `reached` must answer, of `tried`
    nothing may be seen. `refused`: what the sentence of a refusal says; `meanwhile` is done while it
    is up."""
    client = scene.client
    before = client.network_state()
    hopwire = Hopwire(client)
    scene.networks.append(hopwire)
    path = hopwire.write(scene.world.client_text(network=network))
    for ends_by_kill in (True, False):
        result = client.run(*wrapper, hopwire.binary, "up", path, check=False)
        if result.returncode == 77:
            raise tap.Skip("this machine cannot hold such a host")
        if refused:
            tap.equal(result.returncode, 1, f"{network}: the exit status")
            tap.contains(result.stderr, refused, "the sentence")
            tap.same_lines(client.network_state(), before, "after the refusal")
            return
        tap.equal(result.returncode, 0, f"{network}: the exit status ({result.stderr})")
        hopwire.is_up = True
        uplink = client.capture("uplink")
        if meanwhile:
            meanwhile()
        for place in reached:
            wait_reachable(client, place)
        knock(tried)
        if ends_by_kill:
            hopwire.kill()
            tap.equal(knock(tried), [], f"{network}: what answers without a daemon")
        leaks = scene.leaks(uplink.stop())
        tap.check(not leaks, f"{network}: {leaks[:5]}")
    hopwire.down()


def both(**arguments):
    for kill_switch in ("off", "on"):
        nothing_but_the_entry(KillSwitch=kill_switch, **arguments)
        scene.clean()


class Filters:
    """rp_filter of interfaces, as long as the block lasts."""

    def __init__(self, **values):
        self.values = values

    def write(self, values):
        for key, value in values.items():
            scene.client.run("sh", "-c", f"echo {value} > {CONF}/{key}/rp_filter")

    def __enter__(self):
        self.before = {key: scene.client.run("cat", f"{CONF}/{key}/rp_filter").stdout.strip()
                       for key in self.values}
        self.write(self.values)

    def __exit__(self, *exception):
        self.write(self.before)


@tap.test
def F5_rp_filter_0_1_2():
    for everywhere, uplink in ((0, 0), (0, 1), (1, 1), (0, 2)):
        with Filters(all=everywhere, default=everywhere, uplink=uplink):
            both()


@tap.test
def F5_a_read_only_proc_sys():
    for value in (0, 2):
        with Filters(all=0, default=0, uplink=value):
            both(wrapper=READ_ONLY)
    with Filters(all=0, default=0, uplink=1):  # the entry's answers are dropped, as `up` warns
        both(wrapper=READ_ONLY, reached=())


def pushed_into_main(kill_switch, prefixes):
    client, before = scene.client, scene.before

    def push():
        for prefix in prefixes:
            gateway = "2001:db8:2::1" if ":" in prefix else GATEWAY
            client.route(prefix, "via", gateway, "dev", "uplink")

    def take_back():
        for prefix in prefixes:
            client.ip("-6" if ":" in prefix else "-4", "route", "flush", prefix)
    try:
        push()
        scene.before = client.network_state()
        nothing_but_the_entry(KillSwitch=kill_switch)
        scene.clean()
        take_back()
        nothing_but_the_entry(KillSwitch=kill_switch, meanwhile=push)
        scene.clean()
    finally:
        take_back()
        scene.before = before


@tap.test
def A7_a_24_pushed_into_main_inside_a_tunnels_prefix():
    pushed_into_main("off", ("10.20.0.0/24", "fd20:20::/64"))
    pushed_into_main("on", ("10.20.0.0/24", "fd20:20::/64", "198.18.0.0/24"))


@tap.test
def F1_the_lan_uses_the_offices_prefix():
    client, internet = scene.client, scene.world.internet
    before = scene.before
    client.address("uplink", "10.20.0.77/16")
    internet.address("client", "10.20.0.1/16")
    client.route("default", "via", "10.20.0.1")
    scene.before = client.network_state()
    try:
        both()
    finally:
        scene.before = before
        client.route("default", "via", GATEWAY)
        client.ip("address", "del", "10.20.0.77/16", "dev", "uplink")
        internet.ip("address", "del", "10.20.0.1/16", "dev", "client")


@tap.test
def F4_no_nftables():
    nothing_but_the_entry(wrapper=WITHOUT_NFT)
    nothing_but_the_entry(wrapper=WITHOUT_NFT, refused="no nftables", KillSwitch="on")


@tap.test
def G3_no_systemd_resolved():
    own = "# the host's own\nnameserver 192.0.2.1\n"
    path = scene.client.write("resolv.conf", own, 0o644)
    try:
        tap.check(not os.path.exists(scene.client.run_path("systemd", "resolve")), "it is absent")
        both(DNS="10.64.0.1", tried=(*PLACES, "10.64.0.1"))
        with open(path) as file:
            tap.equal(file.read(), own, "resolv.conf after down")
    finally:
        os.remove(path)


@tap.test
def I6_IPv6_switched_off():
    client = scene.client
    for name in ("all", "default", "lo", "uplink"):
        client.write_sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 1)
    scene.before = client.network_state()
    try:
        both(reached=(OFFICE, WORLD))
    finally:
        scene.make(**scene.made_with)


main(services=False)
