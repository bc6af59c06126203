/* SPDX-License-Identifier: MIT */
#include "engine/accept.h"

#include "engine/echo.h"
#include "engine/own_socket.h"
#include "engine/path_mtu.h"
#include "engine/scope.h"
#include "route/icmp.h"
#include "route/mss.h"
#include "route/nat.h"

static bool is_own_address(const struct node *node, enum family family, const uint8_t *bytes)
{
    return address_has_bytes(node_address(node, family), family, bytes);
}

/* The port of a UDP datagram that may be for a virtual socket, or 0: by destination address and
 * port, never by a later fragment's bytes (RULES C1, TRAPS 13). */
static uint16_t virtual_port(const struct node *node, const uint8_t *bytes,
                             const struct ip_view *view)
{
    if (view->protocol != IP_PROTOCOL_UDP || view->is_later_fragment ||
        view->transport_offset + (uint32_t)UDP_HEADER_BYTES > view->len_bytes ||
        !is_own_address(node, (enum family)view->family, bytes + view->destination_offset))
        return 0;
    return load_be16(bytes + view->transport_offset + 2);
}

/* Turns the entry, whose packet is the UDP datagram, into one at the child's socket. The UDP
 * checksum is not looked at: all of the bytes were authenticated by the carrier just now, and the
 * child authenticates its own. */
static enum verdict enter_child(struct inbound_entry *entry, struct node *child,
                                const struct address *source, const struct address *destination)
{
    struct packet *packet = entry->packet;
    uint32_t len = load_be16(packet->data + 4);
    if (len < UDP_HEADER_BYTES || len > packet->len_bytes)
        return VERDICT_MALFORMED;
    entry->source = (struct endpoint){.address = *source, .port = load_be16(packet->data)};
    entry->destination = *destination;
    entry->interface = 0;
    entry->carrier = entry->node;
    entry->node = child;
    packet_pull(packet, UDP_HEADER_BYTES);
    packet_trim(packet, len - UDP_HEADER_BYTES);
    return VERDICT_OK;
}

/* RULES C5: the fragment is kept, makes a datagram whole, or (ACCEPT_TUN) is for no virtual
 * socket. */
static enum accept_road take_fragment(struct accept *accept, bool is_carried)
{
    struct inbound_entry *entry = accept->entry;
    struct node *node = entry->node;
    const struct address source = ip_source(entry->packet->data, &accept->view);
    const struct address destination = ip_destination(entry->packet->data, &accept->view);
    struct reassembly_result result = reassemblies_add(accept->reassemblies, node, entry->packet,
                                                    &accept->view, is_carried, accept->now);
    accept->released = result.released;
    if (result.road == REASSEMBLY_PASSES)
        return ACCEPT_TUN;
    if (result.road == REASSEMBLY_KEPT)
        return ACCEPT_CONSUMED;
    pool_give_packet(accept->core->pool, entry->packet);
    entry->packet = result.whole;
    uint16_t port = load_be16(result.whole->data + 2);
    struct node *child = node_child_at_port(node, port);
    if (child) {
        accept->verdict = enter_child(entry, child, &source, &destination);
        return accept->verdict == VERDICT_OK ? ACCEPT_CARRIED : ACCEPT_REFUSED;
    }
    int own = own_socket_at(accept->own_sockets, node, port);
    accept->verdict = own_socket_deliver(accept->own_sockets, own, &source, result.whole->data,
                                         result.whole->len_bytes);
    return accept->verdict == VERDICT_OK ? ACCEPT_CONSUMED : ACCEPT_REFUSED;
}

static int route_of(const struct accept *accept, enum family family, const uint8_t *bytes)
{
    return routes_lookup_bytes(&accept->core->tree.routes, family, bytes);
}

static bool is_virtual_port(const struct accept *accept, const struct node *node, uint16_t port)
{
    return node_child_at_port(node, port) || own_socket_at(accept->own_sockets, node, port) >= 0;
}

static void find_source(struct accept *accept, const struct node *node, const uint8_t *packet)
{
    struct accept_source *source = &accept->source;
    enum family family = (enum family)accept->view.family;
    const uint8_t *bytes = packet + accept->view.source_offset;
    if (source->node == node && address_has_bytes(&source->address, family, bytes))
        return;
    const struct address address = address_from_bytes(family, bytes);
    *source = (struct accept_source){
        .node = node,
        .address = address,
        .peer = trie_lookup_bytes(&node->tunnel.allowed_ips, family, bytes),
        .route = route_of(accept, family, bytes),
        .is_out_of_scope = scope_is_out(&accept->core->tree, node, &address),
    };
}

/* RULES C6: an error is judged by what it quotes. */
static enum verdict judge_icmp_error(const struct accept *accept, const struct node *node,
                                     uint8_t *bytes)
{
    const struct ip_view *view = &accept->view;
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
        is_virtual_port(accept, node, load_be16(quote + error.quote.transport_offset)))
        return VERDICT_ICMP_CONSUMED;
    if ((node->nat_is_on && !quote_is_ours) ||
        route_of(accept, family, quoted_destination) != (int)node->index)
        return VERDICT_ICMP_REFUSED;
    if (node->nat_is_on && !is_own_address(node, family, bytes + view->destination_offset))
        return VERDICT_MISDIRECTED;
    /* A router outside the tunnel's routes would fail rp_filter: the socket's peer stands for
     * it. */
    if (accept->source.route != (int)node->index) {
        struct address stand_in = address_from_bytes(family, quoted_destination);
        icmp_replace_source(bytes, view, &stand_in);
    }
    return VERDICT_OK;
}

/* RULES F1. With NAT on it is misdirected. All that address_is_inside_a_host means begins with 0 or
 * 127: hardly any packet is asked about further. */
