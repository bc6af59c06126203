/* SPDX-License-Identifier: MIT */
#include "engine/description.h"

/* Beyond this many comparisons of endpoints with prefixes the deepest path is taken for
 * possible. */
#define COMPARISONS_MOST (UINT64_C(1) << 22)

uint32_t description_depth(const struct network_description *network)
{
    uint32_t deepest = 0;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        uint32_t depth = (uint32_t)description_depth_of(network, i);
        if (depth == 0 || depth > NETWORK_DEPTH_MOST)
            return 0;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* A /0, or one of both halves (RULES A1). */
static bool is_default(const struct tunnel_description *tunnel, const struct prefix *prefix)
{
    bool has_low = false, has_high = false;
    for (size_t p = 0; p < tunnel->peer_count && prefix->len_bits == 1; p++) {
        const struct peer_description *peer = &tunnel->peers[p];
        for (size_t i = 0; i < peer->allowed_ips_count; i++) {
            const struct prefix *other = &peer->allowed_ips[i];
            bool is_half =
                other->len_bits == 1 && other->address.family == prefix->address.family;
            has_low |= is_half && !(other->address.bytes[0] & 0x80);
            has_high |= is_half && (other->address.bytes[0] & 0x80);
        }
    }
    return prefix->len_bits == 0 || (has_low && has_high);
}

int description_fellow_of(const struct tunnel_description *tunnel, size_t peer,
                          const struct address *address)
{
    int longest = NETWORK_FELLOW_NONE, other = NETWORK_FELLOW_NONE;
    unsigned longest_bits = 0;
    for (size_t p = 0; p < tunnel->peer_count; p++) {
        for (size_t i = 0; i < tunnel->peers[p].allowed_ips_count; i++) {
            const struct prefix *prefix = &tunnel->peers[p].allowed_ips[i];
            if (!prefix_contains(prefix, address) || is_default(tunnel, prefix))
                continue;
            other = p != peer ? (int)p : other;
            /* Of two that have the same prefix the later one takes it, as in WireGuard. */
            if (prefix->len_bits >= longest_bits) {
                longest = (int)p;
                longest_bits = prefix->len_bits;
            }
        }
    }
    if (longest == (int)peer)
        return other == NETWORK_FELLOW_NONE ? NETWORK_FELLOW_NONE : NETWORK_FELLOW_ITSELF;
    return longest;
}

/* Of the literal endpoint's peer; a circle ends where it has been counted too often. */
static uint32_t count_levels(const struct tunnel_description *tunnel, size_t peer)
{
    uint32_t levels = 1;
    int at = (int)peer;
    for (; levels < NETWORK_LEVELS_MOST && tunnel->peers[at].has_endpoint; levels++) {
        at = description_fellow_of(tunnel, (size_t)at, &tunnel->peers[at].endpoint.address);
        if (at < 0)
            break;
    }
    return levels;
}

uint32_t description_levels_of(const struct tunnel_description *tunnel)
{
    uint64_t literals = 0, names = 0, prefixes = 0, narrow_peers = 0;
    for (size_t p = 0; p < tunnel->peer_count; p++) {
        const struct peer_description *peer = &tunnel->peers[p];
        bool is_narrow = false;
        literals += peer->has_endpoint;
        names += !peer->has_endpoint && peer->endpoint_name;
        prefixes += peer->allowed_ips_count;
        for (size_t i = 0; i < peer->allowed_ips_count && !is_narrow; i++)
            is_narrow = peer->allowed_ips[i].len_bits > 0;
        narrow_peers += is_narrow;
    }
    if (tunnel->peer_count < 2 || narrow_peers == 0 || literals + names == 0)
        return 1;
    uint64_t levels = 1 + names, most = NETWORK_LEVELS_MOST;
    if (literals * prefixes > COMPARISONS_MOST)
        levels = most;
    for (size_t p = 0; p < tunnel->peer_count && levels < most; p++) {
        uint64_t own = tunnel->peers[p].has_endpoint ? names + count_levels(tunnel, p) : 1;
        levels = own > levels ? own : levels;
    }
    most = most < tunnel->peer_count ? most : tunnel->peer_count;
    most = most < narrow_peers + 1 ? most : narrow_peers + 1;
    return (uint32_t)(levels < most ? levels : most);
}

uint32_t description_longest_path(const struct network_description *network)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < network->tunnel_count; i++) {
        uint32_t hops = 0;
        if (description_depth_of(network, i) == 0)
            return 0;
        for (int at = (int)i; at != TUNNEL_NO_CARRIER; at = network->tunnels[at].carrier)
            hops += description_levels_of(&network->tunnels[at]);
        longest = hops > longest ? hops : longest;
    }
    return longest;
}
