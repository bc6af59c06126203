# SPDX-License-Identifier: MIT
"""RULES I1, I5: PreUp, PostUp, PreDown and PostDown, in order, with full rights, whoever ends the
network and however it ends."""

import os
import signal
import threading

import tap
from lab import wait_until
from peers import Hopwire, hopwire_binary, is_dead, sections
from scene import main, scene
from world import OFFICE, wait_reachable

KINDS = ("PreUp", "PostUp", "PreDown", "PostDown")


def story_path():
    return os.path.join(scene.client.dir, "story")


def story():
    if not os.path.exists(story_path()):
        return []
    with open(story_path()) as file:
        return file.read().splitlines()


def forget():
    if os.path.exists(story_path()):
        os.remove(story_path())


def tell(word):
    """A command that adds a line to the story: the word, and whether the interface is there."""
    return (f"echo {word} $(test -e /sys/class/net/%i && echo there || echo gone) "
            f">> {story_path()}")


def network_text(*lines, **changes):
    """The two-hop network with these lines of hooks in [Network]."""
    forget()
    text = scene.world.client_text(**changes)
    return text.replace("[Network]\n", "[Network]\n" + "".join(line + "\n" for line in lines), 1)


def all_kinds(mark=""):
    return [f"{kind} = {tell(kind + mark + number)}" for number in "12" for kind in KINDS]


WHOLE = ["PreUp1 gone", "PreUp2 gone", "PostUp1 there", "PostUp2 there", "PreDown1 there",
         "PreDown2 there", "PostDown1 gone", "PostDown2 gone"]


def record():
    return scene.client.run_path("hopwire", "multihop.hooks")


def up(text, *options, check=True):
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    result = hopwire.command("up", *options, hopwire.write(text), check=check)
    hopwire.is_up = result.returncode == 0
    return hopwire, result


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
    holder = scene.client.start("python3", "-c", "import socket, time\n"
                                "taken = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
                                "taken.bind(('::', 4999)); print('bound', flush=True)\n"
                                "time.sleep(60)", name="holder")
    holder.wait_output("bound")
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


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


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
