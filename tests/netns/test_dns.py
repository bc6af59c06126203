# SPDX-License-Identifier: MIT
"""G3: the system's name servers while a network is up, and the host's own afterwards. The lab's
hosts have a /etc/resolv.conf that is a mount of its own, as containers have."""

import os
import signal

import tap
from lab import HERE, wait_until
from peers import Hopwire, is_dead
from scene import main, scene
from world import EXIT_INNER, EXIT_INNER6, OFFICE_NET, WORLD, WORLD6

BEFORE = "# the host's own\nsearch lan.example\nnameserver 192.0.2.1\n"
ENTRY_DNS, OFFICE_DNS = "10.64.0.1", "10.20.0.53"


def own_resolv_conf():
    scene.client.write("resolv.conf", BEFORE, 0o644)


def resolv_conf():
    with open(os.path.join(scene.client.dir, "resolv.conf")) as file:
        return file.read()


def servers():
    return [line.split()[1] for line in resolv_conf().splitlines() if line.startswith("nameserver")]


@tap.test
def G3_the_system_gets_the_network_s_DNS():
    hopwire = scene.up(network={"DNS": "10.64.0.1, fc00:bbbb::1, corp.example"},
                       entry={"DNS": "9.9.9.9"})
    tap.equal(servers(), ["10.64.0.1", "fc00:bbbb::1"], "the name servers")
    tap.contains(resolv_conf(), "search corp.example", "resolv.conf")
    hopwire.down()
    tap.equal(resolv_conf(), BEFORE, "resolv.conf after down")


@tap.test
def G3_else_that_of_the_deepest_tunnel_that_takes_most():
    hopwire = scene.up(entry={"DNS": ENTRY_DNS}, office={"DNS": OFFICE_DNS})
    tap.equal(servers(), [ENTRY_DNS], "the name servers: the office has no default route")
    hopwire.down()
    hopwire = scene.up(entry={"DNS": ENTRY_DNS},
                       office={"DNS": OFFICE_DNS, "Routes": "0.0.0.0/0"})
    tap.equal(servers(), [OFFICE_DNS], "the name servers: the office has one")
    hopwire.down()
    tap.equal(resolv_conf(), BEFORE, "resolv.conf after down")


@tap.test
def G3_else_that_of_the_only_one_that_names_any():
    hopwire = scene.up(office={"DNS": OFFICE_DNS}, entry={"Routes": "none"})
    tap.equal(servers(), [OFFICE_DNS], "the name servers")
    hopwire.down()
    hopwire = scene.up(name="split", text=scene.world.office_quick_text(DNS=OFFICE_DNS))
    tap.equal(servers(), [OFFICE_DNS], "the name servers of a plain file, a split tunnel")
    hopwire.down()
    tap.equal(resolv_conf(), BEFORE, "resolv.conf after down")


@tap.test
def G3_whose_are_not_used_is_said_by_up_and_check():
    hopwire = Hopwire(scene.client, "multihop")
    scene.networks.append(hopwire)
    text = scene.world.client_text(entry={"DNS": ENTRY_DNS, "Routes": "none"},
                                   office={"DNS": OFFICE_DNS})
    for command in "check", "up":
        result = hopwire.command(command, hopwire.write(text))
        for tunnel in "entry", "office":
            tap.contains(result.stdout + result.stderr,
                         f"the system does not use the DNS of {tunnel}: several", command)
    tap.equal(resolv_conf(), BEFORE, "resolv.conf while it is up")
    hopwire.down()


@tap.test
def G3_each_server_is_a_host_route_of_its_tunnel():
    hopwire = scene.up(office={"DNS": "10.77.0.53"},
                       office_peer={"AllowedIPs": "10.20.0.0/16, 10.77.0.0/16"})
    told = hopwire.command("route", "multihop", "10.77.0.53").stdout
    tap.contains(told, "office", "the way to the office's name server")
    tap.contains(scene.client.ip("route", "get", "10.77.0.53"), "hop0", "the kernel's route")
    hopwire.down()


NAME, MOVED = "www.example.net", "192.0.2.77"


def ask_libc():
    return scene.client.run("python3", "-c", "import socket\n"
                            f"print(socket.getaddrinfo('{NAME}', 80)[0][4][0])",
                            check=False, timeout=60).stdout.strip()


