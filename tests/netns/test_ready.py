# SPDX-License-Identifier: MIT
"""Whether packets come back, and which hop fails where they do not: `wait`, `up --wait`,
`status --healthy`, `ping`, `doctor`."""

import re
import time

import tap
from lab import wait_until
from peers import Hopwire, Key, at, preshared_key, sections
from scene import main, scene
from world import ENTRY, ENTRY6, EXIT6

SOON = ("--timeout", "3")


def wait(hopwire, *arguments):
    """The exit status and all that was said."""
    begun = time.monotonic()
    result = hopwire.command("wait", *arguments, check=False)
    tap.check(time.monotonic() - begun < 15, f"it took {time.monotonic() - begun:.1f} s")
    return result


def refused(hopwire, *parts, arguments=(*SOON,)):
    result = wait(hopwire, *arguments, hopwire.name)
    tap.equal((result.returncode, result.stdout), (1, ""), f"the refusal: {result.stderr}")
    for part in parts:
        tap.contains(result.stderr, part, "the sentence")
    return result.stderr


@tap.test
def a_chain_is_ready_once_packets_came_back_through_each_hop():
    hopwire = scene.up()
    tap.equal(hopwire.status()["tunnels"][1]["peers"][0]["latest_handshake"], 0, "nobody asked yet")
    result = wait(hopwire, hopwire.name)
    tap.equal(result.returncode, 0, result.stderr)
    tap.contains(result.stdout, "multihop: ready after", "what it prints")
    for tunnel in hopwire.status()["tunnels"]:
        tap.check(0 < tunnel["peers"][0]["handshake_rtt_us"] < 5e6, "the round trip")
        tap.equal(tunnel["drops"], {}, "nothing of it is dropped")
    tap.contains(hopwire.command("status", hopwire.name).stdout, " ms\n", "the round trip in words")
    tap.equal(wait(hopwire, hopwire.name, "office").returncode, 0, "one tunnel")
    result = hopwire.command("status", "--healthy")
    tap.contains(result.stdout, "ready after", "its health")
    result = wait(hopwire, hopwire.name, "nobody")
    tap.equal(result.returncode, 1, "an unknown tunnel")
    tap.contains(result.stderr, 'no tunnel "nobody"; there is entry, office', "the sentence")


@tap.test
def up_waits_and_what_is_not_ready_stays_up():
    hopwire = Hopwire(scene.client, "multihop")
    scene.networks.append(hopwire)
    text = scene.world.client_text(office_peer={"PublicKey": Key().public})
    result = hopwire.command("up", "--wait=3", hopwire.write(text), check=False)
    hopwire.is_up = True
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, "not ready within 3 s: office: peer", "the hop")
    tap.contains(result.stderr, "multihop stays up", "what stays")
    tap.equal(hopwire.status()["state"], "up", "the network")
    hopwire.write(scene.world.client_text())
    hopwire.command("reload", hopwire.name)
    tap.equal(wait(hopwire, hopwire.name).returncode, 0, "with the right key")
    tap.equal(hopwire.command("up", "--replace", "--wait", hopwire.write(
        scene.world.client_text())).returncode, 0, "one that works")


@tap.test
def a_wrong_key_of_the_exit_is_told_from_an_exit_that_is_off():
    refused(scene.up(office_peer={"PublicKey": Key().public}), "office: peer",
            f"at {at(scene.world.exit_endpoint)} inside entry",
            "its host answers pings", "PublicKey or PrivateKey are not the other end's")
    scene.clean()
    refused(scene.up(office_peer={"Endpoint": at("203.0.113.99")}), "office: peer",
            "198.51.100.1 said: host unreachable", arguments=("--timeout", "5"))


@tap.test
def a_dead_entry_is_the_hop_that_fails_whoever_is_asked_for():
    hopwire = scene.up(entry_peer={"Endpoint": at("198.51.100.99")})
    said = refused(hopwire, "entry: peer", "at 198.51.100.99:51820: no answer to its handshake")
    tap.check("office" not in said, f"only what fails: {said}")
    result = wait(hopwire, "--timeout", "2", hopwire.name, "office")
    tap.contains(result.stderr, "within 2 s: entry: peer", "the exit behind it")


@tap.test
def an_own_address_that_the_exit_refuses_is_told_from_a_dead_one():
    hopwire = scene.up(office={"Address": ["10.70.0.99/32"]})
    result = hopwire.command("status", "--healthy", hopwire.name, check=False)
    tap.equal(result.returncode, 1, "its health")
    tap.contains(result.stderr, "office: peer", "the hop")
    tap.contains(result.stderr, "its handshake is answered, but nothing that is sent inside: Address "
                                "= 10.70.0.99 is not what it has for us", "the sentence")


