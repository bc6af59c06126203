# SPDX-License-Identifier: MIT
"""The lab itself, proved with two nested wireguard-go interfaces: what fails here is the lab's."""

import hashlib

import tap
from lab import Lab, NotPossible, reexec_unprivileged
from pattern import pattern
from world import (ENTRY, ENTRY_INNER, EXIT, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6, OFFICE_NET, WORLD,
                   WORLD6, ENTRY6, CLIENT, NestedWireguardGo, World)

lab = world = client = before = None


def set_up():
    global lab, world, client, before
    lab = Lab()
    world = World(lab)
    world.start_services()
    world.start_relays()
    client = world.client
    before = client.network_state()
    world.nested = NestedWireguardGo(world)


@tap.test
def office_is_reached_through_both_hops_over_both_families():
    tap.equal(client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "the IPv4 page")
    tap.equal(client.fetch(f"http://[{OFFICE6}]/"), f"office sees {EXIT_INNER6}\n", "the IPv6 page")


@tap.test
def world_is_reached_from_the_entry_over_both_families():
    tap.equal(client.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "the IPv4 page")
    tap.equal(client.fetch(f"http://[{WORLD6}]/"), f"world sees {ENTRY6}\n", "the IPv6 page")


@tap.test
def pings_of_the_path_s_size_pass():
    tap.check(client.ping(OFFICE, "-M", "do", "-s", world.exit_mtu - 28), "full size through two")
    tap.check(client.ping(WORLD, "-M", "do", "-s", world.entry_mtu - 28), "full size through one")
    tap.check(client.ping(OFFICE6, "-s", world.exit_mtu - 48), "full size through two, IPv6")


@tap.test
def large_transfers_arrive_whole():
    size = 5_000_000
    body = client.write("body", "")
    with open(body, "wb") as file:
        file.write(pattern(size))
    client.run("curl", "-sS", "-f", "-m", "30", "-o", body + ".got", f"http://{OFFICE}/bytes/{size}")
    with open(body + ".got", "rb") as file:
        tap.check(file.read() == pattern(size), "the downloaded bytes are the right ones")
    answer = client.fetch(f"http://{OFFICE}/", "-T", body, timeout=30)
    tap.equal(answer.split(), [str(size), hashlib.sha256(pattern(size)).hexdigest()], "the upload")


@tap.test
def captures_see_what_the_entry_sees():
    inside = world.entry.capture("wg0")
    uplink = client.capture("uplink")
    client.fetch(f"http://{OFFICE}/")
    client.fetch(f"http://{WORLD}/")
    seen, sent = inside.stop(), uplink.stop()
    tap.check(any(p.dst == EXIT and p.dport == 51820 for p in seen), "datagrams to the exit")
    tap.check(any(p.src == ENTRY_INNER and p.dst == WORLD for p in seen), "the world's page request")
    tap.check(not any(p.concerns(OFFICE_NET) for p in seen), "no office address at the entry")
    tap.check(sent and all({p.src, p.dst} == {CLIENT, ENTRY} for p in sent if p.version == 4),
              "only datagrams between client and entry on the uplink")
    # Those to the client are seen before the TUN's checksum offload, which a newer wireguard-go uses.
    tap.check(all(p.checksum_is_right() for p in seen if p.dst == EXIT), "checksums")


@tap.test
def down_leaves_the_host_as_it_was():
    world.nested.down()
    tap.same_lines(client.network_state(), before, "the client's network")


if __name__ == "__main__":
    try:
        reexec_unprivileged()
        set_up()
    except NotPossible as why:
        tap.skip_all(why)
    tap.main()
