# SPDX-License-Identifier: MIT
"""WireGuard with real peers of both ages, in both roles; roaming, preshared keys, keepalives."""

import tap
from lab import wait_until
from peers import (Hopwire, Interface, Key, WireguardGo, at, preshared_key,
                   wireguard_go_current)
from scene import main, scene
from world import (CLIENT, ENTRY, ENTRY_INNER, ENTRY_INNER6, EXIT_INNER, OFFICE, WORLD,
                   NestedWireguardGo, wait_reachable)


def check_main_job():
    client = scene.client
    tap.equal(client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "the office")
    tap.equal(client.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "the world")


@tap.test
def debians_wireguard_go_answers_us():
    scene.make()
    scene.up()
    check_main_job()


def the_current_wireguard_go_answers_us():
    scene.make(relays=wireguard_go_current(may_install=False))
    scene.up()
    check_main_job()


if wireguard_go_current(may_install=False):  # scripts/bench builds one where there is a new Go
    tap.test(the_current_wireguard_go_answers_us)


@tap.test
def hopwire_answers_hopwire():
    scene.make(relays="hopwire")
    scene.up()
    check_main_job()
    tap.check(scene.client.ping(OFFICE, "-M", "do", "-s", scene.world.exit_mtu - 28), "full size")


@tap.test
def hopwire_relays_answer_nested_wireguard_go():
    scene.make(relays="hopwire")
    nested = NestedWireguardGo(scene.world)
    check_main_job()
    nested.down()


@tap.test
def responder_and_then_sender_towards_wireguard_go():
    """wireguard-go on the client speaks first; then the server does, with what it learned."""
    scene.make(relays=None)
    world = scene.world
    entry, _ = world.relay_interfaces()
    relay = Hopwire(world.entry, "wg0")
    relay.up(text=entry.quick_text())
    mine = Interface("wg0", world.keys["client"], [ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"],
                     port=None, mtu=1440)
    mine.peer(world.keys["entry"], ["10.64.0.0/24", "fc00:bbbb::/64"], at(ENTRY))
    WireguardGo(scene.client, mine)
    for net in ("10.64.0.0/24", "fc00:bbbb::/64"):
        scene.client.route(net, "dev", "wg0")
    tap.check(not world.entry.ping(ENTRY_INNER, wait=1), "no endpoint yet: nobody to send to")
    tap.check(scene.client.ping("10.64.0.1", wait=5), "the client reaches the server, IPv4")
    tap.check(scene.client.ping("fc00:bbbb::1", wait=5), "the client reaches the server, IPv6")
    tap.check(world.entry.ping(ENTRY_INNER, wait=5), "the server reaches the client, IPv4")
    tap.check(world.entry.ping(ENTRY_INNER6, wait=5), "the server reaches the client, IPv6")
    relay.down()


@tap.test
def a_server_of_ours_that_was_killed_is_found_again():
    """Its peer's old session is worthless; a new one comes by itself."""
    scene.make(relays=None)
    world = scene.world
    entry, _ = world.relay_interfaces()
    relay = Hopwire(world.entry, "wg0")
    relay.up(text=entry.quick_text())
    nested = Interface("wg0", world.keys["client"], [ENTRY_INNER + "/32"], port=None, mtu=1440)
    nested.peer(world.keys["entry"], ["10.64.0.0/24"], at(ENTRY), keepalive=1)
    WireguardGo(scene.client, nested)
    scene.client.route("10.64.0.0/24", "dev", "wg0")
    wait_reachable(scene.client, "10.64.0.1")
    relay.kill()
    relay.down()
    relay.up(text=entry.quick_text())
    wait_reachable(scene.client, "10.64.0.1", 30)
    relay.down()


@tap.test
def a_preshared_key_is_used_on_the_carried_hop():
    psk = preshared_key()
    scene.make(relays=None)
    scene.world.start_relays(psk=psk)
    scene.up(office_peer={"PresharedKey": psk})
    check_main_job()


@tap.test
def a_wrong_preshared_key_lets_nothing_through():
    scene.make(relays=None)
    scene.world.start_relays(psk=preshared_key())
    hopwire = scene.up(office_peer={"PresharedKey": preshared_key()})
    tap.check(not scene.client.ping(OFFICE, wait=3), "the office does not answer")
    tap.check(scene.client.ping(WORLD, wait=3), "the world does")
    tap.check(hopwire.pids(), "the daemon lives")


@tap.test
def a_wrong_public_key_lets_nothing_through():
    scene.make()
    hopwire = scene.up(office_peer={"PublicKey": Key().public})
    tap.check(not scene.client.ping(OFFICE, wait=3), "the office does not answer")
    tap.check(scene.client.ping(WORLD, wait=3), "the world does")
    tap.check(hopwire.pids(), "the daemon lives")


@tap.test
def the_client_roams_and_both_hops_follow():
    scene.make()
    scene.up()
    check_main_job()
    client = scene.client
    client.ip("address", "del", CLIENT + "/24", "dev", "uplink")
    client.address("uplink", "192.0.2.77/24")
    client.route("default", "via", "192.0.2.1")
    wait_until(lambda: client.ping(OFFICE, wait=1), 20, "the office after roaming")
    check_main_job()
    client.ip("address", "del", "192.0.2.77/24", "dev", "uplink")
    client.address("uplink", CLIENT + "/24")
    client.route("default", "via", "192.0.2.1")
    wait_until(lambda: client.ping(OFFICE, wait=1), 20, "the office after coming back")


@tap.test
def persistent_keepalive_speaks_in_silence():
    scene.make()
    scene.up(entry_peer={"PersistentKeepalive": 1})
    uplink = scene.client.capture("uplink")
    is_keepalive = lambda p: p.dst == ENTRY and len(p.payload) == 32 and p.payload[0] == 4
    wait_until(lambda: sum(map(is_keepalive, uplink.so_far())) >= 2, 15, "two keepalives")
    tap.check(all(p.dst == ENTRY or p.src == ENTRY for p in uplink.stop() if p.version == 4),
              "nothing else speaks")


@tap.test
def a_relay_that_restarts_is_found_again():
    scene.make()
    scene.up()
    check_main_job()
    world = scene.world
    interface, _ = world.relay_interfaces()
    world.entry_relay.down()
    world.entry_relay = WireguardGo(world.entry, interface)
    wait_until(lambda: scene.client.ping(OFFICE, wait=1), 60, "the office after a restart")
    check_main_job()


@tap.test
def garbage_to_the_socket_changes_nothing():
    scene.make()
    hopwire = scene.up(entry={"ListenPort": 51999})
    check_main_job()
    scene.world.internet.run("python3", "-c", f"""
import random, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(3000):
    kind = i % 6
    size = random.choice([0, 1, 3, 4, 31, 32, 33, 63, 64, 92, 148, 149, 1000, 1472])
    body = random.randbytes(size)
    if size >= 4 and kind < 5:
        body = bytes([kind, 0, 0, 0]) + body[4:]
    s.sendto(body, ({CLIENT!r}, 51999))
""")
    check_main_job()
    tap.check(hopwire.pids(), "the daemon lives")


if __name__ == "__main__":
    main(services=False, relays=None)
