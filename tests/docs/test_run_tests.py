# SPDX-License-Identifier: MIT
"""The test run itself: what it counts, and what it leaves of a program that does not end."""

import contextlib
import glob
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", "netns"), os.path.join(ROOT, "scripts")]

import run_tests  # noqa: E402
import side_by_side  # noqa: E402
import tap  # noqa: E402
from lab import wait_until  # noqa: E402

# Asked to end it does not; what it started is in a session of its own.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["setsid", "sleep", sys.argv[1]])
print("1..1", flush=True)
time.sleep(600)
"""


def counted(text, status=0):
    """What the run says last of one program with that output, and the failures."""
    count, told = run_tests.Count(), io.StringIO()
    with contextlib.redirect_stdout(told):
        count.tap("program", text, status)
        count.report()
    return told.getvalue().splitlines()


@tap.test
def without_a_build_the_floors_are_checked_as_far_as_the_sources_show_them():
    with tempfile.TemporaryDirectory() as tree:
        for folder in ("src", "include", "tools"):
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(tree, folder))
        with open(os.path.join(tree, "src/base/list.h"), "a") as file:
            file.write("int list_middle(int);" + " " * 100 + "\n")
        result = subprocess.run([sys.executable, "tools/check_floors.py"], cwd=tree,
                                capture_output=True, text=True)
    found = [line for line in result.stdout.splitlines() if line.startswith("not ok")]
    tap.equal(result.stdout.count(" # SKIP there is no "), 5, "what only a build shows")
    tap.equal([line.split(" - ")[1] for line in found],
              ["no line over 100 columns"], "what the sources show")
    tap.equal(result.returncode, 1, "a finding")


@tap.test
def the_last_line_counts_what_passed_failed_and_was_skipped():
    lines = counted("1..3\nok 1 - a\nok 2 - b # SKIP no such hardware\nnot ok 3 - c\n", 1)
    tap.equal(lines[-1], "1 passed, 1 failed, 1 skipped", "the last line")
    tap.contains(lines[0], "skipped: program: b # SKIP no such hardware", "the reason")
    lines = counted("1..0 # SKIP no TUN here\n")
    tap.equal(lines[-1], "0 passed, 0 failed, 1 skipped", "all of it")
    tap.contains(lines[0], "no TUN here", "its reason")


@tap.test
def a_skip_without_a_reason_is_a_failure():
    for text in ("1..1\nok 1 - a # SKIP\n", "1..1\nok 1 - a # skip  \n", "1..0 # SKIP\n", "1..0\n"):
        lines = counted(text)
        tap.equal(lines[-1], "0 passed, 1 failed, 0 skipped", repr(text))
        tap.contains(lines[-2], "does not say why", repr(text))


@tap.test
def a_bad_end_and_missing_points_are_failures():
    for text, status in (("1..1\nok 1 - a\n", 3), ("1..2\nok 1 - a\n", 0), ("", 0)):
        tap.contains(counted(text, status)[-1], " 1 failed,", repr(text))


def programs_of(text):
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", text.encode()]:
            found.append(path)
    return found


@tap.test
def a_program_that_does_not_end_is_ended_with_all_that_it_started():
    seconds, mercy = f"6{os.getpid()}", side_by_side.MERCY_S
    side_by_side.MERCY_S = 0.5
    try:
        ended = list(side_by_side.run_all(
            [side_by_side.Program("stubborn", [sys.executable, "-c", STUBBORN, seconds], {}),
             side_by_side.Program("quick", ["echo", "quick"], {})], 2, 3))
    finally:
        side_by_side.MERCY_S = mercy
    tap.equal([one.name for one in ended], ["stubborn", "quick"], "the order of the list")
    tap.contains(ended[0].text, "took longer than 3 s", "the first one's output")
    tap.check(ended[0].status != 0 and ended[1].status == 0, "the exit statuses")
    wait_until(lambda: not programs_of(seconds), 5, "what it had started to end")


@tap.test
def a_run_that_is_interrupted_leaves_nothing():
    """As by Ctrl-C, or by the end of the terminal, in the midst of a scenario."""
    seconds = f"7{os.getpid()}"
    script = ("import signal, sys; sys.path.insert(0, sys.argv[1])\n"
              "import side_by_side\n"
              "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))\n"
              "for ended in side_by_side.run_all([side_by_side.Program('long', ['sh', '-c', "
              "'setsid sleep ' + sys.argv[2] + ' & wait'], {})], 2, 600): pass\n")
    run = subprocess.Popen([sys.executable, "-c", script, os.path.join(ROOT, "scripts"), seconds])
    wait_until(lambda: programs_of(seconds), 20, "the program to run")
    run.terminate()
    tap.equal(run.wait(60), 143, "the exit status")
    wait_until(lambda: not programs_of(seconds), 5, "what it had started to end")


@tap.test
def scripts_that_cannot_do_what_is_asked_say_so():
    for path in filter(os.path.isfile, glob.glob(os.path.join(ROOT, "scripts", "*"))):
        with open(path, errors="replace") as file:
            is_bash = re.match(r"#!.*bash", file.readline()) or path.endswith(".sh")
        if is_bash:
            subprocess.run(["bash", "-n", path], check=True)
    result = subprocess.run([os.path.join(ROOT, "scripts", "fresh"), "tset"], capture_output=True,
                            text=True)
    tap.equal(result.returncode, 1, "fresh's exit status for a command that is none")
    tap.contains(result.stderr, "no such command: tset", "its sentence")
    result = subprocess.run([os.path.join(ROOT, "scripts", "fresh"), "test", "trixy"],
                            capture_output=True, text=True)
    tap.contains(result.stderr, "no release known by the name trixy", "its sentence")


if __name__ == "__main__":
    tap.main()
