# SPDX-License-Identifier: MIT
"""The programs that keep a system's DNS, from their packages, each in the client alone."""

import os

import packages
import tap
from lab import wait_until
from scene import scene


def read(path):
    with open(path) as file:
        return file.read()


def given(package):
    """The client has this manager and no other; its /etc."""
    scene.client.run("rm", "-rf", "/run/systemd", "/run/dbus", "/run/resolvconf")
    return packages.give(scene.client, package)


def place(etc, text):
    """An ordinary file, as of a machine that nobody manages."""
    path = os.path.join(etc, "resolv.conf")
    if os.path.lexists(path):
        os.remove(path)
    with open(path, "w") as file:
        file.write(text)
    return path


def set_up_debian_s(etc):
    """As the package's own scripts do when it is installed and the machine boots."""
    client = scene.client
    client.run("mkdir", "-p", "/run/resolvconf/interface")
    client.run("touch", "/run/resolvconf/enable-updates")
    os.remove(place(etc, ""))
    os.symlink("/run/resolvconf/resolv.conf", os.path.join(etc, "resolv.conf"))
    client.run("resolvconf", "-a", "uplink.dhclient",
               input="search lan.example\nnameserver 192.0.2.1\n")


class Resolved:
    """systemd-resolved and the bus that it is told on, in the client."""

    def __init__(self):
        client = self.client = scene.client
        etc = self.etc = given("systemd-resolved")
        with open(os.path.join(etc, "passwd"), "a") as file:
            file.write("systemd-resolve:x:996:996::/:/usr/sbin/nologin\n")
        with open(os.path.join(etc, "group"), "a") as file:
            file.write("systemd-resolve:x:996:\n")
        os.remove(place(etc, ""))
        os.symlink("/run/systemd/resolve/stub-resolv.conf", os.path.join(etc, "resolv.conf"))
        # What it asks the links, by default, differs between Debian's releases.
        os.makedirs(os.path.join(etc, "systemd/resolved.conf.d"))
        with open(os.path.join(etc, "systemd/resolved.conf.d/links.conf"), "w") as file:
            file.write("[Resolve]\nLLMNR=yes\nMulticastDNS=yes\n")
        client.run("mkdir", "-p", "/run/dbus", "/run/systemd/resolve")
        if client.run("chown", "996:996", "/run/systemd/resolve", check=False).returncode != 0:
            raise tap.Skip("systemd-resolved needs a user of its own, and there is only one here")
        self.bus = client.start("dbus-daemon", "--system", "--nofork", "--nopidfile",
                                "--print-address", name="dbus")
        self.bus.wait_output("unix:")
        self.daemon = client.start("/lib/systemd/systemd-resolved", name="resolved")
        try:
            wait_until(lambda: client.run("resolvectl", "status", check=False).returncode == 0, 20,
                       "systemd-resolved")
        except AssertionError:
            raise tap.Skip("systemd-resolved does not start here: " + self.daemon.output())

    def links(self):
        return self.client.run("resolvectl", "dns").stdout

    def stop(self):
        self.daemon.stop()
        self.bus.stop()
        self.client.run("rm", "-rf", "/run/systemd", "/run/dbus")


def wrapped(before, program="resolvconf"):
    """A program in front of the real one, that does this first; the environment that finds it."""
    directory = os.path.join(scene.client.dir, "bin")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, program)
    with open(path, "w") as file:
        file.write(f'#!/bin/sh\nreal() {{ PATH=/usr/sbin:/sbin:/usr/bin:/bin {program} "$@"; }}\n'
                   f'{before}\nreal "$@"\n')
    os.chmod(path, 0o755)
    return {"PATH": directory + ":" + os.environ["PATH"]}


def managed(manager):
    """A client whose uplink's servers this resolvconf has; what resolv.conf shows."""
    etc = given(manager)
    if manager == "resolvconf":
        set_up_debian_s(etc)
    else:
        place(etc, "")
        scene.client.run("resolvconf", "-a", "uplink", input="nameserver 192.0.2.1\n")
    return lambda: scene.client.run("cat", "/etc/resolv.conf").stdout
