/* SPDX-License-Identifier: MIT */
/* A plain wg-quick file written back from the running tunnel (`SaveConfig`, `hopwire save`). */
#ifndef DAEMON_SAVING_H
#define DAEMON_SAVING_H

#include "base/text.h"

/* Asks the daemon by `wg`'s own socket of that name, and replaces the file as a whole, with its
 * mode and owner; a link to it stays one. Its directory must be writable. 0; -ENOENT: no daemon
 * listens, nothing was done; or -errno; with a sentence. */
int saving_write(const char *file, const char *wg_name, struct text *why);

#endif
