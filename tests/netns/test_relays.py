# SPDX-License-Identifier: MIT
"""Hopwire as an ordinary WireGuard endpoint: entry and exit relay are Hopwire, the kernel forwards
between their interface and the world, and the client goes through both."""

import hashlib

import tap
from pattern import pattern
from scene import IS_SANITIZED, main, scene
from world import (ENTRY, ENTRY6, EXIT, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6, OFFICE_NET,
                   OFFICE_NET6, WORLD, WORLD6)

BULK_BYTES = 5_000_000 if IS_SANITIZED else 20_000_000
SLOW_S = 120


def places():
    """(address, what it is called, how it sees the client, the path's MTU, the IP header's bytes)"""
    world = scene.world
    return ((OFFICE, "office", EXIT_INNER, world.exit_mtu, 20),
            (OFFICE6, "office", EXIT_INNER6, world.exit_mtu, 40),
            (WORLD, "world", ENTRY, world.entry_mtu, 20),
            (WORLD6, "world", ENTRY6, world.entry_mtu, 40))


def url(place):
    return f"http://[{place}]" if ":" in place else f"http://{place}"


def download(place, count):
    result = scene.client.run("sh", "-c", f"curl -sS -f -g -m {SLOW_S} '{url(place)}/bytes/{count}' |"
                              " sha256sum", timeout=SLOW_S + 10)
    tap.equal(result.stdout.split()[0], hashlib.sha256(pattern(count)).hexdigest(),
              f"what came from {place} ({result.stderr})")


def upload(place, count):
    path = scene.client.dir + "/body"
    with open(path, "wb") as file:
        file.write(pattern(count))
    answer = scene.client.fetch(url(place) + "/", "-T", path, timeout=SLOW_S).split()
    tap.equal(answer, [str(count), hashlib.sha256(pattern(count)).hexdigest()], f"what {place} got")


@tap.test
def pings_of_every_size_pass_both_families():
    scene.up()
    client = scene.client
    for place, _, _, mtu, header in places():
        tap.check(client.ping(place, wait=5), f"a ping to {place}")
        for size in (0, 1, 500, mtu - header - 8):
            tap.check(client.ping(place, "-M", "do", "-s", size), f"{size} bytes to {place}")


@tap.test
def the_servers_are_seen_through_the_right_relay():
    scene.up()
    for place, name, seen, _, _ in places():
        tap.equal(scene.client.fetch(url(place) + "/"), f"{name} sees {seen}\n", place)


def echoed(place, name, seen, size, *options):
    answer = scene.ask(place, 7, "--size", size, *options).split()
    return answer[:3] == [name, "sees", seen] and answer[-2:] == ["echoed", str(size)]


@tap.test
def udp_of_every_size_passes_both_ways():
    scene.up()
    for place, name, seen, mtu, header in places():
        # The echo puts "NAME sees ADDRESS PORT: " before what it got.
        head, full = len(f"{name} sees {seen} 65535: "), mtu - header - 8
        for size in (1, 15, 16, 17, 1000, full - head - 1, full - head):
            tap.check(echoed(place, name, seen, size), f"{size} bytes to {place}")
        # The answer to a full one is over the path's MTU: the server learns it from the first, and
        # sends fragments from then on.
        for size in (full, 3000):
            tap.check(any(echoed(place, name, seen, size, "--timeout", 1) for _ in range(5)),
                      f"{size} bytes to {place} and back")


@tap.test
def tcp_arrives_whole_both_ways():
    scene.up()
    for place, *_ in places():
        download(place, BULK_BYTES)
        upload(place, BULK_BYTES)


@tap.test
def nothing_but_the_tunnels_is_on_the_wires():
    scene.up()
    client, entry = scene.client, scene.world.entry
    uplink, public = client.capture("uplink"), entry.capture("public")
    download(OFFICE, 10000)
    download(OFFICE6, 10000)
    tap.equal(scene.leaks(uplink.stop())[:3], [], "beside the entry, on the client's uplink")
    seen = public.stop()
    office = [p for p in seen if p.concerns(OFFICE_NET) or p.concerns(OFFICE_NET6)]
    tap.equal(office[:3], [], "of the office, at the entry")
    tap.check(any(p.src == ENTRY and p.dst == EXIT for p in seen), "the exit's datagrams, forwarded")


def packets_at(host, interface):
    """(received, sent) packets and bytes of an interface: a super-packet counts as one."""
    stats = host.ip_json("-s", "link", "show", interface)[0]["stats64"]
    return {way: (stats[way]["packets"], stats[way]["bytes"]) for way in ("rx", "tx")}


def mean_bytes(before, after, way):
    packets = after[way][0] - before[way][0]
    return (after[way][1] - before[way][1]) / max(packets, 1)


@tap.test
def bulk_goes_through_the_relays_in_super_packets():
    """An interface counts what crosses it: segments joined by Hopwire (received) or left together for
    it (sent) as one. The transfer's direction is the one of interest, the other has ACKs alone."""
    scene.up()
    world = scene.world
    scene.client.ping(OFFICE, wait=5)
    for name, transfer, exit_way, client_way in (("download", download, "tx", "rx"),
                                                 ("upload", upload, "rx", "tx")):
        where = {"client": (scene.client, "hop0", client_way), "exit": (world.exit, "wg0", exit_way),
                 "entry": (world.entry, "wg0", exit_way)}
        before = {key: packets_at(*at[:2]) for key, at in where.items()}
        transfer(OFFICE, BULK_BYTES)
        for key, (host, interface, way) in where.items():
            mean = mean_bytes(before[key], packets_at(host, interface), way)
            tap.note(f"{name}: {mean:.0f} bytes a packet of {interface} on the {key}")
            tap.check(mean > 3 * world.entry_mtu, f"{name}: super-packets at the {key}: {mean:.0f}")


if __name__ == "__main__":
    main(relays="hopwire")
