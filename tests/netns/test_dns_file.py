# SPDX-License-Identifier: MIT
"""G3, F7: a resolv.conf that nobody keeps, as an ordinary file and as a mount of its own: it shows the
network's servers, also when others write it, and comes back as it was, in whatever order networks end."""

import base64
import itertools
import os
import shutil
import signal

import packages
import tap
from lab import wait_until
from peers import Hopwire, is_dead
from resolv_conf import BEFORE, THEIRS, File, both
from scene import main, scene

A_DNS, B_DNS = "10.64.0.1", "10.20.0.53"


def networks():
    """Two, side by side: the first takes all, the second is a split tunnel."""
    hopwires = [Hopwire(scene.client, name) for name in ("one", "two")]
    scene.networks.extend(hopwires)
    return hopwires


def bring_up(hopwire, **own):
    text = (scene.world.entry_quick_text(DNS=A_DNS, **own) if hopwire.name == "one" else
            scene.world.office_quick_text(DNS=B_DNS, **own))
    hopwire.up(text=text)


def kill_daemon(hopwire):
    """The daemon alone: what it forked ends by itself."""
    pid, all_of_it = hopwire.daemon(), hopwire.pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_dead(pid), 10, "the daemon to go")
    return all_of_it


def identity(path):
    found = os.lstat(path)
    return found.st_ino, found.st_mode, found.st_uid, found.st_gid


@tap.test
def G3_a_plain_file_is_replaced_and_comes_back_as_the_file_that_it_was():
    file = File(True)
    os.chmod(file.path, 0o664)
    if os.geteuid() == 0 and scene.client.run("chown", "12:34", "/etc/resolv.conf",
                                              check=False).returncode:
        print("# only one user here")
    before = identity(file.path)
    hopwire = scene.up(entry={"DNS": A_DNS})
    tap.equal(file.servers(), [A_DNS], "the name servers")
    tap.equal(os.stat(file.path).st_mode & 0o777, 0o644, "the mode: everybody reads it")
    hopwire.down()
    file.check_back()
    tap.equal(identity(file.path), before, "inode, mode and owner")


@tap.test
def F7_a_mount_of_another_owner_is_restored_too():
    file = File(False)
    if scene.client.run("chown", "12:34", "/etc/resolv.conf", check=False).returncode:
        raise tap.Skip("there is only one user here")
    hopwire = scene.up(entry={"DNS": A_DNS})
    tap.equal(file.servers(), [A_DNS], "the name servers")
    hopwire.down()
    file.check_back()
    os.chown(file.path, 0, 0)


@tap.test
def G3_a_link_a_dangling_link_and_no_file_at_all():
    file = File(True)
    kept = scene.client.run_path("NetworkManager", "resolv.conf")
    os.makedirs(os.path.dirname(kept))
    for target, text in ("/run/NetworkManager/resolv.conf", BEFORE), ("/run/nowhere/resolv.conf", None), \
            (None, None):
        file.place(None)
        if text:
            with open(kept, "w") as opened:
                opened.write(text)
        if target:
            os.symlink(target, file.path)
        hopwire = scene.up(entry={"DNS": A_DNS})
        tap.equal(file.servers(), [A_DNS], f"the name servers in place of a link to {target}")
        hopwire.down()
        tap.equal(os.readlink(file.path) if os.path.islink(file.path) else None, target, "the link")
        tap.equal(os.path.lexists(file.path), target is not None, "anything there")
        tap.equal(file.remains(), [], "files left")
    with open(kept) as opened:
        tap.equal(opened.read(), BEFORE, "the link's target")


