# SPDX-License-Identifier: MIT
"""What scenarios share that change a network while it runs."""

import re
import signal

import tap
from lab import wait_until
from peers import Key, sections
from scene import scene
from world import OFFICE, wait_reachable

STRANGER = ("Peer", {"AllowedIPs": "10.99.0.0/16", "Endpoint": "192.0.2.77:51820"})


class Pings:
    """A stream to the office; stop() checks that none of its questions was lost."""

    def __init__(self, destination=OFFICE, interval_s=0.02):
        self.process = scene.client.start("ping", "-n", "-i", interval_s, "-W", "3", destination,
                                          name="ping")
        self.more(10)

    def seen(self):
        return self.process.output().count("icmp_seq=")

    def more(self, count):
        wanted = self.seen() + count
        wait_until(lambda: self.seen() >= wanted, 20, "pings to be answered")

    def stop(self, most_lost=0):
        self.more(10)
        self.process.stop(signal.SIGINT)
        answered = set(map(int, re.findall(r"icmp_seq=(\d+) ", self.process.output())))
        lost = set(range(1, max(answered))) - answered
        tap.check(len(lost) <= most_lost, f"{len(lost)} of {max(answered)} pings were lost")


def up(**changes):
    hopwire = scene.up(**changes)
    wait_reachable(scene.client, OFFICE)
    return hopwire


def reload(hopwire, text, *options, check=True):
    hopwire.write(text)
    return hopwire.command("reload", *options, hopwire.name, check=check)


def peers(hopwire):
    """What must stay of each peer, by tunnel and key."""
    return {(tunnel["name"], peer["public_key"]): peer for tunnel in hopwire.status()["tunnels"]
            for peer in tunnel["peers"]}


def sessions(hopwire):
    return {name: peer["latest_handshake"] for name, peer in peers(hopwire).items()}


def with_parts(*more, **changes):
    return sections(*scene.world.client_parts(**changes), *more)


def stranger(key=None, **changes):
    return (STRANGER[0], {**STRANGER[1], "PublicKey": (key or Key()).public, **changes})


def said(result, *lines):
    tap.equal(result.stdout.splitlines(), list(lines), "the changes")
