/* SPDX-License-Identifier: MIT */
/* "/run/hopwire/NAME.files": what a running network was read from, for `reload NAME`. Root reads
 * these, and runs the hooks in them: so it is not the daemon that is asked for them, and only root
 * with its rights writes them down (host/seal.h). */
#ifndef DAEMON_FILES_RECORD_H
#define DAEMON_FILES_RECORD_H

#include <stddef.h>

#include "base/text.h"

/* Whole paths. 0, or -errno and a sentence. */
int files_record_write(const char *network, const char *const *paths, size_t count,
                       struct text *why);
/* The paths, at most so many, and how many there are; they point into *bytes, to be freed. 0;
 * -ENOENT: there are none; or -errno and a sentence. */
int files_record_read(const char *network, const char **paths, size_t most, size_t *count,
                      char **bytes, struct text *why);
/* The network has ended. */
void files_record_remove(const char *network);

#endif
