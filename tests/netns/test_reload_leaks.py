# SPDX-License-Identifier: MIT
"""RULES A7: at no instant of a reload, whatever it changes, does a packet leave past the tunnels."""

import tap
from peers import at
from reloading import reload, stranger, up, with_parts
from scene import main, scene
from world import ENTRY6, OFFICE, OFFICE6, OFFICE_NET, WORLD, WORLD6

HALVES = "0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1"
KINDS = (  # each is followed by the file as it was
    {"network": {"AllowLAN": "on"}},
    {"network": {"MTU": "1300"}},
    {"network": {"KillSwitch": "on"}},
    {"network": {"KillSwitch": "on", "AllowLAN": "on"}},
    {"office": {"Routes": OFFICE_NET}},
    {"office": {"NAT": "off"}},
    {"entry_peer": {"AllowedIPs": HALVES}},
    {"entry_peer": {"Endpoint": at(ENTRY6)}},
    {"entry": {"Routes": "0.0.0.0/0, ::/0, !203.0.113.99/32"}},
    {"entry": {"Address": ["10.64.0.2/32"]}},
    {"entry": {"DNS": "10.64.0.1"}},
)


@tap.test
def A7_no_reload_lets_a_packet_out():
    hopwire = up()
    capture = scene.client.capture("uplink", 128)
    streams = [scene.client.start("ping", "-n", "-i", "0.005", "-W", "1", place, name="ping")
               for place in (OFFICE, OFFICE6, WORLD, WORLD6)]
    reload(hopwire, with_parts(stranger()))
    for changes in KINDS:
        reload(hopwire, scene.world.client_text(**changes))
        reload(hopwire, scene.world.client_text())
    for stream in streams:
        tap.check(stream.runs(), "packets are sent to the end")
        stream.stop()
    leaks = [p for p in scene.leaks(capture.stop()) if ENTRY6 not in (p.src, p.dst)]
    tap.equal(leaks[:3], [], "on the uplink")


if __name__ == "__main__":
    main()
