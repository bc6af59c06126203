/* SPDX-License-Identifier: MIT */
#include "engine/live_check.h"

#include <errno.h>

#include "engine/fellows.h"
#include "engine/live_regions.h"
#include "engine/mtu.h"
#include "engine/ways.h"

/* ---- tunnels ---- */

static bool check_port(struct live *live, const struct node *node)
{
    const struct configured *wanted = node_wanted(node);
    for (struct node *at = NULL; (at = tree_next(live->tree, at)) && at != node;) {
        const struct configured *other = node_wanted(at);
        if (!wanted->tunnel.listen_port || other->carrier != wanted->carrier ||
            other->tunnel.listen_port != wanted->tunnel.listen_port)
            continue;
        const struct node *one = live_steps_changed(live, node, at);
        live_steps_refuse(live, one->name,
                          "port %u is \"%s\"'s already, beside which it stands; choose another",
                          wanted->tunnel.listen_port, one == node ? at->name : node->name);
        live->error = -EADDRINUSE;
        return false;
    }
    return true;
}

static bool check_mtu(struct live *live, const struct node *node)
{
    const struct configured *wanted = node_wanted(node);
    uint32_t mtu = wanted->tunnel.mtu_bytes, cost = mtu_cost_bytes(FAMILY_IPV4);
    if (mtu > NETWORK_MTU_MOST_BYTES)
        return live_steps_refuse(live, node->name, "an MTU of %u; write at most %d", mtu,
                                 NETWORK_MTU_MOST_BYTES);
    uint32_t carriers = wanted->carrier ? node_wanted(wanted->carrier)->tunnel.mtu_bytes : 0;
    if (mtu && carriers && !wanted->tunnel.mtu_is_upper_bound && mtu + cost > carriers)
        return live_steps_refuse(live, node->name,
                                 "an MTU of %u does not fit into \"%s\", whose MTU is %u, of which "
                                 "%u are for itself; write none: it is computed",
                                 mtu, wanted->carrier->name, carriers, cost);
    return true;
}

static bool check_tunnel(struct live *live, const struct node *node)
{
    const struct configured *wanted = node_wanted(node);
    if (wanted->carrier && list_is_empty(&wanted->carrier->in_tree))
        return live_steps_refuse(live, wanted->carrier->name,
                                 "it still carries \"%s\"; give that another carrier or remove it "
                                 "first",
                           node->name);
    if (node_wanted_depth(node) == 0)
        return live_steps_refuse(live, node->name,
                                 "it would ride inside itself, or deeper than %d tunnels; "
                                 "choose another carrier",
                                 NETWORK_DEPTH_MOST);
    if (wanted->carrier && wanted->tunnel.fwmark)
        return live_steps_refuse(live, node->name,
                                 "a carried tunnel has no socket to mark; leave its mark out");
    return check_port(live, node) && check_mtu(live, node);
}

/* ---- endpoints (RULES A5) ---- */

static bool has_family(const struct node *node, enum family family)
{
    const struct tunnel_description *tunnel = &node_wanted(node)->tunnel;
    bool has = false;
    for (size_t i = 0; i < tunnel->address_count; i++)
        has |= tunnel->addresses[i].family == family;
    return has;
}

/* What was out of reach before the change is no reason to refuse it. */
static bool is_news(const struct node *node, const struct peer *peer)
{
    const struct hop *hop = hop_of(peer);
    bool is_moved = node_wanted(node)->carrier != node->carrier;
    bool is_new = hop->pending && hop->pending->fields & CHANGE_ENDPOINT;
    return is_moved || is_new ||
           (hop->carrier_peer && endpoint_is_equal(&peer->endpoint, &hop->configured_endpoint));
}

static bool check_endpoint(struct live *live, const struct node *node, const struct peer *peer)
{
    const struct address *to = &hop_wanted_endpoint(hop_of(peer))->address;
    const struct node *carrier = node_wanted(node)->carrier;
    struct peer *fellow;
    char address[ADDRESS_TEXT_BYTES];
    if (!to->family || !is_news(node, peer) || fellows_find(node, peer, to, &fellow))
        return true;
    if (!trie_lookup(&carrier->tunnel.allowed_ips, to))
        return live_steps_refuse(live, node->name,
                                 "its peer's endpoint %s is not in the AllowedIPs of its carrier "
                                 "\"%s\"; add it there or choose another carrier",
                                 address_format(to, address), carrier->name);
    if (!has_family(carrier, (enum family)to->family))
        return live_steps_refuse(live, node->name,
                                 "its peer's endpoint %s is IPv%d, and its carrier \"%s\" has no "
                                 "address of that family; write an endpoint of the other one or "
                                 "give the carrier an address",
                                 address_format(to, address), (int)to->family, carrier->name);
    return true;
}

