# SPDX-License-Identifier: MIT
"""RULES F4, I5 and A7's limits: with a kill switch nothing leaves the host another way, whatever
sends it; without one the table still guards the interface's addresses."""

import os
import re
import signal

import tap
from lab import HERE, wait_until
from peers import Hopwire
from scene import main, scene
from world import (CLIENT, ENTRY, ENTRY_INNER, OFFICE, OFFICE6, WORLD, WORLD6, wait_reachable)

PLACES = (OFFICE, OFFICE6, WORLD, WORLD6)
GATEWAY = "192.0.2.1"
ROAMED = "198.51.100.11"
CAP_NET_ADMIN = 1 << 12

KNOCK = """
import select, sys
from socket import *
device, places = sys.argv[1], sys.argv[2:]
trying = []
for place in places:
    for kind in (SOCK_STREAM, SOCK_DGRAM):
        s = socket(AF_INET6 if ":" in place else AF_INET, kind)
        s.setblocking(False)
        if device:
            s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, device.encode())
        try:
            s.connect_ex((place, 80))
            s.send(b"x")
        except OSError:
            pass
        if kind == SOCK_STREAM:
            trying.append(s)
select.select([], trying, [], 0.3)
"""
PING_ALL = 'options=$1; shift; for place; do ping -n -q -c 1 -W 0.3 $options "$place" & done; wait'


def knock(*places, device=""):
    """TCP, UDP and ICMP to all of them, answered or not."""
    places = places or PLACES
    scene.client.run("python3", "-c", KNOCK, device, *places)
    scene.client.run("sh", "-c", PING_ALL, "sh", f"-I {device}" if device else "", *places,
                     check=False)


def up(allow_lan=None, **changes):
    network = {"KillSwitch": "on", **({"AllowLAN": allow_lan} if allow_lan else {})}
    return scene.up(network=network, **changes)


def nothing_left(capture, what):
    leaks = scene.leaks(capture.stop())
    tap.check(not leaks, f"{what}: {leaks[:5]}")


def way_to(place):
    return scene.client.ip("route", "get", place)


def went_by_the_uplink(place):
    uplink = scene.client.capture("uplink")
    scene.client.ping(place, wait=0.5)
    return any(p.dst == place for p in uplink.stop())


@tap.test
def F4_the_tunnels_work_and_a_bound_socket_leaks_nothing():
    up()
    wait_reachable(scene.client, OFFICE)
    wait_reachable(scene.client, WORLD6)
    tap.equal(scene.client.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "a page")
    uplink = scene.client.capture("uplink")
    knock(device="uplink")
    knock()
    nothing_left(uplink, "from sockets bound to the uplink")


@tap.test
def F4_what_is_rejected_is_told_at_once():
    up()
    wait_reachable(scene.client, OFFICE)
    for kind, error in (("SOCK_STREAM", "ECONNREFUSED"), ("SOCK_DGRAM", "EPERM EACCES EHOSTUNREACH")):
        for place in (WORLD, WORLD6):
            said = scene.client.run("python3", "-c", f"""
import errno
from socket import *
s = socket({"AF_INET6" if ":" in place else "AF_INET"}, {kind})
s.settimeout(2)
s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"uplink")
try:
    s.connect(("{place}", 80))
    s.send(b"x")
    s.recv(1)
except OSError as why:
    print(errno.errorcode.get(why.errno, why))
""").stdout.strip()
            tap.check(said and said in error, f"{kind} to {place}: {said}")


@tap.test
def F4_nothing_leaves_after_a_kill_and_down_restores_everything():
    hopwire = up()
    wait_reachable(scene.client, OFFICE)
    uplink = scene.client.capture("uplink")
    hopwire.kill()
    knock()
    knock(device="uplink")
    knock(GATEWAY)
    nothing_left(uplink, "after kill -9")
    hopwire.down()
    tap.same_lines(scene.client.network_state(), scene.before, "after kill -9 and down")
    hopwire.down()


@tap.test
def F4_a_prefix_that_DHCP_pushed_stays_the_tunnels():
    client = scene.client
    up()
    client.route("198.18.0.0/24", "via", GATEWAY)
    try:
        tap.contains(way_to(WORLD), "hop0", "a longer prefix of main")
        uplink = client.capture("uplink")
        wait_reachable(client, WORLD)
        nothing_left(uplink, "with a pushed /24")
    finally:
        client.ip("route", "del", "198.18.0.0/24")


