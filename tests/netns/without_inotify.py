# SPDX-License-Identifier: MIT
"""Runs a program as its user's 129th that watches files: there may be no more.

    without_inotify.py PROGRAM [ARGUMENT...]"""

import errno
import sys

from refused_call import run_without

INOTIFY_INIT1 = {"x86_64": 294, "aarch64": 26, "riscv64": 26}

run_without(INOTIFY_INIT1, {}, errno.EMFILE, sys.argv[1:])
