# SPDX-License-Identifier: MIT
"""G3's guard: where the system's name servers are inside tunnels that take most of the addresses, no
query leaves by another interface, whoever sends it, until `down`. All is seen on the uplink."""

import os

import tap
from lab import HERE
from peers import at
from scene import main, scene
from world import ENTRY, WORLD, WORLD6, wait_reachable

GATEWAY, GATEWAY6 = "192.0.2.1", "2001:db8:2::1"
ENTRY_NAME, ENTRY_DNS = "entry.example.net", "10.64.0.1"
GUEST = "10.99.0.2"
NOT_PRIVATE = ("0.0.0.0/5, 8.0.0.0/7, 11.0.0.0/8, 12.0.0.0/6, 16.0.0.0/4, 32.0.0.0/3, 64.0.0.0/2, "
               "128.0.0.0/3, 160.0.0.0/5, 168.0.0.0/6, 172.0.0.0/12, 172.32.0.0/11, 172.64.0.0/10, "
               "172.128.0.0/9, 173.0.0.0/8, 174.0.0.0/7, 176.0.0.0/4, 192.0.0.0/9, 192.128.0.0/11, "
               "192.160.0.0/13, 192.169.0.0/16, 192.170.0.0/15, 192.172.0.0/14, 192.176.0.0/12, "
               "192.192.0.0/10, 193.0.0.0/8, 194.0.0.0/7, 196.0.0.0/6, 200.0.0.0/5, 208.0.0.0/4")

# TCP and UDP to the ports of DNS, of DNS over TLS and QUIC, and of LLMNR, which from a device goes to
# its groups too; prints what each UDP socket was told.
ASK = """
import select, sys
from socket import *
device, places = sys.argv[1], sys.argv[2:]
trying, asked = [], []
for place in places:
    for port in (53, 853, 5355):
        for kind in (SOCK_STREAM, SOCK_DGRAM):
            s = socket(AF_INET6 if ":" in place else AF_INET, kind)
            s.setblocking(False)
            if device:
                s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, device.encode())
            error = s.connect_ex((place, port))
            if kind == SOCK_DGRAM:
                try:
                    s.send(b"x" * 20)
                except OSError as e:
                    error = e.errno
                print(place, port, error)
            trying.append(s)
for group in ("224.0.0.252", "ff02::1:3") if device else ():
    s = socket(AF_INET6 if ":" in group else AF_INET, SOCK_DGRAM)
    s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, device.encode())
    try:
        s.sendto(b"x" * 20, (group, 5355))
    except OSError:
        pass
select.select([], [s for s in trying if s.type == SOCK_STREAM], [], 0.3)
"""


def ask(*places, device="", host=None):
    return (host or scene.client).run("python3", "-c", ASK, device, *places).stdout.splitlines()


def asked_outside(*places, device="", host=None):
    """What of the questions is seen on the uplink."""
    places = places or (GATEWAY, GATEWAY6, WORLD, WORLD6)
    uplink = scene.client.capture("uplink")
    ask(*places, device=device, host=host)
    return [p for p in uplink.stop() if p.dport in (53, 853, 5355) and ENTRY not in (p.src, p.dst)]


def own_resolv_conf():
    scene.client.write("resolv.conf", f"nameserver {GATEWAY}\n", 0o644)


@tap.test
def G3_no_query_leaves_past_the_tunnels_until_down():
    tap.check(asked_outside(), "without a network the queries are seen on the uplink")
    groups = {p.dst for p in asked_outside(device="uplink")} & {"224.0.0.252", "ff02::1:3"}
    tap.equal(len(groups), 2, "LLMNR's groups that are asked there")
    hopwire = scene.up(entry={"DNS": ENTRY_DNS})
    tap.equal(asked_outside(), [], "seen on the uplink")
    tap.equal(asked_outside(device="uplink"), [], "from sockets bound to the uplink")
    tap.check(all(line.split()[2] != "0" for line in ask(GATEWAY, GATEWAY6)), "each is told at once")
    hopwire.kill()
    tap.equal(asked_outside(), [], "after a crash")
    tap.equal(asked_outside(device="uplink"), [], "after a crash, from sockets bound to the uplink")
    hopwire.down()
    tap.check(asked_outside(), "after down the queries are seen again")


# Of NetBIOS (RFC 1002): questions for a name, for a host's names; the sender's own name told; an answer.
NETBIOS = """
import sys
from socket import *
name = b"\\x20" + b"EKEDFEFDFACACACACACACACACACACACA" + b"\\0"
for device in ("", sys.argv[1]):
    for place in sys.argv[2:]:
        s = socket(AF_INET6 if ":" in place else AF_INET, SOCK_DGRAM)
        s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
        if device:
            s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, device.encode())
        for flags in (0x0110, 0x0000, 0x2910, 0x8500):
            try:
                s.sendto(b"id" + flags.to_bytes(2, "big") + b"\\0\\1" + bytes(6) + name + b"\\0\\x20\\0\\1",
                         (place, 137))
            except OSError:
                pass
"""


def netbios_outside():
    """The flags of what is seen on the uplink of NetBIOS's."""
    uplink = scene.client.capture("uplink")
    scene.client.run("python3", "-c", NETBIOS, "uplink", "192.0.2.255", GATEWAY, GATEWAY6, WORLD)
    return {int.from_bytes(p.payload[2:4], "big") for p in uplink.stop() if p.dport == 137}