@tap.test
def G3_a_server_that_no_peer_allows_is_asked_as_the_host_routes():
    """As with wg-quick: inside nobody takes it. The line that the warning says brings it in."""
    client, office, exit_ = scene.client, scene.world.office_quick_text, scene.world.exit
    programs = [host.start("python3", os.path.join(HERE, "dns.py"), f"{NAME}={MOVED}", name="dns")
                for host in (scene.world.world, exit_)]
    for program in programs:
        program.wait_output("ready")
    for server, bits, inner in (WORLD, 32, EXIT_INNER), (WORLD6, 128, EXIT_INNER6):
        hopwire = Hopwire(client, "split")
        scene.networks.append(hopwire)
        for command in "check", "up":
            result = hopwire.command(command, hopwire.write(office(DNS=server)))
            tap.contains(result.stdout + result.stderr, f"add {server}/{bits} to AllowedIPs", command)
        hopwire.is_up = True
        tap.contains(client.ip("route", "get", server), "dev uplink", f"the way to {server}")
        tap.equal(ask_libc(), MOVED, f"the name, asked of {server}")
        tap.equal(client.ip("-o", "route", "show", "table", "4800", "match", server).strip(), "", "our routes")
        hopwire.down()
        exit_.ip("address", "add", f"{server}/{bits}", "dev", "lo")
        exit_.ip("route", "add", inner, "dev", "wg0", "src", server)  # what the answers come from
        result = hopwire.up(text=office(DNS=server).replace(OFFICE_NET + ",",
                                                            f"{server}/{bits}, {OFFICE_NET},"))
        tap.check("cannot ask" not in result.stdout + result.stderr, "nothing is said once it is allowed")
        uplink = client.capture("uplink")
        tap.equal(ask_libc(), MOVED, "the name, asked inside")
        tap.equal([p for p in uplink.stop() if p.dport == 53], [], "queries on the uplink")
        hopwire.down()
        exit_.ip("route", "del", inner, "dev", "wg0")
        exit_.ip("address", "del", f"{server}/{bits}", "dev", "lo")
    for program in programs:
        program.stop()


@tap.test
def G3_or_by_the_tunnel_that_takes_it():
    hopwire = scene.up(office={"DNS": WORLD})
    told = hopwire.command("route", "multihop", WORLD).stdout
    tap.contains(told, "entry", "the way to a server that the office's peer does not allow")
    tap.check("office" not in told, f"not the office: {told}")
    hopwire.down()


@tap.test
def G3_a_kill_switch_before_such_a_server_is_said():
    hopwire = Hopwire(scene.client, "multihop")
    scene.networks.append(hopwire)
    text = scene.world.client_text(network={"DNS": WORLD, "KillSwitch": "on"},
                                   entry={"Routes": "10.64.0.0/24"})
    for command in "check", "up":
        result = hopwire.command(command, hopwire.write(text))
        tap.contains(result.stdout + result.stderr,
                     f"name server {WORLD} is outside of the tunnels, and KillSwitch lets no query out",
                     command)
    hopwire.is_up = True
    tap.equal(ask_libc(), "", "the name")
    hopwire.down()
    result = hopwire.up(text=scene.world.client_text(network={"DNS": WORLD, "KillSwitch": "on"}))
    tap.check("outside" not in result.stderr, f"nothing where it is inside: {result.stderr}")
    hopwire.down()


@tap.test
def F7_down_after_a_crash_restores_it():
    hopwire = scene.up(entry={"DNS": ENTRY_DNS})
    hopwire.kill()
    tap.equal(servers(), [ENTRY_DNS], "the name servers after the crash: nothing leaks")
    hopwire.down()
    tap.equal(resolv_conf(), BEFORE, "resolv.conf after down")


@tap.test
def F7_up_after_a_crash_and_then_down_restores_it():
    hopwire = scene.up(entry={"DNS": ENTRY_DNS})
    hopwire.kill()
    hopwire.up(text=scene.world.client_text(entry={"DNS": "9.9.9.9"}))
    tap.equal(servers(), ["9.9.9.9"], "the name servers of the second run")
    hopwire.down()
    tap.equal(resolv_conf(), BEFORE, "resolv.conf after down")
    hopwire.up(text=scene.world.client_text(entry={"DNS": ENTRY_DNS}))
    hopwire.kill()
    hopwire.up(text=scene.world.client_text())
    tap.equal(resolv_conf(), BEFORE, "resolv.conf when the second run has no DNS")
    hopwire.down()


