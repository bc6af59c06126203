# SPDX-License-Identifier: MIT
"""The demo: one line for each thing shown, each verified.

    demo.py HOPWIRE-PROGRAM"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests", "netns"))

from lab import CommandFailed, Lab, NotPossible, reexec_unprivileged  # noqa: E402
from peers import Hopwire  # noqa: E402
from traffic import IperfServer, iperf  # noqa: E402
from world import (ENTRY, ENTRY6, EXIT, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6,  # noqa: E402
                   OFFICE_NET, OFFICE_NET6, WORLD, WORLD6, World, wait_reachable)

ON_A_TERMINAL = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
BOLD, GREEN, RED, PLAIN = (("\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[0m") if ON_A_TERMINAL
                           else ("", "", "", ""))
verified = 0


class Unverified(Exception):
    pass


def say(text):
    print(text, flush=True)


def heading(text):
    say(f"\n{BOLD}{text}{PLAIN}")


def show(holds, text):
    """A thing that is shown; the demo ends if it does not hold."""
    global verified
    if not holds:
        raise Unverified(text)
    verified += 1
    say(f"  {GREEN}ok{PLAIN}  {text}")


def indent(text):
    for line in text.rstrip().splitlines():
        say("      " + line)


def fill_in(name, keys):
    """An example file with this run's keys."""
    with open(os.path.join(ROOT, "examples", name)) as file:
        text = file.read()
    for placeholder, key in keys.items():
        text = text.replace(placeholder, key)
    return text


def example_configuration(world):
    keys = {"YOUR-PRIVATE-KEY-FOR-THE-ENTRY": world.keys["client"].private,
            "PUBLIC-KEY-OF-THE-ENTRY": world.keys["entry"].public,
            "YOUR-PRIVATE-KEY-FOR-THE-OFFICE": world.keys["office"].private,
            "PUBLIC-KEY-OF-THE-OFFICE": world.keys["exit"].public}
    world.client.write("office.conf", fill_in("office.conf", keys))
    return world.client.write("multihop.conf", fill_in("multihop.conf", keys))


def make_hosts(lab):
    heading("Hosts in network namespaces, real WireGuard peers")
    world = World(lab)
    world.start_services()
    say("  client ── internet ── entry relay, exit relay, world's server;"
        " office network behind the exit")
    world.start_relays()
    say(f"  wireguard-go on the entry ({ENTRY}) and on the exit ({EXIT})")
    return world


def bring_up(world, hopwire, path):
    heading("hopwire check, hopwire up")
    indent(hopwire.command("check", path).stdout)
    hopwire.up(path)
    show(hopwire.pids(), "examples/multihop.conf is up, one process behind the interface hop0")


def fetch_pages(client):
    heading("The office through entry and exit, the world out at the entry")
    for place, wanted, words in (
            (OFFICE, f"office sees {EXIT_INNER}", "office over IPv4, through both hops"),
            (f"[{OFFICE6}]", f"office sees {EXIT_INNER6}", "office over IPv6, through both hops"),
            (WORLD, f"world sees {ENTRY}", "world over IPv4, from the entry's address"),
            (f"[{WORLD6}]", f"world sees {ENTRY6}", "world over IPv6, from the entry's address")):
        page = client.fetch(f"http://{place}/").strip()
        show(page == wanted, f"{words}: http://{place}/ answers \"{page}\"")


def concerns_office(packet):
    return packet.concerns(OFFICE_NET) or packet.concerns(OFFICE_NET6)


def show_captures(world):
    heading("What the entry relay could see, from captures of all its packets")
    entry, client = world.entry, world.client
    captures = [entry.capture("wg0"), entry.capture("public"), client.capture("uplink")]
    for place in (OFFICE, f"[{OFFICE6}]", WORLD, f"[{WORLD6}]"):
        client.fetch(f"http://{place}/")
    inside, outside, uplink = (capture.stop() for capture in captures)
    relayed = [p for p in inside if EXIT in (p.src, p.dst)]
    show(relayed and all(51820 in (p.sport, p.dport) for p in relayed),
         f"{len(relayed)} sealed datagrams between the client and the exit, for example:")
    for packet in [p for p in relayed if p.dst == EXIT][:2]:
        indent(f"{packet.src}:{packet.sport} > {packet.dst}:{packet.dport} UDP, "
               f"{len(packet.payload)} bytes: {packet.payload[:12].hex()}…")
    everything = inside + outside
    show(not any(concerns_office(p) for p in everything), f"not one office address "
         f"({OFFICE_NET}, {OFFICE_NET6}) in {len(everything)} packets at the entry")
    show(not any(b"office sees" in p.raw for p in everything),
         "not one byte of the office's page at the entry")
    show(any(b"world sees" in p.raw for p in inside) and any(
        p.src == ENTRY and p.dst == WORLD for p in outside),
         "the world's page it could read: that traffic leaves the tunnels there, with its address")
    strange = [p for p in uplink if p.version == 4 and ENTRY not in (p.src, p.dst)]
    show(uplink and not strange, f"on the client's own link: {len(uplink)} packets, all to or from "
         "the entry")


def move_traffic(world):
    heading("Real traffic (iperf3, one TCP stream, 3 s each)")
    IperfServer(world.office)
    IperfServer(world.world)
    for place, words in ((OFFICE, "office, two hops"), (WORLD, "world, one hop")):
        for is_down, direction in ((False, "up"), (True, "down")):
            run = iperf(world.client, place, is_down=is_down)
            show(run["bytes"] > 0, f"{words}, {direction}: {run['gbits']:.2f} Gbit/s, "
                 f"{run['bytes'] / 1e6:.0f} MB, {run['retransmits']} retransmits")


def show_status(hopwire):
    heading("hopwire status")
    text = hopwire.command("status", hopwire.name).stdout
    indent(text)
    show("entry" in text and "office" in text, "both tunnels are listed")


def bring_down(world, hopwire, before):
    heading("hopwire down")
    hopwire.down()
    show(not hopwire.pids(), "the process is gone")
    show(world.client.network_state() == before, "rules, routes, links, addresses and nftables of "
         "the client are exactly as before")


def demo():
    reexec_unprivileged()
    with Lab() as lab:
        world = make_hosts(lab)
        before = world.client.network_state()
        hopwire = Hopwire(world.client, "multihop")
        bring_up(world, hopwire, example_configuration(world))
        wait_reachable(world.client, OFFICE)
        fetch_pages(world.client)
        show_captures(world)
        move_traffic(world)
        show_status(hopwire)
        bring_down(world, hopwire, before)
    heading(f"Everything shown was verified: {verified} claims.")


def main():
    os.environ["HOPWIRE"] = os.path.abspath(sys.argv[1])
    if not os.access(os.environ["HOPWIRE"], os.X_OK):
        sys.exit(f"demo: {sys.argv[1]} is not there: the build made no hopwire program")
    try:
        demo()
    except NotPossible as why:
        sys.exit(f"demo: not possible here: {why}")
    except Unverified as what:
        sys.exit(f"  {RED}not so{PLAIN}  {what}")
    except (CommandFailed, AssertionError) as error:
        sys.exit(f"  {RED}failed{PLAIN}  {error}")


if __name__ == "__main__":
    main()
