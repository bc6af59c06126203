# SPDX-License-Identifier: MIT
"""Nobody computes an MTU: narrow links behind the exit, wide office networks, a LAN behind this
machine, an uplink that changes, tunnels in the tunnel. Everything arrives, unfragmented outside."""

import hashlib
import time

import tap
from lab import HERE, wait_until
from packets import UDP
from pattern import pattern
from peers import Hopwire, at
from scene import IS_SANITIZED, main, scene
from world import (CLIENT, CLIENT6, ENTRY, ENTRY6, ENTRY_INNER, EVERYTHING, EXIT_INNER, OFFICE,
                   OFFICE6, OFFICE_NET, OFFICE_NET6, WORLD, WORLD6, wait_reachable)

# Behind the exit: a router outside `Routes`, then a link of 1300 bytes to a server.
FAR, FAR6, NARROW = "10.20.200.80", "fd20:20:0:200::80", 1300
SIZE = 4_000_000 if IS_SANITIZED else 20_000_000
DIGEST = hashlib.sha256(pattern(SIZE)).hexdigest()
SLOW = 100
hosts = {}


def up():
    hopwire = scene.up(office={"Routes": [OFFICE_NET, OFFICE_NET6]},
                       office_peer={"AllowedIPs": EVERYTHING})
    for place in (OFFICE, WORLD, FAR):
        wait_reachable(scene.client, place)
    return hopwire


def url(place):
    return f"http://[{place}]" if ":" in place else f"http://{place}"


def start_download(place, host, *options):
    return host.start("sh", "-c", f"curl -sS -f -g -m {SLOW} {' '.join(options)} "
                      f"'{url(place)}/bytes/{SIZE}' | sha256sum", name="download")


def start_upload(place, host, *options):
    return host.start("curl", "-sS", "-f", "-g", "-m", SLOW, *options, "-T", hosts["body"],
                      url(place) + "/", name="upload")


def finish(*transfers):
    for what, transfer in transfers:
        transfer.wait(SLOW + 10)
        tap.contains(transfer.output(), DIGEST, what)


def transfer_both_ways(places, host=None):
    """All of them side by side."""
    host = host or scene.client
    finish(*[(f"{start.__name__} {place}", start(place, host)) for place in places
             for start in (start_download, start_upload)])


def check_unfragmented(capture):
    fragments = [p for p in capture.stop() if p.more_fragments or p.fragment_offset]
    tap.check(not fragments, f"{len(fragments)} fragments on the outer wire: {fragments[:3]}")


@tap.test
def C6_twenty_megabytes_pass_a_narrow_link_whose_router_is_outside_the_routes():
    up()
    uplink = scene.client.capture("uplink", 100)
    transfer_both_ways((FAR, FAR6))
    check_unfragmented(uplink)


@tap.test
def C8_office_hosts_of_9000_bytes():
    """Those of 1500 are in every other test."""
    up()
    uplink = scene.client.capture("uplink", 100)
    ends = scene.world.exit, scene.world.office
    try:
        for host in ends:
            host.ip("link", "set", "lan", "mtu", 9000)
        transfer_both_ways((OFFICE, OFFICE6))
    finally:
        for host in ends:
            host.ip("link", "set", "lan", "mtu", 1500)
    check_unfragmented(uplink)


@tap.test
def B2_a_lan_client_behind_this_machine():
    up()
    laptop = hosts["laptop"]
    wait_reachable(laptop, OFFICE)
    uplink = scene.client.capture("uplink", 100)
    transfer_both_ways((OFFICE, OFFICE6, FAR), laptop)
    check_unfragmented(uplink)


def pieces_of_a_full_datagram(mtu):
    """Into how many the largest of those that carry a packet of this size is cut on the uplink."""
    wait_reachable(scene.client, WORLD)
    uplink = scene.client.capture("uplink", 100)
    scene.client.run("ping", "-c", 1, "-W", 1, "-M", "do", "-s", mtu - 28, WORLD, check=False)

    def longest():
        lengths = {}
        for piece in uplink.so_far():
            if piece.protocol == UDP and piece.src in (CLIENT, CLIENT6):
                mine = lengths.setdefault(piece.identification or object(), [])
                mine.append(piece.length)
        return max(lengths.values(), key=sum, default=[])
    wait_until(lambda: sum(longest()) > mtu, 5, "the datagram on the uplink")
    uplink.stop()
    return len(longest())