@tap.test
def G3_no_name_is_asked_of_the_link_by_netbios_either():
    """Its own name the host may tell there, and answer: file servers do."""
    tap.equal(netbios_outside(), {0x0110, 0, 0x2910, 0x8500}, "without a network")
    hopwire = scene.up(entry={"DNS": ENTRY_DNS})
    tap.equal(netbios_outside(), {0x2910, 0x8500}, "with the guard")
    hopwire.kill()
    tap.equal(netbios_outside(), {0x2910, 0x8500}, "after a crash")
    hopwire.down()
    scene.up(network={"DNSGuard": "off"}, entry={"DNS": ENTRY_DNS})
    tap.equal(netbios_outside(), {0x0110, 0, 0x2910, 0x8500}, "without a guard")


@tap.test
def G3_also_with_everything_but_private_prefixes_in_a_plain_file():
    text = scene.world.entry_quick_text(DNS=ENTRY_DNS).replace("0.0.0.0/0", NOT_PRIVATE)
    hopwire = scene.up(name="plain", text=text)
    # The gateway lies in a prefix of main's, which goes before: as a LAN's resolver does.
    tap.equal(asked_outside(), [], "seen on the uplink")
    tap.equal(asked_outside(device="uplink"), [], "from sockets bound to the uplink")
    hopwire.down()


@tap.test
def G3_DNSGuard_off_opens_it():
    scene.up(network={"DNSGuard": "off"}, entry={"DNS": ENTRY_DNS})
    tap.check(asked_outside(GATEWAY), "queries to the LAN's resolver leave")


@tap.test
def G3_no_guard_where_the_servers_or_most_addresses_are_outside():
    hopwire = scene.up(network={"DNS": GATEWAY},
                       entry={"Routes": "0.0.0.0/0, ::/0, !192.0.2.0/24"})
    tap.check(asked_outside(GATEWAY), "the system's server outside the tunnels")
    hopwire.down()
    scene.up(name="split", text=scene.world.office_quick_text(DNS="10.20.0.53"))
    tap.check(asked_outside(GATEWAY), "a split tunnel takes few addresses")


@tap.test
def G3_what_guests_ask_elsewhere_does_not_leave_either():
    client, guest = scene.client, scene.lab.host("guest")
    scene.lab.link(client, "guests", guest, "eth0")
    client.address("guests", "10.99.0.1/24")
    guest.address("eth0", GUEST + "/24")
    guest.route("default", "via", "10.99.0.1")
    client.forward()
    try:
        scene.up(network={"DNSGuard": "off"}, entry={"DNS": ENTRY_DNS}).down()
        tap.check(asked_outside(GATEWAY, host=guest), "without a guard they leave")
        scene.up(entry={"DNS": ENTRY_DNS})
        tap.equal(asked_outside(GATEWAY, host=guest), [], "seen on the uplink")
        echo = client.start("python3", os.path.join(HERE, "dns.py"), f"{ENTRY_NAME}={ENTRY}", name="dns")
        echo.wait_output("ready")
        guest.run("python3", "-c", QUERY, "10.99.0.1", ENTRY_NAME)
        tap.contains(echo.output(), "asked " + ENTRY_NAME, "the host's own server was asked by a guest")
        echo.stop()
    finally:
        client.ip("link", "del", "guests")
        client.write_sysctl("net.ipv4.ip_forward", 0)
        client.write_sysctl("net.ipv6.conf.all.forwarding", 0)
        client.route("default", "via", GATEWAY)
        client.route("default", "via", GATEWAY6)


# Asks a server for a name's address; fails without an answer.
QUERY = """
import socket, struct, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
name = b"".join(bytes([len(l)]) + l.encode() for l in sys.argv[2].split(".")) + b"\\0"
s.sendto(struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1), (sys.argv[1], 53))
assert struct.unpack("!H", s.recv(512)[6:8])[0] == 1
"""


@tap.test
def G1_names_of_roots_are_still_asked_of_the_uplink_s_server():
    server = scene.world.internet.start("python3", os.path.join(HERE, "dns.py"),
                                        f"{ENTRY_NAME}={ENTRY}", name="dns")
    server.wait_output("ready")
    scene.up(entry={"DNS": ENTRY_DNS}, entry_peer={"Endpoint": ENTRY_NAME + ":51820"})
    wait_reachable(scene.client, WORLD)
    tap.equal(asked_outside(), [], "others are not")
    server.stop()


@tap.test
def G3_a_relay_at_port_53_is_reached():
    """Providers offer it, where nothing else passes."""
    entry = scene.world.entry
    entry.run("nft", "-f", "-", input="""
        table inet port53 {
            chain pre {
                type nat hook prerouting priority -100
                udp dport 53 redirect to :51820
            }
        }""")
    try:
        scene.up(entry={"DNS": ENTRY_DNS}, entry_peer={"Endpoint": at(ENTRY, 53)})
        wait_reachable(scene.client, WORLD)
        tap.equal(asked_outside(), [], "names are not asked there")
    finally:
        entry.run("nft", "delete", "table", "inet", "port53")


if __name__ == "__main__":
    main(afterwards=own_resolv_conf, services=False)
