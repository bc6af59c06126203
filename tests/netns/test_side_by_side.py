# SPDX-License-Identifier: MIT
"""Everything that two nested wireguard-go interfaces can do, Hopwire can do: the same checks over
both, in the same world, one after the other. What neither can do is told, what only Hopwire can do
too."""

import tap
from scene import main, scene
from world import (OFFICE, OFFICE6, OFFICE_NET, OFFICE_NET6, WORLD,
                   WORLD6, NestedWireguardGo, wait_reachable)

# The exit's own addresses: its ICMP errors come from there.
ALLOWED = [OFFICE_NET, OFFICE_NET6, "10.70.0.1/32", "fd70::1/128"]
# A router on the way says of these that they are unreachable.
NOBODY = {OFFICE: "10.20.77.1", OFFICE6: "fd20:20:0:77::1", WORLD: "198.18.77.1",
          WORLD6: "2001:db8:1877::1"}
# And of these that the host is.
NO_HOST = {OFFICE: "10.20.78.1", OFFICE6: "fd20:20:0:78::1", WORLD: "198.18.78.1",
           WORLD6: "2001:db8:1878::1"}
PLACES = {"office": OFFICE, "office6": OFFICE6, "world": WORLD, "world6": WORLD6}
CHECKS = {}


def compared(function):
    CHECKS[function.__name__] = function
    return function


def path_mtu(place):
    return scene.world.exit_mtu if place in (OFFICE, OFFICE6) else scene.world.entry_mtu


def headers(place):
    return 48 if ":" in place else 28


def is_echoed(answer):
    return "echoed" in answer


@compared
def a_page(place):
    host = f"[{place}]" if ":" in place else place
    return scene.client.run("curl", "-sS", "-f", "-g", "-m", 5, f"http://{host}/",
                            check=False).returncode == 0


@compared
def a_megabyte(place):
    host = f"[{place}]" if ":" in place else place
    result = scene.client.run("curl", "-sS", "-f", "-g", "-m", 10, "-o", "/dev/null", "-w",
                              "%{size_download}", f"http://{host}/bytes/1000000", check=False)
    return result.stdout == "1000000"


@compared
def udp_in_fragments_3000(place):
    return is_echoed(scene.ask(place, 7, "--size", 3000))


@compared
def udp_in_fragments_8000(place):
    return is_echoed(scene.ask(place, 7, "--size", 8000))


@compared
def ping_in_fragments_3000(place):
    return scene.client.ping(place, "-s", 3000)


@compared
def ping_in_fragments_8000(place):
    return scene.client.ping(place, "-s", 8000)


@compared
def a_closed_port_is_econnrefused(place):
    return scene.ask(place, 9999) == "ECONNREFUSED"


@compared
def an_unreachable_host_is_ehostunreach(place):
    return scene.ask(NO_HOST[place], 7) == "EHOSTUNREACH"


@compared
def no_route_is_told(place):
    return scene.ask(NOBODY[place], 7) == ("ENETUNREACH" if ":" in place else "EHOSTUNREACH")


@compared
def tcp_learns_of_an_unreachable_host(place):
    host = f"[{NO_HOST[place]}]" if ":" in place else NO_HOST[place]
    # 7: could not connect; 28 were the time limit
    return scene.client.run("curl", "-sS", "-g", "-m", 9, f"http://{host}/", check=False).returncode == 7


@compared
def ping_with_df_at_the_path_s_mtu(place):
    return scene.client.ping(place, "-M", "do", "-s", path_mtu(place) - headers(place))


@compared
def ping_with_df_one_above_is_refused(place):
    result = scene.client.run("ping", "-n", "-c", 1, "-W", 2, "-M", "do", "-s",
                              path_mtu(place) - headers(place) + 1, place, check=False)
    told = (result.stdout + result.stderr).lower()
    # Debian 13's ping does not print the MTU any more.
    return "message too long" in told and ("mtu" not in told or str(path_mtu(place)) in told)


@compared
def udp_with_df_at_the_path_s_mtu(place):
    return is_echoed(scene.ask(place, 7, "--probe", "--size", path_mtu(place) - headers(place)))


