# SPDX-License-Identifier: MIT
"""G1, G2: a name of an endpoint inside a carrier is asked inside it, of a server that only the
carrier reaches, whatever happens to the uplink and to the exit; and never shows on the uplink."""

import time

import tap
from lab import wait_until
from peers import WireguardGo
from scene import main, scene
from world import (ENTRY_INNER, EXIT, EXIT6, EXIT_INNER, OFFICE, OFFICE6, WORLD, Interface,
                   wait_reachable)

SERVER, SERVER6 = "10.64.0.1", "fc00:bbbb::1"
NAME = "exit.hidden.example"
LABELS = b"\x04exit\x06hidden\x07example"
NAMED = {"office_peer": {"Endpoint": NAME + ":51820"}, "entry": {"DNS": SERVER}}
OTHER_EXIT = "203.0.113.21"


class NameServer:
    """dnsmasq on the entry relay's inner addresses."""

    def __init__(self, *records):
        self.log = scene.world.entry.write("dnsmasq.log", "", 0o666)
        self.process = scene.world.entry.start(
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            "--user=root", "--group=root", "--pid-file", "--log-queries",
            "--log-facility=" + self.log,
            "--bind-interfaces", "--listen-address=" + SERVER, "--listen-address=" + SERVER6,
            *[f"--address=/{NAME}/{address}" for address in records], name="dnsmasq")
        wait_until(self.is_asked_about_nothing, 10, "dnsmasq")

    def text(self):
        with open(self.log, errors="replace") as file:
            return file.read()

    def is_asked_about_nothing(self):
        return "started" in self.text()

    def stop(self):
        self.process.stop()


def expect_no_query(capture):
    seen = [p for p in capture.stop() if LABELS in bytes(p.payload) or 53 in (p.sport, p.dport)]
    tap.equal(seen[:3], [], "queries on the uplink")


def resolver_is_mute():
    scene.client.write("resolv.conf", "nameserver 192.0.2.1\n", 0o644)


@tap.test
def G1_a_carried_name_is_asked_inside_the_carrier():
    server = NameServer(EXIT)
    uplink = scene.client.capture("uplink")
    scene.up(**NAMED)
    wait_reachable(scene.client, OFFICE)
    tap.equal(scene.client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "the office")
    tap.contains(server.text(), f"query[A] {NAME} from {ENTRY_INNER}", "the server's log")
    expect_no_query(uplink)
    server.stop()


@tap.test
def G1_the_carrier_s_server_may_have_an_IPv6_address():
    server = NameServer(EXIT)
    scene.up(**{**NAMED, "entry": {"DNS": SERVER6}})
    wait_reachable(scene.client, OFFICE6)
    server.stop()


@tap.test
def G2_of_several_addresses_one_whose_family_the_carrier_has():
    server = NameServer(EXIT6, EXIT)
    scene.up(office_peer=NAMED["office_peer"],
             entry={"DNS": SERVER, "Address": ENTRY_INNER + "/32"})
    wait_reachable(scene.client, OFFICE)
    server.stop()


@tap.test
def G2_the_uplink_is_dead_at_first():
    server = NameServer(EXIT)
    uplink = scene.client.capture("uplink")
    scene.world.internet.ip("link", "set", "client", "down")
    hopwire = scene.up(**NAMED)
    pings = scene.client.start("ping", "-q", "-i", "0.5", OFFICE, name="ping")
    time.sleep(20)  # the deadness itself is what is tested: several tries fail
    tap.check(not scene.client.ping(OFFICE, wait=1), "the office is out of reach")
    tap.check(hopwire.status(), "status answers")
    scene.world.internet.ip("link", "set", "client", "up")
    scene.world.internet.ip("-6", "address", "replace", "2001:db8:2::1/64", "dev", "client")
    wait_reachable(scene.client, OFFICE, 30)
    pings.stop()
    expect_no_query(uplink)
    server.stop()


@tap.test
def G2_the_record_moves_and_the_old_exit_dies():
    world, client = scene.world, scene.client
    server = NameServer(EXIT)
    uplink = client.capture("uplink")
    scene.up(**NAMED)
    wait_reachable(client, OFFICE)
    pings = client.start("ping", "-q", "-i", "0.5", OFFICE, name="ping")
    world.exit_relay.down()
    server.stop()
    server = NameServer(OTHER_EXIT)
    world.exit.address("public", OTHER_EXIT + "/24")
    world.exit.run("nft", "-f", "-", input=f"""
        table inet moved {{
            chain input {{
                type filter hook input priority 0
                ip daddr {EXIT} udp dport 51820 drop
            }}
        }}
        """)
    try:
        _, interface = world.relay_interfaces()
        world.exit_relay = WireguardGo(world.exit, interface)
        died = time.monotonic()
        wait_reachable(client, OFFICE, 60)
        seconds = time.monotonic() - died
        tap.check(seconds < 30, f"it recovered in {seconds:.0f} s")
    finally:
        world.exit.run("nft", "delete", "table", "inet", "moved")
        world.exit.ip("address", "del", OTHER_EXIT + "/24", "dev", "public")
    pings.stop()
    expect_no_query(uplink)
    server.stop()


@tap.test
def G1_a_carrier_without_a_name_server_is_refused_with_a_sentence():
    hopwire = scene.up()
    hopwire.down()
    text = scene.world.client_text(office_peer=NAMED["office_peer"])
    result = hopwire.command("up", hopwire.write(text), check=False)
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, NAME, "the sentence names the name")
    tap.contains(result.stderr, "write DNS = ADDRESS", "the sentence says what to do")


if __name__ == "__main__":
    main(afterwards=resolver_is_mute)
