/* SPDX-License-Identifier: MIT */
#include "engine/handshakes.h"

#include "engine/events.h"
#include "engine/outbound.h"

/* Of the second repetition: one that is lost is no news. */
#define NO_ANSWER_NS (2 * REKEY_TIMEOUT_NS)

/* Whoever can show us a peer's own bytes from elsewhere, an exit that tells of a source inside itself,
 * must not get its datagrams out of the tunnel that carries them (RULES A8). */
static bool is_astray(const struct peer *peer, const struct address *source,
                      const struct node *carrier)
{
    struct peer *fellow;
    return tree_carrier_for(peer, source, &fellow) != carrier;
}

bool handshakes_move(struct engine *engine, struct peer *peer, const struct inbound_entry *entry,
                     instant_ns now)
{
    if (is_astray(peer, &entry->source.address, entry->carrier))
        return false;
    tree_set_endpoint(&engine->tree, peer, &entry->source);
    events_moved(engine, peer, now);
    return true;
}

/* Without a way out: a new endpoint starts it at once, and what waits gives up as if it had been sent. */
static void try_later(struct engine *engine, struct peer *peer, instant_ns now)
{
    instant_ns last = peer->timers.last_initiation;
    timers_handshake_initiated(&peer->timers, engine->random, now);
    peer->timers.last_initiation = last;
    core_touch_deadline(engine, peer);
}

static void initiate(struct engine *engine, struct peer *peer, instant_ns now, uint64_t wall_ns,
                     struct actions *actions)
{
    uint8_t message[MESSAGE_INITIATION_BYTES];
    struct hop *hop = hop_of(peer);
    /* A timer tries again once the last initiation is old enough. */
    if (!engine->is_up || !timers_may_initiate(&peer->timers, now))
        return;
    bool is_stuck = hop->carrier && (!hop->carrier_peer || !hop->mtu_bytes);
    if (!peer->endpoint.address.family || is_stuck) {
        if (is_stuck && peer->endpoint.address.family)
            events_no_way(engine, peer, "its carrier cannot reach this endpoint", now);
        try_later(engine, peer, now);
        return;
    }
    if (tunnel_create_initiation(peer, now, wall_ns, message) != VERDICT_OK) {
        events_no_way(engine, peer, "its public key can never work: it is no key", now);
        try_later(engine, peer, now);
        return;
    }
    peer->sent_bytes += sizeof(message);
    if (hop->attempts++ == 0)
        hop->attempting_since = now;
    else if (hop->attempts > 2 && instant_since(hop->attempting_since, now) >= NO_ANSWER_NS)
        events_no_answer(engine, peer, hop->attempting_since, now);
    timers_any_authenticated_packet_sent(&peer->timers);
    timers_any_authenticated_packet_traversal(&peer->timers, now);
    core_touch_deadline(engine, peer);
    outbound_message(engine, node_of(peer), hop->carrier, &peer->endpoint, &hop->path, message,
                     sizeof(message), actions);
}

void handshakes_initiate_wanted(struct engine *engine, instant_ns now, uint64_t wall_ns,
                                struct actions *actions)
{
    /* A carried tunnel's initiation may find its carrier without a session, which then wants one of
     * its own: at most one round a level of the tree. */
    while (!list_is_empty(&engine->wants_handshake) &&
           actions->send_count + OUTBOUND_MOST <= ACTIONS_MOST) {
        while (!list_is_empty(&engine->wants_handshake) &&
               engine->outbound_count < OUTBOUND_MOST / 2) {
            struct hop *hop = CONTAINER_OF(engine->wants_handshake.next, struct hop, wanting);
            struct peer *peer = hop->peer;
            list_remove(&hop->wanting);
            initiate(engine, peer, now, wall_ns, actions);
        }
        outbound_run(engine, now, actions);
    }
}

void handshakes_session_is_ready(struct engine *engine, struct peer *peer, instant_ns now,
                                 struct actions *actions)
{
    hop_of(peer)->attempts = 0;
    events_ready(engine, peer, now);
    outbound_release(engine, peer);
    outbound_run(engine, now, actions);
}

/* ---- the backlog ---- */

void handshakes_enqueue(struct engine *engine, const struct inbound_entry *entry)
{
    if (engine->backlog_count == BACKLOG_MESSAGES || !engine->is_up) {
        core_count(engine, entry->node,
                   engine->is_up ? VERDICT_BACKLOG_FULL : VERDICT_HANDSHAKE_REFUSED);
        return;
    }
    size_t at = (engine->backlog_first + engine->backlog_count++) % BACKLOG_MESSAGES;
    struct backlog_message *message = &engine->backlog[at];
    *message = (struct backlog_message){.node = entry->node, .carrier = entry->carrier,
                                        .source = entry->source,
                                        .destination = entry->destination,
                                        .interface = entry->interface,
                                        .len_bytes = entry->packet->len_bytes};
    memcpy(message->bytes, entry->packet->data, entry->packet->len_bytes);
}

