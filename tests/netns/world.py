# SPDX-License-Identifier: MIT
"""The main job's world.

    client ── uplink ── internet ── entry relay        (WireGuard, masquerades its clients)
                          │   └──── exit relay ── office network with its server
                          └──────── world's server

The internet is one router that knows public addresses only. So a packet that leaves the client
outside its tunnels does arrive, with the client's own address on it: a leak is seen, not lost.
Client packets for the office would die at the router, but captures on the uplink see them."""

from lab import wait_until
from peers import Hopwire, Interface, Key, WireguardGo, at, sections

CLIENT, CLIENT6 = "192.0.2.2", "2001:db8:2::2"
ENTRY, ENTRY6 = "198.51.100.10", "2001:db8:51::10"
EXIT, EXIT6 = "203.0.113.20", "2001:db8:113::20"
WORLD, WORLD6 = "198.18.0.80", "2001:db8:18::80"
OFFICE, OFFICE6 = "10.20.0.80", "fd20:20::80"
OFFICE_NET, OFFICE_NET6 = "10.20.0.0/16", "fd20:20::/48"

# Inside the tunnels: the relay's address and the client's.
ENTRY_NET = ("10.64.0.1/24", "fc00:bbbb::1/64")
ENTRY_INNER, ENTRY_INNER6 = "10.64.0.2", "fc00:bbbb::2"
EXIT_NET = ("10.70.0.1/24", "fd70::1/64")
EXIT_INNER, EXIT_INNER6 = "10.70.0.2", "fd70::2"

EVERYTHING = "0.0.0.0/0, ::/0"


def overhead(address):
    return 80 if ":" in address else 60


