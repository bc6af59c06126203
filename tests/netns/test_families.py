# SPDX-License-Identifier: MIT
"""Both families at every level, in every combination, at links of 1500 and 9000."""

import hashlib

import tap
from lab import wait_until
from peers import Hopwire
from scene import main, scene
from pattern import pattern
from world import (ENTRY, ENTRY6, EXIT, EXIT6, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6, WORLD, WORLD6)

SIZE = 2_000_000


def check_all_roads():
    client, world = scene.client, scene.world
    tap.equal(client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "the office, IPv4")
    tap.equal(client.fetch(f"http://[{OFFICE6}]/"), f"office sees {EXIT_INNER6}\n", "the office, IPv6")
    tap.equal(client.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "the world, IPv4")
    tap.equal(client.fetch(f"http://[{WORLD6}]/"), f"world sees {ENTRY6}\n", "the world, IPv6")
    lan_mtu = 1500
    for place, mtu in ((OFFICE, min(world.exit_mtu, lan_mtu)), (OFFICE6, min(world.exit_mtu, lan_mtu)),
                       (WORLD, world.entry_mtu), (WORLD6, world.entry_mtu)):
        size = mtu - (48 if ":" in place else 28)
        tap.check(client.ping(place, "-M", "do", "-s", size), f"a full ping of {size} to {place}")
    for place in (OFFICE, f"[{OFFICE6}]", WORLD):
        got = client.run("sh", "-c", f"curl -sS -f -g -m 60 'http://{place}/bytes/{SIZE}' | sha256sum",
                         timeout=70).stdout.split()[0]
        tap.equal(got, hashlib.sha256(pattern(SIZE)).hexdigest(), f"{SIZE} bytes from {place}")


def combination(entry, exit, mtu=1500):
    scene.make(entry_endpoint=entry, exit_endpoint=exit, mtu=mtu)
    scene.up()
    link = scene.client.ip_json("link", "show", "hop0")[0]
    tap.equal(link["mtu"], scene.world.entry_mtu, "the interface's MTU")
    check_all_roads()


@tap.test
def IPv4_in_IPv4():
    combination(ENTRY, EXIT)


@tap.test
def IPv6_in_IPv4():
    combination(ENTRY, EXIT6)


@tap.test
def IPv4_in_IPv6():
    combination(ENTRY6, EXIT)


@tap.test
def IPv6_in_IPv6():
    combination(ENTRY6, EXIT6)


@tap.test
def IPv4_in_IPv4_on_a_link_of_9000():
    combination(ENTRY, EXIT, 9000)


@tap.test
def IPv6_in_IPv6_on_a_link_of_9000():
    combination(ENTRY6, EXIT6, 9000)


@tap.test
def E4_a_path_under_1280_carries_no_IPv6():
    scene.make(entry_endpoint=ENTRY6, exit_endpoint=EXIT6, mtu=1430)
    hopwire = scene.up()  # 1430 - 80 = 1350, - 80 = 1270
    tap.check(scene.client.ping(OFFICE, wait=5), "IPv4 through the narrow path")
    answer = scene.ask(OFFICE6, 7)
    tap.check(answer in ("ENETUNREACH", "EHOSTUNREACH", "EACCES"), f"IPv6 is refused: {answer}")
    tap.check(scene.client.ping(WORLD6, wait=5), "IPv6 through the wider path")
    tap.check(hopwire.pids(), "the daemon lives")


@tap.test
def E4_check_names_the_hop_whose_datagrams_find_no_way():
    scene.make(entry_endpoint=ENTRY6, exit_endpoint=EXIT6, mtu=1340, services=False, relays=None)
    hopwire = Hopwire(scene.client)  # 1340 - 80 = 1260: no IPv6 in the entry
    told = hopwire.command("check", hopwire.write(scene.world.client_text())).stdout
    warnings = [line for line in told.splitlines() if line.startswith("warning: office: ")]
    tap.check(len(warnings) == 1 and "IPv4 endpoint" in warnings[0], told)


@tap.test
def I6_IPv6_that_is_switched_off_later_stops_nothing_else():
    scene.make()
    client, hopwire = scene.client, scene.up()
    client.write_sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    client.ip("link", "set", "uplink", "mtu", 1400)
    mtu = 1400 - (1500 - scene.world.entry_mtu)
    wait_until(lambda: f"mtu {mtu}" in client.ip("route", "get", WORLD), 30, "the narrower path's route")
    tap.check(client.ping(WORLD, wait=5), "IPv4")
    client.write_sysctl("net.ipv6.conf.all.disable_ipv6", 0)
    wait_until(lambda: client.ping(WORLD6, wait=1), 30, "IPv6 that is switched on again")
    hopwire.down()
    scene.before = client.network_state()


@tap.test
def no_IPv6_on_the_host_is_a_notice_and_IPv4_works():
    scene.make()
    client = scene.client
    for name in ("all", "default", "lo", "uplink"):
        client.write_sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 1)
    scene.before = client.network_state()
    uplink = client.capture("uplink")
    hopwire = scene.up()
    tap.equal(client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "the office, IPv4")
    tap.equal(client.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "the world, IPv4")
    tap.check(not scene.leaks(uplink.stop()), "nothing beside the entry")
    hopwire.down()
    result = hopwire.up(text=scene.world.client_text())
    notice = result.stderr.strip().splitlines()[-1].split("multihop: ", 1)[-1]
    tap.contains(notice, "IPv6 is switched off on this host", "the notice of `up`")
    checked = hopwire.command("check", hopwire.write(scene.world.client_text())).stdout
    tap.contains(checked, f"note: {notice}\n", "that of `check`")
    told = hopwire.command("route", "multihop", OFFICE6).stdout.splitlines()[0]
    tap.contains(told, "; but IPv6 is off on this host", "`route`")
    told = hopwire.command("route", "multihop", OFFICE).stdout.splitlines()[0]
    tap.check(";" not in told, told)


if __name__ == "__main__":
    main(services=False, relays=None)
