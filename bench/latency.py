# SPDX-License-Identifier: MIT
"""Round trips by ping: idle, and beside a paced load."""

import json
import statistics

from lab import wait_until

LOAD_MBITS = 500
LOAD_STARTED_BYTES = 1 << 20


def ping_us(client, destination, *rest):
    """The round trips of one run of ping, in microseconds, sorted."""
    result = client.run("ping", "-n", *rest, destination, check=False, timeout=120)
    times = sorted(float(line.split("time=")[1].split()[0]) * 1000
                   for line in result.stdout.splitlines() if "time=" in line)
    if not times:
        raise AssertionError(f"no answer to ping from {destination}")
    return times


def idle_rtt_us(client, destination, series):
    """The median of several series' medians: a neighbour's second of work spoils one of them."""
    return statistics.median(
        statistics.median(ping_us(client, destination, "-c", 100, "-i", "0.005", "-W", 2))
        for _ in range(series))


def sent_bytes(client, interface):
    return client.ip_json("-s", "link", "show", interface)[0]["stats64"]["tx"]["bytes"]


def loaded_rtt(client, interface, destination, seconds):
    """Pings beside one TCP stream that the kernel paces at LOAD_MBITS (iperf3's own pacing would
    send bursts). `gbits` tells whether the path took that much."""
    before = sent_bytes(client, interface)
    load = client.start("iperf3", "-c", destination, "-J", "-t", seconds + 1, "--fq-rate",
                        f"{LOAD_MBITS}M", name="load")
    wait_until(lambda: sent_bytes(client, interface) - before > LOAD_STARTED_BYTES, 10, "the load")
    times = ping_us(client, destination, "-i", "0.002", "-w", seconds, "-W", 2)
    load.wait(seconds + 20)
    report = json.loads(load.output() or "{}")
    if "sum_received" not in report.get("end", {}):
        raise AssertionError(f"iperf3 to {destination}: {report.get('error', 'no report')}")
    return {"rtt_us": round(statistics.median(times)),
            "p99_us": round(times[min(len(times) * 99 // 100, len(times) - 1)]),
            "pings": len(times),
            "gbits": round(report["end"]["sum_received"]["bits_per_second"] / 1e9, 4)}
