/* SPDX-License-Identifier: MIT */
#include "daemon/system_calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rigs/seccomp_child.h"
#include "tap.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER true
#else
#define HAS_SANITIZER false
#endif

#define NEWER_THAN_ANY 599

static bool limit(pid_t child)
{
    struct text why = TEXT_ROOM(256);
    if (system_calls_limit(child, &why) == 0)
        return true;
    printf("# %s\n", why.bytes);
    _exit(2);
}

static bool is_refused(const char *name, long call, int expected)
{
    errno = 0;
    long result = syscall(call, 0L, 0L, 0L, 0L, 0L, 0L);
    if (result == -1 && errno == expected)
        return true;
    printf("# %s: %ld, %s\n", name, result, strerror(errno));
    return false;
}

#define IS_REFUSED(name) is_refused(#name, SYS_##name, EPERM)

/* Without the list root may do all of this, or is told of a fault in the arguments. */
static bool refuses(void)
{
    static const char *const shell[] = {"/bin/true", NULL};
    limit(0);
    bool is_right = execve(shell[0], (char *const *)shell, environ) == -1 && errno == EPERM;
    is_right &=
        IS_REFUSED(execveat) & IS_REFUSED(init_module) & IS_REFUSED(finit_module) &
        IS_REFUSED(delete_module) & IS_REFUSED(mount) & IS_REFUSED(umount2) &
        IS_REFUSED(pivot_root) & IS_REFUSED(chroot) & IS_REFUSED(bpf) & IS_REFUSED(keyctl) &
        IS_REFUSED(add_key) & IS_REFUSED(request_key) & IS_REFUSED(open_by_handle_at) &
        IS_REFUSED(name_to_handle_at) & IS_REFUSED(kexec_load) & IS_REFUSED(reboot) &
        IS_REFUSED(swapon) & IS_REFUSED(setns) & IS_REFUSED(unshare) & IS_REFUSED(perf_event_open) &
        IS_REFUSED(userfaultfd) & IS_REFUSED(io_uring_setup) & IS_REFUSED(process_vm_writev) &
        IS_REFUSED(setuid) & IS_REFUSED(setgid) & IS_REFUSED(capset) & IS_REFUSED(mknodat) &
        IS_REFUSED(symlinkat) & IS_REFUSED(linkat) & IS_REFUSED(fchownat) & IS_REFUSED(setxattr) &
        IS_REFUSED(clock_settime) & IS_REFUSED(seccomp) & IS_REFUSED(kill) & IS_REFUSED(tkill);
    is_right &= syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 && errno == EPERM;
    is_right &= syscall(SYS_tgkill, getpid(), getpid(), 0) == 0;
    is_right &= is_refused("the newest", NEWER_THAN_ANY, ENOSYS);
    is_right &= socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EPERM;
    is_right &= socket(AF_VSOCK, SOCK_STREAM, 0) == -1 && errno == EPERM;
    is_right &= ioctl(STDIN_FILENO, TIOCSTI, "x") == -1 && errno == EPERM;
    if (!HAS_SANITIZER) {
        is_right &= IS_REFUSED(ptrace) & IS_REFUSED(clone) & IS_REFUSED(process_vm_readv) &
                    is_refused("clone3", SYS_clone3, ENOSYS);
        is_right &= fork() == -1;
    }
    return is_right;
}

static void test_I5_no_program_module_mount_or_trace(void)
{
    seccomp_child_check(refuses);
}

static bool netlink_works(int protocol)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    return fd >= 0 && bind(fd, (void *)&any, sizeof(any)) == 0 && close(fd) == 0;
}

static bool files_work(void)
{
    char path[] = "/tmp/hopwire-calls-XXXXXX", other[64];
    int fd = mkstemp(path);
    snprintf(other, sizeof(other), "%s.new", path);
    bool is_right = fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 && fchmod(fd, 0600) == 0;
    is_right &= rename(path, other) == 0 && unlink(other) == 0 && close(fd) == 0;
    return is_right && access("/", R_OK) == 0;
}

static bool lets_pass(void)
{
    limit(0);
    int udp = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0), ends[2];
    bool is_right = netlink_works(NETLINK_ROUTE) & netlink_works(NETLINK_NETFILTER) & files_work();
    is_right &= udp >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && close(udp) == 0;
    is_right &= epoll_create1(EPOLL_CLOEXEC) >= 0;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    is_right &= page != MAP_FAILED && munmap(page, 4096) == 0;
    void *large = malloc(1 << 24); /* the allocator asks the kernel */
    is_right &= large != NULL;
    free(large);
    return is_right;
}

static void test_I5_what_the_daemon_does_works(void)
{
    seccomp_child_check(lets_pass);
}

static bool is_off(void)
{
    setenv("HOPWIRE_NO_SECCOMP", "1", 1);
    limit(0);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 && setuid(getuid()) == 0;
}

/* It ends with its parent, at the latest. */
static pid_t start_pausing(void)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(1);
    }
    return child;
}

/* The keeper of the system's DNS, say. */
static bool ends_its_child(void)
{
    pid_t child = start_pausing(), other = start_pausing();
    limit(child);
    bool is_right = kill(other, SIGKILL) == -1 && errno == EPERM;
    int process = (int)syscall(SYS_pidfd_open, child, 0), status = 0;
    struct pollfd ended = {.fd = process, .events = POLLIN};
    is_right &= process >= 0 && kill(child, SIGKILL) == 0 && poll(&ended, 1, 5000) == 1;
    is_right &= waitpid(child, &status, 0) == child && WIFSIGNALED(status);
    return is_right;
}

static void test_I5_of_processes_only_the_child_can_be_ended(void)
{
    seccomp_child_check(ends_its_child);
}

static void test_I5_it_can_be_switched_off(void)
{
    seccomp_child_check(is_off);
}

int main(int argc, char **argv)
{
    unsetenv("HOPWIRE_NO_SECCOMP");
    TAP_RUN(argc, argv, test_I5_no_program_module_mount_or_trace);
    TAP_RUN(argc, argv, test_I5_what_the_daemon_does_works);
    TAP_RUN(argc, argv, test_I5_of_processes_only_the_child_can_be_ended);
    TAP_RUN(argc, argv, test_I5_it_can_be_switched_off);
    return tap_done();
}
