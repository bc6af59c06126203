# SPDX-License-Identifier: MIT
"""G1, G2: a name of an endpoint inside a carrier is asked inside it, of a server that only the
carrier reaches, whatever happens to the uplink and to the exit; and never shows on the uplink."""

import time

import tap
from hidden_name import (NAME, NAMED, OTHER_EXIT, SERVER, SERVER6, NameServer, exit_moves,
                         expect_no_query, resolver_is_mute)
from lab import wait_until
from scene import main, scene
from world import ENTRY_INNER, EXIT, EXIT6, EXIT_INNER, OFFICE, OFFICE6, wait_reachable


@tap.test
def G1_a_carried_name_is_asked_inside_the_carrier():
    server = NameServer(EXIT)
    uplink = scene.client.capture("uplink")
    scene.up(**NAMED)
    wait_reachable(scene.client, OFFICE)
    tap.equal(scene.client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "the office")
    tap.contains(server.text(), f"query[A] {NAME} from {ENTRY_INNER}", "the server's log")
    expect_no_query(uplink)
    server.stop()


@tap.test
def C5_G1_an_answer_in_fragments_is_joined():
    world = scene.world
    server = NameServer(*[f"203.0.113.{128 + i}" for i in range(60)])
    world.exit.ip("route", "add", "local", "203.0.113.128/26", "dev", "lo")
    # A newer wireguard-go's first answer leaves from the exit's own address otherwise.
    world.exit.run("nft", f"table ip many {{ chain pre {{ type nat hook prerouting priority -100; "
                   f"ip daddr 203.0.113.128/26 dnat to {EXIT}; }}; }}")
    world.entry.ip("route", "add", ENTRY_INNER, "dev", "wg0", "mtu", "lock", 600)
    inside = world.entry.capture("wg0")
    try:
        scene.up(**NAMED)
        wait_reachable(scene.client, OFFICE)
    finally:
        world.entry.ip("route", "del", ENTRY_INNER, "dev", "wg0", "mtu", "lock", 600)
        world.exit.ip("route", "del", "local", "203.0.113.128/26", "dev", "lo")
        world.exit.run("nft", "delete", "table", "ip", "many")
    pieces = [p for p in inside.stop() if p.src == SERVER and (p.more_fragments or p.fragment_offset)]
    tap.check(len(pieces) >= 2, f"the answer came in fragments: {pieces}")
    server.stop()


@tap.test
def G1_the_carrier_s_server_may_have_an_IPv6_address():
    server = NameServer(EXIT)
    scene.up(**{**NAMED, "entry": {"DNS": SERVER6}})
    wait_reachable(scene.client, OFFICE6)
    server.stop()


@tap.test
def G2_of_several_addresses_one_whose_family_the_carrier_has():
    server = NameServer(EXIT6, EXIT)
    scene.up(office_peer=NAMED["office_peer"],
             entry={"DNS": SERVER, "Address": ENTRY_INNER + "/32"})
    wait_reachable(scene.client, OFFICE)
    server.stop()


@tap.test
def G2_an_address_that_the_carrier_s_relay_does_not_reach_makes_room():
    """The carrier has both families, its relay's network one: the next address has its turn before a
    handshake is repeated."""
    # Debian 13's wireguard-go loses its first IPv6 answer after an IPv4 one.
    scene.make(relays="hopwire")
    resolver_is_mute()
    entry = scene.world.entry
    for dead in (EXIT, EXIT6):
        scene.world.renew_relays()
        server = NameServer(EXIT6, EXIT)
        entry.run("nft", "-f", "-", input=f"""
            table inet blocked {{
                chain forward {{
                    type filter hook forward priority -350
                    {"ip6" if ":" in dead else "ip"} daddr {dead} drop
                }}
            }}
            """)
        try:
            hopwire = scene.up(**NAMED)
            began = time.monotonic()
            wait_reachable(scene.client, OFFICE, 40)
            seconds = time.monotonic() - began
            tap.check(seconds < 9, f"{seconds:.1f} s beside {dead}")
            hopwire.down()
        finally:
            entry.run("nft", "delete", "table", "inet", "blocked")
            server.stop()


@tap.test
def G2_the_record_moves_and_the_old_exit_dies():
    client = scene.client
    server = NameServer(EXIT)
    uplink = client.capture("uplink")
    scene.up(**NAMED)
    wait_reachable(client, OFFICE)
    pings = client.start("ping", "-q", "-i", "0.5", OFFICE, name="ping")
    server.stop()
    server = NameServer(OTHER_EXIT)
    with exit_moves():
        died = time.monotonic()
        wait_reachable(client, OFFICE, 60)
        seconds = time.monotonic() - died
        tap.check(seconds < 30, f"it recovered in {seconds:.0f} s")
    pings.stop()
    expect_no_query(uplink)
    server.stop()


@tap.test
def G2_status_says_within_5_s_whose_answer_is_missing():
    if NameServer.running:
        NameServer.running.stop()  # of a test that failed
    hopwire = scene.up(**{**NAMED, "entry": {"DNS": f"{SERVER}, {SERVER6}"}})
    began = time.monotonic()

    def cause():
        return hopwire.status()["tunnels"][1]["peers"][0]["endpoint_error"]
    wait_until(cause, 20, "a cause")
    seconds = time.monotonic() - began
    tap.contains(cause(), f"no answer yet from {SERVER}, {SERVER6} inside entry", "the cause")
    tap.check(seconds < 5, f"after {seconds:.1f} s")
    server = NameServer(EXIT)
    wait_reachable(scene.client, OFFICE, 40)
    tap.equal(cause(), None, "the cause, once there is an answer")
    server.stop()


@tap.test
def G1_a_carrier_without_a_name_server_is_refused_with_a_sentence():
    hopwire = scene.up()
    hopwire.down()
    text = scene.world.client_text(office_peer=NAMED["office_peer"])
    result = hopwire.command("up", hopwire.write(text), check=False)
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, NAME, "the sentence names the name")
    tap.contains(result.stderr, "write DNS = ADDRESS", "the sentence says what to do")


if __name__ == "__main__":
    main(afterwards=resolver_is_mute)
