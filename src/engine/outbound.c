/* SPDX-License-Identifier: MIT */
/* Theory of operation. An entry's `peer` is whose session seals it next. A pass seals every entry
 * that has one, whatever its depth: one AEAD batch with as many keys as there are sessions in it.
 * Then each either has arrived at a root and waits for the others, or gets its carrier's header and
 * takes part in the next pass with the carrier's peer. So depth n costs n passes and no copy, and
 * the order of the array, which is the order of the flow, is the order of sending. */
#include "engine/outbound.h"

#include "engine/cutting.h"
#include "engine/mtu.h"

/* The DSCP that the kernel gives handshakes: AF41, ECN not capable. */
#define HANDSHAKE_TOS 0x88

/* What one pass remembers of the last peer: runs of one flow are the rule. */
struct sealing {
    struct peer *peer;
    struct session *session; /* NULL: the packet is staged */
    bool is_releasing;       /* older ones still wait for their turn: it goes behind them */
};

static void list_send(struct outbound *outbound, struct packet *packet, const struct udp_path *path,
                      struct actions *actions)
{
    if (actions->send_count == ACTIONS_MOST) {
        core_drop(outbound->core, outbound->core->tree.nodes[path->root], packet,
                  VERDICT_SOCKET_FULL);
        return;
    }
    actions->sends[actions->send_count++] = (struct udp_send){.packet = packet, .path = path};
}

/* A carried peer's initiation waited for its carrier's session. The next one is due when this one's
 * answer is late: right behind it, the other end would take that one's session and drop what we
 * send in this one's. */
static void leave_initiation(const struct core *core, const struct peer *carrier_peer,
                             const struct packet *packet, instant_ns now)
{
    const struct node *carrier = node_of(carrier_peer);
    size_t header = ip_outer_bytes(packet->data[0] >> 4 == 4 ? FAMILY_IPV4 : FAMILY_IPV6);
    const struct message_initiation *message = (const void *)(packet->data + header);
    if (message_type(packet->data + header, packet->len_bytes - header) != MESSAGE_INITIATION)
        return;
    for (struct node *node = NULL; (node = tree_next(&core->tree, node));) {
        const struct index_entry *initiation = indices_find_initiation(
            &node->tunnel.indices, load_le32(message->sender_index));
        bool is_from_here = node == carrier || node->carrier == carrier; /* RULES A8 */
        if (is_from_here && initiation &&
            hop_of(initiation->peer)->carrier_peer == carrier_peer)
            timers_initiation_leaves(&initiation->peer->timers, core->random, now);
    }
}

/* Fills the batch, which is empty, with what waits for sessions that work. False: nothing does, or
 * the caller's list is full and the rest follows in another turn (engine_deadline). */
static bool refill(struct outbound *outbound, instant_ns now, const struct actions *actions)
{
    size_t room = OUTBOUND_MOST;
    if (actions->send_count + OUTBOUND_MOST > ACTIONS_MOST)
        return false;
    while (!list_is_empty(&outbound->staging.releasing)) {
        struct hop *hop = CONTAINER_OF(outbound->staging.releasing.next, struct hop, releasing);
        struct packet_queue *stage = &hop->peer->stage;
        bool has_session = peer_sending_session(hop->peer, now);
        /* So many fragments may one become on its way. */
        size_t pieces = (HOP_TURN_PACKETS + hop->turn_packets - 1) / hop->turn_packets;
        for (; has_session && stage->count && pieces <= room; room -= pieces) {
            struct packet *packet = staging_take(&outbound->staging, hop->peer);
            if (packet->kind == PACKET_HANDSHAKE)
                leave_initiation(outbound->core, hop->peer, packet, now);
            outbound_append(outbound, packet, hop->peer)->is_released = true;
        }
        if (has_session && stage->count)
            break;
        list_remove(&hop->releasing);
    }
    return outbound->count > 0;
}

void outbound_keepalive(struct outbound *outbound, struct peer *peer)
{
    struct packet *packet = pool_take_packet(outbound->core->pool);
    if (!packet || outbound_is_full(outbound)) {
        pool_give_packet(outbound->core->pool, packet);
        core_count(outbound->core, node_of(peer), VERDICT_POOL_EMPTY);
        return;
    }
    packet->kind = PACKET_KEEPALIVE;
    packet->tos = 0;
    outbound_append(outbound, packet, peer);
}

/* ---- one hop ---- */

/* A path may have narrowed since the packet was cut or staged, and handshakes of carried tunnels
 * were never judged: nothing leaves larger than the path, and no IPv6 on a narrow one (RULES
 * E4). */
