# SPDX-License-Identifier: MIT
"""Each mistake gets a sentence and exit status 1, and leaves the host exactly as it was."""

import os
import re
import socket

import tap
from lab import HERE
from peers import Hopwire, Key, at, sections
from scene import main, scene
from world import EXIT, OFFICE_NET, wait_reachable


def refused(text, *words, name="bad", files=None, has_line=False, command="up"):
    """Tries it; the sentence must hold each word, and for a mistake in the file its place."""
    hopwire = Hopwire(scene.client, name)
    path = files or (hopwire.write(text),)
    before = scene.client.network_state()
    result = hopwire.command(command, *path, check=False, timeout=20)
    tap.equal(result.returncode, 1, f"the exit status ({result.stdout}{result.stderr})")
    told = result.stderr.strip()
    tap.check(told and len(told) < 1000, f"a sentence: {told!r}")
    for word in words:
        tap.contains(told, word, "the sentence")
    if has_line:
        tap.check(re.search(r"\.conf:\d+", told), f"file and line: {told!r}")
    tap.same_lines(scene.client.network_state(), before, "the client's network after a refusal")
    tap.equal(hopwire.pids(), [], "daemons left behind")
    left = [n for n in os.listdir(scene.client.run_path("hopwire"))
            if n.startswith(name + ".")] if os.path.isdir(scene.client.run_path("hopwire")) else []
    tap.equal(left, [], "files left in /run/hopwire")
    return told


def changed(**changes):
    return scene.world.client_text(**changes)


@tap.test
def a_wrong_key():
    short = Key().private[:-3]
    told = refused(changed(office={"PrivateKey": short}), "PrivateKey", has_line=True)
    tap.check(short not in told, "no private key in a message")
    refused(changed(office_peer={"PublicKey": "x" * 44}), "PublicKey", has_line=True)
    refused(changed(entry_peer={"PublicKey": ""}), "PublicKey", has_line=True)


@tap.test
def a_prefix_length_that_cannot_be():
    refused(changed(office_peer={"AllowedIPs": "10.20.0.0/33"}), "AllowedIPs", has_line=True)
    refused(changed(office_peer={"AllowedIPs": "fd20::/129"}), "AllowedIPs", has_line=True)
    refused(changed(office={"Routes": "10.20.0.0/x"}), "Routes", has_line=True)
    refused(changed(entry={"Address": "10.64.0.2/64"}), "Address", has_line=True)


@tap.test
def an_unknown_key_names_the_nearest():
    refused(changed(office_peer={"AlowedIPs": "10.0.0.0/8"}), "AlowedIPs", "AllowedIPs", has_line=True)
    refused(changed(office={"Rotes": "10.0.0.0/8"}), "Routes", has_line=True)
    refused(changed(network={"Interfac": "x"}), "Interface", has_line=True)
    refused("[Tunel entry]\n" + changed(), "Tunel", has_line=True)
    refused("PrivateKey = x\n", has_line=True)
    refused("", "bad.conf")


@tap.test
def an_unreadable_key_file():
    refused(changed(office={"PrivateKey": None, "PrivateKeyFile": "/nowhere/key"}), "/nowhere/key")
    path = scene.client.write("short.key", "tooshort\n")
    refused(changed(office={"PrivateKey": None, "PrivateKeyFile": path}), "short.key")


@tap.test
def a_via_loop_or_a_missing_carrier():
    refused(changed(entry={"Via": "office"}), "Via", has_line=True)
    refused(changed(entry={"Via": "entry"}), "Via", has_line=True)
    refused(changed(office={"Via": "elsewhere"}), "elsewhere", has_line=True)


@tap.test
def A5_an_endpoint_that_the_carrier_cannot_reach():
    refused(changed(entry_peer={"AllowedIPs": "10.0.0.0/8"}), EXIT, "entry")
    refused(changed(entry={"Address": "10.64.0.2/32"},
                    office_peer={"Endpoint": "[2001:db8:113::20]:51820"}), "2001:db8:113::20")


@tap.test
def A2_two_unrelated_tunnels_with_one_prefix():
    twin = [("Tunnel twin", {"Via": "entry", "PrivateKey": Key().private, "Address": "10.71.0.2/32"}),
            ("Peer", {"PublicKey": Key().public, "Endpoint": at("203.0.113.21"),
                      "AllowedIPs": OFFICE_NET})]
    refused(sections(*scene.world.client_parts(), *twin), OFFICE_NET, "office", has_line=True)


