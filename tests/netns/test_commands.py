# SPDX-License-Identifier: MIT
"""The commands at their edges: several networks, two `up` at once, an end in the middle of a start,
and what `route`, `check` and `status` print."""

import base64
import json
import os
import signal
import socket
import threading
import time

import tap
from lab import wait_until
from peers import Hopwire, Key, at, is_dead, sections
from scene import main, scene
from world import EXIT, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6, OFFICE_NET6, wait_reachable


def small_text(number, interface=None, **changes):
    """A network of one tunnel to nobody, for its own prefix."""
    return sections(("Network", {"Interface": interface or f"small{number}"}),
                    ("Tunnel one", {"PrivateKey": Key().private, "Address": f"10.9{number}.0.2/32",
                                    **changes}),
                    ("Peer", {"PublicKey": Key().public, "Endpoint": at("192.0.2.77"),
                              "AllowedIPs": f"10.9{number}.0.0/16"}))


def small(number, **changes):
    hopwire = Hopwire(scene.client, f"small{number}")
    hopwire.write(small_text(number, **changes))
    scene.networks.append(hopwire)
    return hopwire


def path_of(hopwire):
    return os.path.join(scene.client.dir, hopwire.name + ".conf")


def rules():
    return [line for family in ("-4", "-6") for line in scene.client.ip(family, "rule").splitlines()
            if "fwmark" in line]


@tap.test
def status_of_all_networks_is_one_json_array():
    hopwire = Hopwire(scene.client, "none")
    tap.equal(json.loads(hopwire.command("status", "--json").stdout), [], "no network")
    for number in (2, 1):
        small(number).up(os.path.join(scene.client.dir, f"small{number}.conf"))
    networks = json.loads(hopwire.command("status", "--json").stdout)
    tap.equal([network["name"] for network in networks], ["small1", "small2"], "both, sorted")
    one = json.loads(hopwire.command("status", "small2", "--json").stdout)
    tap.equal(one["name"], "small2", "with a name, one object")
    text = hopwire.command("status").stdout
    tap.check("small1: interface small1" in text and "small2: interface small2" in text, text)


@tap.test
def a_crashed_network_says_so_and_the_others_are_shown():
    first, second = small(1), small(2)
    first.up(path_of(first))
    pids = first.pids()
    second.up(path_of(second))
    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: is_dead(pids[0]), 5, "its end")
    result = first.command("status", "--json", check=False)
    tap.equal(result.returncode, 1, "the exit status")
    tap.equal([(network["name"], network["state"]) for network in json.loads(result.stdout)],
              [("small1", "crashed"), ("small2", "up")], "the networks")
    result = first.command("status", "small1", "--json", check=False)
    tap.equal(result.returncode, 1, "the exit status of one")
    tap.equal(json.loads(result.stdout), {"name": "small1", "state": "crashed"}, "one alone")
    result = first.command("status", check=False)
    tap.check("small1" not in result.stdout and "small2: interface" in result.stdout, result.stdout)
    tap.contains(result.stderr, "hopwire down small1", "the advice")


@tap.test
def a_daemon_that_lives_without_its_socket_is_not_said_to_have_ended():
    hopwire = small(1)
    hopwire.up(path_of(hopwire))
    scene.client.run("mv", "/run/hopwire/small1.sock", "/run/hopwire/moved")
    result = hopwire.command("status", "small1", check=False)
    scene.client.run("mv", "/run/hopwire/moved", "/run/hopwire/small1.sock")
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, f"small1 runs (process {hopwire.daemons()[0]})", "the sentence")
    tap.check("ended" not in result.stderr, result.stderr)


