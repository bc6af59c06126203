# SPDX-License-Identifier: MIT
"""The bench. Rungs 1 to 6 and 8: the C programs in the build's bench/ (programs.py). Rung 7: real
TUN and UDP in network namespaces (contenders.py). --compare: two builds in one run (compare.py)."""

import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "tests", "netns")]

from compare import ROUNDS, run_compare  # noqa: E402
from contenders import run_real, wireguard_go_paths  # noqa: E402
from lab import NotPossible, reexec_unprivileged  # noqa: E402
from machine import machine, machine_text  # noqa: E402
from plot import plot  # noqa: E402
from programs import bench_targets, run_programs  # noqa: E402
from report import print_tables  # noqa: E402

RUNG_REAL = 7


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="The ladder: 1 AEAD, one packet · 2 AEAD, a batch · "
        "3 session · 4 engine · 5 engine, 2 to 8 hops · 6 offloads · 7 real TUN and UDP beside "
        "other programs · 8 many peers and prefixes")
    parser.add_argument("--build", default="build-release", help="the build directory")
    parser.add_argument("--targets", metavar="DIR", help="only name a build's benchmark programs")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rung", type=int, choices=range(1, 9))
    parser.add_argument("--rounds", type=int, help=f"default: 5; with --compare {ROUNDS}")
    parser.add_argument("--seconds", type=int, help="of each measurement of rung 7")
    parser.add_argument("--json", metavar="FILE", help="all that was found; beside it a plot, as "
                        "FILE with .svg")
    parser.add_argument("--no-avx512", action="store_true",
                        help="libcrypto without AVX-512; in rung 7 Hopwire takes it")
    parser.add_argument("--aead", metavar="NAME", help="Hopwire's AEAD (HOPWIRE_AEAD): avx2, …")
    parser.add_argument("--only", action="append", default=[], metavar="WORD",
                        help="rung 7: contenders whose name has the word, and the direct one")
    parser.add_argument("--measure", action="append", default=[],
                        choices=("idle", "loaded", "up", "down", "udp64"),
                        help="rung 7: not all of the measurements, but this one")
    parser.add_argument("--rows", action="append", default=[], metavar="WORD",
                        help="the programs' rows that have the word: depth=2")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two builds: directories, "
                        "or git revisions, which are built; ratios B/A")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else ROUNDS if options.compare else 5)
    options.seconds = options.seconds or (2 if options.quick else 5)
    return options


def needs_namespaces(options):
    return options.rung == RUNG_REAL or (options.rung is None and not options.compare)


def run_ladder(options, report):
    if options.rung != RUNG_REAL:
        report["programs"] = run_programs(options)
    if options.rung in (None, RUNG_REAL):
        real = run_real(options)
        report.update(real=real.rows, missing=real.missing, not_measured=real.not_measured)
        print_tables(real.rows)


def write(options, report):
    with open(options.json, "w") as file:
        json.dump(report, file, indent=1)
    picture = plot(report.get("programs", []))
    if picture:
        with open(os.path.splitext(options.json)[0] + ".svg", "w") as file:
            file.write(picture)


def main():
    options = arguments()
    if options.targets:
        print("\n".join("bench/" + name for name in bench_targets(options.targets)))
        return
    try:
        if needs_namespaces(options):
            reexec_unprivileged()
        found = machine(wireguard_go_paths() if needs_namespaces(options) else {})
        print(machine_text(found), flush=True)
        report = {"machine": found, "rounds": options.rounds, "seconds": options.seconds,
                  "without_avx512": options.no_avx512, "aead": options.aead}
        (run_compare if options.compare else run_ladder)(options, report)
    except NotPossible as why:
        sys.exit(f"bench: rung 7 is not possible here: {why}")
    for kind, title in (("missing", "missing"), ("not_measured", "not measured")):
        for what in report.get(kind, []):
            print(f"{title}: {what}")
    if options.json:
        write(options, report)


if __name__ == "__main__":
    main()
