/* SPDX-License-Identifier: MIT */
/* /etc/resolv.conf as Hopwire's networks write it where nobody keeps it for us: it shows the
 * servers of the network that was set last, and when none is left what others had there. All of it
 * follows from the records and the file as it is, so networks may end in any order, and each step
 * may be done again (RULES F7, G3). Under dns_record_lock. */
#ifndef HOST_DNS_FILE_H
#define HOST_DNS_FILE_H

#include "host/dns_record.h"

#define DNS_FILE "/etc/resolv.conf"

/* Which file stands there: "plain", one that can be replaced (or none, or a link: the link is
 * replaced); else the mount of its own, by device and inode: that is written in place. */
void dns_file_key(char key[DNS_RECORD_KEY_BYTES]);

/* A network wrote what stands in the text. */
bool dns_file_is_ours(const char *text);

/* Shows what should be there, with `leaving`'s (or NULL) record counted as gone. What others wrote
 * since is kept, to be restored. 1: it was changed; 0: it stood so; or -errno and a sentence,
 * -EXDEV if `key` names another file than the one here. */
int dns_file_settle(const char *key, const char *leaving, struct text *why);

/* Whether it could be written, as far as no right of this process is needed to tell. 0, or -EROFS
 * and the sentence that dns_file_settle would have. */
int dns_file_look(struct text *why);

/* Drops what was kept of a mount that is not here any more, if no record needs it. */
void dns_file_forget(const char *key);

/* The path of what others had there, while ours stands in it. */
void dns_file_before(char path[STATE_PATH_BYTES]);

#endif
