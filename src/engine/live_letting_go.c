/* SPDX-License-Identifier: MIT */
#include "engine/live_letting_go.h"

#include "engine/ways.h"

/* ---- what is in a batch outside of a turn ---- */

static void drop_outbound(struct engine *engine, const struct peer *peer)
{
    struct outbound *outbound = &engine->outbound;
    for (size_t i = 0; i < outbound->count; i++) {
        struct outbound_entry *entry = &outbound->entries[i];
        if (entry->peer != peer)
            continue;
        core_drop(&engine->core, node_of(peer), entry->packet, VERDICT_MOVED);
        *entry = (struct outbound_entry){0};
    }
}

static void drop_inbound(struct engine *engine, const struct node *node)
{
    struct inbound *inbound = &engine->inbound;
    for (size_t i = 0; i < inbound->count; i++) {
        struct inbound_entry *entry = &inbound->entries[i];
        if (entry->packet && (entry->node == node || entry->carrier == node)) {
            core_drop(&engine->core, NULL, entry->packet, VERDICT_MOVED);
            entry->packet = NULL;
        }
    }
}

void live_letting_go_of_peer(struct engine *engine, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    if (engine->plan.peer == peer)
        plan_forget(&engine->plan);
    staging_drop(&engine->outbound.staging, peer, VERDICT_MOVED);
    drop_outbound(engine, peer);
    list_remove(&hop->wanting);
    heap_set(&engine->core.deadlines, &peer->deadline, INSTANT_NEVER);
    ways_forget(&engine->core.tree, peer);
}

void live_letting_go_of_node(struct engine *engine, struct node *node)
{
    for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));)
        live_letting_go_of_peer(engine, peer);
    if (node->carrier)
        live_letting_go_of_carrier(engine, node);
    drop_inbound(engine, node);
    backlog_forget(&engine->handshakes.backlog, node);
    own_socket_forget(&engine->own_sockets, node);
}

/* From the node's virtual socket: nobody else's datagrams have its port there (RULES C1). */
static bool is_from_socket(const struct packet *packet, const void *context)
{
    const struct node *node = context;
    if (packet->len_bytes < IPV4_HEADER_BYTES)
        return false;
    enum family family = packet->data[0] >> 4 == 4 ? FAMILY_IPV4 : FAMILY_IPV6;
    size_t udp = ip_outer_bytes(family) - UDP_HEADER_BYTES;
    if (packet->len_bytes < udp + UDP_HEADER_BYTES)
        return false;
    const uint8_t *bytes = packet->data;
    uint8_t protocol = family == FAMILY_IPV4 ? bytes[9] : bytes[6];
    const uint8_t *source = bytes + (family == FAMILY_IPV4 ? 12 : 8);
    /* A piece of a cut one (RULES C6) has no port to tell it by. */
    bool is_piece = family == FAMILY_IPV6 && protocol == IP_PROTOCOL_FRAGMENT;
    bool is_ports = protocol == IP_PROTOCOL_UDP && load_be16(bytes + udp) == node->listen_port;
    return (is_piece || is_ports) &&
           address_has_bytes(node_address(node->carrier, family), family, source);
}

void live_letting_go_of_carrier(struct engine *engine, struct node *node)
{
    struct node *carrier = node->carrier;
    const struct staging_choice own = {.is_gone = is_from_socket,
                                       .context = node,
                                       .most = SIZE_MAX,
                                       .verdict = VERDICT_MOVED};
    if (carrier && !list_is_empty(&carrier->in_tree))
        own_socket_shut(&engine->own_sockets, carrier, node->listen_port);
    for (struct peer *peer = carrier ? node_next_peer(carrier, NULL) : NULL; peer;
         peer = node_next_peer(carrier, peer))
        staging_drop_chosen(&engine->outbound.staging, peer, &own);
    backlog_forget(&engine->handshakes.backlog, node); /* its answers would go back the old way */
}

/* Hops to the socket from here, of which each takes room. */
static bool is_cramped(const struct packet *packet, const void *context)
{
    const struct peer *peer = context;
    size_t hops = 1;
    for (; hop_of(peer)->carrier_peer; hops++)
        peer = hop_of(peer)->carrier_peer;
    return packet_headroom_bytes(packet) < hops * TREE_HEADROOM_PER_HOP_BYTES ||
           packet_tailroom_bytes(packet) < hops * TREE_TAILROOM_PER_HOP_BYTES;
}

void live_letting_go_of_cramped(struct engine *engine, struct peer *peer)
{
    const struct staging_choice cramped = {
        .is_gone = is_cramped, .context = peer, .most = SIZE_MAX, .verdict = VERDICT_MOVED};
    staging_drop_chosen(&engine->outbound.staging, peer, &cramped);
    for (size_t i = 0; i < engine->outbound.count; i++) { /* of an own socket, between two turns */
        struct outbound_entry *entry = &engine->outbound.entries[i];
        if (entry->peer != peer || !is_cramped(entry->packet, peer))
            continue;
        core_drop(&engine->core, node_of(peer), entry->packet, VERDICT_MOVED);
        *entry = (struct outbound_entry){0};
    }
}