def say(hopwire, line):
    """What the network's socket answers, up to its end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(scene.client.run_path("hopwire", hopwire.name + ".sock"))
        client.sendall(line)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


@tap.test
def I2_what_is_no_request_is_told_and_changes_nothing():
    hopwire = small(1)
    hopwire.up(path_of(hopwire))
    standing = scene.client.network_state()
    for line, sentence in (
            (b"hello\n", "unknown request"), (b"\n", "unknown request"), (b"Down\n", "unknown request"),
            (b"down now\n", "unknown request"), (b"route nowhere\n", "unknown request"),
            *((line, "this is no request: one line of text, with its end")
              for line in (b"x" * 4096, b"do\0wn\n", b"down", b"\xff\0\x80" * 99)),
            (b"reload\n", "no configuration came with the request"),
            (b"reload dry-run\n", "no configuration came with the request")):
        tap.contains(say(hopwire, line), sentence, repr(line[:20]))
    tap.equal(say(hopwire, b"attendant\n").strip(), "{}", "nobody is handed over")
    tap.same_lines(scene.client.network_state(), standing, "the network")
    with socket.socket(socket.AF_UNIX) as half:
        half.connect(scene.client.run_path("hopwire", "small1.sock"))
        half.sendall(b"stat")
        tap.equal(hopwire.status()["name"], "small1", "it answers others meanwhile")
        half.sendall(b"us\n")
        tap.contains(half.recv(100).decode(), "small1", "and this one once its line is whole")


@tap.test
def many_networks_started_at_once_share_no_table():
    networks = [small(number) for number in range(1, 6)]
    started = [scene.client.start(hopwire.binary, "up", path_of(hopwire), name=hopwire.name)
               for hopwire in networks]
    for process in started:
        tap.equal(process.popen.wait(60), 0, f"the exit status: {process.output()}")
    for hopwire in networks:
        hopwire.is_up = True
    marks = [network["fwmark"] for network in
             json.loads(networks[0].command("status", "--json").stdout)]
    tap.equal(len(set(marks)), 5, "marks")
    for number in range(1, 6):
        got = scene.client.ip("route", "get", f"10.9{number}.0.9")
        tap.contains(got, f"dev small{number}", "each has its prefix")
    networks[2].down()
    for number in (1, 2, 4, 5):
        got = scene.client.ip("route", "get", f"10.9{number}.0.9")
        tap.contains(got, f"dev small{number}", "one that goes takes nothing of the others")


@tap.test
def the_same_network_started_twice_at_once_comes_up_once():
    hopwire = small(1)
    started = [scene.client.start(hopwire.binary, "up", path_of(hopwire), name=f"twin{i}")
               for i in range(3)]
    ends = sorted(process.popen.wait(60) for process in started)
    hopwire.is_up = True
    tap.equal(ends, [0, 1, 1], "exit statuses")
    tap.equal(len(hopwire.daemons()), 1, "daemons")
    tap.equal(hopwire.status()["name"], "small1", "it answers")
    tap.contains(scene.client.ip("route", "get", "10.91.0.9"), "dev small1", "and has its routes")


def end_while_it_starts(after_s, number, foreground):
    hopwire = Hopwire(scene.client, "small1")
    argv = [hopwire.binary, "up", *(["-f"] if foreground else []), path_of(hopwire)]
    process = scene.client.start(*argv, name="up")
    wait_until(lambda: hopwire.pids() or process.popen.poll() is not None, 10, "its start")
    time.sleep(after_s)
    for pid in hopwire.pids():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
    process.popen.wait(30)
    wait_until(lambda: not hopwire.pids(), 20, "no daemon left")
    tap.same_lines(scene.client.network_state(), scene.before,
                   f"signal {number} after {after_s:.3f} s")
    run = scene.client.run_path("hopwire")
    left = [name for name in os.listdir(run) if name != ".lock"] if os.path.isdir(run) else []
    tap.equal(left, [], f"files after signal {number} at {after_s:.3f} s")


@tap.test
def a_signal_at_any_moment_of_the_start_leaves_nothing():
    Hopwire(scene.client, "small1").write(small_text(1))
    for step in range(24):
        number = signal.SIGTERM if step % 2 else signal.SIGINT
        end_while_it_starts(0.004 * step, number, foreground=step % 3 == 0)


def answers(hopwire):
    return hopwire.command("status", hopwire.name, check=False).returncode == 0


@tap.test
def an_up_whose_caller_is_killed_while_it_waits_leaves_no_network_or_a_whole_one():
    hopwire = small(1)
    for step in range(16):
        process = scene.client.start(hopwire.binary, "up", path_of(hopwire), name="up")
        time.sleep(0.006 * step)
        process.popen.kill()
        process.popen.wait(10)
        for pid in hopwire.pids():  # the caller only; the daemon is in a session of its own
            try:
                if os.getsid(pid) != pid:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: not hopwire.pids() or answers(hopwire), 15, "a whole network or none")
        if hopwire.pids():
            hopwire.down()
        tap.same_lines(scene.client.network_state(), scene.before, f"after {0.006 * step:.3f} s")


@tap.test
def down_ends_a_network_that_still_starts():
    hopwire = small(1)
    for step in range(8):
        process = scene.client.start(hopwire.binary, "up", path_of(hopwire), name="up")
        wait_until(lambda: process.popen.poll() is not None or
                   os.path.exists(scene.client.run_path("hopwire", "small1.state")), 10, "a state")
        time.sleep(0.002 * step)
        hopwire.down()
        process.popen.wait(30)
        tap.same_lines(scene.client.network_state(), scene.before, "the host after down")
        tap.equal(hopwire.pids(), [], "daemons")


@tap.test
def A7_an_up_that_fails_after_a_crash_leaves_the_crash_s_prefixes_unreachable():
    hopwire = small(1)
    hopwire.up(path_of(hopwire))
    hopwire.kill()
    crashed = rules()
    socket = scene.client.run_path("hopwire", "small1.sock")
    os.unlink(socket)
    os.mkdir(socket)  # the last step of the start fails
    result = hopwire.command("up", path_of(hopwire), check=False)
    os.rmdir(socket)
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, "small1.sock", "the sentence")
    tap.equal(rules(), crashed, "the crash's rules")
    tap.contains(scene.client.run("ip", "route", "get", "10.91.0.9", check=False).stderr,
                 "No route to host", "its prefix")
    hopwire.down()


@tap.test
def the_daemon_holds_nothing_of_its_caller():
    hopwire = small(1)
    hopwire.is_up = True
    lock = os.path.join(scene.client.dir, "lock")
    scene.client.run("flock", lock, hopwire.binary, "up", path_of(hopwire))
    tap.equal(scene.client.run("flock", "-n", lock, "true", check=False).returncode, 0, "the lock")
    pid = hopwire.daemon()
    tap.equal(os.readlink(f"/proc/{pid}/cwd"), "/", "its directory")
    for number in range(3):
        tap.equal(os.readlink(f"/proc/{pid}/fd/{number}"), "/dev/null", f"descriptor {number}")


@tap.test
def a_configuration_through_a_pipe():
    hopwire = Hopwire(scene.client, "small1")
    path = hopwire.write(small_text(1))
    result = scene.client.run("bash", "-c", f'{hopwire.binary} check <(cat {path})', check=False)
    tap.check("small1" in result.stdout, f"{result.stdout}{result.stderr}")
    slow = f'{hopwire.binary} up <(sleep 0.3; cat {path}; sleep 0.3) && {hopwire.binary} status'
    result = scene.client.run("bash", "-c", slow, check=False)
    tap.check("interface small1" in result.stdout, f"{result.stdout}{result.stderr}")
    name = result.stdout.split(":")[0]
    hopwire.command("down", name)
    pipe = os.path.join(scene.client.dir, "small1-pipe")
    os.mkfifo(pipe)
    late = scene.client.start("sh", "-c", f"sleep 0.3; cat {path} > {pipe}", name="late")
    tap.contains(hopwire.command("check", pipe).stdout, "small1", "a writer that comes late")
    late.wait()


@tap.test
def route_tells_the_way_or_the_reason():
    hopwire = scene.up(office={"Routes": ["10.20.0.0/16", "10.21.0.0/16", OFFICE_NET6]})
    wait_reachable(scene.client, OFFICE)
    result = hopwire.command("route", "multihop", OFFICE)
    first, *hops = result.stdout.splitlines()
    tap.equal(first, f"{OFFICE} via office peer {scene.world.keys['exit'].public} src {EXIT_INNER} "
              f"mtu {scene.world.exit_mtu}", "the first line")
    tap.equal([hop.split(" · ")[0] for hop in hops],
              [f"  hop 2: office to {at(EXIT)} mtu {scene.world.exit_mtu}",
               f"  hop 1: entry to {at(scene.world.entry_endpoint)} mtu {scene.world.entry_mtu}"],
              "the hops")
    tap.check(all(" · up " in hop for hop in hops), f"each hop's state: {hops}")
    tap.contains(hopwire.command("route", "multihop", OFFICE6).stdout, f"src {EXIT_INNER6}", "IPv6")
    for address, verdict in (("10.21.0.1", "no_peer"), ("224.0.0.1", "scope"), ("fe80::1", "scope")):
        refused = hopwire.command("route", "multihop", address, check=False)
        tap.equal(refused.returncode, 1, f"the exit status for {address}")
        tap.contains(refused.stdout, f"{address} refused ({verdict}: ", "the reason")
    bad = hopwire.command("route", "multihop", "office.example", check=False)
    tap.equal(bad.returncode, 1, "a name")
    tap.contains(bad.stderr, "office.example: not an IPv4 or IPv6 address", "the sentence")


@tap.test
def route_of_a_network_without_a_default_route_has_none():
    hopwire = small(1)
    hopwire.up(path_of(hopwire))
    refused = hopwire.command("route", "small1", "198.18.0.1", check=False)
    tap.equal(refused.returncode, 1, "the exit status")
    tap.contains(refused.stdout, "198.18.0.1 refused (no_route: ", "the reason")
    tap.equal(len(refused.stdout.splitlines()), 1, "no hops")


@tap.test
def check_prints_the_tree_the_mtus_and_the_routes():
    hopwire = Hopwire(scene.client, "multihop")
    path = hopwire.write(scene.world.client_text(office={"Routes": ["10.20.0.0/16", "10.21.0.0/16"]}))
    before = scene.client.network_state()
    result = hopwire.command("check", path)
    lines = result.stdout.splitlines()
    tap.contains(lines[0], "multihop: interface hop0", "the first line")
    for line in (f"entry: MTU {scene.world.entry_mtu}", f"office: MTU {scene.world.exit_mtu}",
                 "route 10.20.0.0/16: office", "route 0.0.0.0/0: entry"):
        tap.check(line in lines, f"{line!r} in {result.stdout}")
    tap.contains(result.stderr, "10.21.0.0/16 is not wholly in the peers' AllowedIPs", "a warning")
    tap.same_lines(scene.client.network_state(), before, "check only reads")


@tap.test
def check_prints_all_of_a_very_long_list():
    text = small_text(1).replace("10.91.0.0/16",
                                 ", ".join(f"10.{a}.{b}.0/24" for a in range(20) for b in range(256)))
    hopwire = Hopwire(scene.client, "small1")
    result = hopwire.command("check", hopwire.write(text))
    tap.contains(result.stdout, "route 10.19.255.0/24: one", "the last route")


@tap.test
def output_that_cannot_be_written_is_a_failure():
    hopwire = Hopwire(scene.client)
    for command in ("status --json > /dev/full", "--version > /dev/full", "--help > /dev/full",
                    "status --json >&-"):
        result = scene.client.run("sh", "-c", f"{hopwire.binary} {command}", check=False)
        tap.equal(result.returncode, 1, f"the exit status of {command}")
        tap.contains(result.stderr, "cannot be written", "the sentence")


@tap.test
def up_without_standard_streams_has_sockets_of_its_own():
    hopwire = small(1)
    result = scene.client.run("sh", "-c", f"{hopwire.binary} up {path_of(hopwire)} <&- >&- 2>&-",
                              check=False)
    tap.equal(result.returncode, 0, "the exit status")
    hopwire.is_up = True
    [pid] = hopwire.daemons()
    streams = [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)]
    tap.equal(streams, ["/dev/null"] * 3, "its streams")
    open_files = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    tap.check("/dev/net/tun" in open_files, f"the interface's descriptor: {open_files}")
    tap.equal(hopwire.status()["name"], "small1", "it answers")


def answer_once(path, text):
    """Who asks at this socket gets the text, whatever he asks."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve():
        client, _ = server.accept()
        while client.recv(4096):
            pass
        client.sendall(text.encode())
        client.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return server


