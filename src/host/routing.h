/* SPDX-License-Identifier: MIT */
/* The plan that brings the host's traffic to the TUN and lets nothing past it: RULES F1, F2, F3.
 * In this order a packet without a mark of ours asks: the first table (prefixes longer than /0),
 * main without its default route, the second table (/0, or its two halves). Where these rules stand
 * among others' is rule_order.h's. Every prefix has an `unreachable` twin of the last metric, so
 * the TUN may go and nothing leaks until routing_undo. */
#ifndef HOST_ROUTING_H
#define HOST_ROUTING_H

#include "base/prefix.h"
#include "engine/description.h"
#include "host/netlink.h"
#include "host/routing_data.h"
#include "host/routing_entries.h"

/* Marks and tables of networks count up from here: neither what wg-quick takes (51820 and up) nor
 * over the bits of kubelet (0xc000), Cilium (0x0f00) and Tailscale (0xff0000). */
#define ROUTING_MARK_FIRST 0x48000001u
#define ROUTING_MARK_LAST 0x480000ffu
#define ROUTING_TABLE_FIRST 4800u
#define ROUTING_TABLE_LAST (ROUTING_TABLE_FIRST + 2 * (ROUTING_MARK_LAST - ROUTING_MARK_FIRST) + 1)
/* An earlier version's, which a crash of it may have left: a mark was its first table's number. */
#define ROUTING_OLD_FIRST 51820u
#define ROUTING_OLD_LAST 0xcaffu

struct routes_standing;

struct routing_choice {
    enum routing_mode mode;
    uint32_t table; /* ROUTING_TABLE: the user's */
    const char *interface_name;
    int interface_index;
    uint32_t mark; /* the user's, with its mask; 0: one of ours */
    uint32_t mask;
    uint32_t priority;     /* 0: behind the local table's rule */
    const uint32_t *taken; /* marks and tables of networks yet to lay theirs, or to be undone */
    size_t taken_count;
};

/* Finds a mark and tables that no rule, no route and no other network uses; changes nothing. The
 * kill switch is the caller's to set. The caller writes the state file before routing_lay. */
int routing_choose(struct netlink *netlink, const struct routing_choice *choice,
                   struct routing *routing, struct text *why);
/* What routing_lay would refuse of these, as the tables are now; changes nothing. 0, or -errno and
 * a sentence. */
int routing_look(struct netlink *netlink, const struct routing *routing,
                 const struct routing_entry *entries, size_t count, struct text *why);
/* Lays out rules and routes. The interface is up and has its addresses. On failure everything is
 * undone. -EEXIST: someone took the same numbers since routing_choose; choose again. */
int routing_lay(struct netlink *netlink, struct routing *routing,
                const struct routing_entry *entries, size_t count, struct text *why);
/* Makes the laid-out routes exactly these, twins and new routes first, what goes last, and the
 * rules stand as they should: also after the kernel or somebody removed some, also when nothing
 * changed. On failure the routes that stood before stand again. */
int routing_update(struct netlink *netlink, struct routing *routing,
                   const struct routing_entry *entries, size_t count, struct text *why);
/* The same for as many routes as one likes: what stands is known, unless it was forgotten, and the
 * kernel is asked for nothing but the difference. Takes the entries over (malloc's, in the order of
 * routing_entries_compare). */
int routing_follow(struct netlink *netlink, struct routing *routing,
                   struct routes_standing *standing, struct routing_entry *entries, size_t count,
                   struct text *why);
/* Removes all of it, in any state, as often as called; tries everything and says the first
 * failure. `routing` may come from a state file alone. */
int routing_undo(struct netlink *netlink, const struct routing *routing, struct text *why);

#endif
