# SPDX-License-Identifier: MIT
"""Runs a program as on a kernel without nftables: its netlink sockets of that kind are refused.

    without_nft.py PROGRAM [ARGUMENT...]"""

import errno
import sys

from refused_call import run_without

AF_NETLINK, NETLINK_NETFILTER = 16, 12
SOCKET = {"x86_64": 41, "aarch64": 198, "riscv64": 198}

run_without(SOCKET, {0: AF_NETLINK, 2: NETLINK_NETFILTER}, errno.EPROTONOSUPPORT, sys.argv[1:])
