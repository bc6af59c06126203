# SPDX-License-Identifier: MIT
"""H5: the interface moves into another network namespace, as into a container's; the daemon stays, and
the tunnels work from there."""

import hashlib

import tap
from lab import wait_until
from pattern import pattern
from peers import is_dead
from scene import main, scene
from world import (ENTRY, ENTRY6, ENTRY_INNER, ENTRY_INNER6, EXIT_INNER, EXIT_INNER6, OFFICE, OFFICE6,
                   WORLD, WORLD6, wait_reachable)

SIZE = 1_000_000


def move(interface, source, target, addresses):
    source.ip("link", "set", interface, "netns", target.ns)
    target.address(interface, *addresses)
    target.ip("link", "set", interface, "up")
    target.route("default", "dev", interface)
    target.ip("-6", "route", "replace", "default", "dev", interface)


@tap.test
def H5_a_moved_interface_keeps_working():
    hopwire, box = scene.up(), scene.lab.host("box")
    wait_reachable(scene.client, OFFICE)
    pids = hopwire.pids()
    uplink = scene.client.capture("uplink")
    move("hop0", scene.client, box, (ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"))
    tap.check("hop0" not in scene.client.ip("link"), "the interface has left the client")
    for place, seen in ((OFFICE, f"office sees {EXIT_INNER}"), (OFFICE6, f"office sees {EXIT_INNER6}"),
                        (WORLD, f"world sees {ENTRY}"), (WORLD6, f"world sees {ENTRY6}")):
        url = f"http://[{place}]/" if ":" in place else f"http://{place}/"
        tap.check(box.ping(place, wait=5), f"a ping from the box to {place}")
        tap.equal(box.fetch(url), seen + "\n", "a page from the box")
        answer = scene.ask(place, 7, "--size", 1000, host=box)
        tap.contains(answer, "echoed 1000", "a datagram from the box")
    body = box.run("sh", "-c", f"curl -sS -f -m 60 http://{OFFICE}/bytes/{SIZE} | sha256sum")
    tap.equal(body.stdout.split()[0], hashlib.sha256(pattern(SIZE)).hexdigest(), "a megabyte")
    tap.equal(scene.leaks(uplink.stop())[:3], [], "beside the entry, on the uplink")
    tap.equal(hopwire.pids(), pids, "the daemon")
    tap.check(hopwire.status(), "status answers")
    hopwire.down()
    wait_until(lambda: all(map(is_dead, pids)), 5, "the daemon to go")
    tap.check("hop0" not in box.ip("link"), "and the interface with it")
    tap.same_lines(scene.client.network_state(), scene.before, "the client's network after down")


@tap.test
def H5_it_may_come_back():
    hopwire, box = scene.up(), scene.lab.host("hull")
    pids = hopwire.pids()
    move("hop0", scene.client, box, (ENTRY_INNER + "/32", ENTRY_INNER6 + "/128"))
    tap.check(box.ping(OFFICE, wait=5), "a ping from elsewhere")
    tap.check(not scene.client.ping(OFFICE, wait=1), "the client's own packets wait for it")
    box.ip("link", "set", "hop0", "netns", scene.client.ns)
    scene.client.ip("link", "set", "hop0", "up")
    scene.client.ip("route", "add", "192.0.2.200", "via", "192.0.2.1")  # so it looks again
    wait_reachable(scene.client, OFFICE, 10)
    scene.client.ip("route", "del", "192.0.2.200", "via", "192.0.2.1")
    tap.equal(hopwire.pids(), pids, "the daemon")


if __name__ == "__main__":
    main()
