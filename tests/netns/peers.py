# SPDX-License-Identifier: MIT
"""WireGuard programs in a lab's hosts: wireguard-go of either age, and Hopwire.

Interfaces with peers are described once, as data, and given to whichever program is asked for."""

import json
import os
import shutil
import signal
import subprocess

from lab import HERE, wait_until
from tap import Skip


class Key:
    def __init__(self):
        run = lambda command, text=None: subprocess.run(
            ["wg", command], input=text, capture_output=True, text=True, check=True).stdout.strip()
        self.private = run("genkey")
        self.public = run("pubkey", self.private)


def preshared_key():
    return subprocess.run(["wg", "genpsk"], capture_output=True, text=True,
                          check=True).stdout.strip()


def sections(*parts):
    """wg-quick text: ("Peer", {"PublicKey": …}), … ; a value of None is left out, a list is a
    comma-separated one."""
    lines = []
    for name, keys in parts:
        lines.append(f"[{name}]")
        for key, value in keys.items():
            if isinstance(value, (list, tuple)):
                value = ", ".join(value)
            if value is not None:
                lines.append(f"{key} = {value}")
        lines.append("")
    return "\n".join(lines)


def at(address, port=51820):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Interface:
    """One WireGuard interface: its key, addresses, port, MTU, mark and peers (dicts of wg's keys)."""

    def __init__(self, name, key, addresses, port=51820, mtu=1420, mark=None):
        self.name, self.key, self.addresses = name, key, addresses
        self.port, self.mtu, self.mark, self.peers = port, mtu, mark, []

    def peer(self, key, allowed, endpoint=None, psk=None, keepalive=None):
        self.peers.append({"PublicKey": key.public if isinstance(key, Key) else key,
                           "PresharedKey": psk, "AllowedIPs": allowed, "Endpoint": endpoint,
                           "PersistentKeepalive": keepalive})
        return self

    def wg_text(self):
        own = {"PrivateKey": self.key.private, "ListenPort": self.port, "FwMark": self.mark}
        return sections(("Interface", own), *[("Peer", peer) for peer in self.peers])

    def quick_text(self):
        own = {"PrivateKey": self.key.private, "ListenPort": self.port, "Address": self.addresses,
               "MTU": self.mtu}
        return sections(("Interface", own), *[("Peer", peer) for peer in self.peers])


class WireguardGo:
    """wireguard-go in a host, up: addresses and MTU set, no routes. `segments`: whether it may hand
    the kernel runs of datagrams. A newer one (Debian 13's) goes on with that after a packet-too-big
    and after EMSGSIZE (a datagram of the run would need fragments), and loses every such run."""

    def __init__(self, host, interface, binary="wireguard-go", env=None, segments=True):
        self.host, self.interface, name = host, interface, interface.name
        before = () if segments else ("python3", os.path.join(HERE, "without_gso.py"))
        self.process = host.start(*before, binary, "-f", name, name=f"{name}.wireguard-go",
                                  env={"LOG_LEVEL": "error", **(env or {})})
        socket = host.run_path("wireguard", name + ".sock")
        wait_until(lambda: os.path.exists(socket) or not self.process.runs(), 10,
                   f"{binary} on {host.name}")
        if not self.process.runs():
            raise AssertionError(f"{binary} ended: {self.process.output()}")
        self.configure()
        host.address(name, *interface.addresses)
        host.ip("link", "set", name, "mtu", interface.mtu, "up")

    def configure(self):
        path = self.host.write(self.interface.name + ".wg", self.interface.wg_text())
        self.host.run("wg", "setconf", self.interface.name, path)

    def pids(self):
        return [self.process.pid]

    def transfer(self):
        """(received, sent) bytes of all peers."""
        lines = self.host.run("wg", "show", self.interface.name, "transfer").stdout.split("\n")
        pairs = [line.split("\t")[1:] for line in lines if line]
        return tuple(sum(int(pair[i]) for pair in pairs) for i in (0, 1))

    def down(self):
        self.process.stop()


def wireguard_go_current(may_install=True):
    """The path of the current wireguard-go, built from the module proxy into the user's cache;
    None where there is no go of 1.23 or newer."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(cache, "hopwire", "wireguard-go-current")
    if os.path.exists(path):
        return path
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go or not may_install:
        return None
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True).stdout
    numbers = version.strip().removeprefix("go").split(".") if version else []
    if len(numbers) < 2 or (int(numbers[0]), int(numbers[1].split("rc")[0])) < (1, 23):
        return None
    into = os.path.join(cache, "hopwire", "go-bin")
    os.makedirs(into, exist_ok=True)
    result = subprocess.run([go, "install", "golang.zx2c4.com/wireguard@latest"],
                            env={**os.environ, "GOBIN": into}, capture_output=True, text=True)
    if result.returncode != 0:
        return None
    os.replace(os.path.join(into, "wireguard"), path)
    return path


def hopwire_binary():
    """$HOPWIRE, as an absolute path; Skip when there is none."""
    path = os.environ.get("HOPWIRE", "")
    if not path or not os.access(path, os.X_OK):
        raise Skip("HOPWIRE does not name the hopwire program")
    return os.path.abspath(path)


def parent_of(pid):
    """0: it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def is_dead(pid):
    """Gone, or only its exit status is left."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Hopwire:
    """One network of `hopwire` in a host."""

    def __init__(self, host, name="multihop", env=None, binary=None):
        self.host, self.name, self.env = host, name, env or {}
        self.binary = binary or hopwire_binary()
        self.is_up = False

    def command(self, *argv, check=True, timeout=60):
        return self.host.run(self.binary, *argv, check=check, env=self.env, timeout=timeout)

    def write(self, text, name=None, mode=0o600):
        return self.host.write((name or self.name) + ".conf", text, mode)

    def up(self, *files, text=None):
        """Brings the files up, or the text as NAME.conf; returns when `hopwire up` does."""
        if text is not None:
            files = (self.write(text),)
        result = self.command("up", *files)
        self.is_up = True
        return result

    def down(self, check=True):
        self.is_up = False
        return self.command("down", self.name, check=check)

    def status(self):
        return json.loads(self.command("status", self.name, "--json").stdout)

    def pids(self):
        """The daemon's, found in the namespace by its program's file."""
        found = []
        for pid in self.host.pids():
            try:
                if os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(self.binary):
                    found.append(pid)
            except OSError:
                pass
        return found

    def daemons(self):
        """Those that move packets: what else there is of a network is a child of its daemon."""
        pids = self.pids()
        return [pid for pid in pids if parent_of(pid) not in pids]

    def daemon(self):
        """The process that moves packets."""
        with open(self.host.run_path("hopwire", self.name + ".state")) as file:
            return json.load(file)["pid"]

    def kill(self, waits=True):
        """kill -9, and waits until the process is gone with all that it held."""
        pids = self.pids()
        assert pids, "no hopwire daemon to kill"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        if waits:
            wait_until(lambda: all(map(is_dead, pids)), 5, "the killed daemon to go")

    def verdict(self, name):
        """How often the verdict was counted, over all tunnels."""
        return sum_of(self.status(), name)


def sum_of(value, key):
    """The sum of all numbers under the key, anywhere in the JSON."""
    if isinstance(value, list):
        return sum(sum_of(item, key) for item in value)
    if not isinstance(value, dict):
        return 0
    own = value.get(key)
    own = own if isinstance(own, (int, float)) and not isinstance(own, bool) else 0
    return own + sum(sum_of(item, key) for item in value.values())
