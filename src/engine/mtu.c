/* SPDX-License-Identifier: MIT */
#include "engine/mtu.h"

#include "engine/node.h"
#include "route/fragment.h"

#define IPV4_LEAST_MTU_BYTES 68 /* RFC 791 3.2 */

/* Of at most `most_bytes`: the least MTU that takes IPv6 from nobody, neither this node's peer
 * (NULL: any) nor any that it carries (RULES E4), `depth` levels more at most; 0: not even its own
 * fits. */
static uint32_t least_for_ipv6(const struct node *node, const struct peer *peer,
                               uint32_t most_bytes, unsigned depth);

/* Of the carrier's peer, for what is carried by those of `inside` that ride it. */
static uint32_t least_for_riders(const struct node *carrier, const struct peer *peer,
                                 const struct node *inside, uint32_t most_bytes, unsigned depth)
{
    uint32_t least = 0;
    bool has[] = {false, false};
    for (const struct peer *rider = NULL; (rider = node_next_peer(inside, rider));) {
        const struct hop *hop = hop_of(rider);
        if (hop->carrier == carrier && (!peer || !hop->carrier_peer || hop->carrier_peer == peer))
            has[rider->endpoint.address.family == FAMILY_IPV6] = true;
    }
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        uint32_t cost = mtu_cost_bytes(ipv6 ? FAMILY_IPV6 : FAMILY_IPV4);
        uint32_t rest = has[ipv6] && most_bytes > cost
                            ? least_for_ipv6(inside, NULL, most_bytes - cost, depth - 1)
                            : 0;
        if (rest && rest + cost > least)
            least = rest + cost;
    }
    return least;
}

static uint32_t least_for_ipv6(const struct node *node, const struct peer *peer,
                               uint32_t most_bytes, unsigned depth)
{
    uint32_t least = most_bytes >= IPV6_LEAST_MTU_BYTES ? IPV6_LEAST_MTU_BYTES : 0;
    if (depth == 0)
        return least;
    uint32_t rest = node->levels > 1 ? least_for_riders(node, peer, node, most_bytes, depth) : 0;
    least = rest > least ? rest : least;
    for (const struct node *child = node->first_child; child; child = child->next_sibling) {
        rest = least_for_riders(node, peer, child, most_bytes, depth);
        least = rest > least ? rest : least;
    }
    return least;
}

/* What of a path remains behind a narrower way that was learnt, if any: `path_bytes` is the
 * carrier's, more than the cost. Not less than what takes IPv6 from nobody (RULES E4). */
static uint32_t behind_way(const struct node *node, const struct hop *hop, uint32_t path_bytes,
                           uint32_t cost)
{
    uint32_t inside = path_bytes - cost, way = hop ? hop->path_mtu.mtu_bytes : 0;
    if (way == 0 || way >= path_bytes)
        return inside;
    uint32_t least = least_for_ipv6(node, hop->peer, inside, NETWORK_DEPTH_MOST);
    return way > cost && way - cost > least ? way - cost : least ? least : inside;
}

/* A root is not told what its link takes; whatever it carries has no MTU either. */
static bool is_unknown(const struct peer *peer)
{
    while (hop_of(peer)->carrier_peer)
        peer = hop_of(peer)->carrier_peer;
    return hop_of(peer)->mtu_bytes == 0 && !hop_of(peer)->carrier;
}

enum verdict mtu_judge(const struct peer *peer, enum family family)
{
    const struct hop *hop = hop_of(peer);
    if (hop->mtu_bytes == 0)
        return is_unknown(peer) ? VERDICT_NO_MTU : VERDICT_UNROUTABLE;
    uint32_t least = family == FAMILY_IPV6 ? IPV6_LEAST_MTU_BYTES : IPV4_LEAST_MTU_BYTES;
    return hop->mtu_bytes < least ? VERDICT_NARROW_PATH : VERDICT_OK;
}

/* Its MTU was computed: into how many packets one may grow on the way to the root, and where it is
 * cut. */
static void update_cut(struct hop *hop)
{
    const struct hop *carrier = hop->carrier_peer ? hop_of(hop->carrier_peer) : NULL;
    uint32_t way = hop->path_mtu.mtu_bytes;
    uint32_t largest = hop->mtu_bytes + mtu_cost_bytes(FAMILY_IPV6);
    bool is_cut = carrier && way && hop->source.family == FAMILY_IPV6 && largest > way;
    hop->cut_bytes = is_cut ? way : 0;
    hop->turn_packets = carrier ? carrier->turn_packets : HOP_TURN_PACKETS;
    if (is_cut)
        hop->turn_packets /= (uint32_t)fragment_ipv6_pieces(largest, way);
    if (hop->turn_packets == 0)
        hop->turn_packets = 1;
}

/* What the carrier's path to this peer's endpoint leaves, by the endpoint's family; while that is
 * not known, the larger header that the path could carry. One under 1280 carries no IPv6 (RULES
 * E4): no datagrams over it either. */
