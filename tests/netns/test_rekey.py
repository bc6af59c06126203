# SPDX-License-Identifier: MIT
"""Over two minutes of life: both hops are keyed again without losing a packet."""

import re

import tap
from scene import main, scene
from world import ENTRY, EXIT, OFFICE, WORLD

# REKEY_AFTER_TIME is 120 s; the old keys would die at 180 s.
SECONDS = 135


def initiations(packets, destination):
    return [p for p in packets if p.dst == destination and len(p.payload) == 148 and p.payload[0] == 1]


@tap.test
def both_hops_are_keyed_again_and_no_packet_is_lost():
    scene.up()
    client = scene.client
    client.ping(OFFICE, wait=5)
    client.ping(WORLD, wait=5)
    uplink, inside = client.capture("uplink"), scene.world.entry.capture("wg0")
    pings = [client.start("ping", "-n", "-q", "-i", "0.2", "-w", SECONDS, place, name="ping")
             for place in (OFFICE, WORLD)]
    for ping in pings:
        ping.wait(SECONDS + 20)
        found = re.search(r"(\d+) packets transmitted, (\d+) received", ping.output())
        tap.check(found, ping.output())
        sent, received = map(int, found.groups())
        tap.check(sent >= SECONDS * 2 and received >= sent - 1, f"{received} of {sent} answered")
    tap.check(initiations(uplink.stop(), ENTRY), "the entry hop was keyed again")
    tap.check(initiations(inside.stop(), EXIT), "the exit hop was keyed again")


if __name__ == "__main__":
    main()
