/* SPDX-License-Identifier: MIT */
/* An error, not the end of the process: a call that a library begins to need some day costs what it
 * was for, not the network. Names that this machine or libseccomp does not know are passed over. */
#include "daemon/system_calls.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

/* Calls are numbered alike on all architectures from here on: clone3, of Linux 5.3, is the first
 * for which libraries try something else when it is ENOSYS. */
#define NEW_CALLS_FIRST 435
#define NEW_CALLS_LAST 600

static const char *const allowed[] = {
    /* what is open */
    "read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev", "lseek",
    "_llseek", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "fcntl64", "poll", "ppoll",
    "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
    "timerfd_create", "timerfd_settime", "timerfd_settime64", "timerfd_gettime",
    "timerfd_gettime64", "signalfd4", "pipe", "pipe2", "flock",
    /* sockets; which, is said below (not where one call is for all, on 32-bit machines) */
    "socketcall", "socketpair", "connect", "bind", "listen", "accept", "accept4", "getsockname",
    "getpeername", "getsockopt", "setsockopt", "shutdown", "send", "sendto", "sendmsg", "sendmmsg",
    "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64",
    /* files: the state, the control socket, /proc, name servers */
    "open", "openat", "stat", "stat64", "fstat", "fstat64", "lstat", "lstat64", "newfstatat",
    "fstatat64", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64", "access", "faccessat",
    "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "getcwd", "rename",
    "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "chmod", "fchmod",
    "fchmodat", "fchmodat2", "ftruncate", "ftruncate64", "fsync", "fdatasync", "umask",
    /* memory */
    "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "brk", "mlock", "mlock2", "munlock",
    "membarrier",
    /* time, chance, itself */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "clock_nanosleep",
    "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times", "getrandom", "getpid",
    "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32",
    "getgid32", "getegid32", "getgroups", "uname", "sysinfo", "getrlimit", "ugetrlimit",
    "getrusage", "sched_yield", "sched_getaffinity", "getcpu", "capget", "rseq", "arch_prctl",
    "set_robust_list",
    /* signals, waiting, the end */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigpending",
    "rt_sigtimedwait", "rt_sigtimedwait_time64", "sigaltstack", "futex", "futex_time64", "wait4",
    "waitid", "restart_syscall", "exit", "exit_group"};

/* What looks for leaks when the process ends stops all of its threads, from another one. */
static const char *const allowed_to_sanitizers[] = {
    "clone",       "clone3",      "ptrace",         "prctl", "process_vm_readv",
    "personality", "sigaltstack", "set_tid_address"};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int allow(scmp_filter_ctx filter, const char *const *names, size_t count)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);
        if (call >= 0)
            result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
    }
    return result;
}

static bool is_allowed(int call)
{
    for (size_t i = 0; i < COUNT(allowed); i++)
        if (seccomp_syscall_resolve_name(allowed[i]) == call)
            return true;
    for (size_t i = 0; HAS_SANITIZER && i < COUNT(allowed_to_sanitizers); i++)
        if (seccomp_syscall_resolve_name(allowed_to_sanitizers[i]) == call)
            return true;
    return false;
}

/* Where the first argument is this number. */
static int allow_for(scmp_filter_ctx filter, const char *name, scmp_datum_t number)
{
    int call = seccomp_syscall_resolve_name(name);
    return call < 0 ? 0
                    : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                                       SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, number));
}

/* Of processes only itself: its limits, abort(); and its child. */
static int allow_processes(scmp_filter_ctx filter, pid_t child)
{
    int result = allow_for(filter, "prlimit64", 0);
    if (result == 0)
        result = allow_for(filter, "tgkill", (scmp_datum_t)getpid());
    if (result == 0 && child > 0)
        result = allow_for(filter, "kill", (scmp_datum_t)child);
    if (result == 0 && child > 0)
        result = allow_for(filter, "pidfd_open", (scmp_datum_t)child);
    return result;
}

static int add_rules(scmp_filter_ctx filter, pid_t child)
{
    int result = allow(filter, allowed, COUNT(allowed));
    if (result == 0 && HAS_SANITIZER)
        result = allow(filter, allowed_to_sanitizers, COUNT(allowed_to_sanitizers));
    for (size_t i = 0; i < COUNT(families) && result == 0; i++)
        result = allow_for(filter, "socket", (scmp_datum_t)families[i]);
    if (result == 0)
        result = allow_processes(filter, child);
    /* A terminal's input is not ours to write. */
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                  SCMP_A1(SCMP_CMP_NE, TIOCSTI));
    int pidfd_open = seccomp_syscall_resolve_name("pidfd_open");
    for (int call = NEW_CALLS_FIRST; call <= NEW_CALLS_LAST && result == 0; call++)
        if (!is_allowed(call) && call != pidfd_open)
            result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0);
    return result;
}

int system_calls_limit(pid_t child, struct text *why)
{
    const char *off = getenv("HOPWIRE_NO_SECCOMP");
    if (off && *off && strcmp(off, "0") != 0)
        return 0;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int result = filter ? 0 : -ENOMEM;
    if (result == 0)
        result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    if (result == 0)
        result = add_rules(filter, child);
    /* A tree of calls instead of a list: few comparisons a call. Older libraries have none. */
    if (result == 0)
        (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (result == 0)
        result = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    if (result != 0)
        text_append(why, "the system calls that it may make cannot be limited (seccomp): %s",
                    strerror(-result));
    return result;
}
