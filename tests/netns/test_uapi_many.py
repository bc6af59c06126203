# SPDX-License-Identifier: MIT
"""`wg` on a tunnel with ten thousand peers (RULES I4): how long it takes, and that packets do not wait."""

import base64
import re
import signal
import socket
import time

import tap
from lab import wait_until
from peers import sections
from scene import IS_SANITIZED, main, scene
from world import OFFICE, wait_reachable

PEERS = 10000


def peer_key(number):
    return base64.b64encode(b"\1\2\3\4" * 7 + number.to_bytes(4, "big")).decode()


def many_peers():
    return "".join(f"[Peer]\nPublicKey = {peer_key(number)}\n"
                   f"AllowedIPs = 10.{100 + number // 250}.{number % 250}.0/24\n"
                   for number in range(PEERS))


class Pings:
    """A stream through both hops; stop() gives the slowest answer in ms, and none was lost."""

    def __init__(self):
        self.process = scene.client.start("ping", "-n", "-i", "0.005", "-W", "2", OFFICE, name="ping")
        self.process.wait_output("icmp_seq=50 ")

    def stop(self):
        seen = self.process.output().count("icmp_seq=")
        self.process.wait_output(f"icmp_seq={seen + 50} ")
        self.process.stop(signal.SIGINT)
        answers = dict(re.findall(r"icmp_seq=(\d+) .*time=([0-9.]+)", self.process.output()))
        lost = set(map(str, range(1, seen + 51))) - set(answers)
        tap.equal(lost, set(), "lost pings")
        return max(map(float, answers.values()))


@tap.test
def ten_thousand_peers_are_shown_within_a_second_and_delay_nothing():
    parts = scene.world.client_parts()
    scene.up(text=sections(*parts[:3]) + many_peers() + sections(*parts[3:]))
    wait_reachable(scene.client, OFFICE)
    pings = Pings()
    began = time.monotonic()
    dump = scene.client.run("wg", "show", "hop0", "dump").stdout
    took = time.monotonic() - began
    slowest = pings.stop()
    tap.note(f"{PEERS} peers shown in {took * 1000:.0f} ms; the slowest ping took {slowest:.1f} ms")
    tap.equal(len(dump.splitlines()), PEERS + 2, "lines")
    tap.check(took < (5 if IS_SANITIZED else 1), f"shown in {took:.2f} s")
    tap.check(slowest < (500 if IS_SANITIZED else 100), f"the slowest ping took {slowest} ms")


@tap.test
def TRAP_26_a_request_may_have_130000_allowed_ips():
    scene.up(entry={"Routes": "0.0.0.0/0"})
    wait_reachable(scene.client, OFFICE)
    key = scene.world.keys["entry"].public
    prefixes = [f"{11 + i // 65536}.{i // 256 % 256}.{i % 256}.0/24" for i in range(130000)]
    path = scene.client.write("many.conf", "[Peer]\nPublicKey = %s\nAllowedIPs = 0.0.0.0/0, ::/0, %s\n" %
                              (key, ", ".join(prefixes)))
    pings = Pings()
    began = time.monotonic()
    scene.client.run("wg", "addconf", "hop0", path)
    took = time.monotonic() - began
    shown = scene.client.run("wg", "show", "hop0", "allowed-ips").stdout.split("\t")[1].split()
    slowest = pings.stop()
    tap.note(f"set in {took * 1000:.0f} ms; the slowest ping took {slowest:.0f} ms")
    tap.equal(len(shown), len(prefixes) + 2, "all of them are shown")
    tap.check(set(prefixes) <= set(shown), "as they were set")
    began = time.monotonic()
    scene.client.run("wg", "set", "hop0", "peer", key, "allowed-ips", "0.0.0.0/0,::/0")
    tap.note(f"all but two taken away in {(time.monotonic() - began) * 1000:.0f} ms")
    tap.check(scene.client.ping(OFFICE), "the office answers")


@tap.test
def what_is_more_than_a_request_may_have_is_refused_whole():
    scene.up(entry={"Routes": "0.0.0.0/0"})
    wait_reachable(scene.client, OFFICE)
    before = scene.client.run("wg", "showconf", "hop0").stdout
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(scene.client.run_path("wireguard", "hop0.sock"))
        client.settimeout(60)
        client.sendall(b"set=1\npublic_key=" + b"11" * 32 + b"\n")
        line = b"allowed_ip=10.0.0.0/8\n" * 10000
        for _ in range(200):
            client.sendall(line)
        client.sendall(b"\n")
        answer = client.recv(100)
        tap.equal(answer, b"errno=-12\n\n", "two million AllowedIPs")
        client.sendall(b"set=1\n\n")
        tap.equal(client.recv(100), b"errno=0\n\n", "the connection goes on")
    tap.equal(scene.client.run("wg", "showconf", "hop0").stdout, before, "nothing changed")


@tap.test
def peers_are_added_one_by_one():
    count = 1000
    scene.up(entry={"Routes": "0.0.0.0/0"})
    wait_reachable(scene.client, OFFICE)
    pings = Pings()
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(scene.client.run_path("wireguard", "hop0.sock"))
        client.settimeout(60)
        for number in range(count):
            key = base64.b64decode(peer_key(number)).hex()
            client.sendall(f"set=1\npublic_key={key}\nreplace_allowed_ips=true\n"
                           f"allowed_ip=10.{100 + number // 250}.{number % 250}.0/24\n\n".encode())
            tap.equal(client.recv(100), b"errno=0\n\n", "added")
    took = time.monotonic() - began
    slowest = pings.stop()
    tap.note(f"{took / count * 1e6:.0f} us a peer; the slowest ping took {slowest:.0f} ms")
    tap.equal(len(scene.client.run("wg", "show", "hop0", "peers").stdout.split()), count + 1, "peers")
    tap.check(slowest < (1000 if IS_SANITIZED else 200), f"the slowest ping took {slowest} ms")


@tap.test
def routes_follow_a_heap_of_changes():
    count = 300
    hopwire = scene.up(network={"KillSwitch": "on"})
    wait_reachable(scene.client, OFFICE)
    before = scene.client.ip("-4", "route", "show", "table", "all")
    routes = lambda: scene.client.ip("-4", "route", "show", "table", "all")
    net = lambda number: f"172.{16 + number // 250}.{number % 250}.0/24"
    pings = Pings()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(scene.client.run_path("wireguard", "hop0.office.sock"))
        client.settimeout(60)
        for number in range(count):
            client.sendall(f"set=1\npublic_key={base64.b64decode(peer_key(number)).hex()}\n"
                           f"allowed_ip={net(number)}\n\n".encode())
            tap.equal(client.recv(100), b"errno=0\n\n", "added")
        wait_until(lambda: all(net(number) + " dev" in routes() for number in range(count)), 10,
                   "a route for each")
        for number in range(count):
            client.sendall(f"set=1\npublic_key={base64.b64decode(peer_key(number)).hex()}\n"
                           "remove=true\n\n".encode())
            tap.equal(client.recv(100), b"errno=0\n\n", "removed")
        wait_until(lambda: routes() == before, 10, "the routes as before")
    pings.stop()
    tap.equal(len(hopwire.status()["tunnels"][1]["peers"]), 1, "peers")


if __name__ == "__main__":
    main()
