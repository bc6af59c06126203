# SPDX-License-Identifier: MIT
"""Real traffic between hosts of a lab: iperf3, and what processes spend on it."""

import json
import os

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class IperfServer:
    def __init__(self, host, port=5201):
        self.process = host.start("iperf3", "-s", "-p", port, "--forceflush", name="iperf3")
        self.process.wait_output("Server listening")


def iperf(client, destination, seconds=3, is_down=False, streams=1, omit=0):
    """One run of TCP: gbits (as received), bytes (received), retransmits."""
    argv = ["iperf3", "-c", destination, "-J", "-t", seconds, "-P", streams, "-O", omit]
    result = client.run(*argv, *(["-R"] if is_down else []), check=False, timeout=seconds + 30)
    report = json.loads(result.stdout or "{}")
    if "error" in report or "end" not in report:
        raise AssertionError(f"iperf3 to {destination}: {report.get('error', result.stderr)}")
    received, sent = report["end"]["sum_received"], report["end"]["sum_sent"]
    return {"gbits": received["bits_per_second"] / 1e9, "bytes": received["bytes"],
            "retransmits": sent.get("retransmits", 0)}


def cpu_s(pid):
    """utime + stime of a process so far."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def peak_rss_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
