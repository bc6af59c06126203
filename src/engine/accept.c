/* SPDX-License-Identifier: MIT */
#include "engine/accept.h"

#include "route/icmp.h"
#include "route/mss.h"
#include "route/nat.h"

static bool is_own_address(const struct node *node, enum family family, const uint8_t *bytes)
{
    const struct address *own = node_address(node, family);
    return own->family && memcmp(own->bytes, bytes, family_bytes(family)) == 0;
}

/* The port of a UDP datagram that may be for a virtual socket, or 0: by destination address and port,
 * never by a later fragment's bytes (RULES C1, TRAPS 13). */
static uint16_t virtual_port(const struct node *node, const uint8_t *bytes,
                             const struct ip_view *view)
{
    if (view->protocol != IP_PROTOCOL_UDP || view->is_later_fragment ||
        view->transport_offset + (uint32_t)UDP_HEADER_BYTES > view->len_bytes ||
        !is_own_address(node, (enum family)view->family, bytes + view->destination_offset))
        return 0;
    return load_be16(bytes + view->transport_offset + 2);
}

/* Turns the entry into a datagram at the child's socket. The UDP checksum is not looked at: all of the
 * bytes were authenticated by the carrier just now, and the child authenticates its own. */
static enum verdict enter_child(struct inbound_entry *entry, struct node *child,
                                const struct ip_view *view)
{
    struct packet *packet = entry->packet;
    const uint8_t *udp = packet->data + view->transport_offset;
    uint32_t room = view->len_bytes - view->transport_offset, len = load_be16(udp + 4);
    if (view->is_fragment)
        return VERDICT_FRAGMENT_REFUSED;
    if (len < UDP_HEADER_BYTES || len > room)
        return VERDICT_MALFORMED;
    entry->source = (struct endpoint){.address = ip_source(packet->data, view),
                                      .port = load_be16(udp)};
    entry->destination = ip_destination(packet->data, view);
    entry->interface = 0;
    entry->node = child;
    packet_pull(packet, view->transport_offset + UDP_HEADER_BYTES);
    packet_trim(packet, len - UDP_HEADER_BYTES);
    return VERDICT_OK;
}

/* RULES G1: an answer to a query of the program's own. */
static enum verdict deliver(struct engine *engine, int own, const uint8_t *bytes,
                            const struct ip_view *view)
{
    struct address source = ip_source(bytes, view);
    return own_datagram_deliver(engine, own, &source, bytes + view->transport_offset,
                                view->len_bytes - view->transport_offset);
}

static int route_of(const struct engine *engine, enum family family, const uint8_t *bytes)
{
    return routes_lookup_bytes(&engine->tree.routes, family, bytes);
}

static bool is_virtual_port(const struct engine *engine, const struct node *node, uint16_t port)
{
    return node_child_at_port(node, port) || own_datagram_at(engine, node, port) >= 0;
}

/* RULES C6: an error is judged by what it quotes. */
static enum verdict judge_icmp_error(const struct engine *engine, const struct node *node,
                                     uint8_t *bytes, const struct ip_view *view)
{
    struct icmp_error error;
    if (!icmp_parse_error(bytes, view, &error))
        return VERDICT_ICMP_REFUSED;
    enum family family = (enum family)view->family;
    const uint8_t *quote = bytes + error.quote_offset;
    const uint8_t *quoted_source = quote + error.quote.source_offset;
    const uint8_t *quoted_destination = quote + error.quote.destination_offset;
    bool quote_is_ours = is_own_address(node, family, quoted_source);
    if (quote_is_ours && error.quote.protocol == IP_PROTOCOL_UDP &&
        !error.quote.is_later_fragment &&
        error.quote.transport_offset + 2u <= error.quote_len_bytes &&
        is_virtual_port(engine, node, load_be16(quote + error.quote.transport_offset)))
        return VERDICT_ICMP_CONSUMED;
    if ((node->nat_is_on && !quote_is_ours) ||
        route_of(engine, family, quoted_destination) != (int)node->index)
        return VERDICT_ICMP_REFUSED;
    if (node->nat_is_on && !is_own_address(node, family, bytes + view->destination_offset))
        return VERDICT_MISDIRECTED;
    /* A router outside the tunnel's routes would fail rp_filter: the socket's peer stands for it. */
    if (route_of(engine, family, bytes + view->source_offset) != (int)node->index) {
        struct address stand_in = address_from_bytes(family, quoted_destination);
        icmp_replace_source(bytes, view, &stand_in);
    }
    return VERDICT_OK;
}

static enum verdict judge(const struct engine *engine, const struct node *node, uint8_t *bytes,
                          const struct ip_view *view)
{
    enum family family = (enum family)view->family;
    if (icmp_is_error(bytes, view))
        return judge_icmp_error(engine, node, bytes, view);
    if (node->nat_is_on && !is_own_address(node, family, bytes + view->destination_offset))
        return VERDICT_MISDIRECTED;
    if (route_of(engine, family, bytes + view->source_offset) != (int)node->index)
        return VERDICT_SPOOFED;
    return VERDICT_OK;
}

enum accept_road accept_packet(struct engine *engine, struct inbound_entry *entry,
                               const struct peer *peer, uint8_t outer_tos, struct ip_view *view,
                               enum verdict *verdict)
{
    struct packet *packet = entry->packet;
    struct node *node = entry->node;
    *verdict = ip_parse(packet->data, packet->len_bytes, view);
    if (*verdict != VERDICT_OK)
        return ACCEPT_REFUSED;
    packet_trim(packet, view->len_bytes); /* padding */
    uint8_t *bytes = packet->data;
    enum family family = (enum family)view->family;
    if (trie_lookup_bytes(&node->tunnel.allowed_ips, family, bytes + view->source_offset) != peer) {
        *verdict = VERDICT_SOURCE_NOT_ALLOWED;
        return ACCEPT_REFUSED;
    }
    uint8_t tos = view->tos;
    if (!ip_decapsulate_ecn(outer_tos, view->tos, &tos)) {
        *verdict = VERDICT_MALFORMED; /* congestion was marked on a flow that cannot answer it */
        return ACCEPT_REFUSED;
    }
    if (tos != view->tos) {
        ip_set_tos(bytes, view, tos);
        view->tos = tos;
    }
    uint16_t port = virtual_port(node, bytes, view);
    struct node *child = port ? node_child_at_port(node, port) : NULL;
    int own = port && !child ? own_datagram_at(engine, node, port) : -1;
    if (own >= 0) {
        *verdict = view->is_fragment ? VERDICT_FRAGMENT_REFUSED : deliver(engine, own, bytes, view);
        return *verdict == VERDICT_OK ? ACCEPT_CONSUMED : ACCEPT_REFUSED;
    }
    if (child) {
        packet->tos = tos;
        *verdict = enter_child(entry, child, view);
        return *verdict == VERDICT_OK ? ACCEPT_CARRIED : ACCEPT_REFUSED;
    }
    *verdict = judge(engine, node, bytes, view);
    if (*verdict == VERDICT_OK && node->nat_is_on)
        *verdict = nat_rewrite(bytes, packet->len_bytes, view, NAT_DESTINATION,
                               tree_nat_address(&engine->tree, family), 0);
    if (*verdict != VERDICT_OK)
        return ACCEPT_REFUSED;
    if (view->protocol == IP_PROTOCOL_TCP)
        mss_clamp(bytes, view, mss_of_mtu(family, node->mtu_bytes), false);
    return ACCEPT_TUN;
}
