/* SPDX-License-Identifier: MIT */
#include "daemon/own_link.h"

#include <stdlib.h>

#include "host/firewall.h"
#include "host/kernel_route.h"
#include "host/kernel_rule.h"
#include "host/link.h"

bool own_link_is_changed(const struct daemon *daemon, const struct watch_event *event)
{
    return !event->is_gone && (strcmp(event->name, daemon->tun.name) != 0 ||
                               event->group != FIREWALL_LINK_GROUP);
}

void own_link_follow(struct daemon *daemon, struct text *said)
{
    int index = daemon->state.routing.interface_index;
    struct text why = TEXT_ROOM(256);
    struct link link;
    if (link_by_index(&daemon->netlink, index, &link, TEXT_UNHEARD) != 0)
        return; /* gone, or moved elsewhere: the TUN tells */
    if (link.group != FIREWALL_LINK_GROUP)
        link_set_group(&daemon->netlink, index, FIREWALL_LINK_GROUP, said);
    if (strcmp(link.name, daemon->tun.name) == 0)
        return;
    text_append(said, "%sits interface %s is called %s now", said->len ? "; " : "",
                daemon->tun.name, link.name);
    memcpy(daemon->tun.name, link.name, sizeof(link.name));
    memcpy(daemon->state.routing.interface_name, link.name, sizeof(link.name));
    if (state_write(daemon->config->name, &daemon->state, &why) != 0)
        text_append(said, "; %s", why.bytes);
}

/* By the local table, which is what the kernel goes by: a VRF's addresses are not in it. What
 * cannot be read or kept stays as it was, until the next event. */
void own_link_tell_host(struct daemon *daemon)
{
    struct engine *engine = network_engine(daemon->network);
    struct kernel_route *routes;
    struct link link;
    size_t count, kept = 0;
    if (link_by_index(&daemon->netlink, daemon->state.routing.interface_index, &link,
                      TEXT_UNHEARD) != 0) {
        engine_set_host(engine, NULL, 0);
        return;
    }
    if (kernel_route_list(&daemon->netlink, KERNEL_RULE_TABLE_LOCAL, &routes, &count,
                          TEXT_UNHEARD) < 0)
        return;
    struct prefix *prefixes = calloc(count + 1, sizeof(*prefixes));
    for (size_t i = 0; prefixes && i < count; i++)
        if (routes[i].type == KERNEL_ROUTE_LOCAL)
            prefixes[kept++] = routes[i].prefix;
    if (prefixes)
        engine_set_host(engine, prefixes, kept);
    free(prefixes);
    free(routes);
}
