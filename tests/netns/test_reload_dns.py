# SPDX-License-Identifier: MIT
"""RULES I2, G3: a reload changes the system's name servers, brings the first and takes the last away.
No name is asked past the tunnels at any instant that both files forbid it, no name goes unanswered, and
a change that fails, is interrupted, or meets another leaves all as it was."""

import os
import re
import signal

import tap
from dns_managers import Resolved, given, place, set_up_debian_s
from lab import HERE, wait_until
from packages import take_back
from peers import Hopwire, Key, is_dead, sections
from reloading import Pings, peers, reload, said, sessions, stranger, up, with_parts
from resolv_conf import BEFORE, THEIRS, File, both
from scene import main, scene
from world import ENTRY, EXIT, OFFICE, OFFICE_NET, wait_reachable

GATEWAY, AT_ENTRY, AT_OFFICE = "192.0.2.1", "10.64.0.1", OFFICE


class Asker:
    """What asks for names all the time, and the uplink that it might be seen on."""

    def __init__(self, *servers):
        self.uplink = scene.client.capture("uplink")
        self.process = scene.client.start("python3", os.path.join(HERE, "asker.py"), *servers,
                                          name="asker")
        self.more(20)

    def lines(self):
        """Number, server before, what became of it, server after."""
        return [line.split() for line in self.process.output().splitlines() if line.count(" ") == 3]

    def more(self, count=20, server=None):
        """So many questions more, to that server."""
        seen = len(self.lines())
        wait_until(lambda: sum(server in (None, line[1]) for line in self.lines()[seen:]) >= count, 20,
                   f"{count} questions to {server or 'anybody'}")

    def stop(self):
        self.process.stop()
        self.seen = [p for p in self.uplink.stop() if p.dport in (53, 853) and ENTRY not in (p.src, p.dst)]
        return self.lines()

    def asked_outside(self):
        """Numbers of the questions seen on the uplink."""
        return {int(found[1]) for p in self.seen
                if (found := re.search(rb"n(\d+)\x05asked", bytes(p.payload)))}


def answered(lines):
    return [line for line in lines if line[2] not in ("answered", "none")]


def network(dns, **more):
    return {"network": {**({"DNS": dns} if dns else {}), **more}}


@tap.test
def G3_servers_change_and_every_name_is_answered_inside():
    for file in both():
        hopwire = up(**network(AT_ENTRY))
        asker, pings, before = Asker(), Pings(), sessions(hopwire)
        was = AT_ENTRY
        for dns in AT_OFFICE, f"{AT_ENTRY}, corp.example", f"{AT_OFFICE}, {AT_ENTRY}", AT_ENTRY:
            said(reload(hopwire, scene.world.client_text(**network(dns))), f"network: DNS {was} → {dns}")
            tap.equal(file.servers(), [word for word in dns.split(", ") if word[0].isdigit()], "servers")
            tap.equal("corp.example" in file.text(), "corp.example" in dns, "the search domain")
            asker.more(20, dns.split(",")[0])
            was = dns
        lines = asker.stop()
        pings.stop()
        tap.equal(answered(lines), [], "what was not answered")
        tap.equal(asker.seen[:3], [], "on the uplink")
        tap.equal(sessions(hopwire), before, "the sessions")
        hopwire.down()
        file.check_back()


@tap.test
def G3_the_first_server_comes_and_the_last_one_goes():
    """The guard stands before the file shows a tunnel's server, and as long as it does."""
    for file in both():
        hopwire = up()
        asker = Asker(GATEWAY)
        for turn in range(3):
            seen = len(asker.lines())
            said(reload(hopwire, scene.world.client_text(entry={"DNS": AT_ENTRY})),
                 f"tunnel entry: DNS none → {AT_ENTRY}")
            tap.equal(file.servers(), [AT_ENTRY], "the name servers")
            asker.more(20, AT_ENTRY)
            came = asker.lines()[seen:]
            seen = len(asker.lines())
            said(reload(hopwire, scene.world.client_text()), f"tunnel entry: DNS {AT_ENTRY} → none")
            file.check_dns_is_back()
            asker.more(20, GATEWAY)
        lines = asker.stop()
        outside = asker.asked_outside()
        tap.check(outside, "without servers of a tunnel they are asked in clear")
        tap.equal([line for line in lines if int(line[0]) in outside
                   and line[1] == line[3] == AT_ENTRY], [], "asked in clear while ours is shown")
        tap.check(came, "questions while it came")
        hopwire.down()
        file.check_back()


