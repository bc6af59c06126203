/* SPDX-License-Identifier: MIT */
#include "engine/own_socket.h"

#include "engine/reassemblies.h"
#include "engine/mtu.h"
#include "engine/outbound.h"
#include "packet/checksum.h"

/* Like the virtual sockets' (RULES C1): beyond the host's ephemeral ports. */
#define PORT_FIRST 61000u
#define PORTS (65536u - PORT_FIRST)

int own_socket_at(const struct own_sockets *sockets, const struct node *node, uint16_t port)
{
    if (port < PORT_FIRST) /* nearly every packet */
        return -1;
    for (int i = 0; i < OWN_SOCKETS; i++) {
        if (sockets->items[i].port == port && sockets->items[i].node == node)
            return i;
    }
    return -1;
}

bool own_socket_has_port(const void *sockets, const struct node *node, uint16_t port)
{
    return own_socket_at(sockets, node, port) >= 0;
}

static uint16_t choose_port(const struct own_sockets *sockets, const struct node *node)
{
    for (;;) {
        uint16_t port = (uint16_t)(PORT_FIRST + random_u32(sockets->core->random) % PORTS);
        if (!node_child_at_port(node, port) && own_socket_at(sockets, node, port) < 0)
            return port;
    }
}

int own_socket_open(struct own_sockets *sockets, uint32_t tunnel, own_socket_receive receive,
                    void *context)
{
    for (unsigned i = 0; i < OWN_SOCKETS; i++) {
        /* In turn, so that the one that was closed last is taken last. */
        unsigned number = sockets->next++ % OWN_SOCKETS;
        struct own_socket *own = &sockets->items[number];
        struct node *node = sockets->core->tree.nodes[tunnel];
        if (own->receive)
            continue;
        if (!reassemblies_prepare(sockets->reassemblies, node))
            return -1;
        *own = (struct own_socket){.node = node,
                                   .port = choose_port(sockets, node),
                                   .receive = receive,
                                   .context = context};
        return (int)number;
    }
    return -1;
}

void own_socket_close(struct own_sockets *sockets, int number)
{
    sockets->items[number].receive = NULL;
}

enum verdict own_socket_send(struct own_sockets *sockets, int number, const struct endpoint *to,
                             const uint8_t *bytes, size_t len)
{
    const struct own_socket *own = &sockets->items[number];
    struct node *node = own->node;
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
    if (number < 0)
        return VERDICT_NOT_ASKED;
    const struct own_socket *own = &sockets->items[number];
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
        struct own_socket *own = &sockets->items[sockets->next++ % OWN_SOCKETS];
        if (own->receive)
            continue;
        *own = (struct own_socket){.node = node, .port = port};
        return;
    }
}

void own_socket_forget(struct own_sockets *sockets, const struct node *node)
{
    for (unsigned i = 0; i < OWN_SOCKETS; i++) {
        if (sockets->items[i].node == node)
            sockets->items[i] = (struct own_socket){.node = NULL};
    }
}
