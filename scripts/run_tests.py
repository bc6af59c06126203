# SPDX-License-Identifier: MIT
"""Runs the unit tests (meson, sanitized), the checks of the source tree and the scenario tests in
network namespaces, and counts every TAP point.

    run_tests.py SANITIZED-BUILD RELEASE-BUILD [WORD…]
    run_tests.py --units BUILD [WITHOUT…]     one build's unit tests only"""

import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time

POINT = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*)$", re.M)
# Traffic is also moved by the program that people run, without sanitizers in the way.
RELEASE_TOO = ("test_main_job", "test_mtu", "test_transfer")
# Encryption is also tested as it is compiled for people, and watched there for leaks of secrets.
UNITS_RELEASE_TOO = ("aead", "aead_choice", "aead_secret", "chacha_poly1305_avx2")
# Remarks are no findings: the leak check of a process that is killed meanwhile makes one.
FINDING = re.compile(r"ERROR: \w*Sanitizer|runtime error|SUMMARY: \w*Sanitizer")
SCENARIO_TIMEOUT_S = 420
# They wait most of their time, so they run beside the others, two at once.
ASIDE = ("test_rekey", "test_dead_uplink", "test_crash", "test_hosts")
ASIDE_AT_ONCE = 2
GOOD = ("OK", "SKIP", "EXPECTEDFAIL")


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def tap(self, program, text, status):
        """Counts one program's points; a bad end without a failed point is a failure too."""
        failed_before, points = self.failed, 0
        planned = re.search(r"^1\.\.(\d+)", text, re.M)
        for found in POINT.finditer(text):
            points += 1
            name = found.group(2)
            if found.group(1):
                self.fail(f"{program}: {name}")
            elif re.search(r"#\s*skip", name, re.I):
                self.skipped += 1
                print(f"    skipped: {name}")
            else:
                self.passed += 1
        if planned and int(planned.group(1)) == 0:
            self.skipped += 1
            print("    skipped: " + text[planned.end():].split("\n")[0].strip(" #"))
        elif planned and int(planned.group(1)) != points:
            self.fail(f"{program}: {points} of {planned.group(1)} tests ran")
        elif not planned and points == 0:
            self.fail(f"{program}: no tests")
        if status != 0 and self.failed == failed_before:
            self.fail(f"{program}: exit status {status}")
        return self.failed == failed_before

    def fail(self, what):
        self.failed += 1
        self.failures.append(what)


def line(program, count_before, count, began, is_good):
    points = count.passed + count.failed + count.skipped - count_before
    print(f"{'ok  ' if is_good else 'FAIL'} {program}: {points} tests, "
          f"{time.monotonic() - began:.1f} s", flush=True)


def total(count):
    return count.passed + count.failed + count.skipped


def run_unit_tests(build, words, count, only=None, without=()):
    listed = subprocess.run(["meson", "test", "-C", build, "--list", "--no-rebuild"],
                            capture_output=True, text=True).stdout.splitlines()
    names = [name.rsplit("/", 1)[-1].split(" / ")[-1].strip() for name in listed if name.strip()]
    if words:
        names = [name for name in names if any(word in name for word in words)]
    names = [name for name in names if (not only or name in only) and name not in without]
    if not names:
        return
    environment = {**os.environ, "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", *names],
                   env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(build, "meson-logs", "testlog.json")) as log:
        for entry in map(json.loads, log):
            before, began = total(count), time.monotonic() - entry["duration"]
            text = entry.get("stdout") or ""
            if POINT.search(text):
                is_good = count.tap(entry["name"], text, 0 if entry["result"] in GOOD else 1)
            elif entry["result"] == "OK":
                count.passed, is_good = count.passed + 1, True
            elif entry["result"] == "SKIP":
                count.skipped, is_good = count.skipped + 1, True
            else:
                count.fail(f"{entry['name']}: {entry['result']}, status {entry['returncode']}")
                is_good = False
            line(entry["name"], before, count, began, is_good)
            if not is_good:
                print(text + (entry.get("stderr") or ""), flush=True)


