# SPDX-License-Identifier: MIT
"""RULES I1, A7: hooks where another run of the network is in the way, or was: what can be refused is
refused before any of them runs, and what an earlier run set up stays its own to undo."""

import fcntl
import os
import signal

import tap
from hooking import KINDS, all_kinds, forget, network_text, record, story, tell, up
from lab import wait_until
from peers import Hopwire, hopwire_binary, is_dead, parent_of
from scene import main, scene
from world import OFFICE, WORLD, wait_reachable

CLOSED = {"KillSwitch": "on"}
OLD_END = ["PreDownold1 there", "PreDownold2 there", "PostDownold1 gone", "PostDownold2 gone"]
CRASHED_END = [line.replace("there", "gone") for line in OLD_END]


def write(hopwire, *lines, **changes):
    """The file, and the story goes on."""
    told = story()
    path = hopwire.write(network_text(*lines, **changes))
    with open(os.path.join(scene.client.dir, "story"), "w") as file:
        file.write("".join(line + "\n" for line in told))
    return path


def is_closed():
    return ("reject with" in scene.client.run("nft", "list", "ruleset").stdout
            and "uplink" not in scene.client.ip("route", "get", WORLD, check=False))


def refused(hopwire, what, said, *argv, host=None):
    """By a sentence; and of the hooks of either run none ran, nor is one forgotten."""
    told = story()
    run_here = {"HOPWIRE_RUN_DIR": scene.client.run_path("hopwire")}
    result = (host or scene.client).run(hopwire.binary, *argv, env=run_here if host else None,
                                        check=False)
    tap.equal(result.returncode, 1, f"{what}: the exit status ({result.stderr})")
    tap.contains(result.stderr, said, what)
    tap.equal(story(), told, f"{what}: no hook ran")
    tap.check(os.path.exists(record()), f"{what}: what the end runs is kept")


@tap.test
def I1_replace_ends_the_old_run_between_its_hooks():
    hopwire, _ = up(network_text(*all_kinds("old"), network=CLOSED))
    told = len(story())
    closed = "nft list ruleset | grep 'reject with' > /dev/null && "
    path = write(hopwire, f"PreUp = {closed}{tell('closed')}", *all_kinds("new"), network=CLOSED)
    hopwire.command("up", "--replace", path)
    tap.equal(story()[told:], OLD_END + ["closed gone", "PreUpnew1 gone", "PreUpnew2 gone",
                                         "PostUpnew1 there", "PostUpnew2 there"], "in this order")
    wait_reachable(scene.client, OFFICE)
    hopwire.down()


@tap.test
def A7_a_replacement_whose_PreUp_fails_opens_nothing():
    hopwire, _ = up(network_text(*all_kinds("old"), network=CLOSED))
    told, pids = len(story()), hopwire.pids()
    path = write(hopwire, "PreUp = exit 3", *all_kinds("new"))
    result = hopwire.command("up", "--replace", path, check=False)
    tap.equal(result.returncode, 1, f"the exit status ({result.stderr})")
    tap.contains(result.stderr, "PreUp: the command ended with exit status 3", "which one")
    tap.contains(result.stderr, "`hopwire down multihop` puts the host back", "how to open it")
    tap.equal(story()[told:], OLD_END, "the old run had its end")
    wait_until(lambda: all(map(is_dead, pids)) and not hopwire.pids(), 10, "the end of both")
    tap.check(is_closed(), "the kill switch stands")
    tap.check(not os.path.exists(record()), "no hook is left")
    hopwire.down()
    tap.equal(story()[told:], OLD_END, "none runs twice")


@tap.test
def I1_a_replacement_that_is_ended_in_the_old_PreDown_leaves_that_network_its_end():
    hopwire, _ = up(network_text(f"PreDown = {tell('begun')}; exec sleep 4218",
                                 f"PostDown = {tell('PostDown')}"))
    pids = hopwire.pids()
    process = scene.client.start(hopwire.binary, "up", "--replace",
                                 write(hopwire, *all_kinds("new")))
    wait_until(lambda: story() == ["begun there"], 15, "the old PreDown")
    process.popen.kill()
    wait_until(lambda: hopwire.pids() == pids, 15, "all of the new run to go")
    wait_reachable(scene.client, OFFICE)
    with open(record(), "rb") as file:
        tap.contains(file.read().decode(), "sleep 4218", "its PreDown is still to come")
    os.unlink(record())
    hopwire.down()


@tap.test
def I1_what_is_refused_runs_no_hook():
    hopwire, _ = up(network_text(*all_kinds("old")))
    path = write(hopwire, *all_kinds("new"))
    refused(hopwire, "a network that is up", "multihop is up already", "up", path)
    hopwire.kill()
    scene.client.ip("link", "add", "hop0", "type", "veth", "peer", "name", "far")
    refused(hopwire, "an interface that is taken", "hop0", "up", path)
    refused(hopwire, "the same with --replace", "hop0", "up", "--replace", path)
    scene.client.ip("link", "del", "hop0")
    told = len(story())
    hopwire.down()
    tap.equal(story()[told:], CRASHED_END, "and then down has them all")


