# SPDX-License-Identifier: MIT
"""A7: a packet for a prefix of a tunnel never takes the physical network, whatever goes wrong."""

import tap
from peers import WireguardGo
from scene import main, scene
from world import (EXIT, OFFICE, OFFICE6, WORLD, WORLD6, wait_reachable)

PLACES = (OFFICE, OFFICE6, WORLD, WORLD6)


def knock(places=PLACES):
    """One packet of each kind to each place; whether one of them got an answer."""
    script = ["from socket import *", "import sys"]
    for place in places:
        family = "AF_INET6" if ":" in place else "AF_INET"
        for kind in ("SOCK_STREAM", "SOCK_DGRAM"):
            script += [f"s = socket({family}, {kind}); s.settimeout(0.3)",
                       f"try: s.connect(({place!r}, 80)); s.send(b'x')",
                       "except OSError: pass"]
    scene.client.run("python3", "-c", "\n".join(script))
    return [scene.client.ping(place, wait=1) for place in places]


def check_nothing_left(capture, what):
    leaks = scene.leaks(capture.stop())
    tap.check(not leaks, f"{what}: {leaks[:5]}")


@tap.test
def nothing_leaves_before_during_and_after_a_kill():
    hopwire = scene.up()
    knock()
    uplink = scene.client.capture("uplink")
    hopwire.kill()
    tap.check(not any(knock()), "no tunnel, no answer")
    check_nothing_left(uplink, "after kill -9")
    hopwire.down()
    tap.same_lines(scene.client.network_state(), scene.before, "after kill -9 and down")


@tap.test
def after_a_kill_applications_are_told_at_once():
    hopwire = scene.up()
    knock()
    hopwire.kill()
    for place in PLACES:
        answer = scene.ask(place, 7, "--timeout", 2)
        tap.check(answer in ("EHOSTUNREACH", "ENETUNREACH"), f"{place}: {answer}")


@tap.test
def after_a_kill_down_and_up_work_again():
    hopwire = scene.up()
    hopwire.kill()
    hopwire.down()
    tap.same_lines(scene.client.network_state(), scene.before, "after kill -9 and down")
    hopwire.up(text=scene.world.client_text())
    wait_reachable(scene.client, OFFICE)


@tap.test
def down_right_after_a_kill_finds_the_process_still_dying_and_cleans_up():
    hopwire = scene.up()
    for _ in range(5):
        hopwire.kill(waits=False)
        hopwire.down()
        tap.same_lines(scene.client.network_state(), scene.before, "after kill -9 and down")
        hopwire.up(text=scene.world.client_text())


@tap.test
def a_dead_exit_stops_neither_the_entry_nor_leaks_the_office():
    scene.world.exit_relay.down()
    try:
        scene.up()
        inside = scene.world.entry.capture("wg0")
        uplink = scene.client.capture("uplink")
        answers = knock()
        tap.equal(answers, [False, False, True, True], "only the world answers")
        check_nothing_left(uplink, "on the uplink")
        plain = [p for p in inside.stop() if OFFICE in (p.src, p.dst) or OFFICE6 in (p.src, p.dst)]
        tap.check(not plain, f"no office packet at the entry: {plain[:3]}")
        scene.clean()
    finally:
        _, interface = scene.world.relay_interfaces()
        scene.world.exit_relay = WireguardGo(scene.world.exit, interface)


@tap.test
def a_dead_entry_leaks_nothing():
    scene.world.entry_relay.down()
    try:
        scene.up()
        uplink = scene.client.capture("uplink")
        tap.check(not any(knock()), "nothing answers")
        check_nothing_left(uplink, "on the uplink")
        scene.clean()
    finally:
        interface, _ = scene.world.relay_interfaces()
        scene.world.entry_relay = WireguardGo(scene.world.entry, interface)


@tap.test
def packets_sent_while_down_reach_the_office_once_the_exit_is_back():
    scene.world.exit_relay.down()
    scene.up()
    knock((OFFICE,))
    _, interface = scene.world.relay_interfaces()
    scene.world.exit_relay = WireguardGo(scene.world.exit, interface)
    wait_reachable(scene.client, OFFICE, 30)


@tap.test
def an_interface_set_down_leaks_nothing():
    scene.up()
    knock()
    uplink = scene.client.capture("uplink")
    scene.client.ip("link", "set", "hop0", "down")
    tap.check(not any(knock()), "nothing answers")
    check_nothing_left(uplink, "with the interface down")


@tap.test
def an_interface_deleted_by_hand_leaks_nothing():
    hopwire = scene.up()
    knock()
    uplink = scene.client.capture("uplink")
    scene.client.ip("link", "del", "hop0", check=False)
    tap.check(not any(knock()), "nothing answers")
    check_nothing_left(uplink, "without the interface")
    hopwire.is_up = False


@tap.test
def a_flapping_uplink_leaks_nothing():
    scene.up()
    knock()
    client = scene.client
    client.ip("link", "set", "uplink", "down")
    tap.check(not any(knock((OFFICE, WORLD))), "nothing answers without an uplink")
    client.ip("link", "set", "uplink", "up")
    uplink = client.capture("uplink")
    client.address("uplink", *[a for a in ("2001:db8:2::2/64",)
                               if a.split("/")[0] not in client.ip("address")])
    client.route("default", "via", "192.0.2.1")
    client.route("default", "via", "2001:db8:2::1")
    wait_reachable(client, OFFICE, 30)
    wait_reachable(client, WORLD, 30)
    check_nothing_left(uplink, "after the uplink came back")


@tap.test
def a_smaller_link_mtu_leaks_nothing():
    scene.up()
    knock()
    client = scene.client
    uplink = client.capture("uplink")
    client.ip("link", "set", "uplink", "mtu", 1280)
    try:
        knock()
        check_nothing_left(uplink, "with a link of 1280")
    finally:
        client.ip("link", "set", "uplink", "mtu", 1500)


@tap.test
def TRAPS_11_no_IPv6_address_in_the_exit_means_refused_IPv6():
    hopwire = scene.up(office={"Address": ["10.70.0.2/32"]})
    uplink = scene.client.capture("uplink")
    tap.check(scene.client.ping(OFFICE, wait=5), "IPv4 works")
    answer = scene.ask(OFFICE6, 7)
    tap.check(answer in ("EHOSTUNREACH", "ENETUNREACH", "EACCES", "EADDRNOTAVAIL"), f"IPv6: {answer}")
    check_nothing_left(uplink, "of IPv6")
    tap.check(hopwire.pids(), "the daemon lives")


@tap.test
def the_exit_is_never_spoken_to_outside_the_entry():
    uplink = scene.client.capture("uplink")
    scene.up()
    knock()
    seen = [p for p in uplink.stop() if EXIT in (p.src, p.dst)]
    tap.check(not seen, f"the exit on the uplink: {seen[:3]}")


if __name__ == "__main__":
    main()
