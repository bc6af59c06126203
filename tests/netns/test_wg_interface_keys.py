# SPDX-License-Identifier: MIT
"""`hopwire INTERFACE` on both ends: its keys, its counters, one interface inside another, and what
the host may do to the packets around it (TRAPS 21, 26, 29, 31)."""

import base64

import tap
from peers import Interface, Key, WireguardGo, at, hopwire_binary, preshared_key, sections
from scene import main, scene
from wg_pair import RELAY, RELAY6, Pair, clean_interfaces
from world import CLIENT, ENTRY_INNER, wait_reachable


def wg(host, *argv):
    return host.run("wg", *argv).stdout.strip()


@tap.test
def counters_tell_what_was_carried_with_its_heads():
    """A handshake (148 and 92 bytes) and ten pings of 84 bytes, each 96 padded and 32 around it; the
    end that only answers may send an empty one, too."""
    pair, client, entry = Pair(), scene.client, scene.world.entry
    tap.check(client.ping(RELAY, count=10), "ten pings")
    received, sent = 92 + 10 * 128, 148 + 10 * 128
    for host, expected in ((client, (received, sent)), (entry, (sent, received))):
        shown = tuple(map(int, wg(host, "show", "wg0", "transfer").split()[1:]))
        tap.check(shown[0] - expected[0] in (0, 32) and shown[1] - expected[1] in (0, 32),
                  f"{host.name}: {shown}, expected {expected}")
        tap.check(wg(host, "show", "wg0", "latest-handshakes").split()[1] != "0", "a handshake")
    pair.down()


@tap.test
def TRAP_26_after_another_private_key_the_next_packet_arrives():
    pair, client, entry = Pair(), scene.client, scene.world.entry
    wait_reachable(client, RELAY)
    key, psk = Key(), preshared_key()
    pair.set(client, "private-key", client.write("key", key.private), "peer", "PEER",
             "preshared-key", client.write("psk", psk))
    pair.set(entry, "peer", key.public, "preshared-key", entry.write("psk", psk), "allowed-ips",
             f"{ENTRY_INNER}/32", "peer", "PEER", "remove")
    tap.check(client.ping(RELAY, wait=2), "the first packet")
    pair.down()


@tap.test
def TRAP_29_what_is_none_and_what_is_its_own():
    client, own, other, psk = scene.client, Key(), Key(), preshared_key()
    client.run(hopwire_binary(), "keys0")
    show = lambda what: wg(client, "show", "keys0", what)
    change = lambda *argv: wg(client, "set", "keys0", *argv)
    private = lambda key: ("private-key", client.write("key", key))
    change(*private(own.private), "peer", other.public, "preshared-key", client.write("psk", psk))
    tap.equal((show("private-key"), show("preshared-keys")),
              (own.private, f"{other.public}\t{psk}"), "both keys")
    change("private-key", "/dev/null", "peer", other.public, "preshared-key", "/dev/null")
    tap.equal((show("private-key"), show("preshared-keys")),
              ("(none)", f"{other.public}\t(none)"), "both gone")
    change(*private(other.private))
    tap.equal((show("public-key"), show("peers")), (other.public, ""), "nobody is its own peer")
    change("peer", other.public)
    tap.equal(show("peers"), "", "nor comes to be")
    change(*private(own.private))
    change("peer", other.public)
    tap.equal(show("peers"), other.public, "another's key")
    for mine, its in ((other, own), (own, other)):
        text = sections(("Interface", {"PrivateKey": mine.private}), ("Peer", {
            "PublicKey": its.public, "AllowedIPs": "10.0.0.0/8"}))
        wg(client, "setconf", "keys0", client.write("swapped", text))
        tap.equal((show("public-key"), show("allowed-ips")),
                  (mine.public, f"{its.public}\t10.0.0.0/8"), "the two change their places")
    raw = bytearray(base64.b64decode(own.private))
    clamped = base64.b64encode(raw).decode()
    raw[0], raw[31] = raw[0] | 7, raw[31] | 128
    change(*private(base64.b64encode(raw).decode()))
    tap.equal(show("private-key"), clamped, "bits that no key has")
    client.ip("link", "del", "keys0")


def inside(port, mtu):
    """A second interface on each end, whose datagrams go through the first."""
    keys, ends = (Key(), Key()), []
    a = Interface("wg1", keys[0], ("10.65.0.2/24", "fc00:cccc::2/64"), port=port, mtu=mtu)
    b = Interface("wg1", keys[1], ("10.65.0.1/24", "fc00:cccc::1/64"), port=port, mtu=mtu)
    a.peer(keys[1], ["10.65.0.1/32", "fc00:cccc::1/128"], at(RELAY6, port))
    b.peer(keys[0], ["10.65.0.2/32", "fc00:cccc::2/128"])
    for host, interface in ((scene.world.entry, b), (scene.client, a)):
        ends.append(WireguardGo(host, interface, hopwire_binary()))
    return ends


@tap.test
def an_interface_inside_another_carries_all_that_fits():
    pair, client, mtu = Pair(), scene.client, 1340
    ends = inside(5, mtu)
    wait_reachable(client, "10.65.0.1")
    for address, head in (("10.65.0.1", 28), ("fc00:cccc::1", 48)):
        tap.check(client.ping(address, "-M", "do", "-s", mtu - head, count=20), f"to {address}")
    tap.check(not client.ping("10.65.0.1", "-M", "do", "-s", mtu - 27), "a byte more does not")
    for end in ends:
        end.down()
    pair.down()


@tap.test
def what_is_bound_to_it_or_marked_again_goes_on():
    pair, client = Pair(), scene.client
    wait_reachable(client, RELAY)
    tap.check(client.ping(RELAY, "-I", "wg0"), "bound to the interface")
    client.run("nft", "-f", "-", input="""table inet again {
        chain out { type route hook output priority -150; meta mark set 1; }
    }""")
    tap.check(client.ping(RELAY), "marked, and routed again")
    tap.check(client.ping(RELAY, "-I", "wg0"), "both")
    client.run("nft", "delete", "table", "inet", "again")
    pair.down()


@tap.test
def TRAP_31_asked_at_another_interface_s_address_it_answers_from_there():
    client, entry, router = scene.client, scene.world.entry, scene.world.internet
    pair, elsewhere = Pair(), "10.50.0.1"
    client.ip("link", "add", "else0", "type", "veth", "peer", "name", "else1")
    for interface in ("else0", "else1"):
        client.ip("link", "set", interface, "up")
    client.address("else0", elsewhere + "/24")
    router.route("10.50.0.0/24", "via", CLIENT)
    pair.set(entry, "peer", "PEER", "endpoint", at(elsewhere, 40000))
    tap.check(entry.ping(ENTRY_INNER, count=2, wait=3), "asked there")
    tap.equal(pair.endpoint(entry), at(elsewhere, 40000), "answered from there")
    client.ip("link", "del", "else0")
    router.ip("route", "del", "10.50.0.0/24")
    pair.down()


def clean():
    clean_interfaces()
    clean_scene()


if __name__ == "__main__":
    clean_scene, scene.clean = scene.clean, clean
    main(services=False, relays=None)
