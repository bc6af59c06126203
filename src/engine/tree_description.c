/* SPDX-License-Identifier: MIT */
#include "engine/tree_description.h"

/* Empty lists take no memory. False: there is none. */
static bool copy_list(const struct memory *memory, const void *from, size_t bytes, void *place)
{
    void *to = bytes ? memory_take(memory, bytes) : NULL;
    if (to)
        memcpy(to, from, bytes);
    memcpy(place, &to, sizeof(to));
    return to || bytes == 0;
}

static bool copy_allowed_ips(const struct memory *memory, const struct peer *peer,
                             struct peer_description *to)
{
    size_t count = 0;
    for (const struct list *at = peer->allowed_ips.next; at != &peer->allowed_ips; at = at->next)
        count++;
    if (count == 0)
        return true;
    to->allowed_ips = memory_take(memory, count * sizeof(*to->allowed_ips));
    if (!to->allowed_ips)
        return false;
    to->allowed_ips_count = count;
    count = 0;
    for (const struct list *at = peer->allowed_ips.next; at != &peer->allowed_ips; at = at->next)
        to->allowed_ips[count++] = trie_listed_prefix(at);
    return true;
}

static bool describe_peer(const struct memory *memory, const struct peer *peer,
                          struct peer_description *to)
{
    const struct hop *hop = hop_of(peer);
    memcpy(to->public_key, peer->noise.public_key, sizeof(to->public_key));
    memcpy(to->preshared_key, peer->noise.preshared_key, sizeof(to->preshared_key));
    to->has_endpoint = hop->configured_endpoint.address.family != FAMILY_NONE;
    to->endpoint = hop->configured_endpoint;
    to->persistent_keepalive_s = (uint16_t)(peer->timers.persistent_interval / NS_PER_S);
    size_t name_bytes = hop->endpoint_name ? strlen(hop->endpoint_name) + 1 : 0;
    return copy_list(memory, hop->endpoint_name, name_bytes, &to->endpoint_name) &&
           copy_allowed_ips(memory, peer, to);
}

static int place_of(const struct tree *tree, const struct node *node)
{
    int place = 0;
    for (const struct node *at = tree_next(tree, NULL); at != node; at = tree_next(tree, at))
        place++;
    return place;
}

static bool describe_peers(const struct memory *memory, const struct node *node,
                           struct tunnel_description *to)
{
    if (node->tunnel.peer_count == 0)
        return true;
    to->peers = memory_take(memory, node->tunnel.peer_count * sizeof(*to->peers));
    if (!to->peers)
        return false;
    to->peer_count = node->tunnel.peer_count;
    struct peer_description *next = to->peers;
    bool has_room = true;
    for (struct peer *peer = NULL; has_room && (peer = node_next_peer(node, peer));)
        has_room = describe_peer(memory, peer, next++);
    return has_room;
}

/* What it has of lists is right, also when memory ends half way. */
static bool describe_node(const struct tree *tree, const struct memory *memory,
                          const struct node *node, struct tunnel_description *to)
{
    const struct configured *configured = node->configured;
    const struct tunnel_description *from = &configured->tunnel;
    *to = *from;
    to->addresses = to->dns = NULL;
    to->routes = to->route_exceptions = NULL;
    to->carrier = configured->carrier ? place_of(tree, configured->carrier) : TUNNEL_NO_CARRIER;
    memcpy(to->private_key, node->tunnel.identity.private_key, sizeof(to->private_key));
    return copy_list(memory, from->addresses, from->address_count * sizeof(*from->addresses),
                     &to->addresses) &&
           copy_list(memory, from->dns, from->dns_count * sizeof(*from->dns), &to->dns) &&
           copy_list(memory, from->routes, from->route_count * sizeof(*from->routes),
                     &to->routes) &&
           copy_list(memory, from->route_exceptions,
                     from->route_exception_count * sizeof(*from->route_exceptions),
                     &to->route_exceptions) &&
           describe_peers(memory, node, to);
}

bool tree_description_make(const struct tree *tree, const struct memory *memory,
                   struct network_description *description)
{
    *description = (struct network_description){.link_mtu_bytes = tree->link_mtu_bytes,
                                                .nat_ipv4 = tree->addresses.nat_ipv4,
                                                .nat_ipv6 = tree->addresses.nat_ipv6};
    description->tunnels = memory_take(memory, tree->count * sizeof(*description->tunnels));
    if (!description->tunnels)
        return false;
    bool has_room = true;
    for (struct node *node = NULL; has_room && (node = tree_next(tree, node));)
        has_room = describe_node(tree, memory, node,
                                 &description->tunnels[description->tunnel_count++]);
    if (!has_room) {
        description->tunnel_count = tree->count; /* what was taken; the rest is zero */
        tree_description_forget(memory, description);
    }
    return has_room;
}

static void forget_tunnel(const struct memory *memory, struct tunnel_description *tunnel)
{
    for (size_t i = 0; i < tunnel->peer_count; i++) {
        struct peer_description *peer = &tunnel->peers[i];
        if (peer->endpoint_name)
            memory_give(memory, peer->endpoint_name, strlen(peer->endpoint_name) + 1);
        memory_give(memory, peer->allowed_ips,
                    peer->allowed_ips_count * sizeof(*peer->allowed_ips));
    }
    if (tunnel->peers)
        bytes_wipe(tunnel->peers, tunnel->peer_count * sizeof(*tunnel->peers));
    memory_give(memory, tunnel->peers, tunnel->peer_count * sizeof(*tunnel->peers));
    memory_give(memory, tunnel->addresses, tunnel->address_count * sizeof(*tunnel->addresses));
    memory_give(memory, tunnel->dns, tunnel->dns_count * sizeof(*tunnel->dns));
    memory_give(memory, tunnel->routes, tunnel->route_count * sizeof(*tunnel->routes));
    memory_give(memory, tunnel->route_exceptions,
                tunnel->route_exception_count * sizeof(*tunnel->route_exceptions));
}

void tree_description_forget(const struct memory *memory, struct network_description *description)
{
    for (size_t i = 0; i < description->tunnel_count; i++)
        forget_tunnel(memory, &description->tunnels[i]);
    bytes_wipe(description->tunnels, description->tunnel_count * sizeof(*description->tunnels));
    memory_give(memory, description->tunnels,
                description->tunnel_count * sizeof(*description->tunnels));
    *description = (struct network_description){.tunnel_count = 0};
}
