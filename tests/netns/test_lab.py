# SPDX-License-Identifier: MIT
"""The lab itself, proved with two nested wireguard-go interfaces: what fails here is the lab's."""

import hashlib
import os
import subprocess
import sys
import tempfile

import needed
import surroundings
import tap
from lab import HERE, Lab, NotPossible, reexec_unprivileged
from pattern import pattern
from world import (ENTRY, ENTRY_INNER, EXIT, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6, OFFICE_NET, WORLD,
                   WORLD6, ENTRY6, CLIENT, NestedWireguardGo, World)

lab = world = client = before = None


def set_up():
    global lab, world, client, before
    lab = Lab()
    world = World(lab)
    world.start_services()
    world.start_relays()
    client = world.client
    before = client.network_state()
    world.nested = NestedWireguardGo(world)


@tap.test
def office_is_reached_through_both_hops_over_both_families():
    tap.equal(client.fetch(f"http://{OFFICE}/"), f"office sees {EXIT_INNER}\n", "the IPv4 page")
    tap.equal(client.fetch(f"http://[{OFFICE6}]/"), f"office sees {EXIT_INNER6}\n", "the IPv6 page")


@tap.test
def world_is_reached_from_the_entry_over_both_families():
    tap.equal(client.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "the IPv4 page")
    tap.equal(client.fetch(f"http://[{WORLD6}]/"), f"world sees {ENTRY6}\n", "the IPv6 page")


@tap.test
def pings_of_the_path_s_size_pass():
    tap.check(client.ping(OFFICE, "-M", "do", "-s", world.exit_mtu - 28), "full size through two")
    tap.check(client.ping(WORLD, "-M", "do", "-s", world.entry_mtu - 28), "full size through one")
    tap.check(client.ping(OFFICE6, "-s", world.exit_mtu - 48), "full size through two, IPv6")


@tap.test
def large_transfers_arrive_whole():
    size = 5_000_000
    body = client.write("body", "")
    with open(body, "wb") as file:
        file.write(pattern(size))
    client.run("curl", "-sS", "-f", "-m", "30", "-o", body + ".got", f"http://{OFFICE}/bytes/{size}")
    with open(body + ".got", "rb") as file:
        tap.check(file.read() == pattern(size), "the downloaded bytes are the right ones")
    answer = client.fetch(f"http://{OFFICE}/", "-T", body, timeout=30)
    tap.equal(answer.split(), [str(size), hashlib.sha256(pattern(size)).hexdigest()], "the upload")


@tap.test
def captures_see_what_the_entry_sees():
    inside = world.entry.capture("wg0")
    uplink = client.capture("uplink")
    client.fetch(f"http://{OFFICE}/")
    client.fetch(f"http://{WORLD}/")
    seen, sent = inside.stop(), uplink.stop()
    tap.check(any(p.dst == EXIT and p.dport == 51820 for p in seen), "datagrams to the exit")
    tap.check(any(p.src == ENTRY_INNER and p.dst == WORLD for p in seen), "the world's page request")
    tap.check(not any(p.concerns(OFFICE_NET) for p in seen), "no office address at the entry")
    tap.check(sent and all({p.src, p.dst} == {CLIENT, ENTRY} for p in sent if p.version == 4),
              "only datagrams between client and entry on the uplink")
    # What a newer wireguard-go's TUN has joined, or not yet cut, has its checksum still to come.
    tap.check(any(p.checksum_is_right() for p in seen if p.dst == EXIT), "checksums")


def refused(*argv):
    try:
        client.run(*argv)
    except needed.NotNeeded as refusal:
        return str(refusal)
    raise tap.Failed(f"{argv} was started")


