# SPDX-License-Identifier: MIT
"""Keys that a reload took out of the configuration are nowhere in the daemon's memory."""

import base64

import tap
from peers import Key, preshared_key
from reloading import reload, stranger, with_parts
from scene import main, scene

CHUNK_BYTES, OVERLAP_BYTES = 1 << 20, 64
SHADOW_LEAST_BYTES = 1 << 32  # a sanitizer's own


def memory_of(pid):
    """All that the process can write, piece by piece."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            begin, end = (int(number, 16) for number in place.split("-"))
            if not rights.startswith("rw") or end - begin >= SHADOW_LEAST_BYTES:
                continue
            for at in range(begin, end, CHUNK_BYTES):
                try:
                    memory.seek(at)
                    yield memory.read(min(end - at, CHUNK_BYTES + OVERLAP_BYTES))
                except OSError:  # a device's
                    break


def found(hopwire, keys):
    """Which of them are there, as bytes or as text."""
    needles = {name: (base64.b64decode(key), key[:42].encode()) for name, key in keys.items()}
    there = set()
    for piece in memory_of(hopwire.daemon()):
        there |= {name for name, forms in needles.items() if any(form in piece for form in forms)}
    return sorted(there)


@tap.test
def keys_that_go_are_wiped():
    own, shared = {"PrivateKey": Key().private}, preshared_key()
    peer = Key()
    old = {"private": own["PrivateKey"], "preshared": shared}
    first = with_parts(stranger(peer, PresharedKey=shared), office=own)
    hopwire = scene.up(text=first)
    tap.equal(found(hopwire, old), ["preshared", "private"], "before")
    second = {"private": Key().private, "preshared": preshared_key()}
    reload(hopwire, with_parts(stranger(peer, PresharedKey=second["preshared"]),
                               office={"PrivateKey": second["private"]}))
    tap.equal(found(hopwire, old), [], "of the first file")
    tap.equal(found(hopwire, second), ["preshared", "private"], "of the second")
    reload(hopwire, scene.world.client_text())
    tap.equal(found(hopwire, second), [], "of the second file, whose peer went")


if __name__ == "__main__":
    main()
