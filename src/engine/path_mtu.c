/* SPDX-License-Identifier: MIT */
#include "engine/path_mtu.h"

#include "engine/events.h"
#include "engine/mtu.h"
#include "engine/riding.h"
#include "route/icmp.h"

#define DECREASES_MOST 8

static bool is_ours(const struct peer *peer, const uint8_t *message)
{
    uint32_t type = load_le32(message);
    return (type == MESSAGE_DATA || type == MESSAGE_INITIATION || type == MESSAGE_RESPONSE) &&
           riding_is_from_us(peer, message);
}

/* The peer that the quoted datagram went to, or NULL. IPv6 quotes reach far enough to show the
 * message (RFC 4443 3.2); of an IPv4 one that ends before, its addresses and ports must do (RFC
 * 792). */
static struct peer *find_quoted(const struct node *carrier, const uint8_t *quote,
                                const struct icmp_error *error)
{
    const struct ip_view *view = &error->quote;
    uint32_t at = view->transport_offset, message = at + UDP_HEADER_BYTES;
    if (view->protocol != IP_PROTOCOL_UDP || view->is_later_fragment ||
        message > error->quote_len_bytes)
        return NULL;
    const struct node *child = node_child_at_port(carrier, load_be16(quote + at));
    const struct endpoint to = {.address = ip_destination(quote, view),
                                .port = load_be16(quote + at + 2)};
    bool has_index = error->quote_len_bytes >= message + 8;
    if (!child || (!has_index && view->family == FAMILY_IPV6))
        return NULL;
    for (struct peer *peer = NULL; (peer = node_next_peer(child, peer));) {
        if (endpoint_is_equal(&peer->endpoint, &to) &&
            (!has_index || is_ours(peer, quote + message)))
            return peer;
    }
    return NULL;
}

static void narrow(struct core *core, struct peer *peer, uint32_t claimed_bytes, instant_ns now)
{
    struct path_mtu *path = &hop_of(peer)->path_mtu;
    uint32_t mtu = claimed_bytes > IPV6_LEAST_MTU_BYTES ? claimed_bytes : IPV6_LEAST_MTU_BYTES;
    if (mtu >= hop_of(hop_of(peer)->carrier_peer)->mtu_bytes ||
        (path->mtu_bytes && mtu >= path->mtu_bytes))
        return;
    if (path->mtu_bytes == 0)
        *path = (struct path_mtu){.until = instant_add(now, PATH_MTU_NS)};
    if (++path->decreases > DECREASES_MOST)
        mtu = IPV6_LEAST_MTU_BYTES;
    tree_set_path_mtu(&core->tree, peer, mtu);
    core->path_mtu_deadline = instant_min(core->path_mtu_deadline, path->until);
    events_narrow(core, peer, now);
}

void path_mtu_hear(struct core *core, const struct peer *carrier_peer, const uint8_t *bytes,
                   const struct ip_view *view, instant_ns now)
{
    struct icmp_error error;
    if (!icmp_parse_error(bytes, view, &error))
        return;
    struct peer *peer = find_quoted(node_of(carrier_peer), bytes + error.quote_offset, &error);
    if (!peer || hop_of(peer)->carrier_peer != carrier_peer)
        return;
    if (error.is_too_big) {
        narrow(core, peer, error.mtu_bytes, now);
        return;
    }
    struct path_error *heard = &hop_of(peer)->path_error;
    heard->words = icmp_error_words((enum family)view->family, error.type, error.code);
    heard->source = ip_source(bytes, view);
    heard->at = now;
}

void path_mtu_tick(struct core *core, instant_ns now)
{
    if (!instant_is_reached(core->path_mtu_deadline, now))
        return;
    core->path_mtu_deadline = INSTANT_NEVER;
    for (struct node *node = NULL; (node = tree_next(&core->tree, node));) {
        for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
            const struct path_mtu *path = &hop_of(peer)->path_mtu;
            if (path->mtu_bytes && instant_is_reached(path->until, now))
                tree_set_path_mtu(&core->tree, peer, 0);
            else if (path->mtu_bytes)
                core->path_mtu_deadline = instant_min(core->path_mtu_deadline, path->until);
        }
    }
}
