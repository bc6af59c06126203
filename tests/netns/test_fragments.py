# SPDX-License-Identifier: MIT
"""An exit whose interface is wider than the way back: its datagrams reach the client in fragments."""

import hashlib

import tap
from lab import wait_until
from packets import UDP, checksum, make, make_udp
from pattern import pattern
from scene import main, scene
from world import ENTRY_INNER, EXIT, EXIT6, OFFICE, OFFICE6, WORLD, WORLD6, wait_reachable

SIZE = 20_000_000
DIGEST = hashlib.sha256(pattern(SIZE)).hexdigest()
SLOW = 120
# The client computes 1380 for the office; the entry's interface is narrower still than its own way.
EXIT_MTU, ENTRY_MTU = 1420, 1320


def start_relays():
    scene.world.exit_mtu, scene.world.entry_mtu = EXIT_MTU, ENTRY_MTU
    scene.world.start_relays()


def up(exit_endpoint):
    if scene.world.exit_endpoint != exit_endpoint:
        scene.make(**{**scene.made_with, "exit_endpoint": exit_endpoint})
        start_relays()
    hopwire = scene.up()
    wait_reachable(scene.client, OFFICE)
    return hopwire


def download(place):
    place = f"[{place}]" if ":" in place else place
    result = scene.client.run("sh", "-c", f"curl -sS -f -g -m {SLOW} 'http://{place}/bytes/{SIZE}' |"
                              " sha256sum", timeout=SLOW + 10)
    tap.equal(result.stdout.split()[0], DIGEST, f"what came from {place} ({result.stderr})")


def large_pings():
    for place in (OFFICE, OFFICE6, WORLD, WORLD6):
        for size in (3000, 8000):
            tap.check(scene.client.ping(place, "-s", size, "-M", "dont", count=5, wait=3),
                      f"{size} bytes to {place}")


def fragments_are_joined(exit_endpoint):
    hopwire = up(exit_endpoint)
    inside = scene.world.entry.capture("wg0")
    large_pings()
    cut = [p for p in inside.stop() if p.src == exit_endpoint and p.more_fragments]
    tap.check(len(cut) > 10, f"the exit's datagrams came in fragments: {len(cut)}")
    for place in (OFFICE, OFFICE6):
        download(place)
    tap.equal(hopwire.verdict("bad_tag"), 0, "the verdict bad_tag")
    tap.note(f"fragment_refused: {hopwire.verdict('fragment_refused')}")


@tap.test
def C5_the_exits_IPv4_fragments_are_joined():
    fragments_are_joined(EXIT)


@tap.test
def C5_the_exits_IPv6_fragments_are_joined():
    fragments_are_joined(EXIT6)


@tap.test
def C5_bogus_fragments_reach_nobody_and_are_counted():
    hopwire = up(EXIT)
    inside = scene.world.entry.capture("wg0")
    scene.client.ping(OFFICE)
    port = next(p.sport for p in inside.stop() if p.dst == EXIT)
    whole = make_udp(WORLD, ENTRY_INNER, 9, port, b"bogus" * 200)[20:]
    before = hopwire.verdict("fragment_refused")
    capture = scene.client.capture("hop0")
    bogus = []
    for i in range(50):
        first = bytearray(make(WORLD, ENTRY_INNER, UDP, whole[:800]))
        later = bytearray(make(WORLD, ENTRY_INNER, UDP, whole[800:]))
        for packet, field in ((first, 0x2000), (later, 90)):  # they overlap
            packet[4:8] = (1000 + i).to_bytes(2, "big") + field.to_bytes(2, "big")
            packet[10:12] = bytes(2)
            packet[10:12] = checksum(bytes(packet[:20])).to_bytes(2, "big")
        bogus += [bytes(first), bytes(later)]
    scene.inject(scene.world.entry, "wg0", *bogus)
    wait_until(lambda: hopwire.verdict("fragment_refused") >= before + 100, 10, "the verdict")
    tap.equal(hopwire.verdict("fragment_refused"), before + 100, "the verdict fragment_refused")
    tap.check(scene.client.ping(OFFICE), "the office still answers")
    tap.check(not [p for p in capture.stop() if b"bogus" in p.payload], "none on the interface")


if __name__ == "__main__":
    main(relays=None, afterwards=start_relays, segments=False)
