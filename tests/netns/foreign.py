# SPDX-License-Identifier: MIT
"""Other programs' rules on the client, and where Hopwire's stand among them."""

import tap
from scene import scene
from world import OFFICE, OFFICE6, WORLD, WORLD6

FAMILIES = ("-4", "-6")


class Undone:
    """What a test does to the client's network is undone at the end of the block, and is what the
    scene compares with until then."""

    def __init__(self, *commands):
        self.commands = commands

    def __enter__(self):
        self.before = scene.before
        scene.before = scene.client.network_state()

    def __exit__(self, *exception):
        try:
            scene.clean()
        finally:
            for command in self.commands:
                scene.client.ip(*command.split(), check=False)
            scene.before = self.before


def rule(*words):
    for family in FAMILIES:
        scene.client.ip(family, "rule", *" ".join(words).split())


def order(family):
    """Of all rules, "local", "ours" or "other"."""
    return ["local" if "from all lookup local" in line
            else "ours" if "proto 20" in line else "other"
            for line in scene.client.ip(family, "rule").splitlines()]


def stands_behind_local(family):
    kinds = order(family)
    ours = kinds.count("ours")
    at = kinds.index("local") if "local" in kinds else -1
    return ours and kinds[at + 1:at + 1 + ours] == ["ours"] * ours


def way(destination, *more):
    return scene.client.ip("route", "get", destination, *more, check=False).split("\n")[0]


def check_loopback():
    for own in ("127.0.0.1", "::1", "192.0.2.2", "2001:db8:2::2"):
        tap.contains(way(own), "dev lo", f"the way to {own}")


def check_ours():
    for place in (OFFICE, OFFICE6, WORLD, WORLD6):
        tap.contains(way(place), "dev hop0", f"the way to {place}")


class Mesh:
    """A mesh VPN's table, as Tailscale lays it: a link, table 52 and four rules for its own mark."""

    def __enter__(self):
        client = scene.client
        client.ip("link", "add", "mesh0", "type", "veth", "peer", "name", "mesh1")
        client.ip("link", "set", "mesh1", "up")
        client.address("mesh0", "100.64.0.1/32", "fd7a::1/128")
        client.ip("link", "set", "mesh0", "up")
        client.route("100.64.0.0/10", "dev", "mesh0", "table", "52")
        client.route("fd7a::/48", "dev", "mesh0", "table", "52")
        rule("add pref 5210 fwmark 0x80000/0xff0000 lookup main")
        rule("add pref 5250 fwmark 0x80000/0xff0000 unreachable")
        rule("add pref 5270 lookup 52")
        self.before = scene.before
        scene.before = client.network_state()

    def __exit__(self, *exception):
        try:
            scene.clean()
        finally:
            for priority in ("5210", "5250", "5270"):
                rule(f"del pref {priority}")
            scene.client.ip("link", "del", "mesh0")
            scene.before = self.before
