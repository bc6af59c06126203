/* SPDX-License-Identifier: MIT */
#include "host/state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "host/state.h"

#define TRIES 100
#define PAUSE_NS 100000000
#define RULES_TRIES 50
#define RULES_PAUSE_NS 2000000

int state_lock(struct text *why)
{
    char path[STATE_PATH_BYTES];
    int len = snprintf(path, sizeof(path), "%s/.lock", state_directory());
    if (len < 0 || (size_t)len >= sizeof(path)) {
        text_append(why, "the directory %.80s… has too long a path: set HOPWIRE_RUN_DIR shorter",
                    state_directory());
        return -ENAMETOOLONG;
    }
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        int error = errno;
        text_append(why, "cannot open the lock %s: %s", path, strerror(error));
        return -error;
    }
    for (unsigned i = 0; i < TRIES; i++) {
        if (flock(file, LOCK_EX | LOCK_NB) == 0)
            return file;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    close(file);
    text_append(why, "another `hopwire up` holds %s: wait for it, or end it", path);
    return -EBUSY;
}

/* The same file, which is all that stays in the directory: a record lock does not meet the whole
 * file's. */
int state_lock_rules(void)
{
    char path[STATE_PATH_BYTES];
    struct flock first_byte = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    int len = snprintf(path, sizeof(path), "%s/.lock", state_directory());
    int file = len > 0 && (size_t)len < sizeof(path)
                   ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
                   : -1;
    for (unsigned i = 0; file >= 0 && i < RULES_TRIES; i++) {
        if (fcntl(file, F_OFD_SETLK, &first_byte) == 0)
            return file;
        nanosleep(&(struct timespec){.tv_nsec = RULES_PAUSE_NS}, NULL);
    }
    if (file >= 0)
        close(file);
    return -1;
}
