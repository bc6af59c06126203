# SPDX-License-Identifier: MIT
"""RULES I2: what `hopwire up` would refuse on this host, `reload` refuses before anything changes;
and where the host cannot follow a change, it says so, and follows once it can."""

import tap
from lab import wait_until
from peers import Hopwire, Key
from reloading import peers, reload, said, sessions, stranger, up, with_parts
from scene import main, scene
from world import OFFICE, OFFICE_NET, OFFICE_NET6, wait_reachable

FOREIGN = ("10.97.0.0/16", "dev", "lo", "table", "123")


def refused(hopwire, text, sentence):
    """By `reload`, its dry run and `up --replace`, in the same words; nothing changes."""
    before, standing, said_by = sessions(hopwire), scene.client.network_state(), []
    for command in (("reload",), ("reload", "--dry-run"), ("up", "--replace")):
        result = hopwire.command(*command, hopwire.write(text), check=False)
        tap.equal(result.returncode, 1, f"{command}: the exit status")
        tap.equal(result.stdout, "", f"{command}: no list")
        tap.contains(result.stderr, sentence, f"{command}")
        said_by += [line for line in result.stderr.splitlines() if sentence in line]
    tap.equal(said_by[1:], said_by[:1] * 2, "one sentence")
    tap.equal(sessions(hopwire), before, "the sessions")
    tap.same_lines(scene.client.network_state(), standing, "the client's network")
    tap.check(scene.client.ping(OFFICE), "it goes on")


OFFICE_ALONE = {"Routes": f"{OFFICE_NET}, {OFFICE_NET6}"}


@tap.test
def F3_an_exception_in_the_main_table_is_refused():
    table = {"Table": "main"}
    hopwire = up(network=table, entry={"Routes": "none"}, office=OFFICE_ALONE)
    refused(hopwire, scene.world.client_text(
        network=table, entry={"Routes": "none"},
        office={"Routes": f"{OFFICE_NET}, {OFFICE_NET6}, !10.20.7.0/24"}),
        "Table = main cannot except !10.20.7.0/24")


@tap.test
def F3_a_route_of_others_in_the_table_is_refused():
    client, table = scene.client, {"Table": "123"}
    for standing in (FOREIGN, ("fd97::/48", "dev", "lo", "table", "123", "metric", "1024")):
        rule = ("to", OFFICE_NET, "lookup", "123")
        client.ip("rule", "add", *rule)
        hopwire = up(network=table, entry={"Routes": "none"}, office=OFFICE_ALONE)
        client.ip("route", "add", *standing)
        refused(hopwire, with_parts(stranger(AllowedIPs=standing[0]), network=table,
                                    entry={"Routes": "none"},
                                    office={"Routes": f"{OFFICE_NET}, {OFFICE_NET6}, {standing[0]}"}),
                f"table 123 has a route for {standing[0]} already, which is not Hopwire's")
        client.ip("route", "del", *standing)
        said(reload(hopwire, scene.world.client_text(
            network=table, entry={"Routes": "none"}, office=OFFICE_ALONE)), "nothing changes")
        hopwire.down()
        client.ip("rule", "del", *rule)


@tap.test
def G1_a_name_where_only_this_host_resolves_is_refused():
    named = scene.world.client_text(entry_peer={"Endpoint": "entry.example.net:51820"})
    hopwire = up()
    scene.client.write("resolv.conf", "nameserver 127.0.0.1\n", 0o644)
    sentence = "resolv.conf names only a resolver on this host"
    refused(hopwire, named, sentence)
    said(reload(hopwire, scene.world.client_text()), "nothing changes")
    hopwire.down()
    result = hopwire.command("check", hopwire.write(named), check=False)
    tap.equal(result.returncode, 1, "check")
    tap.contains(result.stdout + result.stderr, sentence, "its words")
    scene.client.write("resolv.conf", "nameserver 192.0.2.1\n", 0o644)


