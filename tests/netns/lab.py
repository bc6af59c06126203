# SPDX-License-Identifier: MIT
"""Hosts in network namespaces, cables between them, programs in them.

A Lab owns everything it makes: namespaces with names of its own, the processes in them and one
directory. All of it goes when the lab is closed, on every way out. Each host has a /run of its own,
so two hosts can have the same interface names, state files and control sockets, and nothing in a
lab can reach a daemon of the machine (D-Bus, systemd-resolved). Nor does it see the machine's
settings (surroundings.py), and it starts no program that a fresh machine lacks (needed.py).

Nothing here sleeps for a fixed time: wait_until waits for an event and fails when it does not come.
"""

import atexit
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import needed
import packets
import surroundings

HERE = os.path.dirname(os.path.abspath(__file__))
INSIDE = "HOPWIRE_LAB_INSIDE"

surroundings.leave()

# Runs in a host's own mount namespace (`ip netns exec` makes one for each command).
ENTER = """
dir=$1; shift
mount --bind "$dir/run" /run && mount --bind "$dir/etc" /etc && cd "$dir" || exit 125
if [ -e "$dir/mounts" ]; then . "$dir/mounts" || exit 125; fi
if [ -e "$dir/resolv.conf" ]; then
    target=$(readlink -m /etc/resolv.conf)
    mkdir -p "${target%/*}"
    [ -e "$target" ] || : > "$target"
    mount --bind "$dir/resolv.conf" "$target" || exit 125
fi
exec "$@"
"""


class NotPossible(Exception):
    """This machine cannot hold a lab; the text says why and what to do."""


class CommandFailed(Exception):
    def __init__(self, where, argv, result):
        self.result = result
        super().__init__(f"{where}: {' '.join(argv)}: exit status {result.returncode}\n"
                         f"{result.stdout}{result.stderr}")