@tap.test
def a_relay_that_does_not_forward_is_named():
    scene.world.entry.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    try:
        result = scene.up().command("doctor", "multihop", check=False)
        tap.equal(result.returncode, 1, "a fault")
        tap.contains(result.stdout, "fault office: peer", "the hop")
        tap.contains(result.stdout, "nothing comes back from beyond entry: its relay does not forward "
                                    "or masquerade", "its reason")
    finally:
        scene.world.entry.run("sysctl", "-qw", "net.ipv4.ip_forward=1")


@tap.test
def another_preshared_key_is_told():
    refused(scene.up(office_peer={"PresharedKey": preshared_key()}), "office: peer",
            "it answers, but not with our keys", "PresharedKey")


@tap.test
def a_name_that_does_not_resolve_is_told_with_its_cause():
    refused(scene.up(office_peer={"Endpoint": "exit.example.org:51820"}, entry={"DNS": "192.0.2.1"}),
            "office: peer", "at exit.example.org:51820", "its name is")


@tap.test
def wait_waits_for_a_network_that_comes_up_and_not_for_one_that_ends():
    hopwire = Hopwire(scene.client, "multihop")
    path = hopwire.write(scene.world.client_text())
    waiting = scene.client.start(hopwire.binary, "wait", "multihop", name="wait")
    scene.networks.append(hopwire)
    hopwire.up(path)
    tap.equal(waiting.wait(20), 0, waiting.output())
    hopwire.down()
    result = wait(hopwire, "--timeout", "1", "multihop")
    tap.equal(result.returncode, 1, "one that is not up")
    tap.contains(result.stderr, "multihop is not up", "the sentence")
    hopwire.up(hopwire.write(scene.world.client_text(entry_peer={"Endpoint": at("198.51.100.99")})))
    many = [scene.client.start(hopwire.binary, "wait", "--timeout", "60", "multihop", name="wait")
            for _ in range(9)]
    refused = wait_until(lambda: [process for process in many if not process.runs()], 20, "the ninth")
    tap.contains(refused[0].output(), "others wait already", "what the ninth is told")
    rest = [process for process in many if process is not refused[0]]
    rest[0].stop()
    hopwire.down()
    for process in rest[1:]:
        tap.equal(process.wait(20), 1, process.output())


@tap.test
def ping_tells_each_hop_s_round_trip_and_loss():
    hopwire = scene.up()
    result = hopwire.command("ping", "--count", "2", hopwire.name)
    lines = result.stdout.splitlines()
    tap.check(re.fullmatch(r"1: entry [\d.]+ ms · office [\d.]+ ms", lines[0]), lines[0])
    for tunnel, endpoint, line in zip(("entry", "office"), (scene.world.entry_endpoint,
                                                           scene.world.exit_endpoint), lines[2:]):
        tap.check(re.fullmatch(rf"{tunnel} peer \S+ at {endpoint}:51820: 2 of 2 answered, round trip "
                               r"[\d.]+ ms at least, [\d.]+ on average, [\d.]+ at most, handshake "
                               r"[\d.]+ ms", line), line)
    result = hopwire.command("ping", "--count=1", hopwire.name, "entry")
    tap.check("office" not in result.stdout, result.stdout)
    scene.world.exit_relay.down()
    try:
        result = hopwire.command("ping", "--count", "1", hopwire.name, check=False)
    finally:
        scene.world.renew_relays()
    tap.equal(result.returncode, 1, "with a dead exit")
    tap.check(re.match(r"1: entry [\d.]+ ms · office no answer\n", result.stdout), result.stdout)
    tap.contains(result.stdout, "0 of 1 answered", "the loss")
    tap.contains(result.stderr, "port unreachable", "what fails")


HOPS = 90  # times two families: more echo requests at once than there was room to remember


def many_hops():
    """Tunnels side by side, and the relay of all of them: their texts."""
    client, relay = [], [("Network", {"Interface": "many0"})]
    for i in range(HOPS):
        key, other = Key(), Key()
        own = f"10.66.{i}.2/32, fd66::{i:x}:2/128"
        client += [(f"Tunnel t{i}", {"PrivateKey": key.private, "Address": own}),
                   ("Peer", {"PublicKey": other.public, "Endpoint": at(ENTRY, 52000 + i),
                             "AllowedIPs": f"10.99.{i}.0/24, fd99:{i:x}::/64"})]
        relay += [(f"Tunnel t{i}", {"PrivateKey": other.private, "ListenPort": 52000 + i,
                                    "NAT": "off",
                                    "Address": f"10.5.0.{i + 1}/32, fd05::{i:x}:1/128"}),
                  ("Peer", {"PublicKey": key.public, "AllowedIPs": own})]
    return sections(*client), sections(*relay)


