/* SPDX-License-Identifier: MIT */
/* A whole file of /proc, of /etc or of ours, as text. */
#ifndef HOST_SMALL_FILE_H
#define HOST_SMALL_FILE_H

#include <stddef.h>

/* What the descriptor has from where it stands, malloc's, with a NUL behind; NULL: errno says why,
 * EFBIG: it has more than `most` bytes. */
char *small_file_take(int file, size_t most, size_t *len);
/* The same of the file at the path. */
char *small_file_read(const char *path, size_t most);
/* The file at the path is these bytes, 0600, or what it was, whenever the power goes. 0 or
 * -errno. */
int small_file_replace(const char *path, const char *bytes, size_t len);

#endif
