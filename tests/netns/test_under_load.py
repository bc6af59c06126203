# SPDX-License-Identifier: MIT
"""A7, F7, G1: kill -9 under load, with and without a kill switch. From before the kill until the next
`up` has resumed, the uplink carries WireGuard to the entry and nothing else: no packet for a tunnel's
prefix, no query for the carried endpoint's name. `down` then restores the host, its DNS included."""

import os

import tap
from hidden_name import LABELS, NAMED, NameServer
from lab import wait_until
from scene import main, scene
from world import CLIENT, CLIENT6, EXIT, OFFICE, OFFICE6, WORLD, WORLD6, wait_reachable

PLACES = (OFFICE, OFFICE6, WORLD, WORLD6)
RESOLV_CONF = "# the host's own\nnameserver 192.0.2.1\n"

# Sends to every place without a pause, by TCP and UDP, and asks the system's name server for names.
LOAD = """
import socket, sys, time
places = sys.argv[1:]
def send(kind, place, port, data):
    with socket.socket(socket.AF_INET6 if ":" in place else socket.AF_INET, kind) as s:
        s.settimeout(0.05)
        try:
            s.connect((place, port))
            s.send(data)
        except OSError:
            pass
query = b"\\1\\2\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4exit\\6hidden\\7example\\0\\0\\1\\0\\1"
print("ready", flush=True)
while True:
    for place in places:
        send(socket.SOCK_DGRAM, place, 7, bytes(1200))
        send(socket.SOCK_STREAM, place, 80, b"x")
    with open("/etc/resolv.conf") as file:
        for line in file:
            if line.startswith("nameserver"):
                send(socket.SOCK_DGRAM, line.split()[1], 53, query)
"""


def resolv_conf():
    with open(os.path.join(scene.client.dir, "resolv.conf")) as file:
        return file.read()


def own_resolv_conf():
    scene.client.write("resolv.conf", RESOLV_CONF, 0o644)


class Load:
    """Floods, and a script that never stops, as long as the block lasts."""

    def __enter__(self):
        client = scene.client
        self.running = [client.start("ping", "-q", "-i", "0.002", place, name="ping")
                        for place in PLACES]
        self.running.append(client.start("python3", "-c", LOAD, *PLACES, name="load"))
        self.running[-1].wait_output("ready")

    def __exit__(self, *exception):
        for process in self.running:
            process.stop()


def check_uplink(packets, what):
    leaks = scene.leaks(packets)
    tap.check(not leaks, f"{what}: {leaks[:5]}")
    named = [p for p in packets if LABELS in bytes(p.payload) or 53 in (p.sport, p.dport)]
    tap.check(not named, f"{what}: queries: {named[:3]}")
    tap.check(packets, f"{what}: the capture saw the tunnels' own datagrams")


def killed_under_load(kill_switch):
    client = scene.client
    changes = {**NAMED, "network": {"KillSwitch": kill_switch}}
    hopwire = scene.up(**changes)
    tap.check(resolv_conf() != RESOLV_CONF, "the system uses the network's name server")
    for place in PLACES:
        wait_reachable(client, place)
    uplink = client.capture("uplink")
    with Load():
        wait_until(lambda: len(uplink.so_far()) > 500, 20, "the load on the uplink")
        for _ in range(3):
            hopwire.kill()
            alone = client.capture("uplink")
            for place in PLACES:
                tap.check(not client.ping(place, wait=0.3), f"{place} without a daemon")
            tap.equal([p for p in alone.stop() if p.src in (CLIENT, CLIENT6)], [], "by the uplink")
            hopwire.up(text=scene.world.client_text(**changes))
            for place in PLACES:
                wait_reachable(client, place)
        hopwire.kill()
    check_uplink(uplink.stop(), f"KillSwitch = {kill_switch}")
    hopwire.down()
    tap.same_lines(client.network_state(), scene.before, "the host's network after down")
    tap.equal(resolv_conf(), RESOLV_CONF, "the host's DNS after down")


def with_the_hidden_name(kill_switch):
    server = NameServer(EXIT)
    try:
        killed_under_load(kill_switch)
    finally:
        server.stop()


@tap.test
def A7_F7_G1_killed_under_load_without_a_kill_switch():
    with_the_hidden_name("off")


@tap.test
def A7_F7_G1_killed_under_load_with_a_kill_switch():
    with_the_hidden_name("on")


main(afterwards=own_resolv_conf)