@tap.test
def a_tunnel_deeper_than_eight():
    parts = scene.world.client_parts()
    carrier = "office"
    for depth in range(3, 10):
        parts += [(f"Tunnel t{depth}", {"Via": carrier, "PrivateKey": Key().private,
                                        "Address": f"10.1.{depth}.2/32"}),
                  ("Peer", {"PublicKey": Key().public, "Endpoint": at(f"10.20.{depth}.1"),
                            "AllowedIPs": [f"10.20.{depth + 1}.0/24"]})]
        carrier = f"t{depth}"
    refused(sections(*parts), "8")


@tap.test
def the_same_tunnel_name_or_key_twice():
    parts = scene.world.client_parts()
    refused(sections(*parts, *parts[1:3]), "entry", has_line=True)
    refused(changed().replace("[Tunnel office]\n", "[Tunnel office]\nVia = entry\n"), "Via",
            has_line=True)


@tap.test
def no_such_file():
    refused(None, "/nowhere/at-all.conf", files=("/nowhere/at-all.conf",))
    refused(None, "not-there", files=("not-there",))
    refused(None, files=(scene.client.dir,))
    refused(changed(office={"Config": "missing.conf"}), "missing.conf")


@tap.test
def what_is_no_file_of_text():
    pipe = os.path.join(scene.client.dir, "pipe.conf")
    os.mkfifo(pipe)
    refused(None, "pipe.conf", "nobody writes to it", name="pipe", files=(pipe,))
    refused(changed(office={"Config": pipe}), "pipe.conf", "nobody writes to it", has_line=True)
    refused(None, scene.client.dir, "a directory", files=(scene.client.dir,))
    for device in ("/dev/null", "/dev/zero"):
        refused(None, device, "a device", files=(device,))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(scene.client.dir, "socket.conf"))
    refused(None, "socket.conf", "a socket", files=(os.path.join(scene.client.dir, "socket.conf"),))
    endless = scene.client.run("bash", "-c", f"{Hopwire(scene.client).binary} check <(yes '# more')",
                               check=False)
    tap.equal(endless.returncode, 1, "the exit status for an endless pipe")
    tap.contains(endless.stderr, "larger than 16 MiB", "the sentence for an endless pipe")


@tap.test
def wrong_usage_is_status_2():
    hopwire = Hopwire(scene.client)
    for argv in ([], ["fly"], ["up"], ["--nonsense"], ["down"], ["route"]):
        result = hopwire.command(*argv, check=False)
        tap.equal(result.returncode, 2, f"hopwire {' '.join(argv)}: {result.stderr}")
    for argv in (["--help"], ["--version"]):
        result = hopwire.command(*argv)
        tap.check(result.stdout.strip(), f"hopwire {argv[0]} prints")


@tap.test
def a_second_up():
    hopwire = scene.up()
    wait_reachable(scene.client, "10.20.0.80")
    before = scene.client.network_state()
    result = hopwire.command("up", hopwire.write(changed()), check=False)
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, "multihop", "the sentence")
    tap.same_lines(scene.client.network_state(), before, "the running network")
    tap.check(scene.client.ping("10.20.0.80"), "the running network works")


def sentences(told):
    """Of what a command says, those that are refusals."""
    return [line for line in told.splitlines() if line.startswith("hopwire: bad: ")]


def what_up_and_check_say(text, *words):
    """Both refuse on this host, by one sentence that has the words, and change nothing."""
    by_up, by_check = (sentences(refused(text, *words, command=command))
                       for command in ("up", "check"))
    tap.equal(len(by_up), 1, f"up's sentences: {by_up}")
    tap.check(by_up[0] in by_check, f"check says the same: {by_check} and {by_up}")