@compared
def udp_with_df_one_above_is_emsgsize(place):
    return scene.ask(place, 7, "--probe", "--size", path_mtu(place) - headers(place) + 1) == "EMSGSIZE"


@compared
def options(place):
    return is_echoed(scene.ask(place, 7, "--options"))


@compared
def options_in_fragments(place):
    return is_echoed(scene.ask(place, 7, "--options", "--size", 3000))


@compared
def record_route(place):
    return ":" not in place and scene.client.ping(place, "-R")


@compared
def timestamps(place):
    return ":" not in place and scene.client.ping(place, "-T", "tsonly")


def hops(place, *how):
    """The addresses that traceroute prints, the destination's too."""
    result = scene.client.run("traceroute", "-n", "-q", 1, "-w", 1, "-m", 4, *how, place, check=False)
    lines = [line.split() for line in result.stdout.splitlines()[1:]]
    return sorted({words[1] for words in lines if len(words) > 2 and words[1] != "*"})


@compared
def traceroute_udp(place):
    return hops(place)


@compared
def traceroute_tcp(place):
    return hops(place, "-T", "-p", 80)


@compared
def traceroute_icmp(place):
    return hops(place, "-I")


def results():
    """What every check says for every place."""
    return {(check, name): CHECKS[check](place)
            for check in CHECKS for name, place in PLACES.items()}


def nested():
    interfaces = NestedWireguardGo(scene.world)
    try:
        scene.client.run("wg", "set", "wgb", "peer", scene.world.keys["exit"].public, "allowed-ips",
                         ",".join(ALLOWED))
        wait_reachable(scene.client, OFFICE)
        wait_reachable(scene.client, WORLD)
        return results()
    finally:
        interfaces.down()


def ours():
    scene.up(office_peer={"AllowedIPs": ALLOWED})
    wait_reachable(scene.client, OFFICE)
    wait_reachable(scene.client, WORLD)
    return results()


def is_as_good(mine, theirs):
    return set(mine) >= set(theirs) if isinstance(theirs, list) else mine or not theirs


@tap.test
def what_two_nested_wireguard_go_pass_hopwire_passes():
    theirs, mine = nested(), ours()
    lost = [key for key in theirs if not is_as_good(mine[key], theirs[key])]
    for what, chosen in (("neither", [k for k in theirs if not mine[k] and not theirs[k]]),
                         ("only Hopwire", [k for k in theirs if not is_as_good(theirs[k], mine[k])])):
        tap.note(f"{what}: " + (", ".join(f"{check} {name}" for check, name in chosen) or "nothing"))
    never = [check for check in CHECKS if not any(theirs[check, name] for name in PLACES)]
    tap.equal(never, [], "checks that wireguard-go passes nowhere: they would compare nothing")
    for check in ("traceroute_udp", "traceroute_tcp"):
        for name, place in PLACES.items():
            tap.check(place in mine[check, name], f"{check} {name} arrives: {mine[check, name]}")
    passed = sum(bool(value) for value in theirs.values())
    tap.check(passed >= 60, f"wireguard-go passes only {passed} of {len(theirs)}: the world is wrong")
    tap.check(not lost, "\n".join(f"{check} {name}: wireguard-go {theirs[check, name]}, Hopwire "
                                  f"{mine[check, name]}" for check, name in lost))


def make_unreachable():
    world = scene.world
    world.exit.ip("route", "add", "unreachable", "10.20.77.0/24")
    world.exit.ip("-6", "route", "add", "unreachable", "fd20:20:0:77::/64")
    world.internet.ip("route", "add", "unreachable", "198.18.77.0/24")
    world.internet.ip("-6", "route", "add", "unreachable", "2001:db8:1877::/64")
    for host in (world.exit, world.internet):
        host.run("nft", "-f", "-", input="""
            table inet nobody {
                chain before {
                    type filter hook prerouting priority 0
                    ip daddr { 10.20.78.0/24, 198.18.78.0/24 } reject with icmp host-unreachable
                    ip6 daddr { fd20:20:0:78::/64, 2001:db8:1878::/64 } reject with icmpv6 addr-unreachable
                }
            }
            """)


if __name__ == "__main__":
    main(afterwards=make_unreachable)
