/* SPDX-License-Identifier: MIT */
/* What others change in the host's network, told as events (RULES F4, F8). */
#ifndef HOST_WATCH_H
#define HOST_WATCH_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/prefix.h"
#include "base/text.h"

enum watch_kind {
    WATCH_LINK,    /* an interface came, changed (up, down, MTU) or went */
    WATCH_ROUTE,   /* a route that no Hopwire network made came, or any route went */
    WATCH_RULE,    /* a rule came or went, anybody's */
    WATCH_ADDRESS, /* an address came or went */
    WATCH_FILTER,  /* an interface's rp_filter changed, or was set for the first time */
    WATCH_TABLE,   /* something of a Hopwire network's nftables table changed, by ourselves too */
    WATCH_LOST,    /* the kernel had more to tell than fits: look at everything again */
};

struct watch_event {
    enum watch_kind kind;
    int interface_index; /* 0: none */
    bool is_gone;
    bool is_up;       /* of a link, as are the next three */
    uint32_t group;
    char name[IF_NAMESIZE];
    int master_index; /* of the bridge that it is a port of; 0: none */
    uint32_t table;   /* of a route, as is the next */
    struct prefix prefix;
    bool is_hopwires; /* of a route or rule: a Hopwire network made it, which one is not told */
};

struct watch {
    struct mnl_socket *socket;
};

/* For all but nftables. 0, or -errno and a sentence. */
int watch_open(struct watch *watch, struct text *why);
/* For links, routes and rules, also those of all namespaces that have a number for ours
 * (tun_place.h). The same. */
int watch_open_ways(struct watch *watch, struct text *why);
/* For nftables alone. The same. */
int watch_open_tables(struct watch *watch, struct text *why);
void watch_close(struct watch *watch); /* does nothing on a zeroed struct */
int watch_fd(const struct watch *watch);
/* Tells everything that is waiting and returns; never blocks. -errno when the socket is broken. */
int watch_read(struct watch *watch, void (*tell)(void *context, const struct watch_event *event),
               void *context);

#endif