/* Of the node's peers those with another endpoint. */
static bool check_pending_endpoints(struct live *live, const struct node *node)
{
    bool is_fine = true;
    for (const struct hop_pending *at = live->pending; at && is_fine; at = at->next) {
        if (node_of(at->peer) == node && !list_is_empty(&at->peer->in_tunnel))
            is_fine = check_endpoint(live, node, at->peer);
    }
    return is_fine;
}

/* And those that are where AllowedIPs changed. */
static bool check_endpoints_inside(struct live *live, const struct node *node)
{
    bool is_fine = true;
    for (uint32_t slot = 0; slot < node->peer_slots && is_fine && live->region_count; slot++) {
        if (live_regions_have(live, &node->places[slot].address) &&
            !list_is_empty(&node->peers[slot]->in_tunnel))
            is_fine = check_endpoint(live, node, node->peers[slot]);
    }
    return is_fine;
}

static bool check_endpoints(struct live *live, const struct node *node)
{
    const struct node *carrier = node_wanted(node)->carrier;
    if (!carrier)
        return true;
    if (!live->is_structural)
        return (!node->is_touched || check_pending_endpoints(live, node)) &&
               (!(node->is_touched || carrier->is_touched) ||
                check_endpoints_inside(live, node));
    bool is_fine = true;
    for (const struct peer *peer = NULL; is_fine && (peer = node_next_peer(node, peer));)
        is_fine = check_endpoint(live, node, peer);
    return is_fine;
}

/* ---- levels (RULES A8) ---- */

/* A peer's endpoint, as it shall be, is a fellow's. */
static bool rides_fellow(const struct node *node, const struct peer *peer)
{
    struct peer *fellow;
    const struct endpoint *to = hop_wanted_endpoint(hop_of(peer));
    return to->address.family && fellows_find(node, peer, &to->address, &fellow);
}

/* Whose endpoint is configured where AllowedIPs changed rides a fellow, wherever it roamed. */
static bool has_rider_inside(const struct live *live, const struct node *node)
{
    bool has = false;
    for (uint32_t slot = 0; slot < node->peer_slots && !has && live->region_count; slot++) {
        const struct peer *peer = node->peers[slot];
        bool is_inside = live_regions_have(live, &node->places[slot].address);
        if (!is_inside && node->places[slot].has_roamed)
            is_inside = live_regions_have(live, &hop_wanted_endpoint(hop_of(peer))->address);
        has = is_inside && !list_is_empty(&peer->in_tunnel) && rides_fellow(node, peer);
    }
    return has;
}

/* No literal is inside a fellow, and only those that the change touches can be from now on. */
static bool stays_flat(const struct live *live, const struct node *node)
{
    if (!node->is_flat)
        return false;
    for (const struct hop_pending *at = live->pending; at; at = at->next) {
        bool is_here = node_of(at->peer) == node && at->fields & CHANGE_ENDPOINT;
        if (is_here && !list_is_empty(&at->peer->in_tunnel) && rides_fellow(node, at->peer))
            return false;
    }
    return !has_rider_inside(live, node);
}

/* Its peers with a name for an endpoint, as they shall be. */
static uint32_t count_names(const struct live *live, const struct node *node)
{
    uint32_t names = node->names;
    for (size_t i = 0; i < live->count; i++) {
        const struct live_step *step = &live->steps[i];
        if (step->kind == LIVE_PEER_REMOVED && step->node == node)
            names -= hop_has_name(hop_of(step->peer));
    }
    for (const struct hop_pending *at = live->pending; at; at = at->next) {
        const struct hop *hop = hop_of(at->peer);
        if (node_of(at->peer) == node && !list_is_empty(&at->peer->in_tunnel))
            names += (uint32_t)hop_wants_name(hop) - (uint32_t)hop_has_name(hop);
    }
    return names;
}

static void find_levels(const struct live *live, struct node *node)
{
    node->next_levels = node->levels;
    node->next_is_flat = node->is_flat;
    if (!live->is_structural && !node->is_touched)
        return;
    if (live->is_structural || !stays_flat(live, node))
        node->next_levels = ways_levels(node, &node->next_is_flat);
    else
        node->next_levels = ways_levels_of_names(node, count_names(live, node));
}

bool live_check(struct live *live)
{
    struct node *node = NULL;
    if (live->tree->count == 0)
        return live_steps_refuse(live, live_steps_a_tunnel(live),
                                 "it is the last one; a network has at least one, and ends with "
                                 "down");
    if (!live->is_structural && !live_regions_find(live))
        return live_steps_no_memory(live, live_steps_a_tunnel(live));
    while (live->is_structural && (node = tree_next(live->tree, node))) {
        if (!check_tunnel(live, node))
            return false;
    }
    for (node = NULL; (node = tree_next(live->tree, node));) {
        if (!check_endpoints(live, node))
            return false;
        find_levels(live, node);
    }
    return true;
}
