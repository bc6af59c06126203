# SPDX-License-Identifier: MIT
"""The daemon's life: what it says and to whom, what ends it and what does not."""

import fcntl
import json
import os
import shutil
import select
import signal
import socket
import subprocess

import tap
from lab import wait_until
from peers import Hopwire, Key, at, is_dead, sections
from scene import main, scene
from world import EXIT, OFFICE, wait_reachable

TABLE = "inet hopwire_multihop"


class Syslog:
    """The client's /dev/log: a queue that is read only when asked."""

    def __init__(self):
        client = scene.client
        # A /dev of its own with a few devices; /dev/log leads to a socket in /run.
        devices = ["null", "zero", "urandom", "random", "tty", "net/tun"]
        steps = ["mkdir -p $dir/dev", "mount -t tmpfs tmpfs $dir/dev", "mkdir $dir/dev/net"]
        for device in devices:
            steps += [f": > $dir/dev/{device}", f"mount --bind /dev/{device} $dir/dev/{device}"]
        steps += ["ln -s /proc/self/fd $dir/dev/fd", "ln -s /run/syslog $dir/dev/log",
                  "mount --rbind $dir/dev /dev"]
        client.write("mounts", " &&\n".join(steps))
        self.path = client.run_path("syslog")
        self.socket = None
        self.open()

    def open(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.setblocking(False)

    def fill(self):
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        filler.setblocking(False)
        filler.connect(self.path)
        try:
            while True:
                filler.send(b"<13>somebody else's")
        except BlockingIOError:
            filler.close()

    def read(self):
        """What came since the last time, others' lines left out."""
        lines = []
        try:
            while True:
                lines.append(self.socket.recv(8192).decode())
        except BlockingIOError:
            return [line for line in lines if "hopwire[" in line]

    def wait(self, *parts, timeout=20):
        seen = []

        def has_come():
            seen.extend(self.read())
            return next((line for line in seen if all(part in line for part in parts)), None)
        try:
            return wait_until(has_come, timeout, f"{parts} in the log")
        except AssertionError as why:
            raise AssertionError(f"{why}: {seen}") from None

    def close(self):
        self.socket.close()
        os.unlink(self.path)
        os.unlink(os.path.join(scene.client.dir, "mounts"))


def flush_and_wait_for_repair():
    scene.client.run("nft", "delete", "table", *TABLE.split())
    wait_until(lambda: TABLE in scene.client.run("nft", "list", "tables").stdout, 10,
               "the table to stand again")


def check_all_goes_on(hopwire):
    """What writes lines, and what must not wait for them."""
    wait_reachable(scene.client, OFFICE)
    for _ in range(3):
        flush_and_wait_for_repair()
    tap.check(scene.client.ping(OFFICE, count=20), "the tunnels go on")
    wait_until(lambda: hopwire.status()["lost_log_lines"] > 0, 10, "lines to be lost")
    tap.contains(hopwire.command("status", "multihop").stdout, "lines were lost", "status")


@tap.test
def H3_a_full_queue_of_syslog_stops_neither_tunnels_nor_repair_nor_down():
    syslog = Syslog()
    try:
        syslog.fill()
        hopwire = scene.up(network={"KillSwitch": "on"})
        check_all_goes_on(hopwire)
        syslog.read()
        syslog.wait("<28>", "multihop: ", "lines of this log are lost", timeout=5)
        syslog.fill()
        hopwire.down()
        tap.same_lines(scene.client.network_state(), scene.before, "the client's network")
    finally:
        syslog.close()


@tap.test
def a_hop_that_fails_is_told_once_by_the_log_and_by_the_same_words_everywhere():
    syslog = Syslog()
    try:
        other = Key()
        hopwire = scene.up(office_peer={"PublicKey": other.public})  # nobody has this key
        scene.ask(OFFICE, 7, "--timeout", "0.1")
        line = syslog.wait("<28>", "office: peer " + other.public[:8], "no answer for", timeout=30)
        tap.contains(line, EXIT, "the endpoint")
        status = hopwire.status()
        peer = status["tunnels"][1]["peers"][0]
        tap.equal(peer["state"], "no answer", "its state in JSON")
        shown = hopwire.command("status", "multihop").stdout
        tap.contains(shown, "no answer for", "its state in the text")
        said = [line for line in syslog.read() if "no answer" in line]
        tap.equal(said, [], "more such lines")
    finally:
        syslog.close()


@tap.test
def an_endpoint_that_cannot_be_resolved_is_named_with_its_cause():
    syslog = Syslog()
    try:
        hopwire = scene.up(entry_peer={"Endpoint": "relay.example.net:51820"})
        line = syslog.wait("<28>", "entry: endpoint relay.example.net: ", timeout=30)
        cause = line.split("relay.example.net: ", 1)[1]
        peer = hopwire.status()["tunnels"][0]["peers"][0]
        tap.equal((peer["state"], peer["endpoint"], peer["endpoint_name"], peer["endpoint_error"]),
                  ("no endpoint", None, "relay.example.net:51820", cause), "in JSON")
        shown = hopwire.command("status", "multihop").stdout
        tap.contains(shown, f"endpoint relay.example.net:51820 · no endpoint yet: {cause}",
                     "in the text")
    finally:
        syslog.close()


@tap.test
def H3_a_pipe_that_nobody_reads_stops_neither_tunnels_nor_repair_nor_down():
    hopwire = Hopwire(scene.client)
    scene.networks.append(hopwire)
    path = hopwire.write(scene.world.client_text())
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 512)
    except BlockingIOError:
        os.set_blocking(writer, True)
    process = subprocess.Popen(scene.client.enter([hopwire.binary, "up", "-f", path]),
                               stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    try:
        wait_until(lambda: hopwire.command("status", "multihop", check=False).returncode == 0, 10,
                   "the network to be up")
        check_all_goes_on(hopwire)
        os.set_blocking(reader, False)
        os.read(reader, 65536)
        text = ""

        def has_come():
            nonlocal text
            if select.select([reader], [], [], 0)[0]:
                text += os.read(reader, 65536).decode()
            return "lines of this log are lost" in text
        wait_until(has_come, 10, "the pipe to tell what was lost")
        hopwire.down()
        tap.equal(process.wait(20), 0, "the exit status")
        tap.same_lines(scene.client.network_state(), scene.before, "the client's network")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        os.close(reader)
        os.close(writer)


@tap.test
def F7_signals_end_it_in_order_or_do_nothing():
    harmless = ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT", "PIPE", "XFSZ",
                "HUP", "TTOU", "RTMIN", "RTMAX", "CHLD", "URG", "WINCH", "CONT"]
    ending = ["QUIT", "TERM", "INT", "XCPU"]
    for name in ending:
        hopwire = scene.up(network={"KillSwitch": "on"})
        pids = hopwire.pids()
        for other in harmless:
            for pid in pids:
                os.kill(pid, getattr(signal, "SIG" + other))
        wait_reachable(scene.client, OFFICE)
        tap.equal(hopwire.pids(), pids, "the processes after what is harmless")
        for pid in pids:
            os.kill(pid, getattr(signal, "SIG" + name))
        wait_until(lambda: all(map(is_dead, pids)), 10, f"the end by SIG{name}")
        tap.same_lines(scene.client.network_state(), scene.before, f"the network after SIG{name}")


