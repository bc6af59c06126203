# SPDX-License-Identifier: MIT
"""Asks a UDP echo and prints the answer's head and size, the error's name, or "nothing".

    ask.py ADDRESS PORT [--size N] [--source-port P] [--timeout S] [--probe] [--options]

--probe: DF set, whatever the route's MTU says. --options: with IPv4 options, or an IPv6 destination
header, that say nothing."""

import argparse
import errno
import socket

from pattern import pattern


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--size", type=int, default=5)
    parser.add_argument("--source-port", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=3)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--options", action="store_true")
    options = parser.parse_args()
    is_ipv6 = ":" in options.address
    asker = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    asker.settimeout(options.timeout)
    level = socket.IPPROTO_IPV6 if is_ipv6 else socket.IPPROTO_IP
    # RECVERR: also "no route" and the like are told, which UDP sockets else pass over.
    asker.setsockopt(level, 25 if is_ipv6 else 11, 1)
    if options.probe:
        asker.setsockopt(level, 23 if is_ipv6 else 10, 3)  # MTU_DISCOVER: PROBE
    if options.options:
        empty = b"\0\0\1\4\0\0\0\0" if is_ipv6 else b"\1\1\1\0"
        asker.setsockopt(level, 59 if is_ipv6 else 4, empty)  # DSTOPTS, OPTIONS
    asker.bind(("::" if is_ipv6 else "0.0.0.0", options.source_port))
    sent = pattern(options.size)
    try:
        asker.connect((options.address, options.port))
        asker.send(sent)
        head, _, body = asker.recv(65536).partition(b": ")
        print(head.decode(), "echoed" if body == sent else f"garbled {len(body)}", options.size)
    except socket.timeout:
        print("nothing")
    except OSError as error:
        print(errno.errorcode.get(error.errno, error.errno))


if __name__ == "__main__":
    main()
