# SPDX-License-Identifier: MIT
"""`hopwire INTERFACE`: the WireGuard in user space that wg-quick starts (TRAPS 28 to 31)."""

import os
import signal

import tap
from lab import HERE, wait_until
from peers import Key, at, hopwire_binary, is_dead, sections
from scene import main, scene
from world import (CLIENT, ENTRY, ENTRY6, ENTRY_INNER, ENTRY_INNER6, WORLD, WORLD6, EVERYTHING,
                   wait_reachable)

NAME = "wg0"
RELAY, RELAY6 = "10.64.0.1", "fc00:bbbb::1"


def client():
    return scene.client


def wg(*argv, host=None, check=True, input=None):
    return (host or client()).run("wg", *argv, check=check, input=input).stdout


def sock(name=NAME, host=None):
    return (host or client()).run_path("wireguard", name + ".sock")


def pids(host=None):
    return [pid for pid in (host or client()).pids()
            if os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(hopwire_binary())]


def links(host=None):
    return {link["ifname"]: link for link in (host or client()).ip_json("link")}


def start(*argv, host=None, env=None, check=True):
    return (host or client()).run(hopwire_binary(), *(argv or (NAME,)), env=env, check=check)


def start_verbose():
    process = client().start(hopwire_binary(), "-f", NAME, name="face", env={"LOG_LEVEL": "debug"})
    wait_until(lambda: os.path.exists(sock()), 10, "the socket")
    return process


def wait_gone(processes, host=None, name=NAME):
    host = host or client()
    wait_until(lambda: all(map(is_dead, processes)), 5, "the program to end")
    tap.check(name not in links(host), "the interface is gone")
    tap.equal(os.listdir(host.run_path("wireguard")), [], "its socket is gone")
    tap.check(not os.path.exists(host.run_path("hopwire"))
              or not os.listdir(host.run_path("hopwire")), "nothing else is left")


def end(host=None, name=NAME):
    running = pids(host)
    (host or client()).ip("link", "del", "dev", name)
    wait_gone(running, host, name)


def wg_text(**own):
    keys = scene.world.keys
    return sections(("Interface", {"PrivateKey": keys["client"].private, **own}),
                    ("Peer", {"PublicKey": keys["entry"].public, "AllowedIPs": EVERYTHING,
                              "Endpoint": at(ENTRY)}))


def configure(host=None, **own):
    host = host or client()
    host.run("wg", "setconf", NAME, host.write("wg0.wg", wg_text(**own)))


def set_up(host):
    host.address(NAME, ENTRY_INNER + "/24", ENTRY_INNER6 + "/64")
    host.ip("link", "set", NAME, "up")


# ---- wg-quick ----

# Refuses what only a kernel with WireGuard can do, so that wg-quick asks for another one.
IP = """#!/bin/sh
case "$*" in *"type wireguard"*) echo "Error: Unknown device type." >&2; exit 2;; esac
for ip in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do [ -x $ip ] && exec $ip "$@"; done
"""


def quick(what, path=None):
    directory = os.path.join(client().dir, "bin")
    os.makedirs(directory, exist_ok=True)
    client().write("bin/ip", IP, 0o755)
    if os.path.exists("/sys/module/wireguard"):
        client().write("mounts", "mount -t tmpfs tmpfs /sys/module\n")
    return client().run("wg-quick", what, path or os.path.join(client().dir, NAME + ".conf"),
                        env={"WG_QUICK_USERSPACE_IMPLEMENTATION": hopwire_binary(),
                             "PATH": directory + ":" + os.environ["PATH"]})


def quick_text(**own):
    keys = scene.world.keys
    return sections(("Interface", {"PrivateKey": keys["client"].private,
                                   "Address": f"{ENTRY_INNER}/32, {ENTRY_INNER6}/128", **own}),
                    ("Peer", {"PublicKey": keys["entry"].public, "AllowedIPs": EVERYTHING,
                              "Endpoint": at(ENTRY)}))


@tap.test
def wg_quick_up_takes_everything_and_down_puts_it_back():
    before = client().network_state()
    client().write(NAME + ".conf", quick_text())
    tap.contains(quick("up").stderr, hopwire_binary() + " " + NAME, "wg-quick starts it")
    running = pids()
    tap.equal(len(running), 1, "one process")
    uplink = client().capture("uplink")
    wait_reachable(client(), RELAY)
    tap.equal(client().fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "a page, IPv4")
    tap.equal(client().fetch(f"http://[{WORLD6}]/"), f"world sees {ENTRY6}\n", "a page, IPv6")
    tap.equal(scene.leaks(uplink.stop())[:3], [], "beside the tunnel")
    mark = wg("show", NAME, "fwmark").strip()
    tap.check(mark.startswith("0x"), f"wg-quick's mark is on its sockets: {mark}")
    quick("down")
    wait_gone(running)
    tap.same_lines(client().network_state(), before, "the client's network")


