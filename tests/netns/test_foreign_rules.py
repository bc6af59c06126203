# SPDX-License-Identifier: MIT
"""RULES A1, F1, F2, F3: Hopwire's rules among other programs' rules, tables and marks, a LAN with a
tunnel's prefix, and a family that no tunnel takes."""

import os
import signal

import tap
from foreign import (FAMILIES, Mesh, Undone, check_loopback, check_ours, order, rule,
                     stands_behind_local, way)
from lab import wait_until
from peers import Hopwire, at, sections
from scene import main, scene
from world import ENTRY, ENTRY_INNER, OFFICE, OFFICE6, WORLD, WORLD6, wait_reachable

GATEWAY = "192.0.2.1"


@tap.test
def F1_local_comes_first_wherever_it_stands():
    rule("add pref 100 lookup local")
    rule("del pref 0 lookup local")
    with Undone("-4 rule add pref 0 lookup local", "-6 rule add pref 0 lookup local",
                "-4 rule del pref 100 lookup local", "-6 rule del pref 100 lookup local"):
        inside = scene.world.entry.capture("wg0")
        scene.up()
        wait_reachable(scene.client, OFFICE)
        for family in FAMILIES:
            tap.check(stands_behind_local(family), f"{family}: {order(family)}")
        check_loopback()
        scene.client.run("python3", "-c", "import socket\nfor f, a in ((2, '127.0.0.1'), "
                         "(10, '::1')):\n socket.socket(f, 2).sendto(b'mine', (a, 5432))")
        check_ours()
        tap.check(not [p for p in inside.stop() if p.dst in ("127.0.0.1", "::1")],
                  "nothing for this host reaches the relay")


@tap.test
def F1_local_is_followed_when_it_is_moved():
    scene.up()
    wait_reachable(scene.client, OFFICE)
    for steps in (("add pref 100 lookup local", "del pref 0 lookup local"),
                  ("del pref 100 lookup local", "add pref 7 lookup local"),
                  ("del pref 7 lookup local", "add pref 7 lookup local"),
                  ("add pref 0 lookup local", "del pref 7 lookup local")):
        for step in steps:
            rule(step)
        for family in FAMILIES:
            wait_until(lambda: stands_behind_local(family), 10, f"{family} behind local: {steps}")
        check_loopback()
        check_ours()
    wait_reachable(scene.client, OFFICE6)


SEND = """
import sys
from socket import *
for place in sys.argv[1:]:
    s = socket(AF_INET6 if ":" in place else AF_INET, SOCK_DGRAM)
    s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
    s.sendto(b"mine", (place, 5432))
"""


@tap.test
def F1_what_is_this_host_s_goes_to_no_relay_before_the_rules_have_followed():
    """The daemon is as slow as can be: its rules stand in front of local's and lead the host's own
    addresses, one that came later too, into the tunnel. There they end."""
    client = scene.client
    late, late6 = "198.18.5.5", "2001:db8:18:5::5"
    own = ("192.0.2.2", "2001:db8:2::2", "127.0.0.1", "::1", late, late6, "192.0.2.255")
    hopwire = scene.up(network={"KillSwitch": "on"})
    wait_reachable(client, WORLD)
    client.address("lo", late + "/32", late6 + "/128")
    inside = scene.world.entry.capture("wg0")
    pid, before = hopwire.daemon(), hopwire.verdict("scope")
    try:
        wait_until(lambda: "scope" in hopwire.command("route", "multihop", late6, check=False).stdout,
                   10, "the daemon to know the new addresses")
        os.kill(pid, signal.SIGSTOP)
        rule("add pref 100 lookup local")
        rule("del pref 0 lookup local")
        for place in ("192.0.2.2", late, late6):
            tap.contains(way(place), "dev hop0", f"the way to {place} then")
        client.run("python3", "-c", SEND, *own)
        os.kill(pid, signal.SIGCONT)
        for family in FAMILIES:
            wait_until(lambda: stands_behind_local(family), 10, f"{family} behind local")
        wait_until(lambda: hopwire.verdict("scope") >= before + len(own), 10, "them to be refused")
        wait_reachable(client, WORLD)
        tap.equal([p for p in inside.stop() if p.dst in own][:3], [], "of this host, at the relay")
        check_loopback()
    finally:
        os.kill(pid, signal.SIGCONT)
        rule("add pref 0 lookup local")
        rule("del pref 100")
        for prefix in (late + "/32", late6 + "/128"):
            client.ip("address", "del", prefix, "dev", "lo")


