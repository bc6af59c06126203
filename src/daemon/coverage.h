/* SPDX-License-Identifier: MIT */
/* How much of the address space a tunnel's routes take. */
#ifndef DAEMON_COVERAGE_H
#define DAEMON_COVERAGE_H

#include "engine/description.h"

/* Its Routes (by default its peers' AllowedIPs) without their exceptions, the longest deciding, are
 * more than half of all addresses of the family: /0, "everything but private prefixes" (RULES
 * G3). */
bool coverage_is_most(const struct tunnel_description *tunnel, enum family family);

#endif