static uint32_t carried_mtu_bytes(const struct node *node, const struct node *carrier,
                                  const struct hop *hop)
{
    uint32_t path = hop && hop->carrier_peer ? hop_of(hop->carrier_peer)->mtu_bytes
                                             : carrier->mtu_bytes;
    enum family family = FAMILY_NONE;
    if (carrier == node && !hop->carrier_peer)
        return 0; /* no fellow leads out: it has no way, and what the others have is not its */
    if (hop)
        family = (enum family)hop->peer->endpoint.address.family;
    bool is_wide = path >= IPV6_LEAST_MTU_BYTES;
    if (family == FAMILY_IPV6 && !is_wide)
        return 0;
    if (family == FAMILY_NONE)
        family = is_wide && carrier->ipv6.family ? FAMILY_IPV6 : FAMILY_IPV4;
    uint32_t cost = mtu_cost_bytes(family);
    return path > cost ? behind_way(node, hop, path, cost) : 0;
}

/* What of a computed MTU the configuration and the buffers let be. */
static uint32_t limit_mtu(const struct tree *tree, const struct node *node, bool is_carried,
                          uint32_t computed_bytes)
{
    uint32_t mtu = computed_bytes;
    const struct tunnel_description *tunnel = &node->configured->tunnel;
    uint32_t configured = tunnel->mtu_bytes;
    if (configured && (!tunnel->mtu_is_upper_bound || configured < mtu || mtu == 0))
        mtu = configured;
    /* What is carried never exceeds what its carrier takes, whatever was configured. */
    if (is_carried && mtu > computed_bytes)
        mtu = computed_bytes;
    return mtu < tree->packet_most_bytes ? mtu : tree->packet_most_bytes;
}

/* By its endpoint and carrier; `hop` NULL: of a node without peers. */
static uint32_t mtu_of_hop(const struct tree *tree, const struct node *node, const struct hop *hop)
{
    const struct node *carrier = hop ? hop->carrier : node->carrier;
    return limit_mtu(tree, node, carrier != NULL,
                     carrier ? carried_mtu_bytes(node, carrier, hop) : node->root_mtu_bytes);
}

/* The smallest of those that are known. */
static void find_least_mtu(const struct tree *tree, struct node *node)
{
    uint32_t least = 0;
    for (const struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
        uint32_t mtu = hop_of(peer)->mtu_bytes;
        if (mtu && (!least || mtu < least))
            least = mtu;
    }
    node->mtu_bytes = node->tunnel.peer_count ? least : mtu_of_hop(tree, node, NULL);
}

static void update_hop_mtu(struct tree *tree, struct node *node, struct hop *hop)
{
    hop->mtu_bytes = mtu_of_hop(tree, node, hop);
    update_cut(hop);
}

/* A fellow's is known before that of those which it carries (A8). */
static void update_riders(struct tree *tree, struct node *node)
{
    const struct list *riders = &node->riders;
    if (list_is_empty(riders))
        return;
    for (uint32_t level = 1; level < node->levels; level++) {
        for (const struct list *at = riders->next; at != riders; at = at->next)
            update_hop_mtu(tree, node, CONTAINER_OF(at, struct hop, among_riders));
    }
    find_least_mtu(tree, node);
}

static void update_children(struct tree *tree, struct node *node)
{
    for (struct node *child = node->first_child; child; child = child->next_sibling)
        mtu_update(tree, child);
}

void mtu_update(struct tree *tree, struct node *node)
{
    uint32_t before = node->mtu_bytes;
    for (struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
        struct hop *hop = hop_of(peer);
        if (hop->carrier == node)
            hop->mtu_bytes = 0;
        else
            update_hop_mtu(tree, node, hop);
    }
    find_least_mtu(tree, node);
    update_riders(tree, node);
    tree->mtu_changes += node->mtu_bytes != before;
    update_children(tree, node);
}

bool mtu_update_hop(struct tree *tree, struct peer *peer)
{
    struct hop *hop = hop_of(peer);
    uint32_t mtu = hop->mtu_bytes, turn_packets = hop->turn_packets;
    update_hop_mtu(tree, node_of(peer), hop);
    return hop->mtu_bytes != mtu || hop->turn_packets != turn_packets;
}

bool mtu_add_peer(struct tree *tree, struct peer *peer)
{
    struct node *node = node_of(peer);
    mtu_update_hop(tree, peer);
    uint32_t mtu = hop_of(peer)->mtu_bytes;
    bool is_first = peer->in_tunnel.prev == &node->tunnel.peers;
    return is_first || hop_of(peer)->carrier == node ||
           (mtu && (mtu < node->mtu_bytes || node->mtu_bytes == 0));
}

void mtu_remove_peers(struct tree *tree, struct node *node)
{
    const struct peer *peer = NULL; /* one of those that have the least: the first, as a rule */
    uint32_t before = node->mtu_bytes;
    while ((peer = node_next_peer(node, peer)) && hop_of(peer)->mtu_bytes != before)
        ;
    if (peer)
        return;
    find_least_mtu(tree, node);
    if (node->mtu_bytes == before)
        return;
    tree->mtu_changes++;
    update_children(tree, node);
}

void mtu_update_peer(struct tree *tree, struct peer *peer)
{
    struct node *node = node_of(peer);
    if (mtu_update_hop(tree, peer) || hop_of(peer)->carrier == node)
        mtu_update(tree, node);
}
