# SPDX-License-Identifier: MIT
"""The bench. Rungs 1 to 6: the C programs in the build's bench/, one line each:
"rung=N key=value …". Rung 7: contenders in network namespaces, interleaved: each round measures
every contender once, and ratios are taken within a round.

    bench.py [--build DIR] [--quick] [--rung N] [--rounds N] [--seconds N] [--json FILE]
             [--no-avx512] [--only WORD]"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "tests", "netns")]

from lab import Lab, NotPossible, reexec_unprivileged  # noqa: E402
from line import Line, flood_program, hopwire_environment  # noqa: E402
from peers import wireguard_go_current  # noqa: E402

REFERENCE = "wireguard-go current"


def arguments():
    parser = argparse.ArgumentParser(description="the bench ladder")
    parser.add_argument("--build", default="build-release")
    parser.add_argument("--targets", metavar="DIR", help="name the benchmark programs of a build")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rung", type=int, choices=range(1, 8))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of each measurement")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--no-avx512", action="store_true",
                        help="Hopwire without AVX-512, on libcrypto")
    parser.add_argument("--only", action="append", default=[], metavar="WORD",
                        help="contenders whose name has the word (and the direct one)")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (2 if options.quick else 5)
    return options


def progress(text):
    if sys.stderr.isatty():
        print("\r\x1b[K" + text, end="", file=sys.stderr, flush=True)


def bench_targets(build):
    result = subprocess.run(["meson", "introspect", "--targets", build], capture_output=True,
                            text=True, check=True)
    return [target["name"] for target in json.loads(result.stdout)
            if target["type"] == "executable"
            and os.path.basename(os.path.dirname(target["defined_in"])) == "bench"]


# --- rungs 1 to 6 ---------------------------------------------------------------------------------

def run_programs(options):
    """All lines of all programs, those of the asked rung."""
    rows = []
    for name in sorted(bench_targets(options.build)):
        path = os.path.join(options.build, "bench", name)
        if not name.endswith("_bench") or not os.access(path, os.X_OK):
            continue
        progress(f"{name} …")
        environment = {**os.environ, **hopwire_environment(options.no_avx512)}
        result = subprocess.run([os.path.abspath(path)], capture_output=True, text=True,
                                env=environment)
        progress("")
        if result.returncode != 0:
            print(f"{name}: exit status {result.returncode} {result.stderr.strip()}")
        for line in result.stdout.splitlines():
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if words.get("rung") and options.rung in (None, int(words["rung"])):
                rows.append(words)
                print("  ".join(f"{key} {value}" for key, value in words.items()))
    return rows


# --- rung 7 ---------------------------------------------------------------------------------------

def contenders(options, missing):
    """(name, hops, client program, relay program, relays' name)"""
    found = [("veth direct", 0, None, None, "")]
    debian, current = shutil.which("wireguard-go"), wireguard_go_current()
    hopwire = os.path.abspath(os.path.join(options.build, "src/cli/hopwire"))
    if debian:
        found += [("wireguard-go Debian", hops, debian, debian, "the same") for hops in (1, 2)]
    else:
        missing.append("wireguard-go Debian: not installed")
    if current:
        found += [(REFERENCE, hops, current, current, "the same") for hops in (1, 2)]
    else:
        missing.append(REFERENCE + ": needs go 1.23 or newer and the module proxy")
    if os.access(hopwire, os.X_OK):
        os.environ["HOPWIRE"] = hopwire
        found += [("hopwire", hops, "hopwire", "hopwire", "hopwire") for hops in (1, 2)]
        others = current or debian
        if others:
            found += [("hopwire", hops, "hopwire", others, "wireguard-go") for hops in (1, 2)]
    else:
        missing.append(f"hopwire: {hopwire} is not built")
    if options.only:
        found = [row for row in found if row[1] == 0 or any(word in row[0] for word in options.only)]
    return found


def measurements(options):
    tcp = [(direction, streams) for streams in ((1,) if options.quick else (1, 4))
           for direction in ("up", "down")]
    return tcp


def run_line(line, options, flood, number):
    """One contender's part of a round."""
    rows = [line.measure_rtt()]
    for direction, streams in measurements(options):
        progress(f"round {number} of {options.rounds}: {line.name}, {line.hops} hops"
                 f"{', relays ' + line.relays_name if line.relays_name else ''}: "
                 f"{direction}, {streams} streams")
        rows.append(line.measure_tcp(direction, streams, options.seconds))
    if number == 1:  # before any flood
        disturbed = line.disturbances()
        rows += [disturbed] if disturbed else []
    if os.access(flood, os.X_OK):
        progress(f"round {number} of {options.rounds}: {line.name}: 64-byte datagrams")
        rows.append(line.measure_flood(flood, min(options.seconds, 3)))
    return [{"round": number, **row} for row in rows]


def run_real(options):
    missing, rows = [], []
    flood = flood_program(options.build)
    environment = hopwire_environment(options.no_avx512)
    with Lab() as lab:
        lines = []
        for index, (name, hops, client, relays, relays_name) in enumerate(
                contenders(options, missing)):
            progress(f"making {name}, {hops} hops")
            lines.append(Line(lab, index, name, hops, client, relays, relays_name, environment))
            lines[-1].wait_ready()
        for number in range(1, options.rounds + 1):
            for line in lines if number % 2 else lines[::-1]:
                rows += run_line(line, options, flood, number)
        progress("")
    return rows, missing


# --- what is said about it ------------------------------------------------------------------------

def key_of(row):
    return row["contender"], row["hops"], row["relays"]


def values(rows, key, direction, streams, field):
    """round → value"""
    return {row["round"]: row[field] for row in rows
            if key_of(row) == key and row["direction"] == direction and row["streams"] == streams
            and field in row}


def median_ratio(mine, reference):
    shared = [mine[number] / reference[number] for number in mine if reference.get(number)]
    return statistics.median(shared) if shared else None


def cell(value, form):
    return format(value, form) if value is not None else "-"


def reference_key(rows, hops):
    names = {key_of(row) for row in rows}
    for name in (REFERENCE, "wireguard-go Debian"):
        if (name, hops, "the same") in names:
            return (name, hops, "the same")
    return None


def table_line(rows, key, direction, streams):
    speed = values(rows, key, direction, streams, "gbits")
    cpu = values(rows, key, direction, streams, "client_cpu_s_per_gb")
    reference = reference_key(rows, key[1])
    ratio = cpu_ratio = None
    if reference and key != reference:
        ratio = median_ratio(speed, values(rows, reference, direction, streams, "gbits"))
        cpu_ratio = median_ratio(cpu, values(rows, reference, direction, streams,
                                             "client_cpu_s_per_gb"))
    retransmits = values(rows, key, direction, streams, "retransmits")
    return (f"{key[0]:22}{key[1]:>4}  {key[2]:14}{statistics.median(speed.values()):>8.2f}"
            f"{cell(ratio, '.2f'):>7}{statistics.median(cpu.values()):>9.2f}"
            f"{cell(cpu_ratio, '.2f'):>7}{statistics.median(retransmits.values()):>9.0f}")


def print_tables(rows):
    keys = list(dict.fromkeys(key_of(row) for row in rows))
    for direction, streams in dict.fromkeys((row["direction"], row["streams"]) for row in rows
                                            if row["direction"] in ("up", "down")):
        print(f"\nTCP {direction}, {streams} stream{'s' if streams > 1 else ''} (ratios within a "
              "round, to wireguard-go at the same number of hops)")
        print(f"{'':22}{'hops':>4}  {'relays':14}{'Gbit/s':>8}{'ratio':>7}{'CPU s/GB':>9}"
              f"{'ratio':>7}{'retrans':>9}")
        for key in keys:
            print(table_line(rows, key, direction, streams))
    print(f"\n{'':22}{'hops':>4}  {'relays':14}{'RTT us':>8}{'64-byte pps':>13}{'ratio':>7}"
          f"{'client MiB':>12}")
    for key in keys:
        rtt, pps = values(rows, key, "ping", 0, "rtt_us"), values(rows, key, "udp64", 1, "pps")
        reference = reference_key(rows, key[1])
        ratio = (median_ratio(pps, values(rows, reference, "udp64", 1, "pps"))
                 if reference and key != reference else None)
        peaks = [sum(mib for role, mib in row["rss_mib"].items() if role.startswith("client"))
                 for row in rows if key_of(row) == key and "rss_mib" in row]
        print(f"{key[0]:22}{key[1]:>4}  {key[2]:14}{statistics.median(rtt.values()):>8.0f}"
              f"{cell(statistics.median(pps.values()) if pps else None, '.0f'):>13}"
              f"{cell(ratio, '.2f'):>7}{max(peaks, default=0):>12.1f}")
    for row in rows:
        if "tun_tx_dropped" in row:
            print(f"undisturbed, {row['hops']} hops, relays {row['relays']}, AEAD {row['aead']}: "
                  f"drops {row['drops']}, "
                  f"TUN tx_dropped {row['tun_tx_dropped']}, UDP RcvbufErrors "
                  f"{row['udp_rcvbuf_errors']}")


def machine():
    with open("/proc/cpuinfo") as file:
        lines = file.read().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
                platform.machine())
    return {"cpu": name, "cores": os.cpu_count(), "kernel": platform.release()}


def main():
    options = arguments()
    if options.targets:
        print("\n".join("bench/" + name for name in bench_targets(options.targets)))
        return
    report = {"machine": machine(), "rounds": options.rounds, "seconds": options.seconds,
              "without_avx512": options.no_avx512, "programs": [], "real": [], "missing": []}
    if options.rung in (None, 7):
        try:
            reexec_unprivileged()
        except NotPossible as why:
            sys.exit(f"bench: rung 7 is not possible here: {why}")
    if options.rung != 7:
        report["programs"] = run_programs(options)
    if options.rung in (None, 7):
        try:
            report["real"], report["missing"] = run_real(options)
        except NotPossible as why:
            sys.exit(f"bench: rung 7 is not possible here: {why}")
        print_tables(report["real"])
        for what in report["missing"]:
            print("missing: " + what)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
