# SPDX-License-Identifier: MIT
"""Rung 7: contenders in network namespaces, interleaved. A round takes one measurement after the
other, each from all contenders in turn; each second round in the reverse order."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field

from lab import CommandFailed, Lab
from line import Line
from peers import wireguard_go_current
from programs import environment, progress

REFERENCE = "wireguard-go current"
REFERENCE_OLD = "wireguard-go Debian"
# What a contender that stopped working raises; anything else is a fault of the bench.
FAILURES = (AssertionError, CommandFailed, subprocess.SubprocessError, OSError, ValueError)


@dataclass(frozen=True)
class Contender:
    name: str
    hops: int
    client: str | None = None  # a program's path; None: no tunnel
    relays: str | None = None
    relays_name: str = ""

    def __str__(self):
        relays = f", relays {self.relays_name}" if self.relays_name else ""
        return f"{self.name}, {self.hops} hop{'' if self.hops == 1 else 's'}{relays}"


@dataclass
class Real:
    """What rung 7 found."""
    rows: list = field(default_factory=list)
    missing: list = field(default_factory=list)  # contenders that could not run, or stopped
    not_measured: list = field(default_factory=list)  # of contenders that did


def hopwire_path(build):
    return os.path.abspath(os.path.join(build, "src/cli/hopwire"))


def flood_path(build):
    return os.path.abspath(os.path.join(build, "bench", "udp_flood"))


def wireguard_go_paths():
    return {REFERENCE_OLD: shutil.which("wireguard-go"), REFERENCE: wireguard_go_current()}


def standing_contenders(options, real):
    found, others = [Contender("veth direct", 0)], wireguard_go_paths()
    reasons = {REFERENCE_OLD: "not installed", REFERENCE: "needs go 1.23 or newer and its proxy"}
    for name, path in others.items():
        if path:
            found += [Contender(name, hops, path, path, "the same") for hops in (1, 2)]
        else:
            real.missing.append(f"{name}: {reasons[name]}")
    hopwire = hopwire_path(options.build)
    if os.access(hopwire, os.X_OK):
        found += [Contender("hopwire", hops, hopwire, hopwire, "hopwire") for hops in (1, 2)]
        other = others[REFERENCE] or others[REFERENCE_OLD]
        if other:
            found += [Contender("hopwire", hops, hopwire, other, "wireguard-go")
                      for hops in (1, 2)]
    else:
        real.missing.append(f"hopwire: {hopwire} is not built")
    return [one for one in found
            if one.hops == 0 or not options.only or any(word in one.name for word in options.only)]


def steps(options, flood, number):
    """What a round measures: (its name, what to do with a line). Floods come last: the counters of
    what disturbed TCP are read before the first one."""
    def wanted(name):
        return not options.measure or name in options.measure

    found = []
    if wanted("idle"):
        series = 1 if options.quick else 5
        found.append(("idle round trips", lambda line: line.measure_rtt(series)))
    if wanted("loaded"):
        found.append(("round trips under load",
                      lambda line: line.measure_loaded(options.seconds)))
    for streams in (1,) if options.quick else (1, 4):
        for way in filter(wanted, ("up", "down")):
            found.append((f"{way}, {streams} streams", lambda line, way=way, streams=streams:
                          line.measure_tcp(way, streams, options.seconds)))
    if number == 1:
        found.append(("disturbances", lambda line: line.disturbances()))
    if wanted("udp64") and os.access(flood, os.X_OK):
        found.append(("64-byte datagrams", lambda line: None if line.why_no_flood() else
                      line.measure_flood(flood, min(options.seconds, 3))))
    return found


def begin(lab, contenders, options, real):
    lines, env = [], environment(options, "libcrypto" if options.no_avx512 else None)
    for index, contender in enumerate(contenders):
        progress(f"making {contender}")
        line = Line(lab, index, contender, env)
        try:
            line.bring_up()
        except FAILURES as why:
            give_up(line, f"did not start: {why}", real)
            continue
        lines.append(line)
        if line.why_no_flood():
            real.not_measured.append(f"{contender}, 64-byte datagrams: {line.why_no_flood()}")
    return lines


def give_up(line, why, real):
    """Its rows so far stay; the others go on."""
    real.missing.append(f"{line.contender}: {' '.join(str(why).split())}")
    line.close()


def run_step(lines, name, step, number, options, real):
    """One measurement of every contender, right after each other: what the machine does in these
    seconds meets all of them. `lines` loses those that stop."""
    for line in list(lines if number % 2 else lines[::-1]):
        progress(f"round {number} of {options.rounds}: {line.contender}: {name}")
        try:
            row = step(line)
        except FAILURES as why:
            give_up(line, f"stopped in round {number}: {why}", real)
            lines.remove(line)
            continue
        if row:
            real.rows.append({"round": number, **row})


def run_rounds(contenders, options, flood, real):
    with Lab() as lab:
        lines = begin(lab, contenders, options, real)
        for number in range(1, options.rounds + 1):
            for name, step in steps(options, flood, number):
                run_step(lines, name, step, number, options, real)
        progress("")
    return real


def run_real(options):
    real = Real()
    return run_rounds(standing_contenders(options, real), options, flood_path(options.build), real)
