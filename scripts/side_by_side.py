# SPDX-License-Identifier: MIT
"""Runs programs side by side, each in a session and a temporary directory of its own, and leaves
nothing of one behind, however it ends: no process, no network namespace, no file.

    for ended in run_all([Program(name, argv, environment), …], at_once, timeout_s): …

They begin in the order of the list and are told in that order, so two runs can be compared. When
the caller leaves the loop by an exception (a signal, Ctrl-C), all that runs is ended first."""

import concurrent.futures
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

MARK = "HOPWIRE_TEST_DIRECTORY"
MERCY_S = 30  # for a program that was told to end: it takes its lab down meanwhile


class Program:
    def __init__(self, name, argv, environment):
        self.name, self.argv, self.environment = name, argv, environment


class Ended:
    """text: what it wrote; status; seconds; reports: of the sanitizers, text by file name."""

    def __init__(self, name, text, status, seconds, reports):
        self.name, self.text, self.status = name, text, status
        self.seconds, self.reports = seconds, reports


def at_once():
    """More than half of a scenario's time is waiting, so there is room for two a core."""
    return 2 * len(os.sched_getaffinity(0))


def read(path):
    with open(path, errors="replace") as file:
        return file.read()


def end_group(popen):
    """The program and what it started and did not let go: asked first, then ended."""
    for number, seconds in ((signal.SIGTERM, MERCY_S), (signal.SIGKILL, None)):
        try:
            os.killpg(popen.pid, number)
        except ProcessLookupError:
            pass
        try:
            return popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
    return None


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def sweep(pid, mark):
    """What a program that was killed could not take down itself: processes that have its mark in
    their environment, and the namespaces, which a lab names hwPID-HOST."""
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if mark.encode() in file.read().split(b"\0"):
                    kill(int(path.split("/")[2]))
        except OSError:
            pass
    for path in glob.glob(f"/run/netns/hw{pid}-*"):
        subprocess.run(["ip", "netns", "del", os.path.basename(path)], capture_output=True)


class Runner:
    def __init__(self, timeout_s):
        self.timeout_s = timeout_s
        self.lock, self.running, self.is_over = threading.Lock(), set(), False

    def start(self, program, directory, output):
        environment = {
            **os.environ, **program.environment, MARK: directory,
            "ASAN_OPTIONS": f"log_path={directory}/asan:detect_leaks=1",
            "UBSAN_OPTIONS": f"log_path={directory}/ubsan:halt_on_error=1:print_stacktrace=1"}
        if "HOPWIRE_LAB_KEEP" not in environment:
            environment["TMPDIR"] = directory
        with self.lock:
            if self.is_over:
                return None
            popen = subprocess.Popen(program.argv, env=environment, stdin=subprocess.DEVNULL,
                                     stdout=output, stderr=output, start_new_session=True)
            self.running.add(popen)
            return popen

    def run(self, program):
        began = time.monotonic()
        directory = tempfile.mkdtemp(prefix="hopwire-test-")
        os.chmod(directory, 0o1777)  # daemons that gave up root write reports into it too
        path = os.path.join(directory, "output")
        try:
            with open(path, "wb") as output:
                popen = self.start(program, directory, output)
                late = ""
                try:
                    status = popen.wait(self.timeout_s) if popen else 1
                except subprocess.TimeoutExpired:
                    status = end_group(popen) or 1
                    late = f"\n# took longer than {self.timeout_s} s\n"
            if popen:
                sweep(popen.pid, f"{MARK}={directory}")
                with self.lock:
                    self.running.discard(popen)
            reports = {os.path.basename(name): read(name)
                       for kind in ("asan", "ubsan") for name in glob.glob(f"{directory}/{kind}.*")}
            return Ended(program.name, read(path) + late, status, time.monotonic() - began, reports)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def end_all(self):
        """Those that run end, and none begins any more."""
        with self.lock:
            self.is_over = True
            running = list(self.running)
        for popen in running:
            try:
                os.killpg(popen.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + MERCY_S
        for popen in running:
            try:
                popen.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(popen.pid, signal.SIGKILL)


def run_all(programs, at_once, timeout_s):
    """Yields each program's Ended, in the order of `programs`."""
    runner = Runner(timeout_s)
    pool = concurrent.futures.ThreadPoolExecutor(at_once)
    try:
        for future in [pool.submit(runner.run, program) for program in programs]:
            yield future.result()
    finally:
        runner.end_all()
        pool.shutdown(wait=True, cancel_futures=True)
