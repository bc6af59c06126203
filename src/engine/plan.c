/* SPDX-License-Identifier: MIT */
/* Theory of operation. All refusals come before the first byte is changed, so an ICMP error quotes
 * the packet as the application sent it (RULES D4). Then the address is translated and the MSS
 * lowered once, in the super-packet, and only then it is cut: segments inherit both. Cutting is the
 * one copy of a payload byte; it stops when the turn's batch is full and goes on in the next
 * turn. */
#include "engine/plan.h"

#include "engine/icmp_answer.h"
#include "engine/mtu.h"
#include "engine/outbound.h"
#include "engine/own_socket.h"
#include "engine/riding.h"
#include "engine/scope.h"
#include "route/fragment.h"
#include "route/icmp.h"
#include "route/mss.h"
#include "route/nat.h"

/* Room kept in the batch for the fragments of one packet. */
#define FRAGMENTS_MOST 64

/* A plain interface has no routes of its own: what no peer takes is its all the same. */
static enum verdict judge_unrouted(const struct core *core, const struct address *address,
                                   struct node **node)
{
    struct node *first = tree_next(&core->tree, NULL);
    if (address_is_multicast(address) || scope_is_of_this_host(&core->tree, address))
        return VERDICT_SCOPE;
    if (!first || !first->configured->tunnel.is_plain)
        return VERDICT_NO_ROUTE;
    *node = first;
    return VERDICT_NO_PEER;
}

enum verdict plan_destination(const struct core *core, enum family family,
                              const uint8_t *destination, struct node **node, struct peer **peer)
{
    int winner = routes_lookup_bytes(&core->tree.routes, family, destination);
    *node = NULL;
    *peer = NULL;
    struct address address = address_from_bytes(family, destination);
    if (winner < 0)
        return judge_unrouted(core, &address, node);
    *node = core->tree.nodes[winner];
    if (scope_is_out(&core->tree, *node, &address))
        return VERDICT_SCOPE;
    *peer = trie_lookup_bytes(&(*node)->tunnel.allowed_ips, family, destination);
    if (!*peer)
        return VERDICT_NO_PEER;
    if ((*node)->nat_is_on && !node_address(*node, family)->family)
        return VERDICT_NO_ADDRESS;
    if (hop_of(*peer)->carrier && (*peer)->endpoint.address.family && !hop_of(*peer)->carrier_peer)
        return VERDICT_UNROUTABLE;
    enum verdict verdict = mtu_judge(*peer, family);
    if (verdict == VERDICT_OK && !(*peer)->endpoint.address.family &&
        !hop_of(*peer)->is_awaiting_name)
        return VERDICT_NO_ENDPOINT;
    return verdict;
}

/* RULES B2, B3: whose source may enter. */
static bool source_is_fine(const struct plan *plan, const uint8_t *bytes,
                           const struct ip_view *view)
{
    const struct node *node = plan->node;
    enum family family = (enum family)view->family;
    const uint8_t *source = bytes + view->source_offset;
    if (node->nat_is_on)
        return address_has_bytes(tree_nat_address(&plan->core->tree, family), family, source);
    if (address_has_bytes(node_address(node, family), family, source))
        return true;
    const struct node *owner = trie_lookup_bytes(&plan->core->tree.addresses.all, family, source);
    return !owner || owner == node;
}

/* RULES C1: an application's datagram that would leave as if a carried tunnel, or the program
 * itself, had sent it. */
static bool port_is_taken(const struct plan *plan, const uint8_t *bytes, const struct ip_view *view)
{
    const struct node *node = plan->node;
    if (view->protocol != IP_PROTOCOL_UDP || view->is_later_fragment ||
        view->transport_offset + 2u > view->len_bytes)
        return false;
    const struct address *own = node_address(node, (enum family)view->family);
    if (!own->family || (!node->nat_is_on && memcmp(bytes + view->source_offset, own->bytes,
                                                    family_bytes(own->family)) != 0))
        return false;
    uint16_t port = load_be16(bytes + view->transport_offset);
    return node_child_at_port(node, port) || own_socket_at(plan->own_sockets, node, port) >= 0;
}

static enum verdict judge_segments(struct plan *plan, const struct ip_view *view)
{
    uint32_t largest = split_packet_bytes(&plan->split);
    if (!plan->core->is_up) /* it would wait until somebody sets it up, and be sent then */
        return VERDICT_NO_SESSION;
    plan->must_fragment = largest > hop_of(plan->peer)->mtu_bytes;
    if (plan->must_fragment && (view->has_dont_fragment || view->family == FAMILY_IPV6 ||
                                largest > plan->core->tree.packet_most_bytes))
        return VERDICT_TOO_BIG;
    return VERDICT_OK;
}

/* What is left of a super-packet: the way may be another since the last turn. */
static enum verdict judge_rest(struct plan *plan)
{
    if (!plan->peer) /* plan_forget */
        return VERDICT_MOVED;
    enum verdict verdict = mtu_judge(plan->peer, (enum family)plan->split.view.family);
    return verdict == VERDICT_OK ? judge_segments(plan, &plan->split.view) : verdict;
}

static enum verdict find_way(struct plan *plan, enum family family, const uint8_t *destination)
{
    if (address_has_bytes(&plan->last_destination, family, destination)) {
        plan->node = plan->last_node;
        plan->peer = plan->last_peer;
        return VERDICT_OK;
    }
    enum verdict verdict =
        plan_destination(plan->core, family, destination, &plan->node, &plan->peer);
    if (verdict == VERDICT_OK) {
        plan->last_destination = address_from_bytes(family, destination);
        plan->last_node = plan->node;
        plan->last_peer = plan->peer;
    }
    return verdict;
}

