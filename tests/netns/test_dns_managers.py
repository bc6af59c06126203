# SPDX-License-Identifier: MIT
"""G3 with the real programs that keep a system's DNS: openresolv, Debian's resolvconf and
systemd-resolved, from their packages, each in the client alone."""

import os
import signal

import tap
from dns_managers import Resolved, given, managed, place, read, set_up_debian_s, wrapped
from lab import HERE, wait_until
from peers import Hopwire, is_dead
from scene import main, scene
from world import CLIENT, ENTRY, OFFICE, OFFICE_NET, WORLD, wait_reachable

ENTRY_NAME, MOVED = "entry.example.net", "192.0.2.77"
NAME, SHORT_PATH = "www.example.net", "/usr/bin:/bin"

BEFORE = "# the host's own\nsearch lan.example\nnameserver 192.0.2.1\n"
WITH_DNS = {"network": {"DNS": "10.64.0.1, fc00:bbbb::1, corp.example"}}


def lines(text, keyword):
    return [line.split()[1:] for line in text.splitlines() if line.split()[:1] == [keyword]]


def check_servers(text, also=()):
    tap.equal([words[0] for words in lines(text, "nameserver")],
              ["10.64.0.1", "fc00:bbbb::1", *also], f"the name servers in {text!r}")
    tap.contains(text, "corp.example", "the search domain")


@tap.test
def G3_openresolv_and_a_file_that_nobody_manages():
    resolv_conf = place(given("openresolv"), BEFORE)
    hopwire = scene.up(**WITH_DNS)
    check_servers(read(resolv_conf))
    hopwire.down()
    tap.equal(read(resolv_conf), BEFORE, "resolv.conf after down")
    hopwire.up(text=scene.world.client_text(**WITH_DNS))
    hopwire.kill()
    check_servers(read(resolv_conf))
    hopwire.down()
    tap.equal(read(resolv_conf), BEFORE, "resolv.conf after a crash and down")


@tap.test
def G3_openresolv_that_has_the_uplink_s_servers():
    client = scene.client
    resolv_conf = place(given("openresolv"), "")
    client.run("resolvconf", "-a", "uplink", input="search lan.example\nnameserver 192.0.2.1\n")
    before = read(resolv_conf)
    tap.contains(before, "192.0.2.1", "resolv.conf before")
    hopwire = scene.up(**WITH_DNS)
    check_servers(read(resolv_conf))
    hopwire.down()
    tap.equal(read(resolv_conf), before, "resolv.conf after down")


@tap.test
def G3_debian_s_resolvconf():
    client = scene.client
    set_up_debian_s(given("resolvconf"))
    resolv_conf = client.run_path("resolvconf", "resolv.conf")
    before = read(resolv_conf)
    tap.contains(before, "192.0.2.1", "resolv.conf before")
    hopwire = scene.up(**WITH_DNS)
    # It has no exclusive interfaces: the uplink's server stays, behind the tunnels'.
    check_servers(read(resolv_conf), also=["192.0.2.1"])
    hopwire.down()
    tap.equal(read(resolv_conf), before, "resolv.conf after down")


@tap.test
def G3_systemd_resolved():
    resolved = Resolved()
    client = scene.client
    client.run("resolvectl", "dns", "uplink", "192.0.2.1")
    stub, uplink = client.run_path("systemd/resolve/stub-resolv.conf"), \
        client.run_path("systemd/resolve/resolv.conf")
    before = read(stub), read(uplink), resolved.links()
    hopwire = scene.up(**WITH_DNS)
    tap.contains(resolved.links(), "(hop0): 10.64.0.1 fc00:bbbb::1", "the servers of each link")
    hopwire.down()
    tap.equal((read(stub), read(uplink), resolved.links()), before, "all of it after down")
    resolved.stop()


@tap.test
def G3_systemd_resolved_and_a_server_that_no_peer_allows():
    """It sends what it asks of a link's server into the link, whatever the routes say; so do those of
    wg-quick's interfaces."""
    resolved, hopwire = Resolved(), Hopwire(scene.client, "split")
    scene.networks.append(hopwire)
    for command in "check", "up":
        result = hopwire.command(command, hopwire.write(scene.world.office_quick_text(DNS=WORLD)))
        tap.contains(result.stdout + result.stderr,
                     f"server {WORLD} is outside of the tunnels, but systemd-resolved sends", command)
    inside = scene.client.capture("split")
    ask_libc(NAME)
    tap.check([p for p in inside.stop() if p.dst == WORLD], "that is so: seen in the interface")
    hopwire.down()
    text = scene.world.office_quick_text(DNS=WORLD).replace(OFFICE_NET + ",", f"{WORLD}/32, {OFFICE_NET},")
    result = hopwire.command("check", hopwire.write(text))
    tap.check("outside" not in result.stdout + result.stderr, "not where a peer allows it")
    resolved.stop()