def wait_until(predicate, timeout=10.0, what="it", every=0.02):
    """Returns the predicate's first true value; AssertionError when none came in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(every)


def reexec_unprivileged():
    """As an ordinary user: runs this program again as root of a new user namespace."""
    if os.environ.get(INSIDE):
        # `ip netns add` needs a /run/netns that we may write.
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        os.makedirs("/run/netns")
        del os.environ[INSIDE]
        return
    if os.geteuid() == 0:
        return
    probe = ["unshare", "--user", "--map-root-user", "--net", "--mount", "true"]
    result = subprocess.run(probe, capture_output=True, text=True)
    if result.returncode != 0:
        raise NotPossible("network namespaces need root, and this machine does not allow user "
                          f"namespaces ({result.stderr.strip()}): run it as root")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", "--mount",
                          sys.executable] + sys.argv)


def require_tun():
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        advice = {errno.ENOENT: "load the kernel module tun (modprobe tun)",
                  errno.ENODEV: "load the kernel module tun (modprobe tun)"}
        raise NotPossible(f"/dev/net/tun cannot be opened ({error.strerror}): "
                          + advice.get(error.errno, "run it as root, or allow its use"))


class Process:
    """A program in the background; its output goes to a file."""

    def __init__(self, host, argv, name, env=None, stdin=subprocess.DEVNULL):
        self.host, self.argv = host, argv
        self.path = os.path.join(host.dir, f"{name}.{host.lab.next_number()}.log")
        with open(self.path, "wb") as log:
            self.popen = subprocess.Popen(host.enter(argv), stdin=stdin, stdout=log, stderr=log,
                                          env=surroundings.environment(host.dir, env))
        self.pid = self.popen.pid

    def output(self):
        with open(self.path, errors="replace") as log:
            return log.read()

    def runs(self):
        return self.popen.poll() is None

    def wait_output(self, text, timeout=10.0):
        wait_until(lambda: text in self.output() or not self.runs(), timeout,
                   f"{text!r} from {' '.join(self.argv)}")
        if text not in self.output():
            raise AssertionError(f"{' '.join(self.argv)} ended with status "
                                 f"{self.popen.returncode}:\n{self.output()}")

    def wait(self, timeout=30.0):
        return self.popen.wait(timeout)

    def send(self, number):
        if self.runs():
            self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=5.0):
        self.send(number)
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        return self.popen.returncode


class Capture:
    """What passes one interface of a host from now on. stop() gives the packets."""

    def __init__(self, host, interface, snap=65535):
        self.file = os.path.join(host.dir, f"{interface}.{host.lab.next_number()}.pcap")
        self.process = host.start("python3", os.path.join(HERE, "sniff.py"), interface, self.file,
                                  snap, name="sniff")
        self.process.wait_output("listening")
        self.packets = None

    def so_far(self):
        return packets.read_pcap(self.file)

    def stop(self):
        if self.packets is None:
            if self.process.stop(timeout=20) != 0:
                raise AssertionError("capture: " + self.process.output())
            self.packets = self.so_far()
        return self.packets


class Host:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.ns = f"hw{os.getpid()}-{name}"
        self.dir = os.path.join(lab.dir, name)
        self.given = []  # trees of packages that its programs see as installed
        os.makedirs(os.path.join(self.dir, "run", "wireguard"))
        surroundings.make_etc(os.path.join(self.dir, "etc"))
        result = subprocess.run(["ip", "netns", "add", self.ns], capture_output=True, text=True)
        if result.returncode != 0:
            raise NotPossible(f"a network namespace cannot be made ({result.stderr.strip()}): "
                              "run it as root of a machine, or allow user namespaces")
        lab.hosts.append(self)
        self.write("resolv.conf", "", 0o644)  # a mount, as in a container
        subprocess.run(["ip", "netns", "exec", self.ns, "sh", "-c", surroundings.WRITE_SYSCTLS],
                       input=surroundings.sysctls(), capture_output=True, text=True)
        self.ip("link", "set", "lo", "up")

    def enter(self, argv):
        return ["ip", "netns", "exec", self.ns, "sh", "-c", ENTER, "sh", self.dir, *argv]

    def run(self, *argv, check=True, input=None, timeout=60, env=None):
        """Runs a command to its end; its result has text in stdout and stderr."""
        argv = [str(argument) for argument in argv]
        needed.check(argv, self.given)
        result = subprocess.run(self.enter(argv), input=input, capture_output=True, text=True,
                                errors="replace", timeout=timeout,
                                env=surroundings.environment(self.dir, env),
                                stdin=None if input is not None else subprocess.DEVNULL)
        if check and result.returncode != 0:
            raise CommandFailed(self.name, argv, result)
        return result

    def start(self, *argv, name=None, env=None):
        argv = [str(argument) for argument in argv]
        needed.check(argv, self.given)
        process = Process(self, argv, name or os.path.basename(argv[0]), env)
        self.lab.processes.append(process)
        return process

    def hold_port(self, port, address="::"):
        """Another program that has the UDP port; returns once it does."""
        family = "AF_INET6" if ":" in address else "AF_INET"
        process = self.start("python3", "-c", f"""if True:
            from socket import *
            held = socket({family}, SOCK_DGRAM)
            held.bind(("{address}", {port}))
            print("bound", flush=True)
            held.recv(1)""", name=f"holds{port}")
        process.wait_output("bound")
        return process

    def ip(self, *argv, check=True):
        """iproute2 needs no mounts: it looks into the namespace from outside."""
        argv = ["ip", "-n", self.ns, *[str(argument) for argument in argv]]
        result = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if check and result.returncode != 0:
            raise CommandFailed(self.name, argv, result)
        return result.stdout

    def ip_json(self, *argv):
        return json.loads(self.ip("-j", *argv) or "[]")

    def write_sysctl(self, key, value, required=True):
        path = "/proc/sys/" + key.replace(".", "/")
        result = subprocess.run(["ip", "netns", "exec", self.ns, "sh", "-c",
                                 f"echo {value} > {path}"], capture_output=True, text=True)
        if required and result.returncode != 0:
            raise NotPossible(f"{path} cannot be written: {result.stderr.strip()}")

    def forward(self):
        self.write_sysctl("net.ipv4.ip_forward", 1)
        self.write_sysctl("net.ipv6.conf.all.forwarding", 1)

    def masquerade(self, interface):
        self.run("nft", "-f", "-", input=f"""
            table inet lab {{
                chain post {{
                    type nat hook postrouting priority 100
                    oifname "{interface}" masquerade
                }}
            }}
            """)

    def address(self, interface, *addresses):
        for address in addresses:
            self.ip("address", "add", address, "dev", interface,
                    *(["nodad"] if ":" in address else []))

    def route(self, prefix, *rest):
        self.ip("-6" if ":" in prefix + " ".join(rest) else "-4", "route", "replace", prefix, *rest)

    def capture(self, interface, snap=65535):
        return Capture(self, interface, snap)

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def run_path(self, *parts):
        """A path under this host's /run, as seen from outside."""
        return os.path.join(self.dir, "run", *parts)

    def pids(self):
        result = subprocess.run(["ip", "netns", "pids", self.ns], capture_output=True, text=True)
        return [int(pid) for pid in result.stdout.split()]

    def network_state(self):
        """Everything of the host's network that a program could leave behind, as text."""
        commands = (["-4", "rule"], ["-6", "rule"], ["-4", "route", "show", "table", "all"],
                    ["-6", "route", "show", "table", "all"], ["-br", "link"], ["-br", "address"])
        parts = ["\n".join(sorted(self.ip(*command).splitlines())) for command in commands]
        return "\n--\n".join(parts + [self.run("nft", "list", "ruleset", check=False).stdout])

    def ping(self, destination, *rest, count=1, wait=2):
        argv = ["ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", wait, *rest, destination]
        return self.run(*argv, check=False).returncode == 0

    def fetch(self, url, *rest, timeout=15):
        """The text at the URL; CommandFailed when it cannot be had."""
        return self.run("curl", "-sS", "-f", "-g", "--noproxy", "*", "-m", timeout, *rest, url,
                        timeout=timeout + 15).stdout

    def close(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            for process in self.lab.processes:
                process.popen.poll()
            try:
                wait_until(lambda: not self.pids(), 3)
                break
            except AssertionError:
                pass
        subprocess.run(["ip", "netns", "del", self.ns], capture_output=True)


class Lab:
    """`with Lab() as lab:`; NotPossible says plainly why this machine cannot hold one."""

    def __init__(self):
        require_tun()
        self.hosts, self.processes, self.number = [], [], 0
        self.dir = tempfile.mkdtemp(prefix="hopwire-lab-")
        self.owner = os.getpid()
        atexit.register(self.close)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda number, frame: sys.exit(128 + number))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def next_number(self):
        self.number += 1
        return self.number

    def host(self, name):
        return Host(self, name)

    def link(self, a, interface_a, b, interface_b, mtu=1500):
        """A cable: one veth pair, both ends up."""
        subprocess.run(["ip", "link", "add", interface_a, "netns", a.ns, "type", "veth", "peer",
                        "name", interface_b, "netns", b.ns], check=True)
        for host, interface in ((a, interface_a), (b, interface_b)):
            host.ip("link", "set", "dev", interface, "mtu", mtu, "up")

    def close(self):
        if os.getpid() != self.owner or not os.path.isdir(self.dir):
            return
        for host in self.hosts:
            host.close()
        for process in self.processes:
            process.stop(signal.SIGKILL)
        if os.environ.get("HOPWIRE_LAB_KEEP"):
            print(f"# logs and captures: {self.dir}", file=sys.stderr)
            os.rename(self.dir, self.dir + ".kept")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
