# SPDX-License-Identifier: MIT
"""For programs that run another one which is refused some system call: exits with 77 where this
machine allows no filter."""

import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LOAD, IS_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7fff0000, 0x00050000


def run_without(numbers, arguments, error, argv):
    """The call's number is this machine's kind's, and its arguments (place: value) are those."""
    number = numbers.get(platform.machine())
    if number is None:
        sys.exit(77)
    tests = [(0, number)] + [(16 + 8 * place, value) for place, value in arguments.items()]
    steps = []
    for at, (offset, value) in enumerate(tests):
        steps += [(LOAD, 0, 0, offset), (IS_EQUAL, 0, 2 * (len(tests) - at) - 1, value)]
    steps += [(RETURN, 0, 0, REFUSE | error), (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            or libc.prctl(PR_SET_SECCOMP, FILTER, program, 0, 0) != 0):
        sys.exit(77)
    os.execvp(argv[0], argv)