def small(name="small"):
    hopwire = Hopwire(scene.client, name)
    hopwire.write(sections(("Network", {"Interface": name}),
                           ("Tunnel one", {"PrivateKey": Key().private, "Address": "10.9.0.2/32"}),
                           ("Peer", {"PublicKey": Key().public, "Endpoint": at("192.0.2.77"),
                                     "AllowedIPs": "10.91.0.0/16"})))
    scene.networks.append(hopwire)
    return hopwire


def path_of(hopwire):
    return os.path.join(scene.client.dir, hopwire.name + ".conf")


APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def check_gone(hopwire, pids, result):
    tap.equal((result.returncode, result.stderr), (0, ""), "down")
    tap.check(all(map(is_dead, pids)), "the daemon has ended")
    tap.same_lines(scene.client.network_state(), scene.before, "the client's network")
    left = sorted(os.listdir(scene.client.run_path("hopwire")))
    tap.equal(left, [".lock"], "the files of /run/hopwire")


@tap.test
def F7_down_in_another_pid_namespace_ends_the_daemon():
    hopwire = small()
    hopwire.up(path_of(hopwire))
    pids = hopwire.pids()
    # Number 1 of the other namespace is alive, whoever it is.
    result = scene.client.run(*APART, hopwire.binary, "down", "small", check=False)
    check_gone(hopwire, pids, result)


@tap.test
def F7_a_daemon_in_another_pid_namespace_is_seen_and_ended():
    hopwire = small()
    process = scene.client.start(*APART, hopwire.binary, "up", "-f", path_of(hopwire))
    wait_until(lambda: hopwire.command("status", "small", check=False).returncode == 0, 10,
               "the network to be up")
    pids, standing = hopwire.pids(), scene.client.network_state()
    for where in ((), APART):
        result = scene.client.run(*where, hopwire.binary, "up", path_of(hopwire), check=False)
        tap.equal(result.returncode, 1, "a second up's exit status")
        tap.contains(result.stderr, "small is up already", "its sentence")
        tap.same_lines(scene.client.network_state(), standing, "the network under it")
    tap.equal(hopwire.status()["state"], "up", "its state")
    result = scene.client.run(*APART, hopwire.binary, "down", "small", check=False)
    tap.equal(process.wait(20), 0, process.output())
    check_gone(hopwire, pids, result)


@tap.test
def F7_a_daemon_in_another_network_namespace_is_ended():
    other = scene.lab.host("elsewhere")
    hopwire = small()
    hopwire.up(path_of(hopwire))
    pids = hopwire.pids()
    result = other.run(hopwire.binary, "down", "small", check=False,
                       env={"HOPWIRE_RUN_DIR": scene.client.run_path("hopwire")})
    check_gone(hopwire, pids, result)