@tap.test
def G3_what_others_write_is_kept_and_ours_stands_again():
    for file in both():
        hopwire = scene.up(entry={"DNS": A_DNS})
        others = scene.client.write("others", THEIRS, 0o644)
        ways = [["cp", others, "/etc/resolv.conf"]]
        if file.is_plain:
            ways += [["sh", "-c", f"cp {others} /etc/.new && mv /etc/.new /etc/resolv.conf"],
                     ["sh", "-c", f"rm /etc/resolv.conf; cp {others} /etc/resolv.conf"],
                     ["ln", "-sf", others, "/etc/resolv.conf"]]
        for way in ways:
            with open(others, "w") as opened:
                opened.write(THEIRS + f"# {len(way)}{way[-1]}\n")
            scene.client.run(*way)
            wait_until(lambda: not os.path.islink(file.path) and file.servers() == [A_DNS], 20,
                       f"our servers after {way}")
        hopwire.down()
        file.check_back("after down: what they wrote last", THEIRS + f"# {len(way)}{way[-1]}\n")


@tap.test
def F7_what_others_wrote_after_a_crash_stays():
    for file in both():
        hopwire = scene.up(entry={"DNS": A_DNS})
        hopwire.kill()
        scene.client.run("sh", "-c", f"printf '{THEIRS}' > /etc/resolv.conf")
        hopwire.down()
        file.check_back("after down", THEIRS)


@tap.test
def F7_two_networks_end_in_any_order():
    for file in both():
        for first, crashes in itertools.product((0, 1), ((), (0,), (1,), (0, 1))):
            one, two = pair = networks()
            bring_up(one)
            bring_up(two)
            tap.equal(file.servers(), [B_DNS], "of the one that was set last")
            for place in crashes:
                kill_daemon(pair[place])
            pair[first].down()
            tap.equal(file.servers(), [A_DNS if first else B_DNS], "of the one that is left")
            pair[1 - first].down()
            file.check_back(f"first down: {first}, crashed: {crashes}, plain: {file.is_plain}")


@tap.test
def F7_a_crash_and_a_second_up_and_again():
    for file in both():
        one, two = networks()
        bring_up(one)
        bring_up(two)
        kill_daemon(one)
        bring_up(one)
        tap.equal(file.servers(), [A_DNS], "of the one that was set last")
        kill_daemon(one)
        one.up(text=scene.world.entry_quick_text())
        tap.equal(file.servers(), [B_DNS], "its second run has no DNS")
        two.down()
        one.down()
        file.check_back()


@tap.test
def F7_what_a_power_cut_left_is_put_right():
    """/run is empty after a boot, /etc is not."""
    file = File(True)
    hopwire = scene.up(entry={"DNS": A_DNS})
    hopwire.kill()
    record = scene.client.run_path("hopwire", hopwire.name + ".dns")
    os.remove(record)
    hopwire.down()
    file.check_back("after down without a record")
    hopwire.up(text=scene.world.client_text(entry={"DNS": A_DNS}))
    hopwire.kill()
    os.remove(record)
    hopwire.up(text=scene.world.client_text(entry={"DNS": B_DNS}))
    tap.equal(file.servers(), [B_DNS], "the second run's")
    hopwire.down()
    file.check_back("after the second run")


@tap.test
def F7_a_mount_that_is_another_one_now_hinders_nobody():
    """A container made anew, with a /run that stayed."""
    for own in {"DNS": A_DNS}, {}:
        file = File(False)
        hopwire = scene.up(entry={"DNS": A_DNS})
        hopwire.kill()
        os.rename(file.path, file.path + ".gone")  # so that the new one has another inode
        file.place(THEIRS)
        result = hopwire.down(check=False)
        tap.equal(result.returncode, 1, "down's exit status")
        tap.contains(result.stderr, "is another file here than the one that was set", "the sentence")
        tap.equal(file.text(), THEIRS, "resolv.conf")
        hopwire.up(text=scene.world.client_text(entry=own))
        tap.equal(file.servers(), [A_DNS] if own else ["192.0.2.9"], "the name servers")
        hopwire.down()
        file.check_back(text=THEIRS)