@tap.test
def F7_what_somebody_else_wrote_meanwhile_stays():
    hopwire = scene.up(entry={"DNS": ENTRY_DNS})
    scene.client.write("resolv.conf", "nameserver 192.0.2.9\n", 0o644)
    hopwire.down()
    tap.equal(resolv_conf(), "nameserver 192.0.2.9\n", "resolv.conf after down")
    own_resolv_conf()


@tap.test
def I1_a_server_on_this_host_or_on_a_link_of_it_belongs_to_no_tunnel():
    """In a plain file, as wg-quick takes them: names go there beside a full tunnel, which check says."""
    client, router, entry = scene.client, scene.world.internet, scene.world.entry_quick_text
    programs = [host.start("python3", os.path.join(HERE, "dns.py"), f"{NAME}={MOVED}", name="dns")
                for host in (client, router)]
    for program in programs:
        program.wait_output("ready")
    on_link = [address["local"] for link in router.ip_json("-6", "addr", "show", "dev", "client")
               for address in link["addr_info"] if address["scope"] == "link"][0]
    hopwire = Hopwire(client, "entry")
    scene.networks.append(hopwire)
    for server, where in (("127.0.0.1", "127.0.0.1 (this host), of entry"), ("::1", "::1 (this host)"),
                          (f"{on_link}%uplink", f"{on_link}%uplink (past the tunnels), of entry")):
        text = entry(DNS=f"{server}, ~corp.example, ~.")
        check = hopwire.command("check", hopwire.write(text)).stdout
        tap.contains(check, where, "check")
        tap.check("(DNSGuard)" not in check, f"no guard: {check}")
        hopwire.up(text=text)
        tap.equal(servers(), [server], "the name servers")
        tap.check("~" not in resolv_conf(), "what routes names is none that is searched")
        tap.equal(ask_libc(), MOVED, f"the name, asked of {server}")
        hopwire.down()
        tap.equal(resolv_conf(), BEFORE, "resolv.conf after down")
    # Beside one that is inside, names are kept there, and what it says can be done works.
    text = entry(DNS=f"{on_link}%uplink, {ENTRY_DNS}")
    for command in "check", "up":
        result = hopwire.command(command, hopwire.write(text))
        tap.contains(result.stdout + result.stderr, "DNSGuard lets no query out to it: no name is answered "
                     "by it; write DNSGuard = off in [Network] to ask it in clear", command)
    hopwire.is_up = True
    hopwire.down()
    for program in programs:
        program.stop()


def stand_in(name, answer=""):
    """A program on the client's PATH that keeps what it was told, for a manager that is not here."""
    told = scene.client.write(name + ".told", "", 0o666)
    directory = os.path.join(scene.client.dir, "bin")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(f'#!/bin/sh\n{{ echo "$@"; cat; }} >> {told}\n{answer}\n')
    os.chmod(path, 0o755)
    return told, {"PATH": directory + ":" + os.environ["PATH"]}


@tap.test
def G3_resolvconf_is_told_and_told_again_at_the_end():
    told, environment = stand_in("resolvconf")
    hopwire = Hopwire(scene.client, "multihop", environment)
    scene.networks.append(hopwire)
    hopwire.up(text=scene.world.client_text(network={"DNS": "10.64.0.1, ~dev.example, corp.example"}))
    hopwire.down()
    with open(told) as file:
        lines = [line.replace("tun.", "") for line in file.read().splitlines()]
    tap.equal(lines, ["-a hop0 -m 0 -x", "nameserver 10.64.0.1", "search corp.example",
                      "-d hop0 -f"], "what resolvconf was told")
    tap.equal(resolv_conf(), BEFORE, "resolv.conf")
    os.remove(os.path.join(scene.client.dir, "bin", "resolvconf"))


@tap.test
def G3_resolvectl_is_told_where_systemd_resolved_runs():
    told, environment = stand_in("resolvectl")
    os.makedirs(scene.client.run_path("systemd", "resolve"))
    hopwire = Hopwire(scene.client, "multihop", environment)
    scene.networks.append(hopwire)
    hopwire.up(text=scene.world.client_text(
        network={"DNS": "10.64.0.1, ~dev.example, fd00::1, ~., corp.example"}))
    hopwire.down()
    with open(told) as file:
        tap.equal(file.read().splitlines(),
                  ["dns hop0 10.64.0.1 fd00::1", "domain hop0 ~. ~dev.example corp.example"],
                  "what it was told")
    os.removedirs(scene.client.run_path("systemd", "resolve"))
    os.remove(os.path.join(scene.client.dir, "bin", "resolvectl"))