@tap.test
def no_hop_s_answer_is_forgotten_for_the_number_of_them():
    client_text, relay_text = many_hops()
    entry = scene.world.entry
    # It has the addresses that are asked: of its answers the kernel limits errors alone.
    entry.ip("route", "add", "local", "10.99.0.0/16", "dev", "lo")
    entry.ip("-6", "route", "add", "local", "fd99::/16", "dev", "lo")
    relay, hopwire = Hopwire(entry, "many"), Hopwire(scene.client, "side")
    scene.networks.extend((relay, hopwire))
    relay.up(text=relay_text)
    hopwire.up(text=client_text)
    result = hopwire.command("ping", "--count", "1", "side", check=False)
    tap.equal((result.returncode, result.stdout.count("no answer")), (0, 0),
              f"hops without an answer: {result.stderr[:300]}")
    tap.equal(result.stdout.count("1 of 1 answered"), HOPS, "hops")


@tap.test
def where_nobody_has_an_endpoint_there_is_nobody_to_ask():
    hopwire = Hopwire(scene.client, "relay")
    scene.networks.append(hopwire)
    hopwire.up(text=sections(
        ("Interface", {"PrivateKey": Key().private, "Address": "10.5.0.1/24"}),
        ("Peer", {"PublicKey": Key().public, "AllowedIPs": "10.5.0.2/32"})))
    result = hopwire.command("ping", "relay", check=False)
    tap.equal((result.returncode, result.stdout), (1, ""), "ping's exit status")
    tap.contains(result.stderr, "relay: no peer of it has an Endpoint: there is nobody to ask",
                 "the sentence")
    tap.equal(wait(hopwire, "relay").returncode, 0, "nobody is waited for")


@tap.test
def doctor_tells_faults_notes_and_what_is_fine():
    hopwire = scene.up()
    result = hopwire.command("doctor", hopwire.name)
    tap.check("fault" not in result.stdout, result.stdout)
    for part in ("fine  entry: peer", f"at {at(scene.world.exit_endpoint)} answers in", "fine  office: "
                 "MTU 1380", "fine  interface hop0: packets in runs", "resolv.conf"):
        tap.contains(result.stdout, part, "what is fine")
    scene.clean()
    hopwire = scene.up(entry={"DNS": "10.99.0.53"},
                       entry_peer={"AllowedIPs": ["203.0.113.0/24", "10.64.0.0/24"]})
    scene.client.run("touch", "-d", "+3 hours", "multihop.conf")
    result = hopwire.command("doctor", hopwire.name, check=False)
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stdout, "fault this host's clock is", "the clock")
    tap.contains(result.stdout, "10.99.0.53", "a name server that no peer allows")


@tap.test
def between_ends_of_our_own_over_ipv6_too():
    before = dict(scene.made_with)
    scene.make(relays="hopwire", services=False, entry_endpoint=ENTRY6, exit_endpoint=EXIT6)
    hopwire = scene.up()
    tap.equal(wait(hopwire, hopwire.name).returncode, 0, "a chain that works")
    scene.clean()
    hopwire = scene.up(office={"Address": ["fd70::99/128"]}, office_peer={"AllowedIPs": "fd20:20::/48"})
    refused(hopwire, "office: peer", "Address = fd70::99 is not what it has for us")
    scene.clean()
    scene.make(**before)


@tap.test
def what_is_no_option_is_refused():
    hopwire = Hopwire(scene.client, "multihop")
    for arguments in (("wait",), ("wait", "--timeout", "0", "x"), ("wait", "a", "b", "c"),
                      ("wait", "--soon", "x"), ("ping",), ("ping", "--count", "0", "x"),
                      ("doctor",), ("up", "--wait=never", "x"), ("up", "-f", "--wait", "x"),
                      ("status", "--healthy", "--json")):
        tap.equal(hopwire.command(*arguments, check=False).returncode, 2, " ".join(arguments))
    result = hopwire.command("status", "--healthy", check=False)
    tap.equal((result.returncode, result.stderr), (1, "hopwire: no network is up\n"), "no network")


if __name__ == "__main__":
    main()
