/* SPDX-License-Identifier: MIT */
/* Prefixes against each other: what a network's tunnels and peers claim. Private to this room. */
#ifndef CONFIG_CONFLICT_H
#define CONFIG_CONFLICT_H

#include "config/source.h"

/* A2: the same prefix on two unrelated tunnels is refused; so is one that `Routes` both takes and
 * excepts. A prefix of two peers of one tunnel is warned about. */
void conflict_check_prefixes(struct loader *loader);
/* A4: routes outside the AllowedIPs are warned about. A5: an endpoint that its carrier cannot reach
 * is refused. TRAPS 18: so is a warning due where the main table leads a root's datagrams back. */
void conflict_check_reach(struct loader *loader);

#endif
