# SPDX-License-Identifier: MIT
"""Asks for names without an end, as a program does that reads resolv.conf each time.

    asker.py [SERVER…]

A line for each question: its number; the first server that resolv.conf named before; what became of
the question to it (`answered`, an error's name, `silent`, `none`); the first server afterwards. Each
SERVER is asked too, by the same name, and not waited for."""

import errno
import socket
import struct
import sys


def first_server():
    try:
        with open("/etc/resolv.conf") as file:
            servers = [line.split()[1] for line in file if line.startswith("nameserver ")]
    except OSError:
        servers = []
    return servers[0] if servers else "none"


def question(number):
    labels = f"n{number}", "asked", "example"
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    return struct.pack("!6H", number & 0xffff, 0x100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1)


def ask(server, number, waits):
    if server == "none":
        return "none"
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        try:
            s.connect((server, 53))
            s.send(question(number))
            if waits:
                s.recv(512)
            return "answered"
        except socket.timeout:
            return "silent"
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))


def main():
    number = 0
    while True:
        number += 1
        before = first_server()
        for server in sys.argv[1:]:
            ask(server, number, False)
        outcome = ask(before, number, True)
        print(number, before, outcome, first_server(), flush=True)


if __name__ == "__main__":
    main()
