# SPDX-License-Identifier: MIT
"""Rung 7's hosts: client ── entry ── exit, one line for each contender, all in one lab."""

import os

from lab import wait_until
from latency import idle_rtt_us, loaded_rtt
from peers import Hopwire, Interface, Key, WireguardGo, at, sections
from traffic import IperfServer, cpu_s, iperf, peak_rss_mib

ENTRY, EXIT = "198.51.100.10", "203.0.113.20"
ENTRY_INNER, EXIT_INNER = "10.64.0.1", "10.70.0.1"
MTU = 1500
FLOOD_PORT = 5999


def is_hopwire(program):
    return program is not None and os.path.basename(program) == "hopwire"


class Line:
    """Direct: the server is the entry's public address. One hop: the entry's inner address. Two:
    the exit's. The contender names the programs' paths."""

    def __init__(self, lab, number, contender, env):
        self.contender, self.env, self.hops = contender, env, contender.hops
        self.client = lab.host(f"client{number}")
        self.entry = lab.host(f"entry{number}")
        self.exit = lab.host(f"exit{number}") if self.hops == 2 else None
        self.programs = {}
        self.make_links(lab)
        self.keys = {name: Key() for name in ("entry", "exit", "client", "office")}
        self.destination = (ENTRY, ENTRY_INNER, EXIT_INNER)[self.hops]
        self.server = (self.entry, self.entry, self.exit)[self.hops]

    def bring_up(self):
        """Until the handshakes are over: a first initiation may get lost, and the next comes 5 s
        later."""
        if self.hops:
            self.start_relays()
            self.start_client()
        IperfServer(self.server)
        wait_until(lambda: self.client.ping(self.destination), 20, "an answer")

    def close(self):
        for host in (self.client, self.entry, self.exit):
            if host:
                host.close()

    def make_links(self, lab):
        lab.link(self.client, "uplink", self.entry, "public", MTU)
        self.client.address("uplink", "198.51.100.2/24")
        self.entry.address("public", ENTRY + "/24")
        self.client.route("default", "via", ENTRY)
        if self.exit:
            lab.link(self.entry, "onward", self.exit, "public", MTU)
            self.entry.address("onward", "203.0.113.1/24")
            self.exit.address("public", EXIT + "/24")
            self.exit.route("default", "via", "203.0.113.1")
            self.entry.forward()

    def start_relays(self):
        entry = Interface("wg0", self.keys["entry"], [ENTRY_INNER + "/24"], mtu=MTU - 60)
        entry.peer(self.keys["client"], ["10.64.0.2/32"])
        self.programs["entry"] = self.start(self.entry, entry)
        if self.exit:
            exit = Interface("wg0", self.keys["exit"], [EXIT_INNER + "/24"], mtu=MTU - 120)
            exit.peer(self.keys["office"], ["10.70.0.2/32"])
            self.programs["exit"] = self.start(self.exit, exit)

    def start(self, host, interface):
        """A relay."""
        if not is_hopwire(self.contender.relays):
            return WireguardGo(host, interface, self.contender.relays)
        return self.hopwire(host, self.contender.relays, interface.name, interface.quick_text())

    def hopwire(self, host, path, name, text):
        hopwire = Hopwire(host, name, self.env, path)
        hopwire.up(text=text)
        return hopwire

    def start_client(self):
        if is_hopwire(self.contender.client):
            self.start_hopwire_client()
            return
        outer = Interface("wga", self.keys["client"], ["10.64.0.2/32"], port=None, mtu=MTU - 60)
        outer.peer(self.keys["entry"], "0.0.0.0/0", at(ENTRY))
        self.programs["client"] = WireguardGo(self.client, outer, self.contender.client)
        self.client.route("10.64.0.0/24", "dev", "wga")
        if self.exit:
            inner = Interface("wgb", self.keys["office"], ["10.70.0.2/32"], port=None,
                              mtu=MTU - 120)
            inner.peer(self.keys["exit"], "10.70.0.0/24", at(EXIT))
            self.client.route(EXIT + "/32", "dev", "wga")
            self.programs["client-inner"] = WireguardGo(self.client, inner, self.contender.client)
            self.client.route("10.70.0.0/24", "dev", "wgb")

    def start_hopwire_client(self):
        parts = [("Network", {"Interface": "hop0"}),
                 ("Tunnel entry", {"PrivateKey": self.keys["client"].private,
                                   "Address": "10.64.0.2/32"}),
                 ("Peer", {"PublicKey": self.keys["entry"].public, "Endpoint": at(ENTRY),
                           "AllowedIPs": "0.0.0.0/0"})]
        if self.exit:
            parts += [("Tunnel office", {"Via": "entry", "PrivateKey": self.keys["office"].private,
                                         "Address": "10.70.0.2/32"}),
                      ("Peer", {"PublicKey": self.keys["exit"].public, "Endpoint": at(EXIT),
                                "AllowedIPs": "10.70.0.0/24"})]
        self.programs["client"] = self.hopwire(self.client, self.contender.client, "bench",
                                               sections(*parts))

    def pids(self):
        return {role: program.pids() for role, program in self.programs.items()}

    def row(self, direction, streams):
        return {"contender": self.contender.name, "hops": self.hops,
                "relays": self.contender.relays_name,
                "direction": direction, "streams": streams}

    def measure_tcp(self, direction, streams, seconds):
        pids = self.pids()
        before = {role: sum(map(cpu_s, found)) for role, found in pids.items()}
        run = iperf(self.client, self.destination, seconds, direction == "down", streams)
        spent = {role: sum(map(cpu_s, found)) - before[role] for role, found in pids.items()}
        per_gb = {role: round(value / max(run["bytes"], 1) * 1e9, 3)
                  for role, value in spent.items()}
        both = [value for role, value in per_gb.items() if role.startswith("client")]
        return {**self.row(direction, streams), "gbits": round(run["gbits"], 4),
                "cpu_s_per_gb": per_gb, "client_cpu_s_per_gb": round(sum(both), 3),
                "retransmits": run["retransmits"], "rss_mib": self.rss_mib()}

    def rss_mib(self):
        """The peak so far of each program."""
        return {role: round(max(map(peak_rss_mib, found)), 1) for role, found in self.pids().items()
                if found}

    def measure_rtt(self, series):
        return {**self.row("ping", 0),
                "rtt_us": round(idle_rtt_us(self.client, self.destination, series), 1)}

    def measure_loaded(self, seconds):
        return {**self.row("loaded", 1),
                **loaded_rtt(self.client, "uplink", self.destination, seconds)}

    def why_no_flood(self):
        """The entry's kernel forwards trains of our small datagrams that are longer than those
        wireguard-go's receiver has room for (64 each, in conn/bind_std.go); after ten such errors
        its receive routine ends, and the exit never answers again."""
        if self.hops == 2 and is_hopwire(self.contender.client) and \
                not is_hopwire(self.contender.relays):
            return "the flood of small datagrams stops wireguard-go at the exit for good"
        return None

    def measure_flood(self, flood, seconds):
        receiver = self.server.start(flood, "receive", FLOOD_PORT, seconds + 5, name="receiver")
        receiver.wait_output("ready")
        self.client.run(flood, "send", self.destination, FLOOD_PORT, seconds)
        receiver.wait(seconds + 10)
        words = dict(word.split("=") for word in receiver.output().split() if "=" in word)
        pps = int(words["received"]) / max(float(words["seconds"]), 0.001)
        return {**self.row("udp64", 1), "pps": round(pps), "rss_mib": self.rss_mib()}

    def disturbances(self):
        """Of a Hopwire client: what must be zero after TCP alone."""
        if not is_hopwire(self.contender.client):
            return None
        link = self.client.ip_json("-s", "link", "show", "hop0")[0]["stats64"]
        text = self.client.run("cat", "/proc/net/snmp").stdout
        snmp = [line.split() for line in text.splitlines() if line.startswith("Udp:")]
        status = self.programs["client"].status()
        return {**self.row("tcp", 0), "aead": status.get("aead"), "drops": drops_of(status),
                "tun_tx_dropped": link["tx"]["dropped"],
                "udp_rcvbuf_errors": int(snmp[1][snmp[0].index("RcvbufErrors")])}


def drops_of(value):
    """Every counter under an object named drops that is not zero."""
    found = {}
    for key, item in (value.items() if isinstance(value, dict) else enumerate(value)):
        inner = drops_of(item) if isinstance(item, (dict, list)) else {}
        counts = item if key == "drops" else inner
        for verdict, count in counts.items():
            if count:
                found[verdict] = found.get(verdict, 0) + count
    return found
