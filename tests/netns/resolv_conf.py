# SPDX-License-Identifier: MIT
"""The client's resolv.conf, as an ordinary file or as a mount of its own."""

import os

import packages
import tap
from scene import scene

BEFORE = "# the host's own\nsearch lan.example\nnameserver 192.0.2.1\n"
THEIRS = "nameserver 192.0.2.9\n"


class File:
    """The client's resolv.conf: `plain`, in an /etc of its own, or a mount."""

    def __init__(self, is_plain, text=BEFORE):
        client = scene.client
        packages.take_back(client)
        if is_plain:
            self.path = packages.plain_resolv_conf(client)
        else:
            self.path = os.path.join(client.dir, "resolv.conf")
        self.is_plain = is_plain
        self.place(text)

    def place(self, text):
        if os.path.lexists(self.path):
            os.remove(self.path)
        if text is not None:
            with open(self.path, "w") as file:
                file.write(text)
            os.chmod(self.path, 0o644)

    def text(self):
        with open(self.path) as file:
            return file.read()

    def servers(self):
        return [l.split()[1] for l in self.text().splitlines() if l.startswith("nameserver")]

    def check_dns_is_back(self):
        """The network goes on."""
        tap.equal(self.text(), BEFORE, "resolv.conf")

    def check_back(self, what="after down", text=BEFORE):
        tap.equal(self.text(), text, "resolv.conf " + what)
        tap.equal(self.remains(), [], "files left " + what)

    def remains(self):
        """Of ours, but for resolv.conf itself."""
        directory, run = os.path.dirname(self.path), scene.client.run_path("hopwire")
        names = os.listdir(directory) if self.is_plain else []
        return sorted([n for n in names if "hopwire" in n and "resolv" in n]
                      + [n for n in os.listdir(run) if not n.endswith("lock")])


def both():
    yield File(True)
    yield File(False)
