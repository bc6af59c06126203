/* SPDX-License-Identifier: MIT */
/* What a person should know of what the host has beside a network: others' routing rules (RULES
 * F1), and a family that no tunnel takes (F2). A line each, as `check` and `up` say them. */
#ifndef DAEMON_BESIDE_H
#define DAEMON_BESIDE_H

#include "base/log_sink.h"
#include "config/config.h"
#include "host/foreign_rules.h"
#include "host/routing.h"

#define BESIDE_BYTES 16384 /* room for all of it */

/* `routing` NULL: not up. Nothing is said of what cannot be read. */
void beside_append(const struct config *config, const struct routing *routing,
                   struct netlink *netlink, struct text *text);

/* The foreign rules in front of a network's that is up. */
struct beside {
    struct foreign_rule *rules;
    size_t count;
    bool *are_new;   /* came after the first look */
    bool has_looked;
};

/* Looks again; `log` hears a line for each that came since the last look. */
void beside_look(struct beside *beside, const struct routing *routing, struct netlink *netlink,
                 struct log_sink log);
void beside_wipe(struct beside *beside);

#endif
