# SPDX-License-Identifier: MIT
"""G1, G2: the uplink is dead for two minutes at the start, and later the exit moves; its name is known
behind the entry alone."""

import time

import tap
from hidden_name import (NAMED, OTHER_EXIT, NameServer, exit_moves, expect_no_query,
                         resolver_is_mute)
from scene import main, scene
from world import EXIT, OFFICE, wait_reachable

# Longer than a handshake is tried (90 s), so everything has been given up once.
DEAD_S = 120
RECOVERY_S = 30


def expect_recovery(what):
    began = time.monotonic()
    wait_reachable(scene.client, OFFICE, 2 * RECOVERY_S)
    seconds = time.monotonic() - began
    tap.note(f"{what}: {seconds:.1f} s")
    tap.check(seconds < RECOVERY_S, f"{what}: it recovered in {seconds:.0f} s")


@tap.test
def G2_a_dead_uplink_and_then_an_exit_that_moves():
    client, internet = scene.client, scene.world.internet
    server = NameServer(EXIT)
    uplink = client.capture("uplink")
    internet.ip("link", "set", "client", "down")
    hopwire = scene.up(**NAMED)
    pings = client.start("ping", "-q", "-i", "0.5", OFFICE, name="ping")
    time.sleep(DEAD_S)  # the deadness itself is what is tested
    tap.check(not client.ping(OFFICE, wait=1), "the office is out of reach")
    tap.check(hopwire.status(), "status answers")
    internet.ip("link", "set", "client", "up")
    internet.ip("-6", "address", "replace", "2001:db8:2::1/64", "dev", "client")
    expect_recovery("the uplink is back")
    server.stop()
    server = NameServer(OTHER_EXIT)
    with exit_moves():
        expect_recovery("the record moved and the old exit died")
    pings.stop()
    expect_no_query(uplink)
    server.stop()


if __name__ == "__main__":
    main(afterwards=resolver_is_mute, services=False)
