# SPDX-License-Identifier: MIT
"""What the commands say to wrong arguments, and the names by which they know a network."""

import os
import re

import tap
from peers import Hopwire, Key, at, sections
from scene import main, scene


def plain_text():
    """A plain wg-quick file, whose name is all that names anything, for a prefix of its own."""
    return sections(("Interface", {"PrivateKey": Key().private, "Address": "10.91.0.2/32"}),
                    ("Peer", {"PublicKey": Key().public, "Endpoint": at("192.0.2.77"),
                              "AllowedIPs": "10.91.0.0/16"}))


@tap.test
def I1_a_file_s_name_that_no_network_can_have_is_taken_by_every_command():
    for name in ("x" * 70, "sixteen-letters-", "US New York #12"):
        hopwire = Hopwire(scene.client, name)
        path = hopwire.write(plain_text())
        checked = hopwire.command("check", path)
        tap.contains(checked.stderr, "the interface is called ", "which interface it will be")
        interface = checked.stderr.split("the interface is called ")[1].split(":")[0]
        told = hopwire.command("up", path).stderr
        tap.contains(told, f"the interface is called {interface}:", "which interface it is")
        link = scene.client.ip_json("link", "show", "dev", interface)[0]
        tap.equal(link["ifname"], interface, "it is there")
        for argument in (path, name):
            status = hopwire.command("status", argument, "--json").stdout
            tap.contains(status, f'"interface": "{interface}"', f"status {argument}")
        tap.contains(hopwire.command("route", name, "10.91.0.1").stdout, "10.91.0.1 via ", "route")
        hopwire.command("down", name)
        hopwire.command("down", path)  # again
        tap.same_lines(scene.client.network_state(), scene.before, "the host")


@tap.test
def what_is_not_up_is_started_by_the_command_that_is_told():
    """A file elsewhere, one whose name a shell would take apart, and a network's name."""
    directory = os.path.join(scene.client.dir, "etc")
    os.makedirs(directory, exist_ok=True)
    for name, by_name in (("small1", False), ("it's a network", False), ("small1", True)):
        hopwire = Hopwire(scene.client, name, env={"HOPWIRE_CONFIG_DIR": directory})
        path = hopwire.write(plain_text(), name="etc/" + name if by_name else None)
        argument = name if by_name else path
        for kill in (False, True):
            if kill:
                hopwire.command("up", argument)
                hopwire.kill()
            told = hopwire.command("status", argument, check=False).stderr
            command = re.search(r"`(hopwire up .*?)`", told)
            tap.check(command, f"a command: {told}")
            scene.client.run("sh", "-c", command[1].replace("hopwire", hopwire.binary, 1),
                             env=hopwire.env)
            hopwire.command("status", argument)
            hopwire.command("down", argument)
        tap.same_lines(scene.client.network_state(), scene.before, "the host")
    told = Hopwire(scene.client).command("status", "nobody", check=False).stderr
    tap.contains(told, "nobody is not up; `hopwire up FILE` starts it", "where there is no file")


@tap.test
def I1_an_interface_s_name_that_was_made_up_is_nobody_else_s():
    hopwire = Hopwire(scene.client, "sixteen-letters-")
    path = hopwire.write(plain_text())
    called = lambda: hopwire.command("check", path).stderr.split("interface is called ")[1].split(":")[0]
    first = called()
    scene.client.ip("link", "add", first, "type", "veth", "peer", "name", "other")
    second = called()
    tap.check(second != first, f"not {first}, which stands")
    scene.client.ip("link", "del", first)
    hopwire.up(path)
    tap.equal(called(), first, "the network's own interface does not stand in its way")
    hopwire.command("down", path)


@tap.test
def wrong_arguments_are_status_2():
    hopwire = Hopwire(scene.client)
    for argv, said in ((("up", "-x", "a"), "up: -x is no option"),
                       (("up", "--replcae", "a"), "up: --replcae is no option"),
                       (("up", "-f"), "up: NAME or FILE is missing"),
                       (("down",), "down: NAME is missing"),
                       (("down", "a", "b"), 'down: "b" is one argument too many'),
                       (("status", "a", "b"), 'status: "b" is one argument too many'),
                       (("status", "--jsom"), "status: --jsom is no option"),
                       (("check",), "check: NAME or FILE is missing"),
                       (("check", "-x"), "check: -x is no option"),
                       (("route",), "route: NAME is missing"),
                       (("route", "a"), "route: ADDRESS is missing"),
                       (("route", "a", "b", "c"), 'route: "c" is one argument too many'),
                       (("--version", "x"), '--version: "x" is one argument too many'),
                       (("--help", "x"), '--help: "x" is one argument too many'),
                       (("help", "check", "x"), 'help: "check" is one argument too many')):
        result = hopwire.command(*argv, check=False)
        tap.equal(result.returncode, 2, f"hopwire {' '.join(argv)}")
        tap.equal(len(result.stderr.splitlines()), 1, f"one sentence: {result.stderr}")
        tap.contains(result.stderr, f"hopwire: {said}", "which argument")
        tap.contains(result.stderr, f"usage: hopwire {argv[0]}", "how it is used")
    for typed, meant in (("chekc", "check"), ("stat", "status"), ("Up", "up"), ("donw", "down"),
                         ("staus", "status"), ("fly high", None), ("routes", "route")):
        typed, *rest = typed.split()
        result = hopwire.command(typed, *rest, check=False)
        tap.equal(result.returncode, 2, f"hopwire {typed}")
        tap.contains(result.stderr.splitlines()[0],
                     f"{typed}: no such command" + (f"; the nearest is {meant}" if meant else ""),
                     "the nearest command")


@tap.test
def names_that_cannot_be():
    hopwire = Hopwire(scene.client)
    for argv in (("down", "a/.."), ("down", "x" * 64), ("down", ".hidden"), ("down", ""),
                 ("status", "x" * 64), ("status", "a b"), ("route", "x" * 64, "10.0.0.1"),
                 ("route", "", "10.0.0.1"), ("status", "nobody"), ("route", "nobody", "10.0.0.1")):
        result = hopwire.command(*argv, check=False)
        tap.equal(result.returncode, 1, f"hopwire {' '.join(argv)}")
        tap.check(result.stderr.startswith("hopwire: ") and len(result.stderr) < 400, result.stderr)
    tap.equal(hopwire.command("down", "nobody").returncode, 0, "down may be repeated")


if __name__ == "__main__":
    main()
