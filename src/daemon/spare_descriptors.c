/* SPDX-License-Identifier: MIT */
#include "daemon/spare_descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define RESERVE_TO_UNDO 12

static void give_down_to(struct spare_descriptors *reserve, size_t count)
{
    while (reserve->count > count)
        close(reserve->fds[--reserve->count]);
}

int spare_descriptors_take(struct spare_descriptors *reserve, struct text *why)
{
    while (reserve->count < SPARE_DESCRIPTORS_MOST) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            int error = errno;
            spare_descriptors_give(reserve);
            text_append(why,
                        "without %d more descriptors it could not be undone (%s): raise the limit "
                        "(`ulimit -n`, or LimitNOFILE of its service)",
                        SPARE_DESCRIPTORS_MOST, strerror(error));
            return -error;
        }
        reserve->fds[reserve->count++] = fd;
    }
    return 0;
}

void spare_descriptors_started(struct spare_descriptors *reserve)
{
    give_down_to(reserve, RESERVE_TO_UNDO);
}

void spare_descriptors_give(struct spare_descriptors *reserve)
{
    give_down_to(reserve, 0);
}