@tap.test
def G3_the_guard_goes_and_comes_and_not_in_between():
    hopwire = up(**network(AT_ENTRY))
    asker = Asker(GATEWAY)
    for dns in AT_OFFICE, AT_ENTRY:
        reload(hopwire, scene.world.client_text(**network(dns)))
        asker.more()
    inside = len(asker.lines())
    reload(hopwire, scene.world.client_text(**network(AT_OFFICE, DNSGuard="off")))
    asker.more()
    open_until = len(asker.lines())
    reload(hopwire, scene.world.client_text(**network(AT_OFFICE)))
    last = len(asker.lines()) + 1
    asker.more()
    asker.stop()
    outside = asker.asked_outside()
    tap.check(outside, "DNSGuard = off opens it")
    tap.equal(sorted(n for n in outside if n < inside or n > last + 1), [], "asked before and after")
    tap.check(open_until > inside, "questions while it was open")


@tap.test
def G3_a_new_tunnel_brings_its_server_which_is_never_asked_outside():
    """A split tunnel: no guard, and main's default route would lead to the server until its tunnel
    stands."""
    parts = scene.world.client_parts(entry={"Routes": "10.64.0.0/24"})
    with_office = scene.world.client_parts(entry={"Routes": "10.64.0.0/24"}, office={"DNS": AT_OFFICE})
    file = File(True)
    hopwire = scene.up(text=sections(*parts[:3]))
    asker = Asker()
    for turn in range(6):
        reload(hopwire, sections(*with_office))
        tap.equal(file.servers(), [AT_OFFICE], "the name servers")
        asker.more(5)
        reload(hopwire, sections(*parts[:3]))
        file.check_dns_is_back()
        asker.more(5)
    asker.stop()
    tap.equal([p for p in asker.seen if p.dst == AT_OFFICE][:3], [], "asked of it on the uplink")
    tap.check([p for p in asker.seen if p.dst == GATEWAY], "and the host's own was, in between")
    hopwire.down()
    file.check_back()


