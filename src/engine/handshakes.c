/* SPDX-License-Identifier: MIT */
#include "engine/handshakes.h"

#include "engine/events.h"
#include "engine/outbound.h"
#include "engine/roaming.h"
#include "engine/ways.h"

#define BACKLOG_UNDER_LOAD 512
#define UNDER_LOAD_NS NS_PER_S
#define HANDSHAKES_PER_TURN 4          /* that cost a Diffie-Hellman */
#define HANDSHAKE_MESSAGES_PER_TURN 64 /* those that are answered with a cookie, too */
/* Of the second repetition: one that is lost is no news. */
#define NO_ANSWER_NS (2 * REKEY_TIMEOUT_NS)

/* Without a way out: a new endpoint starts it at once, and what waits gives up as if it had been
 * sent. */
static void try_later(struct handshakes *handshakes, struct peer *peer, instant_ns now)
{
    instant_ns last = peer->timers.last_initiation;
    timers_handshake_initiated(&peer->timers, handshakes->core->random, now);
    peer->timers.last_initiation = last;
    core_touch_deadline(handshakes->core, peer);
}

static void initiate(struct handshakes *handshakes, struct peer *peer, instant_ns now,
                     uint64_t wall_ns, struct actions *actions)
{
    uint8_t message[MESSAGE_INITIATION_BYTES];
    struct hop *hop = hop_of(peer);
    /* A timer tries again once the last initiation is old enough. */
    if (!handshakes->core->is_up || !timers_may_initiate(&peer->timers, now))
        return;
    bool is_stuck = hop->carrier && (!hop->carrier_peer || !hop->mtu_bytes);
    if (!peer->endpoint.address.family || is_stuck) {
        if (is_stuck && peer->endpoint.address.family)
            events_no_way(handshakes->core, peer, "its carrier cannot reach this endpoint", now);
        try_later(handshakes, peer, now);
        return;
    }
    if (tunnel_create_initiation(peer, now, wall_ns, message) != VERDICT_OK) {
        events_no_way(handshakes->core, peer,
                      noise_identity_is_none(peer->identity)
                          ? "the tunnel has no private key"
                          : "its public key can never work: it is no key",
                      now);
        try_later(handshakes, peer, now);
        return;
    }
    peer->sent_bytes += sizeof(message);
    if (hop->attempts++ == 0) {
        hop->attempting_since = now;
        hop->misfits = 0;
    } else if (hop->attempts > 2 && instant_since(hop->attempting_since, now) >= NO_ANSWER_NS) {
        events_no_answer(handshakes->core, peer, hop->attempting_since, now);
    }
    timers_any_authenticated_packet_sent(&peer->timers);
    timers_any_authenticated_packet_traversal(&peer->timers, now);
    core_touch_deadline(handshakes->core, peer);
    outbound_message(handshakes->outbound, node_of(peer), hop->carrier, &peer->endpoint, &hop->path,
                     message, sizeof(message), actions);
}

void handshakes_initiate_wanted(struct handshakes *handshakes, instant_ns now, uint64_t wall_ns,
                                struct actions *actions)
{
    /* A carried tunnel's initiation may find its carrier without a session, which then wants one of
     * its own: at most one round a level of the tree. */
    while (!list_is_empty(&handshakes->core->wants_handshake) &&
           actions->send_count + OUTBOUND_MOST <= ACTIONS_MOST) {
        while (!list_is_empty(&handshakes->core->wants_handshake) &&
               handshakes->outbound->count < OUTBOUND_MOST / 2) {
            struct hop *hop =
                CONTAINER_OF(handshakes->core->wants_handshake.next, struct hop, wanting);
            struct peer *peer = hop->peer;
            list_remove(&hop->wanting);
            initiate(handshakes, peer, now, wall_ns, actions);
        }
        outbound_run(handshakes->outbound, now, actions);
    }
}

void handshakes_session_is_ready(struct handshakes *handshakes, struct peer *peer, instant_ns now,
                                 struct actions *actions)
{
    hop_of(peer)->attempts = 0;
    events_ready(handshakes->core, peer, now);
    staging_release(&handshakes->outbound->staging, peer);
    outbound_run(handshakes->outbound, now, actions);
}

