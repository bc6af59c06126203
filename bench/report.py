# SPDX-License-Identifier: MIT
"""Tables of rung 7. Ratios are taken within a round, to wireguard-go at the same number of hops and
at one hop."""

import statistics

from contenders import REFERENCE, REFERENCE_OLD

RATIOS = f"{'ratio':>7}{'to one':>7}"  # at as many hops, at one hop


def key_of(row):
    return row["contender"], row["hops"], row["relays"]


def keys_of(rows):
    return list(dict.fromkeys(key_of(row) for row in rows))


def values(rows, key, direction, streams, name):
    """round → value"""
    return {row["round"]: row[name] for row in rows
            if key_of(row) == key and row["direction"] == direction and row["streams"] == streams
            and name in row}


def ratios(mine, reference):
    """Of the rounds that both have."""
    return [mine[number] / reference[number] for number in mine if reference.get(number)]


def median(found):
    return statistics.median(found) if found else None


def cell(value, form):
    """At the width of the form also where there is no value."""
    return format(value, form) if value is not None else "-".rjust(int(form.split(".")[0]))


def reference_key(rows, key, hops):
    """None for the reference itself."""
    found = [name for name in (REFERENCE, REFERENCE_OLD)
             if (name, hops, "the same") in keys_of(rows)]
    reference = (found[0], hops, "the same") if found else None
    return reference if reference != key else None


def cells(rows, key, columns):
    """A cell for each (direction, streams, name, form), and two for its ratios where wanted."""
    text = f"{key[0]:22}{key[1]:>4}  {key[2]:14}"
    references = [reference_key(rows, key, hops) for hops in (key[1], 1)]
    for direction, streams, name, form, with_ratio in columns:
        mine = values(rows, key, direction, streams, name)
        text += cell(median(mine.values()), form)
        for reference in references if with_ratio else ():
            other = values(rows, reference, direction, streams, name) if reference else {}
            text += cell(median(ratios(mine, other)), "7.2f")
    return text


def print_table(rows, title, heading, columns):
    if not any(row["direction"] == column[0] for row in rows for column in columns):
        return  # not measured
    print(f"\n{title}\n{'':22}{'hops':>4}  {'relays':14}{heading}")
    for key in keys_of(rows):
        print(cells(rows, key, columns))


def most_mib(rows, key):
    """The client's peak over all of its loads, all its programs together."""
    return max((sum(mib for role, mib in row["rss_mib"].items() if role.startswith("client"))
                for row in rows if key_of(row) == key and "rss_mib" in row), default=None)


def print_tables(rows):
    print("ratio: to wireguard-go at as many hops, median of the rounds' ratios; to one: to its "
          "one hop")
    for direction, streams in dict.fromkeys((row["direction"], row["streams"]) for row in rows
                                            if row["direction"] in ("up", "down")):
        print_table(rows, f"TCP {direction}, {streams} stream{'s' if streams > 1 else ''}",
                    f"{'Gbit/s':>8}{RATIOS}{'CPU s/GB':>9}{RATIOS}{'retrans':>9}",
                    [(direction, streams, "gbits", "8.2f", True),
                     (direction, streams, "client_cpu_s_per_gb", "9.2f", True),
                     (direction, streams, "retransmits", "9.0f", False)])
    print_table(rows, "Round trips: idle, and beside TCP paced at 500 Mbit/s (what came through)",
                f"{'idle us':>8}{RATIOS}{'p99 us':>8}{RATIOS}{'Gbit/s':>8}",
                [("ping", 0, "rtt_us", "8.0f", True), ("loaded", 1, "p99_us", "8.0f", True),
                 ("loaded", 1, "gbits", "8.2f", False)])
    print_table(rows, "64-byte datagrams received", f"{'a second':>10}{RATIOS}",
                [("udp64", 1, "pps", "10.0f", True)])
    print("\nPeak memory of the client over all these loads, MiB")
    for key in keys_of(rows):
        if key[1]:
            print(cells(rows, key, []) + cell(most_mib(rows, key), "8.1f"))
    for row in rows:
        if "tun_tx_dropped" in row:
            print(f"undisturbed, {row['hops']} hops, relays {row['relays']}, AEAD {row['aead']}: "
                  f"drops {row['drops']}, TUN tx_dropped {row['tun_tx_dropped']}, "
                  f"UDP RcvbufErrors {row['udp_rcvbuf_errors']}")
