# SPDX-License-Identifier: MIT
"""Runs a program and removes a file, if it is there, just before the program's first
inotify_add_watch.

    remove_at.py PATH PROGRAM [ARGUMENT...]

Exit status: the program's; 77: this machine allows no tracing."""

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress

from kill_at import CALL_INFO, CONT_TO_CALL, ENTRY, EXITKILL, SETOPTIONS, SYSGOOD, TRACEME, ptrace

DETACH = 17
WATCH = 254 if platform.machine() == "x86_64" else 27


def main():
    path, argv = sys.argv[1], sys.argv[2:]
    pid = os.fork()
    if pid == 0:
        try:
            ptrace(TRACEME, 0)
        except OSError:
            os._exit(77)
        os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        os.execvp(argv[0], argv)
    info = ctypes.create_string_buffer(88)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        sys.exit(77)
    ptrace(SETOPTIONS, pid, 0, SYSGOOD | EXITKILL)
    while True:
        ptrace(CONT_TO_CALL, pid)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
        ptrace(CALL_INFO, pid, ctypes.sizeof(info), info)
        if info.raw[0] == ENTRY and struct.unpack("Q", info.raw[24:32])[0] == WATCH:
            break
    with suppress(FileNotFoundError):
        os.unlink(path)
    print("watches", flush=True)
    ptrace(DETACH, pid)
    _, status = os.waitpid(pid, 0)
    sys.exit(abs(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