@tap.test
def F1_what_others_add_later_takes_nothing_out():
    client = scene.client
    rule("add pref 1 lookup main")  # does not make `up` refuse
    with Undone("-4 rule del pref 1", "-6 rule del pref 1"):
        hopwire = scene.up()
        rule("add pref 5000 lookup main")
        rule("add lookup main")
        uplink = client.capture("uplink")
        for place in (OFFICE, OFFICE6, WORLD, WORLD6):
            wait_reachable(client, place)
        check_ours()
        leaks = scene.leaks(uplink.stop())
        tap.check(not leaks, f"on the uplink: {leaks[:5]}")
        tap.equal(hopwire.status()["rules_in_front"], [], "rules in front")
        hopwire.down()  # before, the last rule's content would name ours, which come first
        for step in ("del pref 5000", "del pref 0 lookup main"):
            rule(step)


@tap.test
def F1_a_rule_at_the_priority_of_local_decides_nothing():
    """It stood there first; ours go before it, also those of a start after a crash."""
    client = scene.client
    rule("add pref 0 lookup main")
    with Undone("-4 rule del pref 0 lookup main", "-6 rule del pref 0 lookup main"):
        hopwire = Hopwire(client)
        path = hopwire.write(scene.world.client_text())
        tap.contains(remedy_of(hopwire.command("check", path).stdout, 0), "stands behind", "check")
        uplink = client.capture("uplink")
        scene.networks.append(hopwire)
        tap.contains(remedy_of(hopwire.up(path).stderr, 0), "stands behind", "up")
        for start in (None, ("up", path), ("up", "--replace", path)):
            if start:
                if "--replace" not in start:
                    hopwire.kill()
                hopwire.command(*start)
            check_ours()
            wait_reachable(client, OFFICE)
            wait_reachable(client, OFFICE6)
        tap.equal(hopwire.status()["rules_in_front"], [], "rules in front")
        leaks = scene.leaks(uplink.stop())
        tap.check(not leaks, f"on the uplink: {leaks[:5]}")
        hopwire.down()
        tap.same_lines(client.network_state(), scene.before, "after down")


@tap.test
def F1_rules_come_back_in_their_order():
    hopwire = scene.up()
    before = [scene.client.ip(family, "rule") for family in FAMILIES]
    tables = ("4800", "4801")
    for lost in (tables[:1], tables[1:], tables):
        for table in lost:
            rule(f"del lookup {table}")
        wait_until(lambda: [scene.client.ip(family, "rule") for family in FAMILIES] == before, 10,
                   f"the rules as before, without {lost}")
    rule("flush")
    rule("add pref 32766 lookup main")
    scene.client.ip("rule", "add", "pref", "32767", "lookup", "default")
    wait_until(lambda: [scene.client.ip(family, "rule") for family in FAMILIES] == before, 10,
               "the rules as before a flush")
    hopwire.down()


@tap.test
def F1_a_rule_that_comes_in_front_is_said():
    rule("add pref 100 lookup local")
    rule("del pref 0 lookup local")
    with Undone("-4 rule add pref 0 lookup local", "-6 rule add pref 0 lookup local",
                "-4 rule del pref 100 lookup local", "-6 rule del pref 100 lookup local"):
        hopwire = scene.up()
        tap.equal(hopwire.status()["rules_in_front"], [], "nothing in front")
        scene.client.ip("rule", "add", "pref", "50", "lookup", "main")
        found = wait_until(lambda: hopwire.status()["rules_in_front"], 10, "the rule in the status")
        tap.equal([(r["family"], r["priority"], r["rule"], r["came_later"]) for r in found],
                  [(4, 50, "from all lookup main", True)], "the rule")
        tap.contains(hopwire.command("status", "multihop").stdout,
                     "in front of the tunnels: IPv4 rule 50 (from all lookup main)", "the text")
        scene.client.ip("rule", "del", "pref", "50")
        wait_until(lambda: not hopwire.status()["rules_in_front"], 10, "it goes from the status")


def remedy_of(text, priority):
    """What `check` or `up` says of the rule."""
    lines = [line for line in text.splitlines() if f"rule {priority} of others" in line]
    tap.equal(len(lines), 1, f"lines about rule {priority} in {text!r}")
    return lines[0]


