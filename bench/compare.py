# SPDX-License-Identifier: MIT
"""--compare A B: two builds, interleaved. Each round runs both, the one first that was second
before; a ratio is B's figure by A's of the same round. So what the machine does meanwhile meets
both."""

import atexit
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from contenders import Contender, Real, flood_path, hopwire_path, run_rounds
from programs import bench_targets, program_paths, progress, row_name, run_program
from report import cell, key_of, keys_of, median, ratios, values

ROUNDS = 15
ROUNDS_FOR_A_MARK = 8  # among fewer, chance agrees too often
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REAL_FIGURES = [("up", 1, "gbits"), ("up", 1, "client_cpu_s_per_gb"), ("down", 1, "gbits"),
                ("down", 1, "client_cpu_s_per_gb"), ("up", 4, "gbits"), ("down", 4, "gbits"),
                ("ping", 0, "rtt_us"), ("loaded", 1, "p99_us"), ("udp64", 1, "pps")]


def refuse(text):
    sys.exit(f"bench: {text}")


def run(*argv):
    result = subprocess.run(argv, capture_output=True, text=True)
    if result.returncode != 0:
        refuse(f"{' '.join(argv)}: exit status {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def check_out(revision):
    """A worktree of its own, gone when the program ends."""
    directory = tempfile.mkdtemp(prefix="hopwire-compare-")
    tree = os.path.join(directory, "tree")

    def remove():
        subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree],
                       capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    run("git", "-C", ROOT, "worktree", "add", "--detach", tree, revision)
    return tree


def build_of(text):
    """The build directory that the word names, with the benchmarks and the program built."""
    build = os.path.abspath(text)
    if not os.path.exists(os.path.join(build, "build.ninja")):
        known = subprocess.run(["git", "-C", ROOT, "rev-parse", "--verify", "-q",
                                text + "^{commit}"], capture_output=True, text=True)
        if known.returncode != 0:
            refuse(f"{text} is neither a build directory nor a git revision")
        progress(f"building {text} …")
        tree = check_out(known.stdout.strip())
        build = os.path.join(tree, "build-release")
        run("meson", "setup", build, tree)
    progress(f"building {text} …")
    run("ninja", "-C", build, *("bench/" + name for name in bench_targets(build)),
        "src/cli/hopwire")
    progress("")
    return build


# --- programs -------------------------------------------------------------------------------------

def run_pair(paths, options, number):
    """row's name → [A's ns, B's ns]"""
    found = {}
    for side in (0, 1) if number % 2 else (1, 0):
        for row in run_program(paths[side], options, 1):
            if "ns" in row:
                found.setdefault(row_name(row), [None, None])[side] = float(row["ns"])
    return found


def compare_programs(builds, options, missing):
    both = [program_paths(build) for build in builds]
    missing += [f"{name}: only in one of the two" for name in sorted(set(both[0]) ^ set(both[1]))]
    names, pairs = sorted(set(both[0]) & set(both[1])), {}  # row's name → pairs of ns
    for number in range(1, options.rounds + 1):
        for name in list(names):
            progress(f"round {number} of {options.rounds}: {name}")
            found = run_pair([paths[name] for paths in both], options, number)
            if not found:
                names.remove(name)  # nothing of the asked rung
            for row, pair in found.items():
                pairs.setdefault(row, []).append(pair)
    progress("")
    whole = {row: found for row, found in pairs.items() if all(all(pair) for pair in found)}
    lonely = [row for row in pairs if row not in whole]
    if lonely:
        missing.append(f"rows that only one of the two has: {len(lonely)}, the first: {lonely[0]}")
    return [{"row": row, "unit": "ns", "a": median([a for a, _ in found]),
             "b": median([b for _, b in found]), **spread([b / a for a, b in found])}
            for row, found in whole.items()]


# --- rung 7 ---------------------------------------------------------------------------------------

def compare_real(builds, options, missing):
    contenders = [Contender(name, hops, hopwire_path(build), hopwire_path(build), "the same")
                  for hops in (1, 2) for name, build in zip("AB", builds)]
    real = run_rounds(contenders, options, flood_path(builds[0]), Real())
    missing += real.missing
    rows = []
    for key in keys_of(real.rows):
        if key[0] != "A":
            continue
        for direction, streams, name in REAL_FIGURES:
            a, b = (values(real.rows, (side, *key[1:]), direction, streams, name) for side in "AB")
            found = ratios(b, a)
            if found:
                rows.append({"row": f"hops={key[1]} {direction} streams={streams}", "unit": name,
                             "a": median(a.values()), "b": median(b.values()), **spread(found)})
    return rows, real.rows


# --- both -----------------------------------------------------------------------------------------

def spread(found):
    """The median of the rounds' ratios, and the half of the rounds around it."""
    low, middle, high = (statistics.quantiles(found, n=4, method="inclusive") if len(found) > 1
                         else found * 3)
    return {"ratio": round(middle, 4), "low": round(low, 4), "high": round(high, 4),
            "rounds": len(found)}


def print_rows(rows):
    width = max((len(row["row"]) + len(row["unit"]) for row in rows), default=0) + 2
    print(f"\n{'':{width}}{'A':>11}{'B':>11}{'B/A':>8}   half of the rounds")
    for row in rows:
        name = f"{row['row']} {row['unit']}"
        is_sure = row["rounds"] >= ROUNDS_FOR_A_MARK and not row["low"] <= 1 <= row["high"]
        print(f"{name:{width}}{row['a']:>11.2f}{row['b']:>11.2f}{row['ratio']:>8.3f}"
              f"   {row['low']:.3f} to {row['high']:.3f}{'  *' if is_sure else ''}")
    print("* three quarters of the rounds agree that the two differ")


def run_compare(options, report):
    builds = [build_of(text) for text in options.compare]
    report["compare"], missing = options.compare, []
    if options.rung == 7:
        rows, report["real"] = compare_real(builds, options, missing)
    else:
        rows = compare_programs(builds, options, missing)
    report.update(rows=rows, missing=missing)
    print(f"A = {options.compare[0]}, B = {options.compare[1]}, {options.rounds} rounds")
    print_rows(rows)
