# SPDX-License-Identifier: MIT
"""The daemon's life: what it says and to whom, what ends it and what does not."""

import fcntl
import os
import select
import signal
import socket
import subprocess

import tap
from lab import wait_until
from peers import Hopwire, is_dead
from scene import main, scene
from world import OFFICE, wait_reachable

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


if __name__ == "__main__":
    main()