@tap.test
def F7_down_again_and_again_while_it_starts_or_ends_leaves_nothing():
    for _ in range(3):
        hopwire = small()
        start = scene.client.start(hopwire.binary, "up", path_of(hopwire))
        downs = [scene.client.start(hopwire.binary, "down", "small") for _ in range(3)]
        for process in downs:
            tap.equal(process.wait(60), 0, process.output())
        start.wait(60)
        check_gone(hopwire, [], hopwire.command("down", "small", check=False)
                   if hopwire.pids() else subprocess.CompletedProcess([], 0, "", ""))
    hopwire = small()
    for _ in range(3):
        hopwire.up(path_of(hopwire))
        hopwire.kill(waits=False)
        check_gone(hopwire, [], hopwire.down(check=False))


@tap.test
def F7_a_daemon_that_hangs_is_said_to_and_nothing_is_deleted():
    hopwire = small()
    hopwire.up(path_of(hopwire))
    pids, standing = hopwire.pids(), scene.client.network_state()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        downs = [scene.client.start(*where, hopwire.binary, "down", "small")
                 for where in ((), APART)]
        for down in downs:
            tap.equal(down.wait(60), 1, "the exit status")
            tap.contains(down.output(), "does not end: nothing was undone", "the sentence")
        tap.same_lines(scene.client.network_state(), standing, "the network")
        for name in ("small.state", "small.sock"):
            tap.check(os.path.exists(scene.client.run_path("hopwire", name)), name)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: all(map(is_dead, pids)), 10, "the end that it was asked for")
    tap.same_lines(scene.client.network_state(), scene.before, "the client's network")


@tap.test
def F7_a_process_number_that_is_used_again_is_not_signalled():
    hopwire = small()
    hopwire.up(path_of(hopwire))
    hopwire.kill()
    innocent = scene.client.start("sleep", "60")
    path = scene.client.run_path("hopwire", "small.state")
    with open(f"/proc/{innocent.pid}/stat") as stat, open(path) as file:
        state = json.load(file)
        state["pid"] = innocent.pid
        state["start_ticks"] = int(stat.read().rsplit(")", 1)[1].split()[19])
    with open(path, "w") as file:
        json.dump(state, file)
    result = hopwire.down(check=False)
    check_gone(hopwire, [], result)
    tap.check(innocent.runs(), "the innocent process lives")
    innocent.stop()


@tap.test
def F7_a_socket_that_was_removed_is_made_again_and_down_finds_it():
    hopwire = small()
    hopwire.up(path_of(hopwire))
    pids = hopwire.pids()
    os.unlink(scene.client.run_path("hopwire", "small.sock"))
    tap.contains(hopwire.command("status", "small", check=False).stderr, "but does not listen",
                 "status")
    os.unlink(scene.client.run_path("hopwire", "small.state"))
    check_gone(hopwire, pids, hopwire.down(check=False))


@tap.test
def F7_a_directory_that_was_emptied_is_made_again_and_a_crash_can_be_undone():
    """A cleaner of /run, or a container whose /run is gone: the state file alone tells what a crash
    leaves."""
    directory = scene.client.run_path("hopwire")
    for remove in (lambda: shutil.rmtree(directory),
                   lambda: os.unlink(os.path.join(directory, "small.state"))):
        hopwire = small()
        hopwire.up(path_of(hopwire))
        pids = hopwire.pids()
        remove()
        wait_until(lambda: all(os.path.exists(os.path.join(directory, "small." + end))
                               for end in ("state", "sock")), 15, "socket and state file again")
        hopwire.command("status", "small")
        hopwire.kill()
        check_gone(hopwire, pids, hopwire.down(check=False))


def everything():
    """All that a network changes on the host, and the files that it keeps."""
    run = scene.client.run_path("hopwire")
    files = sorted(set(os.listdir(run)) - {".lock"}) if os.path.isdir(run) else []
    with open(os.path.join(scene.client.dir, "resolv.conf")) as resolv_conf:
        return f"{scene.client.network_state()}\n--\n{files}\n{resolv_conf.read()}"


@tap.test
def F7_an_up_that_runs_out_of_descriptors_leaves_nothing():
    hopwire = Hopwire(scene.client)
    path = hopwire.write(scene.world.client_text(network={"KillSwitch": "on", "DNS": "10.64.0.1"}))
    before, failed = everything(), 0
    for limit in range(4, 200):
        # The sanitizer's look for leaks needs descriptors of its own.
        result = scene.client.run("env", "ASAN_OPTIONS=detect_leaks=0", "prlimit",
                                  f"--nofile={limit}:{limit}", hopwire.binary, "up", path,
                                  check=False)
        if result.returncode == 0:
            break
        failed += 1
        tap.check(result.stderr.strip(), f"a sentence with {limit} descriptors")
        tap.same_lines(everything(), before, f"after `up` with {limit} descriptors "
                                             f"({result.stderr})")
    tap.check(failed > 10, f"{failed} starts failed")
    # What was just enough to start is enough to repair and to end.
    wait_reachable(scene.client, OFFICE)
    flush_and_wait_for_repair()
    tap.equal(hopwire.down(check=False).returncode, 0, "down")
    tap.same_lines(everything(), before, "after `down`")


if __name__ == "__main__":
    main()
