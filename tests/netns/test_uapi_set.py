# SPDX-License-Identifier: MIT
"""`wg set` and its kin on Hopwire's tunnels, a root and what it carries, under traffic (RULES I4,
I7, TRAPS 26, 29)."""

import base64
import re
import socket

import tap
from lab import wait_until
from peers import Hopwire, Key, at, preshared_key
from reloading import Pings, sessions, up
from scene import main, scene
from world import (ENTRY, ENTRY6, EVERYTHING, EXIT, OFFICE, OFFICE_NET, OFFICE_NET6, WORLD,
                   wait_reachable)

ROOT, CARRIED = "hop0", "hop0.office"


def wg(*argv, check=True, host=None, input=None):
    return (host or scene.client).run("wg", *argv, check=check, input=input)


def file_with(text, host=None):
    return (host or scene.client).write("value", text + "\n")


def peer_of(name):
    return scene.world.keys["entry" if name == ROOT else "exit"].public


def relay_of(name):
    """The host at the other end, and what the client is called there."""
    world = scene.world
    if name == ROOT:
        return world.entry, world.keys["client"]
    return world.exit, world.keys["office"]


def handshake(name):
    return int(wg("show", name, "latest-handshakes").stdout.split()[1])


@tap.test
def TRAP_26_values_of_a_peer_change_and_its_session_stays():
    hopwire = up()
    pings, before = Pings(), sessions(hopwire)
    for name in (ROOT, CARRIED):
        wg("set", name, "peer", peer_of(name), "persistent-keepalive", "7")
        tap.equal(wg("show", name, "persistent-keepalive").stdout.split()[1], "7", "keepalive")
        wg("set", name, "peer", peer_of(name), "persistent-keepalive", "off")
        tap.equal(wg("show", name, "persistent-keepalive").stdout.split()[1], "off", "keepalive")
        wg("set", name, "peer", peer_of(name), "endpoint",
           f"{ENTRY if name == ROOT else EXIT}:51820")
    tap.equal(sessions(hopwire), before, "sessions")
    pings.stop()


def set_preshared_key(name, key):
    path = file_with(key)
    wg("set", name, "peer", peer_of(name), "preshared-key", path)
    host, client = relay_of(name)
    path = file_with(key, host)
    wg("set", "wg0", "peer", client.public, "preshared-key", path, host=host)


@tap.test
def a_preshared_key_is_rotated_on_each_hop_alone():
    hopwire = up()
    for name in (ROOT, CARRIED):
        pings = Pings()
        for _ in range(3):
            key = preshared_key()
            set_preshared_key(name, key)
            tap.equal(wg("show", name, "preshared-keys").stdout.split()[1], key, "preshared-keys")
            pings.more(5)
        pings.stop()
        set_preshared_key(name, base64.b64encode(bytes(32)).decode())
        tap.equal(wg("show", name, "preshared-keys").stdout.split()[1], "(none)", "removed")
    # What was set is what the next handshake needs: without the other end's it fails.
    wg("set", CARRIED, "peer", peer_of(CARRIED), "preshared-key", file_with(preshared_key()))
    shown = hopwire.status()["tunnels"][1]["peers"][0]
    tap.check(shown["preshared_key_s"] is not None and shown["preshared_key_s"] < 30,
              f"status tells since when: {shown['preshared_key_s']}")
    tap.equal(hopwire.status()["tunnels"][0]["peers"][0]["preshared_key_s"], None, "none, no time")


@tap.test
def I4_allowed_ips_move_routes_that_were_defaulted():
    hopwire = up()
    other = "10.21.0.0/16"
    takes = lambda address: hopwire.command("route", "multihop", address, check=False).stdout
    kernel = lambda: scene.client.ip("route", "show", "table", "all")
    tap.check(other not in kernel(), "no route yet")
    pings = Pings()
    wg("set", CARRIED, "peer", peer_of(CARRIED), "allowed-ips",
       ",".join((OFFICE_NET, OFFICE_NET6, other)))
    tap.contains(takes("10.21.0.1"), "office", "the engine's way")
    tap.contains(kernel(), other, "the kernel's routes")
    wg("set", CARRIED, "peer", peer_of(CARRIED), "allowed-ips", f"{OFFICE_NET},{OFFICE_NET6}")
    tap.check(other not in kernel(), "the route is gone")
    tap.contains(takes("10.21.0.1"), "entry", "the engine's way")
    pings.stop()


@tap.test
def I4_allowed_ips_leave_written_routes_alone():
    hopwire = up(office={"Routes": f"{OFFICE_NET}, {OFFICE_NET6}"})
    before = scene.client.ip("route", "show", "table", "all")
    wg("set", CARRIED, "peer", peer_of(CARRIED), "allowed-ips", EVERYTHING.replace(" ", ""))
    tap.equal(wg("show", CARRIED, "allowed-ips").stdout.split()[1:], ["0.0.0.0/0", "::/0"], "shown")
    tap.same_lines(scene.client.ip("route", "show", "table", "all"), before, "routes")
    tap.check(scene.client.ping(OFFICE), "the office answers")
    tap.contains(hopwire.command("route", "multihop", WORLD).stdout, "entry", "the world's way")