@tap.test
def I1_what_is_refused_in_another_namespace_runs_no_hook_there():
    other = scene.lab.host("other")
    hopwire, _ = up(network_text(*all_kinds("old")))
    path = write(hopwire, *all_kinds("new"))
    elsewhere = "another network namespace"
    refused(hopwire, "up", "multihop is up already", "up", path, host=other)
    refused(hopwire, "up --replace", elsewhere, "up", "--replace", path, host=other)
    refused(hopwire, "down", elsewhere, "down", "multihop", host=other)
    wait_reachable(scene.client, OFFICE)
    hopwire.kill()
    refused(hopwire, "up after a crash", elsewhere, "up", path, host=other)
    refused(hopwire, "down after a crash", elsewhere, "down", "multihop", host=other)
    told = len(story())
    hopwire.down()
    tap.equal(story()[told:], CRASHED_END, "down has them all where they belong")


@tap.test
def I1_PreUp_runs_also_where_the_other_run_ends_meanwhile():
    """`up` waits for the lock, that a start elsewhere has, while the network that is in its way
    ends."""
    hopwire, _ = up(network_text(*all_kinds("old")))
    pids, lock = hopwire.pids(), scene.client.run_path("hopwire", ".lock")
    with open(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = scene.client.start(hopwire.binary, "up", write(hopwire, *all_kinds("new")))
        scene.networks.append(hopwire)

        def waits():
            return any(os.path.realpath(f"/proc/{pid}/fd/{fd}").endswith("/.lock")
                       for pid in set(hopwire.pids()) - set(pids)
                       for fd in os.listdir(f"/proc/{pid}/fd"))
        wait_until(waits, 15, "the new one at the lock")
        os.kill(hopwire.daemon(), signal.SIGTERM)
        wait_until(lambda: all(map(is_dead, pids)), 15, "the old one's end")
        told = len(story())
    tap.equal(process.wait(20), 0, f"the exit status: {process.output()}")
    tap.equal(story()[told:], ["PreUpnew1 gone", "PreUpnew2 gone", "PostUpnew1 there",
                               "PostUpnew2 there"], "the new one's")
    hopwire.down()


@tap.test
def I1_a_down_while_PreUp_runs_ends_the_start():
    go_on = os.path.join(scene.client.dir, "go on")
    hopwire = Hopwire(scene.client)
    path = hopwire.write(network_text(
        f"PreUp = {tell('begun')}; while ! test -e '{go_on}'; do sleep 0.1; done", *all_kinds()))
    start = scene.client.start(hopwire.binary, "up", path)
    wait_until(lambda: "begun gone" in story(), 15, "PreUp")
    down = scene.client.start(hopwire.binary, "down", "multihop")
    wait_until(lambda: os.path.exists(record()), 15, "down to wait")
    scene.client.write("go on", "")
    tap.equal(start.wait(20), 1, f"the exit status of up: {start.output()}")
    tap.contains(start.output(), "`hopwire down multihop`", "why")
    tap.equal(down.wait(20), 0, f"the exit status of down: {down.output()}")
    os.unlink(go_on)
    wait_until(lambda: not hopwire.pids(), 10, "all processes to go")
    tap.check(not any("Post" in line or "Down" in line for line in story()), f"never up: {story()}")
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
    tap.check(not os.path.exists(record()), "nothing is kept")


@tap.test
def I1_what_an_earlier_run_leaves_behind_does_not_forget_the_hooks_of_the_next():
    """The process that ran its PostUp outlives a kill -9 of its daemon for a while."""
    hopwire = Hopwire(scene.client)
    path = hopwire.write(network_text(f"PostUp = {tell('begun')}; exec sleep 4219", *all_kinds()))
    process = scene.client.start(hopwire.binary, "up", path)
    wait_until(lambda: "begun there" in story(), 15, "PostUp")
    daemon = hopwire.daemon()
    attendant = next(pid for pid in hopwire.pids() if parent_of(pid) == daemon and any(
        "4219" in open(f"/proc/{child}/cmdline").read() for child in scene.client.pids()
        if parent_of(child) == pid))
    os.kill(attendant, signal.SIGSTOP)
    os.kill(daemon, signal.SIGKILL)
    process.popen.kill()
    wait_until(lambda: hopwire.pids() == [attendant], 10, "the rest of it to go")
    forget()
    hopwire, _ = up(network_text(*all_kinds("new")))
    os.kill(attendant, signal.SIGCONT)
    wait_until(lambda: is_dead(attendant), 10, "the earlier one to end")
    told = len(story())
    hopwire.down()
    tap.equal([line.split()[0] for line in story()[told:]],
              [f"{kind}new{number}" for kind in KINDS[2:] for number in "12"], "its end")


if __name__ == "__main__":
    main()
