# SPDX-License-Identifier: MIT
"""G1: answers that are long. Inside a carrier they come by UDP alone: 1232 bytes are asked for, a
truncated answer counts for the addresses that it has, and one that has none is asked for again with
room for fragments. Outside, what is truncated comes over TCP, which carries the mark too."""

import os

import tap
from hidden_name import NAME, NAMED, expect_no_query, resolver_is_mute
from lab import HERE, wait_until
from scene import main, scene
from world import ENTRY, EXIT, OFFICE, WORLD, wait_reachable

ENTRY_NAME = "entry.example.net"


def many(name, last, count):
    """Records: addresses where nobody is, but all of them the same one that works."""
    return [f"{name}={last}"] + [f"{name}=203.0.113.{100 + i}" for i in range(count - 1)]


class Server:
    def __init__(self, host, *arguments):
        self.process = host.start("python3", os.path.join(HERE, "dns.py"), *arguments, name="dns")
        self.process.wait_output("ready")

    def output(self):
        return self.process.output()

    def stop(self):
        self.process.stop()


def office_through(*arguments, timeout=30):
    """The office is reached when the exit's name is answered so; what the server was asked."""
    server, uplink = Server(scene.world.entry, *arguments), scene.client.capture("uplink")
    scene.up(**NAMED)
    wait_reachable(scene.client, OFFICE, timeout)
    expect_no_query(uplink)
    asked = server.output()
    server.stop()
    tap.check("over tcp" not in asked, f"UDP alone: {asked}")
    return asked


@tap.test
def G1_inside_a_carrier_600_bytes_come_whole():
    asked = office_through(*many(NAME, EXIT, 35))
    tap.contains(asked, "with room for 1232", "what the server was asked")


@tap.test
def G1_inside_a_carrier_a_truncated_answer_has_addresses_too():
    office_through(*many(NAME, EXIT, 120))


@tap.test
def G1_inside_a_carrier_an_old_server_is_asked_without_EDNS0():
    asked = office_through("--old", *many(NAME, EXIT, 60))
    tap.check(f"asked {NAME} 1\n" in asked, f"a question without EDNS0: {asked}")


@tap.test
def G1_inside_a_carrier_a_truncated_answer_without_any_is_asked_for_with_more_room():
    asked = office_through("--empty", *many(NAME, EXIT, 120), timeout=40)
    tap.contains(asked, "with room for 4096", "what the server was asked")


@tap.test
def G1_a_root_s_truncated_answer_comes_over_marked_TCP():
    client = scene.client
    server = Server(scene.world.internet, "--room", "512", *many(ENTRY_NAME, ENTRY, 60))
    scene.up(entry_peer={"Endpoint": ENTRY_NAME + ":51820"})
    wait_until(lambda: f"asked {ENTRY_NAME} 1 over tcp" in server.output(), 20, "a question over TCP")
    wait_reachable(client, WORLD, 30)
    server.stop()


if __name__ == "__main__":
    main(afterwards=resolver_is_mute, services=False)
