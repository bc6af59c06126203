/* SPDX-License-Identifier: MIT */
/* What a network would be like, without touching the host: MTUs, routes, and what would go
 * wrong. */
#ifndef DAEMON_CHECK_H
#define DAEMON_CHECK_H

#include "config/config.h"
#include "daemon/obstacles.h"

/* Appends lines for people. False: `up` would be refused, and what is appended is the reason. */
bool check_append(const struct config *config, struct text *text);

/* The same, and obstacles_refuse: what `up` says before it changes anything. 0, or -errno and a
 * sentence. */
int check_refuse(const struct config *config, const char *aead_backend,
                 const struct obstacles_held *held, struct text *why);

#endif