static inline bool goes_inside_this_host(const struct node *node, enum family family,
                                         const uint8_t *destination)
{
    if ((destination[0] != 0 && destination[0] != 127) || node->nat_is_on)
        return false;
    const struct address address = address_from_bytes(family, destination);
    return address_is_inside_a_host(&address);
}

static enum verdict judge(const struct accept *accept, const struct node *node, uint8_t *bytes)
{
    const struct accept_source *source = &accept->source;
    const struct ip_view *view = &accept->view;
    enum family family = (enum family)view->family;
    if (goes_inside_this_host(node, family, bytes + view->destination_offset))
        return VERDICT_SCOPE;
    if (icmp_concerns(view)) {
        if (icmp_is_redirect(bytes, view))
            return VERDICT_REDIRECT;
        if (icmp_is_error(bytes, view) && source->is_out_of_scope)
            return VERDICT_SCOPE;
        if (icmp_is_error(bytes, view))
            return judge_icmp_error(accept, node, bytes);
    }
    if (node->nat_is_on && !is_own_address(node, family, bytes + view->destination_offset))
        return VERDICT_MISDIRECTED;
    if (source->is_out_of_scope)
        return VERDICT_SCOPE;
    if (source->route != (int)node->index)
        return VERDICT_SPOOFED;
    return VERDICT_OK;
}

/* What is nobody's inside goes to the TUN, if it may. */
static enum verdict accept_for_tun(const struct accept *accept, const struct node *node,
                                   struct packet *packet)
{
    const struct ip_view *view = &accept->view;
    enum family family = (enum family)view->family;
    enum verdict verdict = judge(accept, node, packet->data);
    if (verdict == VERDICT_OK && node->nat_is_on)
        verdict = nat_rewrite(packet->data, packet->len_bytes, view, NAT_DESTINATION,
                              tree_nat_address(&accept->core->tree, family), 0);
    if (verdict == VERDICT_OK && mss_is_negotiated(packet->data, view))
        mss_clamp(packet->data, view, mss_of_mtu(family, node->mtu_bytes), false);
    return verdict;
}

enum verdict accept_released(struct accept *accept, const struct node *node, struct packet *packet)
{
    enum verdict verdict = ip_parse(packet->data, packet->len_bytes, &accept->view);
    if (verdict != VERDICT_OK)
        return verdict;
    find_source(accept, node, packet->data);
    return accept_for_tun(accept, node, packet);
}

/* The datagram is for a virtual socket of the node's: a carried tunnel's, or one of our own. */
static enum accept_road enter(struct accept *accept, struct node *child, int own)
{
    struct packet *packet = accept->entry->packet;
    const struct ip_view *view = &accept->view;
    const struct address from = ip_source(packet->data, view);
    const struct address to = ip_destination(packet->data, view);
    accept->verdict = view->is_fragment ? VERDICT_FRAGMENT_REFUSED : VERDICT_OK;
    packet->tos = view->tos;
    packet_pull(packet, view->transport_offset);
    if (accept->verdict == VERDICT_OK)
        accept->verdict = child ? enter_child(accept->entry, child, &from, &to)
                                : own_socket_deliver(accept->own_sockets, own, &from, packet->data,
                                                     packet->len_bytes);
    if (accept->verdict != VERDICT_OK)
        return ACCEPT_REFUSED;
    return child ? ACCEPT_CARRIED : ACCEPT_CONSUMED;
}

static enum accept_road refuse(struct accept *accept, enum verdict verdict)
{
    accept->verdict = verdict;
    return ACCEPT_REFUSED;
}

enum accept_road accept_packet(struct accept *accept)
{
    struct packet *packet = accept->entry->packet;
    struct node *node = accept->entry->node;
    struct ip_view *view = &accept->view;
    accept->released = (struct packet_queue){0};
    accept->verdict = ip_parse(packet->data, packet->len_bytes, view);
    if (accept->verdict != VERDICT_OK)
        return ACCEPT_REFUSED;
    packet_trim(packet, view->len_bytes); /* padding */
    uint8_t *bytes = packet->data;
    /* Whoever speaks of it: a relay's own address need not be in its peer's AllowedIPs. */
    if (icmp_concerns(view) && echo_take(accept->echoes, accept->peer, bytes, view, accept->now))
        return ACCEPT_CONSUMED;
    find_source(accept, node, bytes);
    if (accept->source.peer != accept->peer)
        return refuse(accept, VERDICT_SOURCE_NOT_ALLOWED);
    uint8_t tos = view->tos;
    if (!ip_decapsulate_ecn(packet->tos, view->tos, &tos))
        return refuse(accept, VERDICT_MALFORMED); /* congestion on a flow that cannot answer it */
    if (tos != view->tos) {
        ip_set_tos(bytes, view, tos);
        view->tos = tos;
    }
    uint16_t port = virtual_port(node, bytes, view);
    struct node *child = port ? node_child_at_port(node, port) : NULL;
    int own = port && !child ? own_socket_at(accept->own_sockets, node, port) : -1;
    if (reassembly_concerns(view) && node->reassembly &&
        is_own_address(node, (enum family)view->family, bytes + view->destination_offset)) {
        enum accept_road road = take_fragment(accept, child != NULL || own >= 0);
        if (road != ACCEPT_TUN)
            return road;
    } else if (child || own >= 0) {
        return enter(accept, child, own);
    }
    accept->verdict = accept_for_tun(accept, node, packet);
    if (accept->verdict == VERDICT_ICMP_CONSUMED)
        path_mtu_hear(accept->core, accept->peer, bytes, view, accept->now);
    return accept->verdict == VERDICT_OK ? ACCEPT_TUN : ACCEPT_REFUSED;
}