def ask_libc(name):
    """As programs do: by resolv.conf. The address, or nothing."""
    return scene.client.run("python3", "-c", "import socket, sys\n"
                            "print(socket.getaddrinfo(sys.argv[1], 80)[0][4][0])", name,
                            check=False, timeout=60).stdout.strip()


def uplink_server():
    """An uplink's DNS server that knows a name."""
    server = scene.world.internet.start("python3", os.path.join(HERE, "dns.py"), f"{NAME}={MOVED}",
                                        name="dns")
    server.wait_output("ready")
    return server


def queries(capture):
    return [p for p in capture.stop() if p.dport in (53, 853)]


@tap.test
def G3_systemd_resolved_asks_the_link_for_no_name_but_local_ones():
    """A name of one label it asks the link for (LLMNR), whatever name servers there are. Names in .local
    (mDNS) are the link's own, as a printer's."""
    resolved, client = Resolved(), scene.client
    for setting in (["dns", "uplink", "192.0.2.1"], ["llmnr", "uplink", "yes"], ["mdns", "uplink", "yes"]):
        client.run("resolvectl", *setting)

    def ports_asked():
        uplink = client.capture("uplink")
        for name in ("fileserver", "printer.local") * 2:  # at first after a change it asks nobody
            client.run("timeout", "2", "resolvectl", "--legend=no", "query", name, check=False)
        return {p.dport for p in uplink.stop() if p.protocol == 17 and p.dport in (53, 5353, 5355)}
    tap.check({5353, 5355} <= ports_asked(), "without a network it asks the link for both")
    for settings, ports in ({}, {5353}), ({"DNSGuard": "off"}, {5353, 5355}):
        hopwire = scene.up(network={**WITH_DNS["network"], **settings})
        tap.equal(ports_asked(), ports, f"the ports asked on the uplink with {settings}")
        if not settings:
            hopwire.kill()
            tap.equal(ports_asked(), ports, "after a crash")
        hopwire.down()
    resolved.stop()


@tap.test
def G3_systemd_resolved_runs_beside_a_plain_file():
    server, resolved, client = uplink_server(), Resolved(), scene.client
    client.run("resolvectl", "dns", "uplink", "192.0.2.1")
    resolv_conf = place(resolved.etc, BEFORE)
    tap.equal(ask_libc(NAME), MOVED, "the name without a network")
    hopwire = scene.up(**WITH_DNS)
    check_servers(read(resolv_conf))
    uplink = client.capture("uplink")
    tap.equal(ask_libc(NAME), "", "the name is asked inside, where nobody answers")
    client.run("resolvectl", "--legend=no", "query", NAME, check=False)
    tap.equal(queries(uplink), [], "seen on the uplink")
    hopwire.down()
    tap.equal(read(resolv_conf), BEFORE, "resolv.conf after down")
    tap.equal(ask_libc(NAME), MOVED, "the name after down")
    resolved.stop()
    server.stop()


@tap.test
def G3_a_plain_file_that_names_the_stub_leads_to_systemd_resolved():
    resolved, client = Resolved(), scene.client
    client.run("resolvectl", "dns", "uplink", "192.0.2.1")
    text = "# static\nnameserver 127.0.0.53\noptions edns0\n"
    resolv_conf = place(resolved.etc, text)
    hopwire = scene.up(**WITH_DNS)
    tap.equal(read(resolv_conf), text, "resolv.conf")
    tap.contains(resolved.links(), "(hop0): 10.64.0.1 fc00:bbbb::1", "the servers of each link")
    hopwire.down()
    tap.equal(read(resolv_conf), text, "resolv.conf after down")
    resolved.stop()


@tap.test
def A7_under_systemd_resolved_a_crash_sends_no_name_to_the_uplink():
    server, resolved, client = uplink_server(), Resolved(), scene.client
    client.run("resolvectl", "dns", "uplink", "192.0.2.1")
    client.run("resolvectl", "domain", "uplink", "~.")
    tap.equal(ask_libc(NAME), MOVED, "the name without a network")
    hopwire = scene.up(**WITH_DNS)
    hopwire.kill()
    client.run("resolvectl", "flush-caches")
    uplink = client.capture("uplink")
    tap.equal(ask_libc("other." + NAME), "", "a name after the crash")
    tap.equal(ask_libc(NAME), "", "a known one")
    tap.equal(queries(uplink), [], "seen on the uplink")
    hopwire.down()
    client.run("resolvectl", "flush-caches")
    client.run("resolvectl", "reset-server-features")
    wait_until(lambda: ask_libc(NAME) == MOVED, 30, "the name after down")
    resolved.stop()
    server.stop()


