/* SPDX-License-Identifier: MIT */
/* A file in /run/hopwire whose words root will follow, which others of root's user can write as
 * well: the daemon is root's without root's rights, and parses packets. So it has a hash in an
 * attribute ("trusted.*", xattr(7)) that only CAP_SYS_ADMIN can set. Where nobody can (a container
 * without that right, a file system without attributes), the file's owner has to do. */
#ifndef HOST_SEAL_H
#define HOST_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#define SEAL_FILE_BYTES_MOST (1u << 20)

/* The file is these bytes from now on. `name`: what it is about, so that another's does not fit.
 * 0 or -errno. */
int seal_write(int file, const char *name, const char *bytes, size_t len);
/* The same of the file at a path, or it stays what it was: a new one beside it takes its place once
 * it is whole. A descriptor of that, locked (flock(2)) before anybody can open it; or -errno.
 * *is_sealed: this process could set the hash. */
int seal_replace(const char *path, const char *name, const char *bytes, size_t len,
                 bool *is_sealed);
/* The file at a path goes, with what one that was killed while it replaced it has left. 0, also
 * where others have removed it, or -errno. */
int seal_remove(const char *path);
/* Its bytes, with a NUL behind, to be wiped and freed; 0 or -errno. -EPERM: others than root with
 * all its rights wrote it. */
int seal_read(int file, const char *name, char **bytes, size_t *len);

#endif
