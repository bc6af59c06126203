/* SPDX-License-Identifier: MIT */
#include "daemon/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define RESERVE_TO_UNDO 12

static void give_down_to(struct reserve *reserve, size_t count)
{
    while (reserve->count > count)
        close(reserve->fds[--reserve->count]);
}

int reserve_take(struct reserve *reserve, struct text *why)
{
    while (reserve->count < RESERVE_MOST) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            int error = errno;
            reserve_give(reserve);
            text_append(why,
                        "without %d more descriptors it could not be undone (%s): raise the limit "
                        "(`ulimit -n`, or LimitNOFILE of its service)",
                        RESERVE_MOST, strerror(error));
            return -error;
        }
        reserve->fds[reserve->count++] = fd;
    }
    return 0;
}

void reserve_started(struct reserve *reserve)
{
    give_down_to(reserve, RESERVE_TO_UNDO);
}

void reserve_give(struct reserve *reserve)
{
    give_down_to(reserve, 0);
}
