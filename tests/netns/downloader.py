# SPDX-License-Identifier: MIT
"""Downloads again and again over one connection, until it is stopped.

    downloader.py ADDRESS BYTES

A line for each part: its number, whether all of it is right, and the longest wait for bytes in it, in
milliseconds."""

import http.client
import sys
import time

from pattern import pattern


def main():
    address, size = sys.argv[1], int(sys.argv[2])
    wanted, number = pattern(size), 0
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.connect()
    connection.auto_open = 0  # it is the same one to the end
    while True:
        number += 1
        connection.request("GET", f"/bytes/{size}")
        response, parts, longest, last = connection.getresponse(), [], 0.0, time.monotonic()
        while part := response.read(16384):
            parts.append(part)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        print(number, b"".join(parts) == wanted, round(longest * 1000), flush=True)


if __name__ == "__main__":
    main()