/* ---- the backlog ----
 *
 * Load is each tunnel's own. It may be told by the sum (RULES H2's 4096 are for all), but then
 * whoever floods one socket makes every tunnel's callers come twice, and those of a tunnel inside a
 * slow carrier wait for that. What the load protects, our time, is bounded for all tunnels
 * together: a turn looks into a few messages, from each tunnel in turn. A flood from many forged
 * sources meets cookies as before: the limit is on the tunnel, not on a source (TRAPS 22). */

/* Each tunnel by itself (H2). Many waiting, or more unknown callers than are worth a
 * Diffie-Hellman: from then on a caller has to show first that it gets answers at its address. */
static bool is_under_load(struct node *node, instant_ns now)
{
    if (node->backlog.queues[false].count >= BACKLOG_UNDER_LOAD)
        node->under_load_until = instant_add(now, UNDER_LOAD_NS);
    return now < node->under_load_until;
}

/* An initiation is about to be looked into. */
static bool asks_for_cookie(struct node *node, instant_ns now)
{
    if (is_under_load(node, now))
        return true;
    if (bucket_take(&node->unproven_callers, now))
        return false;
    node->under_load_until = instant_add(now, UNDER_LOAD_NS);
    return true;
}

void handshakes_enqueue(struct handshakes *handshakes, const struct inbound_entry *entry,
                        instant_ns now)
{
    const struct packet *packet = entry->packet;
    struct node *node = entry->node, *evicted = NULL;
    bool is_proven = false;
    enum verdict verdict = VERDICT_HANDSHAKE_REFUSED;
    if (handshakes->core->is_up)
        verdict = tunnel_vet_handshake(&node->tunnel, packet->data, packet->len_bytes,
                                       &entry->source, is_under_load(node, now), now, &is_proven);
    if (verdict != VERDICT_OK) {
        core_count(handshakes->core, node, verdict);
        return;
    }
    struct backlog_message *message =
        backlog_add(&handshakes->backlog, &node->backlog, is_proven, &evicted);
    if (!message || evicted)
        core_count(handshakes->core, message ? evicted : node, VERDICT_BACKLOG_FULL);
    if (!message)
        return;
    message->node = node;
    message->carrier = entry->carrier;
    message->source = entry->source;
    message->destination = entry->destination;
    message->interface = entry->interface;
    message->len_bytes = packet->len_bytes;
    memcpy(message->bytes, packet->data, packet->len_bytes);
}

static void reply(struct handshakes *handshakes, const struct backlog_message *message,
                  const struct handshake_result *result, struct actions *actions)
{
    struct udp_path *path = NULL;
    if (!message->carrier) {
        if (actions->reply_path_count == ACTIONS_REPLY_PATHS) {
            core_count(handshakes->core, message->node, VERDICT_SOCKET_FULL);
            return;
        }
        path = &actions->reply_paths[actions->reply_path_count++];
        *path = (struct udp_path){.destination = message->source,
                                  .source = message->destination,
                                  .source_interface = message->interface,
                                  .root = message->node->index};
    }
    outbound_message(handshakes->outbound, message->node, message->carrier, &message->source, path,
                     result->reply, result->reply_bytes, actions);
}

