/* SPDX-License-Identifier: MIT */
#include "host/child.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

/* One that ends when the other end of the pipe is closed. */
static pid_t begin(int *until)
{
    int ends[2];
    CHECK_EQUAL(pipe(ends), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 7 : 1);
    }
    close(ends[0]);
    *until = ends[1];
    return child;
}

/* By its exit status; 0: as it should be. */
static int look_at_all(void)
{
    int until, others[2], status, faults = pipe(others);
    pid_t child = begin(&until);
    struct pollfd sources[] = {{.fd = others[0], .events = POLLIN}, {.fd = -1}};
    faults += child_wait(child, NULL, 0, 0);
    faults += child_wait(child, sources, 2, 50) || sources[0].revents;
    faults += write(others[1], "x", 1) != 1;
    faults += child_wait(child, sources, 2, -1) || sources[0].revents != POLLIN;
    close(until);
    faults += !child_wait(child, NULL, 0, -1);
    faults += !child_wait(child, NULL, 0, 0);
    faults += waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7;
    close(others[0]);
    close(others[1]);
    return faults;
}

static void test_it_waits_for_the_child_the_others_and_the_time(void)
{
    CHECK_EQUAL(look_at_all(), 0);
}

static void nothing(int number)
{
    (void)number;
}

static void test_a_signal_does_not_end_the_wait(void)
{
    struct sigaction heard = {.sa_handler = nothing};
    int until, status;
    pid_t child = begin(&until);
    sigaction(SIGALRM, &heard, NULL);
    const struct itimerspec soon = {.it_value.tv_nsec = 20000000};
    timer_t timer;
    CHECK_EQUAL(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    CHECK_EQUAL(timer_settime(timer, 0, &soon, NULL), 0);
    CHECK(!child_wait(child, NULL, 0, 200));
    timer_delete(timer);
    close(until);
    CHECK(child_wait(child, NULL, 0, -1));
    waitpid(child, &status, 0);
}

/* As an older container's list of calls does. */
static bool forbid_pidfd_open(void)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {.len = sizeof(steps) / sizeof(*steps), .filter = steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void test_I6_it_does_without_pidfd_open(void)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(!forbid_pidfd_open() ? 77 : look_at_all());
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        tap_skip("no filter of system calls here");
    else
        CHECK_EQUAL(status, 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_it_waits_for_the_child_the_others_and_the_time);
    TAP_RUN(argc, argv, test_a_signal_does_not_end_the_wait);
    TAP_RUN(argc, argv, test_I6_it_does_without_pidfd_open);
    return tap_done();
}
