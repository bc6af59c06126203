# SPDX-License-Identifier: MIT
"""RULES I2, I3, I7, F4: `hopwire reload` changes a network that runs into what its file says, and
nothing else of it; a refusal changes nothing."""

import os
import re
import shutil
import subprocess

import tap
from hooking import has_seals
from lab import HERE, wait_until
from peers import Hopwire, Key, at, preshared_key
from reloading import Pings, peers, reload, said, sessions, stranger, up, with_parts
from scene import main, scene
from world import ENTRY6, OFFICE, OFFICE6, OFFICE_NET, OFFICE_NET6, WORLD, WORLD6, wait_reachable


@tap.test
def I2_the_same_file_changes_nothing():
    hopwire = up()
    before, standing = sessions(hopwire), scene.client.network_state()
    pids = hopwire.pids()
    said(reload(hopwire, scene.world.client_text()), "nothing changes")
    said(hopwire.command("reload", hopwire.write(scene.world.client_text())), "nothing changes")
    tap.equal(sessions(hopwire), before, "the sessions")
    tap.equal(hopwire.pids(), pids, "the daemon")
    tap.same_lines(scene.client.network_state(), standing, "the client's network")


@tap.test
def I7_peers_come_go_and_change_and_the_others_keep_all():
    hopwire = up()
    pings, before, key = Pings(), sessions(hopwire), Key()
    short = f"tunnel office: peer {key.public[:8]}…: "
    result = reload(hopwire, with_parts(stranger(key)), "--dry-run")
    said(result, short + "added")
    tap.equal(sessions(hopwire).keys(), before.keys(), "the peers after --dry-run")
    said(reload(hopwire, with_parts(stranger(key))), short + "added")
    tap.check(("office", key.public) in peers(hopwire), "it is there")
    tap.contains(scene.client.ip("route", "get", "10.99.0.1"), "dev hop0", "its prefix")
    other = stranger(key, Endpoint="192.0.2.78:51820", AllowedIPs="10.98.0.0/16",
                     PresharedKey=preshared_key(), PersistentKeepalive="25")
    said(reload(hopwire, with_parts(other)),
         short + "PresharedKey changes", short + "Endpoint 192.0.2.77:51820 → 192.0.2.78:51820",
         short + "PersistentKeepalive off → 25", short + "AllowedIPs +10.98.0.0/16, -10.99.0.0/16")
    changed = peers(hopwire)["office", key.public]
    tap.equal(changed["endpoint"], "192.0.2.78:51820", "its endpoint")
    tap.contains(scene.client.ip("route", "get", "10.98.0.1"), "dev hop0", "its new prefix")
    tap.contains(scene.client.ip("route", "get", "10.99.0.1"), "dev hop0", "in 0.0.0.0/0 now")
    said(reload(hopwire, scene.world.client_text()), short + "removed")
    tap.equal(sessions(hopwire), before, "the others' sessions")
    pings.stop()


@tap.test
def I2_what_wg_set_and_what_roamed_stay():
    hopwire = up()
    client, exit = scene.client, scene.world.keys["exit"].public
    client.run("wg", "set", "hop0.office", "peer", exit, "persistent-keepalive", "21",
               "allowed-ips", f"{OFFICE_NET},{OFFICE_NET6},10.97.0.0/16")
    other = Key()
    client.run("wg", "set", "hop0.office", "peer", other.public, "endpoint", "192.0.2.79:1")
    before = sessions(hopwire)
    reload(hopwire, with_parts(stranger()))
    now = peers(hopwire)
    tap.equal(client.run("wg", "show", "hop0.office", "persistent-keepalive").stdout.count("\t21\n"), 1,
              "the keepalive")
    tap.contains(client.run("wg", "show", "hop0.office", "allowed-ips").stdout, "10.97.0.0/16",
                 "the prefix")
    tap.check(("office", other.public) in now, "the peer")
    tap.equal({name: now[name]["latest_handshake"] for name in before}, before, "the sessions")


@tap.test
def I2_a_peer_that_wg_removed_comes_back_whole_once_its_text_changes():
    hopwire = up()
    scene.client.run("wg", "set", "hop0.office", "peer", scene.world.keys["exit"].public, "remove")
    said(reload(hopwire, scene.world.client_text(entry_peer={"PersistentKeepalive": 25})),
         f"tunnel entry: peer {scene.world.keys['entry'].public[:8]}…: PersistentKeepalive off → 25")
    tap.check(not scene.client.ping(OFFICE, wait=1), "its text stays, and so does its removal")
    said(reload(hopwire, scene.world.client_text(entry_peer={"PersistentKeepalive": 25},
                                                 office_peer={"PersistentKeepalive": 7})),
         f"tunnel office: peer {scene.world.keys['exit'].public[:8]}…: added")
    tap.check(scene.client.ping(OFFICE, wait=8), "with endpoint and AllowedIPs")


