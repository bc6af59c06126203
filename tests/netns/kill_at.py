# SPDX-License-Identifier: MIT
"""Runs a program and kills it, as kill -9 does, just before its Nth change of the host: a request to
the kernel's network that is no question, or a file or interface made, written, renamed or removed.

    kill_at.py N PROGRAM [ARGUMENT...]

Prints what it would have done next. A program that waits for events has started: then that is where
it is killed, and "started" is printed. Exit status 77: this machine allows no tracing."""

import ctypes
import os
import platform
import signal
import struct
import sys

TRACEME, CONT_TO_CALL, SETOPTIONS, CALL_INFO = 0, 24, 0x4200, 0x420e
SYSGOOD, EXITKILL = 1, 0x100000
ENTRY = 1
TUNSETIFF, O_WRITES = 0x400454ca, os.O_WRONLY | os.O_RDWR
AT_X86_64 = {1: "write", 16: "ioctl", 44: "sendto", 46: "sendmsg", 49: "bind", 82: "rename",
             83: "mkdir", 87: "unlink", 232: "epoll_wait", 257: "openat", 258: "mkdirat",
             263: "unlinkat", 264: "renameat", 281: "epoll_pwait", 316: "renameat2"}
ELSEWHERE = {22: "epoll_pwait", 29: "ioctl", 34: "mkdirat", 35: "unlinkat", 38: "renameat",
             56: "openat", 64: "write", 200: "bind", 206: "sendto", 211: "sendmsg",
             276: "renameat2"}
CALLS = AT_X86_64 if platform.machine() == "x86_64" else ELSEWHERE
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=0, data=0):
    result = libc.ptrace(ctypes.c_ulong(request), ctypes.c_ulong(pid), ctypes.c_void_p(address),
                         data if isinstance(data, ctypes.Array) else ctypes.c_void_p(data))
    if result < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    return result


def netlink_type(pid, call, arguments):
    """Of the first message that is sent; None when there is none."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        at = arguments[1]
        if call == "sendmsg":
            vector = struct.unpack("QQQ", os.pread(memory.fileno(), 24, at))[2]
            at = struct.unpack("Q", os.pread(memory.fileno(), 8, vector))[0]
        head = os.pread(memory.fileno(), 6, at)
    return struct.unpack("IH", head)[1] if len(head) == 6 else None


def changes(pid, call, arguments):
    """What the call changes, as words; None: nothing."""
    if call in ("sendto", "sendmsg"):
        kind = netlink_type(pid, call, arguments)
        is_question = kind is None or kind >> 8 or (kind >= 16 and kind % 4 == 2)
        return None if is_question else f"{call} {kind}"
    if call == "ioctl":
        return "ioctl TUNSETIFF" if arguments[1] == TUNSETIFF else None
    if call == "openat":
        return "openat to write" if arguments[2] & O_WRITES else None
    return call


def next_call(pid):
    """The next call that the program enters: (name or None, arguments); None: it ended."""
    info = ctypes.create_string_buffer(88)
    while True:
        ptrace(CONT_TO_CALL, pid)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return None
        if os.WSTOPSIG(status) != signal.SIGTRAP | 0x80:
            continue
        ptrace(CALL_INFO, pid, ctypes.sizeof(info), info)
        if info.raw[0] == ENTRY:
            number, *arguments = struct.unpack("7Q", info.raw[24:80])
            return CALLS.get(number), arguments


def main():
    wanted, argv = int(sys.argv[1]), sys.argv[2:]
    pid = os.fork()
    if pid == 0:
        try:
            ptrace(TRACEME, 0)
        except OSError:
            os._exit(77)
        os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        os.execvp(argv[0], argv)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        sys.exit(77)
    ptrace(SETOPTIONS, pid, 0, SYSGOOD | EXITKILL)
    count = 0
    while True:
        entered = next_call(pid)
        if entered is None:
            sys.exit("it ended by itself")
        call, arguments = entered
        words = changes(pid, call, arguments) if call else None
        has_started = call in ("epoll_wait", "epoll_pwait")
        count += words is not None
        if count == wanted or has_started:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            print("started" if has_started else words)
            return


if __name__ == "__main__":
    main()
