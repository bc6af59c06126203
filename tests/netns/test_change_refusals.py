# SPDX-License-Identifier: MIT
"""RULES I2, I1: what refuses a reload, a replacement or a save says why, and changes nothing."""

import os
import signal
import socket
import struct

import tap
from hooking import network_text, record, story, tell, up
from lab import wait_until
from peers import Hopwire, is_dead
from reloading import stranger, with_parts
from scene import main, scene
from world import OFFICE, wait_reachable

ENTRY_PATH, ENTRY_FILE = 0, 1  # of a recording


def recording(path, text):
    """What the command hands over: a file's path, and what it read there."""
    key, whole = path.encode() + b"\0", text.encode()
    return (struct.pack("=IIII", ENTRY_PATH, len(key), 0, 0) + key
            + struct.pack("=IIII", ENTRY_FILE, len(key), len(whole), 0) + key + whole)


def connect(hopwire):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(scene.client.run_path("hopwire", hopwire.name + ".sock"))
    return client


def send(client, line, handed=None):
    if handed is None:
        client.sendall(line)
        return
    with open(os.memfd_create("recording"), "wb") as file:
        file.write(handed)
        file.flush()
        socket.send_fds(client, [line], [file.fileno()])


def answer(client):
    with client:
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def hand_over(hopwire, line, handed):
    client = connect(hopwire)
    send(client, line, handed)
    return answer(client)


@tap.test
def I2_what_is_handed_over_is_the_networks_configuration():
    hopwire = scene.up()
    standing = scene.client.network_state()
    quick = scene.world.entry_quick_text()
    for what, handed, sentence in (
            ("rubbish", b"\xff" * 100, "what came with the request is no configuration"),
            ("a text", quick.encode(), "what came with the request is no configuration"),
            ("nothing", b"", "no configuration came with the request"),
            ("a part of it",
             recording("/etc/hopwire/multihop.conf", "[Network]\n\n[Tunnel a]\nConfig = a.conf\n"),
             "/etc/hopwire/a.conf: it was not read before"),
            ("another network's", recording("/etc/hopwire/other.conf", quick),
             "/etc/hopwire/other.conf is the file of a network other, not of multihop")):
        for line in b"reload\n", b"reload dry-run\n":
            tap.contains(hand_over(hopwire, line, handed), sentence, f"{what} with {line}")
    tap.same_lines(scene.client.network_state(), standing, "the client's network")


def hook_that_waits(kind):
    return f"{kind} = {tell('begun')}; exec sleep 4221"


def waiting_hook():
    for pid in scene.client.pids():
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                if "sleep\x004221" in file.read():
                    return pid
        except OSError:
            pass
    return None


def refused(hopwire, text, sentence, command=("reload",)):
    result = hopwire.command(*command, hopwire.write(text), check=False)
    tap.equal(result.returncode, 1, f"{sentence}: the exit status ({result.stderr})")
    tap.contains(result.stderr, sentence, " ".join(command))
    tap.equal(result.stdout, "", "no list")


@tap.test
def I2_a_reload_while_hooks_of_the_start_or_the_end_run():
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    text = network_text(hook_that_waits("PostUp"))
    daemon = scene.client.start(hopwire.binary, "up", "-f", hopwire.write(text), name="daemon")
    wait_until(waiting_hook, what="PostUp")
    refused(hopwire, scene.world.client_text(), "it is starting: its PostUp runs; try again when")
    os.kill(waiting_hook(), signal.SIGTERM)
    tap.equal(daemon.wait(), 1, "the start, whose hook was ended")
    hopwire, _ = up(network_text(hook_that_waits("PreDown")))
    pids = hopwire.pids()
    os.kill(hopwire.daemon(), signal.SIGTERM)
    wait_until(waiting_hook, what="PreDown")
    refused(hopwire, scene.world.client_text(), "it is ending: its PreDown runs; `hopwire up` starts")
    os.kill(waiting_hook(), signal.SIGTERM)
    wait_until(lambda: all(map(is_dead, pids)), 20, "the end")
    hopwire.is_up = False


@tap.test
def I2_a_reload_behind_a_down_is_told_that_it_ends():
    """Both lie at the daemon's socket when it comes to look."""
    hopwire = scene.up()
    text = with_parts(stranger())
    handed = recording(hopwire.write(text), text)
    pid, pids = hopwire.daemon(), hopwire.pids()
    os.kill(pid, signal.SIGSTOP)
    down, reload = connect(hopwire), connect(hopwire)
    send(down, b"down\n")
    send(reload, b"reload\n", handed)
    os.kill(pid, signal.SIGCONT)
    tap.equal(answer(down).strip(), "{}", "down")
    tap.contains(answer(reload), "it is ending; `hopwire up` starts it with the new file", "reload")
    wait_until(lambda: all(map(is_dead, pids)), 20, "the end")
    hopwire.is_up = False


