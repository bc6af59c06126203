# SPDX-License-Identifier: MIT
"""`wg` on Hopwire's tunnels (RULES I4, TRAPS 26, 28, 29): a root and what it carries."""

import base64
import os
import socket
import stat
import time

import tap
from lab import wait_until
from peers import preshared_key, sections
from scene import main, scene
from world import ENTRY, EXIT, OFFICE, OFFICE_NET, OFFICE_NET6, wait_reachable

ROOT, CARRIED = "hop0", "hop0.office"
EINVAL, EPROTO = 22, 71


def wg(*argv, check=True, input=None):
    return scene.client.run("wg", *argv, check=check, input=input).stdout


def sock(name):
    return scene.client.run_path("wireguard", name + ".sock")


class Client:
    """A connection to a socket of the protocol, byte by byte."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(sock(name))

    def say(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())
        return self

    def answer(self):
        """Up to the empty line that ends it, or to the connection's end."""
        text = b""
        while not text.endswith(b"\n\n"):
            piece = self.socket.recv(65536)
            if not piece:
                break
            text += piece
        return text.decode()

    def is_closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def ask(name, text):
    return Client(name).say(text).answer()


def hex_key(text):
    return base64.b64decode(text).hex()


def up(**changes):
    hopwire = scene.up(**changes)
    wait_reachable(scene.client, OFFICE)
    return hopwire


# ---- get ----

@tap.test
def I4_show_tells_of_root_and_carried():
    psk = preshared_key()
    scene.up(entry={"ListenPort": 4242}, entry_peer={"PersistentKeepalive": 25, "PresharedKey": psk},
             office={"ListenPort": 5555})
    keys = scene.world.keys
    tap.equal(sorted(wg("show", "interfaces").split()), [ROOT, CARRIED], "interfaces")
    peers = {ROOT: keys["entry"].public, CARRIED: keys["exit"].public}
    own = {ROOT: keys["client"], CARRIED: keys["office"]}
    for name, peer in peers.items():
        tap.equal(wg("show", name, "public-key").strip(), own[name].public, "public-key")
        tap.equal(wg("show", name, "private-key").strip(), own[name].private, "private-key")
        tap.equal(wg("show", name, "peers").strip(), peer, "peers")
        tap.check(wg("show", name, "fwmark").startswith("0x48" if name == ROOT else "off"),
                  "the root's own mark, which other people's rules ask for")
        tap.equal(wg("show", name, "transfer").split()[0], peer, "transfer")
        tap.equal(wg("show", name, "latest-handshakes").split()[0], peer, "latest-handshakes")
    tap.equal(wg("show", ROOT, "listen-port").strip(), "4242", "listen-port")
    tap.equal(wg("show", CARRIED, "listen-port").strip(), "5555", "listen-port")
    tap.equal(wg("show", ROOT, "preshared-keys").split(), [peers[ROOT], psk], "preshared-keys")
    tap.equal(wg("show", CARRIED, "preshared-keys").split()[1], "(none)", "preshared-keys")
    tap.equal(wg("show", ROOT, "persistent-keepalive").split()[1], "25", "persistent-keepalive")
    tap.equal(wg("show", CARRIED, "persistent-keepalive").split()[1], "off", "persistent-keepalive")
    tap.equal(wg("show", ROOT, "endpoints").split()[1], f"{ENTRY}:51820", "endpoints")
    tap.equal(wg("show", CARRIED, "endpoints").split()[1], f"{EXIT}:51820", "endpoints")
    tap.equal(wg("show", ROOT, "allowed-ips").split()[1:], ["0.0.0.0/0", "::/0"], "allowed-ips")
    tap.equal(wg("show", CARRIED, "allowed-ips").split()[1:], [OFFICE_NET, OFFICE_NET6], "allowed-ips")
    lines = [line.split("\t") for line in wg("show", "all", "dump").splitlines()]
    tap.equal([(line[0], len(line)) for line in lines],
              [(ROOT, 5), (ROOT, 9), (CARRIED, 5), (CARRIED, 9)], "dump")
    tap.contains(wg("show"), "interface: " + CARRIED, "wg alone")


@tap.test
def I4_show_follows_the_traffic():
    hopwire = up()
    before = {name: wg("show", name, "transfer").split()[1:] for name in (ROOT, CARRIED)}
    tap.check(scene.client.ping(OFFICE, count=20), "the office answers")
    for name in (ROOT, CARRIED):
        received, sent = (int(after) - int(earlier) for after, earlier in
                          zip(wg("show", name, "transfer").split()[1:], before[name]))
        tap.check(received >= 20 * 84 and sent >= 20 * 84, f"{name} counts: {received}, {sent}")
        age = time.time() - int(wg("show", name, "latest-handshakes").split()[1])
        tap.check(-1 <= age < 60, f"{name}'s handshake was {age} s ago")
    tunnels = {tunnel["name"]: tunnel["wg"] for tunnel in hopwire.status()["tunnels"]}
    tap.equal(tunnels, {"entry": ROOT, "office": CARRIED}, "status tells the names")