@tap.test
def I2_a_peer_that_roamed_stays_where_it_is():
    scene.world.renew_relays("hopwire")  # the family changes
    hopwire = up()
    client, key = scene.client, scene.world.keys["entry"].public
    client.run("wg", "set", "hop0", "peer", key, "endpoint", at(ENTRY6))
    wait_reachable(client, OFFICE)
    reload(hopwire, with_parts(stranger()))
    tap.equal(peers(hopwire)["entry", key]["endpoint"], at(ENTRY6), "the endpoint, whose text stays")
    wait_reachable(client, OFFICE)
    scene.world.entry.address("public", "198.51.100.11/24")
    # What was sent before from the old address and arrives after would move the peer back.
    seen = [None]

    def is_quiet():
        seen.append(peers(hopwire)["entry", key]["received_bytes"])
        return seen[-1] == seen[-2]
    wait_until(is_quiet, 20, "the last answer", every=0.3)
    try:
        reload(hopwire, scene.world.client_text(entry_peer={"Endpoint": at("198.51.100.11")}))
        # Whose answers may come from either of the relay's addresses of the family.
        tap.contains(peers(hopwire)["entry", key]["endpoint"], "198.51.100.1", "the text's address")
        wait_reachable(client, OFFICE)
    finally:
        scene.world.entry.ip("address", "del", "198.51.100.11/24", "dev", "public")
        scene.world.renew_relays()


@tap.test
def F4_a_kill_switch_goes_and_comes_without_a_gap():
    client = scene.client
    hopwire = up()
    capture, before = client.capture("uplink", 128), sessions(hopwire)
    pings = [Pings(place) for place in (OFFICE, WORLD, WORLD6, OFFICE6)]
    for turn in range(3):
        said(reload(hopwire, scene.world.client_text(network={"KillSwitch": "on"})),
             "network: KillSwitch off → on")
        tap.contains(client.run("nft", "list", "ruleset").stdout, "reject", "the kill switch")
        tap.check("suppress_prefixlength" not in client.ip("rule"), "no look into main")
        said(reload(hopwire, scene.world.client_text()), "network: KillSwitch on → off")
        tap.check("reject with" not in client.run("nft", "list", "ruleset").stdout, "no kill switch")
        tap.contains(client.ip("rule"), "suppress_prefixlength", "the look into main")
    for stream in pings:
        stream.stop()
    tap.equal(scene.leaks(capture.stop())[:3], [], "on the uplink")
    tap.equal(sessions(hopwire), before, "the sessions")


@tap.test
def F4_an_endpoint_moves_under_a_kill_switch():
    hopwire = up(network={"KillSwitch": "on"})
    reload(hopwire, scene.world.client_text(network={"KillSwitch": "on"},
                                            entry_peer={"Endpoint": at(ENTRY6)}))
    wait_reachable(scene.client, OFFICE)
    tap.contains(scene.client.run("nft", "list", "ruleset").stdout, ENTRY6, "the endpoints' set")
    hopwire.kill()
    hopwire.command("up", hopwire.write(scene.world.client_text()))
    wait_reachable(scene.client, OFFICE)


@tap.test
def I2_settings_of_the_network():
    client = scene.client
    hopwire = up()
    result = reload(hopwire, scene.world.client_text(
        network={"AllowLAN": "on", "MTU": "1300"}, office={"Routes": f"{OFFICE_NET}, {OFFICE_NET6}"}))
    said(result, "network: AllowLAN off → on", "network: MTU computed → 1300",
         f"tunnel office: Routes the peers' AllowedIPs → {OFFICE_NET}, {OFFICE_NET6}")
    wait_until(lambda: "mtu 1300" in client.ip("link", "show", "hop0"), what="the MTU")
    wait_until(lambda: "throw 192.0.2.0/24" in client.ip("route", "show", "table", "all"),
               what="the LAN's route")
    reload(hopwire, scene.world.client_text())
    wait_until(lambda: "mtu 1300" not in client.ip("link", "show", "hop0"), what="the MTU")
    wait_until(lambda: "throw 192.0.2.0/24" not in client.ip("route", "show", "table", "all"),
               what="no route of the LAN's")