@tap.test
def F1_a_mesh_is_named_and_the_lines_to_write_work():
    with Mesh():
        hopwire = Hopwire(scene.client)
        path = hopwire.write(scene.world.client_text())
        checked = hopwire.command("check", path).stdout
        line = remedy_of(checked, 5270)
        for part in ("IPv4 and IPv6", "from all lookup 52", "stands behind", "100.64.0.0/10",
                     "fd7a::/48", "Routes = !100.64.0.0/10, !fd7a::/48", "[Tunnel entry]",
                     "Priority = 5271"):
            tap.contains(line, part, "check")
        remedy_of(checked, 5210)
        said = hopwire.up(path).stderr
        scene.networks.append(hopwire)
        tap.contains(remedy_of(said, 5270), "Priority = 5271", "up")
        tap.contains(way("100.64.0.9"), "dev hop0", "without the line")
        hopwire.down()
        exceptions = ["0.0.0.0/0", "::/0", "!100.64.0.0/10", "!fd7a::/48"]
        for changes in ({"entry": {"Routes": exceptions}}, {"network": {"Priority": 5271}}):
            hopwire = scene.up(**changes)
            for place in ("100.64.0.9", "fd7a::9"):
                tap.contains(way(place), "dev mesh0", f"{place} with {changes}")
            check_ours()
            wait_reachable(scene.client, OFFICE)
            hopwire.down()
        checked = hopwire.command("check", hopwire.write(scene.world.client_text(
            network={"Priority": 5271}))).stdout
        tap.contains(remedy_of(checked, 5270), "in front of the tunnels'", "with Priority")


def reaches_mesh():
    """Whether a packet leaves for it, to a neighbour who need not be asked for."""
    client, place = scene.client, "100.64.0.9"
    client.ip("neigh", "replace", place, "lladdr", "02:00:00:00:00:09", "dev", "mesh0")
    link = client.capture("mesh0")
    client.ping(place, wait=0.2)
    return any(p.dst == place for p in link.stop())


@tap.test
def F1_advice_beside_a_kill_switch_opens_it_too():
    """What only stands in front is rejected by its table all the same."""
    for lan in ({}, {"AllowLAN": "on"}, {"AllowLAN": "198.51.100.0/24"}):
        with Mesh():
            network = {"KillSwitch": "on", **lan}
            hopwire = Hopwire(scene.client)
            path = hopwire.write(scene.world.client_text(network=network))
            checked = hopwire.command("check", path).stdout
            line_5270, line_5210 = [remedy_of(checked, rule) for rule in (5270, 5210)]
            remedy = line_5270.rsplit(", write ", 1)[1]
            before = "".join(value + ", " for value in lan.values())
            tap.equal(remedy, f"AllowLAN = {before}100.64.0.0/10, fd7a::/48 in [Network]", "remedy")
            tap.contains(line_5210, "the kill switch rejects", "of a rule for a mark")
            tap.check("Priority" not in line_5210, "nothing that would not help")
            scene.up(network={**network, "AllowLAN": remedy.split(" = ")[1].split(" in ")[0]})
            tap.check(reaches_mesh(), "packets for the mesh leave by its link")
            for place in ("192.0.2.1",) if "on" in lan.values() else ():
                tap.contains(way(place), "dev uplink", "the LAN as before")


@tap.test
def F1_office_stays_inside_with_a_rule_for_a_mark_or_a_source():
    """A proxy's mark and a server's second address are named; Priority lets them go first."""
    client = scene.client
    client.address("uplink", "192.0.2.99/32")
    client.route("default", "via", GATEWAY, "table", "100")
    client.ip("rule", "add", "pref", "900", "from", "192.0.2.99", "lookup", "100")
    client.ip("rule", "add", "pref", "901", "fwmark", "0x1", "lookup", "100")
    with Undone("rule del pref 900", "rule del pref 901", "route flush table 100",
                "address del 192.0.2.99/32 dev uplink"):
        said = scene.up(network={}).command("check", scene.networks[-1].write(
            scene.world.client_text())).stdout
        for priority in (900, 901):
            line = remedy_of(said, priority)
            tap.contains(line, "a default route", "the table")
            tap.contains(line, "Priority = 902", "the line")
            tap.check("Routes =" not in line, "an exception would not help")
        tap.contains(way(WORLD, "from", "192.0.2.99"), "dev hop0", "behind ours")
        scene.clean()
        scene.up(network={"Priority": 902})
        tap.contains(way(WORLD, "from", "192.0.2.99"), "dev uplink", "in front")
        tap.contains(way(WORLD, "mark", "1"), "dev uplink", "the proxy's")
        check_ours()


