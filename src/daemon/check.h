/* SPDX-License-Identifier: MIT */
/* What a network would be like, without touching the host: MTUs, routes, and what would go
 * wrong. */
#ifndef DAEMON_CHECK_H
#define DAEMON_CHECK_H

#include "config/config.h"

/* Appends lines for people. False: `up` would be refused, and what is appended is the reason. */
bool check_append(const struct config *config, struct text *text);

#endif
