# SPDX-License-Identifier: MIT
"""RULES F5: strict reverse path filtering on the uplink, and hosts whose /proc/sys is read-only."""

import tap
from lab import wait_until
from peers import Hopwire
from scene import main, scene
from world import OFFICE, WORLD, WORLD6, wait_reachable

CONF = "/proc/sys/net/ipv4/conf"


def read(key):
    return scene.client.run("cat", f"{CONF}/{key}").stdout.strip()


class Filter:
    """rp_filter of the uplink, as long as the block lasts; `all` does not raise it."""

    def __init__(self, value):
        self.value = value

    def __enter__(self):
        self.before = {key: read(f"{key}/rp_filter") for key in ("all", "default", "uplink")}
        for key in self.before:
            self.write(key, self.value if key == "uplink" else 0)
        return self

    def __exit__(self, *exception):
        for key, value in self.before.items():
            self.write(key, value)

    def write(self, key, value):
        scene.client.run("sh", "-c", f"echo {value} > {CONF}/{key}/rp_filter")


def check_reachable():
    for place in (WORLD, OFFICE, WORLD6):
        wait_reachable(scene.client, place)


@tap.test
def F5_handshakes_complete_whatever_the_uplink_filters():
    for value in (0, 1, 2):
        for network in ({}, {"KillSwitch": "on"}):
            with Filter(value):
                hopwire = scene.up(network=network)
                check_reachable()
                tap.equal(read("all/src_valid_mark"), "1" if value == 1 else "0",
                          f"src_valid_mark at rp_filter {value}")
                tap.equal(read("hop0/rp_filter"), "2", "our own interface's")
                hopwire.down()
                tap.equal(read("all/src_valid_mark"), "0", "src_valid_mark after down")


@tap.test
def F5_split_routes_leave_the_switch_alone_unless_one_has_a_relay():
    office = ["203.0.113.0/24", "fc00:bbbb::/64"]
    for allowed, switch in ((office, "0"), (office + ["198.51.100.0/24"], "1"),
                            (office + ["0.0.0.0/1", "128.0.0.0/1"], "1")):
        with Filter(1):
            hopwire = scene.up(entry_peer={"AllowedIPs": allowed})
            wait_reachable(scene.client, OFFICE)
            tap.equal(read("all/src_valid_mark"), switch, f"src_valid_mark with {allowed}")
            hopwire.down()
            tap.equal(read("all/src_valid_mark"), "0", "src_valid_mark after down")


@tap.test
def F5_the_switch_is_restored_after_a_kill_too():
    with Filter(1):
        hopwire = scene.up()
        check_reachable()
        hopwire.kill()
        tap.equal(read("all/src_valid_mark"), "1", "after kill -9")
        hopwire.down()
        tap.equal(read("all/src_valid_mark"), "0", "after down")


@tap.test
def F5_a_switch_that_was_on_stays_on():
    client = scene.client
    client.run("sh", "-c", f"echo 1 > {CONF}/all/src_valid_mark")
    try:
        with Filter(1):
            hopwire = scene.up()
            check_reachable()
            hopwire.down()
        tap.equal(read("all/src_valid_mark"), "1", "after down")
    finally:
        client.run("sh", "-c", f"echo 0 > {CONF}/all/src_valid_mark")


@tap.test
def F5_filters_that_become_strict_later_are_followed():
    for network in ({}, {"KillSwitch": "on"}):
        with Filter(0) as filter:
            hopwire = scene.up(network=network)
            check_reachable()
            tap.equal(read("all/src_valid_mark"), "0", "src_valid_mark while nothing is strict")
            filter.write("hop0", 1)
            filter.write("uplink", 1)
            wait_until(lambda: read("all/src_valid_mark") == "1", 5, "src_valid_mark")
            wait_until(lambda: read("hop0/rp_filter") == "2", 5, "our own interface's rp_filter")
            check_reachable()
            scene.client.run("sh", "-c", f"echo 0 > {CONF}/all/src_valid_mark")
            wait_until(lambda: read("all/src_valid_mark") == "1", 5, "src_valid_mark again")
            check_reachable()
            hopwire.kill()
            hopwire.down()
            tap.equal(read("all/src_valid_mark"), "0", "src_valid_mark after down")


# Behind the network's own chain, which gives the answers their mark (priority mangle, -150).
UNMARK = """
    table inet unmark {
        chain after {
            type filter hook prerouting priority -149
            meta mark set 0
        }
    }
    """


@tap.test
def F5_the_table_is_what_lets_the_answers_in():
    """What it does is undone behind it: a table that is emptied would be laid again at once."""
    client = scene.client
    with Filter(1):
        scene.up()
        check_reachable()
        client.run("nft", "-f", "-", input=UNMARK)
        try:
            tap.check(not client.ping(WORLD, wait=1), "an answer without its mark")
        finally:
            client.run("nft", "delete", "table", "inet", "unmark")
        check_reachable()


@tap.test
def F5_a_read_only_proc_sys_is_a_warning():
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    for value in (2, 1):
        with Filter(value):
            result = scene.client.run(
                "sh", "-c", 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys'
                ' || exit 77; exec "$@"', "sh", hopwire.binary, "up",
                hopwire.write(scene.world.client_text()), check=False)
            if result.returncode == 77:
                raise tap.Skip("/proc/sys cannot be made read-only here")
            hopwire.is_up = result.returncode == 0
            tap.equal((result.returncode, "rp_filter" in result.stderr), (0, True), result.stderr)
            tap.equal("src_valid_mark" in result.stderr, value == 1, result.stderr)
            if value == 2:
                check_reachable()
            hopwire.down()


main()
