/* SPDX-License-Identifier: MIT */
/* A directory for files that only root may put there. */
#ifndef HOST_DIRECTORY_H
#define HOST_DIRECTORY_H

#include <sys/types.h>

#include "base/text.h"

/* Makes it with this mode when it is missing; refuses one that others may write to. 0, or -errno
 * and a sentence. */
int directory_make(const char *path, mode_t mode, struct text *why);

#endif