@tap.test
def F7_a_record_without_a_state_is_undone_too():
    for file in both():
        hopwire = scene.up(entry={"DNS": A_DNS})
        run, kept = scene.client.run_path("hopwire"), scene.client.run_path("kept")
        hopwire.kill()
        shutil.copytree(run, kept, ignore=shutil.ignore_patterns("*.state", "*.sock", ".lock", "*.lock"))
        if file.is_plain:
            aside = shutil.copy(file.path + ".before-hopwire", kept)
        text = file.text()
        hopwire.down()
        if file.is_plain:
            os.rename(aside, file.path + ".before-hopwire")
        shutil.copytree(kept, run, dirs_exist_ok=True)
        shutil.rmtree(kept)
        with open(file.path, "w") as opened:
            opened.write(text)
        hopwire.down()
        file.check_back("after down without a state")


@tap.test
def F7_a_damaged_record_is_told_and_keeps_nobody_down():
    file = File(False)
    hopwire = scene.up(entry={"DNS": A_DNS})
    hopwire.kill()
    record = scene.client.run_path("hopwire", hopwire.name + ".dns")
    with open(record, "w") as opened:
        opened.write("nonsense\n")
    result = hopwire.down(check=False)
    tap.equal(result.returncode, 1, "down's exit status")
    tap.contains(result.stderr, hopwire.name + ".dns is damaged", "the sentence")
    hopwire.up(text=scene.world.client_text(entry={"DNS": B_DNS}))
    tap.equal(file.servers(), [B_DNS], "the second run's")
    hopwire.down()
    file.check_back()


@tap.test
def F7_a_file_that_cannot_be_written_is_named_and_put_right_later():
    file = File(False)
    hopwire = scene.up(entry={"DNS": A_DNS})
    mounts = os.path.join(scene.client.dir, "mounts")
    with open(mounts, "w") as opened:  # as `down` sees it
        opened.write("")
    pid = hopwire.daemon()
    keeper = next(p for p in hopwire.pids() if p != pid)
    made = scene.client.run("nsenter", "--target", keeper, "--mount", "mount", "-o", "remount,bind,ro",
                            "/etc/resolv.conf", check=False)
    os.remove(mounts)
    if made.returncode:
        hopwire.down()
        raise tap.Skip("no read-only mounts here: " + made.stderr)
    os.kill(pid, signal.SIGTERM)  # nobody who could do it afterwards
    wait_until(lambda: is_dead(pid) and is_dead(keeper), 20, "the daemon to end")
    tap.equal(file.servers(), [A_DNS], "it could not be restored")
    tap.check(os.path.exists(scene.client.run_path("hopwire", hopwire.name + ".dns")), "so it is noted")
    hopwire.up(text=scene.world.client_text(entry={"DNS": B_DNS}))
    hopwire.down()
    file.check_back()


@tap.test
def G3_a_file_that_cannot_be_replaced_refuses_up_with_a_sentence():
    file = File(False)
    os.rename(file.path, file.path + ".ro")
    with open(os.path.join(scene.client.dir, "mounts"), "w") as opened:
        opened.write(f"mount --bind '{file.path}.ro' /etc/resolv.conf && "
                     "mount -o remount,bind,ro /etc/resolv.conf\n")
    hopwire = Hopwire(scene.client, "readonly")
    text = scene.world.client_text(entry={"DNS": A_DNS})
    result = hopwire.command("up", hopwire.write(text), check=False)
    tap.equal(result.returncode, 1, "the exit status")
    tap.contains(result.stderr, "cannot write /etc/resolv.conf: Read-only file system", "the sentence")
    with open(file.path + ".ro") as opened:
        tap.equal(opened.read(), BEFORE, "resolv.conf")
    tap.equal(file.remains(), [], "files left")
    tap.same_lines(scene.client.network_state(), scene.before, "the host's network")