@tap.test
def showconf_is_what_was_configured():
    scene.up(entry={"ListenPort": 4242}, office={"ListenPort": 5555},
             office_peer={"PersistentKeepalive": 7})
    keys = scene.world.keys
    expected = sections(
        ("Interface", {"ListenPort": 5555, "PrivateKey": keys["office"].private}),
        ("Peer", {"PublicKey": keys["exit"].public, "AllowedIPs": [OFFICE_NET, OFFICE_NET6],
                  "Endpoint": f"{EXIT}:51820", "PersistentKeepalive": 7}))
    tap.same_lines(wg("showconf", CARRIED), expected, "showconf")


# ---- sockets ----

def check_sockets(names, what):
    found = sorted(os.listdir(scene.client.run_path("wireguard")))
    tap.equal(found, sorted(name + ".sock" for name in names), what)


@tap.test
def sockets_are_root_s_alone_and_go_with_the_network():
    os.rmdir(scene.client.run_path("wireguard"))
    hopwire = scene.up()
    tap.equal(stat.S_IMODE(os.stat(scene.client.run_path("wireguard")).st_mode), 0o700, "directory")
    check_sockets([ROOT, CARRIED], "up")
    for name in (ROOT, CARRIED):
        tap.equal(stat.S_IMODE(os.stat(sock(name)).st_mode), 0o600, name)
    hopwire.down()
    check_sockets([], "down")


@tap.test
def stale_sockets_go_with_down_or_are_replaced():
    hopwire = scene.up()
    hopwire.kill()
    check_sockets([ROOT, CARRIED], "a crash leaves them")
    hopwire.down()
    check_sockets([], "down after a crash")
    hopwire = scene.up()
    hopwire.kill()
    scene.networks.remove(hopwire)
    scene.up(text=sections(*scene.world.client_parts()[:3]))
    check_sockets([ROOT], "up with fewer tunnels after a crash")
    tap.equal(wg("show", ROOT, "peers").strip(), scene.world.keys["entry"].public, "it answers")


@tap.test
def a_live_socket_stays_and_the_network_stands_without():
    program = ("import socket, sys; s = socket.socket(socket.AF_UNIX); "
               f"s.bind('/run/wireguard/{CARRIED}.sock'); s.listen(); print('ready', flush=True); "
               "sys.stdin.read()")
    other = scene.client.start("python3", "-c", program + "; import time; time.sleep(60)")
    other.wait_output("ready")
    inode = os.stat(sock(CARRIED)).st_ino
    result = scene.up()
    try:
        wait_reachable(scene.client, OFFICE)
        tap.equal(os.stat(sock(CARRIED)).st_ino, inode, "the other's socket")
        tap.equal(wg("show", ROOT, "listen-port").strip() != "0", True, "the root's works")
        result.down()
        check_sockets([CARRIED], "down leaves the other's")
    finally:
        other.stop()
        os.unlink(sock(CARRIED))


@tap.test
def a_removed_socket_is_made_again():
    scene.up()
    os.unlink(sock(CARRIED))
    wait_until(lambda: os.path.exists(sock(CARRIED)), 15, "the socket to be made again")
    tap.equal(wg("show", CARRIED, "peers").strip(), scene.world.keys["exit"].public, "it answers")


@tap.test
def I4_a_long_name_is_a_short_one_in_wg():
    parts = scene.world.client_parts()
    parts[3] = ("Tunnel a-tunnel-with-a-long-name", parts[3][1])
    hopwire = scene.up(text=sections(*parts))
    name = next(tunnel["wg"] for tunnel in hopwire.status()["tunnels"] if tunnel["via"])
    tap.check(len(name) <= 15 and name.startswith("hop0.a-tun"), f"named {name}")
    tap.equal(wg("show", name, "peers").strip(), scene.world.keys["exit"].public, "it answers")
    said = hopwire.command("check", "multihop.conf").stdout
    tap.contains(said, name, "check")
    tap.contains(said, "shorter", "check's remedy")


# ---- what is no request ----