def run_program(program, argv, environment):
    """One TAP program: its text, exit status, seconds, and whether a sanitizer wrote a report."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hopwire-sanitizer-") as reports:
        os.chmod(reports, 0o777)
        environment = {
            **os.environ, **environment,
            "ASAN_OPTIONS": f"log_path={reports}/asan:detect_leaks=1",
            "UBSAN_OPTIONS": f"log_path={reports}/ubsan:halt_on_error=1:print_stacktrace=1"}
        try:
            result = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                    errors="replace", timeout=SCENARIO_TIMEOUT_S)
            text, status = result.stdout, result.returncode
        except subprocess.TimeoutExpired as late:
            text = (late.stdout or b"").decode(errors="replace")
            text, status = text + f"\n# took longer than {SCENARIO_TIMEOUT_S} s\n", 1
        found = ""
        for report in sorted(glob.glob(reports + "/*")):
            with open(report, errors="replace") as file:
                found += "\n" + file.read()
    return (program, text + found, status, time.monotonic() - began,
            FINDING.search(found) is not None)


def judge(result, count):
    program, text, status, seconds, has_reports = result
    before = total(count)
    is_good = count.tap(program, text, status)
    if has_reports:
        count.fail(f"{program}: a sanitizer's report")
        is_good = False
    line(program, before, count, time.monotonic() - seconds, is_good)
    if not is_good:
        print(text, flush=True)


def run_scenarios(sanitized, release, words, count):
    runs = []
    for path in sorted(glob.glob("tests/docs/test_*.py") + glob.glob("tests/netns/test_*.py")):
        name = os.path.basename(path)[:-3]
        runs.append((name, path, sanitized))
        if name in RELEASE_TOO:
            runs.append((name + " (release)", path, release))
    aside = []
    with concurrent.futures.ThreadPoolExecutor(ASIDE_AT_ONCE) as pool:
        order = {name: place for place, name in enumerate(ASIDE)}
        for name, path, build in sorted(runs, key=lambda run: order.get(run[0], len(ASIDE))):
            if words and not any(word in name for word in words):
                continue
            environment = {"HOPWIRE": os.path.abspath(os.path.join(build, "src/cli/hopwire")),
                           "HOPWIRE_BUILD": "sanitized" if build == sanitized else "release"}
            arguments = name, [sys.executable, path], environment
            if name in ASIDE:
                aside.append(pool.submit(run_program, *arguments))
            else:
                judge(run_program(*arguments), count)
        for late in aside:
            judge(late.result(), count)


def run_tree_checks(release, words, count):
    for path in sorted(glob.glob("tools/check_*.py")):
        name = os.path.basename(path)[:-3]
        if words and not any(word in name for word in words):
            continue
        judge(run_program(name, [sys.executable, path, release], {}), count)


def run_interop(release, words, count):
    """The handshake against an implementation that is not ours."""
    if not words or any(word in "interop" for word in words):
        judge(run_program("interop", ["tests/interop/run", release], {}), count)


def main():
    count = Count()
    if sys.argv[1] == "--units":
        run_unit_tests(sys.argv[2], [], count, without=sys.argv[3:])
    else:
        sanitized, release, *words = sys.argv[1:]
        run_tree_checks(release, words, count)
        run_unit_tests(sanitized, words, count)
        run_unit_tests(release, words, count, UNITS_RELEASE_TOO)
        run_interop(release, words, count)
        run_scenarios(sanitized, release, words, count)
    for failure in count.failures:
        print("failed: " + failure)
    skipped = f", {count.skipped} skipped" if count.skipped else ""
    print(f"{count.passed} passed, {count.failed} failed{skipped}")
    sys.exit(1 if count.failed or not count.passed else 0)


if __name__ == "__main__":
    main()
