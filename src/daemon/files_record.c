/* SPDX-License-Identifier: MIT */
#include "daemon/files_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "host/seal.h"
#include "host/state.h"

static int sources_path(const char *network, char path[STATE_PATH_BYTES], struct text *why)
{
    return state_path(network, ".files", path, why);
}

int files_record_write(const char *network, const char *const *paths, size_t count,
                       struct text *why)
{
    char path[STATE_PATH_BYTES];
    bool is_sealed;
    size_t len = 0;
    int result = sources_path(network, path, why);
    if (result != 0)
        return result;
    for (size_t i = 0; i < count; i++)
        len += strlen(paths[i]) + 1;
    char *bytes = malloc(len + 1);
    char *end = bytes;
    for (size_t i = 0; bytes && i < count; i++)
        end = stpcpy(end, paths[i]) + 1;
    int file = bytes ? seal_replace(path, network, bytes, len, &is_sealed) : -ENOMEM;
    free(bytes);
    if (file < 0) {
        text_append(why, "cannot write %s, so `hopwire reload` needs the file's name: %s", path,
                    strerror(-file));
        return file;
    }
    close(file);
    return 0;
}

int files_record_read(const char *network, const char **paths, size_t most, size_t *count,
                      char **bytes, struct text *why)
{
    char path[STATE_PATH_BYTES];
    size_t len = 0;
    *count = 0;
    *bytes = NULL;
    int result = sources_path(network, path, why);
    if (result != 0)
        return result;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    result = file < 0 || flock(file, LOCK_SH) < 0 ? -errno : seal_read(file, network, bytes, &len);
    if (file >= 0)
        close(file);
    for (size_t at = 0; result == 0 && at < len && *count < most; at += strlen(*bytes + at) + 1)
        paths[(*count)++] = *bytes + at;
    if (result == -EPERM)
        text_append(why, "%s is not as `hopwire` wrote it with root's rights", path);
    else if (result != 0 && result != -ENOENT)
        text_append(why, "cannot read %s: %s", path, strerror(-result));
    return result;
}

void files_record_remove(const char *network)
{
    char path[STATE_PATH_BYTES];
    if (sources_path(network, path, TEXT_UNHEARD) == 0)
        seal_remove(path);
}
