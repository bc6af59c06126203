/* SPDX-License-Identifier: MIT */
/* The network's firewall table, kept up with what moves: the roots' endpoints and the LAN
 * (RULES F1, F4, F5). */
#ifndef DAEMON_GUARD_H
#define DAEMON_GUARD_H

#include "config/config.h"
#include "daemon/guests.h"
#include "daemon/root_ways.h"
#include "engine/engine.h"
#include "host/firewall.h"
#include "host/netlink.h"
#include "host/state.h"

/* What a reload holds until it is over; the rest of it until the name servers that it brings are
 * shown, and routed. */
#define GUARD_SERVERS_MOST 16 /* as many as a configuration names */
struct guard_hold {
    bool has_kill_switch;
    bool has_dns_guard;
    struct prefix servers[GUARD_SERVERS_MOST]; /* in tunnels that have no route there yet */
    size_t server_count;
};

struct guard {
    /* The caller's, before guard_lay; borrowed. */
    const struct config *config;
    struct engine *engine;
    struct netlink *netlink;
    uint32_t mark;
    int interface_index;
    bool has_kill_switch; /* the configuration's; or a crashed run's, until ours stands */
    struct guard_hold hold;
    bool is_translation_wanted; /* see nat64_endpoints.h: a question must be let out */

    /* Its own. */
    bool is_laid;
    struct firewall_laid laid;
    struct prefix *lan; /* what goes the host's own way wherever that leads, as last looked for */
    size_t lan_count;
    size_t allowed_count; /* the first of them pass the kill switch, the rest are DHCP servers */
    struct firewall_lan *on_link; /* what does while it is directly on a link */
    size_t on_link_count;
    struct guests guests; /* found with it */
    char told_guests[GUESTS_TEXT_BYTES]; /* as people were told of them */
    struct endpoint *endpoints; /* as last laid */
    size_t endpoint_count;
    bool has_told_of_switches; /* that they cannot be set: once is enough */
};

/* What `AllowLAN` means now, on the links of the default routes and of the roots' ways; with a kill
 * switch their DHCP servers too; and the host's guests. */
void guard_find_lan(struct guard *guard, const struct root_way *ways, size_t way_count);
/* A configuration's queries shall not leave past the tunnels, as these are now (RULES G3). */
bool guard_wants_dns_guard(const struct guard *guard, const struct config *config);
/* Puts all of it into the table. 0, or -errno and a sentence. */
int guard_lay(struct guard *guard, struct text *why);
/* The same, if the table stands and an endpoint is not in it. */
int guard_follow_endpoints(struct guard *guard, struct text *why);
/* Lays it again, if it was laid and does not stand as it was: 0, or -errno and a sentence; *found
 * is what it was like. */
int guard_restore(struct guard *guard, enum firewall_state *found, struct text *why);
void guard_wipe(struct guard *guard); /* the table stays */

/* Strict links look at the marks that the table gives back only with src_valid_mark: noted in the
 * state before that is written, and switched on after, but only where a route of ours takes a
 * relay's address, or a default route any: else the answers' way back is the uplink without it.
 * False: a warning, and not noted any more. Both may be said again: links come, others set their
 * filters, and relays move, after `up`. */
void guard_note_switch(const struct config *config, const struct engine *engine,
                       struct state *state);
bool guard_switch_on(struct state *state, struct text *why);

/* The table and the switch, as the state says. 0, or -errno and a sentence. */
int guard_undo(const char *network, const struct state *state, struct text *why);

#endif
