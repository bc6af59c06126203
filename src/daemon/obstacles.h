/* SPDX-License-Identifier: MIT */
/* Why `up` would refuse on this host, though the configuration is right. */
#ifndef DAEMON_OBSTACLES_H
#define DAEMON_OBSTACLES_H

#include "config/config.h"
#include "host/routing.h"

/* Looks without changing anything: an interface's name, a port, a device or a table that `up` could
 * not get, a resolv.conf that it could not write, or that names no server for a root's name, the
 * AEAD backend that it is told (NULL: none). Appends a line for each; false: there is at least one.
 * A lack of rights is none: `check` needs none. Of a network that is up: see replace_check. */
bool obstacles_append(const struct config *config, const char *aead_backend, struct text *text);
/* What the network holds while it is up, and gives back before it is replaced. */
#define OBSTACLES_PORTS_MOST 64
struct obstacles_held {
    int interface_index;
    bool is_unknown; /* which ports it has */
    uint16_t ports[OBSTACLES_PORTS_MOST];
    size_t port_count;
};
/* The same, for a configuration that shall take the place of a network that is up; and what `up`
 * itself asks, once no earlier run of the network is in its way: so that `check` says the same. */
bool obstacles_beside(const struct config *config, const char *aead_backend,
                      const struct obstacles_held *held, struct text *text);
/* The same, for a reload of the network with this routing: what it would be refused that the engine
 * cannot know. Needs only what its daemon may. */
bool obstacles_inside(const struct config *config, bool changes_dns, struct netlink *netlink,
                      const struct routing *laid, struct text *text);
/* The first of these as a refusal: 0, or -errno and a sentence. */
int obstacles_refuse(const struct config *config, const char *aead_backend,
                     const struct obstacles_held *held, struct text *why);
/* The sentence for a backend that aead_new does not give. */
void obstacles_tell_aead(const char *backend, struct text *why);
/* The network is up here: a second `up` refuses, and `check` says what `up --replace` would. */
bool obstacles_is_up(const struct config *config);

#endif
