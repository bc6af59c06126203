/* SPDX-License-Identifier: MIT */
#include "engine/scope.h"

bool scope_is_of_this_host(const struct tree *tree, const struct address *address)
{
    return address_is_inside_a_host(address) || trie_lookup(&tree->addresses.host, address);
}

bool scope_is_out(const struct tree *tree, const struct node *node,
                          const struct address *address)
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
