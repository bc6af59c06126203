# SPDX-License-Identifier: MIT
"""Bytes that tell a loss, a repetition and a swap: byte i is i * 7 + 3 mod 251."""

PERIOD = bytes((i * 7 + 3) % 251 for i in range(251))


def pattern(count):
    return (PERIOD * (count // 251 + 1))[:count]
