# SPDX-License-Identifier: MIT
"""RULES F7: somebody removes /run/hopwire while networks run; what is said is true, and nothing
leaks."""

import os
import shutil

import tap
from hooking import all_kinds, network_text, record, story, up
from lab import wait_until
from scene import main, scene
from world import OFFICE, WORLD, wait_reachable


def removed():
    shutil.rmtree(scene.client.run_path("hopwire"))


def refused_and_said(hopwire):
    path = os.path.join(scene.client.dir, "multihop.conf")
    result = hopwire.command("up", path, check=False)
    tap.equal(result.returncode, 1, f"up: {result.stderr}")
    tap.contains(result.stderr, "multihop is up already", "up")
    result = hopwire.command("status", "multihop", check=False)
    tap.check("is not up" not in result.stderr, f"status: {result.stderr}")
    result = hopwire.command("reload", "multihop", check=False)
    tap.check("is not up" not in result.stderr, f"reload: {result.stderr}")


@tap.test
def F7_without_the_directory_a_network_is_not_taken_for_one_that_is_down():
    hopwire = scene.up(network={"KillSwitch": "on"})
    wait_reachable(scene.client, WORLD)
    pids = hopwire.pids()
    removed()
    refused_and_said(hopwire)
    tap.equal(hopwire.pids(), pids, "the daemon that ran before")
    wait_reachable(scene.client, OFFICE)
    removed()
    hopwire.down()
    tap.equal(hopwire.pids(), [], "its processes after down")
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


@tap.test
def I1_without_the_directory_the_hooks_of_the_end_run_all_the_same():
    for has_ended in (False, True):
        hopwire, _ = up(network_text(*all_kinds(), network={"KillSwitch": "on"}))
        told = len(story())
        removed()
        wait_until(lambda: os.path.exists(record()), 15, "its files to be made again")
        if has_ended:
            hopwire.kill()
        hopwire.down()
        place = "gone" if has_ended else "there"
        tap.equal(story()[told:], [f"PreDown1 {place}", f"PreDown2 {place}", "PostDown1 gone",
                                   "PostDown2 gone"], "those of the end")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


if __name__ == "__main__":
    main()
