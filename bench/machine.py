# SPDX-License-Identifier: MIT
"""What a measurement depends on besides the code: the machine, its settings, the versions."""

import os
import platform
import re
import shutil
import subprocess


def output_of(*argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def first_line(path, start=""):
    try:
        with open(path) as file:
            return next((line.strip() for line in file if line.startswith(start)), "")
    except OSError:
        return ""


def wireguard_go_version(path):
    """Of the module that a go program was built from; else of Debian's package."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    text = output_of(go, "version", "-m", path) if go else ""
    module = re.search(r"^\s+mod\s+\S+\s+(v\S+)", text, re.M)
    return module[1] if module else output_of("dpkg-query", "-W", "-f", "${Version}",
                                              "wireguard-go")


def machine(wireguard_go):
    """`wireguard_go`: name → path or None."""
    cpu = first_line("/proc/cpuinfo", "model name").partition(":")[2].strip()
    found = {"cpu": cpu or platform.machine(), "cores": len(os.sched_getaffinity(0)),
             "kernel": platform.release(),
             "congestion_control": first_line("/proc/sys/net/ipv4/tcp_congestion_control"),
             "gcc": output_of("gcc", "-dumpfullversion"),
             "openssl": output_of("pkg-config", "--modversion", "libcrypto"),
             "iperf3": output_of("iperf3", "--version").partition("\n")[0].removeprefix("iperf ")
                                                       .partition(" ")[0]}
    for name, path in wireguard_go.items():
        if path:
            found[name] = wireguard_go_version(path)
    return found


def machine_text(found):
    """One line."""
    names = {"cpu": "{}", "cores": "{} cores", "kernel": "Linux {}", "congestion_control": "TCP {}",
             "openssl": "OpenSSL {}"}
    return " · ".join(names.get(key, key + " {}").format(value) for key, value in found.items())
