# SPDX-License-Identifier: MIT
"""The exit's name, which only a name server behind the entry knows."""

from contextlib import contextmanager

import tap
from lab import wait_until
from peers import WireguardGo
from scene import scene
from world import EXIT

SERVER, SERVER6 = "10.64.0.1", "fc00:bbbb::1"
NAME = "exit.hidden.example"
LABELS = b"\x04exit\x06hidden\x07example"
NAMED = {"office_peer": {"Endpoint": NAME + ":51820"}, "entry": {"DNS": SERVER}}
OTHER_EXIT = "203.0.113.21"


class NameServer:
    """dnsmasq on the entry relay's inner addresses; a new one takes the place of the one before."""

    running = None

    def __init__(self, *records):
        if NameServer.running:
            NameServer.running.stop()  # of a test that failed
        NameServer.running = self
        self.log = scene.world.entry.write("dnsmasq.log", "", 0o666)
        self.process = scene.world.entry.start(
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            "--user=root", "--group=root", "--pid-file", "--log-queries",
            "--log-facility=" + self.log,
            "--bind-interfaces", "--listen-address=" + SERVER, "--listen-address=" + SERVER6,
            *[f"--address=/{NAME}/{address}" for address in records], name="dnsmasq")
        wait_until(lambda: "started" in self.text(), 10, "dnsmasq")

    def text(self):
        with open(self.log, errors="replace") as file:
            return file.read()

    def stop(self):
        self.process.stop()


def resolver_is_mute():
    """What the client's own resolver is, from outside any tunnel."""
    scene.client.write("resolv.conf", "nameserver 192.0.2.1\n", 0o644)


def expect_no_query(capture):
    seen = [p for p in capture.stop() if LABELS in bytes(p.payload) or 53 in (p.sport, p.dport)]
    tap.equal(seen[:3], [], "queries on the uplink")


@contextmanager
def exit_moves():
    """The exit relay answers at OTHER_EXIT alone, as long as the block lasts. (By translation: a newer
    wireguard-go's first answer leaves from the exit's own address, wherever it was asked.)"""
    world = scene.world
    world.exit_relay.down()
    world.exit.address("public", OTHER_EXIT + "/24")
    world.exit.run("nft", "-f", "-", input=f"""
        table ip moved {{
            chain prerouting {{
                type nat hook prerouting priority -100
                ip daddr {OTHER_EXIT} dnat to {EXIT}
            }}
            chain input {{
                type filter hook input priority 0
                ct original ip daddr {EXIT} udp dport 51820 drop
            }}
        }}
        """)
    try:
        world.exit_relay = WireguardGo(world.exit, world.relay_interfaces()[1])
        yield
    finally:
        world.exit.run("nft", "delete", "table", "ip", "moved")
        world.exit.ip("address", "del", OTHER_EXIT + "/24", "dev", "public")
