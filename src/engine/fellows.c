/* SPDX-License-Identifier: MIT */
#include "engine/fellows.h"

#include "wireguard/tunnel.h"

static struct peer *owner_of(const struct trie *allowed_ips, const struct address *address,
                             unsigned len_bits)
{
    struct prefix prefix = {.address = *address, .len_bits = (uint8_t)len_bits};
    prefix_mask(&prefix);
    return trie_get(allowed_ips, &prefix);
}

/* A /0, or a /1 whose twin is there as well (RULES A1). */
static bool is_default(const struct trie *allowed_ips, const struct address *address,
                       unsigned len_bits)
{
    struct address across = *address;
    across.bytes[0] ^= 0x80;
    return len_bits == 0 || (len_bits == 1 && owner_of(allowed_ips, address, 1) &&
                             owner_of(allowed_ips, &across, 1));
}

/* Another than the peer has the address, by a shorter prefix than this. */
static bool has_other(const struct trie *allowed_ips, const struct peer *peer,
                      const struct address *address, unsigned len_bits)
{
    while (len_bits-- > 1) {
        const struct peer *owner = owner_of(allowed_ips, address, len_bits);
        if (owner && owner != peer && !is_default(allowed_ips, address, len_bits))
            return true;
    }
    return false;
}

bool fellows_find(const struct node *node, const struct peer *peer, const struct address *address,
                  struct peer **fellow)
{
    const struct trie *allowed_ips = &node->tunnel.allowed_ips;
    unsigned len_bits = 0;
    *fellow = NULL;
    if (node_wanted(node)->tunnel.is_plain)
        return false;
    struct peer *owner = address->family ? trie_match(allowed_ips, address, &len_bits) : NULL;
    if (!owner || is_default(allowed_ips, address, len_bits))
        return false;
    if (owner == peer)
        return has_other(allowed_ips, peer, address, len_bits);
    *fellow = owner;
    return true;
}

bool fellows_lead_out(const struct peer *peer, uint32_t levels)
{
    for (uint32_t level = 1; peer && hop_of(peer)->carrier == peer->tunnel->owner; level++) {
        if (level >= levels)
            return false;
        peer = hop_of(peer)->fellow;
    }
    return peer != NULL;
}