@tap.test
def wg_quick_save_and_strip():
    port = 40001
    path = client().write(NAME + ".conf", quick_text(ListenPort=port, SaveConfig="true"))
    tap.check("Address" not in quick("strip").stdout, "strip leaves what wg knows")
    quick("up")
    running, key = pids(), Key()
    wg("set", NAME, "peer", key.public, "allowed-ips", "10.99.0.0/24")
    quick("save")
    with open(path) as file:
        saved = file.read()
    for line in (f"ListenPort = {port}", f"PublicKey = {key.public}", "AllowedIPs = 10.99.0.0/24",
                 f"PrivateKey = {scene.world.keys['client'].private}"):
        tap.contains(saved, line, "saved")
    quick("down")
    wait_gone(running)


# ---- its start and its ends ----

@tap.test
def TRAP_30_it_returns_ready_and_without_a_key_it_is_silent():
    uplink = client().capture("uplink")
    start()
    tap.check(NAME in links() and os.path.exists(sock()), "interface and socket stand")
    tap.equal(wg("show", NAME, "private-key").strip(), "(none)", "key")
    tap.equal(wg("show", NAME, "peers"), "", "peers")
    tap.equal(wg("show", NAME, "fwmark").strip(), "off", "mark")
    keys = scene.world.keys
    wg("set", NAME, "peer", keys["entry"].public, "allowed-ips", EVERYTHING.replace(" ", ""),
       "endpoint", at(ENTRY), "persistent-keepalive", "1")
    set_up(client())
    tap.check(not client().ping(RELAY, wait=1), "nothing answers")
    tap.equal([p for p in uplink.stop() if p.protocol == 17], [], "nothing is sent")
    end()


@tap.test
def where_files_cannot_be_watched_the_sentence_says_who_allows_it():
    result = client().run("python3", os.path.join(HERE, "without_inotify.py"), hopwire_binary(), NAME,
                          check=False)
    if result.returncode == 77:
        raise tap.Skip("no filter of system calls here")
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, "cannot watch /var/run/wireguard: Too many open files: other programs "
                                "watch as many files as one user may (sysctl "
                                "fs.inotify.max_user_instances)", "the sentence")
    tap.check(NAME not in links(), "nothing is left")


@tap.test
def TRAP_30_each_end_leaves_nothing():
    for cause in ("deleted", "removed", signal.SIGTERM, signal.SIGINT):
        for foreground in (False, True):
            if foreground:
                process = client().start(hopwire_binary(), "-f", NAME, name="face")
                wait_until(lambda: os.path.exists(sock()), 10, "the socket")
            else:
                start()
            running = pids()
            if cause == "deleted":
                client().ip("link", "del", NAME)
            elif cause == "removed":
                os.unlink(sock())
            else:
                for pid in running:
                    os.kill(pid, cause)
            wait_gone(running)
            if foreground:
                tap.equal(process.wait(5), 0, f"exit status: {cause}")


@tap.test
def what_is_in_its_way_is_a_sentence():
    start()
    running = pids()
    result = start(check=False)
    tap.equal(result.returncode, 1, "a second one")
    tap.contains(result.stderr, f"hopwire: {NAME}: there is such an interface already", "why")
    tap.equal(pids(), running, "the first one goes on")
    end()
    listener = client().start("python3", "-c", """if True:
        import socket, sys
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1])
        listener.listen()
        print("listening", flush=True)
        listener.accept()""", "/run/wireguard/wg0.sock", name="listener")
    listener.wait_output("listening")
    result = start(check=False)
    tap.equal(result.returncode, 1, "where somebody listens")
    tap.contains(result.stderr, "somebody listens on /var/run/wireguard/wg0.sock", "why")
    tap.check(NAME not in links(), "no interface is left")
    tap.check(os.path.exists(sock()), "the other's socket is")
    listener.stop()
    os.unlink(sock())
    for argv, said in ((("a/b",), "a/b: no command, and no name that an interface can have"),
                       (("x" * 16,), "no name that an interface can have"),
                       (("-f",), "INTERFACE is missing"), (("--fore", "-x"), "-x is no option"),
                       (("-f", "a", "b"), '"b" is one argument too many')):
        result = start(*argv, check=False)
        tap.equal(result.returncode, 2, " ".join(argv))
        tap.contains(result.stderr, said, "why")


