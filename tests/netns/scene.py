# SPDX-License-Identifier: MIT
"""What the scenario programs share: the main job's world made once, one Hopwire per test, and after
each test the client's network exactly as before."""

import os
import sys

import tap
from lab import HERE, Lab, NotPossible, reexec_unprivileged
from peers import Hopwire, hopwire_binary
from world import World

IS_SANITIZED = os.environ.get("HOPWIRE_BUILD") == "sanitized"


class Scene:
    def __init__(self):
        self.lab = self.world = self.client = self.before = None
        self.networks = []
        self.afterwards, self.made_with = None, {}

    def make(self, services=True, relays="wireguard-go", **options):
        """A new world, the old one gone."""
        self.made_with = {"services": services, "relays": relays, **options}
        if self.lab:
            self.lab.close()
        self.networks = []
        self.lab = Lab()
        self.world = World(self.lab, **options)
        self.client = self.world.client
        if services:
            self.world.start_services()
        if relays:
            self.world.start_relays(relays)
        self.before = self.client.network_state()

    def up(self, *files, name="multihop", text=None, **changes):
        """The two-hop configuration (with changes), the text, or the files, up on the client."""
        hopwire = Hopwire(self.client, name)
        self.networks.append(hopwire)
        if not files and text is None:
            text = self.world.client_text(**changes)
        hopwire.up(*files, text=text)
        return hopwire

    def clean(self):
        """Every network down, and nothing of them left."""
        networks, self.networks = self.networks, []
        for hopwire in networks:
            hopwire.down(check=hopwire.is_up)
        state = self.client.network_state() if networks else self.before
        if state != self.before:
            before = self.before
            self.make(**self.made_with)  # one test's remains are not the next one's
            if self.afterwards:
                self.afterwards()
            tap.same_lines(state, before, "the client's network after down")

    def ask(self, destination, port, *options, host=None):
        """One UDP question from the client: the answer, or the error's name, or `nothing`."""
        return (host or self.client).run("python3", os.path.join(HERE, "ask.py"), destination, port,
                                         *options).stdout.strip()

    def inject(self, host, interface, *raw):
        """Sends IP packets into an interface, as they are."""
        host.run("python3", os.path.join(HERE, "inject.py"), interface,
                 input="\n".join(packet.hex() for packet in raw))

    def leaks(self, packets):
        """Of packets seen on the uplink, those that are neither WireGuard to the entry nor the
        link's own affairs."""
        entry = self.world.entry_endpoint
        return [p for p in packets if entry not in (p.src, p.dst)
                and not (p.version == 6 and p.protocol in (0, 58) and p.is_link_local())]


scene = Scene()


def main(afterwards=None, **options):
    """The program: the world with these options, what `afterwards` adds to it, then the tests."""
    if "--list" in sys.argv[1:]:
        tap.main()
    try:
        hopwire_binary()
        reexec_unprivileged()
        scene.make(**options)
        scene.afterwards = afterwards
        if afterwards:
            afterwards()
    except (NotPossible, tap.Skip) as why:
        tap.skip_all(why)
    tap.main(after=scene.clean)