@tap.test
def G3_a_directory_in_the_file_s_place_refuses_up_and_hinders_nobody_later():
    """As container programs make one where what should be mounted was missing."""
    file = File(True)
    file.place(None)
    os.mkdir(file.path)
    hopwire = Hopwire(scene.client)
    path = hopwire.write(scene.world.client_text(entry={"DNS": A_DNS}))
    for command in "check", "up":
        result = hopwire.command(command, path, check=False)
        tap.equal(result.returncode, 1, f"the exit status of {command}")
        tap.contains(result.stdout + result.stderr,
                     "cannot write /etc/resolv.conf: Is a directory: `rmdir` it", command)
    tap.equal(file.remains(), [], "files left")
    os.rmdir(file.path)
    file.place(BEFORE)
    hopwire.up(path)
    scene.networks.append(hopwire)
    tap.equal(file.servers(), [A_DNS], "the name servers")
    hopwire.down()
    file.check_back()


@tap.test
def I5_the_keeper_ends_with_the_daemon_and_keeps_nothing_of_the_caller_s():
    file = File(True)
    hopwire = Hopwire(scene.client, "multihop")
    scene.networks.append(hopwire)
    path = hopwire.write(scene.world.client_text(entry={"DNS": A_DNS}))
    # `cat` ends when nobody holds the pipe any more.
    scene.client.run("sh", "-c", f"{hopwire.binary} up {path} 2>&1 | cat", timeout=60)
    hopwire.is_up = True
    daemon = hopwire.daemon()
    keepers = [pid for pid in hopwire.pids() if pid != daemon]
    tap.equal(len(keepers), 1, "the keepers")
    with open(f"/proc/{keepers[0]}/status") as opened:
        status = opened.read()
    tap.check("CapEff:\t0000000000001000" not in status, "its rights are those of `up`")
    keys = [scene.world.keys[name].private for name in ("client", "office")]
    tap.check(holds(daemon, base64.b64decode(keys[0])), "the daemon's memory has the key")
    for key in keys:
        tap.check(not holds(keepers[0], key.encode()) and not holds(keepers[0], base64.b64decode(key)),
                  "nothing of a key is in the keeper's memory")
    for pid in kill_daemon(hopwire):
        wait_until(lambda: is_dead(pid), 10, "the keeper to end by itself")
    tap.equal(file.servers(), [A_DNS], "the name servers after the crash")
    hopwire.down()
    file.check_back()


@tap.test
def I5_a_killed_keeper_is_told_and_down_puts_it_back():
    file = File(True)
    hopwire = scene.up(entry={"DNS": A_DNS})
    daemon = hopwire.daemon()
    keeper = next(pid for pid in hopwire.pids() if pid != daemon)
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{keeper}"), 10, "the daemon to take leave of it")
    tap.check(not is_dead(daemon), "the network goes on")
    hopwire.down()
    file.check_back()


@tap.test
def I6_PID_1_of_a_container_leaves_nothing():
    for file in both():
        hopwire = Hopwire(scene.client, "boxed")
        path = hopwire.write(scene.world.client_text(entry={"DNS": A_DNS}))
        box = scene.client.start("unshare", "--pid", "--fork", "--mount-proc", hopwire.binary, "up", "-f",
                                 path, name="boxed")
        wait_until(lambda: hopwire.command("status", "boxed", check=False).returncode == 0
                   or not box.runs(), 20, "the network to be up")
        tap.equal(file.servers(), [A_DNS], "the name servers")
        inside = [pid for pid in hopwire.pids()]
        first = next(pid for pid in inside if " 1\n" in status_of(pid, "NSpid"))
        os.kill(first, signal.SIGTERM)
        tap.equal(box.wait(30), 0, "its exit status: " + box.output())
        for pid in inside:
            wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 10, "no zombie, no keeper")
        file.check_back()


def holds(pid, needle):
    """The bytes are somewhere in what the process may write."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            words = line.split()
            first, last = (int(text, 16) for text in words[0].split("-"))
            if "w" not in words[1] or last - first > 1 << 30:
                continue
            try:
                memory.seek(first)
                if needle in memory.read(last - first):
                    return True
            except OSError:
                pass
    return False


def status_of(pid, key):
    with open(f"/proc/{pid}/status") as opened:
        return "".join(line.replace("\t", " ") for line in opened if line.startswith(key))


def as_before():
    packages.take_back(scene.client)


if __name__ == "__main__":
    main(services=False, afterwards=as_before)