@tap.test
def E1_an_MTU_that_the_way_cannot_take_in_one_piece_is_told():
    """By check and by up, with the number to write; what fits, and a file's upper bound, without a
    word. It stands all the same."""
    world = scene.world
    hopwire = Hopwire(scene.client, "multihop")
    for endpoint, fits in ((ENTRY, 1440), (ENTRY6, 1420)):
        for mtu, pieces in ((9000, 7), (1500, 2), (fits + 1, 2), (fits, 1), (1300, 1)):
            text = world.client_text(entry={"MTU": mtu}, entry_peer={"Endpoint": at(endpoint)})
            check = hopwire.command("check", hopwire.write(text))
            scene.networks.append(hopwire)
            up = hopwire.up(text=text)
            tap.equal(hopwire.status()["tunnels"][0]["mtu"], mtu, "the entry's MTU")
            tap.equal(pieces_of_a_full_datagram(mtu), pieces, f"pieces to {endpoint} at {mtu}")
            hopwire.down()
            for said in (check.stdout, up.stderr):
                if mtu > fits:
                    tap.contains(said, f"entry: MTU = {mtu} is more than its way takes: of the "
                                       f"link's 1500 a hop leaves {fits}", endpoint)
                    tap.contains(said, f"goes out in {pieces} fragments", endpoint)
                    tap.contains(said, f"write MTU = {fits}, or", "what to do")
                else:
                    tap.check("MTU =" not in said, said)
    quick = scene.client.write("entry.conf", world.entry_quick_text(MTU=1500))
    included = hopwire.command("check", hopwire.write(
        f"[Network]\nInterface = hop0\n[Tunnel entry]\nConfig = {quick}\n"))
    tap.check("MTU =" not in included.stdout, included.stdout)
    tap.contains(hopwire.command("check", quick).stdout, "write MTU = 1440", "a plain file")


@tap.test
def E2_tracepath_prints_the_path_s_mtu():
    up()
    for place, mtu in ((OFFICE, scene.world.exit_mtu), (OFFICE6, scene.world.exit_mtu),
                       (WORLD, scene.world.entry_mtu), (FAR, NARROW), (FAR6, NARROW)):
        result = scene.client.run("tracepath", "-n", "-m", 5, place, check=False)
        tap.contains(result.stdout, f"Resume: pmtu {mtu} ", f"tracepath {place}")


ASK_MTU = """
import socket, sys, time
place, size = sys.argv[1], int(sys.argv[2])
is_ipv6 = ":" in place
s = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
level = socket.IPPROTO_IPV6 if is_ipv6 else socket.IPPROTO_IP
s.setsockopt(level, 23 if is_ipv6 else 10, 2)  # MTU_DISCOVER: DO
s.connect((place, 7))
for _ in range(20):
    try:
        s.send(bytes(size))
    except OSError:
        pass
    time.sleep(0.1)
    mtu = s.getsockopt(level, 24 if is_ipv6 else 14)
    if mtu == int(sys.argv[3]):
        break
print(mtu)
"""


@tap.test
def E2_a_udp_socket_reads_the_path_s_mtu():
    up()
    for place, size, mtu in ((OFFICE, 1000, scene.world.exit_mtu), (WORLD, 1000, scene.world.entry_mtu),
                             (OFFICE6, 1000, scene.world.exit_mtu), (FAR, 1340, NARROW),
                             (FAR6, 1320, NARROW)):
        result = scene.client.run("python3", "-c", ASK_MTU, place, size, mtu)
        tap.equal(int(result.stdout), mtu, f"IP_MTU towards {place}")


@tap.test
def E2_who_is_forwarded_for_learns_the_path_s_mtu_from_the_first_too_big():
    """UDP in IPv6 fragments from a LAN behind this machine: the kernel itself tells of the deeper path,
    not of the interface, so that one datagram is lost, as with an interface for each hop."""
    up()
    laptop, world = hosts["laptop"], scene.world
    for place, mtu in ((OFFICE6, world.exit_mtu), (WORLD6, world.entry_mtu)):
        wait_reachable(laptop, place)
        lan = scene.client.capture("lan0")
        answers = [scene.ask(place, 7, "--size", 3000, "--timeout", 1, host=laptop)
                   for _ in range(3)]
        told = [p for p in lan.stop() if p.is_too_big() and p.dst == "fd99::2"]
        tap.equal([int.from_bytes(p.transport[4:8], "big") for p in told], [mtu], f"too-big for {place}")
        tap.equal(answers[0], "EMSGSIZE", f"the first to {place}")
        tap.contains(answers[2], "echoed 3000", f"the third to {place}, of {answers}")


