# SPDX-License-Identifier: MIT
"""Of the machine that a lab runs on, its programs see the kernel and nothing else: not its settings
in the environment and /etc, not what its shell limits or ignores, not the sysctls that a new network
namespace takes over from the first one."""

import os
import resource
import shutil
import signal
import socket
import sys

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# What programs in a lab get of the environment.
PASSED = ("PATH", "TERM", "LC_ALL", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
SIGNALS = ("SIGHUP", "SIGQUIT", "SIGTERM", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGALRM")
OPEN_FILES = 1024

ETC = {
    "hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {hostname}\n",
    "hostname": "{hostname}\n",
    "resolv.conf": "nameserver 192.0.2.1\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "passwd": "root:x:0:0:root:/root:/bin/sh\nmessagebus:x:990:990::/:/usr/sbin/nologin\n"
              "dnsmasq:x:991:65534::/:/usr/sbin/nologin\n"
              "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "group": "root:x:0:\nmessagebus:x:990:\nnogroup:x:65534:\n",
    "iproute2/rt_tables": "255 local\n254 main\n253 default\n0 unspec\n",
}
# How this system's own programs are found; made by its package manager.
SHARED_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d")

# net.ipv4.conf.all and .default come from the first namespace (systemd writes rp_filter 2 there, a
# container's host forwarding), and so do some of TCP's: here as the kernel is compiled.
IPV4_CONF = {"accept_local": 0, "accept_redirects": 1, "accept_source_route": 0, "arp_accept": 0,
             "arp_announce": 0, "arp_evict_nocarrier": 1, "arp_filter": 0, "arp_ignore": 0,
             "arp_notify": 0, "bc_forwarding": 0, "drop_gratuitous_arp": 0,
             "drop_unicast_in_l2_multicast": 0, "forwarding": 0, "ignore_routes_with_linkdown": 0,
             "log_martians": 0, "promote_secondaries": 0, "proxy_arp": 0, "proxy_arp_pvlan": 0,
             "route_localnet": 0, "rp_filter": 0, "secure_redirects": 1, "send_redirects": 1,
             "shared_media": 1, "src_valid_mark": 0}
# Duplicate address detection would make each new IPv6 address wait for a second or two.
IPV6_CONF = {"accept_dad": 0, "accept_ra": 1, "accept_redirects": 1, "addr_gen_mode": 0,
             "autoconf": 1, "disable_ipv6": 0, "forwarding": 0, "hop_limit": 64,
             "keep_addr_on_down": 0, "use_tempaddr": 0}
IPV4 = {"ip_default_ttl": 64, "ip_local_port_range": "32768 60999", "ip_no_pmtu_disc": 0,
        "fwmark_reflect": 0, "icmp_ratelimit": 1000, "ip_nonlocal_bind": 0, "tcp_ecn": 2,
        "tcp_congestion_control": "cubic", "tcp_fwmark_accept": 0, "tcp_mtu_probing": 0,
        "tcp_rmem": "4096 131072 6291456", "tcp_sack": 1, "tcp_timestamps": 1,
        "tcp_window_scaling": 1, "tcp_wmem": "4096 16384 4194304"}


def sysctls():
    """NAME VALUE lines, paths under /proc/sys/net."""
    lines = [f"ipv4/conf/{scope}/{key} {value}" for scope in ("all", "default")
             for key, value in IPV4_CONF.items()]
    lines += [f"ipv6/conf/{scope}/{key} {value}" for scope in ("all", "default")
              for key, value in IPV6_CONF.items()]
    lines += [f"ipv4/{key} {value}" for key, value in IPV4.items()]
    return "\n".join(lines) + "\n"


# A key that this kernel does not have, or that may not be written here, stays as it is.
WRITE_SYSCTLS = """
cd /proc/sys/net && while read -r name value; do
    [ ! -e "$name" ] || echo "$value" > "$name"
done 2>/dev/null
true
"""


def make_etc(directory):
    """An /etc as of a machine that nobody set anything on."""
    os.makedirs(os.path.join(directory, "iproute2"))
    for name, text in ETC.items():
        with open(os.path.join(directory, name), "w") as file:
            file.write(text.format(hostname=socket.gethostname()))
    for name in SHARED_ETC:
        path = "/etc/" + name
        if os.path.isdir(path):
            shutil.copytree(path, os.path.join(directory, name), symlinks=True)
        elif os.path.exists(path):
            shutil.copy(path, os.path.join(directory, name))


def environment(home, changes=None):
    """For a program in a lab whose files are in the directory home."""
    kept = {name: value for name, value in os.environ.items()
            if name in PASSED or name.startswith("HOPWIRE")}
    return {**kept, "HOME": home, **(changes or {})}


def leave():
    """Done once by every program that makes a lab, when it begins."""
    if sys.getfilesystemencoding() != "utf-8" and "PYTHONUTF8" not in os.environ:
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    os.umask(0o022)
    # With dpkg, the programs are those of its packages; elsewhere they may be anywhere.
    has_packages = os.path.exists("/var/lib/dpkg/status")
    os.environ["PATH"] = PATH if has_packages else os.environ.get("PATH", "") + ":" + PATH
    os.environ.update({"LC_ALL": "C.UTF-8", "TZ": "UTC0"})
    for name in SIGNALS:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for kind, wanted in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, OPEN_FILES),
                         (resource.RLIMIT_FSIZE, -1), (resource.RLIMIT_CPU, -1),
                         (resource.RLIMIT_AS, -1), (resource.RLIMIT_NPROC, -1)):
        soften(kind, wanted)


def soften(kind, wanted):
    """The soft limit, as far as the hard one, and the rights to raise it, let us."""
    hard = resource.getrlimit(kind)[1]
    for limits in ((wanted, hard if wanted != -1 else -1), (hard, hard)):
        try:
            return resource.setrlimit(kind, limits)
        except (ValueError, OSError):
            pass