/* False: it cost no Diffie-Hellman. */
static bool consume(struct handshakes *handshakes, const struct backlog_message *message,
                    instant_ns now, uint64_t wall_ns, struct actions *actions)
{
    struct handshake_result result = {0};
    bool is_under_load = !message->is_proven && asks_for_cookie(message->node, now);
    enum verdict verdict = tunnel_consume_handshake(
        &message->node->tunnel, message->bytes, message->len_bytes, &message->source, is_under_load,
        now, wall_ns, &result);
    if (verdict != VERDICT_OK)
        core_count(handshakes->core, message->node, verdict);
    if (result.misfit)
        hop_of(result.misfit)->misfits++;
    struct peer *peer = result.peer;
    /* Nothing goes straight to where a fellow should carry it: not even an answer (RULES A8). */
    bool is_refused = peer ? roaming_is_astray(peer, &message->source.address, message->carrier)
                           : !message->carrier &&
                                 ways_hide(message->node, &message->source.address);
    if (is_refused && verdict == VERDICT_OK)
        core_count(handshakes->core, message->node, VERDICT_HANDSHAKE_REFUSED);
    if (peer && result.moves_endpoint && !is_refused) {
        struct inbound_entry from = {.carrier = message->carrier,
                                     .source = message->source,
                                     .destination = message->destination,
                                     .interface = message->interface};
        roaming_hear(handshakes->core, peer, &from, now);
        peer->received_bytes += message->len_bytes;
        peer->last_received = now;
    }
    if (result.reply_bytes && !is_refused) {
        if (peer)
            peer->sent_bytes += result.reply_bytes;
        reply(handshakes, message, &result, actions);
    }
    if (peer && result.session_is_ready) {
        events_ready(handshakes->core, peer, now);
        hop_of(peer)->attempts = 0;
        /* The responder may send only after it has heard from us: a keepalive when nothing
         * waits. */
        if (peer->stage.count == 0)
            outbound_keepalive(handshakes->outbound, peer);
        else
            staging_release(&handshakes->outbound->staging, peer);
    }
    if (peer)
        core_touch_deadline(handshakes->core, peer);
    outbound_run(handshakes->outbound, now, actions);
    return verdict != VERDICT_UNDER_LOAD &&
           message_type(message->bytes, message->len_bytes) != MESSAGE_COOKIE_REPLY;
}

void handshakes_run(struct handshakes *handshakes, instant_ns now, uint64_t wall_ns,
                    struct actions *actions)
{
    unsigned looked_into = 0, messages = 0;
    while (handshakes->backlog.count && looked_into < HANDSHAKES_PER_TURN &&
           messages < HANDSHAKE_MESSAGES_PER_TURN &&
           actions->send_count + OUTBOUND_MOST <= ACTIONS_MOST &&
           actions->reply_path_count < ACTIONS_REPLY_PATHS) {
        looked_into +=
            consume(handshakes, backlog_take(&handshakes->backlog), now, wall_ns, actions);
        messages++;
    }
    if (looked_into) /* a new session may have ended an older one */
        aead_forget(handshakes->core->aead);
}

/* ---- timers ---- */

static void handle_due(struct handshakes *handshakes, struct peer *peer, unsigned due,
                       instant_ns now)
{
    if (due & TIMERS_DUE_GIVE_UP) {
        events_gave_up(handshakes->core, peer, now);
        staging_drop(&handshakes->outbound->staging, peer, VERDICT_STAGE_EXPIRED);
    }
    if (due & TIMERS_DUE_WIPE) {
        peer_forget_sessions(peer);
        aead_forget(handshakes->core->aead);
    }
    if (due & TIMERS_DUE_SILENT)
        events_no_answer(handshakes->core, peer, now - TIMERS_SILENT_NS, now);
    if (due & TIMERS_DUE_INITIATION) {
        /* No answer: perhaps our own address changed, so the kernel chooses one again. */
        hop_of(peer)->path.source = (struct address){0};
        hop_of(peer)->path.source_interface = 0;
        core_want_handshake(handshakes->core, peer);
    }
    if (due & TIMERS_DUE_KEEPALIVE)
        outbound_keepalive(handshakes->outbound, peer);
}

void handshakes_tick(struct handshakes *handshakes, size_t most, instant_ns now, uint64_t wall_ns,
                     struct actions *actions)
{
    for (size_t i = 0; i < most; i++) {
        struct heap_node *first = heap_first(&handshakes->core->deadlines);
        if (!first || !instant_is_reached(first->deadline, now))
            break;
        struct peer *peer = CONTAINER_OF(first, struct peer, deadline);
        unsigned due = timers_take_due(&peer->timers, now);
        handle_due(handshakes, peer, due, now);
        heap_set(&handshakes->core->deadlines, &peer->deadline, timers_next(&peer->timers));
    }
    outbound_run(handshakes->outbound, now, actions);
    handshakes_initiate_wanted(handshakes, now, wall_ns, actions);
}

void handshakes_let_go(struct handshakes *handshakes, struct peer *peer)
{
    list_remove(&hop_of(peer)->wanting);
    heap_set(&handshakes->core->deadlines, &peer->deadline, INSTANT_NEVER);
}