@tap.test
def an_answer_that_is_not_ours_is_shown_as_far_as_it_goes():
    directory = os.path.join(scene.client.dir, "not-ours")
    os.makedirs(directory, exist_ok=True)
    hopwire = Hopwire(scene.client, "odd")
    hopwire.env = {"HOPWIRE_RUN_DIR": directory}
    for depth in (0, -1, 9, 2 ** 63 - 1):
        path = os.path.join(directory, "odd.sock")
        with answer_once(path, json.dumps({"tunnels": [{"name": "one", "depth": depth,
                                                        "addresses": [7], "peers": [{}]}]})):
            result = hopwire.command("status", "odd")
        os.unlink(path)
        tap.equal(result.stdout.splitlines()[1], "one: root, port 0, MTU 0, NAT off, addresses ?",
                  f"a tunnel at depth {depth}")
        tap.equal(result.stderr, "", "no complaint")
    path = os.path.join(directory, "odd.sock")
    with answer_once(path, json.dumps({"tunnels": [{"name": "bare", "addresses": []}]})):
        shown = hopwire.command("status", "odd").stdout
    os.unlink(path)
    tap.contains(shown, "bare: root, port 0, MTU 0, NAT off, no address\n", "a bare tunnel")


@tap.test
def a_status_that_is_too_long_says_so():
    hopwire = small(1)
    peers = [("Peer", {"PublicKey": base64.b64encode(os.urandom(32)).decode()})
             for _ in range(20000)]
    hopwire.write(small_text(1) + sections(*peers))
    hopwire.up(path_of(hopwire))
    result = hopwire.command("status", "small1", check=False)
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, "small1: the answer is longer than 8 MiB", "the sentence")
    tap.equal(hopwire.command("status", "nobody", check=False).returncode, 1, "it is still asked")


