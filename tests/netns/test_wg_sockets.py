# SPDX-License-Identifier: MIT
"""RULES I4: the sockets at which `wg` finds tunnels, while these change and while others remove
them."""

import ctypes
import os
import select
import struct

import tap
from lab import HERE, wait_until
from peers import Key, at, hopwire_binary, sections
from scene import main, scene

IN_MOVED_FROM, IN_CREATE, IN_DELETE = 0x40, 0x100, 0x200


class Changes:
    """What comes and goes in a directory from now on, in order."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        if libc.inotify_add_watch(self.fd, path.encode(), IN_MOVED_FROM | IN_CREATE | IN_DELETE) < 0:
            raise OSError(ctypes.get_errno(), path)

    def read(self):
        events = b""
        while select.select([self.fd], [], [], 0)[0]:
            events += os.read(self.fd, 65536)
        os.close(self.fd)
        seen = []
        while events:
            _, mask, _, size = struct.unpack("iIII", events[:16])
            name = events[16:16 + size].rstrip(b"\0").decode()
            seen.append(("+" if mask & IN_CREATE else "-") + name.removesuffix(".sock"))
            events = events[16 + size:]
        return seen


@tap.test
def I4_tunnels_that_come_have_their_sockets_before_others_lose_theirs():
    client, key = scene.client, Key()
    hopwire = scene.up()
    parts = scene.world.client_parts()
    other = sections(("Tunnel other", {"PrivateKey": key.private, "Address": "10.66.0.2/32",
                                       "Routes": "none"}),
                     ("Peer", {"PublicKey": Key().public, "Endpoint": at("192.0.2.77"),
                               "AllowedIPs": "10.66.0.0/24"}))
    changes = Changes(client.run_path("wireguard"))
    hopwire.command("reload", hopwire.write(sections(*parts[:3]) + other))
    tap.equal(changes.read(), ["+hop0.other", "-hop0.office"], "what came and went")
    tap.equal(client.run("wg", "show", "hop0.other", "public-key").stdout.strip(), key.public,
              "whose the new one is")
    hopwire.kill()
    hopwire.down()
    tap.equal(os.listdir(client.run_path("wireguard")), [], "none is left after a crash")


@tap.test
def I4_a_plain_interface_whose_socket_is_removed_at_once_does_not_live_on_without():
    client = scene.client
    sock = client.run_path("wireguard", "wg7.sock")
    process = client.start("python3", os.path.join(HERE, "remove_at.py"),
                           "/run/wireguard/wg7.sock", hopwire_binary(), "-f", "wg7")
    wait_until(lambda: "watches" in process.output() or not process.runs(), 15, "its watch")
    if not process.runs() and process.popen.returncode == 77:
        raise tap.Skip("this machine allows no tracing")
    wait_until(lambda: os.path.exists(sock) or not process.runs(), 15, "its socket, or its end")
    client.run("rm", "-f", "/run/wireguard/wg7.sock")
    wait_until(lambda: not process.runs(), 10, "its end")


if __name__ == "__main__":
    main()
