# SPDX-License-Identifier: MIT
"""The bench's own judgement: who is left out, what a ratio is made of, what is drawn. No time is
measured here."""

import argparse
import contextlib
import io
import os
import re
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "bench"), os.path.join(ROOT, "tests", "netns")]

import compare  # noqa: E402
import contenders  # noqa: E402
import line as line_module  # noqa: E402
import plot  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402
import tap  # noqa: E402


def options(**more):
    return argparse.Namespace(**{"rounds": 3, "seconds": 1, "quick": True, "rows": [], "rung": None,
                                 "no_avx512": False, "aead": None, "only": [], "measure": [],
                                 **more})


class FakeLine:
    """A contender whose name says when it stops: "stops 2" in round 2, "stops 0" at the start."""

    def __init__(self, lab, number, contender, env):
        self.contender, self.env = contender, env
        self.round = 0
        self.is_closed = False

    def bring_up(self):
        self.stop_at(0)

    def stop_at(self, number):
        if self.contender.name == f"stops {number}":
            raise AssertionError("no answer")

    def close(self):
        self.is_closed = True

    def row(self, direction, streams, **found):
        return {"contender": self.contender.name, "hops": self.contender.hops, "relays": "",
                "direction": direction, "streams": streams, **found}

    def measure_rtt(self, series):
        self.round += 1
        return self.row("ping", 0, rtt_us=100 * self.round)

    def measure_loaded(self, seconds):
        self.stop_at(self.round)
        return self.row("loaded", 1, p99_us=500, gbits=0.5)

    def measure_tcp(self, direction, streams, seconds):
        return self.row(direction, streams, gbits=1.5, client_cpu_s_per_gb=2.5, retransmits=0,
                        rss_mib={"client": 8.5, "client-inner": 1, "entry": 99})

    def disturbances(self):
        return None

    why_no_flood = line_module.Line.why_no_flood
    hops = property(lambda self: self.contender.hops)


def run_fakes(*found, **more):
    kept = contenders.Lab, contenders.Line
    contenders.Lab, contenders.Line = contextlib.nullcontext, FakeLine
    try:
        return contenders.run_rounds(list(found), options(**more), "/nonexistent",
                                     contenders.Real())
    finally:
        contenders.Lab, contenders.Line = kept


def printed(function, *arguments):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        function(*arguments)
    return text.getvalue()


@tap.test
def a_contender_that_stops_is_named_and_the_others_go_on():
    real = run_fakes(*(contenders.Contender(name, 1) for name in ("stops 0", "stops 2", "works")))
    rounds = lambda name: [row["round"] for row in real.rows
                           if row["contender"] == name and row["direction"] == "up"]
    tap.equal(real.missing, ["stops 0, 1 hop: did not start: no answer",
                             "stops 2, 1 hop: stopped in round 2: no answer"], "who is missing")
    tap.equal(rounds("works"), [1, 2, 3], "the rounds of one that works")
    tap.equal(rounds("stops 2"), [1], "the whole rounds of one that stopped")


@tap.test
def a_measurement_is_taken_of_all_before_the_next():
    names = ("a", "b", "c")
    real = run_fakes(*(contenders.Contender(name, 1) for name in names))
    told = [(row["round"], row["direction"], row["contender"]) for row in real.rows]
    tap.equal(told, [(number, direction, name) for number in (1, 2, 3)
                     for direction in ("ping", "loaded", "up", "down")
                     for name in (names if number % 2 else names[::-1])], "the order")
    tap.equal({row["direction"] for row in run_fakes(contenders.Contender("a", 1),
                                                     measure=["idle", "down"]).rows},
              {"ping", "down"}, "with --measure idle --measure down")


@tap.test
def two_hops_are_held_against_one_hop_of_the_other():
    rows = [{"round": 1, "contender": name, "hops": hops, "relays": relays, "direction": "up",
             "streams": 1, "gbits": gbits, "client_cpu_s_per_gb": cpu, "retransmits": 0}
            for name, hops, relays, gbits, cpu in ((contenders.REFERENCE, 1, "the same", 2.0, 4.0),
                                                   (contenders.REFERENCE, 2, "the same", 1.0, 8.0),
                                                   ("hopwire", 2, "hopwire", 3.0, 2.0))]
    text = printed(report.print_tables, rows)
    tap.check(re.search(r"hopwire +2 +hopwire +3\.00 +3\.00 +1\.50 +2\.00 +0\.25 +0\.50", text),
              f"the row: {text}")


