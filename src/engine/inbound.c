/* SPDX-License-Identifier: MIT */
/* Theory of operation. A pass sorts every datagram of the batch (handshakes leave for the backlog,
 * data finds its session), opens all of them in one AEAD batch, and accepts them in order. A
 * datagram for a carried tunnel's virtual socket stays in the batch as that tunnel's and takes part
 * in the next pass; the others are written to the TUN, their flows' segments coalesced. An accepted
 * packet may confirm a session and so end an older one of the same peer: sessions are looked up
 * again by index from then on in the pass. */
#include "engine/inbound.h"

#include "engine/accept.h"
#include "engine/handshakes.h"
#include "engine/outbound.h"
#include "engine/roaming.h"

/* Where the coalescer's frames go. */
struct output {
    struct core *core;
    struct actions *actions;
};

static void emit(void *context, const struct tun_frame *frame)
{
    struct output *output = context;
    struct actions *actions = output->actions;
    if (actions->write_count < ACTIONS_MOST) {
        actions->writes[actions->write_count++] = *frame;
        return;
    }
    struct packet *packet = frame->first; /* a caller that gave more than a door takes */
    while (packet) {
        struct packet *next = packet->next;
        core_drop(output->core, NULL, packet, VERDICT_POOL_EMPTY);
        packet = next;
    }
}

void inbound_end_receive(struct inbound *inbound, struct actions *actions)
{
    struct output output = {.core = inbound->core, .actions = actions};
    struct coalesce_sink sink = {.emit = emit, .context = &output};
    coalesce_end_receive(&inbound->coalesce, &sink);
}

void inbound_idle(struct inbound *inbound, struct actions *actions)
{
    struct output output = {.core = inbound->core, .actions = actions};
    struct coalesce_sink sink = {.emit = emit, .context = &output};
    coalesce_flush(&inbound->coalesce, &sink);
}

static void refuse(struct inbound *inbound, struct inbound_entry *entry, enum verdict verdict)
{
    core_drop(inbound->core, entry->node, entry->packet, verdict);
    entry->packet = NULL;
}

/* Finds the session and describes the work; false: the entry is done. */
static bool find_session(struct inbound *inbound, struct inbound_entry *entry, size_t desc,
                         instant_ns now)
{
    struct packet *packet = entry->packet;
    unsigned type = message_type(packet->data, packet->len_bytes);
    if (type != MESSAGE_DATA) {
        if (type == 0) {
            refuse(inbound, entry, VERDICT_BAD_MESSAGE);
            return false;
        }
        handshakes_enqueue(inbound->handshakes, entry, now);
        pool_give_packet(inbound->core->pool, packet);
        entry->packet = NULL;
        return false;
    }
    uint64_t counter = message_counter(packet->data);
    entry->session =
        tunnel_find_session(&entry->node->tunnel, message_receiver_index(packet->data));
    if (!entry->session || !session_may_receive(entry->session, counter, now)) {
        refuse(inbound, entry, entry->session ? VERDICT_SESSION_EXPIRED : VERDICT_UNKNOWN_INDEX);
        return false;
    }
    entry->desc = (uint32_t)desc;
    inbound->opens[desc] =
        (struct aead_desc){.bytes = packet->data + MESSAGE_DATA_HEADER_BYTES,
                           .len_bytes = packet->len_bytes - MESSAGE_DATA_HEADER_BYTES,
                           .counter = counter,
                           .key = entry->session->receive_key};
    return true;
}

/* What one pass remembers of the last packet: timers are told once for a run of a peer's. */
struct opening {
    struct actions *actions;
    const struct coalesce_sink *sink;
    struct peer *peer;
    bool is_data;
    bool sessions_changed;
    /* Of the last packet: its peer, out of whose plaintext it came, and whether the peer is reached
     * another way. */
    struct peer *judged_peer;
    struct node *judged_carrier;
    bool came_another_way;
    struct accept accept;
};