class World:
    """`entry_endpoint` and `exit_endpoint` choose the families of the two hops' datagrams; the relay
    programs' MTUs follow, so that everything fits the client's uplink. Where it does not, `segments`
    must be off (see WireguardGo)."""

    def __init__(self, lab, entry_endpoint=ENTRY, exit_endpoint=EXIT, mtu=1500, segments=True):
        self.lab, self.mtu, self.segments = lab, mtu, segments
        self.entry_endpoint, self.exit_endpoint = entry_endpoint, exit_endpoint
        self.entry_mtu = mtu - overhead(entry_endpoint)
        self.exit_mtu = self.entry_mtu - overhead(exit_endpoint)
        self.client, self.internet = lab.host("client"), lab.host("internet")
        self.entry, self.exit = lab.host("entry"), lab.host("exit")
        self.world, self.office = lab.host("world"), lab.host("office")
        self.internet.forward()
        for host, interface, inner, address, address6 in (
                (self.client, "uplink", "client", CLIENT, CLIENT6),
                (self.entry, "public", "entry", ENTRY, ENTRY6),
                (self.exit, "public", "exit", EXIT, EXIT6),
                (self.world, "public", "world", WORLD, WORLD6)):
            self.connect(host, interface, inner, address, address6)
        self.make_office()
        self.keys = {name: Key() for name in ("entry", "exit", "client", "office")}
        self.entry_relay = self.exit_relay = None

    def connect(self, host, interface, router_interface, address, address6):
        self.lab.link(host, interface, self.internet, router_interface, self.mtu)
        gateway, gateway6 = address.rsplit(".", 1)[0] + ".1", address6.rsplit(":", 1)[0] + ":1"
        host.address(interface, address + "/24", address6 + "/64")
        self.internet.address(router_interface, gateway + "/24", gateway6 + "/64")
        host.route("default", "via", gateway)
        host.route("default", "via", gateway6)

    def make_office(self):
        self.lab.link(self.exit, "lan", self.office, "lan")
        self.exit.forward()
        self.entry.forward()
        self.exit.address("lan", "10.20.0.1/16", "fd20:20::1/48")
        self.office.address("lan", OFFICE + "/16", OFFICE6 + "/48")
        self.office.route("default", "via", "10.20.0.1")
        self.office.route("default", "via", "fd20:20::1")

    def start_services(self):
        here = __file__.rsplit("/", 1)[0]
        for host in (self.world, self.office):
            service = host.start("python3", here + "/services.py", host.name, name="services")
            service.wait_output("ready")

    def relay_interfaces(self, psk=None):
        entry = Interface("wg0", self.keys["entry"], ENTRY_NET, mtu=self.entry_mtu)
        entry.peer(self.keys["client"], [ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"])
        exit = Interface("wg0", self.keys["exit"], EXIT_NET, mtu=self.exit_mtu)
        exit.peer(self.keys["office"], [EXIT_INNER + "/32", EXIT_INNER6 + "/128"], psk=psk)
        return entry, exit

    def start_relays(self, binary="wireguard-go", psk=None):
        """wireguard-go, or `hopwire`, on both relays; both masquerade towards the internet."""
        for host in (self.entry, self.exit):
            host.masquerade("public")
        self.run_relays(binary, psk)

    def renew_relays(self, binary="wireguard-go"):
        """The relays started anew. A newer wireguard-go (Debian 13's) answers the first IPv6 messages
        that come after IPv4 ones at a cut-off address (TRAPS 40): at each hop a handshake or two are
        lost, 5 s each. So each case has relays that saw no other family; and where the family changes
        within a case, they are `hopwire`."""
        self.entry_relay.down()
        self.exit_relay.down()
        self.run_relays(binary)

    def run_relays(self, binary, psk=None):
        entry, exit = self.relay_interfaces(psk)
        self.entry_relay = self.run_relay(self.entry, entry, binary)
        self.exit_relay = self.run_relay(self.exit, exit, binary)

    def run_relay(self, host, interface, binary):
        if binary != "hopwire":
            return WireguardGo(host, interface, binary, segments=self.segments)
        relay = Hopwire(host, interface.name)
        relay.up(text=interface.quick_text())
        return relay

    def client_parts(self, network=None, entry=None, entry_peer=None, office=None,
                     office_peer=None):
        """The sections of the client's configuration; dicts change or add keys (None: left out)."""
        parts = [("Network", {"Interface": "hop0", **(network or {})})]
        parts.append(("Tunnel entry", {
            "PrivateKey": self.keys["client"].private,
            "Address": [ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"], **(entry or {})}))
        parts.append(("Peer", {
            "PublicKey": self.keys["entry"].public, "Endpoint": at(self.entry_endpoint),
            "AllowedIPs": EVERYTHING, **(entry_peer or {})}))
        parts.append(("Tunnel office", {
            "Via": "entry", "PrivateKey": self.keys["office"].private,
            "Address": [EXIT_INNER + "/32", EXIT_INNER6 + "/128"], **(office or {})}))
        parts.append(("Peer", {
            "PublicKey": self.keys["exit"].public, "Endpoint": at(self.exit_endpoint),
            "AllowedIPs": [OFFICE_NET, OFFICE_NET6], **(office_peer or {})}))
        return parts

    def client_text(self, **changes):
        return sections(*self.client_parts(**changes))

    def entry_quick_text(self, **own):
        """What a provider would hand out for the entry alone: a plain wg-quick file."""
        return sections(
            ("Interface", {"PrivateKey": self.keys["client"].private,
                           "Address": [ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"], **own}),
            ("Peer", {"PublicKey": self.keys["entry"].public, "Endpoint": at(self.entry_endpoint),
                      "AllowedIPs": EVERYTHING}))

    def office_quick_text(self, **own):
        return sections(
            ("Interface", {"PrivateKey": self.keys["office"].private,
                           "Address": [EXIT_INNER + "/32", EXIT_INNER6 + "/128"], **own}),
            ("Peer", {"PublicKey": self.keys["exit"].public, "Endpoint": at(self.exit_endpoint),
                      "AllowedIPs": [OFFICE_NET, OFFICE_NET6]}))


class NestedWireguardGo:
    """The client's two hops as people build them without Hopwire: two wireguard-go processes, marks
    and rules."""

    MARK = 0xca6c

    def __init__(self, world, binary="wireguard-go", psk=None):
        client = self.client = world.client
        outer = Interface("wga", world.keys["client"],
                          [ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"], port=None,
                          mtu=world.entry_mtu, mark=self.MARK)
        outer.peer(world.keys["entry"], EVERYTHING, at(world.entry_endpoint))
        inner = Interface("wgb", world.keys["office"], [EXIT_INNER + "/32", EXIT_INNER6 + "/128"],
                          port=None, mtu=world.exit_mtu)
        inner.peer(world.keys["exit"], [OFFICE_NET, OFFICE_NET6], at(world.exit_endpoint), psk=psk)
        self.outer = WireguardGo(client, outer, binary)
        self.inner = WireguardGo(client, inner, binary)
        for family, default in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
            client.ip(family, "route", "add", default, "dev", "wga", "table", "51820")
            client.ip(family, "rule", "add", "not", "fwmark", self.MARK, "table", "51820")
            client.ip(family, "rule", "add", "table", "main", "suppress_prefixlength", "0")
        client.route(OFFICE_NET, "dev", "wgb")
        client.route(OFFICE_NET6, "dev", "wgb")

    def pids(self):
        return self.outer.pids() + self.inner.pids()

    def down(self):
        for family in ("-4", "-6"):
            self.client.ip(family, "rule", "del", "not", "fwmark", self.MARK, "table", "51820")
            self.client.ip(family, "rule", "del", "table", "main", "suppress_prefixlength", "0")
        self.inner.down()
        self.outer.down()


def wait_reachable(host, destination, timeout=15):
    wait_until(lambda: host.ping(destination, wait=1), timeout, f"{destination} to answer a ping")