@tap.test
def I2_a_reload_beside_the_clean_up_of_a_crash_is_whole_or_told():
    """By `down`, or by the next `up`."""
    client, text = scene.client, with_parts(stranger())
    os.makedirs(os.path.join(client.dir, "new"), exist_ok=True)
    for end in ("down", "multihop"), ("up", os.path.join(client.dir, "multihop.conf")):
        hopwire = scene.up(text=text)
        hopwire.kill()
        path = hopwire.write(text.replace("10.99.0.0", "10.98.0.0"), name="new/multihop")
        commands = ("reload", path), end, ("reload", path), ("reload", path)
        started = [client.start(hopwire.binary, *argv, name=argv[0]) for argv in commands]
        ended = [process.wait() for process in started]
        tap.equal(ended[1], 0, f"{end[0]}: {started[1].output()}")
        hopwire.is_up = end[0] == "up"
        for status, process in zip(ended, started):
            said = process.output()
            tap.check(status == 0 or "ended without putting the host back" in said
                      or "is not up" in said or "does not listen" in said, f"{status}: {said}")
        routes = client.ip("route", "show", "table", "all")
        is_new = ended.count(0) > 1
        tap.equal(["10.99.0.0/16 dev" in routes, "10.98.0.0/16 dev" in routes],
                  [hopwire.is_up and not is_new, is_new], f"routes after {ended}")
        hopwire.down(check=hopwire.is_up)
        tap.same_lines(client.network_state(), scene.before, "the client's network")


@tap.test
def F4_who_cannot_be_replaced_is_told():
    hopwire = scene.up()
    wait_reachable(scene.client, OFFICE)
    pids, text = hopwire.pids(), scene.world.client_text()
    path = lambda ending: scene.client.run_path("hopwire", "multihop." + ending)
    os.rename(path("state"), path("moved"))
    try:
        refused(hopwire, text, "multihop is up, but its state is gone: `hopwire down multihop` ends it",
                ("up", "--replace"))
    finally:
        os.rename(path("moved"), path("state"))
    os.rename(path("sock"), path("moved"))
    other = scene.client.start("python3", "-c", f"""if True:
        from socket import *
        server = socket(AF_UNIX)
        server.bind({path("sock")!r})
        server.listen()
        print("ready", flush=True)
        while True:
            client = server.accept()[0]
            if client.recv(100):
                client.sendall(b'{{"error": "unknown request"}}\\n')
            client.close()""", name="older")
    try:
        other.wait_output("ready")
        refused(hopwire, text, "multihop is run by a hopwire that cannot hand over: `hopwire down "
                "multihop` and `hopwire up` replace it, with a gap", ("up", "--replace"))
    finally:
        other.stop()
        os.rename(path("moved"), path("sock"))
    tap.equal(hopwire.pids(), pids, "the daemon")
    tap.check(scene.client.ping(OFFICE), "it goes on")


@tap.test
def I1_what_cannot_be_saved_stays_as_it_was():
    text = scene.world.entry_quick_text(ListenPort="51999", SaveConfig="true")
    hopwire, _ = up(text)
    path, sock = (os.path.join(scene.client.dir, "multihop.conf"),
                  scene.client.run_path("wireguard", "multihop.sock"))
    os.rename(sock, sock + ".moved")
    result = hopwire.command("save", path, check=False)
    os.rename(sock + ".moved", sock)
    tap.equal(result.returncode, 1, "without a socket")
    tap.contains(result.stderr, f"{path} is not saved: nobody listens at", "why")
    os.mkdir(path + ".saving")
    result = hopwire.command("save", path, check=False)
    os.rmdir(path + ".saving")
    tap.equal(result.returncode, 1, "where nothing can be written")
    tap.contains(result.stderr, f"{path} is not saved, and is as it was: File exists", "why")
    with open(path) as file:
        tap.equal(file.read(), text, "the file")


