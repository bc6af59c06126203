# SPDX-License-Identifier: MIT
"""Runs the unit tests (meson, sanitized), the checks of the source tree and the scenario tests in
network namespaces, and counts every TAP point.

    run_tests.py SANITIZED-BUILD RELEASE-BUILD [WORD…]
    run_tests.py --units BUILD [WITHOUT…]     one build's unit tests only"""

import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "netns"))

import needed  # noqa: E402
import side_by_side  # noqa: E402

POINT = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*)$", re.M)
SKIP = re.compile(r"#\s*skip\S*\s*(.*)$", re.I)
# Traffic is also moved by the program that people run, without sanitizers in the way.
RELEASE_TOO = ("test_main_job", "test_mtu", "test_transfer")
# Encryption is also tested as it is compiled for people, and watched there for leaks of secrets; so
# is what a sanitizer takes from the kernel (locked memory).
UNITS_RELEASE_TOO = ("aead", "aead_choice", "aead_secret", "chacha_poly1305_avx2", "io_memory")
# They are about what people install, or run inside valgrind, where no sanitizer can.
RELEASE_ONLY = ("aead_secret", "test_install")
# Remarks are no findings: the leak check of a process that is killed meanwhile makes one.
FINDING = re.compile(r"ERROR: \w*Sanitizer|runtime error|SUMMARY: \w*Sanitizer")
SCENARIO_TIMEOUT_S = 600
# The longest ones begin first, so that none is left alone at the end. Others may have any name.
LONGEST_FIRST = ("test_dead_uplink", "test_rekey", "test_protocol", "test_crash", "test_hostile",
                 "test_mtu", "test_no_leak", "test_side_by_side", "test_killswitch", "test_life")
# They claim something about times or rates that a busy neighbour would spoil.
ALONE = ("test_uapi_many", "test_under_load")
GOOD = ("OK", "SKIP", "EXPECTEDFAIL")


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def tap(self, program, text, status):
        """Counts one program's points; a bad end without a failed point is a failure too."""
        failed_before, points = self.failed, 0
        planned = re.search(r"^1\.\.(\d+)(.*)", text, re.M)
        for found in POINT.finditer(text):
            points += 1
            name = found.group(2)
            skip = SKIP.search(name)
            if found.group(1):
                self.fail(f"{program}: {name}")
            elif skip:
                self.skip(program, name, skip.group(1))
            else:
                self.passed += 1
        if planned and int(planned.group(1)) == 0:
            skip = SKIP.search(planned.group(2))
            self.skip(program, "all of it", skip and skip.group(1))
        elif planned and int(planned.group(1)) != points:
            self.fail(f"{program}: {points} of {planned.group(1)} tests ran")
        elif not planned and points == 0:
            self.fail(f"{program}: no tests")
        if status != 0 and self.failed == failed_before:
            self.fail(f"{program}: exit status {status}")
        return self.failed == failed_before

    def skip(self, program, name, why):
        if not why:
            return self.fail(f"{program}: {name} is skipped and does not say why")
        self.skipped += 1
        print(f"    skipped: {program}: {name}" + ("" if why in name else f" # SKIP {why}"))

    def fail(self, what):
        self.failed += 1
        self.failures.append(what)

    def total(self):
        return self.passed + self.failed + self.skipped

    def report(self):
        for failure in self.failures:
            print("failed: " + failure)
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        return 1 if self.failed or not self.passed else 0


def line(program, points, seconds, is_good):
    print(f"{'ok  ' if is_good else 'FAIL'} {program}: {points} tests, {seconds:.1f} s", flush=True)


