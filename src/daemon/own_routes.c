/* SPDX-License-Identifier: MIT */
#include "daemon/own_routes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/interface.h"
#include "host/state_lock.h"

static int lay_first(struct daemon *daemon, struct routing_entry *entries, size_t count)
{
    struct routing *routing = &daemon->state.routing;
    int result = routing_lay(&daemon->netlink, routing, entries, count, &daemon->why);
    if (result == 0)
        routes_standing_note(&daemon->standing, routing, entries, count);
    else
        free(entries);
    return result;
}

static int lay_again(struct daemon *daemon, struct routing_entry *entries, size_t count)
{
    return routing_follow(&daemon->netlink, &daemon->state.routing, &daemon->standing, entries,
                          count, &daemon->why);
}

int own_routes_lay(struct daemon *daemon)
{
    struct routing_entry *entries;
    size_t count;
    const struct interface_exceptions exceptions = {
        .lan = daemon->guard.lan,
        .lan_count = daemon->guard.lan_count,
        .on_link = daemon->guard.on_link,
        .on_link_count = daemon->guard.on_link_count,
        .guests = daemon->guard.guests.prefixes,
        .guest_count = daemon->guard.guests.prefix_count,
        .held = daemon->guard.hold.servers,
        .held_count = daemon->guard.hold.server_count};
    int result = interface_routes(daemon->config, network_engine(daemon->network), &exceptions,
                                  &entries, &count);
    if (result != 0)
        return result;
    int lock = state_lock_rules();
    result = daemon->is_laid ? lay_again(daemon, entries, count)
                             : lay_first(daemon, entries, count);
    if (lock >= 0)
        close(lock);
    daemon->is_laid |= result != -EEXIST; /* half-way is to be undone as well */
    if (result == 0)
        beside_look(&daemon->beside, &daemon->state.routing, &daemon->netlink,
                    log_as_sink(&daemon->log));
    return result;
}

void own_routes_hear(struct daemon *daemon, const struct watch_event *event, bool is_taken)
{
    bool is_route = event->kind == WATCH_ROUTE &&
                    routes_standing_have_table(&daemon->standing, event->table);
    if (is_route && event->is_gone && event->is_hopwires)
        routes_standing_lose(&daemon->standing, &event->prefix);
    else if (is_route || is_taken || daemon->is_interface_down || event->kind == WATCH_LOST)
        routes_standing_forget(&daemon->standing);
}
