/* SPDX-License-Identifier: MIT */
/* The plan that brings the host's traffic to the TUN and lets nothing past it: RULES F1, F2, F3.
 * In this order a packet without a mark of ours asks: the first table (prefixes longer than /0),
 * main without its default route, the second table (/0, or its two halves). Every prefix has an
 * `unreachable` twin of the last metric, so the TUN may go and nothing leaks until routing_undo. */
#ifndef HOST_ROUTING_H
#define HOST_ROUTING_H

#include "base/prefix.h"
#include "engine/network.h"
#include "host/netlink.h"
#include "host/sysctl.h"

#define ROUTING_NUMBER_FIRST 51820u /* 0xca6c: marks and tables of networks count up from here */
#define ROUTING_NUMBER_LAST 0xcaffu

enum routing_mode {
    ROUTING_AUTO, /* two tables and rules of our own */
    ROUTING_OFF,  /* `Table = off`: no route, no rule */
    ROUTING_TABLE /* `Table = N`: all routes there, no rule */
};

enum routing_kind {
    ROUTING_TUNNEL,      /* to the interface */
    ROUTING_THROW,       /* an exception that no tunnel takes: the host's own routes decide */
    ROUTING_UNREACHABLE, /* a family that nobody has */
};

struct routing_entry {
    struct prefix prefix; /* masked; each at most once */
    enum routing_kind kind;
    uint32_t mtu_bytes;    /* of the path; 0: the interface's */
    struct address source; /* the NAT address (F2) or the tunnel's own (B3); FAMILY_NONE: none */
};

/* What was laid out: plain data, enough to undo it; the state file keeps it. */
struct routing {
    enum routing_mode mode;
    uint32_t mark;      /* for our sockets; 0xca6c to 0xcaff */
    uint32_t tables[2]; /* ROUTING_TABLE: only the first, the user's */
    uint32_t
        priorities[3];    /* of the rules: first table, main, second table; same in both families */
    uint32_t twin_metric; /* of unreachable and throw routes */
    int interface_index;
    char interface_name[16];
    enum sysctl_ipv6 ipv6; /* ABSENT: IPv6 entries are passed over; DISABLED: made unreachable */
    bool has_kill_switch;  /* no rule for main: its longer prefixes do not go before our /0 */
};

struct routing_choice {
    enum routing_mode mode;
    uint32_t table; /* ROUTING_TABLE: the user's */
    const char *interface_name;
    int interface_index;
    const uint32_t *taken_marks; /* of networks that have yet to lay theirs, or to be undone */
    size_t taken_count;
};

/* Finds a mark, tables and priorities that no rule, no route and no other network uses; changes
 * nothing. The kill switch is the caller's to set. The caller writes the state file before
 * routing_lay. */
int routing_choose(struct netlink *netlink, const struct routing_choice *choice,
                   struct routing *routing, struct text *why);
/* Lays out rules and routes. The interface is up and has its addresses. On failure everything is
 * undone. -EEXIST: someone took the same numbers since routing_choose; choose again. */
int routing_lay(struct netlink *netlink, const struct routing *routing,
                const struct routing_entry *entries, size_t count, struct text *why);
/* Adds the rules that somebody removed since routing_lay; those that stand are left alone, so that
 * of several networks each looks after its own. */
int routing_keep_rules(struct netlink *netlink, const struct routing *routing, struct text *why);
/* Makes the laid-out routes exactly these, twins and new routes first, what goes last: also after
 * the kernel removed some (E4), also when nothing changed. On failure the routes that stood before
 * stand again. */
int routing_update(struct netlink *netlink, const struct routing *routing,
                   const struct routing_entry *entries, size_t count, struct text *why);
/* Removes all of it, in any state, as often as called; tries everything and says the first
 * failure. `routing` may come from a state file alone. */
int routing_undo(struct netlink *netlink, const struct routing *routing, struct text *why);

#endif
