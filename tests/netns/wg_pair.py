# SPDX-License-Identifier: MIT
"""`hopwire INTERFACE` at both ends of one way: the client's wg0 and the entry's."""

import os
import signal

from lab import wait_until
from peers import Interface, Key, WireguardGo, at, hopwire_binary, is_dead
from scene import scene
from world import ENTRY, ENTRY_INNER, ENTRY_INNER6

RELAY, RELAY6 = "10.64.0.1", "fc00:bbbb::1"
PORT = 51820


class Pair:
    """The client's wg0 and the entry's; `endpoint` is the client's for the entry."""

    def __init__(self, endpoint=at(ENTRY), keepalive=None):
        self.keys = client, entry = Key(), Key()
        a = Interface("wg0", client, (ENTRY_INNER + "/24", ENTRY_INNER6 + "/64"), port=40000)
        b = Interface("wg0", entry, (RELAY + "/24", RELAY6 + "/64"), port=PORT)
        a.peer(entry, [RELAY + "/32", RELAY6 + "/128"], endpoint, keepalive=keepalive)
        b.peer(client, [ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"])
        self.entry = WireguardGo(scene.world.entry, b, hopwire_binary())
        self.client = WireguardGo(scene.client, a, hopwire_binary())

    def down(self):
        for end in (self.client, self.entry):
            end.down()
            wait_until(lambda: is_dead(end.process.pid), 5, "its end")

    def set(self, host, *argv, check=True):
        peer = self.keys[1] if host is scene.client else self.keys[0]
        argv = [peer.public if word == "PEER" else word for word in argv]
        return host.run("wg", "set", "wg0", *argv, check=check)

    def endpoint(self, host):
        """What the host sends to now."""
        return host.run("wg", "show", "wg0", "endpoints").stdout.split()[1]


def wait_endpoint(pair, host, endpoint):
    wait_until(lambda: pair.endpoint(host) == endpoint, 10, f"{host.name} to send to {endpoint}")


def clean_interfaces():
    """What a failed test has left."""
    for host in (scene.client, scene.world.entry):
        for pid in host.pids():
            if os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(hopwire_binary()):
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: is_dead(pid), 5, "its end")
        for name in os.listdir(host.run_path("wireguard")):
            os.unlink(host.run_path("wireguard", name))