def refused_run(hopwire, *words, env=None):
    hopwire.env = env or {}
    result = hopwire.command("up", path_of(hopwire), check=False)
    tap.equal(result.returncode, 1, f"the exit status ({result.stderr})")
    for word in words:
        tap.contains(result.stderr, word, "the sentence")
    tap.same_lines(scene.client.network_state(), scene.before, "the host")
    tap.equal(hopwire.pids(), [], "daemons")


@tap.test
def a_run_directory_that_cannot_serve():
    hopwire = Hopwire(scene.client, "small1")
    hopwire.write(small_text(1))
    base = os.path.join(scene.client.dir, "odd")
    os.makedirs(base, exist_ok=True)
    shared = os.path.join(base, "shared")
    os.makedirs(shared, exist_ok=True)
    os.chmod(shared, 0o777)
    refused_run(hopwire, shared, "others may write", env={"HOPWIRE_RUN_DIR": shared})
    refused_run(hopwire, "/nowhere/at", env={"HOPWIRE_RUN_DIR": "/nowhere/at"})
    file = scene.client.write("odd/file", "")
    refused_run(hopwire, file, "not a directory", env={"HOPWIRE_RUN_DIR": file})
    long = os.path.join(base, "l" * 100)
    os.makedirs(long, exist_ok=True)
    refused_run(hopwire, "too long for a socket", env={"HOPWIRE_RUN_DIR": long})
    tap.equal([name for name in os.listdir(long) if name != ".lock"], [], "files left")
    longer = os.path.join(base, "l" * 250)
    os.makedirs(longer, exist_ok=True)
    refused_run(hopwire, "too long", env={"HOPWIRE_RUN_DIR": longer})
    listed = hopwire.command("status", "--json", check=False)
    tap.equal(listed.returncode, 1, "status of such a directory")


