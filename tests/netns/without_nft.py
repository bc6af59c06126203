# SPDX-License-Identifier: MIT
"""Runs a program as on a kernel without nftables: its netlink sockets of that kind are refused.

    without_nft.py PROGRAM [ARGUMENT...]"""

import ctypes
import errno
import os
import platform
import struct
import sys

NETLINK_NETFILTER = 12
SOCKET_NUMBER = {"x86_64": 41, "aarch64": 198, "riscv64": 198}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LOAD, IS_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7fff0000, 0x00050000 | errno.EPROTONOSUPPORT


def main():
    number = SOCKET_NUMBER.get(platform.machine())
    if number is None:
        sys.exit(77)
    steps = [(LOAD, 0, 0, 0), (IS_EQUAL, 0, 5, number),      # the call's number
             (LOAD, 0, 0, 16), (IS_EQUAL, 0, 3, 16),         # its family: AF_NETLINK
             (LOAD, 0, 0, 32), (IS_EQUAL, 0, 1, NETLINK_NETFILTER),
             (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            or libc.prctl(PR_SET_SECCOMP, FILTER, program, 0, 0) != 0):
        sys.exit(77)
    os.execvp(sys.argv[1], sys.argv[1:])


main()