def run_unit_tests(build, words, count, path, only=None, without=()):
    listed = subprocess.run(["meson", "test", "-C", build, "--list", "--no-rebuild"],
                            capture_output=True, text=True).stdout.splitlines()
    names = [name.rsplit("/", 1)[-1].split(" / ")[-1].strip() for name in listed if name.strip()]
    for name in sorted({name for name in names if names.count(name) > 1}):
        count.fail(f"{name}: two rooms have a test of this name, which meson takes for one")
    if words:
        names = [name for name in names if any(word in name for word in words)]
    names = [name for name in names if (not only or name in only) and name not in without]
    if not names:
        return
    environment = {**os.environ, "PATH": path,
                   "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    run = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *names],
                         env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace")
    with open(os.path.join(build, "meson-logs", "testlog.json")) as log:
        entries = [json.loads(entry) for entry in log]
        ran = {entry["name"].split(" / ")[-1] for entry in entries}
        for missing in sorted(set(names) - ran):
            count.fail(f"{missing}: did not run, since meson ended with status {run.returncode}")
        if set(names) - ran:
            print(run.stdout[-4000:], flush=True)
        for entry in entries:
            before, name, text = count.total(), entry["name"], entry.get("stdout") or ""
            if POINT.search(text) or text.startswith("1..0"):
                is_good = count.tap(name, text, 0 if entry["result"] in GOOD else 1)
            elif entry["result"] == "OK":
                count.passed, is_good = count.passed + 1, True
            else:
                count.fail(f"{name}: {entry['result']}, status {entry['returncode']}")
                is_good = False
            line(name, count.total() - before, entry["duration"], is_good)
            if not is_good:
                print(text + (entry.get("stderr") or ""), flush=True)


def judge(ended, count):
    """Counts and tells one TAP program that has ended."""
    before, reports = count.total(), ""
    for name, text in sorted(ended.reports.items()):
        reports += f"\n{text}"
    is_good = count.tap(ended.name, ended.text + reports, ended.status)
    if FINDING.search(reports):
        count.fail(f"{ended.name}: a sanitizer's report")
        is_good = False
    line(ended.name, count.total() - before, ended.seconds, is_good)
    if not is_good:
        print(ended.text + reports, flush=True)


def run(name, argv, environment, count):
    for ended in side_by_side.run_all([side_by_side.Program(name, argv, environment)], 1,
                                      SCENARIO_TIMEOUT_S):
        judge(ended, count)


def place_of(name):
    """Where a program stands in the order of beginning."""
    name = name.split(" ")[0]
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


def run_scenarios(sanitized, release, words, count):
    programs = []
    for path in sorted(glob.glob("tests/docs/test_*.py") + glob.glob("tests/netns/test_*.py")):
        name = os.path.basename(path)[:-3]
        for called, build in ((name, sanitized), (name + " (release)", release)):
            if name in RELEASE_ONLY:
                called = name
            if name in (RELEASE_ONLY if build == sanitized else ()) or (
                    build == release and name not in RELEASE_TOO + RELEASE_ONLY):
                continue
            if words and not any(word in called for word in words):
                continue
            environment = {"HOPWIRE": os.path.abspath(os.path.join(build, "src/cli/hopwire")),
                           "HOPWIRE_BUILD": "sanitized" if build == sanitized else "release"}
            programs.append(side_by_side.Program(called, [sys.executable, path], environment))
    programs.sort(key=lambda program: place_of(program.name))
    alone = [program for program in programs if program.name.split(" ")[0] in ALONE]
    beside = [program for program in programs if program not in alone]
    for group, at_once in ((beside, side_by_side.at_once()), (alone, 1)):
        for ended in side_by_side.run_all(group, at_once, SCENARIO_TIMEOUT_S):
            judge(ended, count)


def run_tree_checks(release, words, count):
    for path in sorted(glob.glob("tools/check_*.py")):
        name = os.path.basename(path)[:-3]
        if not words or any(word in name for word in words):
            run(name, [sys.executable, path, release], {}, count)


def run_all(sanitized, release, words, count):
    run_tree_checks(release, words, count)  # they ask the compiler that the build has, whichever
    with tempfile.TemporaryDirectory(prefix="hopwire-programs-") as links:
        # What the unit tests start by name is also of packages that the lists name.
        path = links if needed.link_programs(links) else os.environ["PATH"]
        run_unit_tests(sanitized, words, count, path, without=RELEASE_ONLY)
        run_unit_tests(release, words, count, path, only=UNITS_RELEASE_TOO)
        if not words or any(word in "interop" for word in words):
            # The handshake against an implementation that is not ours.
            run("interop", ["tests/interop/run", release], {"PATH": path}, count)
    run_scenarios(sanitized, release, words, count)


def main():
    count = Count()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, frame: sys.exit(128 + number))
    try:
        if sys.argv[1] == "--units":
            run_unit_tests(sys.argv[2], [], count, os.environ["PATH"], without=sys.argv[3:])
        else:
            sanitized, release, *words = sys.argv[1:]
            run_all(sanitized, release, words, count)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(count.report())


if __name__ == "__main__":
    main()
