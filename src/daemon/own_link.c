/* SPDX-License-Identifier: MIT */
#include "daemon/own_link.h"

#include "host/firewall.h"
#include "host/link.h"

bool own_link_is_changed(const struct daemon *daemon, const struct watch_event *event)
{
    return !event->is_gone && (strcmp(event->name, daemon->tun.name) != 0 ||
                               event->group != FIREWALL_LINK_GROUP);
}

void own_link_follow(struct daemon *daemon, struct text *said)
{
    int index = daemon->state.routing.interface_index;
    char reason[256];
    struct text why;
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
    text_init(&why, reason, sizeof(reason));
    if (state_write(daemon->config->name, &daemon->state, &why) != 0)
        text_append(said, "; %s", reason);
}
