# SPDX-License-Identifier: MIT
"""RULES I1, I5: PreUp, PostUp, PreDown and PostDown, in order, with full rights, whoever ends the
network and however it ends."""

import os
import signal
import threading

import tap
from hooking import (KINDS, WHOLE, all_kinds, forget, has_seals, network_text, record, story,
                     story_path, tell, up)
from lab import wait_until
from peers import Hopwire, hopwire_binary, is_dead, parent_of, sections
from scene import main, scene
from world import OFFICE, WORLD, wait_reachable


@tap.test
def I1_hooks_run_in_order_around_up_and_down():
    hopwire, result = up(network_text(*all_kinds()))
    tap.equal(story(), WHOLE[:4], "after up")
    tap.contains(result.stderr, "[#] echo PreUp1", "each is shown")
    tap.contains(result.stderr, "/sys/class/net/hop0 ", "%i is the interface")
    result = hopwire.down()
    tap.equal(story(), WHOLE, "after down")
    tap.contains(result.stderr, "[#] echo PostDown2", "those of down are shown there")
    tap.check(not os.path.exists(record()), "nothing is kept of them")


@tap.test
def I1_a_plain_files_hooks_are_honoured_and_a_parts_are_not():
    forget()
    text = scene.world.entry_quick_text().replace(
        "[Interface]\n", "[Interface]\n" + "".join(line + "\n" for line in all_kinds()), 1)
    hopwire, _ = up(text)
    hopwire.down()
    tap.equal(story(), WHOLE, "a single file's")
    forget()
    path = scene.client.write("part.conf", text)
    hopwire, result = up(sections(("Network", {}), ("Tunnel entry", {"Config": path})))
    hopwire.down()
    tap.equal(story(), [], "an included one's")
    tap.contains(result.stderr, "PostUp: ignored", "each is named")


@tap.test
def I1_PostUp_may_use_the_network_and_changes_stay_with_its_rights():
    fetched = os.path.join(scene.client.dir, "fetched")
    hopwire, _ = up(network_text(
        f"PostUp = ping -c 1 -W 5 {OFFICE} > {fetched}",
        "PostUp = nft add table inet of_a_hook; nft add chain inet of_a_hook c",
        "PostDown = nft delete table inet of_a_hook"))
    with open(fetched) as file:
        tap.contains(file.read(), "1 received", "through both hops")
    tap.contains(scene.client.run("nft", "list", "tables").stdout, "of_a_hook", "a rule of its own")
    hopwire.down()
    tap.check("of_a_hook" not in scene.client.run("nft", "list", "tables").stdout, "gone again")


@tap.test
def I1_a_PreUp_that_fails_starts_nothing():
    for lines in (["PreUp = exit 3"], ["PreUp = false | cat"], ["PreUp = /no/such/program"],
                  ["PreUp = kill -9 $$"], ["PreUp = false; true"]):
        text = network_text(*lines, f"PreUp = {tell('next')}", *all_kinds(), network={
            "KillSwitch": "on"})
        hopwire, result = up(text, check=False)
        tap.equal(result.returncode, 1, f"the exit status with {lines}")
        tap.contains(result.stderr, "multihop.conf:2: PreUp: the command ", "which one")
        tap.equal(story(), [], "none behind it ran")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
        tap.check(not os.path.exists(record()), "nothing is kept")


@tap.test
def I1_a_PostUp_that_fails_undoes_the_start():
    for options in ([], ["-f"]):
        text = network_text(f"PostUp = {tell('first')}", "PostUp = exit 7", *all_kinds())
        hopwire, result = up(text, *options, check=False)
        tap.equal(result.returncode, 1, f"the exit status of up {options}")
        tap.contains(result.stderr, "multihop.conf:3: PostUp: the command ended with exit status 7",
                     "which one")
        wait_until(lambda: not hopwire.pids(), 10, "all processes to go")
        tap.equal(story(), ["PreUp1 gone", "PreUp2 gone", "first there"], "what ran")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


def is_closed():
    """Nothing leaves the host but what Hopwire lets out."""
    return ("reject with" in scene.client.run("nft", "list", "ruleset").stdout
            and "uplink" not in scene.client.ip("route", "get", WORLD, check=False))


@tap.test
def A7_a_PostUp_that_fails_after_a_crash_or_a_replacement_opens_nothing():
    closed = {"KillSwitch": "on"}
    hopwire, _ = up(network_text(network=closed))
    for options in (["--replace"], []):
        if not options:
            hopwire.kill()
        failing = network_text("PostUp = exit 7", "PostDown = " + tell("end"), network=closed)
        result = hopwire.command("up", *options, hopwire.write(failing), check=False)
        wait_until(lambda: not hopwire.pids(), 10, "the end")
        tap.equal(result.returncode, 1, f"{options}: exit status")
        tap.contains(result.stderr, "`hopwire down multihop` puts the host back", "the advice")
        tap.check(is_closed(), f"{options}: the kill switch stands")
        hopwire.command("up", hopwire.write(network_text(network=closed)))
        wait_reachable(scene.client, WORLD)
    hopwire.down()
    tap.equal(story(), [], "what was never up has no end")