class SlowManager:
    """What stands for systemd-resolved: it notes what it is told, waits as long as it shall, and fails
    at what it shall."""

    def __init__(self):
        client = self.client = scene.client
        self.directory = os.path.join(client.dir, "slow")
        os.makedirs(self.directory, exist_ok=True)
        client.run("mkdir", "-p", "/run/systemd/resolve")
        client.write("resolv.conf", "nameserver 127.0.0.53\n", 0o644)
        program = os.path.join(self.directory, "resolvectl")
        with open(program, "w") as file:
            file.write(f"""#!/bin/sh
                cd {self.directory}
                echo "$@" >> told
                while [ -e waits ]; do sleep 0.02; done
                ! [ -e "fails-$1" ]""")
        os.chmod(program, 0o755)
        self.env = {"PATH": self.directory + ":" + os.environ["PATH"]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.run("rm", "-rf", "/run/systemd", self.directory)
        self.client.write("resolv.conf", BEFORE, 0o644)

    def told(self):
        try:
            with open(os.path.join(self.directory, "told")) as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def last(self, what):
        """The last servers, or domains, of hop0."""
        found = [line.split(" ", 2)[2] for line in self.told() if line.startswith(what + " hop0 ")]
        return found[-1] if found else None

    def set(self, what, is_on=True):
        path = os.path.join(self.directory, what)
        if is_on:
            open(path, "w").close()
        else:
            os.remove(path)

    def up(self, **changes):
        hopwire = Hopwire(self.client, "multihop", self.env)
        scene.networks.append(hopwire)
        hopwire.up(text=scene.world.client_text(**changes))
        wait_reachable(self.client, OFFICE)
        return hopwire

    def begin(self, hopwire, text):
        """A reload that waits for it."""
        self.set("waits")
        seen = len(self.told())
        process = self.client.start(hopwire.binary, "reload", hopwire.write(text), name="reload")
        wait_until(lambda: len(self.told()) > seen or not process.runs(), 20, "it to be told")
        tap.check(process.runs(), "the reload waits: " + process.output())
        return process


def table():
    return scene.client.run("nft", "list", "ruleset").stdout


@tap.test
def I2_no_packet_and_no_other_request_waits_for_the_manager():
    with SlowManager() as manager:
        hopwire = manager.up(**network(AT_ENTRY))
        pings = Pings()
        first = manager.begin(hopwire, scene.world.client_text(**network(AT_OFFICE)))
        key = Key()
        os.makedirs(os.path.join(scene.client.dir, "second"), exist_ok=True)
        second_path = hopwire.write(with_parts(stranger(key), **network(f"{AT_OFFICE}, corp.example")),
                                    name="second/multihop")
        second = scene.client.start(hopwire.binary, "reload", second_path, name="second")
        pings.more(30)
        tap.equal(hopwire.status()["name"], "multihop", "status is answered")
        scene.client.run("wg", "set", "hop0", "peer", scene.world.keys["entry"].public,
                         "persistent-keepalive", "21")
        tap.check(first.runs() and second.runs(), "both wait")
        tap.check(("office", key.public) not in peers(hopwire), "the second has not begun")
        manager.set("waits", False)
        tap.equal((first.wait(), second.wait()), (0, 0), "both end well")
        tap.contains(first.output(), f"network: DNS {AT_ENTRY} → {AT_OFFICE}\n", "the first's list")
        tap.contains(second.output(), f"DNS {AT_OFFICE} → {AT_OFFICE}, corp.example\n", "the second's")
        tap.check(("office", key.public) in peers(hopwire), "it has its peer")
        tap.equal((manager.last("dns"), manager.last("domain")), (AT_OFFICE, "~. corp.example"), "told")
        pings.stop()
        hopwire.down()


@tap.test
def I2_a_manager_that_fails_changes_nothing():
    with SlowManager() as manager:
        for before in network(AT_ENTRY), network(None):
            hopwire = manager.up(**before)
            standing, have = scene.client.network_state(), sessions(hopwire)
            dns, domains = (AT_ENTRY, "~.") if before["network"] else ("", "")
            changes = network(AT_OFFICE, KillSwitch="on", DNSGuard="off")
            for failing in "dns", "domain":
                manager.set("fails-" + failing)
                result = reload(hopwire, with_parts(stranger(), **changes), check=False)
                manager.set("fails-" + failing, False)
                tap.equal(result.returncode, 1, "the exit status")
                tap.contains(result.stderr, f"resolvectl {failing} did not set the system's DNS", "why")
                tap.contains(result.stderr, "nothing was changed", "so it says")
                tap.equal((manager.last("dns"), manager.last("domain")), (dns, domains), "told last")
                tap.same_lines(scene.client.network_state(), standing, "the client's network")
                tap.equal(sessions(hopwire), have, "the sessions")
            said(reload(hopwire, scene.world.client_text(**before)), "nothing changes")
            hopwire.down()
        hopwire = manager.up(**network(AT_ENTRY))
        manager.set("fails-domain")
        result = reload(hopwire, scene.world.client_text(), check=False)
        tap.contains(result.stderr, "resolvectl domain did not put the system's DNS back", "why")
        manager.set("fails-domain", False)
        tap.equal(manager.last("dns"), AT_ENTRY, "its server stays")
        tap.contains(table(), "dport { 53, 853, 5355 } reject", "and the guard")
        reload(hopwire, scene.world.client_text())
        tap.equal((manager.last("dns"), manager.last("domain")), ("", ""), "none any more")
        tap.check("dport { 53, 853, 5355 } reject" not in table(), "and no guard")
        hopwire.down()


@tap.test
def A7_whoever_ends_while_the_manager_is_told_leaves_no_name_in_clear():
    """The daemon, its keeper, or whoever asked; with what the file says, and without, before."""
    client = scene.client
    with SlowManager() as manager:
        for before in network(AT_ENTRY), network(None):
            for whom in "daemon", "keeper", "both":
                hopwire = manager.up(**before)
                daemon = hopwire.daemon()
                keepers = [pid for pid in hopwire.pids() if pid != daemon]
                process = manager.begin(hopwire, scene.world.client_text(**network(AT_OFFICE)))
                killed = {"daemon": [daemon], "keeper": keepers, "both": [daemon, *keepers]}[whom]
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
                manager.set("waits", False)
                tap.equal(process.wait(), 1, f"the reload is told: {process.output()}")
                for pid in killed:
                    wait_until(lambda: is_dead(pid), 10, "it to go")
                tap.contains(table(), "dport { 53, 853, 5355 } reject", f"the guard after {whom} ended")
                if whom == "keeper":
                    wait_reachable(client, OFFICE)
                    result = reload(hopwire, scene.world.client_text(**network(AT_OFFICE)), check=False)
                    tap.contains(result.stderr, "has ended, so they cannot change while the network "
                                 "runs; run: hopwire up --replace ", "the next reload")
                    words = re.search(r"run: (hopwire up --replace \S+)", result.stderr)[1].split()
                    hopwire.command(*words[1:])
                    tap.equal(manager.last("dns"), AT_OFFICE, "the advice works")
                hopwire.down()
                tap.same_lines(client.network_state(), scene.before, "the client's network after down")
                tap.equal([n for n in os.listdir(client.run_path("hopwire")) if not n.endswith("lock")],
                          [], "files left")


@tap.test
def I2_down_while_the_manager_is_told_and_who_asked_is_gone():
    with SlowManager() as manager:
        hopwire = manager.up(**network(None))
        process = manager.begin(hopwire, scene.world.client_text(**network(AT_OFFICE)))
        process.stop(signal.SIGKILL)
        manager.set("waits", False)
        wait_until(lambda: manager.last("domain") == "~.", what="the change without whoever asked")
        said(reload(hopwire, scene.world.client_text(**network(AT_OFFICE))), "nothing changes")
        process = manager.begin(hopwire, scene.world.client_text(**network(AT_ENTRY)))
        os.kill(hopwire.daemon(), signal.SIGTERM)
        manager.set("waits", False)
        tap.check(process.wait() in (0, 1), "the reload ends, changed or told")
        wait_until(lambda: not hopwire.pids(), 20, "the network to end")
        hopwire.is_up = False
        tap.same_lines(scene.client.network_state(), scene.before, "the client's network after down")


def managed_by(manager):
    """The client has it; what shows the system's servers, and how it is put away."""
    client = scene.client
    if manager == "systemd-resolved":
        resolved = Resolved()
        client.run("resolvectl", "dns", "uplink", GATEWAY)
        return lambda: resolved.links() + client.run("resolvectl", "domain").stdout, resolved.stop
    etc = given(manager)
    if manager == "resolvconf":
        set_up_debian_s(etc)
    else:
        place(etc, "")
        client.run("resolvconf", "-a", "uplink", input=f"nameserver {GATEWAY}\n")
    return lambda: client.run("cat", "/etc/resolv.conf").stdout, lambda: None


def follows_under(manager):
    now, put_away = managed_by(manager)
    try:
        without = now()
        for first in network(None), network(AT_ENTRY):
            hopwire = up(**first)
            none = now()
            was = AT_ENTRY if first["network"] else None
            for dns in AT_OFFICE, f"{AT_ENTRY}, corp.example", None, AT_OFFICE:
                reload(hopwire, scene.world.client_text(**network(dns)))
                shown = now()
                for server in AT_ENTRY, AT_OFFICE:
                    tap.equal(server in shown, bool(dns and server in dns), f"{server} in {shown!r}")
                tap.equal("corp.example" in shown, bool(dns and "corp" in dns), "the search domain")
                if not dns and not was:
                    tap.equal(shown, none, "as before")
            hopwire.down()
            tap.equal(now(), without, "after down")
    finally:
        put_away()
        name_servers_of_client()


@tap.test
def G3_openresolv_follows():
    follows_under("openresolv")


@tap.test
def G3_debian_s_resolvconf_follows():
    follows_under("resolvconf")


@tap.test
def G3_systemd_resolved_follows():
    follows_under("systemd-resolved")


@tap.test
def F7_two_networks_keep_their_order():
    """The one that came up last is shown, whichever changes; and they end in any order."""
    for file in both():
        one, two = (Hopwire(scene.client, name) for name in ("one", "two"))
        scene.networks.extend((one, two))
        one.up(text=scene.world.entry_quick_text(DNS=AT_ENTRY))
        two.up(text=scene.world.office_quick_text(DNS=AT_OFFICE))
        said(reload(one, scene.world.entry_quick_text(DNS="10.64.0.9")),
             f"network: DNS {AT_ENTRY} → 10.64.0.9")
        tap.equal(file.servers(), [AT_OFFICE], "of the one that came last")
        reload(two, scene.world.office_quick_text())
        tap.equal(file.servers(), ["10.64.0.9"], "of the one that names some")
        reload(two, scene.world.office_quick_text(DNS="10.20.0.7"))
        tap.equal(file.servers(), ["10.20.0.7"], "of the one that named some last")
        one.down()
        tap.equal(file.servers(), ["10.20.0.7"], "of the one that is left")
        two.down()
        file.check_back()


@tap.test
def G3_what_others_write_after_a_reload_is_kept_too():
    """A network that came up without servers has somebody who looks after the file, too."""
    file = File(True)
    hopwire = up()
    reload(hopwire, scene.world.client_text(entry={"DNS": AT_ENTRY}))
    scene.client.run("sh", "-c", f"printf '{THEIRS}' > /etc/resolv.conf")
    wait_until(lambda: file.servers() == [AT_ENTRY], 20, "our servers again")
    reload(hopwire, scene.world.client_text())
    tap.equal(file.text(), THEIRS, "what they wrote, without ours")
    scene.client.run("sh", "-c", f"printf '{THEIRS}# again' > /etc/resolv.conf")
    hopwire.down()
    file.check_back(text=THEIRS + "# again")


@tap.test
def G3_servers_that_nobody_can_ask_are_told():
    def text(dns):
        return scene.world.client_text(network={"KillSwitch": "on", "DNS": dns},
                                       entry={"Routes": "0.0.0.0/0, ::/0, !192.0.2.0/24"})
    hopwire = scene.up(text=text(AT_ENTRY))
    result = reload(hopwire, text("192.0.2.53"))
    tap.contains(result.stderr, "the system's name server 192.0.2.53 is outside of the tunnels, and "
                 "KillSwitch lets no query out to it", "the note")
    result = reload(hopwire, text(AT_ENTRY))
    tap.equal(result.stderr, "", "nothing more to say")


def name_servers_of_client():
    take_back(scene.client)
    scene.client.write("resolv.conf", BEFORE, 0o644)


def name_servers():
    """The relay's, the office's and the uplink's, which the host's own file names."""
    for host in scene.world.entry, scene.world.office, scene.world.internet:
        host.start("python3", os.path.join(HERE, "dns.py"), name="dns").wait_output("ready")
    name_servers_of_client()


if __name__ == "__main__":
    main(services=False, afterwards=name_servers)
