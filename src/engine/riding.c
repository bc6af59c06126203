/* SPDX-License-Identifier: MIT */
/* Theory of operation. A mark keeps the sockets' datagrams off our own routes. With `Table = off`,
 * or with rules that somebody else wrote, one may come out of the TUN all the same. That is legal
 * where it rides another peer: that is nesting, made by the kernel. It must not ride itself, at
 * once or in turn: each pass would make it larger and send it round again. So each root's peer
 * remembers which one its datagrams were last seen to ride; a datagram that would close the circle
 * is dropped. What rode long ago counts no more, since routes change. The datagrams are known by
 * what no other program has: where they go together with the index in them. */
#include "engine/riding.h"

#include "engine/events.h"

/* Longer than between two initiations, which is all that a loop without a session sends. */
#define REMEMBERED_NS (2 * REKEY_TIMEOUT_NS)

static bool has_remote_index(const struct session *session, uint32_t index)
{
    return session && session->remote_index == index;
}

bool riding_is_from_us(const struct peer *peer, const uint8_t *message)
{
    uint32_t index = load_le32(message + 4);
    const struct indices *indices = &peer->tunnel->indices;
    switch (message[0]) {
    case MESSAGE_INITIATION: {
        const struct index_entry *entry = indices_find_initiation(indices, index);
        return entry && entry->peer == peer;
    }
    case MESSAGE_RESPONSE: {
        const struct session *session = indices_find_session(indices, index);
        return session && session->peer == peer;
    }
    default:
        return has_remote_index(peer->current, index) || has_remote_index(peer->previous, index) ||
               has_remote_index(peer->next, index);
    }
}

/* The root's peer to which the packet is a datagram of ours, or NULL. */
static struct peer *find_addressed(struct core *core, const uint8_t *bytes,
                                   const struct ip_view *view)
{
    size_t at = view->transport_offset;
    if (view->protocol != IP_PROTOCOL_UDP || view->is_later_fragment ||
        at + UDP_HEADER_BYTES + MESSAGE_DATA_HEADER_BYTES > view->len_bytes)
        return NULL;
    const uint8_t *message = bytes + at + UDP_HEADER_BYTES;
    bool is_message = message[0] == MESSAGE_INITIATION || message[0] == MESSAGE_RESPONSE ||
                      message[0] == MESSAGE_DATA;
    if (!is_message || message[1] || message[2] || message[3])
        return NULL;
    struct endpoint to = {.address = address_from_bytes((enum family)view->family,
                                                        bytes + view->destination_offset),
                          .port = load_be16(bytes + at + 2)};
    struct hop *hop = riding_hash_chain(&core->tree.riding_hash, &to.address, to.port);
    while (hop && !(hop->peer->endpoint.port == to.port &&
                    address_is_equal(&hop->peer->endpoint.address, &to.address) &&
                    riding_is_from_us(hop->peer, message)))
        hop = hop->next_at_endpoint;
    return hop ? hop->peer : NULL;
}

static const struct peer *root_of(const struct peer *peer)
{
    while (peer && hop_of(peer)->carrier)
        peer = hop_of(peer)->carrier_peer;
    return peer;
}

/* Whom the datagrams to this root's peer were seen to ride not long ago, or NULL. Kept as numbers:
 * who stood there may be gone. */
static const struct peer *ridden_by(const struct core *core, const struct peer *peer,
                                    instant_ns now)
{
    const struct riding *riding = &hop_of(peer)->riding;
    if (!riding->seen || now >= instant_add(riding->seen, REMEMBERED_NS))
        return NULL;
    const struct node *node = core->tree.nodes[riding->tunnel];
    const struct peer *ridden =
        node && riding->peer < node->peer_slots ? node->peers[riding->peer] : NULL;
    return ridden && hop_of(ridden)->generation == riding->generation ? root_of(ridden) : NULL;
}

static void log_loop(struct core *core, struct peer *peer, instant_ns now)
{
    struct riding *riding = &hop_of(peer)->riding;
    bool is_news = !riding->refused || now >= instant_add(riding->refused, REMEMBERED_NS);
    riding->refused = now;
    if (is_news)
        events_loop(core, peer, now);
}

enum verdict riding_judge(struct core *core, const struct peer *peer, const uint8_t *bytes,
                          const struct ip_view *view, instant_ns now)
{
    struct peer *addressed = find_addressed(core, bytes, view);
    const struct peer *at = root_of(peer);
    if (!addressed)
        return VERDICT_OK;
    const struct peer *ridden = at;
    for (unsigned steps = 0; at && at != addressed && steps < NETWORK_DEPTH_MOST; steps++)
        at = ridden_by(core, at, now);
    if (at) { /* itself, or deeper than any path */
        log_loop(core, addressed, now);
        return VERDICT_LOOP;
    }
    if (ridden) {
        struct riding *riding = &hop_of(addressed)->riding;
        riding->tunnel = node_of(ridden)->index;
        riding->peer = ridden->index;
        riding->generation = hop_of(ridden)->generation;
        riding->seen = now;
    }
    return VERDICT_OK;
}
