# SPDX-License-Identifier: MIT
"""RULES I1: hooks as people write them for wg-quick: what they find, what they leave, whom they
ask."""

import os
import signal
import subprocess

import tap
from hooking import KINDS, WHOLE, all_kinds, network_text, story, story_path, up
from lab import wait_until
from peers import Hopwire, hopwire_binary, is_dead
from scene import main, scene
from world import OFFICE, wait_reachable


def note(words):
    return f"echo {words} >> {story_path()}"


def run_piped(hopwire, *argv, **options):
    """With pipes, which what hooks leave behind may hold: how the command itself ends."""
    return subprocess.Popen(scene.client.enter([hopwire.binary, *argv]), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@tap.test
def I1_a_hook_finds_what_wg_quick_gives_it():
    os.environ["OF_THE_CALLER"] = "mine"
    directory = os.path.realpath(scene.client.dir)
    try:
        lines = [f"{kind} = {note(f'{kind} %i-%i $LC_ALL $OF_THE_CALLER $PWD')} # and no more"
                 for kind in KINDS]
        lines.append(f"PostUp = case aab in +(a)b) {note('extglob')};; esac")
        lines.append("PostUp = x=1")
        lines.append(f"PostUp = {note('own shell: ${x:-none}')}")
        hopwire = Hopwire(scene.client)
        path = hopwire.write(network_text(*lines))
        for argv in (("up", path), ("down", "multihop")):
            process = run_piped(hopwire, *argv)
            process.communicate(timeout=60)
            tap.equal(process.returncode, 0, f"{argv[0]}: exit status")
    finally:
        del os.environ["OF_THE_CALLER"]
    here = f"hop0-hop0 C mine {directory}"
    tap.equal(story(), [f"PreUp {here}", f"PostUp {here}", "extglob", "own shell: none",
                        f"PreDown {here}", f"PostDown {here}"], "environment and directory")


@tap.test
def I1_a_hook_may_read_what_the_caller_says():
    hopwire = Hopwire(scene.client)
    reading = f"read -r line; {note('$line')}"
    path = hopwire.write(network_text(*[f"{kind} = {reading}" for kind in KINDS]))
    for argv, said in ((("up", path), "one\ntwo\n"), (("down", "multihop"), "three\nfour\n")):
        process = run_piped(hopwire, *argv)
        _, error = process.communicate(said, timeout=60)
        tap.equal(process.returncode, 0, f"{argv[0]}: exit status ({error})")
    tap.equal(story(), ["one", "two", "three", "four"], "what they heard")


@tap.test
def I1_what_a_hook_leaves_with_the_callers_pipes_holds_nobody():
    hopwire = Hopwire(scene.client)
    path = hopwire.write(network_text(*[f"{kind} = sleep 4221 &" for kind in KINDS], *all_kinds()))
    left = []
    for argv in (("up", path), ("down", "multihop")):
        process = run_piped(hopwire, *argv)
        tap.equal(process.wait(30), 0, f"{argv[0]}: exit status")
        left.append(process)
    tap.equal(story(), WHOLE, "all ran")
    for pid in scene.client.pids():
        with open(f"/proc/{pid}/cmdline") as file:
            if "4221" in file.read():
                os.kill(pid, signal.SIGKILL)
    for process in left:
        process.communicate(timeout=10)
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


@tap.test
def I1_a_hook_may_ask_the_network():
    """`status` and `wg` answer, whoever runs the hook; before and after there is none to ask."""
    asking = (f"{{ {hopwire_binary()} status multihop || true; wg show %i dump || true; }} "
              f"> {story_path()}.said 2>&1")
    answer = f"{note('$(grep -c hop0 ' + story_path() + '.said)')}"
    for end in ("down", "signal"):
        hopwire, _ = up(network_text(*[f"{kind} = {asking}; {answer}" for kind in KINDS]))
        if end == "down":
            hopwire.down()
        else:
            pids = hopwire.pids()
            os.kill(hopwire.daemon(), signal.SIGTERM)
            wait_until(lambda: all(map(is_dead, pids)), 20, "the end")
            hopwire.is_up = False
        tap.equal(len(story()), 4, f"{end}: all four were answered: {story()}")


@tap.test
def I1_a_service_manager_ends_all_of_its_processes_at_once():
    hopwire = Hopwire(scene.client)
    path = hopwire.write(network_text(*all_kinds()))
    process = scene.client.start("env", "-i", hopwire.binary, "up", "-f", path)
    wait_until(lambda: "PostUp2 there" in story(), 15, "PostUp")
    wait_reachable(scene.client, OFFICE)
    pids = hopwire.pids()
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: all(map(is_dead, pids)), 20, "the end")
    tap.equal(process.wait(10), 0, f"the exit status: {process.output()}")
    tap.equal(story(), WHOLE, "all ran")
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


if __name__ == "__main__":
    main()
