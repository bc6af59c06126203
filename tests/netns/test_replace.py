# SPDX-License-Identifier: MIT
"""RULES F4, A7: `hopwire up --replace` changes a network that is up, and not one packet of its
destinations leaves another way meanwhile, whatever the new file says."""

import os

import tap
from peers import Hopwire, is_dead, sections
from scene import main, scene
from world import (ENTRY_INNER, ENTRY_INNER6, OFFICE, OFFICE6, OFFICE_NET, OFFICE_NET6, WORLD, WORLD6,
                   wait_reachable)

ROUTER = ("192.0.2.1", "2001:db8:2::1")  # it may answer what left before

# Datagrams to many places of every prefix, again and again; says how many at the end.
FLOOD = """
import itertools, signal, time
from socket import *
sockets = {4: socket(AF_INET, SOCK_DGRAM), 6: socket(AF_INET6, SOCK_DGRAM)}
runs, count = [True], 0
signal.signal(signal.SIGTERM, lambda *_: runs.clear())
print("ready", flush=True)
for n in itertools.count():
    if not runs:
        break
    for family, place in ((4, f"{n % 80 + 11}.{n % 250}.1.1"), (6, f"2001:db8:{n % 60000 + 4096:x}::1"),
                          (4, f"198.18.0.{n % 20 + 70}"), (4, f"10.20.0.{n % 20 + 70}"),
                          (6, f"2001:db8:18::{n % 20 + 70:x}"), (6, f"fd20:20::{n % 20 + 70:x}")):
        try:
            sockets[family].sendto(b"x" * 64, (place, 4444))
            count += 1
        except OSError:
            pass
    time.sleep(0.001)
print("sent", count)
"""


class Flood:
    """Datagrams to many places and pings, and what of them leaves by the uplink."""

    def __init__(self):
        client = scene.client
        self.capture = client.capture("uplink", 128)
        self.processes = [client.start("python3", "-c", FLOOD, name="flood")]
        self.processes[0].wait_output("ready")
        for place in (WORLD, OFFICE, WORLD6, OFFICE6):
            self.processes.append(client.start("ping", "-n", "-q", "-i", "0.01", place))

    def stop(self):
        for process in self.processes:
            process.stop()
        sent = int(self.processes[0].output().split()[-1])
        tap.check(sent > 100, f"a flood: {sent} sent")
        return [p for p in scene.leaks(self.capture.stop()) if p.src not in ROUTER]


def replace(hopwire, text, *options, check=True):
    return hopwire.command("up", "--replace", *options, hopwire.write(text), check=check)


def multihop(network=None, **changes):
    return scene.world.client_text(network=network, **changes)


def is_running(hopwire, pids, what):
    tap.equal(hopwire.pids(), pids, f"{what}: the daemon that ran before")
    for place in (WORLD, OFFICE6):
        wait_reachable(scene.client, place)


CHANGES = {
    "the same again": multihop,
    "another interface's name": lambda network: multihop({"Interface": "vpn7", **network}),
    "one hop": lambda network: sections(*scene.world.client_parts(network=network)[:3]),
    "two hops, one prefix more and one less": lambda network: multihop(
        network, office={"Routes": f"{OFFICE_NET}, {OFFICE_NET6}, 10.99.0.0/16"},
        entry={"Routes": "0.0.0.0/0, ::/0, 198.18.0.0/16, !192.0.2.77/32"}),
    "another address": lambda network: multihop(
        {"Address": f"10.66.0.66, {ENTRY_INNER6}", **network},
        entry={"Address": [f"{ENTRY_INNER}/32", f"{ENTRY_INNER6}/128", "10.66.0.66/32"]}),
    "halves": lambda network: multihop(
        network, entry={"Routes": "0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1"}),
}


def check_no_gap(before, after):
    hopwire = scene.up(text=multihop({"KillSwitch": before}))
    wait_reachable(scene.client, WORLD)
    wait_reachable(scene.client, OFFICE6)
    flood = Flood()
    for what, text in CHANGES.items():
        pids = hopwire.pids()
        replace(hopwire, text({"KillSwitch": after}))
        tap.check(all(map(is_dead, pids)) and len(hopwire.daemons()) == 1, f"{what}: a new daemon")
        wait_reachable(scene.client, WORLD)
    wait_reachable(scene.client, OFFICE)
    tap.equal(flood.stop()[:3], [], f"on the uplink, KillSwitch {before} to {after}")
    has_one = "reject" in scene.client.run("nft", "list", "ruleset").stdout
    tap.equal(has_one, after == "on", "the kill switch of the new file")
    hopwire.down()
    tap.same_lines(scene.client.network_state(), scene.before, "the client's network")


@tap.test
def A7_down_and_up_leave_a_gap():
    """So the flood sees one."""
    hopwire = scene.up()
    wait_reachable(scene.client, WORLD)
    flood = Flood()
    hopwire.down()
    hopwire.up(text=multihop())
    tap.check(flood.stop(), "packets in the gap")


@tap.test
def A7_nothing_leaves_while_a_network_is_replaced():
    check_no_gap("off", "off")


@tap.test
def F4_nothing_leaves_while_a_killswitched_network_is_replaced():
    check_no_gap("on", "on")


@tap.test
def F4_a_kill_switch_goes_and_comes_without_a_gap():
    check_no_gap("on", "off")
    check_no_gap("off", "on")


