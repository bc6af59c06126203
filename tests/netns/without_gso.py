# SPDX-License-Identifier: MIT
"""Runs a program as on a kernel without UDP_SEGMENT: asking a socket for it is refused.

    without_gso.py PROGRAM [ARGUMENT...]"""

import errno
import sys

from refused_call import run_without

IPPROTO_UDP, UDP_SEGMENT = 17, 103
GETSOCKOPT = {"x86_64": 55, "aarch64": 209, "riscv64": 209}

run_without(GETSOCKOPT, {1: IPPROTO_UDP, 2: UDP_SEGMENT}, errno.ENOPROTOOPT, sys.argv[1:])