def set_uplink(mtu):
    scene.world.internet.ip("link", "set", "client", "mtu", mtu)
    scene.client.ip("link", "set", "uplink", "mtu", mtu)


def mtu_of(hopwire, name):
    return next(t["mtu"] for t in hopwire.status()["tunnels"] if t["name"] == name)


@tap.test
def E1_E4_the_uplink_s_mtu_changes_while_traffic_runs():
    hopwire, client = up(), scene.client
    try:
        slowly = ("--limit-rate", str(SIZE // 5))
        # Over IPv6 the office's path falls under 1280 for a while, and carries nothing then.
        running = [(f"{start.__name__} {place}", start(place, client, *slowly))
                   for place in (OFFICE, WORLD, OFFICE6, WORLD6) for start in (start_download, start_upload)]
        for mtu in (1420, 1340, 1500):
            time.sleep(1)  # traffic of this size runs
            set_uplink(mtu)
            wait_until(lambda: mtu_of(hopwire, "office") == mtu - 120, 5, f"the MTU {mtu - 120}")
        finish(*running)
    finally:
        set_uplink(1500)
    for place in (OFFICE, OFFICE6, WORLD, WORLD6):
        wait_reachable(client, place)
    tap.check(client.ping(OFFICE6, "-M", "do", "-s", scene.world.exit_mtu - 48), "full size, IPv6")
    tap.check(client.ping(OFFICE, "-M", "do", "-s", scene.world.exit_mtu - 28), "full size, IPv4")


@tap.test
def B5_vxlan_over_the_inner_tunnel():
    client, office = scene.client, scene.world.office
    up()
    own = ["type", "vxlan", "id", 42, "dstport", 4789, "udpcsum", "remote"]
    try:
        client.ip("link", "add", "vx", "mtu", 1330, *own, OFFICE, "local", ENTRY_INNER)
    except Exception as error:
        raise tap.Skip(f"no vxlan in this kernel: {error}")
    try:
        office.ip("link", "add", "vx", "mtu", 1330, *own, EXIT_INNER)
        for host, address in ((client, "10.99.0.1/24"), (office, "10.99.0.2/24")):
            host.address("vx", address)
            host.ip("link", "set", "vx", "up")
        wait_reachable(client, "10.99.0.2")
        transfer_both_ways(("10.99.0.2",))
    finally:
        client.ip("link", "del", "vx")
        office.ip("link", "del", "vx", check=False)


def build():
    lab, world, client = scene.lab, scene.world, scene.client
    router, far, laptop = lab.host("router"), lab.host("far"), lab.host("laptop")
    hosts.update(router=router, far=far, laptop=laptop)
    hosts["body"] = client.write("body", "")
    with open(hosts["body"], "wb") as file:
        file.write(pattern(SIZE))
    lab.link(world.exit, "routed", router, "exit")
    lab.link(router, "narrow", far, "narrow", NARROW)
    world.exit.address("routed", "172.31.0.1/24", "fd31::1/64")
    router.address("exit", "172.31.0.2/24", "fd31::2/64")
    router.address("narrow", "10.20.200.1/24", "fd20:20:0:200::1/64")
    far.address("narrow", FAR + "/24", FAR6 + "/64")
    router.forward()
    router.route("default", "via", "172.31.0.1")
    router.route("default", "via", "fd31::1")
    # It claims a larger MSS than the link has, so that senders must learn the link's MTU.
    far.route("default", "via", "10.20.200.1", "advmss", "1460")
    far.route("default", "via", "fd20:20:0:200::1", "advmss", "1440")
    world.exit.route("10.20.200.0/24", "via", "172.31.0.2")
    world.exit.route("fd20:20:0:200::/64", "via", "fd31::2")
    far.start("python3", HERE + "/services.py", "far").wait_output("ready")
    lab.link(client, "lan0", laptop, "lan0")
    client.address("lan0", "192.168.9.1/24", "fd99::1/64")
    laptop.address("lan0", "192.168.9.2/24", "fd99::2/64")
    laptop.route("default", "via", "192.168.9.1")
    laptop.route("default", "via", "fd99::1")
    client.forward()
    client.masquerade("hop0")
    scene.before = client.network_state()


if __name__ == "__main__":
    main(afterwards=build, segments=False)
