# SPDX-License-Identifier: MIT
"""The rungs in memory: C programs in a build's bench/, which print a line for each row:
"rung=N key=value … ns=NS least=NS"."""

import json
import os
import subprocess
import sys

RESULTS = ("ns", "least", "bytes")


def progress(text):
    if sys.stderr.isatty():
        print("\r\x1b[K" + text, end="", file=sys.stderr, flush=True)


def bench_targets(build):
    result = subprocess.run(["meson", "introspect", "--targets", build], capture_output=True,
                            text=True, check=True)
    return [target["name"] for target in json.loads(result.stdout)
            if target["type"] == "executable"
            and os.path.basename(os.path.dirname(target["defined_in"])) == "bench"]


def program_paths(build):
    """name → path of what is built and prints rows."""
    paths = {name: os.path.abspath(os.path.join(build, "bench", name))
             for name in sorted(bench_targets(build)) if name.endswith("_bench")}
    return {name: path for name, path in paths.items() if os.access(path, os.X_OK)}


def environment(options, aead=None):
    """OpenSSL's mask takes AVX-512 (F DQ IFMA PF ER CD BW VL of leaf 7) from libcrypto. `aead`:
    where none was asked for."""
    mask = {"OPENSSL_ia32cap": ":~0xdc230000"} if options.no_avx512 else {}
    aead = options.aead or aead
    return {**mask, **({"HOPWIRE_AEAD": aead} if aead else {})}


def run_program(path, options, rounds=None):
    """Its rows of the asked rung and words, as dicts of text."""
    words = options.rows + ([f"rung={options.rung}"] if options.rung else [])
    short = {"BENCH_ROUNDS": str(rounds)} if rounds else {}
    result = subprocess.run([path, *words], capture_output=True, text=True,
                            env={**os.environ, **environment(options), **short})
    if result.returncode != 0:
        print(f"{os.path.basename(path)}: exit status {result.returncode} {result.stderr.strip()}")
    return [dict(word.split("=", 1) for word in line.split()) for line in result.stdout.splitlines()
            if line.startswith("rung=") and all(word in line for word in words)]


def run_programs(options):
    rows = []
    for name, path in program_paths(options.build).items():
        progress(f"{name} …")
        found = run_program(path, options, 1 if options.quick else None)
        progress("")
        for row in found:
            print("  ".join(f"{key} {value}" for key, value in row.items()))
        rows += found
    return rows


def row_name(row):
    """What the row is about, without what was measured."""
    return " ".join(f"{key}={value}" for key, value in row.items() if key not in RESULTS)
