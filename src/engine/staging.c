/* SPDX-License-Identifier: MIT */
#include "engine/staging.h"

static void drop_oldest(struct staging *staging, struct peer *peer, enum verdict verdict)
{
    core_drop(staging->core, node_of(peer), staging_take(staging, peer), verdict);
}

static struct peer *peer_with_most(const struct core *core)
{
    struct peer *most = NULL;
    for (struct node *node = NULL; (node = tree_next(&core->tree, node));) {
        for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
            if (!most || peer->stage.count > most->stage.count)
                most = peer;
        }
    }
    return most;
}

/* Of one carried peer: an initiation in its carrier's header. */
static bool is_initiation_like(const struct packet *a, const void *newest)
{
    const struct packet *b = newest;
    if (a->kind != PACKET_HANDSHAKE || b->kind != PACKET_HANDSHAKE ||
        a->len_bytes != b->len_bytes || (a->data[0] ^ b->data[0]) >> 4)
        return false;
    size_t header = ip_outer_bytes(a->data[0] >> 4 == 4 ? FAMILY_IPV4 : FAMILY_IPV6);
    size_t addresses = a->data[0] >> 4 == 4 ? 12 : 8, ports_end = header - UDP_HEADER_BYTES + 4;
    return a->data[header] == MESSAGE_INITIATION && b->data[header] == MESSAGE_INITIATION &&
           memcmp(a->data + addresses, b->data + addresses, ports_end - addresses) == 0;
}

void staging_drop_chosen(struct staging *staging, struct peer *peer,
                         const struct staging_choice *choice)
{
    size_t dropped = 0;
    for (size_t left = peer->stage.count; left; left--) {
        struct packet *packet = packet_queue_take(&peer->stage);
        if (dropped == choice->most || !choice->is_gone(packet, choice->context)) {
            packet_queue_append(&peer->stage, packet);
            continue;
        }
        dropped++;
        staging->packets--;
        core_drop(staging->core, node_of(peer), packet, choice->verdict);
    }
}

/* RULES C7: only a peer's newest initiation waits. Released together, the first would be answered,
 * the others refused for coming too fast, and that answer fits no initiation that is remembered. */
static void drop_superseded(struct staging *staging, struct peer *peer, const struct packet *newest)
{
    const struct staging_choice superseded = {.is_gone = is_initiation_like,
                                              .context = newest,
                                              .most = SIZE_MAX,
                                              .verdict = VERDICT_SUPERSEDED};
    staging_drop_chosen(staging, peer, &superseded);
}

static bool is_data(const struct packet *packet, const void *context)
{
    (void)context;
    return packet->kind != PACKET_HANDSHAKE;
}

/* RULES C7: handshakes of carried tunnels do not count, and data do not push them out. */
static void limit_staged_data(struct staging *staging, struct peer *peer)
{
    const struct staging_choice oldest = {
        .is_gone = is_data, .most = 1, .verdict = VERDICT_STAGE_FULL};
    size_t data = 0;
    for (const struct packet *packet = peer->stage.first; packet; packet = packet->next)
        data += is_data(packet, NULL);
    if (data >= PEER_STAGED_PACKETS_MOST)
        staging_drop_chosen(staging, peer, &oldest);
}

void staging_add(struct staging *staging, struct peer *peer, struct packet *packet)
{
    if (list_is_empty(&hop_of(peer)->releasing))
        core_want_handshake(staging->core, peer);
    if (packet->kind == PACKET_KEEPALIVE) {
        /* The handshake is answered by one, or data go. */
        pool_give_packet(staging->core->pool, packet);
        return;
    }
    if (packet->kind == PACKET_HANDSHAKE)
        drop_superseded(staging, peer, packet);
    /* RULES C7: all that waits takes at most a quarter of the pool. */
    if (staging->packets >= pool_slots(staging->core->pool) / 4)
        drop_oldest(staging, peer_with_most(staging->core), VERDICT_STAGE_FULL);
    if (is_data(packet, NULL) && peer->stage.count >= PEER_STAGED_PACKETS_MOST)
        limit_staged_data(staging, peer);
    timers_packet_staged(&peer->timers);
    packet_queue_append(&peer->stage, packet);
    staging->packets++;
}

void staging_release(struct staging *staging, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    if (peer->stage.count && list_is_empty(&hop->releasing))
        list_append(&staging->releasing, &hop->releasing);
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

void staging_let_go_of_socket(struct staging *staging, const struct node *node)
{
    const struct staging_choice own = {.is_gone = is_from_socket,
                                       .context = node,
                                       .most = SIZE_MAX,
                                       .verdict = VERDICT_MOVED};
    for (struct peer *peer = NULL; (peer = node_next_peer(node->carrier, peer));)
        staging_drop_chosen(staging, peer, &own);
}

void staging_drop(struct staging *staging, struct peer *peer, enum verdict verdict)
{
    list_remove(&hop_of(peer)->releasing);
    while (peer->stage.count)
        drop_oldest(staging, peer, verdict);
}
