/* SPDX-License-Identifier: MIT */
/* Preloaded into a program, this makes it believe that the machine has slept for so many seconds as
 * the file that $HOPWIRE_TEST_SLEPT names says: CLOCK_BOOTTIME is ahead by them, and deadlines on
 * it, which only timerfd_settime sets as absolute ones, are put back. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static long slept_s(void)
{
    const char *path = getenv("HOPWIRE_TEST_SLEPT");
    char text[16] = "";
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        if (read(fd, text, sizeof(text) - 1) < 0)
            text[0] = '\0';
        close(fd);
    }
    return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_BOOTTIME)
        now->tv_sec += slept_s();
    return result;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *before)
{
    struct itimerspec moved = *when;
    if ((flags & TFD_TIMER_ABSTIME) && (moved.it_value.tv_sec || moved.it_value.tv_nsec)) {
        moved.it_value.tv_sec -= slept_s();
        if (moved.it_value.tv_sec < 0)
            moved.it_value = (struct timespec){.tv_nsec = 1};
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &moved, before);
}