@tap.test
def F3_FwMark_and_Table_are_chosen():
    client = scene.client
    hopwire = scene.up(network={"FwMark": "0x2000/0xff00"})
    wait_reachable(client, OFFICE)
    tap.equal(hopwire.status()["fwmark"], 0x2000, "the mark")
    tap.contains(client.ip("rule"), "not from all fwmark 0x2000/0xff00", "the rules")
    tap.contains(way(ENTRY, "mark", "0x2017"), "dev uplink", "another network of that mark")
    tap.contains(way(ENTRY, "mark", "0x48000001"), "dev hop0", "one of Hopwire's own")
    hopwire.down()
    hopwire = scene.up(network={"FwMark": "0x2000/0xff00", "KillSwitch": "on"})
    wait_reachable(client, OFFICE)
    wait_reachable(client, WORLD)
    hopwire.down()
    single = scene.up(text=scene.world.entry_quick_text(FwMark="0x51"), name="single")
    wait_reachable(client, WORLD)
    tap.contains(client.ip("rule"), "not from all fwmark 0x51 lookup", "a plain file's")
    single.down()
    for table in ("main", "main", "254"):
        hopwire = scene.up(network={"Table": table}, entry={"Routes": "none"})
        tap.contains(client.ip("route", "show", "table", "main"), "10.20.0.0/16 dev hop0", table)
        wait_reachable(client, OFFICE)
        hopwire.down()


@tap.test
def A1_a_lan_with_the_tunnels_prefix_gets_nothing_of_it():
    client, internet = scene.client, scene.world.internet
    client.address("uplink", "192.168.178.5/24")
    client.route("172.16.5.0/24", "via", GATEWAY)
    with Undone("address del 192.168.178.5/24 dev uplink", "route del 172.16.5.0/24"):
        for everything in ("0.0.0.0/0", "0.0.0.0/1, 128.0.0.0/1"):
            for where in ("entry_peer", "entry"):
                key = "AllowedIPs" if where == "entry_peer" else "Routes"
                changes = {where: {key: f"192.168.178.0/24, 172.16.0.0/12, {everything}"}}
                hopwire = scene.up(**changes)
                for place in ("192.168.178.9", "172.16.5.9", "172.20.0.1", WORLD):
                    tap.contains(way(place), "dev hop0", f"{place} with {changes}")
                tap.contains(way("192.0.2.9"), "dev uplink", "a LAN that nobody wrote")
                hopwire.down()


@tap.test
def F2_a_family_that_no_tunnel_takes_is_said_and_the_line_closes_it():
    client, world = scene.client, scene.world

    def plain(allowed):
        return sections(("Interface", {"PrivateKey": world.keys["client"].private,
                                       "Address": ENTRY_INNER + "/32"}),
                        ("Peer", {"PublicKey": world.keys["entry"].public, "Endpoint": at(ENTRY),
                                  "AllowedIPs": allowed}))

    for text, missing, name in (
            (plain("0.0.0.0/0"), "::/0", "plain"), (plain("0.0.0.0/1, 128.0.0.0/1"), "::/0", "plain"),
            (world.client_text(entry_peer={"AllowedIPs": "0.0.0.0/0, fd20::/16"}), "::/0",
             "multihop"),
            (world.client_text(entry_peer={"AllowedIPs": "::/0, 203.0.113.0/24"}), "0.0.0.0/0",
             "multihop"),
            (world.client_text(entry={"Routes": "0.0.0.0/0"}), "::/0", "multihop")):
        hopwire = Hopwire(client, name)
        path = hopwire.write(text)
        said = hopwire.command("check", path).stdout
        lines = [line for line in said.splitlines() if "stays outside the tunnels" in line]
        tap.equal(len(lines), 1, f"lines about {missing} in {said}")
        written = lines[0].split("write ")[1].split(" as one more")[0]
        tap.check(written in (f"AllowedIPs = {missing}", f"Routes = {missing}"), lines[0])
        tap.contains(lines[0], f"one more line below {path}:", "the file's name")
        below = int(lines[0].rsplit(":", 1)[1])
        place = WORLD6 if missing == "::/0" else WORLD
        scene.networks.append(hopwire)
        tap.contains(hopwire.up(path).stderr, written, "up says it too")
        tap.contains(way(place), "dev uplink", f"without the line: {text}")
        hopwire.down()
        rows = text.splitlines()
        rows.insert(below, written)
        hopwire.up(text="\n".join(rows))
        tap.check("dev uplink" not in way(place), f"with the line: {way(place)}")
        tap.check("stays outside" not in hopwire.command("check", path).stdout, "and check is quiet")
        hopwire.down()
    quiet = Hopwire(client)
    for network in ({"KillSwitch": "on"}, {"Table": "off"}):
        path = quiet.write(world.client_text(network=network,
                                             entry_peer={"AllowedIPs": "0.0.0.0/0"}))
        tap.check("stays outside" not in quiet.command("check", path).stdout, str(network))


main(services=False)