@tap.test
def a_command_wins_unless_the_interface_is_meant():
    result = start("status", check=False)
    tap.check("status" not in links(), "the command")
    for word in ("stats", "home", "d0wn"):
        result = start(word, check=False)
        tap.equal(result.returncode, 2, f"{word}: a slip")
        tap.contains(result.stderr, "write -- before it", "what to do")
        tap.check(word not in links(), "it makes nothing")
    for argv, env in ((("low0",), None), (("up1",), None), (("--", "stats"), None),
                      (("--", "down"), None), (("--", "home"), None),
                      (("stats",), {"WG_QUICK_USERSPACE_IMPLEMENTATION": "hopwire"}),
                      (("home",), {"WG_QUICK_USERSPACE_IMPLEMENTATION": "hopwire"})):
        start(*argv, env=env)
        tap.check(argv[-1] in links(), f"{argv}: an interface")
        end(name=argv[-1])


@tap.test
def I5_it_keeps_few_rights():
    start()
    (pid,) = pids()
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines())
    tap.equal(int(status["CapPrm"], 16), 1 << 12 | 1 << 10, "CAP_NET_ADMIN, CAP_NET_BIND_SERVICE")
    tap.equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), "no new ones, a list of calls")
    wg("set", NAME, "listen-port", "443")
    tap.equal(wg("show", NAME, "listen-port").strip(), "443", "a port below 1024")
    end()


# ---- its environment ----

@tap.test
def its_environment_is_as_the_others_read_it():
    name_file = os.path.join(client().dir, "name")
    process = client().start(hopwire_binary(), NAME, name="face",
                             env={"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "silent",
                                  "WG_TUN_NAME_FILE": "name"})

    def name_in_it():
        if not os.path.exists(name_file):
            return ""
        with open(name_file) as file:
            return file.read()
    wait_until(lambda: name_in_it() == NAME + "\n", 10, "the interface's name")
    tap.check(process.runs(), "it stays in the foreground")
    running = pids()
    client().ip("link", "del", NAME)
    wait_gone(running)
    tap.equal(process.output(), "", "silent")
    process = start_verbose()
    running = pids()
    client().ip("link", "del", NAME)
    wait_gone(running)
    tap.contains(process.output(), "the interface was deleted", "verbose")
    for bad in ("x", "1", "77"):
        result = start(env={"WG_TUN_FD": bad}, check=False)
        tap.equal(result.returncode, 1, f"WG_TUN_FD={bad}")
        tap.check(result.stderr.startswith("hopwire: "), result.stderr)
    tap.check(NAME not in links(), "and nothing is left")


# A TUN and a listening socket of its own, then the program with both.
HAND_OVER = """if True:
    import fcntl, os, socket, struct, sys
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH14x", b"given", int(sys.argv[2], 16)))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("/run/wireguard/given.sock")
    listener.listen()
    os.set_inheritable(tun, True)
    listener.set_inheritable(True)
    os.environ.update({"WG_TUN_FD": str(tun), "WG_UAPI_FD": str(listener.fileno())})
    os.execv(sys.argv[1], [sys.argv[1], "given"])
"""


@tap.test
def a_TUN_and_a_socket_may_be_handed_over():
    for flags, said in (("5002", "given must be a TUN, not a TAP"), ("0001", "IFF_NO_PI")):
        result = client().run("python3", "-c", HAND_OVER, hopwire_binary(), flags, check=False)
        tap.equal(result.returncode, 1, "a kind that it does not speak")
        tap.contains(result.stderr, said, "why")
        os.unlink(sock("given"))
    client().run("python3", "-c", HAND_OVER, hopwire_binary(), "5001")
    tap.equal(wg("show", "interfaces").split(), ["given"], "wg finds it")
    wg("set", "given", "listen-port", "4243")
    tap.equal(wg("show", "given", "listen-port").strip(), "4243", "and sets it")
    (pid,) = pids()
    tap.check(len(os.listdir(f"/proc/{pid}/fd")) < 24, "no other descriptor of the caller's")
    end(name="given")


# ---- the link ----

