/* SPDX-License-Identifier: MIT */
#include "host/directory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int directory_make(const char *path, mode_t mode, struct text *why)
{
    struct stat found;
    if (mkdir(path, mode) < 0 && errno != EEXIST) {
        int error = errno;
        text_append(why, "cannot make the directory %s: %s%s", path, strerror(error),
                    error == EACCES ? "; run it as root" : "");
        return -error;
    }
    if (stat(path, &found) < 0 || !S_ISDIR(found.st_mode)) {
        text_append(why, "%s is not a directory: remove it", path);
        return -ENOTDIR;
    }
    if ((found.st_uid != 0 && found.st_uid != geteuid()) || (found.st_mode & 022)) {
        text_append(why, "others may write to the directory %s: give it to root, mode %04o", path,
                    (unsigned)mode);
        return -EPERM;
    }
    return 0;
}
