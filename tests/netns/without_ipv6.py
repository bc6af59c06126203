# SPDX-License-Identifier: MIT
"""Runs a program as on a kernel without IPv6: it gets no socket of that family.

    without_ipv6.py PROGRAM [ARGUMENT...]"""

import errno
import socket
import sys

from refused_call import run_without

SOCKET = {"x86_64": 41, "aarch64": 198, "riscv64": 198}

run_without(SOCKET, {0: socket.AF_INET6}, errno.EAFNOSUPPORT, sys.argv[1:])