@tap.test
def F1_a_gateway_is_looked_for_on_the_links_and_not_in_the_tunnels():
    """As every second script lays a route: without `dev`. So the way to the relay stays the uplink's."""
    client = scene.client
    up()
    for prefix in ("0.0.0.0/1", "128.0.0.0/1", "default"):
        client.route(prefix, "via", GATEWAY)
    for prefix in ("0.0.0.0/1", "128.0.0.0/1", "default"):
        tap.contains(client.ip("route", "show", prefix), "dev uplink", f"main's {prefix}")
    for place in PLACES:
        wait_reachable(client, place)
    client.ip("route", "del", "0.0.0.0/1")
    client.ip("route", "del", "128.0.0.0/1")


@tap.test
def F4_the_lan_is_reached_only_with_AllowLAN():
    for allowed, is_reached in ((None, False), ("off", False), ("192.0.2.128/25", False),
                                ("192.0.2.0/25, fd99::/16", True), ("on", True)):
        up(allow_lan=allowed)
        tap.equal(went_by_the_uplink(GATEWAY), is_reached, f"the LAN with AllowLAN = {allowed}")
        uplink = scene.client.capture("uplink")
        knock(device="uplink")
        nothing_left(uplink, f"with AllowLAN = {allowed}")
        scene.clean()


@tap.test
def F1_a_lan_with_the_offices_prefix_is_the_hosts_only_with_AllowLAN():
    client = scene.client
    client.ip("address", "add", "10.20.0.77/16", "dev", "uplink")
    try:
        for kill_switch in ("on", "off"):
            for allowed, device in (("off", "hop0"), ("on", "uplink")):
                hopwire = scene.up(network={"KillSwitch": kill_switch, "AllowLAN": allowed})
                tap.contains(way_to(OFFICE), f"dev {device}",
                             f"AllowLAN = {allowed}, KillSwitch = {kill_switch}")
                tap.contains(way_to("10.20.200.1"), f"dev {device}", "the rest of the prefix")
                hopwire.down()
    finally:
        client.ip("address", "del", "10.20.0.77/16", "dev", "uplink")


@tap.test
def F1_what_others_put_on_the_link_is_no_lan():
    """Half of the Internet, as an address's mask or as a route, and prefixes that the host is not
    in: what a DHCP server or a router's advertisement may claim."""
    client = scene.client
    client.ip("address", "add", "198.18.0.2/7", "dev", "uplink")
    client.ip("address", "add", "2001:db8:99::2/47", "dev", "uplink", "nodad")
    client.ip("route", "add", "203.0.113.128/25", "dev", "uplink")
    try:
        up(allow_lan="on")
        rules = client.run("nft", "list", "ruleset").stdout
        for claimed, inside in (("198.0.0.0/7", "198.19.1.1"),
                                ("203.0.113.128/25", "203.0.113.200"),
                                ("2001:db8:98::/47", "2001:db8:99::1")):
            tap.check(claimed not in rules, f"{claimed} passes the kill switch:\n{rules}")
            tap.contains(way_to(inside), "hop0", f"the way into {claimed}")
        tap.contains(rules, "192.0.2.0/24", "the real LAN")
    finally:
        client.ip("route", "del", "203.0.113.128/25", "dev", "uplink")
        client.ip("address", "del", "2001:db8:99::2/47", "dev", "uplink")
        client.ip("address", "del", "198.18.0.2/7", "dev", "uplink")


@tap.test
def F1_a_lan_that_appears_later_is_allowed_then():
    client = scene.client
    up(allow_lan="on")
    client.ip("address", "add", "192.168.77.2/24", "dev", "uplink")
    try:
        wait_until(lambda: "dev uplink" in way_to("192.168.77.1"), 10, "the new LAN's throw routes")
        tap.contains(client.run("nft", "list", "ruleset").stdout, "192.168.77.0/24", "the table")
    finally:
        client.ip("address", "del", "192.168.77.2/24", "dev", "uplink")


@tap.test
def F4_DHCP_passes_and_its_server_is_reached():
    client = scene.client
    index = client.ip_json("link", "show", "uplink")[0]["ifindex"]
    leases = client.run_path("systemd", "netif", "leases")
    os.makedirs(leases)
    lease = os.path.join(leases, str(index))
    with open(lease, "w") as file:
        file.write("ADDRESS=192.0.2.2\nSERVER_ADDRESS=192.0.2.1\n")
    try:
        up()
        tap.contains(way_to(GATEWAY), "dev uplink", "the DHCP server")
        uplink = client.capture("uplink")
        client.run("python3", "-c", f"""
from socket import *
for source, target, port in ((68, "255.255.255.255", 67), (68, "{GATEWAY}", 67),
                             (6800, "{GATEWAY}", 67), (68, "{GATEWAY}", 53)):
    s = socket(AF_INET, SOCK_DGRAM)
    s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    if target.startswith("255"):
        s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b"uplink")
    s.bind(("", source))
    try:
        s.sendto(b"x" * 300, (target, port))
    except OSError:
        pass
""")
        wait_until(lambda: len([p for p in uplink.so_far() if p.sport == 68]) == 2, 5, "DHCP")
        seen = sorted((p.dst, p.sport, p.dport) for p in uplink.stop()
                      if p.src == CLIENT and p.dst in (GATEWAY, "255.255.255.255"))
        tap.equal(seen, [(GATEWAY, 68, 67), ("255.255.255.255", 68, 67)], "on the uplink")
        tap.check(not went_by_the_uplink(GATEWAY), "nothing else goes to the server")
    finally:
        os.unlink(lease)
        os.rmdir(leases)


