# SPDX-License-Identifier: MIT
"""A scenario program's voice: TAP on standard output, one point per test function.

    @tap.test
    def a_thing_holds():
        tap.equal(1 + 1, 2, "the sum")

    tap.main()

Arguments name the tests to run; --list lists them."""

import difflib
import sys
import time
import traceback

_tests = []


class Skip(Exception):
    """What the test needs is not here; the text says what."""


class Failed(Exception):
    """A claim that does not hold; the text says what was seen."""


def test(function):
    _tests.append(function)
    return function


def check(holds, claim):
    if not holds:
        raise Failed(claim)


def equal(actual, expected, what):
    if actual != expected:
        raise Failed(f"{what}: {actual!r}, expected {expected!r}")


def same_lines(actual, expected, what):
    if actual != expected:
        changed = difflib.unified_diff(expected.splitlines(), actual.splitlines(), "expected",
                                       "actual", lineterm="", n=0)
        raise Failed(f"{what}:\n" + "\n".join(changed))


def contains(text, part, what):
    if part.lower() not in text.lower():
        raise Failed(f"{what}: {text!r} does not contain {part!r}")


def note(text):
    for line in str(text).splitlines() or [""]:
        print(f"# {line}", flush=True)


def skip_all(why):
    """Ends the program: nothing in it can run here."""
    print(f"1..0 # SKIP {why}", flush=True)
    sys.exit(0)


def main(before=None, after=None):
    """Runs the asked tests in order; `after` runs after each test, also a failed one."""
    if "--list" in sys.argv[1:]:
        print("\n".join(function.__name__ for function in _tests))
        sys.exit(0)
    asked = set(sys.argv[1:])
    unknown = asked - {function.__name__ for function in _tests}
    if unknown:
        sys.exit("no such test: " + ", ".join(sorted(unknown)))
    chosen = [function for function in _tests if not asked or function.__name__ in asked]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, function in enumerate(chosen, 1):
        began = time.monotonic()
        verdict, suffix = "ok", ""
        try:
            if before:
                before()
            function()
        except Skip as why:
            suffix = f" # SKIP {why}"
        except Exception as error:
            verdict = "not ok"
            note(str(error) if isinstance(error, Failed) else traceback.format_exc())
            frames = traceback.extract_tb(error.__traceback__)
            mine = [frame for frame in frames if frame.filename == sys.argv[0]]
            if isinstance(error, Failed) and mine:
                note(f"at {mine[-1].filename}:{mine[-1].lineno}")
        if after:
            try:
                after()
            except Exception:
                verdict = "not ok"
                note("while cleaning up: " + traceback.format_exc())
        failed += verdict != "ok"
        note(f"{function.__name__} took {time.monotonic() - began:.1f} s")
        print(f"{verdict} {number} - {function.__name__}{suffix}", flush=True)
    sys.exit(1 if failed else 0)