static bool is_under_load(struct engine *engine, instant_ns now)
{
    if (engine->backlog_count >= BACKLOG_UNDER_LOAD)
        engine->under_load_until = instant_add(now, UNDER_LOAD_NS);
    return now < engine->under_load_until;
}

static void reply(struct engine *engine, const struct backlog_message *message,
                  const struct handshake_result *result, struct actions *actions)
{
    struct udp_path *path = NULL;
    if (!message->carrier) {
        if (actions->reply_path_count == ACTIONS_REPLY_PATHS) {
            core_count(engine, message->node, VERDICT_SOCKET_FULL);
            return;
        }
        path = &actions->reply_paths[actions->reply_path_count++];
        *path = (struct udp_path){.destination = message->source,
                                  .source = message->destination,
                                  .source_interface = message->interface,
                                  .root = message->node->index};
    }
    outbound_message(engine, message->node, message->carrier, &message->source, path,
                     result->reply, result->reply_bytes, actions);
}

static void consume(struct engine *engine, const struct backlog_message *message, instant_ns now,
                    uint64_t wall_ns, struct actions *actions)
{
    struct handshake_result result = {0};
    enum verdict verdict = tunnel_consume_handshake(
        &message->node->tunnel, message->bytes, message->len_bytes, &message->source,
        is_under_load(engine, now), now, wall_ns, &result);
    if (verdict != VERDICT_OK)
        core_count(engine, message->node, verdict);
    struct peer *peer = result.peer;
    /* Nothing goes straight to where a fellow should carry it: not even an answer (RULES A8). */
    bool is_refused = peer ? is_astray(peer, &message->source.address, message->carrier)
                           : !message->carrier &&
                                 tree_hides(message->node, &message->source.address);
    if (is_refused && verdict == VERDICT_OK)
        core_count(engine, message->node, VERDICT_HANDSHAKE_REFUSED);
    if (peer && result.moves_endpoint && !is_refused) {
        struct inbound_entry from = {.carrier = message->carrier,
                                     .source = message->source,
                                     .destination = message->destination,
                                     .interface = message->interface};
        handshakes_roam(engine, peer, &from, now);
        peer->received_bytes += message->len_bytes;
        peer->last_received = now;
    }
    if (result.reply_bytes && !is_refused) {
        if (peer)
            peer->sent_bytes += result.reply_bytes;
        reply(engine, message, &result, actions);
    }
    if (peer && result.session_is_ready) {
        events_ready(engine, peer, now);
        hop_of(peer)->attempts = 0;
        /* The responder may send only after it has heard from us: a keepalive when nothing waits. */
        if (peer->stage.count == 0)
            outbound_keepalive(engine, peer);
        else
            outbound_release(engine, peer);
    }
    if (peer)
        core_touch_deadline(engine, peer);
    outbound_run(engine, now, actions);
}

void handshakes_run(struct engine *engine, instant_ns now, uint64_t wall_ns,
                    struct actions *actions)
{
    for (int i = 0; i < HANDSHAKES_PER_TURN && engine->backlog_count; i++) {
        if (actions->send_count + OUTBOUND_MOST > ACTIONS_MOST ||
            actions->reply_path_count == ACTIONS_REPLY_PATHS)
            break;
        consume(engine, &engine->backlog[engine->backlog_first], now, wall_ns, actions);
        engine->backlog_first = (engine->backlog_first + 1) % BACKLOG_MESSAGES;
        engine->backlog_count--;
    }
}

/* ---- timers ---- */

static void handle_due(struct engine *engine, struct peer *peer, unsigned due, instant_ns now)
{
    if (due & TIMERS_DUE_GIVE_UP) {
        events_gave_up(engine, peer, now);
        outbound_drop_staged(engine, peer, VERDICT_STAGE_EXPIRED);
    }
    if (due & TIMERS_DUE_WIPE)
        peer_forget_sessions(peer);
    if (due & TIMERS_DUE_SILENT)
        events_no_answer(engine, peer, now - TIMERS_SILENT_NS, now);
    if (due & TIMERS_DUE_INITIATION) {
        /* No answer: perhaps our own address changed, so the kernel chooses one again. */
        hop_of(peer)->path.source = (struct address){0};
        hop_of(peer)->path.source_interface = 0;
        core_want_handshake(engine, peer);
    }
    if (due & TIMERS_DUE_KEEPALIVE)
        outbound_keepalive(engine, peer);
}

void handshakes_tick(struct engine *engine, size_t most, instant_ns now, uint64_t wall_ns,
                     struct actions *actions)
{
    for (size_t i = 0; i < most; i++) {
        struct heap_node *first = heap_first(&engine->deadlines);
        if (!first || !instant_is_reached(first->deadline, now))
            break;
        struct peer *peer = CONTAINER_OF(first, struct peer, deadline);
        unsigned due = timers_take_due(&peer->timers, now);
        handle_due(engine, peer, due, now);
        heap_set(&engine->deadlines, &peer->deadline, timers_next(&peer->timers));
    }
    outbound_run(engine, now, actions);
    handshakes_initiate_wanted(engine, now, wall_ns, actions);
}