@tap.test
def I2_a_host_that_cannot_follow_is_told():
    client, table = scene.client, {"Table": "123"}
    parts = {"network": table, "entry": {"Routes": "none"}}
    hopwire = scene.up(**parts)
    client.ip("route", "add", *FOREIGN)
    client.run("wg", "set", "hop0.office", "peer", scene.world.keys["exit"].public, "allowed-ips",
               f"{OFFICE_NET},{OFFICE_NET6},{FOREIGN[0]}")
    wait_until(lambda: hopwire.status()["behind"], what="the host to be behind")
    sentence = f"table 123 has a route for {FOREIGN[0]} already, which is not Hopwire's"
    key = Key()
    for text, lines in ((with_parts(stranger(key), **parts), 1), (with_parts(stranger(key), **parts), 0)):
        result = reload(hopwire, text, check=False)
        tap.equal(result.returncode, 1, "the exit status")
        tap.equal(result.stdout.count("added"), lines, "what was changed is told")
        tap.contains(result.stderr, "the file is in use, but this host does not stand as it says: "
                     + sentence, "what stands")
    tap.check(("office", key.public) in peers(hopwire), "the engine has it")
    tap.contains(hopwire.command("status", hopwire.name).stdout, "this host is behind: " + sentence, "status")
    tap.contains(client.ip("route", "show", "table", "123"), "10.99.0.0/16 dev hop0", "the rest stands")
    client.ip("route", "del", *FOREIGN)
    wait_until(lambda: hopwire.status()["behind"] is None, what="the host to follow")
    tap.contains(client.ip("route", "show", "table", "123"), f"{FOREIGN[0]} dev hop0", "its route")
    reload(hopwire, scene.world.client_text(**parts))


@tap.test
def F2_what_up_warns_of_a_reload_warns_of():
    """Once: not what was said of the old file already."""
    client, world = scene.client, scene.world
    one_family = world.client_text(entry_peer={"AllowedIPs": "0.0.0.0/0"})
    sentence = "IPv6 stays outside the tunnels: entry takes most of IPv4, no tunnel IPv6"
    hopwire = up()
    for options in (["--dry-run"], []):
        result = reload(hopwire, one_family, *options)
        tap.contains(result.stderr, sentence, f"reload {options}")
        tap.contains(result.stderr, f"below {client.dir}/multihop.conf:", "and what closes it")
    tap.check(sentence not in reload(hopwire, one_family).stderr, "once")
    tap.check("outside" not in reload(hopwire, world.client_text()).stderr, "not of what is closed")
    result = hopwire.command("up", "--replace", hopwire.write(one_family))
    tap.contains(result.stderr, sentence, "up --replace")


@tap.test
def what_the_kernel_refuses_for_a_moment_is_tried_again():
    """A daemon that may open no file cannot lay its table. That it may again is no event."""
    client = scene.client
    hopwire = Hopwire(client)
    scene.networks.append(hopwire)
    daemon = client.start(hopwire.binary, "up", "-f", hopwire.write(scene.world.client_text(
        network={"KillSwitch": "on"})), name="daemon")
    wait_until(lambda: hopwire.command("status", hopwire.name, check=False).returncode == 0, what="up")
    hopwire.is_up = True
    wait_reachable(client, OFFICE)
    pid, limit = str(hopwire.daemon()), "1024"
    refused = "; tried again until it is done"
    client.run("prlimit", "--pid", pid, "--nofile=3:" + limit)
    client.ip("address", "add", "192.0.2.99/24", "dev", "uplink")
    wait_until(lambda: refused in daemon.output(), what="the refusal in the log")
    client.run("prlimit", "--pid", pid, f"--nofile={limit}:{limit}")
    wait_until(lambda: "the host stands as it should again" in daemon.output(), what="the next try")
    tap.equal(daemon.output().count(refused), 1, "lines of the refusal")
    client.ip("address", "del", "192.0.2.99/24", "dev", "uplink")
    wait_reachable(client, OFFICE)


if __name__ == "__main__":
    main()