@tap.test
def F4_forwarded_packets_are_rejected_too():
    client, guest = scene.client, scene.lab.host("guest")
    scene.lab.link(client, "guests", guest, "up")
    client.address("guests", "172.16.9.1/24")
    guest.address("up", "172.16.9.2/24")
    guest.route("default", "via", "172.16.9.1")
    client.write_sysctl("net.ipv4.ip_forward", 1)
    client.ip("rule", "add", "pref", 5, "iif", "guests", "lookup", "main")
    try:
        before = scene.before
        scene.before = client.network_state()
        uplink = client.capture("uplink")
        guest.ping(WORLD, wait=0.5)
        tap.check(scene.leaks(uplink.stop()), "without a kill switch it is forwarded")
        up()
        uplink = client.capture("uplink")
        guest.ping(WORLD, wait=0.5)
        nothing_left(uplink, "forwarded")
        scene.clean()
    finally:
        client.ip("rule", "del", "pref", 5)
        client.write_sysctl("net.ipv4.ip_forward", 0)
        client.ip("link", "del", "guests")
        scene.before = before


def table():
    return scene.client.run("nft", "list", "table", "inet", "hopwire_multihop", check=False).stdout


def counted():
    """How many packets the table's counters say that it dropped."""
    return sum(int(words.split()[0]) for words in table().split("packets ")[1:])


def without_counts(text):
    return re.sub(r"packets \d+ bytes \d+", "", text)


def flush(*what):
    """As another firewall does when it is loaded; returns when the table is there again."""
    before = without_counts(table())
    scene.client.run("nft", "flush", *what)
    wait_until(lambda: without_counts(table()) == before, 5, "the same table")


@tap.test
def F4_a_table_that_others_flush_is_laid_again():
    up()
    wait_reachable(scene.client, WORLD)
    for what in (("ruleset",), ("table", "inet", "hopwire_multihop"),
                 ("chain", "inet", "hopwire_multihop", "output")):
        flush(*what)
        uplink = scene.client.capture("uplink")
        knock(device="uplink")
        nothing_left(uplink, "from sockets bound to the uplink, after a flush")
    wait_reachable(scene.client, OFFICE)


@tap.test
def CVE_2019_14899_the_interfaces_addresses_answer_nobody_outside():
    client, internet = scene.client, scene.world.internet
    internet.route(ENTRY_INNER + "/32", "via", CLIENT)
    try:
        hopwire = scene.up()
        wait_reachable(client, WORLD)
        tap.check("counter" in table() and not counted(), "nothing is counted yet")
        tap.check(not internet.ping(ENTRY_INNER, wait=0.5), "no answer to a neighbour")
        tap.equal(counted(), 1, "what is counted of it")
        tap.check(client.ping(ENTRY_INNER, wait=0.5), "but to the host itself")
        flush("ruleset")
        tap.check(not internet.ping(ENTRY_INNER, wait=0.5), "nor after a flush")
        daemon = hopwire.pids()[0]
        os.kill(daemon, signal.SIGSTOP)
        try:
            client.run("nft", "flush", "table", "inet", "hopwire_multihop")
            tap.check(internet.ping(ENTRY_INNER), "an answer to a neighbour, without the rules")
        finally:
            os.kill(daemon, signal.SIGCONT)
        wait_until(lambda: not internet.ping(ENTRY_INNER, wait=0.2), 5, "the rules again")
    finally:
        internet.ip("route", "del", ENTRY_INNER + "/32")


@tap.test
def F4_a_peer_that_roams_is_still_reached():
    internet = scene.world.internet
    up()
    wait_reachable(scene.client, WORLD)
    internet.run("nft", "-f", "-", input=f"""
        table ip roam {{
            chain pre {{
                type filter hook prerouting priority -350
                ip saddr {ENTRY} ip daddr {CLIENT} udp sport 51820 ip saddr set {ROAMED} notrack
                ip saddr {CLIENT} ip daddr {ROAMED} ip daddr set {ENTRY} notrack
            }}
        }}
        """)
    try:
        wait_until(lambda: scene.client.ping(WORLD, wait=1) and ROAMED in
                   scene.client.run("nft", "list", "ruleset").stdout, 20, "the roamed entry's answer")
        wait_reachable(scene.client, OFFICE)
    finally:
        internet.run("nft", "delete", "table", "ip", "roam")