@tap.test
def I1_a_second_signal_lets_PostDown_end():
    hopwire, _ = up(network_text("PreDown = " + tell("PreDown"), "PreDown = sleep 1",
                                 "PostDown = sleep 0.5", "PostDown = " + tell("PostDown")))
    pid = hopwire.pids()[0]
    for seen in (1, 2):
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: len(story()) == seen, 10, f"{seen} of its end")
    hopwire.is_up = False


@tap.test
def I1_a_failed_PreDown_or_PostDown_is_told_and_the_network_ends():
    for kind in ("PreDown", "PostDown"):
        hopwire, _ = up(network_text(f"{kind} = exit 9", *all_kinds()))
        result = hopwire.down(check=False)
        tap.equal(result.returncode, 1, f"the exit status after a failed {kind}")
        tap.contains(result.stderr, f":2: {kind}: the command ended with exit status 9", "which")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
        tap.equal(hopwire.down(check=False).returncode, 0, "none runs a second time")


@tap.test
def I1_a_signal_runs_them_too():
    for options in ([], ["-f"]):
        hopwire = Hopwire(scene.client)
        path = hopwire.write(network_text(*all_kinds()))
        if options:
            process = scene.client.start(hopwire.binary, "up", *options, path)
            wait_until(lambda: "PostUp2 there" in story(), 15, "PostUp")
        else:
            hopwire.up(path)
        wait_reachable(scene.client, OFFICE)
        pids = hopwire.pids()
        os.kill(hopwire.daemon(), signal.SIGTERM)
        wait_until(lambda: all(map(is_dead, pids)), 20, "the end")
        tap.equal(story(), WHOLE, f"with {options}")
        if options:
            tap.contains(process.output(), "[#] echo PostDown2", "shown where it runs")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
        tap.check(not os.path.exists(record()), "nothing is kept of them")


