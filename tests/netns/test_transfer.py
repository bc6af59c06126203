# SPDX-License-Identifier: MIT
"""Twenty megabytes arrive whole: both directions, one hop and two, both families, several streams."""

import hashlib

import tap
from scene import IS_SANITIZED, main, scene
from pattern import pattern
from world import OFFICE, OFFICE6, WORLD, WORLD6

SIZE = 20_000_000
DIGEST = hashlib.sha256(pattern(SIZE)).hexdigest()
SLOW = 120
# What an undisturbed run may count: no packet was lost by these.
HARMLESS = ("ok", "keepalive")


def url(place):
    return f"http://[{place}]" if ":" in place else f"http://{place}"


def download(place):
    result = scene.client.run("sh", "-c", f"curl -sS -f -g -m {SLOW} '{url(place)}/bytes/{SIZE}' |"
                              " sha256sum", timeout=SLOW + 10)
    tap.equal(result.stdout.split()[0], DIGEST, f"what came from {place} ({result.stderr})")


def upload(place):
    path = scene.client.dir + "/body"
    with open(path, "wb") as file:
        file.write(pattern(SIZE))
    answer = scene.client.fetch(url(place) + "/", "-T", path, timeout=SLOW).split()
    tap.equal(answer, [str(SIZE), DIGEST], f"what {place} got")


@tap.test
def downloads_arrive_whole():
    scene.up()
    for place in (OFFICE, OFFICE6, WORLD, WORLD6):
        download(place)


@tap.test
def uploads_arrive_whole():
    scene.up()
    for place in (OFFICE, OFFICE6, WORLD, WORLD6):
        upload(place)


@tap.test
def streams_side_by_side_arrive_whole():
    scene.up()
    part = SIZE // 4
    wanted = hashlib.sha256(pattern(part)).hexdigest()
    jobs = [f"curl -sS -f -g -m {SLOW} '{url(place)}/bytes/{part}' | sha256sum &"
            for place in (OFFICE, OFFICE6, WORLD, WORLD6, OFFICE, WORLD)]
    result = scene.client.run("sh", "-c", "\n".join(jobs) + "\nwait", timeout=SLOW + 10)
    digests = [line.split()[0] for line in result.stdout.splitlines()]
    tap.equal(digests, [wanted] * len(jobs), f"the parts ({result.stderr})")


@tap.test
def an_undisturbed_run_drops_nothing():
    hopwire = scene.up()
    download(OFFICE)
    upload(OFFICE)
    download(WORLD)
    link = scene.client.ip_json("-s", "link", "show", "hop0")[0]["stats64"]
    counters = scene.client.run("cat", "/proc/net/snmp").stdout
    header, values = [line.split() for line in counters.splitlines() if line.startswith("Udp:")]
    drops = drops_of(hopwire.status())
    tap.note(f"tx dropped {link['tx']['dropped']}, verdicts {drops}")
    if IS_SANITIZED:
        return
    tap.equal(drops, {}, "drops")
    tap.equal(link["tx"]["dropped"], 0, "packets that the interface dropped")
    tap.equal(int(values[header.index("RcvbufErrors")]), 0, "UDP receive buffer errors")


def drops_of(status):
    """Every counter under an object named drops, that is not zero."""
    found = {}
    if isinstance(status, dict):
        for key, value in status.items():
            if key == "drops" and isinstance(value, dict):
                for verdict, count in value.items():
                    if count and verdict not in HARMLESS:
                        found[verdict] = found.get(verdict, 0) + count
            else:
                for verdict, count in drops_of(value).items():
                    found[verdict] = found.get(verdict, 0) + count
    elif isinstance(status, list):
        for item in status:
            for verdict, count in drops_of(item).items():
                found[verdict] = found.get(verdict, 0) + count
    return found


def memory_stays_bounded_under_load():
    hopwire = scene.up()
    download(OFFICE)
    upload(WORLD)
    with open(f"/proc/{hopwire.pids()[0]}/status") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    tap.note(f"peak memory {peak} KiB")
    tap.check(peak <= 64 * 1024, f"peak memory is {peak} KiB")


if not IS_SANITIZED:  # a sanitizer's memory is not the daemon's
    tap.test(memory_stays_bounded_under_load)


if __name__ == "__main__":
    main()
