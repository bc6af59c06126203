/* SPDX-License-Identifier: MIT */
/* The network's one interface on this host: its addresses, its MTU, and the routes that lead to it
 * (RULES B1, B3, E2, E4, F2, F6). */
#ifndef DAEMON_INTERFACE_H
#define DAEMON_INTERFACE_H

#include "config/config.h"
#include "engine/engine.h"
#include "host/firewall.h"
#include "host/link.h"
#include "host/routing.h"
#include "host/state.h"

/* Quiet, with its addresses and MTU, up. A family the host has not is passed over. */
int interface_configure(struct netlink *netlink, int index, const struct config *config,
                        const struct engine *engine, enum sysctl_ipv6 ipv6, struct text *why);
/* The MTU again, after a root's changed; addresses that the kernel removed stand again. */
int interface_update(struct netlink *netlink, int index, const struct config *config,
                     const struct engine *engine, enum sysctl_ipv6 ipv6, struct text *why);

/* Addresses that a configuration gave the interface, and the next one may take away. Zeroed: none;
 * the array is malloc's, the caller frees it. */
struct interface_leaving {
    struct address *addresses;
    size_t count;
};
/* Those of a configuration are added. False: no memory. */
bool interface_note_leaving(struct interface_leaving *leaving, const struct config *config);
/* Takes away those that the configuration has not; what cannot be taken stays noted. After the
 * routes: the kernel removes those that have one for their source. 0, or -errno and a sentence. */
int interface_leave(struct netlink *netlink, int index, const struct config *config,
                    struct interface_leaving *leaving, struct text *why);

/* What goes the host's own way, past the tunnels; borrowed. */
struct interface_exceptions {
    const struct prefix *lan; /* wherever that leads, also where a tunnel has the same prefix */
    size_t lan_count;
    const struct firewall_lan *on_link; /* the same, but only while the host is directly there */
    size_t on_link_count;
    const struct prefix *guests; /* so too, where a tunnel has no more than a shorter one */
    size_t guest_count;
    const struct prefix *held; /* what leads nowhere as long as no tunnel has a route there */
    size_t held_count;
};

/* Those of interface_routes for an interface that is not there yet, whose MTUs nobody knows: for
 * routing_look. 0; -ENOMEM; or -EINVAL, where the routes are refused, which `check` tells. */
int interface_routes_ahead(const struct config *config, struct routing_entry **entries,
                           size_t *count);
/* What of the configuration chooses marks, tables and priority. */
struct routing_choice interface_choice(const struct config *config, const char *name, int index,
                                       const struct state_numbers *taken);

/* The routes to lay out. *entries is malloc's, the caller frees it. -ENOMEM. */
int interface_routes(const struct config *config, const struct engine *engine,
                     const struct interface_exceptions *exceptions,
                     struct routing_entry **entries, size_t *count);

/* The largest MTU of a routed path, or `[Network] MTU`. */
uint32_t interface_mtu(const struct config *config, const struct engine *engine);

#endif