@tap.test
def F4_a_root_s_name_is_asked_and_its_address_let_through():
    client = scene.client
    server = scene.world.internet.start("python3", os.path.join(HERE, "dns.py"),
                                        f"entry.example.net={ENTRY}", name="dns")
    server.wait_output("ready")
    resolver = client.write("resolv.conf", f"nameserver {GATEWAY}\n", 0o644)
    strict = "/proc/sys/net/ipv4/conf/uplink/rp_filter"
    before = client.run("cat", strict).stdout.strip()
    client.run("sh", "-c", f"echo 1 > {strict}")
    try:
        up(entry_peer={"Endpoint": "entry.example.net:51820"})
        wait_reachable(client, WORLD, 3)  # the first handshake is not rejected: no retry after 5 s
        tap.check("53" not in client.run("nft", "list", "table", "inet",
                                         "hopwire_multihop").stdout.split("chain output")[1],
                  "unmarked queries are not let through")
    finally:
        client.run("sh", "-c", f"echo {before} > {strict}")
        os.unlink(resolver)
        server.stop()


@tap.test
def F4_after_a_crash_neither_the_name_nor_the_number_of_the_interface_opens_the_table():
    client = scene.client
    hopwire = up()
    wait_reachable(client, OFFICE)
    index = client.ip_json("link", "show", "hop0")[0]["ifindex"]
    hopwire.kill()
    for made in (("hop0",), ("hop0", "index", index), ("other", "index", index)):
        client.ip("link", "add", *made, "type", "veth", "peer", "name", "far")
        client.ip("link", "set", made[0], "up")
        client.ip("rule", "add", "pref", 0, "to", WORLD, "table", 77)
        client.ip("route", "add", WORLD, "dev", made[0], "src", CLIENT, "table", 77)
        try:
            capture = client.capture(made[0])
            knock(WORLD)
            knock(WORLD, device=made[0])
            seen = [p for p in capture.stop() if p.dst == WORLD]
            tap.equal(seen, [], f"what leaves by {made}")
        finally:
            client.ip("rule", "del", "pref", 0, "to", WORLD, "table", 77)
            client.ip("link", "del", made[0])


@tap.test
def F4_up_without_a_kill_switch_after_a_crash_with_one():
    hopwire = up()
    hopwire.kill()
    hopwire.up(text=scene.world.client_text())
    wait_reachable(scene.client, OFFICE)
    tap.check("reject" not in scene.client.run("nft", "list", "ruleset").stdout, "no kill switch")


@tap.test
def F4_without_nftables_only_a_kill_switch_is_refused():
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)

    def up_without(text, command="up"):
        result = scene.client.run("python3", os.path.join(HERE, "without_nft.py"), hopwire.binary,
                                  command, hopwire.write(text), check=False)
        if result.returncode == 77:
            raise tap.Skip("this machine allows no seccomp filter")
        return result
    result = up_without(scene.world.client_text(network={"KillSwitch": "on"}))
    tap.equal(result.returncode, 1, "the exit status with KillSwitch")
    tap.contains(result.stderr, "no nftables", "the refusal")
    tap.same_lines(scene.client.network_state(), scene.before, "after the refusal")
    tap.check(not os.path.exists(scene.client.run_path("hopwire", "multihop.state")), "no state")
    result = up_without(scene.world.client_text(network={"KillSwitch": "on"}), "check")
    tap.equal(result.returncode, 1, "check with KillSwitch")
    tap.contains(result.stderr, "no kill switch: remove KillSwitch = on", "what it says")
    tap.equal(up_without(scene.world.client_text(), "check").returncode, 0, "check without")
    result = up_without(scene.world.client_text())
    hopwire.is_up = result.returncode == 0
    tap.equal(result.returncode, 0, "the exit status without")
    tap.contains(result.stderr, "going on without", "the warning")
    wait_reachable(scene.client, OFFICE)


@tap.test
def I5_the_daemon_keeps_one_right_and_down_works_with_it():
    hopwire = up()
    pid = hopwire.pids()[0]
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    for key, rights in (("CapEff", CAP_NET_ADMIN), ("CapPrm", CAP_NET_ADMIN), ("CapInh", 0),
                        ("CapBnd", 0)):
        tap.equal(int(fields[key], 16), rights, key)
    tap.equal(fields["NoNewPrivs"], "1", "NoNewPrivs")
    tap.equal(fields["Seccomp"], "2", "Seccomp: a filter")
    wait_reachable(scene.client, OFFICE)
    hopwire.down()
    tap.same_lines(scene.client.network_state(), scene.before, "after down")
    tap.equal(os.listdir(scene.client.run_path("hopwire")), [".lock"], "what is left in /run")


main()
