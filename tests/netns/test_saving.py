# SPDX-License-Identifier: MIT
"""RULES I1: SaveConfig and `hopwire save` write a plain file back as the network is."""

import os
import signal

import tap
from hooking import forget, tell, up
from lab import wait_until
from peers import Hopwire, is_dead
from scene import main, scene
from world import wait_reachable


def saved_parts(*lines):
    """A plain file of the entry's, which `down` writes back."""
    forget()
    text = scene.world.entry_quick_text(ListenPort="51999", SaveConfig="true")
    head = "[Interface]\n# mine\n" + "".join(line + "\n" for line in lines)
    return text.replace("[Interface]\n", head, 1).replace("[Peer]\n", "# the entry\n[Peer]\n", 1)


def read(path):
    with open(path) as file:
        return file.read()


@tap.test
def I1_SaveConfig_writes_the_file_back_behind_PreDown():
    for end in ("down", "signal", "nothing"):
        text = saved_parts(f"PreDown = wg set %i peer {scene.world.keys['entry'].public} "
                           f"persistent-keepalive 21 || {tell('no-set')}",
                           f"PostDown = grep -q 51999 {scene.client.dir}/multihop.conf")
        hopwire, _ = up(text)
        path = os.path.join(scene.client.dir, "multihop.conf")
        os.chmod(path, 0o640)
        if end == "nothing":
            hopwire.command("save", path)
            tap.contains(hopwire.command("save", path).stderr + "ok", "ok", "a second time, too")
        elif end == "signal":
            pids = hopwire.pids()
            os.kill(hopwire.daemon(), signal.SIGTERM)
            wait_until(lambda: all(map(is_dead, pids)), 20, "the end")
            hopwire.is_up = False
        else:
            hopwire.down()
        saved = read(path)
        tap.equal(os.stat(path).st_mode & 0o777, 0o640, f"the mode after {end}")
        for line in ("# mine", "# the entry\n[Peer]", "ListenPort = 51999", "SaveConfig = true",
                     f"PublicKey = {scene.world.keys['entry'].public}",
                     f"PrivateKey = {scene.world.keys['client'].private}", "PreDown = wg set"):
            tap.contains(saved, line, f"the file after {end}")
        tap.equal(saved.count("[Peer]"), 1, "its peer")
        if hopwire.is_up:
            hopwire.down()
        hopwire, _ = up(read(path))
        wait_reachable(scene.client, "10.64.0.1")
        hopwire.down()


@tap.test
def I1_a_name_alone_saves_the_file_that_it_runs_from():
    hopwire, _ = up(saved_parts())
    path = os.path.join(scene.client.dir, "multihop.conf")
    scene.client.run("wg", "set", "multihop", "peer", scene.world.keys["entry"].public,
                     "persistent-keepalive", "23")
    hopwire.command("save", "multihop")
    tap.contains(read(path), "PersistentKeepalive = 23", "the file")
    hopwire.down()
    result = hopwire.command("save", "multihop", check=False)
    tap.equal(result.returncode, 1, "one that is not up")
    tap.contains(result.stderr, "multihop is not up", "the sentence")


@tap.test
def I1_who_saves_at_once_with_others_has_saved():
    hopwire, _ = up(saved_parts())
    path = os.path.join(scene.client.dir, "multihop.conf")
    all_at_once = [scene.client.start(hopwire.binary, "save", path, name="save")
                   for _ in range(12)]
    for process in all_at_once:
        tap.equal((process.wait(), process.output()), (0, ""), "each")
    tap.equal(read(path).count("[Peer]"), 1, "the file is whole")
    tap.equal([name for name in os.listdir(scene.client.dir) if "saving" in name], [], "left")


@tap.test
def I1_a_key_from_a_file_is_saved_where_its_owner_alone_reads_it():
    key = scene.world.keys["client"].private
    scene.client.write("own.key", key + "\n")
    hopwire, _ = up(saved_parts().replace("PrivateKey = " + key, "PrivateKeyFile = own.key"))
    path = os.path.join(scene.client.dir, "multihop.conf")
    os.chmod(path, 0o644)
    hopwire.command("save", path)
    tap.contains(read(path), "PrivateKey = " + key, "saved")
    tap.equal(os.stat(path).st_mode & 0o777, 0o600, "the mode")
    hopwire.down()
    up(read(path))
    wait_reachable(scene.client, "10.64.0.1")


@tap.test
def I1_what_cannot_be_saved_stays_as_it_was():
    hopwire, _ = up(scene.world.client_text())
    result = hopwire.command("save", os.path.join(scene.client.dir, "multihop.conf"), check=False)
    tap.equal(result.returncode, 1, "a network of Hopwire's form")
    tap.contains(result.stderr, "only ever written by you", "the sentence")
    hopwire.down()
    path = scene.client.write("multihop.conf", saved_parts())
    result = hopwire.command("save", path, check=False)
    tap.equal(result.returncode, 1, "one that is not up")
    tap.contains(result.stderr, "nobody listens", "the sentence")
    hopwire, _ = up(read(path))
    before = read(path)
    hopwire.kill()
    tap.equal(hopwire.down().returncode, 0, "down after a crash")
    tap.equal(read(path), before, "a crash saves nothing")


if __name__ == "__main__":
    main()