@tap.test
def I2_a_private_key_and_an_address():
    hopwire = up()
    key = Key()
    scene.world.exit.run("wg", "set", "wg0", "peer", key.public, "allowed-ips", "10.70.0.7/32")
    said(reload(hopwire, scene.world.client_text(office={"PrivateKey": key.private,
                                                         "Address": "10.70.0.7/32"})),
         "tunnel office: PrivateKey changes",
         "tunnel office: Address 10.70.0.2, fd70::2 → 10.70.0.7")
    try:
        wait_reachable(scene.client, OFFICE)
    finally:
        scene.world.exit.run("wg", "set", "wg0", "peer", key.public, "remove")


def name_server(*records):
    server = scene.world.internet.start("python3", os.path.join(HERE, "dns.py"), *records, name="dns")
    server.wait_output("ready")
    return server


@tap.test
def G2_a_name_comes_under_a_kill_switch():
    network, client = {"KillSwitch": "on"}, scene.client
    client.write("resolv.conf", "nameserver 192.0.2.1\n", 0o644)
    server = name_server(f"entry.example.net={ENTRY6}")
    hopwire = up(network=network)
    reload(hopwire, scene.world.client_text(network=network,
                                            entry_peer={"Endpoint": "entry.example.net:51820"}))
    entry = "entry", scene.world.keys["entry"].public
    wait_until(lambda: peers(hopwire)[entry]["endpoint"] == at(ENTRY6), what="the name's address")
    wait_reachable(client, OFFICE)
    server.stop()


@tap.test
def G2_a_reload_while_a_name_is_being_resolved():
    client = scene.client
    client.write("resolv.conf", "nameserver 192.0.2.99\n", 0o644)  # who never answers
    named = {"Endpoint": "entry.example.net:51820"}
    hopwire = scene.up(entry_peer=named)
    said(reload(hopwire, scene.world.client_text(entry_peer=named)), "nothing changes")
    reload(hopwire, with_parts(stranger(), entry_peer=named))
    entry = "entry", scene.world.keys["entry"].public
    tap.equal(peers(hopwire)[entry]["endpoint_name"], named["Endpoint"], "the name is asked still")
    reload(hopwire, scene.world.client_text())
    wait_reachable(client, OFFICE)
    tap.equal(peers(hopwire)[entry]["endpoint_name"], None, "no name any more")


@tap.test
def I2_a_reload_meets_a_down():
    client = scene.client
    for turn in range(3):
        hopwire = up()
        path = hopwire.write(with_parts(stranger()))
        started = [client.start(hopwire.binary, *argv, name=argv[0]) for argv in (
            ("reload", path), ("down", hopwire.name), ("reload", path))]
        tap.equal(started[1].wait(), 0, "down")
        for process in (started[0], started[2]):
            tap.check(process.wait() in (0, 1), "a reload ends, changed or told")
        hopwire.is_up = False
        tap.same_lines(client.network_state(), scene.before, "the client's network")


@tap.test
def B1_another_address_takes_the_place_of_the_interface_s():
    client = scene.client
    hopwire = up()
    reload(hopwire, scene.world.client_text(entry={"Address": ["10.64.0.2/32"]}))
    tap.check("fc00:bbbb::2" not in client.ip("address", "show", "hop0"), "the address that went")
    tap.contains(client.ip("address", "show", "hop0"), "10.64.0.2/32", "the one that stays")
    reload(hopwire, scene.world.client_text())
    tap.contains(client.ip("address", "show", "hop0"), "fc00:bbbb::2", "the address that came")
    wait_reachable(client, WORLD6)


def root(**changes):
    return [("Tunnel other", {"PrivateKey": Key().private, "Address": "10.88.0.1/32", "Routes": "none",
                              **changes}),
            ("Peer", {"PublicKey": Key().public, "AllowedIPs": OFFICE_NET})]