@tap.test
def only_programs_of_the_packages_that_the_lists_name_are_started():
    if needed.packages() is None:
        raise tap.Skip("there is no dpkg here")
    directory, path = tempfile.mkdtemp(dir=lab.dir), os.environ["PATH"]
    os.environ["PATH"] = directory + ":" + path
    try:
        with open(os.open(directory + "/by-hand", os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
            file.write("#!/bin/sh\n")
        tap.contains(refused("by-hand", "x"), "by-hand", "a program that somebody built")
        tap.contains(refused("by-hand"), "no Debian package", "a program that somebody built")
    finally:
        os.environ["PATH"] = path
    for argv in (["dpkg-query", "-W"], ["sh", "-c", "true"], ["kill", "-L"], ["python3", "-V"]):
        client.run(*argv)
    # apt is on every Debian, but nothing that the labs use needs it.
    for argv in (["apt-get", "-v"], ["/usr/bin/apt-get", "-v"], ["timeout", "5", "apt-get", "-v"],
                 ["sh", "-c", "for i in 1; do apt-get -v; done"],
                 ["sh", "-c", 'exec "$@"', "sh", "apt-get"], ["env", "A=b", "apt-get", "-v"]):
        tap.contains(refused(*argv), "the package apt,", " ".join(argv))
    try:
        client.start("apt-get", "-v")
    except needed.NotNeeded:
        return
    raise tap.Failed("apt-get was started in the background")


# What a machine may have that a lab must not see.
STRANGE = {"http_proxy": "http://192.0.2.9:1", "ALL_PROXY": "socks5://192.0.2.9:1",
           "TZ": "Asia/Tokyo", "LC_ALL": "de_DE.ISO-8859-1", "LD_PRELOAD": "/nowhere.so", "PYTHONPATH": "/nowhere",
           "HOME": "/nowhere"}


@tap.test
def a_lab_sees_nothing_of_the_machine_s_settings():
    """The first points of this program once more, on a machine that is set up strangely."""
    with tempfile.TemporaryDirectory() as home:
        with open(os.path.join(home, ".curlrc"), "w") as file:
            file.write("proxy = http://192.0.2.9:1\n")
        limits = "umask 077; ulimit -n 600; ulimit -c unlimited; trap '' QUIT USR1; cd /proc/self"
        result = subprocess.run(
            ["sh", "-c", limits + '; PATH=/usr/bin:/bin exec "$@"', "sh", sys.executable,
             os.path.abspath(__file__), "office_is_reached_through_both_hops_over_both_families",
             "world_is_reached_from_the_entry_over_both_families",
             "what_a_program_in_a_lab_finds_is_always_the_same"],
            env={**os.environ, **STRANGE, "HOME": home}, capture_output=True, text=True)
    tap.equal(result.returncode, 0, result.stdout + result.stderr)


@tap.test
def what_a_program_in_a_lab_finds_is_always_the_same():
    variables = client.run("env").stdout
    for name in ("proxy", "LD_PRELOAD", "PYTHON"):
        tap.check(name.lower() not in variables.lower(), f"no {name} in {variables}")
    tap.contains(variables, "HOME=" + client.dir, "the environment")
    tap.equal(client.run("sh", "-c", "date -d @0 +%H:%M; umask; ulimit -c; pwd").stdout.split(),
              ["00:00", "0022", "0", client.dir], "time zone, umask, core files, directory")
    tap.equal(client.run("sh", "-c", "grep SigIgn /proc/self/status").stdout.split()[1], "0" * 16,
              "ignored signals")
    tap.equal(sorted(client.run("ls", "/etc").stdout.split()),
              sorted({*surroundings.ETC, "iproute2"} - {"iproute2/rt_tables"}
                     | {name for name in surroundings.SHARED_ETC
                        if os.path.exists("/etc/" + name)}),
              "/etc")
    for key in ("all/rp_filter", "default/rp_filter", "all/forwarding", "default/src_valid_mark"):
        tap.equal(client.run("cat", "/proc/sys/net/ipv4/conf/" + key).stdout, "0\n", key)


@tap.test
def nothing_asks_for_the_machine_s_own_name():
    """Where /etc/hosts does not have it, a server that asks waits for the resolver in vain."""
    etc_hosts, uplink = os.path.join(client.dir, "etc", "hosts"), client.capture("uplink")
    with open(etc_hosts, "w") as file:
        file.write("127.0.0.1 localhost\n")
    service = client.start("python3", os.path.join(HERE, "services.py"), "client", name="services")
    service.wait_output("ready")
    service.stop()
    asked = [p for p in uplink.stop() if 53 in (p.sport, p.dport)]
    tap.equal(asked, [], "questions to the resolver")


@tap.test
def down_leaves_the_host_as_it_was():
    world.nested.down()
    tap.same_lines(client.network_state(), before, "the client's network")


if __name__ == "__main__":
    try:
        reexec_unprivileged()
        set_up()
    except NotPossible as why:
        tap.skip_all(why)
    tap.main()
