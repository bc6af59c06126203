# SPDX-License-Identifier: MIT
"""The limits that the README tells: what the tunnels do not take, shown by packets. A limit that goes
away fails here, and its paragraph goes with it."""

import tap
from scene import main, scene
from world import CLIENT6, OFFICE, WORLD, WORLD6, wait_reachable


@tap.test
def A7_what_main_routes_by_a_longer_prefix_is_not_the_default_routes():
    scene.up()
    client = scene.client
    tap.contains(client.ip("route", "get", WORLD), "hop0", "main's default route is not asked")
    client.route("198.18.0.0/15", "via", "192.0.2.1")
    try:
        tap.contains(client.ip("route", "get", WORLD), "uplink", "a longer prefix of main wins")
    finally:
        client.ip("route", "del", "198.18.0.0/15")


@tap.test
def A7_a_tunnels_longer_prefix_goes_before_mains():
    scene.up()
    client = scene.client
    client.route("10.20.0.0/24", "via", "192.0.2.1")
    try:
        tap.contains(client.ip("route", "get", OFFICE), "hop0", "the office's prefix in a tunnel")
    finally:
        client.ip("route", "del", "10.20.0.0/24")


@tap.test
def A7_a_socket_bound_to_another_interface_passes_the_tunnels_by():
    scene.up()
    client = scene.client
    wait_reachable(client, WORLD)
    page = client.run("curl", "-s", "-m", "5", "--interface", "if!uplink", f"http://[{WORLD6}]/")
    tap.equal(page.stdout, f"world sees {CLIENT6}\n", "a page fetched with a bound socket")


main()