@tap.test
def an_endpoint_moves_with_a_kill_switch_too():
    hopwire = up(network={"KillSwitch": "on"})
    seen = scene.client.capture("uplink")
    wg("set", ROOT, "peer", peer_of(ROOT), "endpoint", at(ENTRY6))
    wait_until(lambda: any(p.dst == ENTRY6 for p in seen.so_far()), 10, "datagrams to it")
    wait_reachable(scene.client, OFFICE)
    wg("set", ROOT, "peer", peer_of(ROOT), "endpoint", at(ENTRY))
    wait_reachable(scene.client, OFFICE)
    leaks = [p for p in seen.stop() if ENTRY not in (p.src, p.dst) and ENTRY6 not in (p.src, p.dst)
             and not (p.version == 6 and p.protocol in (0, 58) and p.is_link_local())]
    tap.equal(leaks, [], "what left besides")
    tap.check(hopwire.status(), "it lives")


@tap.test
def an_endpoint_on_a_link_is_named_with_it():
    up()
    wg("set", ROOT, "peer", Key().public, "endpoint", "[fe80::1%uplink]:51820")
    index = scene.client.ip_json("link", "show", "uplink")[0]["ifindex"]
    endpoints = wg("show", ROOT, "endpoints").stdout
    tap.check(f"[fe80::1%uplink]:51820" in endpoints or f"[fe80::1%{index}]:51820" in endpoints,
              endpoints)
    refused = wg("set", ROOT, "peer", Key().public, "endpoint", "[fe80::1%lo]:51820", check=False)
    tap.equal(refused.returncode, 0, "any link of the host")
    tap.check(scene.client.ping(OFFICE), "the office answers")


@tap.test
def a_private_key_is_replaced():
    up()
    for name in (ROOT, CARRIED):
        host, old = relay_of(name)
        new = Key()
        allowed = wg("show", "wg0", "allowed-ips", host=host).stdout.split("\t")[1].split()
        wg("set", name, "private-key", file_with(new.private))
        tap.equal(wg("show", name, "public-key").stdout.strip(), new.public, "public-key")
        wg("set", "wg0", "peer", old.public, "remove", "peer", new.public, "allowed-ips",
           ",".join(allowed), host=host)
        wait_reachable(scene.client, OFFICE)
        wg("set", name, "private-key", file_with(old.private))
        wg("set", "wg0", "peer", new.public, "remove", "peer", old.public, "allowed-ips",
           ",".join(allowed), host=host)
        wait_reachable(scene.client, OFFICE)


@tap.test
def TRAP_29_no_private_key_is_none():
    up()
    for name in (ROOT, CARRIED):
        _, own = relay_of(name)
        wg("set", name, "private-key", "/dev/null")
        tap.equal(wg("show", name, "private-key").stdout.strip(), "(none)", "private-key")
        tap.check(not scene.client.ping(OFFICE, wait=1), f"{name} is silent without a key")
        wg("set", name, "private-key", file_with(own.private))
        wait_reachable(scene.client, OFFICE)


