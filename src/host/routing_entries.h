/* SPDX-License-Identifier: MIT */
/* What can be said of a network's entries before any of them is laid. */
#ifndef HOST_ROUTING_ENTRIES_H
#define HOST_ROUTING_ENTRIES_H

#include <stddef.h>

#include "base/prefix.h"
#include "base/text.h"

enum routing_kind {
    ROUTING_TUNNEL,      /* to the interface */
    ROUTING_THROW,       /* an exception that no tunnel takes: the host's own routes decide */
    ROUTING_UNREACHABLE, /* a family that nobody has */
    ROUTING_LAN,         /* a link's own: like THROW, but main's default route never takes it */
};

struct routing_entry {
    struct prefix prefix; /* masked; each at most once */
    enum routing_kind kind;
    uint32_t mtu_bytes;    /* of the path; 0: the interface's */
    struct address source; /* the NAT address (F2) or the tunnel's own (B3); FAMILY_NONE: none */
    bool is_tunnels;       /* of ROUTING_LAN: a tunnel has the same prefix */
};

/* By prefix: family, address, length. */
int routing_entries_compare(const struct prefix *a, const struct prefix *b);
/* Of entries in that order the first that does not stand before the prefix. */
size_t routing_entries_find(const struct routing_entry *entries, size_t count,
                            const struct prefix *prefix);
/* Which halves of the families' addresses go into tunnels or nowhere by an entry for all of
 * each. */
unsigned routing_entries_halves(const struct routing_entry *entries, size_t count);
/* RULES A1: both halves together count as /0. */
bool routing_entries_is_default(const struct prefix *prefix, unsigned halves);
/* The ROUTING_LAN that would go into a tunnel or nowhere without main's route: the rules must end
 * their search. *lan is malloc's, the caller frees it. 0, or -ENOMEM and a sentence. */
int routing_entries_lan(bool has_kill_switch, const struct routing_entry *entries, size_t count,
                        struct prefix **lan, size_t *lan_count, struct text *why);

#endif