@tap.test
def G3_a_manager_that_fails_refuses_up():
    _, environment = stand_in("resolvconf", "exit 1")
    hopwire = Hopwire(scene.client, "multihop", environment)
    text = scene.world.client_text(network={"DNS": "10.64.0.1"})
    result = hopwire.command("up", hopwire.write(text), check=False)
    os.remove(os.path.join(scene.client.dir, "bin", "resolvconf"))
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, "resolvconf -a did not set the system's DNS", "the sentence")
    tap.same_lines(scene.client.network_state(), scene.before, "the host's network")


def failing(answer):
    """A resolvconf that is told of servers and does not let go of them."""
    return stand_in("resolvconf", f'case "$1" in -d) {answer};; esac')


def left():
    return sorted(n for n in os.listdir(scene.client.run_path("hopwire")) if not n.endswith("lock"))


@tap.test
def F7_a_manager_that_does_not_let_go_is_named_and_asked_again():
    for answer in "echo 'no bus' >&2; exit 1", "kill -9 $$", "exec sleep 1000":
        _, environment = failing(answer)
        hopwire = Hopwire(scene.client, "multihop", environment)
        scene.networks.append(hopwire)
        text = scene.world.client_text(network={"DNS": "10.64.0.1"})
        hopwire.up(text=text)
        result = hopwire.down(check=False)
        tap.equal(result.returncode, 1, f"down's exit status where -d does {answer}")
        tap.contains(result.stderr, "resolvconf -d did not put the system's DNS back: it ", "the sentence")
        tap.equal(scene.client.run("pgrep", "-f", "sleep 1000", check=False).stdout.split(), [],
                  "nothing of it goes on")
        tap.equal(resolv_conf(), BEFORE, "what could be put back is")
        tap.check("multihop.dns" in left() and "multihop.state" in left(), "it is noted")
        hopwire.up(text=text)
        tap.equal(servers(), ["10.64.0.1"], "the next run is not refused for it")
        tap.equal(hopwire.down(check=False).returncode, 1, "nor is it forgotten")
        tap.equal(hopwire.down(check=False).returncode, 1, "however often")
        stand_in("resolvconf")
        hopwire.down()
        tap.equal(left(), [], "files left once it lets go")
    os.remove(os.path.join(scene.client.dir, "bin", "resolvconf"))


@tap.test
def F7_what_SIGTERM_could_not_put_back_down_does():
    _, environment = failing("exit 1")
    hopwire = Hopwire(scene.client, "multihop", environment)
    scene.networks.append(hopwire)
    hopwire.up(text=scene.world.client_text(network={"DNS": "10.64.0.1"}))
    pid = hopwire.daemon()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: is_dead(pid), 30, "the daemon to end")
    tap.check("multihop.dns" in left() and "multihop.state" in left(), "it is noted")
    told, _ = stand_in("resolvconf")
    hopwire.down()
    with open(told) as file:
        tap.contains(file.read(), "-d ", "what resolvconf was told by `down`")
    tap.equal(left(), [], "files left")
    os.remove(os.path.join(scene.client.dir, "bin", "resolvconf"))


@tap.test
def I5_it_is_told_with_the_same_rights_at_the_end():
    told, environment = stand_in("resolvconf", "grep -E '^(Cap(Eff|Prm)|NoNewPrivs|SigBlk)' "
                                               "/proc/self/status >> $0.rights")
    hopwire = Hopwire(scene.client, "multihop", environment)
    scene.networks.append(hopwire)
    hopwire.up(text=scene.world.client_text(network={"DNS": "10.64.0.1"}))
    pid = hopwire.daemon()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: is_dead(pid), 30, "the daemon to end")
    path = os.path.join(scene.client.dir, "bin", "resolvconf")
    with open(path + ".rights") as file:
        lines = file.read().splitlines()
    tap.equal(len(lines), 8, "lines of two calls")
    tap.equal(lines[4:], lines[:4], "the rights of -d, expected those of -a")
    os.remove(path)


if __name__ == "__main__":
    main(afterwards=own_resolv_conf, services=False)