@tap.test
def check_says_what_up_would_refuse_on_this_host():
    """And in its words, also where others' changes make the host so, or the environment."""
    client, hopwire = scene.client, Hopwire(scene.client, "bad")
    dns = changed(office={"DNS": "10.20.0.80"})
    closed = changed(network={"KillSwitch": "on"})
    read_only = "touch /etc/resolv.conf && mount --bind /etc/resolv.conf /etc/resolv.conf && mount -o " \
                "remount,bind,ro /etc/resolv.conf"
    everything = "for n in $(seq 4800 2 5310); do echo rule add pref 30000 table $n; done | ip -batch -"
    without_nft = f"python3 {os.path.join(HERE, 'without_nft.py')}"
    for text, before, after, words in (
            (changed(), "mount -t tmpfs tmpfs /dev/net", "", ["/dev/net/tun is missing"]),
            (changed(), "mount -t tmpfs tmpfs /dev/net && mkdir /dev/net/tun", "",
             ["/dev/net/tun cannot be opened: Is a directory"]),
            (changed(), "rm -rf /run/hopwire && mount -o remount,bind,ro /run", "",
             ["cannot make the directory /run/hopwire: Read-only file system"]),
            (changed(), "mkdir -p /run/hopwire && mount -o remount,bind,ro /run", "",
             ["cannot open the lock /run/hopwire/.lock: Read-only file system"]),
            (changed(), "mount -t tmpfs tmpfs /run && mkdir -m 777 /run/hopwire", "",
             ["others may write to the directory /run/hopwire"]),
            (changed(), "ulimit -n 24", "", ["more descriptors it could not be undone", "ulimit -n"]),
            (changed(), "mount -t tmpfs tmpfs /proc", "", ["/proc/self/stat", "mount /proc"]),
            (changed(), "export HOPWIRE_AEAD=abacus", "", ["AEAD backend abacus", "unset"]),
            (dns, read_only, "", ["cannot write /etc/resolv.conf: Read-only file system"]),
            (dns, "mount --bind /etc /etc && mount -o remount,bind,ro /etc", "",
             ["cannot write /etc/resolv.conf: Read-only file system"]),
            (changed(network={"Table": "main"}, entry={"Routes": "none"}),
             f"ip route add {OFFICE_NET} dev uplink", f"ip route del {OFFICE_NET}",
             [f"table main has a route for {OFFICE_NET} already"]),
            (changed(network={"Table": "77"}),
             "ip -6 route add default dev uplink metric 1024 table 77", "ip -6 route flush table 77",
             ["table 77 has a route for ::/0 already"]),
            (changed(network={"Table": "main"}, entry={"Routes": "0.0.0.0/0, !192.0.2.0/24"}), "true", "",
             ["Table = main cannot except !192.0.2.0/24"]),
            (changed(), everything, "while ip rule del pref 30000; do :; done",
             ["no free routing table"]),
            (closed, f"set -- {without_nft} \"$@\"", "", ["there is no kill switch"])):
        path = hopwire.write(text)
        state = client.network_state()
        told = {}
        for command in ("up", "check"):
            result = client.run("sh", "-c", f'{before} && exec "$@"', "sh", hopwire.binary, command, path,
                                check=False)
            if after:
                client.run("sh", "-c", after, check=False)
            if result.returncode == 0 and command == "up":
                hopwire.down(check=False)
            tap.equal(result.returncode, 1, f"{command} with {before}: {result.stdout}{result.stderr}")
            told[command] = sentences(result.stderr)
        tap.equal(len(told["up"]), 1, f"one sentence: {told['up']}")
        for word in words:
            tap.contains(told["up"][0], word, "up's sentence")
        tap.check(told["up"][0] in told["check"], f"check says the same: {told}")
        tap.same_lines(client.network_state(), state, "the client's network")


@tap.test
def check_of_a_network_that_is_up_says_what_replace_would():
    client, hopwire = scene.client, scene.up(network={"Table": "77"}, entry={"ListenPort": 51778})
    path = client.dir + "/multihop.conf"
    said = hopwire.command("check", path)
    tap.contains(said.stdout, "note: it is up", "no hindrance")
    tap.contains(said.stdout, "`hopwire up --replace`", "what to do")
    client.ip("route", "add", "203.0.113.128/25", "dev", "uplink", "table", "77")
    other = hopwire.write(changed(network={"Table": "77"}, entry={"ListenPort": 51778},
                                  office_peer={"AllowedIPs": "203.0.113.128/25"}))
    for argv in (("up", "--replace", other), ("check", other)):
        result = hopwire.command(*argv, check=False)
        tap.equal(result.returncode, 1, f"{argv[0]} ({result.stderr})")
        tap.contains(result.stderr, "table 77 has a route for 203.0.113.128/25 already", argv[0])
    client.ip("route", "del", "203.0.113.128/25", "table", "77")
    tap.equal(hopwire.command("check", other, check=False).returncode, 0, "without it")
    tap.equal(hopwire.command("up", "--replace", other, check=False).returncode, 0, "and replaced")


@tap.test
def an_interface_that_exists():
    scene.client.ip("link", "add", "hop0", "type", "veth", "peer", "name", "hop0-other")
    scene.client.ip("link", "add", "bad", "type", "veth", "peer", "name", "bad-other")
    try:
        what_up_and_check_say(changed(), "hop0")
        what_up_and_check_say(scene.world.entry_quick_text(), "bad: there is such an interface")
    finally:
        scene.client.ip("link", "del", "hop0")
        scene.client.ip("link", "del", "bad")