@tap.test
def the_control_socket_survives_whatever_is_said_to_it():
    hopwire = small(1)
    hopwire.up(path_of(hopwire))
    socket = scene.client.run_path("hopwire", "small1.sock")
    tap.equal(os.stat(socket).st_mode & 0o777, 0o600, "its mode")
    script = ("import socket, os, sys\n"
              "for said in (b'', b'\\n' * 5000, b'status' * 2000, b'\\0\\n', b'route \\n',"
              " b'route 1.2.3.4.5\\n', b'route ' + b'9' * 4000 + b'\\n', os.urandom(9000),"
              " b'status\\n' * 500, b'DOWN\\n', b' down\\n', b'down \\n'):\n"
              "    s = socket.socket(socket.AF_UNIX); s.settimeout(3); s.connect(sys.argv[1])\n"
              "    try: s.sendall(said); s.shutdown(1); s.recv(100)\n"
              "    except OSError: pass\n"
              "idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]\n"
              "for s in idle:\n"
              "    s.setblocking(False)\n"
              "    try: s.connect(sys.argv[1])\n"
              "    except OSError: pass\n")
    scene.client.run("python3", "-c", script, socket)
    tap.equal(hopwire.status()["name"], "small1", "it still answers")


if __name__ == "__main__":
    main(services=True)