@tap.test
def TRAP_30_the_link_decides_when_it_speaks():
    process = start_verbose()
    uplink = client().capture("uplink")
    configure()
    wg("set", NAME, "peer", scene.world.keys["entry"].public, "persistent-keepalive", "1")
    client().address(NAME, ENTRY_INNER + "/24")
    tap.equal([p for p in uplink.so_far() if p.dport == 51820], [], "down: silent")
    client().ip("link", "set", NAME, "up")
    wait_until(lambda: len([p for p in uplink.so_far() if p.dport == 51820]) >= 3, 10,
               "handshake and keepalives once it is up")
    wait_reachable(client(), RELAY)
    client().ip("link", "set", NAME, "down")
    process.wait_output("the interface wg0 is down")
    uplink.stop()
    quiet = client().capture("uplink")
    tap.check(not client().ping(RELAY, wait=2), "down: no way")
    tap.equal([p for p in quiet.stop() if p.dport == 51820], [], "down again: silent")
    client().ip("link", "set", NAME, "up")
    client().ip("route", "replace", "10.64.0.0/24", "dev", NAME)
    wait_reachable(client(), RELAY)
    end()


@tap.test
def TRAP_30_the_MTU_is_followed():
    start()
    configure()
    set_up(client())
    wait_reachable(client(), RELAY)
    tap.equal(links()[NAME]["mtu"], 1420, "at first")
    for mtu in (1420, 1280, 1400, 9000):
        client().ip("link", "set", NAME, "mtu", mtu)
        size = min(mtu, 1420) - 28
        tap.check(client().ping(RELAY, "-M", "do", "-s", size, wait=3), f"{size} + 28 at MTU {mtu}")
    end()


@tap.test
def TRAP_31_without_IPv6_in_the_kernel_IPv4_alone():
    result = client().run("python3", os.path.join(HERE, "without_ipv6.py"), hopwire_binary(), NAME,
                          check=False)
    if result.returncode == 77:
        raise tap.Skip("no filter of system calls here")
    tap.equal((result.returncode, result.stderr), (0, ""), "it starts")
    configure(ListenPort=40000)
    set_up(client())
    wait_reachable(client(), RELAY)
    tap.check(client().ping(RELAY6, wait=3), "inside the tunnel there is IPv6")
    wg("set", NAME, "peer", scene.world.keys["entry"].public, "endpoint", at(ENTRY6))
    tap.check(not client().ping(RELAY, wait=1), "no way to an IPv6 endpoint")
    wg("set", NAME, "peer", scene.world.keys["entry"].public, "endpoint", at(ENTRY))
    tap.check(client().ping(RELAY, wait=6), "and back")
    end()


@tap.test
def H5_made_here_used_there():
    box = scene.lab.host("box1")
    process = start_verbose()
    running = pids()
    client().ip("link", "set", NAME, "netns", box.ns)
    configure()  # its socket is where it was made
    set_up(box)
    box.route("default", "dev", NAME)
    uplink = client().capture("uplink")
    tap.check(box.ping(RELAY, wait=5), "from there through the client's uplink")
    tap.equal(box.fetch(f"http://{WORLD}/"), f"world sees {ENTRY}\n", "a page")
    tap.check(any(p.src == CLIENT and p.dport == 51820 for p in uplink.stop()), "sockets stayed")
    box.ip("link", "set", NAME, "mtu", 1300)
    tap.check(box.ping(RELAY, "-M", "do", "-s", 1272, wait=3), "its MTU is followed there")
    third = scene.lab.host("box2")
    box.ip("link", "set", NAME, "name", "wg7", "netns", third.ns)
    third.address("wg7", ENTRY_INNER + "/24")
    third.ip("link", "set", "wg7", "up")
    tap.check(third.ping(RELAY, wait=5), "moved on, with another name")
    third.ip("link", "set", "wg7", "down")
    process.wait_output("the interface wg7 is down")
    third.ip("link", "set", "wg7", "up")
    wait_reachable(third, RELAY)
    third.ip("link", "del", "wg7")
    wait_gone(running)


def clean():
    """What a failed test has left."""
    for host in scene.lab.hosts:
        for pid in pids(host):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: is_dead(pid), 5, "its end")
            for name in os.listdir(host.run_path("wireguard")):
                os.unlink(host.run_path("wireguard", name))
    clean_scene()


if __name__ == "__main__":
    clean_scene, scene.clean = scene.clean, clean
    main()