@tap.test
def I1_after_a_crash_down_runs_those_of_its_end_once():
    hopwire, _ = up(network_text(*all_kinds()))
    hopwire.kill()
    tap.equal(story(), WHOLE[:4], "a crash runs none")
    results = []
    threads = [threading.Thread(target=lambda: results.append(hopwire.down(check=False)))
               for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tap.equal(sorted(word.split()[0] for word in story()),
              sorted(word.split()[0] for word in WHOLE), "two `down` at once: each once")
    tap.equal([result.returncode for result in results], [0, 0], "both say it is down")
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


@tap.test
def I1_a_start_after_a_crash_ends_that_run_first():
    hopwire, _ = up(network_text(*all_kinds("old")))
    hopwire.kill()
    before = story()
    hopwire, _ = up(network_text(*all_kinds("new")))
    words = [word.split()[0] for word in story()]
    tap.equal(words, [f"{kind}old{number}" for kind in KINDS[2:] for number in "12"]
              + [f"{kind}new{number}" for kind in KINDS[:2] for number in "12"], "in this order")
    tap.equal(len(before), 4, "what the first run had run")


@tap.test
def I1_replace_runs_those_of_both():
    hopwire, _ = up(network_text(*all_kinds("old")))
    hopwire, _ = up(network_text(*all_kinds("new")), "--replace")
    hopwire.down()
    words = [word.split()[0] for word in story()]
    wanted = [f"{kind}old{number}" for kind in KINDS[2:] for number in "12"]
    wanted += [f"{kind}new{number}" for kind in KINDS for number in "12"]
    tap.equal(words, wanted, "the old network's end, then the new one")


@tap.test
def I1_a_kill_switch_of_hooks_knows_our_mark():
    """As providers' files have it: whatever has not the interface's mark goes nowhere else."""
    forget()
    hooks = ("PostUp = nft 'add table inet theirs; add chain inet theirs out { type filter hook "
             "output priority 0; }; add rule inet theirs out oifname != \"%i\" meta mark != '$(wg "
             "show %i fwmark)' fib daddr type != local reject'",
             "PreDown = nft delete table inet theirs")
    text = scene.world.entry_quick_text().replace(
        "[Interface]\n", "[Interface]\n" + "".join(line + "\n" for line in hooks), 1)
    hopwire, _ = up(text)
    tap.contains(scene.client.run("nft", "list", "table", "inet", "theirs").stdout, "0x48",
                 "the mark")
    wait_reachable(scene.client, "10.64.0.1")
    hopwire.down()


@tap.test
def I1_a_replacement_that_is_refused_runs_none():
    hopwire, _ = up(network_text(*all_kinds("old")))
    holder = scene.client.hold_port(4999)
    before = story()
    path = hopwire.write(network_text(*all_kinds("new"), entry={"ListenPort": 4999}), "other")
    with open(path) as file:
        text = file.read()
    with open(story_path(), "w") as file:
        file.write("".join(line + "\n" for line in before))
    result = hopwire.command("up", "--replace", hopwire.write(text), check=False)
    tap.equal(result.returncode, 1, f"the exit status ({result.stderr})")
    tap.equal(story(), before, "no hook ran")
    tap.check(os.path.exists(record()), "those of the running network's end are kept")
    holder.stop()
    hopwire.down()
    tap.equal([word.split()[0] for word in story()[len(before):]],
              [f"{kind}old{number}" for kind in KINDS[2:] for number in "12"], "and run at its end")


@tap.test
def I1_a_file_without_hooks_ends_those_of_the_run_before_it():
    for options in ([], ["--replace"]):
        hopwire, _ = up(network_text(*all_kinds()))
        if not options:
            hopwire.kill()
        before = story()
        up(scene.world.client_text(), *options)
        words = [word.split()[0] for word in story()[len(before):]]
        tap.equal(words, ["PreDown1", "PreDown2", "PostDown1", "PostDown2"], f"with {options}")
        tap.check(not os.path.exists(record()), "nothing is kept of them")
        wait_reachable(scene.client, OFFICE)
        hopwire.down()


@tap.test
def I5_what_the_daemon_could_have_written_is_not_run():
    """It is root's user, though without root's rights: so it may write the record, but not seal
    it."""
    planted = f"hop0\0multihop.conf\0\0{2}\0{2}\0{tell('evil')}\0"
    for end in ("down", "signal", "next up"):
        hopwire, _ = up(network_text(*all_kinds()))
        if not has_seals():
            hopwire.down()
            return
        if end == "down":
            with open(record(), "w") as file:
                file.write(planted)
        else:
            os.unlink(record())
            scene.client.write("planted", planted)
            os.rename(os.path.join(scene.client.dir, "planted"), record())
            os.chmod(record(), 0o600)
        if end == "down":
            result = hopwire.down(check=False)
            tap.equal(result.returncode, 1, "the exit status of down")
            tap.contains(result.stderr, "multihop.hooks is not as `hopwire` wrote it", "why")
        elif end == "signal":
            pids = hopwire.pids()
            os.kill(hopwire.daemon(), signal.SIGTERM)
            wait_until(lambda: all(map(is_dead, pids)), 20, "the end")
        else:
            hopwire.kill()
            result = hopwire.command("up", hopwire.write(scene.world.client_text()))
            tap.contains(result.stderr, "multihop.hooks is not as `hopwire` wrote it", "why")
            os.unlink(record())
            hopwire.command("down", hopwire.name)
        tap.equal(story(), WHOLE[:4], f"nothing of it ran at {end}")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
        if os.path.exists(record()):
            os.unlink(record())


@tap.test
def I2_a_signal_runs_what_a_reload_brought():
    """The network has no hooks at first, so there is no process for them."""
    hopwire, _ = up(scene.world.client_text())
    forget()
    path = hopwire.write(network_text(*all_kinds()))
    hopwire.command("reload", path)
    hopwire.command("reload", path)
    tap.equal(story(), ["PostUp1 there", "PostUp2 there"], "after the reload")
    pids = hopwire.pids()
    os.kill(hopwire.daemon(), signal.SIGTERM)
    wait_until(lambda: all(map(is_dead, pids)), 20, "the end")
    hopwire.is_up = False
    tap.equal(story(), WHOLE[2:], "after a signal")
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
    tap.check(not os.path.exists(record()), "nothing is kept of them")


@tap.test
def I1_a_hook_that_would_wait_for_itself_is_refused():
    for kind in KINDS:
        for words in ("down multihop", "up multihop.conf", "up --replace multihop.conf"):
            if (kind, words[:4]) in (("PreUp", "down"), ("PostUp", "down"), ("PostUp", "up -")):
                continue  # nothing is up yet; these two end the PostUp that calls them
            hopwire, _ = up(network_text(f"{kind} = ! {hopwire_binary()} {words} 2>> {story_path()}",
                                         *all_kinds()))
            result = hopwire.command("down", "multihop", timeout=20)
            said = [line for line in story() if line.startswith("hopwire:")]
            tap.check(len(said) == 1 and said[0].startswith("hopwire: multihop: "),
                      f"{words} in {kind} is refused once: {said}")
            if (kind, words[:2]) not in (("PostUp", "up"), ("PreDown", "up")):
                tap.contains(said[0], "a hook of its own calls `hopwire", f"{words} in {kind}")
            tap.equal([line for line in story() if not line.startswith("hopwire:")], WHOLE,
                      f"all others run around {words} in {kind}")
            tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


@tap.test
def I1_what_a_hook_leaves_behind_may_end_the_network():
    hopwire, _ = up(network_text(f"PreUp = (while ! grep -q PostUp2 {story_path()}; do sleep 0.1; "
                                 f"done; exec {hopwire_binary()} down multihop) > /dev/null 2>&1 &",
                                 *all_kinds()))
    wait_until(lambda: story() == WHOLE, 15, "the network to be ended by what PreUp left")
    wait_until(lambda: not hopwire.pids(), 10, "all processes to go")
    hopwire.is_up = False
    tap.equal(scene.client.network_state(), scene.before, "the host is as it was")


@tap.test
def I5_the_daemon_itself_runs_nothing_and_keeps_no_terminal():
    hopwire, _ = up(network_text(*all_kinds()))
    for pid in hopwire.pids():
        for fd in (0, 1, 2):
            tap.equal(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null", f"descriptor {fd} of {pid}")
        tap.equal(os.readlink(f"/proc/{pid}/cwd"), "/", "where it stands")
    with open(f"/proc/{hopwire.daemon()}/status") as file:
        fields = dict(line.split(":\t", 1) for line in file.read().splitlines())
    tap.equal(int(fields["CapPrm"], 16), 1 << 12, "CAP_NET_ADMIN alone")


def of_the_hook():
    """The processes of the command that waits."""
    found = []
    for pid in scene.client.pids():
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                if "4217" in file.read():
                    found.append(pid)
        except OSError:
            pass
    return found


def between(pids):
    """The daemon while it starts: its parent is `up`, and the one that runs hooks its child."""
    parents = {parent_of(pid) for pid in pids}
    return next(pid for pid in pids if pid in parents and parent_of(pid) in pids)


@tap.test
def I1_an_up_that_is_ended_while_a_hook_runs_undoes_the_start():
    for kind in ("PreUp", "PostUp"):
        hopwire = Hopwire(scene.client)
        path = hopwire.write(network_text(f"{kind} = {tell('begun')}; exec sleep 4217",
                                          *all_kinds()))
        process = scene.client.start(hopwire.binary, "up", path)
        wait_until(lambda: any("begun" in line for line in story()), 15, kind)
        os.kill(between(hopwire.pids()), signal.SIGTERM)
        tap.check(process.wait(20) != 0, f"`up` says that it is not up ({kind})")
        wait_until(lambda: not hopwire.pids() and not of_the_hook(), 10, "all processes to go")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
        tap.check(not os.path.exists(record()), "nothing is kept")


@tap.test
def I1_an_up_that_is_ended_alone_does_not_leave_its_start_waiting():
    for kind, number in (("PreUp", signal.SIGKILL), ("PostUp", signal.SIGTERM)):
        hopwire = Hopwire(scene.client)
        path = hopwire.write(network_text(f"{kind} = {tell('begun')}; exec sleep 4217",
                                          *all_kinds()))
        process = scene.client.start(hopwire.binary, "up", path)
        wait_until(lambda: any("begun" in line for line in story()), 15, kind)
        os.kill(process.pid, number)
        wait_until(lambda: not hopwire.pids() and not of_the_hook(), 10, "all processes to go")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
        tap.check(not os.path.exists(record()), "nothing is kept")
        tap.check(not any("Down" in line for line in story()), "nor runs afterwards")


@tap.test
def I1_a_group_that_is_ended_while_PostUp_runs_was_never_up():
    """As a terminal's Ctrl-C or a service manager ends all of its processes at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        hopwire = Hopwire(scene.client)
        path = hopwire.write(network_text(f"PostUp = {tell('begun')}; exec sleep 4217",
                                          *all_kinds()))
        process = scene.client.start(hopwire.binary, "up", "-f", path)
        wait_until(lambda: any("begun" in line for line in story()), 15, "PostUp")
        for pid in hopwire.pids() + of_the_hook():
            os.kill(pid, number)
        tap.equal(process.wait(20), 1, f"the exit status after signal {number}")
        wait_until(lambda: not hopwire.pids() and not of_the_hook(), 10, "all processes to go")
        tap.equal(scene.client.network_state(), scene.before, "the host is as it was")
        tap.check(not os.path.exists(record()), "nothing is kept")
        tap.equal(hopwire.down(check=False).returncode, 0, "down")
        tap.check(not any("PreDown" in line for line in story()), "nor runs afterwards")


if __name__ == "__main__":
    main()