@tap.test
def TRAP_28_every_refusal_is_answered():
    scene.up()
    refusals = {"hello\n\n": EINVAL, "set=2\n\n": EINVAL, "get=0\n\n": EINVAL, "set=1 \n\n": EINVAL,
                "\0\0\n\n": EINVAL, "x" * 5000: EINVAL, "errno=0\n\n": EINVAL,
                "set=1\nhello\n\n": EPROTO, "set=1\nhello=1\n\n": EINVAL,
                "set=1\nprivate_key=1\n\n": EINVAL, "set=1\nremove=true\n\n": EINVAL,
                f"set=1\npublic_key={'11' * 32}\nendpoint=relay.example:1\n\n": EINVAL,
                f"set=1\npublic_key={'11' * 32}\nprivate_key={'22' * 32}\n\n": EINVAL,
                f"set=1\npublic_key={'11' * 32}\nprotocol_version=2\n\n": EINVAL}
    before = wg("showconf", CARRIED)
    for text, number in refusals.items():
        tap.equal(ask(CARRIED, text), f"errno=-{number}\n\n", f"{text[:60]!r}")
    tap.equal(ask(CARRIED, "get=1\nprivate_key=1\n\n"), f"errno={EINVAL}\n\n", "a get with a word")
    tap.equal(wg("showconf", CARRIED), before, "nothing changed")


@tap.test
def TRAP_29_a_connection_carries_several_commands():
    scene.up()
    client = Client(CARRIED)
    for _ in range(3):
        tap.contains(client.say("get=1\n\n").answer(), "errno=0\n\n", "get")
        tap.equal(client.say("set=1\n\n").answer(), "errno=0\n\n", "set")
        tap.equal(client.say("set=1\nx=1\n\n").answer(), f"errno=-{EINVAL}\n\n", "a refused one")
    both = client.say("set=1\n\nget=1\n\n")
    tap.equal(both.answer()[:9], "errno=0\n\n", "two at once")


# Fifty at once, each twenty times.
CROWD = """if True:
    import socket, sys, threading
    whole = []
    def ask():
        for _ in range(20):
            client = socket.socket(socket.AF_UNIX)
            client.connect(sys.argv[1])
            client.sendall(b"get=1\\n\\n")
            answer = b""
            while not answer.endswith(b"errno=0\\n\\n"):
                piece = client.recv(65536)
                if not piece:
                    return
                answer += piece
            whole.append(answer)
    askers = [threading.Thread(target=ask) for _ in range(50)]
    for asker in askers: asker.start()
    for asker in askers: asker.join()
    print(len(whole))"""


@tap.test
def who_asks_beside_many_others_is_answered():
    scene.up()
    answered = scene.client.run("python3", "-c", CROWD, f"/run/wireguard/{ROOT}.sock").stdout
    tap.equal(answered.strip(), "1000", "whole answers of 1000")


@tap.test
def TRAP_28_half_a_sentence_is_answered():
    scene.up()
    before = wg("showconf", CARRIED)
    peer = hex_key(scene.world.keys["exit"].public)
    for half in ("ge", "get=1\n", "set=1\n", f"set=1\npublic_key={peer}\nremove=true\n",
                 f"set=1\npublic_key={peer}\nremove=tr"):
        client = Client(CARRIED).say(half)
        client.socket.shutdown(socket.SHUT_WR)
        tap.equal(client.answer(), f"errno=-{EINVAL}\n\n", repr(half))
        tap.check(client.is_closed(), "and that is all")
    tap.equal(wg("showconf", CARRIED), before, "nothing changed")


@tap.test
def half_sentences_and_random_bytes_keep_nobody():
    hopwire = up()
    before = wg("showconf", ROOT)
    halves = [Client(ROOT).say(f"set=1\npublic_key={'33' * 32}\nallowed_ip=10.9.0.0/1")
              for _ in range(15)]
    halves.append(Client(ROOT).say("ge"))
    began = time.monotonic()
    wait_until(lambda: wg("show", ROOT, "peers", check=False), 5, "wg beside sixteen half sentences")
    tap.check(time.monotonic() - began < 3, "wg waits for none of them")
    rubbish = os.urandom(1 << 16)
    for start in range(0, len(rubbish), 4096):
        client = Client(CARRIED)
        try:
            client.say(rubbish[start:start + 4096])
            tap.check(client.answer().startswith("errno=-"), "rubbish is an errno")
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered before the rest was sent
    slow = Client(ROOT)  # asks for more than its socket takes, and reads nothing
    slow.socket.settimeout(0.2)
    try:
        for _ in range(100000):
            slow.say("get=1\n\n")
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass
    tap.check(scene.client.ping(OFFICE, count=5), "packets go on")
    tap.equal(wg("showconf", ROOT), before, "nothing changed")
    tap.equal(hopwire.verdict("nothing"), 0, "it lives")


if __name__ == "__main__":
    main()