@tap.test
def tables_are_printed_with_what_is_there():
    real = run_fakes(contenders.Contender("stops 1", 1), contenders.Contender("works", 1))
    text = printed(report.print_tables, real.rows)
    tap.check(re.search(r"works +1 +1\.50 +- +- +2\.50", text), f"the row of one that works: {text}")
    tap.check(re.search(r"works +1 +9\.5$", text, re.M), "its memory, of the client's programs")
    tap.contains(text, "stops 1", "the tables")
    tap.check("64-byte" not in text, f"a table of what was not measured: {text}")
    printed(report.print_tables, [])


@tap.test
def no_flood_for_relays_that_it_stops():
    ours, other = "/build/hopwire", "/usr/bin/wireguard-go"
    floods = {(hops, client, relays): FakeLine(
        None, 0, contenders.Contender("x", hops, client, relays), {}).why_no_flood() is None
        for hops in (1, 2) for client in (ours, other) for relays in (ours, other)}
    tap.equal([key for key, is_flooded in floods.items() if not is_flooded], [(2, ours, other)],
              "left out")
    real = run_fakes(contenders.Contender("hopwire", 2, ours, other, "wireguard-go"))
    tap.equal(len(real.not_measured), 1, "what is said about it")
    tap.contains(real.not_measured[0], "hopwire, 2 hops, relays wireguard-go, 64-byte", "the text")


@tap.test
def a_ratio_is_of_one_round():
    tap.equal(report.ratios({1: 2.0, 2: 9.0, 4: 8.0}, {1: 1.0, 3: 5.0, 4: 2.0}), [2.0, 4.0],
              "ratios of the rounds that both have")
    tap.equal(compare.spread([1.0, 3.0, 2.0]), {"ratio": 2.0, "low": 1.5, "high": 2.5, "rounds": 3},
              "median and quartiles")


@tap.test
def two_builds_are_compared_row_by_row():
    with tempfile.TemporaryDirectory(prefix="hopwire-bench-") as directory:
        paths = []
        for name, ns, more in (("a", 100, ""), ("b", 150, "rung=2 size=9 ns=1")):
            paths.append(os.path.join(directory, name))
            with open(paths[-1], "w") as file:
                file.write(f"#!/bin/sh\necho '# a seed'\necho 'rung=2 size=64 ns={ns} least=1'\n"
                           f"echo 'rung=2 memory=peer bytes=7'\necho '{more}'\n")
            os.chmod(paths[-1], 0o700)
        kept, missing = compare.program_paths, []
        compare.program_paths = lambda build: {"x_bench": build}
        try:
            rows = compare.compare_programs(paths, options(rung=2), missing)
        finally:
            compare.program_paths = kept
    tap.equal(rows, [{"row": "rung=2 size=64", "unit": "ns", "a": 100, "b": 150, "ratio": 1.5,
                      "low": 1.5, "high": 1.5, "rounds": 3}], "the rows")
    tap.equal(missing, ["rows that only one of the two has: 1, the first: rung=2 size=9"],
              "the rest")
    tap.contains(printed(compare.print_rows, rows), "1.500 to 1.500", "the table")


@tap.test
def the_aead_can_be_chosen_without_avx512():
    tap.equal(programs.environment(options()), {}, "nothing asked")
    without = programs.environment(options(no_avx512=True), "libcrypto")
    tap.equal(without["HOPWIRE_AEAD"], "libcrypto", "the default without AVX-512")
    chosen = programs.environment(options(no_avx512=True, aead="avx2"), "libcrypto")
    tap.equal(chosen, {**without, "HOPWIRE_AEAD": "avx2"}, "our own kernel")


@tap.test
def the_plot_has_a_curve_for_each_backend():
    rows = [{"rung": "4", "depth": str(depth), "backend": backend, "direction": "out",
             "load": "bulk", "ns": str(100 * depth)} for depth in (1, 2, 8)
            for backend in ("none", "avx2", "unheard-of")]
    rows += [{"rung": rung, "backend": "avx2", "op": "seal", "size": str(size), "ns": str(size)}
             for rung in "12" for size in (64, 1420)]
    rows.append({"rung": "8", "memory": "peer", "bytes": "9"})
    tree = ElementTree.fromstring(plot.plot(rows))
    words = [item.text for item in tree.iter("{http://www.w3.org/2000/svg}text")]
    tap.equal(len(list(tree.iter("{http://www.w3.org/2000/svg}polyline"))), 5, "curves")
    for word in ("no AEAD", "avx2", "unheard-of", "hops", "bytes a packet", "1420", "8"):
        tap.check(word in words, f"{word} is in the picture: {words}")
    tap.equal(plot.plot(rows[-1:]), None, "the picture of nothing")


tap.main()