static enum verdict judge_packet(const struct packet *packet, uint32_t mtu_bytes)
{
    if (packet->len_bytes > mtu_bytes)
        return VERDICT_TOO_BIG;
    /* One that has waited since the tree was flatter (RULES I3). */
    if (packet_headroom_bytes(packet) < TREE_HEADROOM_PER_HOP_BYTES ||
        packet_tailroom_bytes(packet) < TREE_TAILROOM_PER_HOP_BYTES)
        return VERDICT_MOVED;
    bool is_narrowed = mtu_bytes < IPV6_LEAST_MTU_BYTES && packet->len_bytes;
    return is_narrowed && packet->data[0] >> 4 == 6 ? VERDICT_NARROW_PATH : VERDICT_OK;
}

/* Pads, writes the data header and describes the work. */
static void prepare(struct outbound *outbound, struct outbound_entry *entry,
                    struct session *session, size_t desc)
{
    struct packet *packet = entry->packet;
    struct node *node = node_of(entry->peer);
    size_t padded = message_padded_bytes(packet->len_bytes, hop_of(entry->peer)->mtu_bytes);
    size_t padding = padded - packet->len_bytes;
    if (padding)
        memset(packet_put(packet, padding), 0, padding);
    uint64_t counter = session_next_counter(session);
    outbound->seals[desc] = (struct aead_desc){.bytes = packet->data,
                                               .len_bytes = packet->len_bytes,
                                               .counter = counter,
                                               .key = session->send_key};
    packet_put(packet, AEAD_TAG_BYTES);
    message_write_data_header(packet_push(packet, MESSAGE_DATA_HEADER_BYTES),
                              session->remote_index, counter);
    entry->peer->sent_bytes += packet->len_bytes;
    node->outbound_packets++;
}

/* The timers want to know once a pass, not once a packet. */
static void tell_timers(struct outbound *outbound, const struct sealing *sealing, bool is_data,
                        instant_ns now)
{
    struct peer *peer = sealing->peer;
    if (!peer || !sealing->session)
        return;
    if (is_data)
        timers_data_sent(&peer->timers, now);
    timers_any_authenticated_packet_sent(&peer->timers);
    timers_any_authenticated_packet_traversal(&peer->timers, now);
    core_touch_deadline(outbound->core, peer);
    if (session_wants_rekey_when_sending(sealing->session, now))
        core_want_handshake(outbound->core, peer);
}

/* Prepares every entry that has a hop to go; returns how many. */
static size_t prepare_all(struct outbound *outbound, instant_ns now)
{
    struct sealing sealing = {0};
    bool is_data = false;
    size_t descs = 0;
    for (size_t i = 0; i < outbound->count; i++) {
        struct outbound_entry *entry = &outbound->entries[i];
        if (!entry->peer)
            continue;
        if (entry->peer != sealing.peer) {
            tell_timers(outbound, &sealing, is_data, now);
            is_data = false;
            sealing.peer = entry->peer;
            sealing.session = peer_sending_session(entry->peer, now);
            sealing.is_releasing = !list_is_empty(&hop_of(entry->peer)->releasing);
        }
        if (!sealing.session || sealing.session->send_counter >= REJECT_AFTER_MESSAGES ||
            (sealing.is_releasing && !entry->is_released)) {
            staging_add(&outbound->staging, entry->peer, entry->packet);
            *entry = (struct outbound_entry){0};
            continue;
        }
        enum verdict verdict = judge_packet(entry->packet, hop_of(entry->peer)->mtu_bytes);
        if (verdict != VERDICT_OK) {
            core_drop(outbound->core, node_of(entry->peer), entry->packet, verdict);
            *entry = (struct outbound_entry){0};
            continue;
        }
        is_data |= entry->packet->kind != PACKET_KEEPALIVE;
        entry->desc = (uint32_t)descs;
        prepare(outbound, entry, sealing.session, descs++);
    }
    tell_timers(outbound, &sealing, is_data, now);
    return descs;
}

/* After a hop: the carrier's header, or ready for the socket. True: then it is too long for its way
 * (RULES C6). */
static bool advance(struct outbound *outbound, struct outbound_entry *entry)
{
    struct packet *packet = entry->packet;
    struct node *node = node_of(entry->peer);
    const struct hop *hop = hop_of(entry->peer);
    const struct endpoint *to = &entry->peer->endpoint;
    if (!hop->carrier && to->address.family) {
        entry->path = &hop->path;
        entry->peer = NULL;
        return false;
    }
    if (!hop->carrier_peer) {
        core_drop(outbound->core, node, packet,
                  hop->carrier ? VERDICT_UNROUTABLE : VERDICT_NO_ENDPOINT);
        *entry = (struct outbound_entry){0};
        return false;
    }
    struct ip_outer outer = {.source = hop->source, .destination = to->address,
                             .source_port = hop->source_port, .destination_port = to->port,
                             .id = node->next_ip_id++, .tos = packet->tos};
    size_t payload = packet->len_bytes;
    ip_write_outer(packet_push(packet, ip_outer_bytes((enum family)to->address.family)), &outer,
                   payload);
    packet->tos &= IP_ECN_MASK;
    packet->kind = PACKET_DATA;
    entry->peer = hop->carrier_peer;
    entry->is_released = false;
    if (hop->cut_bytes == 0 || packet->len_bytes <= hop->cut_bytes)
        return false;
    entry->cut_bytes = hop->cut_bytes;
    return true;
}