@tap.test
def I2_a_refusal_changes_nothing():
    client = scene.client
    hopwire = up()
    client.run("wg", "set", "hop0.office", "peer", scene.world.keys["exit"].public, "allowed-ips",
               f"{OFFICE_NET},{OFFICE_NET6},10.97.0.0/16")
    wait_until(lambda: "10.97.0.0/16" in client.ip("route", "show", "table", "all"), what="its route")
    before, standing = sessions(hopwire), client.network_state()
    taken = client.hold_port(5555)
    is_taken = ("LINE: tunnel {}: UDP port 5555 is taken by another program: choose another "
                "ListenPort")
    pings = Pings()
    for what, text, sentence in (
            ("no configuration", "nonsense\n", "error"),
            ("a wrong key", with_parts(stranger(), network={"KillSwitch": "maybe"}), "KillSwitch"),
            ("another interface", with_parts(stranger(), network={"Interface": "hop9"}),
             "multihop.conf:2: Interface: cannot change while the network runs; run: hopwire up --"),
            ("a port that is taken", with_parts(stranger(), entry={"ListenPort": "5555"}),
             is_taken.format("entry")),
            ("a new root's port that is taken", with_parts(stranger(), *root(ListenPort="5555")),
             is_taken.format("other")),
            ("what the file alone does not tell", with_parts(stranger(), *root(Routes="10.97.0.0/16")),
             "both route 10.97.0.0/16, and neither carries the other; give one of them Routes without it"),
            ("a port that is taken, and name servers",
             with_parts(stranger(), entry={"ListenPort": "5555", "DNS": "10.64.0.1"}),
             is_taken.format("entry")),
            ("a port that is taken, and a kill switch",
             with_parts(stranger(), network={"KillSwitch": "on"}, entry={"ListenPort": "5555"}),
             is_taken.format("entry"))):
        line = text[:text.find("ListenPort = 5555")].count("\n") + 1
        result = reload(hopwire, text, check=False)
        dry = reload(hopwire, text, "--dry-run", check=False)
        for run in result, dry:
            tap.equal(run.returncode, 1, f"{what}: the exit status")
            tap.contains(run.stderr, sentence.replace("LINE", f"multihop.conf:{line}"), what)
            tap.equal(run.stdout, "", f"{what}: no list")
        tap.equal(sessions(hopwire), before, f"{what}: the sessions")
        tap.same_lines(client.network_state(), standing, f"{what}: the client's network")
    taken.stop()
    pings.stop()
    said(reload(hopwire, with_parts(*root(ListenPort="5555")), "--dry-run"),
         "tunnel other: added, a root, with 1 peer")
    tap.check(":5555" not in client.run("ss", "-lun").stdout, "a dry run lets the port go")
    tap.same_lines(client.network_state(), standing, "the client's network after it")
    said(reload(hopwire, scene.world.client_text()), "nothing changes")


@tap.test
def I5_a_port_below_1024_takes_a_replacement():
    hopwire = up()
    text = scene.world.client_text(entry={"ListenPort": 443})
    for options in ([], ["--dry-run"]):
        result = reload(hopwire, text, *options, check=False)
        tap.equal(result.returncode, 1, f"a reload {options}")
        tap.contains(result.stderr, "opened by `hopwire up` alone, also with --replace", "why")
    tap.contains(result.stderr, "nothing was changed", "and that")
    tap.check(scene.client.ping(OFFICE), "it goes on")
    hopwire.command("up", "--replace", hopwire.write(text))
    tap.equal(scene.client.run("wg", "show", "hop0", "listen-port").stdout.strip(), "443", "port")
    wait_reachable(scene.client, OFFICE)
    said(reload(hopwire, scene.world.client_text()), "tunnel entry: ListenPort 443 → any")
    tap.check(scene.client.ping(OFFICE, count=3, wait=3), "and back")


@tap.test
def I2_what_is_not_up_is_told():
    text = scene.world.client_text()
    hopwire = Hopwire(scene.client)
    path = hopwire.write(text)
    for argument in (path, hopwire.name):
        result = hopwire.command("reload", argument, check=False)
        tap.equal(result.returncode, 1, "the exit status")
        tap.contains(result.stderr, "hopwire up", "what starts it")
    hopwire = up()
    hopwire.kill()
    result = hopwire.command("reload", hopwire.name, check=False)
    tap.contains(result.stderr, "ended without putting the host back", "a crash")
    hopwire.command("down", hopwire.name)
    hopwire.is_up = False
    for argv in ((), ("--wet", "x"), ("-f", "x")):
        tap.equal(hopwire.command("reload", *argv, check=False).returncode, 2, f"{argv}")


@tap.test
def what_nobody_reads_is_done_all_the_same():
    """As `| head` or `| grep -q` behind it, which go after their first line."""
    hopwire, story = up(), os.path.join(scene.client.dir, "story")
    hooks = "".join(f"{kind} = echo {kind} >> {story}\n"
                    for kind in ("PostUp", "PreDown", "PreDown", "PostDown"))
    path = hopwire.write(scene.world.client_text().replace("[Network]\n", "[Network]\n" + hooks))
    for command in (("reload", path), ("down", hopwire.name)):
        reader, writer = os.pipe()
        os.close(reader)
        subprocess.run(scene.client.enter([hopwire.binary, *command]), stdout=writer, stderr=writer)
        os.close(writer)
    hopwire.is_up = False
    with open(story) as file:
        tap.equal(file.read().split(), ["PostUp", "PreDown", "PreDown", "PostDown"], "what ran")
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


