/* SPDX-License-Identifier: MIT */
#include "host/netns.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uint64_t netns_of_self(void)
{
    struct stat found;
    return stat("/proc/self/ns/net", &found) == 0 ? found.st_ino : 0;
}

/* proc_pid_mountinfo(5): the fourth field is what is mounted, the fifth is where. */
static bool find_mount(uint64_t inode, char path[NETNS_PATH_BYTES])
{
    char wanted[64], what[64], *line = NULL;
    size_t capacity = 0;
    bool is_found = false;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    snprintf(wanted, sizeof(wanted), "net:[%" PRIu64 "]", inode);
    while (mounts && !is_found && getline(&line, &capacity, mounts) > 0)
        is_found = sscanf(line, "%*s %*s %*s %63s %255s", what, path) == 2 &&
                   strcmp(what, wanted) == 0;
    free(line);
    if (mounts)
        fclose(mounts);
    return is_found;
}

static bool find_process(uint64_t inode, char path[NETNS_PATH_BYTES])
{
    DIR *processes = opendir("/proc");
    bool is_found = false;
    for (struct dirent *entry; processes && !is_found && (entry = readdir(processes));) {
        struct stat found;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        snprintf(path, NETNS_PATH_BYTES, "/proc/%.20s/ns/net", entry->d_name);
        is_found = stat(path, &found) == 0 && found.st_ino == inode;
    }
    if (processes)
        closedir(processes);
    return is_found;
}

bool netns_find(uint64_t inode, char path[NETNS_PATH_BYTES])
{
    return find_mount(inode, path) || find_process(inode, path);
}