static enum verdict judge(struct plan *plan, const uint8_t *bytes, const struct ip_view *view,
                          instant_ns now)
{
    enum verdict verdict =
        find_way(plan, (enum family)view->family, bytes + view->destination_offset);
    if (verdict != VERDICT_OK)
        return verdict;
    if (icmp_is_redirect(bytes, view))
        return VERDICT_REDIRECT;
    verdict = riding_judge(plan->core, plan->peer, bytes, view, now);
    if (verdict != VERDICT_OK)
        return verdict;
    if (!source_is_fine(plan, bytes, view))
        return VERDICT_NAT_SOURCE;
    if (port_is_taken(plan, bytes, view))
        return VERDICT_PORT_TAKEN;
    return judge_segments(plan, view);
}

/* Everything up to the first cut. */
static enum verdict start(struct plan *plan, const struct vnet_header *vnet, uint8_t *bytes,
                          size_t len, instant_ns now, struct ip_view *view)
{
    plan->node = NULL;
    bool is_super = vnet->gso_type != VNET_GSO_NONE;
    enum verdict verdict =
        is_super ? ip_parse_quoted(bytes, len, view) : ip_parse(bytes, len, view);
    if (verdict == VERDICT_OK)
        verdict = split_init(&plan->split, vnet, bytes, len, view);
    if (verdict == VERDICT_OK)
        verdict = judge(plan, bytes, view, now);
    if (verdict != VERDICT_OK)
        return verdict;

    const struct node *node = plan->node;
    enum family family = (enum family)view->family;
    uint16_t partial_at = vnet->flags & VNET_NEEDS_CSUM ? vnet->csum_start : 0;
    if (node->nat_is_on) {
        verdict = nat_rewrite(bytes, len, view, NAT_SOURCE, node_address(node, family), partial_at);
        if (verdict != VERDICT_OK)
            return verdict;
    }
    if (mss_is_negotiated(bytes, view))
        mss_clamp(bytes, view, mss_of_mtu(family, hop_of(plan->peer)->mtu_bytes),
                  partial_at == view->transport_offset);
    return VERDICT_OK;
}

static void append(struct plan *plan, struct packet *packet, uint8_t tos)
{
    packet->tos = tos & IP_ECN_MASK; /* RFC 6040 4.1, normal; DSCP is not leaked (RULES C2) */
    packet->kind = PACKET_DATA;
    outbound_append(plan->outbound, packet, plan->peer);
}

/* Cuts a segment that exceeds the path into fragments (RULES D5). Takes the packet. */
static void append_fragments(struct plan *plan, struct packet *whole)
{
    struct ip_view view;
    struct fragment fragment;
    enum verdict verdict = ip_parse(whole->data, whole->len_bytes, &view);
    if (verdict == VERDICT_OK)
        verdict = fragment_init(&fragment, whole->data, &view, hop_of(plan->peer)->mtu_bytes);
    while (verdict == VERDICT_OK && !fragment_is_finished(&fragment)) {
        struct packet *packet = plan->outbound->count < OUTBOUND_TURN_PACKETS + FRAGMENTS_MOST
                                    ? pool_take_packet(plan->core->pool)
                                    : NULL;
        if (!packet) {
            verdict = VERDICT_POOL_EMPTY;
            break;
        }
        fragment_next(&fragment, packet);
        append(plan, packet, view.tos);
    }
    if (verdict != VERDICT_OK)
        core_count(plan->core, plan->node, verdict);
    pool_give_packet(plan->core->pool, whole);
}

static void refuse(struct plan *plan, const uint8_t *bytes, size_t len, const struct ip_view *view,
                   enum verdict verdict, instant_ns now, struct actions *actions)
{
    const struct icmp_answer answer = {
        .node = plan->node,
        .bytes = bytes,
        .len = len,
        .view = view,
        .verdict = verdict,
        .mtu_bytes = verdict == VERDICT_TOO_BIG ? hop_of(plan->peer)->mtu_bytes : 0,
    };
    icmp_answer_write(plan->core, &answer, now, actions);
}

bool plan_packet(struct plan *plan, const struct vnet_header *vnet, uint8_t *bytes, size_t len,
                 instant_ns now, struct actions *actions)
{
    struct ip_view view = {0};
    enum verdict verdict =
        plan->is_active ? judge_rest(plan) : start(plan, vnet, bytes, len, now, &view);
    if (verdict != VERDICT_OK) {
        /* The rest of a super-packet is translated by now and cannot be quoted (D4): who sends it
         * again is told. */
        if (plan->is_active)
            core_count_many(plan->core, plan->node, verdict, split_packets_left(&plan->split));
        else
            refuse(plan, bytes, len, &view, verdict, now, actions);
        plan->is_active = false;
        return true;
    }
    plan->is_active = true;
    while (!split_is_finished(&plan->split)) {
        if (plan->outbound->count >= hop_of(plan->peer)->turn_packets)
            return false;
        struct packet *packet = pool_take_packet(plan->core->pool);
        if (!packet) {
            core_count_many(plan->core, plan->node, VERDICT_POOL_EMPTY,
                            split_packets_left(&plan->split));
            break;
        }
        split_next(&plan->split, packet);
        if (plan->must_fragment && packet->len_bytes > hop_of(plan->peer)->mtu_bytes)
            append_fragments(plan, packet);
        else
            append(plan, packet, plan->split.view.tos);
    }
    plan->is_active = false;
    return true;
}

void plan_end_turn(struct plan *plan)
{
    plan->last_destination.family = FAMILY_NONE;
}

void plan_forget(struct plan *plan)
{
    plan_end_turn(plan);
    plan->node = NULL;
    plan->peer = NULL;
}

void plan_let_go(struct plan *plan, const struct peer *peer)
{
    if (plan->peer == peer)
        plan_forget(plan);
}