static void tell_timers(struct inbound *inbound, struct opening *opening, instant_ns now)
{
    struct peer *peer = opening->peer;
    if (!peer)
        return;
    if (opening->is_data) {
        timers_data_received(&peer->timers, now);
        peer->last_data = now;
    }
    timers_any_authenticated_packet_received(&peer->timers);
    timers_any_authenticated_packet_traversal(&peer->timers, now);
    core_touch_deadline(inbound->core, peer);
    peer->last_received = now;
    opening->is_data = false;
}

/* A session whose peer is reached through a carrier is none of the root's socket's, nor the reverse
 * (RULES C3, A8): asked once for a run of packets. */
static bool came_another_way(struct opening *opening, struct peer *peer, struct node *carrier)
{
    if (peer != opening->judged_peer || carrier != opening->judged_carrier) {
        opening->judged_peer = peer;
        opening->judged_carrier = carrier;
        opening->came_another_way = hop_of(peer)->carrier != carrier;
    }
    return opening->came_another_way;
}

/* The packet is authentic: what that means for its peer. False: refused. */
static bool authenticate(struct inbound *inbound, struct inbound_entry *entry,
                         struct opening *opening, instant_ns now)
{
    struct packet *packet = entry->packet;
    if (opening->sessions_changed) {
        entry->session =
            tunnel_find_session(&entry->node->tunnel, message_receiver_index(packet->data));
        if (!entry->session) {
            refuse(inbound, entry, VERDICT_SESSION_EXPIRED);
            return false;
        }
    }
    struct session *session = entry->session;
    struct peer *peer = session->peer;
    if (came_another_way(opening, peer, entry->carrier)) {
        refuse(inbound, entry, VERDICT_UNKNOWN_INDEX);
        return false;
    }
    if (!replay_accept(&session->replay, message_counter(packet->data))) {
        refuse(inbound, entry, VERDICT_REPLAYED);
        return false;
    }
    if (peer != opening->peer) {
        tell_timers(inbound, opening, now);
        opening->peer = peer;
    }
    peer->received_bytes += packet->len_bytes;
    roaming_hear(inbound->core, peer, entry, now);
    if (peer_confirm_session(peer, session)) {
        opening->sessions_changed = true;
        handshakes_session_is_ready(inbound->handshakes, peer, now, opening->actions);
    }
    if (session_wants_rekey_when_receiving(session, now))
        core_want_handshake(inbound->core, peer);
    return true;
}

/* Fragments that waited until it was known that they are none of a carried tunnel's. */
static void accept_all_released(struct inbound *inbound, struct node *node,
                                const struct accept *accept, const struct coalesce_sink *sink)
{
    if (accept->released.count == 0)
        return;
    struct accept each = *accept; /* the packet that let them go keeps its view */
    for (struct packet *packet; (packet = packet_queue_take(&each.released));) {
        enum verdict verdict = accept_released(&each, node, packet);
        if (verdict != VERDICT_OK) {
            core_drop(inbound->core, node, packet, verdict);
            continue;
        }
        node->inbound_packets++;
        coalesce_add(&inbound->coalesce, packet, &each.view, sink);
    }
}

/* After opening: the packet goes to the TUN, into the next pass, or nowhere. */
static void accept_entry(struct inbound *inbound, struct inbound_entry *entry,
                         struct opening *opening, instant_ns now)
{
    struct packet *packet = entry->packet;
    if (!inbound->opens[entry->desc].is_authentic) {
        refuse(inbound, entry, VERDICT_BAD_TAG);
        return;
    }
    if (!authenticate(inbound, entry, opening, now))
        return;
    packet_pull(packet, MESSAGE_DATA_HEADER_BYTES);
    packet_trim(packet, packet->len_bytes - AEAD_TAG_BYTES);
    if (packet->len_bytes == 0) {
        entry->node->keepalives++;
        pool_give_packet(inbound->core->pool, packet);
        entry->packet = NULL;
        return;
    }
    opening->is_data = true;
    struct node *node = entry->node;
    struct accept *accept = &opening->accept;
    accept->entry = entry;
    accept->peer = opening->peer;
    enum accept_road road = accept_packet(accept);
    accept_all_released(inbound, node, accept, opening->sink);
    if (road == ACCEPT_REFUSED) {
        refuse(inbound, entry, accept->verdict);
        return;
    }
    node->inbound_packets++;
    if (road == ACCEPT_TUN) {
        coalesce_add(&inbound->coalesce, packet, &accept->view, opening->sink);
        entry->packet = NULL;
    } else if (road == ACCEPT_CONSUMED) {
        pool_give_packet(inbound->core->pool, entry->packet); /* perhaps a joined one */
        entry->packet = NULL;
    }
}