@tap.test
def I2_two_at_once_are_one_behind_the_other():
    client = scene.client
    hopwire = up()
    pings, key, started = Pings(), Key(), []
    for n in range(2):
        os.makedirs(os.path.join(client.dir, str(n)), exist_ok=True)
    paths = [hopwire.write(with_parts(stranger(key, PersistentKeepalive=str(n + 1))),
                           name=f"{n}/multihop") for n in range(2)]
    for n in range(14):  # the socket has sixteen places
        started.append(client.start(hopwire.binary, "reload", paths[n % 2], name=f"reload{n}"))
    for process in started:
        tap.equal(process.wait(), 0, "a reload: " + process.output())
    keepalive = client.run("wg", "show", "hop0.office", "persistent-keepalive").stdout
    tap.check(re.search(re.escape(key.public) + r"\t[12]\n", keepalive), f"one of both: {keepalive}")
    pings.stop()


@tap.test
def I2_hooks_of_the_new_file():
    client = scene.client
    ran = os.path.join(client.dir, "ran")
    text = scene.world.client_text()

    def with_hooks(*hooks):
        lines = "".join(f"{kind} = echo {word} >> {ran}\n" for kind, word in hooks)
        return text.replace("[Network]\n", "[Network]\n" + lines)

    def has_run(*words):
        with open(ran) as file:
            tap.equal(file.read().split(), list(words), "what ran")

    hopwire = up(text=with_hooks(("PostUp", "first"), ("PreDown", "old")))
    said(reload(hopwire, with_hooks(("PostUp", "first"), ("PostUp", "new"), ("PreDown", "end"))),
         "network: PostUp changes", "network: PreDown changes")
    has_run("first", "new")
    reload(hopwire, with_hooks(("PostUp", "new"), ("PreDown", "end"), ("PostDown", "last")))
    has_run("first", "new")
    result = reload(hopwire, with_hooks(("PostUp", "x; false"), ("PostDown", "last")), check=False)
    tap.equal(result.returncode, 1, "a PostUp that fails")
    tap.contains(result.stderr, "PostUp: the command ended with exit status 1", "its sentence")
    wait_reachable(client, OFFICE)
    hopwire.down()
    with open(ran) as file:
        tap.equal(file.read().split()[-1], "last", "the last one's PostDown")
        file.seek(0)
        tap.check("end" not in file.read() and "old" not in file.read(), "no earlier PreDown")
    os.unlink(ran)


@tap.test
def I2_a_file_whose_path_is_no_text_is_found_again():
    directory = os.path.join(scene.client.dir, "caf\udce9")
    os.makedirs(directory)
    path = os.path.join(directory, "multihop.conf")

    def write(text):
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o600)

    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    write(scene.world.client_text())
    hopwire.up(path)
    said(hopwire.command("reload", hopwire.name), "nothing changes")
    write(scene.world.client_text(network={"KillSwitch": "on"}))
    said(hopwire.command("reload", hopwire.name), "network: KillSwitch off → on")
    write(scene.world.client_text(network={"KillSwitch": "on", "Interface": "hop9"}))
    result = hopwire.command("reload", hopwire.name, check=False)
    tap.contains(result.stderr, "Interface: cannot change while the network runs", "the sentence")
    write(scene.world.client_text())
    said(hopwire.command("reload", path), "network: KillSwitch on → off")
    hopwire.down()
    shutil.rmtree(directory)


@tap.test
def I5_a_file_that_root_did_not_name_is_not_read():
    """The daemon, as root's user without root's rights, may write what a reload is to read."""
    hopwire = up()
    planted = scene.client.write("planted.conf", "[Network]\nPostUp = touch /tmp/planted\n")
    path = scene.client.run_path("hopwire", "multihop.files")
    with open(path) as file:
        tap.contains(file.read(), "/multihop.conf\0", "what it was read from")
    with open(path, "w") as file:
        file.write(planted + "\0")
    result = hopwire.command("reload", hopwire.name, check=False)
    if has_seals():
        tap.equal(result.returncode, 1, "the exit status")
        tap.contains(result.stderr, "multihop.files is not as `hopwire` wrote it", "why")
        tap.contains(result.stderr, "; name the file: `hopwire reload FILE`", "what to do")
    said(hopwire.command("reload", hopwire.write(scene.world.client_text())), "nothing changes")
    said(hopwire.command("reload", hopwire.name), "nothing changes")
    hopwire.down()
    tap.check(not os.path.exists(path), "it goes with the network")


if __name__ == "__main__":
    main()
