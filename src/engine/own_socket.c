/* SPDX-License-Identifier: MIT */
#include "engine/own_socket.h"

#include <limits.h>

#include "engine/mtu.h"
#include "engine/outbound.h"
#include "engine/reassemblies.h"
#include "engine/tree.h"
#include "packet/checksum.h"

int own_socket_at(const struct own_sockets *sockets, const struct node *node, uint16_t port)
{
    if (port < TREE_PORT_FIRST) /* nearly every packet */
        return -1;
    for (int i = 0; i < OWN_SOCKETS; i++) {
        if (sockets->items[i].port == port && sockets->items[i].node == node)
            return sockets->items[i].number;
    }
    return -1;
}

/* NULL: its tunnel was removed, and another one may have its place. */
static struct own_socket *find(struct own_sockets *sockets, int number)
{
    struct own_socket *own = &sockets->items[(unsigned)number % OWN_SOCKETS];
    return own->node && own->number == number ? own : NULL;
}

/* Its place gets another owner, and so another number. */
static void place(struct own_sockets *sockets, unsigned at, struct own_socket own)
{
    int owner = sockets->items[at].number / OWN_SOCKETS % (INT_MAX / OWN_SOCKETS - 1) + 1;
    own.number = owner * OWN_SOCKETS + (int)at;
    sockets->items[at] = own;
}

bool own_socket_has_port(const void *sockets, const struct node *node, uint16_t port)
{
    return own_socket_at(sockets, node, port) >= 0;
}

int own_socket_open(struct own_sockets *sockets, struct tunnel_handle tunnel,
                    own_socket_receive receive, void *context)
{
    const struct tree *tree = &sockets->core->tree;
    struct node *node = tunnel.tunnel < tree->slots ? tree->nodes[tunnel.tunnel] : NULL;
    if (!node || node->generation != tunnel.generation ||
        !reassemblies_prepare(sockets->reassemblies, node))
        return -1;
    for (unsigned i = 0; i < OWN_SOCKETS; i++) {
        /* In turn, so that the one that was closed last is taken last. */
        unsigned at = sockets->next++ % OWN_SOCKETS;
        if (sockets->items[at].receive)
            continue;
        place(sockets, at, (struct own_socket){.node = node,
                                               .port = tree_choose_port(tree, node),
                                               .receive = receive,
                                               .context = context});
        return sockets->items[at].number;
    }
    return -1;
}

void own_socket_close(struct own_sockets *sockets, int number)
{
    struct own_socket *own = find(sockets, number);
    if (own)
        own->receive = NULL;
}

enum verdict own_socket_send(struct own_sockets *sockets, int number, const struct endpoint *to,
                             const uint8_t *bytes, size_t len)
{
    const struct own_socket *own = find(sockets, number);
    struct node *node = own ? own->node : NULL;
    if (!node)
        return VERDICT_MOVED;
    enum family family = (enum family)to->address.family;
    const struct address *source = node_address(node, family);
    struct peer *peer = trie_lookup(&node->tunnel.allowed_ips, &to->address);
    if (!source->family)
        return VERDICT_NO_ADDRESS;
    if (!peer)
        return VERDICT_NO_PEER;
    enum verdict verdict = mtu_judge(peer, family);
    if (verdict != VERDICT_OK)
        return verdict;
    if (len > node->mtu_bytes || ip_outer_bytes(family) + len > node->mtu_bytes)
        return VERDICT_TOO_BIG;
    struct packet *packet =
        outbound_is_full(sockets->outbound) ? NULL : pool_take_packet(sockets->core->pool);
    if (!packet)
        return VERDICT_POOL_EMPTY;
    struct ip_outer outer = {.source = *source,
                             .destination = to->address,
                             .source_port = own->port,
                             .destination_port = to->port,
                             .id = (uint16_t)random_u32(sockets->core->random)};
    /* The headers count as payload here: a path's headroom is for its hops. */
    uint8_t *header = packet_put(packet, ip_outer_bytes(family) + len);
    memcpy(header + ip_outer_bytes(family), bytes, len);
    ip_write_outer(header, &outer, len);
    packet->tos = 0;
    packet->kind = PACKET_DATA;
    outbound_append(sockets->outbound, packet, peer);
    return VERDICT_OK;
}

static bool checksum_is_right(const struct node *node, const struct address *source,
                              const uint8_t *udp, size_t len)
{
    enum family family = (enum family)source->family;
    if (load_be16(udp + 6) == 0) /* RFC 8200 8.1: in IPv6 there must be one */
        return family == FAMILY_IPV4;
    uint64_t sum = checksum_pseudo(family, source->bytes, node_address(node, family)->bytes,
                                   IP_PROTOCOL_UDP, (uint32_t)len);
    return checksum_finish(checksum_add(sum, udp, len)) == 0;
}

enum verdict own_socket_deliver(struct own_sockets *sockets, int number,
                                const struct address *source, const uint8_t *udp, size_t len)
{
    const struct own_socket *own = number < 0 ? NULL : find(sockets, number);
    if (!own)
        return VERDICT_NOT_ASKED;
    size_t udp_len = load_be16(udp + 4);
    if (udp_len < UDP_HEADER_BYTES || udp_len > len ||
        !checksum_is_right(own->node, source, udp, udp_len))
        return VERDICT_MALFORMED;
    if (!own->receive)
        return VERDICT_NOT_ASKED;
    struct endpoint from = {.address = *source, .port = load_be16(udp)};
    own->receive(own->context, &from, udp + UDP_HEADER_BYTES, udp_len - UDP_HEADER_BYTES);
    return VERDICT_OK;
}

void own_socket_shut(struct own_sockets *sockets, struct node *node, uint16_t port)
{
    for (unsigned i = 0; i < OWN_SOCKETS; i++) {
        unsigned at = sockets->next++ % OWN_SOCKETS;
        if (sockets->items[at].receive)
            continue;
        place(sockets, at, (struct own_socket){.node = node, .port = port});
        return;
    }
}

void own_socket_forget(struct own_sockets *sockets, const struct node *node)
{
    for (unsigned i = 0; i < OWN_SOCKETS; i++) {
        struct own_socket *own = &sockets->items[i];
        if (own->node == node)
            *own = (struct own_socket){.number = own->number};
    }
}