def take(name, *lines):
    """A request as other programs than wg may write it, which is taken."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(scene.client.run_path("wireguard", name + ".sock"))
        client.sendall("\n".join(("set=1", *lines, "", "")).encode())
        tap.equal(client.recv(100), b"errno=0\n\n", " ".join(lines))


def peer_line(key):
    return "public_key=" + base64.b64decode(key).hex()


@tap.test
def a_request_does_what_each_of_its_words_says():
    up()
    other = Key().public
    for name in (ROOT, CARRIED):
        mine = peer_of(name)
        shown = lambda: {key: sorted(prefixes.split()) for key, prefixes in
                         (line.split("\t") for line in
                          wg("show", name, "allowed-ips").stdout.splitlines())}
        before = shown()
        take(name, peer_line(relay_of(name)[1].public), "allowed_ip=10.99.0.0/16")  # its own key
        take(name, peer_line(other), "update_only=true", "allowed_ip=10.99.0.0/16")
        take(name, peer_line(other), "remove=true")
        tap.equal(shown(), before, "what is nobody's business")
        take(name, peer_line(mine), "allowed_ip=10.98.0.0/16", "allowed_ip=+10.99.1.2/16",
             "allowed_ip=-10.98.0.0/16")
        tap.equal(shown(), {mine: sorted(before[mine] + ["10.99.0.0/16"])}, "one more")
        take(name, peer_line(mine), "allowed_ip=-10.99.0.0/16", "allowed_ip=-10.97.0.0/16")
        tap.equal(shown(), before, "one less")
        take(name, peer_line(other), "allowed_ip=10.98.0.0/16", peer_line(mine),
             "allowed_ip=10.98.0.0/16")
        tap.equal(shown(), {mine: sorted(before[mine] + ["10.98.0.0/16"]), other: ["(none)"]},
                  "the later one has it")
        take(name, peer_line(other), "remove=true", peer_line(mine), "allowed_ip=-10.98.0.0/16")
        tap.equal(shown(), before, "as before")
    wait_reachable(scene.client, OFFICE)


@tap.test
def ports_move_and_the_traffic_goes_on():
    up()
    for name, port in ((ROOT, "4242"), (CARRIED, "5555")):
        wg("set", name, "listen-port", port)
        tap.equal(wg("show", name, "listen-port").stdout.strip(), port, "listen-port")
        tap.check(scene.client.ping(OFFICE, count=3, wait=5), "the office answers")
        host, client = relay_of(name)
        wait_until(lambda: wg("show", "wg0", "endpoints", host=host).stdout.strip()
                   .endswith(f":{port}"), 10, "the relay to see the new port")
    holder = scene.client.hold_port(4243)
    refused = wg("set", ROOT, "listen-port", "4243", check=False)
    tap.contains(refused.stderr, "Address already in use", "a port that is taken")
    tap.equal(wg("show", ROOT, "listen-port").stdout.strip(), "4242", "the old one stays")
    holder.stop()


@tap.test
def a_mark_is_a_root_s_and_one_that_the_rules_know():
    up()
    for name, mark, complaint in ((CARRIED, "51820", "Operation not supported"),
                                  (ROOT, "51820", "Invalid argument")):
        refused = wg("set", name, "fwmark", mark, check=False)
        tap.contains(refused.stderr, complaint, f"{name}: a mark of {mark}")
    for name in (ROOT, CARRIED):
        wg("set", name, "fwmark", "0")
    tap.check(scene.client.ping(OFFICE, count=3), "the office answers")


@tap.test
def peers_come_and_go_beside_others():
    hopwire = up()
    pings, before = Pings(), sessions(hopwire)
    other = Key()
    for name, net in ((ROOT, "10.77.0.0/24"), (CARRIED, "10.78.0.0/24")):
        wg("set", name, "peer", other.public, "allowed-ips", net, "persistent-keepalive", "25")
        tap.contains(wg("show", name, "allowed-ips").stdout, f"{other.public}\t{net}", "added")
        tap.contains(scene.client.ip("route", "show", "table", "all"), net, "its route")
        wg("set", name, "peer", other.public, "remove")
        tap.equal(wg("show", name, "peers").stdout.split(), [peer_of(name)], "removed")
        tap.check(net not in scene.client.ip("route", "show", "table", "all"), "its route goes")
    tap.equal(sessions(hopwire), before, "sessions")
    pings.stop()


@tap.test
def TRAP_30_showconf_is_taken_by_setconf_addconf_and_syncconf():
    hopwire = up(entry={"ListenPort": 4242}, office={"ListenPort": 5555})
    before = sessions(hopwire)
    pings = Pings()
    for name in (ROOT, CARRIED):
        text = wg("showconf", name).stdout
        path = file_with(text)
        for command in ("syncconf", "addconf"):
            wg(command, name, path)
            tap.equal(wg("showconf", name).stdout, text, command)
        tap.equal(sessions(hopwire), before, "sessions")
    pings.stop()
    for name in (ROOT, CARRIED):
        text = wg("showconf", name).stdout
        wg("setconf", name, file_with(text))
        tap.equal(wg("showconf", name).stdout, text, "setconf")
        wait_reachable(scene.client, OFFICE)


@tap.test
def a_refused_request_changes_nothing_and_its_sentence_is_logged():
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    path = hopwire.write(scene.world.client_text(
        entry_peer={"AllowedIPs": f"{EXIT}/32, 10.0.0.0/8"}))
    daemon = scene.client.start(hopwire.binary, "up", "-f", path, name="foreground")
    wait_reachable(scene.client, OFFICE)
    shown = lambda name: sorted(re.split(r"[\n,=] ?| = ", wg("showconf", name).stdout))
    before = {name: shown(name) for name in (ROOT, CARRIED)}
    refused = wg("set", CARRIED, "listen-port", "5556", "peer", peer_of(CARRIED),
                 "persistent-keepalive", "9", "endpoint", "198.18.0.99:51820", check=False)
    tap.contains(refused.stderr, "Invalid argument", "an endpoint outside the carrier's AllowedIPs")
    daemon.wait_output("refused: tunnel office: its peer's endpoint 198.18.0.99 is not in the "
                       'AllowedIPs of its carrier "entry"')
    refused = wg("set", ROOT, "peer", peer_of(ROOT), "allowed-ips", "10.0.0.0/8", check=False)
    tap.contains(refused.stderr, "Invalid argument", "AllowedIPs without what it carries")
    for name in (ROOT, CARRIED):
        tap.equal(shown(name), before[name], "nothing changed")
    wait_reachable(scene.client, OFFICE)


if __name__ == "__main__":
    main()