@tap.test
def F7_a_resolvconf_that_says_0_and_keeps_the_servers_is_not_believed():
    for manager in "openresolv", "resolvconf":
        now = managed(manager)
        before = now()
        hopwire = Hopwire(scene.client, "multihop", wrapped('case "$1" in -d) cat >/dev/null; exit 0;; esac'))
        scene.networks.append(hopwire)
        hopwire.up(text=scene.world.client_text(**WITH_DNS))
        for time in "first", "second":
            result = hopwire.down(check=False)
            tap.equal(result.returncode, 1, f"{manager}: the {time} down's exit status")
            tap.contains(result.stderr, "resolvconf -d did not put the system's DNS back: it says",
                         "the sentence")
            tap.check("10.64.0.1" in now(), f"{manager}: so it is: {now()!r}")
        wrapped('case "$1" in -d) (sleep 0.5; real "$@") & exit 0;; esac')
        hopwire.down()  # late is not never
        tap.equal(now(), before, f"{manager}: resolv.conf once it does")
        tap.equal([n for n in os.listdir(scene.client.run_path("hopwire")) if not n.endswith("lock")], [],
                  "files left")


@tap.test
def F7_a_resolv_conf_that_is_not_written_any_more_is_seen():
    now = managed("resolvconf")
    before = now()
    hopwire = scene.up(**WITH_DNS)
    scene.client.run("resolvconf", "--disable-updates")
    result = hopwire.down(check=False)
    tap.equal(result.returncode, 1, "down's exit status")
    tap.contains(result.stderr, "/etc/resolv.conf still shows 10.64.0.1", "the sentence")
    scene.client.run("resolvconf", "--enable-updates")
    hopwire.down()
    tap.equal(now(), before, "resolv.conf")


@tap.test
def F7_the_same_server_from_elsewhere_is_no_failure():
    for manager in "openresolv", "resolvconf":
        now = managed(manager)
        before = now()
        hopwire = scene.up(**WITH_DNS)
        scene.client.run("resolvconf", "-a", "other", input="nameserver 10.64.0.1\n")
        hopwire.down()
        tap.check("10.64.0.1" in now(), f"{manager}: the other's stays: {now()!r}")
        scene.client.run("resolvconf", "-d", "other")
        pair = [Hopwire(scene.client, name) for name in ("one", "two")]
        scene.networks.extend(pair)
        pair[0].up(text=scene.world.entry_quick_text(DNS="10.64.0.1"))
        pair[1].up(text=scene.world.office_quick_text(DNS="10.64.0.1"))
        for hopwire in pair:
            hopwire.down()
        tap.equal(now(), before, f"{manager}: resolv.conf after down")


@tap.test
def G3_a_resolvconf_that_says_0_and_shows_nothing_is_passed_over():
    for manager in "openresolv", "resolvconf":
        now = managed(manager)
        before = now()
        path = os.path.join(scene.client.dir, "etc", "resolv.conf")
        link = os.readlink(path) if os.path.islink(path) else None
        hopwire = Hopwire(scene.client, "multihop", wrapped('case "$1" in -a) cat >/dev/null; exit 0;; esac'))
        scene.networks.append(hopwire)
        hopwire.up(text=scene.world.client_text(**WITH_DNS))
        check_servers(now())
        hopwire.down()
        tap.equal(now(), before, f"{manager}: resolv.conf after down")
        tap.equal(os.readlink(path) if os.path.islink(path) else None, link, "the link")


def two_networks():
    one, two = (Hopwire(scene.client, name, {"PATH": SHORT_PATH}) for name in ("one", "two"))
    scene.networks.extend((one, two))
    one.up(text=scene.world.entry_quick_text(DNS="10.64.0.1"))
    two.up(text=scene.world.office_quick_text(DNS="10.20.0.53"))
    return one, two