@tap.test
def I2_what_ends_a_network_after_a_reload_is_of_the_new_file():
    """Also where nobody said `down`."""
    ends = lambda mark: [f"PreDown = {tell('PreDown' + mark)}", f"PostDown = {tell('PostDown' + mark)}"]
    words = lambda: [line.split()[0] for line in story()]
    for end in ("down", "up"):
        hopwire, _ = up(network_text(*ends("old")))
        hopwire.command("reload", hopwire.write(network_text(*ends("new"))))
        hopwire.kill()
        if end == "up":
            hopwire.up(text=network_text(*ends("third")))
        else:
            hopwire.down()
        tap.equal(words(), ["PreDownnew", "PostDownnew"], f"after a crash, {end}")
    hopwire.command("reload", hopwire.write(network_text(*ends("fourth"))))
    hopwire.command("up", "--replace", hopwire.write(network_text(*ends("fifth"))))
    tap.equal(words(), ["PreDownfourth", "PostDownfourth"], "replaced")
    hopwire.down()
    tap.equal(words(), ["PreDownfourth", "PostDownfourth", "PreDownfifth", "PostDownfifth"], "the end")


def remove_files_of_networks():
    run = scene.client.run_path("hopwire")
    for name in os.listdir(run):
        os.unlink(os.path.join(run, name))


@tap.test
def I2_what_a_reload_brought_is_written_again_when_somebody_removes_it():
    """While the process that knows it lives; then the log says what is lost."""
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    text = network_text(f"PreDown = {tell('old')}")
    daemon = scene.client.start(hopwire.binary, "up", "-f", hopwire.write(text), name="daemon")
    wait_until(lambda: hopwire.command("status", "multihop", check=False).returncode == 0, what="up")
    hopwire.is_up = True
    tap.check(scene.client.run("wg", "set", "hop0.office", "fwmark", "0x1", check=False).returncode,
              "what `wg` is refused")
    daemon.wait_output("a change by wg was refused: ")  # which is told an errno
    tap.contains(daemon.output(), "office: a carried tunnel has no socket to mark; leave its mark out",
                 "why")
    hopwire.command("reload", hopwire.write(network_text(f"PreDown = {tell('new')}")))
    remove_files_of_networks()

    def has_record():
        try:
            with open(record(), errors="replace") as file:
                return "echo new" in file.read()
        except OSError:
            return False

    wait_until(has_record, 20, "the record")
    for pid in hopwire.pids():
        if pid != hopwire.daemon():
            os.kill(pid, signal.SIGKILL)
    daemon.wait_output("the process that runs its hooks has ended; `hopwire down` runs those of its end")
    daemon.wait_output("the process that keeps the system's DNS has ended; the network goes on")
    refused(hopwire, network_text("PreDown = false", "DNS = 10.64.0.1"),
            "the process that keeps the system's name servers has ended, so they cannot change while "
            "the network runs; run: hopwire up --replace")
    remove_files_of_networks()
    daemon.wait_output("its PreDown and PostDown are lost with them: `hopwire up --replace` with its "
                       "file, or run by hand what they say", 20)
    tap.equal(hopwire.status()["name"], "multihop", "it goes on")


@tap.test
def I2_eight_reloads_wait_for_one_and_no_more():
    hopwire = scene.up()
    keeper = next(pid for pid in hopwire.pids() if pid != hopwire.daemon())
    text = scene.world.client_text(network={"DNS": "10.64.0.1"})
    handed = recording(hopwire.write(text), text)
    os.kill(keeper, signal.SIGSTOP)
    try:
        clients = [connect(hopwire) for _ in range(9)]
        for client in clients:
            send(client, b"reload\n", handed)
        tap.contains(answer(clients.pop()), "other reloads wait for one that changes the system's name "
                     "servers; try again", "the ninth")
        tap.equal(hopwire.status()["name"], "multihop", "it answers meanwhile")
    finally:
        os.kill(keeper, signal.SIGCONT)
    answers = [answer(client) for client in clients]
    tap.equal([text.count('"refusals"') for text in answers], [0] * 8, f"{answers}")
    tap.check("DNS" in answers[0] and "DNS" not in "".join(answers[1:]), "the first one changes all")


@tap.test
def I1_a_signal_while_PreUp_runs_is_told():
    hopwire = Hopwire(scene.client)
    daemon = scene.client.start(hopwire.binary, "up", "-f", hopwire.write(
        network_text(hook_that_waits("PreUp"))), name="daemon")
    wait_until(waiting_hook, what="PreUp")
    os.kill(min(hopwire.daemons()), signal.SIGTERM)
    tap.equal(daemon.wait(), 1, "the start")
    tap.contains(daemon.output(), "a signal ended it while a hook ran", "why")
    wait_until(lambda: not hopwire.pids() and not waiting_hook(), what="its end")
    tap.same_lines(scene.client.network_state(), scene.before, "the client's network")


if __name__ == "__main__":
    main()
