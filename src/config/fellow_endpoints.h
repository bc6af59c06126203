/* SPDX-License-Identifier: MIT */
/* The ways to literal endpoints inside other peers of the same tunnel (RULES A8, A5, H6): refuses
 * those that lead nowhere, and tells of an endpoint that another tunnel has, which it does not
 * ride. Private to this room. */
#ifndef CONFIG_FELLOW_ENDPOINTS_H
#define CONFIG_FELLOW_ENDPOINTS_H

#include "config/source.h"

/* The tree can be walked. */
void fellow_endpoints_check(struct loader *loader);

#endif
