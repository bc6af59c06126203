# SPDX-License-Identifier: MIT
"""RULES I2, I3, A7: one TCP connection through the exit goes on while reloads change everything around
it: no byte is lost, none waits for a retransmission timer; and what is seen on the uplink meanwhile is
the entry's datagrams, whatever the exit rides on."""

import os

import tap
from lab import HERE, wait_until
from peers import Key, at
from reloading import reload, said, sessions, stranger, up, with_parts
from scene import main, scene
from world import ENTRY, EXIT, OFFICE

PART = 300_000


class Download:
    """A connection to the office, and the timers that ran out on it, at either end."""

    def __init__(self):
        self.before = self.timeouts()
        self.process = scene.client.start("python3", os.path.join(HERE, "downloader.py"), OFFICE, PART,
                                          name="downloader")
        self.more(2)

    def timeouts(self):
        total = 0
        for host in scene.client, scene.world.office:
            lines = [line.split() for line in host.run("cat", "/proc/net/netstat").stdout.splitlines()
                     if line.startswith("TcpExt:")]
            total += int(dict(zip(*lines))["TCPTimeouts"])
        return total

    def parts(self):
        return [line.split() for line in self.process.output().splitlines() if line.count(" ") == 2]

    def more(self, count=2):
        wanted = len(self.parts()) + count
        wait_until(lambda: len(self.parts()) >= wanted or not self.process.runs(), 60, "parts to come")

    def stop(self, most_timeouts=0):
        self.more()
        tap.check(self.process.runs(), "the connection stands: " + self.process.output()[-500:])
        self.process.stop()
        parts = self.parts()
        tap.equal([part for part in parts if part[1] != "True"], [], "parts that are not right")
        timeouts = self.timeouts() - self.before
        waited = max(int(part[2]) for part in parts)
        print(f"# {len(parts)} parts, {waited} ms the longest wait, {timeouts} timers ran out")
        tap.check(timeouts <= most_timeouts, f"{timeouts} retransmission timers ran out")


@tap.test
def I2_a_connection_goes_on_while_peers_switches_and_servers_change():
    hopwire = up()
    before, key = sessions(hopwire), Key()
    download = Download()
    uplink = scene.client.capture("uplink", 128)
    for turn in range(2):
        for network in {"KillSwitch": "on"}, {"DNS": "10.64.0.1"}, {"DNS": OFFICE, "KillSwitch": "on"}, {}:
            reload(hopwire, with_parts(stranger(key), network=network))
            download.more(1)
        reload(hopwire, scene.world.client_text())
        download.more(1)
    download.stop()
    tap.equal(sessions(hopwire), before, "the sessions")
    tap.equal(scene.leaks(uplink.stop())[:3], [], "on the uplink")


def with_second(network=None, **office):
    """The entry relay twice, as two roots: the exit rides the one or the other."""
    return with_parts(
        ("Tunnel second", {"PrivateKey": scene.world.keys["second"].private, "Address": "10.64.0.3/32",
                           "Routes": "none"}),
        ("Peer", {"PublicKey": scene.world.keys["entry"].public, "Endpoint": at(ENTRY),
                  "AllowedIPs": f"{EXIT}/32"}), network=network, office=office)


@tap.test
def I3_a_connection_goes_on_while_its_carrier_changes():
    """Neither an inner address nor the exit's is seen outside, at any instant, with a kill switch or
    without."""
    world = scene.world
    key = world.keys["second"] = Key()
    world.entry.run("wg", "set", "wg0", "peer", key.public, "allowed-ips", "10.64.0.3/32")
    try:
        for network in {}, {"KillSwitch": "on"}:
            hopwire = scene.up(text=with_second(network))
            wait_until(lambda: scene.client.ping(OFFICE, wait=1), 15, "the office")
            download, uplink = Download(), scene.client.capture("uplink", 128)
            before = sessions(hopwire)["office", world.keys["exit"].public]
            for turn in range(3):
                for via, last in ("second", "entry"), ("entry", "second"):
                    said(reload(hopwire, with_second(network, Via=via)), f"tunnel office: Via {last} → {via}")
                    download.more(1)
            tap.equal(sessions(hopwire)["office", world.keys["exit"].public], before, "its session")
            # What went the old way is `moved`, not sent again by us: TCP does that.
            download.stop(most_timeouts=6)
            tap.equal(scene.leaks(uplink.stop())[:3], [], "on the uplink")
            hopwire.down()
    finally:
        world.entry.run("wg", "set", "wg0", "peer", world.keys.pop("second").public, "remove")


if __name__ == "__main__":
    main()
