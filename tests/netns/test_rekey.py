# SPDX-License-Identifier: MIT
"""Over two minutes of life: both hops are keyed again without losing a packet, while both ends of each
get another preshared key with every answer that comes, as a post-quantum exchange hands them out."""

import base64
import itertools
import os
import socket
import time

import tap
from reloading import Pings
from scene import main, scene
from world import ENTRY, EXIT, OFFICE, WORLD

# REKEY_AFTER_TIME is 120 s; the old keys would die at 180 s.
SECONDS = 135
ROTATIONS = 1000


def initiations(packets, destination):
    return [p for p in packets if p.dst == destination and len(p.payload) == 148 and p.payload[0] == 1]


class End:
    """What one end of a hop calls the other, at its socket of `wg`."""

    def __init__(self, host, interface, peer):
        self.peer = peer
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(host.run_path("wireguard", interface + ".sock"))

    def set_key(self, key):
        self.socket.sendall(f"set=1\npublic_key={self.peer.hex()}\nupdate_only=true\n"
                            f"preshared_key={key.hex()}\n\n".encode())
        tap.equal(self.socket.recv(100), b"errno=0\n\n", "a key is set")


def hops():
    """The ends of each."""
    world = scene.world
    key = lambda name: base64.b64decode(world.keys[name].public)
    return ((End(world.client, "hop0", key("entry")), End(world.entry, "wg0", key("client"))),
            (End(world.client, "hop0.office", key("exit")), End(world.exit, "wg0", key("office"))))


@tap.test
def both_hops_are_keyed_again_with_a_thousand_preshared_keys_and_no_packet_is_lost():
    scene.up()
    client = scene.client
    client.ping(OFFICE, wait=5)
    client.ping(WORLD, wait=5)
    uplink, inside = client.capture("uplink"), scene.world.entry.capture("wg0")
    pings = [Pings(place, 0.1) for place in (OFFICE, WORLD)]
    ends = [(end, hop) for hop, both in enumerate(hops()) for end in both]
    rotations, began = 0, time.monotonic()
    for order in itertools.cycle(itertools.permutations(ends)):
        keys = os.urandom(32), os.urandom(32)
        for end, hop in order:
            end.set_key(keys[hop])
        rotations += 1
        if rotations >= ROTATIONS and time.monotonic() - began > SECONDS:
            break
        pings[rotations % 2].more(1)
    tap.note(f"{rotations} rotations")
    for ping in pings:
        ping.stop()
    tap.check(initiations(uplink.stop(), ENTRY), "the entry hop was keyed again")
    tap.check(initiations(inside.stop(), EXIT), "the exit hop was keyed again")


if __name__ == "__main__":
    main()
