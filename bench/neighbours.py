# SPDX-License-Identifier: MIT
"""What neighbours cost a branch: the throughput of one branch alone and beside traffic that belongs
to another one, for Hopwire and for nested wireguard-go interfaces, interleaved; ratios within a
round.

    scripts/bench --neighbours [--rounds N] [--seconds N] [--json FILE]

client ── entry ── office (two hops, works)
               └── dead   (two hops, a session exists, and then its link goes)"""

import argparse
import json
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "tests", "netns")]

from lab import Lab, NotPossible, reexec_unprivileged, wait_until  # noqa: E402
from peers import (Hopwire, Interface, Key, WireguardGo, at, sections,  # noqa: E402
                   wireguard_go_current)
from traffic import IperfServer, iperf  # noqa: E402

ENTRY, OFFICE, DEAD = "198.51.100.10", "203.0.113.20", "203.0.113.130"
INNER = {"entry": "10.64.0.1", "office": "10.70.0.1", "dead": "10.66.0.1"}
CLIENT = {"entry": "10.64.0.2", "office": "10.70.0.2", "dead": "10.66.0.2"}
SINK_PORT = 5999
PPS = 10_000

# (name, the branch that is measured, who floods: host, destination, bytes, datagrams a second (0: as
# fast as the host sends), source)
CASES = (
    ("direct, alone", "entry", None),
    ("direct, 480 Mbit/s into the dead exit", "entry", ("client", INNER["dead"], 1200, 50_000, "")),
    ("direct, a core's flood into the dead exit", "entry", ("client", INNER["dead"], 1200, 0, "")),
    ("office, alone", "office", None),
    ("office, 10,000/s into the dead exit", "office", ("client", INNER["dead"], 64, PPS, "")),
    ("office, 10,000/s with forged sources", "office",
     ("entry", CLIENT["entry"], 64, PPS, INNER["office"])),
)


class Scene:
    def __init__(self, lab, number, name, program):
        self.name, self.program = name, program
        self.hosts = {role: lab.host(f"{role}n{number}")
                      for role in ("client", "entry", "office", "dead")}
        self.keys = {role: (Key(), Key()) for role in INNER}  # relay's, client's
        self.make_links(lab)
        for role, mtu in (("entry", 1440), ("office", 1380), ("dead", 1380)):
            relay = Interface("wg0", self.keys[role][0], [INNER[role] + "/24"], mtu=mtu)
            relay.peer(self.keys[role][1], [CLIENT[role] + "/32"])
            self.start(self.hosts[role], relay)
        self.hosts["entry"].address("lo", INNER["office"] + "/32")  # a forger's source
        self.start_client()
        for role in INNER:
            wait_until(lambda: self.hosts["client"].ping(INNER[role]), 20, f"{name}: {role}")
        IperfServer(self.hosts["entry"])
        IperfServer(self.hosts["office"])
        self.hosts["dead"].ip("link", "set", "public", "down")

    def make_links(self, lab):
        client, entry = self.hosts["client"], self.hosts["entry"]
        lab.link(client, "uplink", entry, "public")
        client.address("uplink", "198.51.100.2/24")
        client.route("default", "via", ENTRY)
        entry.address("public", ENTRY + "/24")
        entry.forward()
        for role, address, gateway in (("office", OFFICE, "203.0.113.1"),
                                       ("dead", DEAD, "203.0.113.129")):
            lab.link(entry, role, self.hosts[role], "public")
            entry.address(role, gateway + "/25")
            self.hosts[role].address("public", address + "/25")
            self.hosts[role].route("default", "via", gateway)

    def start(self, host, interface):
        if self.program != "hopwire":
            return WireguardGo(host, interface, self.program)
        hopwire = Hopwire(host, interface.name)
        hopwire.up(text=interface.quick_text())
        return hopwire

    def start_client(self):
        client = self.hosts["client"]
        tunnels = (("entry", ENTRY, "0.0.0.0/0", 1440), ("office", OFFICE, "10.70.0.0/24", 1380),
                   ("dead", DEAD, "10.66.0.0/24", 1380))
        if self.program == "hopwire":
            parts = [("Network", {"Interface": "hop0"})]
            for role, endpoint, allowed, _ in tunnels:
                parts += [("Tunnel " + role, {"Via": None if role == "entry" else "entry",
                                              "PrivateKey": self.keys[role][1].private,
                                              "Address": CLIENT[role] + "/32"}),
                          ("Peer", {"PublicKey": self.keys[role][0].public,
                                    "Endpoint": at(endpoint), "AllowedIPs": allowed})]
            self.hopwire = Hopwire(client, "bench")
            self.hopwire.up(text=sections(*parts))
            return
        for role, endpoint, allowed, mtu in tunnels:
            interface = Interface("wg" + role, self.keys[role][1], [CLIENT[role] + "/32"],
                                  port=None, mtu=mtu)
            interface.peer(self.keys[role][0], allowed, at(endpoint))
            WireguardGo(client, interface, self.program)
            client.route(INNER[role] + "/32", "dev", "wg" + role)
            if role != "entry":
                client.route(endpoint + "/32", "dev", "wgentry")

    def measure(self, flood, branch, noise, seconds):
        process = None
        if noise:
            where, destination, size, rate, source = noise
            process = self.hosts[where].start(flood, "send", destination, SINK_PORT, seconds + 2,
                                              size, rate, *source.split(), name="flood")
        gbits = iperf(self.hosts["client"], INNER[branch], seconds, omit=1)["gbits"]
        if process:
            process.wait(seconds + 20)
        return gbits


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def measure_all(flood, programs, options):
    rows = []
    with Lab() as lab:
        scenes = [Scene(lab, number, name, program)
                  for number, (name, program) in enumerate(programs.items())]
        for number in range(1, options.rounds + 1):
            for scene in scenes[::1 if number % 2 else -1]:
                found = {name: scene.measure(flood, branch, noise, options.seconds)
                         for name, branch, noise in CASES}
                rows.append({"round": number, "contender": scene.name, "gbits": found})
        return rows, scenes[-1].hopwire.verdict("spoofed")


def print_table(programs, rows):
    for name in programs:
        mine = [row["gbits"] for row in rows if row["contender"] == name]
        for case, branch, noise in CASES:
            alone = ("direct" if branch == "entry" else "office") + ", alone"
            ratio = f"  of alone {spread([row[case] / row[alone] for row in mine])}" if noise else ""
            print(f"{name:22}{case:44}{spread([row[case] for row in mine])} Gbit/s{ratio}")


def main():
    parser = argparse.ArgumentParser(description="what neighbours cost a branch")
    parser.add_argument("--build", default="build-release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    os.environ["HOPWIRE"] = os.path.abspath(os.path.join(options.build, "src/cli/hopwire"))
    flood = os.path.abspath(os.path.join(options.build, "bench/udp_flood"))
    programs = {"wireguard-go current": wireguard_go_current(), "hopwire": "hopwire"}
    if not programs["wireguard-go current"]:
        print("missing: wireguard-go current: needs go 1.23 or newer and the module proxy")
        del programs["wireguard-go current"]
    try:
        reexec_unprivileged()
        rows, forged = measure_all(flood, programs, options)
    except NotPossible as why:
        sys.exit(f"bench: not possible here: {why}")
    print_table(programs, rows)
    print(f"hopwire counted {forged} forged datagrams as spoofed")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"forged_counted": forged, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