@tap.test
def no_tun_device():
    hopwire = Hopwire(scene.client, "notun")
    before = scene.client.network_state()
    for command in ("up", "check"):
        result = scene.client.run("sh", "-c", 'mount -t tmpfs tmpfs /dev/net && exec "$@"', "sh",
                                  hopwire.binary, command, hopwire.write(changed()), check=False)
        tap.equal(result.returncode, 1, f"the exit status of {command}")
        tap.contains(result.stderr, "/dev/net/tun", f"the sentence of {command}")
    tap.same_lines(scene.client.network_state(), before, "the client's network")


@tap.test
def check_needs_no_rights_and_takes_the_running_network_s_own_name_and_port_for_no_hindrance():
    hopwire = scene.up(entry={"ListenPort": 51778})
    path = scene.client.dir + "/multihop.conf"
    tap.contains(hopwire.command("check", path).stdout, "note: it is up", "check of what is up")
    hopwire.kill()
    crashed = hopwire.command("check", path, check=False)
    tap.equal(crashed.returncode, 0, f"check after a crash ({crashed.stderr})")
    hopwire.down()
    result = scene.client.run("setpriv", "--bounding-set=-all", "--inh-caps=-all", hopwire.binary,
                              "check", hopwire.write(changed(network={"KillSwitch": "on"}),
                                                     mode=0o644), check=False)
    if "setpriv" in result.stderr:
        raise tap.Skip(result.stderr.strip())
    tap.equal(result.returncode, 0, f"check without rights ({result.stderr})")


@tap.test
def no_rights():
    hopwire = Hopwire(scene.client, "norights")
    path = hopwire.write(changed(), mode=0o644)
    before = scene.client.network_state()
    tried = scene.client.run("setpriv", "--bounding-set=-all", "--inh-caps=-all", hopwire.binary,
                             "up", path, check=False)
    if "setpriv" in tried.stderr:
        raise tap.Skip(tried.stderr.strip())
    tap.equal(tried.returncode, 1, f"the exit status ({tried.stderr})")
    tap.check(tried.stderr.strip(), "a sentence")
    tap.same_lines(scene.client.network_state(), before, "the client's network")


@tap.test
def a_disk_that_is_full_for_the_state_file():
    hopwire = Hopwire(scene.client, "full")
    before = scene.client.network_state()
    script = ('mkdir -p /run/hopwire && mount -t tmpfs -o size=4k,mode=755 tmpfs /run/hopwire && '
              'head -c 8192 /dev/zero > /run/hopwire/filler; exec "$@"')
    result = scene.client.run("sh", "-c", script, "sh", hopwire.binary, "up",
                              hopwire.write(changed()), check=False)
    tap.equal(result.returncode, 1, f"the exit status ({result.stderr})")
    tap.contains(result.stderr, "/run/hopwire", "the sentence")
    tap.same_lines(scene.client.network_state(), before, "the client's network")
    tap.equal(hopwire.pids(), [], "daemons left behind")


@tap.test
def a_listen_port_that_is_taken():
    text = changed(entry={"ListenPort": 51777})
    line = text[:text.index("ListenPort")].count("\n") + 1
    for address in ("::", "192.0.2.2"):
        holder = scene.client.hold_port(51777, address)
        what_up_and_check_say(text, f"bad.conf:{line}: ListenPort: UDP port 51777 is taken by "
                                    "another program: choose another ListenPort")
        holder.stop()


@tap.test
def hostile_text():
    for text in ("\0\0\0", "[Network]\n" + "A" * 100_000 + " = b\n", "[Network\n", "[]\n", "=\n",
                 "[Tunnel " + "x" * 300 + "]\n", "\xff\xfe[Network]\n", "[Peer]\nPublicKey = a\n",
                 "[Tunnel a]\n" * 500):
        refused(text)


@tap.test
def a_key_file_that_others_can_read_is_a_warning():
    hopwire = Hopwire(scene.client, "open")
    path = hopwire.write(changed(), mode=0o644)
    result = hopwire.command("check", path)
    tap.contains(result.stdout + result.stderr, "open.conf", "a warning names the file")
    quiet = hopwire.command("check", hopwire.write(changed(), mode=0o600))
    tap.check(len(quiet.stderr) < len(result.stderr), "no warning about a private file")


@tap.test
def a_prefix_with_host_bits_is_a_warning_and_is_masked():
    hopwire = scene.up(office_peer={"AllowedIPs": ["10.20.3.4/16", "fd20:20::5/48"]})
    wait_reachable(scene.client, "10.20.0.80")
    result = hopwire.command("check", scene.client.dir + "/multihop.conf")
    tap.contains(result.stdout + result.stderr, "10.20.3.4/16", "the warning")


if __name__ == "__main__":
    main()