@tap.test
def F7_two_networks_end_in_any_order_under_each_manager():
    """Its PATH is a cron job's, without /usr/sbin."""
    client = scene.client
    for manager in "openresolv", "resolvconf", "systemd-resolved":
        resolved = Resolved() if manager == "systemd-resolved" else None
        etc = resolved.etc if resolved else given(manager)
        path = os.path.join(etc, "resolv.conf")
        if resolved:
            client.run("resolvectl", "dns", "uplink", "192.0.2.1")
        elif manager == "resolvconf":
            set_up_debian_s(etc)
        else:
            place(etc, "")
            client.run("resolvconf", "-a", "uplink", input="nameserver 192.0.2.1\n")

        def now():
            if resolved:
                return resolved.links()
            return client.run("cat", "/etc/resolv.conf").stdout
        before = now()
        link = os.readlink(path) if os.path.islink(path) else None
        for is_crash in False, True:
            for first in 0, 1:
                pair = two_networks()
                for server in "10.64.0.1", "10.20.0.53":
                    tap.check(manager == "openresolv" or server in now(), f"{manager} has {server}")
                if is_crash:
                    pid = pair[first].daemon()  # it alone
                    os.kill(pid, signal.SIGKILL)
                    wait_until(lambda: is_dead(pid), 10, "the daemon to go")
                pair[first].down()
                tap.check(("10.20.0.53", "10.64.0.1")[first] in now(), f"{manager}: the other's stays")
                tap.check(("10.64.0.1", "10.20.0.53")[first] not in now(), f"{manager}: its own goes")
                pair[1 - first].down()
                tap.equal(now(), before, f"{manager} after down of {first} and the other")
        tap.equal(os.readlink(path) if os.path.islink(path) else None, link, "the link")
        if resolved:
            resolved.stop()


@tap.test
def F7_a_crash_and_another_interface_leaves_no_record():
    for manager in "openresolv", "resolvconf":
        client, etc = scene.client, given(manager)
        if manager == "resolvconf":
            set_up_debian_s(etc)
        else:
            place(etc, "")
            client.run("resolvconf", "-a", "uplink", input="nameserver 192.0.2.1\n")
        before = client.run("cat", "/etc/resolv.conf").stdout
        hopwire = scene.up(**WITH_DNS)
        hopwire.kill()
        hopwire.up(text=scene.world.client_text(network={**WITH_DNS["network"], "Interface": "hop9",
                                                         "DNS": "10.64.0.7"}))
        now = client.run("cat", "/etc/resolv.conf").stdout
        tap.check("10.64.0.7" in now and "10.64.0.1\n" not in now, f"{manager}: the second run's: {now!r}")
        hopwire.down()
        tap.equal(client.run("cat", "/etc/resolv.conf").stdout, before, f"{manager} after down")
        tap.equal([n for n in os.listdir(client.run_path("hopwire")) if not n.endswith("lock")], [],
                  "files left")


@tap.test
def G3_a_manager_that_does_not_keep_the_file_is_passed_over():
    """Installed, but resolv.conf was made a file by hand."""
    resolv_conf = place(given("resolvconf"), BEFORE)
    hopwire = scene.up(**WITH_DNS)
    check_servers(read(resolv_conf))
    hopwire.down()
    tap.equal(read(resolv_conf), BEFORE, "resolv.conf after down")


@tap.test
def G1_root_names_are_never_asked_of_what_systemd_resolved_was_told_for_the_tunnels():
    """The server of an uplink that comes later is in one list with the tunnels', mostly behind them."""
    client, internet = scene.client, scene.world.internet
    server = internet.start("python3", os.path.join(HERE, "dns.py"), f"{ENTRY_NAME}={ENTRY}", name="dns")
    server.wait_output("ready")
    resolved = Resolved()
    client.run("resolvectl", "dns", "uplink", "192.0.2.1")
    scene.up(**WITH_DNS, entry_peer={"Endpoint": ENTRY_NAME + ":51820"})
    wait_reachable(client, OFFICE)
    asked, uplink = server.output().count("asked"), client.capture("uplink")
    scene.lab.link(client, "late", internet, "late")
    client.run("resolvectl", "dns", "late", "192.0.2.1")
    client.run("resolvectl", "revert", "uplink")
    # Whose server is first in it depends on resolved's hash of the links.
    tap.equal(sorted(words[0] for words in lines(read(client.run_path("systemd/resolve/resolv.conf")),
                                                 "nameserver")),
              ["10.64.0.1", "192.0.2.1", "fc00:bbbb::1"], "resolved's own list")
    client.ip("address", "del", CLIENT + "/24", "dev", "uplink")
    client.address("uplink", MOVED + "/24")
    client.route("default", "via", "192.0.2.1")
    try:
        wait_until(lambda: server.output().count("asked") > asked, 20, "the name to be asked again")
        outside = [p for p in uplink.stop() if p.dst in ("10.64.0.1", "fc00:bbbb::1")]
        tap.equal(outside[:3], [], "asked of the tunnels' servers, outside of the tunnels")
    finally:
        for network in scene.networks:
            network.down()
        client.ip("link", "del", "late")
        client.ip("address", "del", MOVED + "/24", "dev", "uplink")
        client.address("uplink", CLIENT + "/24")
        client.route("default", "via", "192.0.2.1")
    resolved.stop()
    server.stop()


if __name__ == "__main__":
    main(services=False)
