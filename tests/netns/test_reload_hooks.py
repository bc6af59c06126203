# SPDX-License-Identifier: MIT
"""RULES I2: what ends a network is of the file that it runs with, whoever reloads it, and whatever
comes between the daemon's answer and what is written down of it."""

import os
import signal

import tap
from hooking import has_seals
from lab import wait_until
from peers import is_dead
from reloading import said, up
from scene import main, scene


class Story:
    """What the hooks wrote."""

    def __init__(self):
        self.path = os.path.join(scene.client.dir, "story")
        if os.path.exists(self.path):
            os.unlink(self.path)

    def text(self, word):
        """A configuration whose end writes the word."""
        return scene.world.client_text().replace(
            "[Network]\n", f"[Network]\nPreDown = echo {word} >> {self.path}\n")

    def words(self):
        with open(self.path) as file:
            return file.read().split()


def start_reload(hopwire, text, name):
    """The command, that waits for a daemon that is stopped."""
    os.makedirs(os.path.join(scene.client.dir, name), exist_ok=True)
    return scene.client.start(hopwire.binary, "reload", hopwire.write(text, name=f"{name}/multihop"),
                              name=name)


def wait_asked(process):
    """Until it sleeps with a socket open: its request is sent. The process below what entered the
    namespace."""

    def find():
        pid = process.pid
        try:
            while True:
                with open(f"/proc/{pid}/comm") as file:
                    if file.read() == "hopwire\n":
                        break
                with open(f"/proc/{pid}/task/{pid}/children") as file:
                    pid = int(file.read().split()[0])
            with open(f"/proc/{pid}/stat") as file:
                is_asleep = file.read().rsplit(")", 1)[1].split()[0] == "S"
            opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            return is_asleep and any(place.startswith("socket:") for place in opened) and pid
        except (OSError, IndexError):  # what has just begun, or ended
            return None

    return wait_until(find, what="the request")


@tap.test
def a_signal_comes_once_the_hooks_are_written_down():
    story = Story()
    hopwire = up(text=story.text("old"))
    daemon = hopwire.daemon()
    os.kill(daemon, signal.SIGSTOP)
    process = start_reload(hopwire, story.text("new"), "reload")
    os.kill(wait_asked(process), signal.SIGINT)
    os.kill(daemon, signal.SIGCONT)
    tap.check(process.wait() in (-signal.SIGINT, 128 + signal.SIGINT), "it ends by the signal")
    said(hopwire.command("reload", hopwire.write(story.text("new"))), "nothing changes")
    hopwire.down()
    tap.equal(story.words(), ["new"], "what ran at the end")


@tap.test
def two_at_once_leave_the_hooks_of_the_file_that_is_in_use():
    story = Story()
    hopwire = up(text=story.text("old"))
    daemon = hopwire.daemon()
    os.kill(daemon, signal.SIGSTOP)
    first = start_reload(hopwire, story.text("first"), "one")
    pid = wait_asked(first)
    os.kill(pid, signal.SIGSTOP)
    os.kill(daemon, signal.SIGCONT)
    second = start_reload(hopwire, story.text("second"), "two")

    def is_over_or_waits():
        with open("/proc/locks") as file:
            return not second.runs() or "-> OFDLCK" in file.read()

    wait_until(is_over_or_waits, what="the second one to wait, or to end")
    os.kill(pid, signal.SIGCONT)
    tap.equal([first.wait(), second.wait()], [0, 0], "both")
    said(hopwire.command("reload", hopwire.write(story.text("second"))), "nothing changes")
    hopwire.down()
    tap.equal(story.words(), ["second"], "what ran at the end")


@tap.test
def a_network_that_ends_before_its_hooks_are_written_down_runs_none_of_them():
    for kind, sentence in (("PostUp", "the network has ended meanwhile: none of its hooks ran"),
                           ("PreDown", "the rest of the file is in use; none of its hooks ran")):
        story = Story()
        hopwire = up()
        daemon, text = hopwire.daemon(), story.text("new").replace("PreDown", kind)
        os.kill(daemon, signal.SIGSTOP)
        process = start_reload(hopwire, text, "reload")
        pid = wait_asked(process)
        os.kill(pid, signal.SIGSTOP)
        os.kill(daemon, signal.SIGCONT)
        path = hopwire.write(text)
        wait_until(lambda: hopwire.command("reload", "--dry-run", path).stdout == "nothing changes\n",
                   what="the daemon to have taken it")
        os.kill(daemon, signal.SIGTERM)
        wait_until(lambda: is_dead(daemon), 20, "its end")
        os.kill(pid, signal.SIGCONT)
        tap.equal(process.wait(), 1, "the exit status")
        tap.contains(process.output(), sentence, kind)
        tap.check(not os.path.exists(story.path), "none ran")
        hopwire.is_up = False
        tap.same_lines(scene.client.network_state(), scene.before, "the client's network")


@tap.test
def I5_hooks_without_a_seal_are_told():
    if not has_seals():
        raise tap.Skip("nobody can set a seal here")
    story = Story()
    hopwire = up(text=story.text("old"))
    path = hopwire.write(story.text("new"))
    result = scene.client.run("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all",
                              hopwire.binary, "reload", path, check=False)
    tap.contains(result.stderr, "CAP_SYS_ADMIN", "the sentence")
    hopwire.down(check=False)


if __name__ == "__main__":
    main()