void inbound_run(struct inbound *inbound, instant_ns now, struct actions *actions)
{
    struct output output = {.core = inbound->core, .actions = actions};
    const struct coalesce_sink sink = {.emit = emit, .context = &output};
    size_t descs;
    /* What a new session releases goes behind it. */
    outbound_run(inbound->handshakes->outbound, now, actions);
    do {
        descs = 0;
        for (size_t i = 0; i < inbound->count; i++) {
            if (inbound->entries[i].packet)
                descs += find_session(inbound, &inbound->entries[i], descs, now);
        }
        aead_open(inbound->core->aead, inbound->opens, descs);
        struct opening opening = {.actions = actions,
                                  .sink = &sink,
                                  .accept = {.core = inbound->core,
                                             .reassemblies = &inbound->reassemblies,
                                             .own_sockets = inbound->own_sockets,
                                             .echoes = inbound->echoes,
                                             .now = now}};
        for (size_t i = 0; i < inbound->count; i++) {
            if (inbound->entries[i].packet)
                accept_entry(inbound, &inbound->entries[i], &opening, now);
        }
        tell_timers(inbound, &opening, now);
        if (opening.sessions_changed)
            aead_forget(inbound->core->aead);
    } while (descs > 0);
    inbound->count = 0;
}

void inbound_add(struct inbound *inbound, struct node *root, const struct udp_train *train,
                 instant_ns now, struct actions *actions)
{
    uint32_t segment = train->segment_bytes ? train->segment_bytes : train->len_bytes;
    uint32_t at = 0;
    do { /* an empty datagram is a datagram */
        uint32_t len = train->len_bytes - at < segment ? train->len_bytes - at : segment;
        if (inbound->count == INBOUND_MOST)
            inbound_run(inbound, now, actions);
        struct packet *packet =
            pool_take_view(inbound->core->pool, train->block, train->offset + at, len);
        if (!packet) {
            uint32_t left = train->len_bytes - at;
            core_count_many(inbound->core, root, VERDICT_POOL_EMPTY,
                            segment ? (left + segment - 1) / segment : 1);
            break;
        }
        packet->tos = train->tos;
        inbound->entries[inbound->count++] =
            (struct inbound_entry){.packet = packet,
                                   .node = root,
                                   .source = train->source,
                                   .destination = train->destination,
                                   .interface = train->interface};
        at += len;
    } while (at < train->len_bytes);
    pool_give_block(inbound->core->pool, train->block);
}

/* ---- between two turns ---- */

void inbound_let_go(struct inbound *inbound, const struct node *node)
{
    for (size_t i = 0; i < inbound->count; i++) {
        struct inbound_entry *entry = &inbound->entries[i];
        if (entry->packet && (entry->node == node || entry->carrier == node)) {
            core_drop(inbound->core, NULL, entry->packet, VERDICT_MOVED);
            entry->packet = NULL;
        }
    }
}

static void discard(void *context, const struct tun_frame *frame)
{
    struct packet *packet = frame->first;
    while (packet) {
        struct packet *next = packet->next;
        pool_give_packet(context, packet);
        packet = next;
    }
}

void inbound_wipe(struct inbound *inbound)
{
    struct coalesce_sink sink = {.emit = discard, .context = inbound->core->pool};
    for (size_t i = 0; i < inbound->count; i++)
        pool_give_packet(inbound->core->pool, inbound->entries[i].packet);
    inbound->count = 0;
    coalesce_flush(&inbound->coalesce, &sink);
}
