/* SPDX-License-Identifier: MIT */
#include "host/child.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 20 /* where nothing tells of the end */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool has_ended(pid_t child)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0;
}

bool child_wait(pid_t child, struct pollfd *others, unsigned count, int timeout_ms)
{
    int64_t end_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    struct pollfd sources[CHILD_OTHERS_MOST + 1];
    int process = (int)syscall(SYS_pidfd_open, child, 0);
    int ready = 0;
    bool is_over = false, is_late = false;
    while (!is_over && !is_late && ready <= 0) {
        int64_t left_ms = timeout_ms < 0 ? -1 : end_ms - now_ms();
        int wait_ms = left_ms > INT_MAX ? INT_MAX : (int)left_ms;
        is_late = timeout_ms >= 0 && left_ms <= 0;
        if (is_late)
            wait_ms = 0;
        else if (process < 0 && (wait_ms < 0 || wait_ms > LOOK_MS))
            wait_ms = LOOK_MS;
        if (count)
            memcpy(sources, others, count * sizeof(*sources));
        sources[count] = (struct pollfd){.fd = process, .events = POLLIN};
        ready = poll(sources, count + 1, wait_ms);
        is_over = has_ended(child);
    }
    if (process >= 0)
        close(process);
    for (unsigned i = 0; i < count; i++)
        others[i].revents = ready > 0 ? sources[i].revents : 0;
    return is_over;
}
