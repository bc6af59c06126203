# SPDX-License-Identifier: MIT
"""RULES I1: a hook may take any time, and whoever waits for it is told, and may go on."""

import os
import signal

import tap
from hooking import all_kinds, network_text, record, story, tell, up
from lab import wait_until
from peers import Hopwire
from scene import main, scene

PATIENCE = 20
IN_A_GROUP = "import os, sys; os.setpgid(0, 0); os.execvp(sys.argv[1], sys.argv[1:])"


def of_the_hook():
    """The processes of the command that waits."""
    found = []
    for pid in scene.client.pids():
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                if "sleep\x004220" in file.read():
                    found.append(pid)
        except OSError:
            pass
    return found


def hanging(kind, *lines):
    return [f"{kind} = {tell('begun')}; exec sleep 4220", *lines]


def begun(times=1):
    wait_until(lambda: sum(line.startswith("begun") for line in story()) == times, 15, "the hook")


def words():
    return [line.split()[0] for line in story()]


def is_over(hopwire, what):
    wait_until(lambda: not hopwire.pids() and not of_the_hook(), 10, "all processes to go")
    tap.equal(scene.client.network_state(), scene.before, f"{what}: the host is as it was")
    tap.check(not os.path.exists(record()), f"{what}: nothing is kept")


@tap.test
def I1_down_says_which_PreDown_it_waits_for_and_goes_on_after_a_signal():
    for number in (signal.SIGINT, signal.SIGTERM):
        hopwire, _ = up(network_text(*hanging("PreDown", "PreDown = " + tell("not reached")),
                                     "PostDown = " + tell("PostDown")))
        hopwire.is_up = False
        down = scene.client.start(hopwire.binary, "down", "multihop")
        begun()
        other = scene.client.start(hopwire.binary, "down", "multihop")
        down.wait_output("multihop.conf:2: PreDown: the command still runs, as process "
                         f"{of_the_hook()[0]}; Ctrl-C", PATIENCE)
        other.wait_output(f"its PreDown in line 2 runs, as process {of_the_hook()[0]}", PATIENCE)
        os.kill(down.pid, number)
        tap.equal(down.wait(20), 1, f"its exit status: {down.output()}")
        tap.equal(other.wait(20), 0, f"the other one's: {other.output()}")
        tap.equal(story(), ["begun there", "PostDown gone"], "what ran")
        is_over(hopwire, f"after signal {number}")


@tap.test
def I1_a_second_and_a_third_signal_let_the_daemon_end_behind_hooks_that_hang():
    hopwire = Hopwire(scene.client)
    path = hopwire.write(network_text(*hanging("PreDown"), *hanging("PostDown")))
    process = scene.client.start(hopwire.binary, "up", "-f", path)
    wait_until(lambda: os.path.exists(record()), 15, "the network")
    wait_until(lambda: scene.client.run(hopwire.binary, "status", "multihop",
                                        check=False).returncode == 0, 15, "it to listen")
    os.kill(hopwire.daemon(), signal.SIGTERM)
    begun()
    process.wait_output("PreDown: the command still runs", PATIENCE)
    os.kill(process.pid, signal.SIGTERM)
    begun(2)
    tap.equal(story(), ["begun there", "begun gone"], "PreDown, then PostDown")
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
    process.wait_output("PostDown: the command still runs", PATIENCE)
    os.kill(process.pid, signal.SIGTERM)
    process.wait(20)
    wait_until(lambda: not hopwire.pids() and not of_the_hook(), 10, "all processes to go")
    tap.check(os.path.exists(record()), "PostDown was cut short, and is still to be run")
    down = scene.client.start(hopwire.binary, "down", "multihop")
    begun(3)
    os.kill(of_the_hook()[0], signal.SIGTERM)
    down.wait(20)
    is_over(hopwire, "after down")


@tap.test
def I1_down_says_which_hook_of_the_start_it_waits_for():
    hopwire = Hopwire(scene.client)
    path = hopwire.write(network_text(*hanging("PreUp"), *all_kinds()))
    start = scene.client.start(hopwire.binary, "up", path)
    begun()
    down = scene.client.start(hopwire.binary, "down", "multihop")
    down.wait_output(f"its PreUp in line 2 runs, as process {of_the_hook()[0]}", PATIENCE)
    os.kill(of_the_hook()[0], signal.SIGTERM)
    tap.equal(start.wait(20), 1, f"the exit status of up: {start.output()}")
    tap.equal(down.wait(20), 0, f"that of down: {down.output()}")
    is_over(hopwire, "after that")


@tap.test
def I1_what_a_terminal_ends_is_undone_when_up_returns():
    for kind in ("PreUp", "PostUp"):
        hopwire = Hopwire(scene.client)
        path = hopwire.write(network_text(f"{kind} = trap '' INT; {tell('begun')}; sleep 4220",
                                          *all_kinds()))
        process = scene.client.start("python3", "-c", IN_A_GROUP, hopwire.binary, "up", path)
        begun()
        os.killpg(process.pid, signal.SIGINT)
        tap.equal(process.wait(20), -signal.SIGINT, f"{kind}: how it ended: {process.output()}")
        tap.equal(hopwire.pids(), [], f"{kind}: its processes")
        tap.equal(scene.client.network_state(), scene.before, f"{kind}: the host is as it was")
        for pid in of_the_hook():
            os.kill(pid, signal.SIGKILL)
        is_over(hopwire, kind)


@tap.test
def I1_what_a_terminal_ends_in_down_goes_on():
    hopwire, _ = up(network_text(*hanging("PreDown"), *hanging("PostDown"),
                                 "PostDown = " + tell("not reached")))
    hopwire.is_up = False
    process = scene.client.start("python3", "-c", IN_A_GROUP, hopwire.binary, "down", "multihop")
    for times in (1, 2):
        begun(times)
        os.killpg(process.pid, signal.SIGINT)
    tap.equal(process.wait(20), 1, f"the exit status: {process.output()}")
    tap.equal(process.output().count("was ended by signal 2"), 2, "both are told")
    tap.equal(words(), ["begun", "begun"], "what ran")
    is_over(hopwire, "after that")


if __name__ == "__main__":
    main()
