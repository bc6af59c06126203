# SPDX-License-Identifier: MIT
"""`wg` on a tunnel with ten thousand peers (RULES I4): how long it takes, and that packets do not wait."""

import base64
import re
import signal
import time

import tap
from peers import sections
from scene import IS_SANITIZED, main, scene
from world import OFFICE, wait_reachable

PEERS = 10000


def peer_key(number):
    return base64.b64encode(b"\1\2\3\4" * 7 + number.to_bytes(4, "big")).decode()


def many_peers():
    return "".join(f"[Peer]\nPublicKey = {peer_key(number)}\n"
                   f"AllowedIPs = 10.{100 + number // 250}.{number % 250}.0/24\n"
                   for number in range(PEERS))


class Pings:
    """A stream through both hops; stop() gives the slowest answer in ms, and none was lost."""

    def __init__(self):
        self.process = scene.client.start("ping", "-n", "-i", "0.005", "-W", "2", OFFICE, name="ping")
        self.process.wait_output("icmp_seq=50 ")

    def stop(self):
        seen = self.process.output().count("icmp_seq=")
        self.process.wait_output(f"icmp_seq={seen + 50} ")
        self.process.stop(signal.SIGINT)
        answers = dict(re.findall(r"icmp_seq=(\d+) .*time=([0-9.]+)", self.process.output()))
        lost = set(map(str, range(1, seen + 51))) - set(answers)
        tap.equal(lost, set(), "lost pings")
        return max(map(float, answers.values()))


@tap.test
def ten_thousand_peers_are_shown_within_a_second_and_delay_nothing():
    parts = scene.world.client_parts()
    scene.up(text=sections(*parts[:3]) + many_peers() + sections(*parts[3:]))
    wait_reachable(scene.client, OFFICE)
    pings = Pings()
    began = time.monotonic()
    dump = scene.client.run("wg", "show", "hop0", "dump").stdout
    took = time.monotonic() - began
    slowest = pings.stop()
    tap.note(f"{PEERS} peers shown in {took * 1000:.0f} ms; the slowest ping took {slowest:.1f} ms")
    tap.equal(len(dump.splitlines()), PEERS + 2, "lines")
    tap.check(took < (5 if IS_SANITIZED else 1), f"shown in {took:.2f} s")
    tap.check(slowest < 100, f"the slowest ping took {slowest} ms")


if __name__ == "__main__":
    main()
