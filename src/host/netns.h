/* SPDX-License-Identifier: MIT */
/* Network namespaces by the number of their inode, namespaces(7): rules and routes lie in one of
 * them and nowhere else. */
#ifndef HOST_NETNS_H
#define HOST_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETNS_PATH_BYTES 256

/* 0: /proc is not there. */
uint64_t netns_of_self(void);
/* A path by which the namespace can be entered (nsenter --net=PATH): where it is mounted, else a
 * process of it. False: none that this process may see; most probably it is gone. */
bool netns_find(uint64_t inode, char path[NETNS_PATH_BYTES]);

#endif
