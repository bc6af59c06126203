/* SPDX-License-Identifier: MIT */
#include "engine/scope.h"

#include <string.h>

#include "engine/tree.h"

static bool are_same(const struct prefix *a, const struct prefix *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!prefix_is_equal(&a[i], &b[i]))
            return false;
    return true;
}

bool scope_set_host(struct tree *tree, const struct prefix *prefixes, size_t count)
{
    struct prefix *before = tree->host, *host = NULL;
    size_t count_before = tree->host_count;
    struct tree_addresses addresses;
    if (count == count_before && are_same(before, prefixes, count))
        return true;
    if (count && !(host = memory_take(tree->memory, count * sizeof(*host))))
        return false;
    if (count)
        memcpy(host, prefixes, count * sizeof(*host));
    tree->host = host;
    tree->host_count = count;
    bool has_room = tree_addresses_init(&addresses, tree, &tree->addresses.nat_ipv4,
                                        &tree->addresses.nat_ipv6);
    if (has_room) {
        tree_take_addresses(tree, &addresses);
    } else {
        tree->host = before;
        tree->host_count = count_before;
    }
    memory_give(tree->memory, has_room ? before : host,
                (has_room ? count_before : count) * sizeof(*host));
    return has_room;
}

bool scope_is_of_this_host(const struct tree *tree, const struct address *address)
{
    return address_is_inside_a_host(address) || trie_lookup(&tree->addresses.host, address);
}

bool scope_is_out(const struct tree *tree, const struct node *node, const struct address *address)
{
    if (scope_is_of_this_host(tree, address) ||
        address_is_equal(address, node_address(node, (enum family)address->family)))
        return true;
    if (!address_is_multicast(address) && !address_is_link_local(address) &&
        !address_is_broadcast(address))
        return false;
    if (node->configured->tunnel.is_plain)
        return false;
    unsigned len_bits = 0;
    trie_match(&tree->routes.trie, address, &len_bits);
    return node->nat_is_on || len_bits <= 1; /* 0.0.0.0/1 and its twin count as /0 (A1) */
}
