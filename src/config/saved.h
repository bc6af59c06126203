/* SPDX-License-Identifier: MIT */
/* A plain wg-quick file as it should be written back (SaveConfig): the keys of `wg` and the peers
 * are what a running tunnel has, and everything else, comments with it, is as it was. */
#ifndef CONFIG_SAVED_H
#define CONFIG_SAVED_H

#include "base/memory.h"
#include "base/text.h"

/* The name of the interface with the number (if_indextoname(3)); NULL: there is none. */
typedef char *(*saved_name_zone)(unsigned number, char *name);

/* `old`: the file, NUL-terminated; `answer`: what the tunnel answered to `get=1` (uapi_get.h),
 * which is cut in place. Peers come in the answer's order, each in one section with the comments
 * that its sections had, before them or inside. FwMark stays where the file has one, with the
 * running value. A zone is written by its name, since its number is another one after a boot.
 * False: `answer` is none, or no memory; `text` then is of no use. Holds keys, as do both texts. */
bool saved_write(const char *old, char *answer, saved_name_zone name_zone,
                 const struct memory *memory, struct text *text);
/* Whether the file has a key in it that is secret; what saved_write makes of it may have one
 * anyway. */
bool saved_has_secret(const char *old);

#endif