@tap.test
def a_prefix_that_the_new_file_leaves_out_is_the_hosts_afterwards():
    hopwire = scene.up()
    replace(hopwire, scene.world.client_text(entry={"Routes": "none"}))
    tap.contains(scene.client.ip("route", "get", WORLD), "dev uplink", "the world")
    wait_reachable(scene.client, OFFICE)


@tap.test
def what_is_not_up_comes_up_also_after_a_crash():
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    replace(hopwire, multihop())
    hopwire.is_up = True
    wait_reachable(scene.client, OFFICE)
    hopwire.kill()
    replace(hopwire, multihop())
    wait_reachable(scene.client, OFFICE)
    tap.equal(hopwire.command("up", "--renew", "x", check=False).returncode, 2, "a wrong option")


@tap.test
def a_refusal_changes_nothing():
    client = scene.client
    hopwire = scene.up(text=multihop({"KillSwitch": "on"}))
    wait_reachable(client, WORLD)
    pids, standing = hopwire.pids(), client.network_state()
    client.ip("link", "add", "theirs", "type", "veth", "peer", "name", "far")
    taken = client.hold_port(5555)
    flood = Flood()
    try:
        for what, text, said in (
                ("no configuration", "[Network]\nInterface = hop0\nnonsense\n", "error"),
                ("a key that is wrong", multihop({"KillSwitch": "maybe"}), "KillSwitch"),
                ("an interface of another's", multihop({"Interface": "theirs"}), "theirs"),
                ("a port that is taken", multihop(entry={"ListenPort": "5555"}), "5555")):
            result = replace(hopwire, text, check=False)
            tap.equal(result.returncode, 1, f"{what}: the exit status")
            tap.contains(result.stderr, said, what)
            is_running(hopwire, pids, what)
        result = client.run("env", "HOPWIRE_AEAD=none", hopwire.binary, "up", "--replace",
                            hopwire.write(multihop()), check=False)
        tap.contains(result.stderr, "HOPWIRE_AEAD", "an AEAD that is not there")
        is_running(hopwire, pids, "an AEAD that is not there")
    finally:
        client.ip("link", "del", "theirs")
        taken.stop()
    tap.equal(flood.stop()[:3], [], "on the uplink")
    tap.same_lines(client.network_state(), standing, "the client's network")


@tap.test
def the_ports_of_the_network_itself_are_free_for_it():
    hopwire = scene.up(entry={"ListenPort": "5556"})
    wait_reachable(scene.client, WORLD)
    replace(hopwire, multihop(entry={"ListenPort": "5556"}))
    wait_reachable(scene.client, WORLD)
    tap.equal(hopwire.status()["tunnels"][0]["listen_port"], 5556, "its port")


@tap.test
def a_start_that_fails_after_the_old_one_ended_leaks_nothing():
    client = scene.client
    for kill_switch in ("off", "on"):
        hopwire = scene.up(text=multihop({"KillSwitch": kill_switch}))
        wait_reachable(client, OFFICE)
        flood, old = Flood(), hopwire.pids()
        result = client.run("sh", "-c", 'ulimit -f 0; exec "$@"', "sh", hopwire.binary, "up",
                            "--replace", os.path.join(client.dir, "multihop.conf"), check=False)
        tap.equal(result.returncode, 1, f"the exit status ({result.stderr})")
        tap.contains(result.stderr, "hopwire down multihop", "what to do")
        tap.check(all(map(is_dead, old)) and not hopwire.pids(), "no daemon")
        tap.equal(flood.stop()[:3], [], f"on the uplink, KillSwitch = {kill_switch}")
        replace(hopwire, multihop())
        wait_reachable(client, OFFICE)
        hopwire.down()
        tap.same_lines(client.network_state(), scene.before, "the client's network")


@tap.test
def two_at_once_come_one_after_the_other():
    hopwire = scene.up(text=multihop({"KillSwitch": "on"}))
    wait_reachable(scene.client, WORLD)
    flood, path = Flood(), os.path.join(scene.client.dir, "multihop.conf")
    both = [scene.client.start(hopwire.binary, "up", "--replace", path) for _ in range(3)]
    for process in both:
        tap.equal(process.wait(40), 0, f"the exit status: {process.output()}")
    tap.equal(len(hopwire.daemons()), 1, "daemons")
    wait_reachable(scene.client, OFFICE)
    tap.equal(flood.stop()[:3], [], "on the uplink")
    hopwire.down()
    tap.same_lines(scene.client.network_state(), scene.before, "the client's network")


@tap.test
def a_network_of_another_namespace_is_replaced_from_there():
    client, other = scene.client, scene.lab.host("other")
    hopwire = scene.up()
    wait_reachable(client, WORLD)
    pids, path = hopwire.pids(), os.path.join(client.dir, "multihop.conf")
    run_here = {"HOPWIRE_RUN_DIR": client.run_path("hopwire")}
    result = other.run(hopwire.binary, "up", "--replace", path, env=run_here, check=False)
    tap.equal(result.returncode, 1, f"the exit status ({result.stderr})")
    tap.contains(result.stderr, "another network namespace", "the refusal")
    is_running(hopwire, pids, "from another network namespace")
    result = client.run("unshare", "--pid", "--fork", "--mount-proc", hopwire.binary, "up",
                        "--replace", path, check=False)
    tap.equal(result.returncode, 1, f"the exit status ({result.stderr})")
    tap.contains(result.stderr, "another PID namespace", "the refusal")
    is_running(hopwire, pids, "from another PID namespace")


main(services=False)