static void run_batch(struct outbound *outbound, instant_ns now, struct actions *actions)
{
    size_t descs;
    while ((descs = prepare_all(outbound, now)) > 0) {
        bool is_long = false;
        aead_seal(outbound->core->aead, outbound->seals, descs);
        for (size_t i = 0; i < outbound->count; i++) {
            if (outbound->entries[i].peer)
                is_long |= advance(outbound, &outbound->entries[i]);
        }
        if (is_long)
            outbound->count =
                cutting_cut_all(outbound->core, outbound->entries, outbound->count);
    }
    for (size_t i = 0; i < outbound->count; i++) {
        if (outbound->entries[i].path)
            list_send(outbound, outbound->entries[i].packet, outbound->entries[i].path, actions);
    }
    outbound->count = 0;
}

void outbound_run(struct outbound *outbound, instant_ns now, struct actions *actions)
{
    do
        run_batch(outbound, now, actions);
    while (refill(outbound, now, actions));
}

/* ---- between two turns ---- */

/* What an own socket sent since the last turn; `is_gone` NULL: all of it. */
static void drop_entries(struct outbound *outbound, const struct peer *peer,
                         bool (*is_gone)(const struct packet *packet, const void *peer))
{
    for (size_t i = 0; i < outbound->count; i++) {
        struct outbound_entry *entry = &outbound->entries[i];
        if (entry->peer != peer || (is_gone && !is_gone(entry->packet, peer)))
            continue;
        core_drop(outbound->core, node_of(peer), entry->packet, VERDICT_MOVED);
        *entry = (struct outbound_entry){0};
    }
}

void outbound_let_go(struct outbound *outbound, struct peer *peer)
{
    staging_drop(&outbound->staging, peer, VERDICT_MOVED);
    drop_entries(outbound, peer, NULL);
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

void outbound_let_go_of_cramped(struct outbound *outbound, struct peer *peer)
{
    const struct staging_choice cramped = {
        .is_gone = is_cramped, .context = peer, .most = SIZE_MAX, .verdict = VERDICT_MOVED};
    staging_drop_chosen(&outbound->staging, peer, &cramped);
    drop_entries(outbound, peer, is_cramped);
}

void outbound_wipe(struct outbound *outbound)
{
    for (size_t i = 0; i < outbound->count; i++)
        pool_give_packet(outbound->core->pool, outbound->entries[i].packet);
    outbound->count = 0;
}

/* ---- messages of the tunnel itself ---- */

static void message_through_carrier(struct outbound *outbound, struct node *node,
                                    struct node *carrier, const struct endpoint *to,
                                    struct packet *packet)
{
    const struct address *source = node_address(carrier, (enum family)to->address.family);
    struct peer *carrier_peer = trie_lookup(&carrier->tunnel.allowed_ips, &to->address);
    if (!source->family || !carrier_peer || outbound_is_full(outbound)) {
        core_drop(outbound->core, node, packet,
                  source->family && carrier_peer ? VERDICT_POOL_EMPTY : VERDICT_UNROUTABLE);
        return;
    }
    uint16_t port = carrier == node ? node->inner_port : node->listen_port;
    struct ip_outer outer = {.source = *source, .destination = to->address,
                             .source_port = port, .destination_port = to->port,
                             .id = node->next_ip_id++, .tos = packet->tos};
    size_t payload = packet->len_bytes;
    ip_write_outer(packet_push(packet, ip_outer_bytes((enum family)to->address.family)), &outer,
                   payload);
    packet->tos &= IP_ECN_MASK;
    outbound_append(outbound, packet, carrier_peer);
}

void outbound_message(struct outbound *outbound, struct node *node, struct node *carrier,
                      const struct endpoint *to, const struct udp_path *path, const uint8_t *bytes,
                      size_t len, struct actions *actions)
{
    struct packet *packet = pool_take_packet(outbound->core->pool);
    if (!packet) {
        core_count(outbound->core, node, VERDICT_POOL_EMPTY);
        return;
    }
    memcpy(packet_put(packet, len), bytes, len);
    packet->kind = PACKET_HANDSHAKE;
    packet->tos = HANDSHAKE_TOS;
    if (carrier)
        message_through_carrier(outbound, node, carrier, to, packet);
    else
        list_send(outbound, packet, path, actions);
}
