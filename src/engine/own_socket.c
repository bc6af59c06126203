/* SPDX-License-Identifier: MIT */
#include "engine/own_socket.h"

#include "engine/core.h"
#include "packet/checksum.h"
#include "route/reassembly.h"

/* Like the virtual sockets' (RULES C1): beyond the host's ephemeral ports. */
#define PORT_FIRST 61000u
#define PORTS (65536u - PORT_FIRST)

int own_socket_at(const struct engine *engine, const struct node *node, uint16_t port)
{
    if (port < PORT_FIRST) /* nearly every packet */
        return -1;
    for (int i = 0; i < OWN_SOCKETS; i++) {
        if (engine->own_sockets[i].port == port && engine->own_sockets[i].node == node)
            return i;
    }
    return -1;
}

static uint16_t choose_port(const struct engine *engine, const struct node *node)
{
    for (;;) {
        uint16_t port = (uint16_t)(PORT_FIRST + random_u32(engine->random) % PORTS);
        if (!node_child_at_port(node, port) && own_socket_at(engine, node, port) < 0)
            return port;
    }
}

/* A tunnel that carries others has one from the start. False: no memory. */
static bool prepare_reassembly(struct engine *engine, const struct node *node)
{
    struct reassembly **reassembly = &engine->reassemblies[node->index];
    if (!*reassembly)
        *reassembly = reassembly_new(engine->memory, engine->pool);
    return *reassembly;
}

int own_socket_open(struct engine *engine, uint32_t tunnel, own_socket_receive receive,
                      void *context)
{
    for (unsigned i = 0; i < OWN_SOCKETS; i++) {
        /* In turn, so that the one that was closed last is taken last. */
        unsigned number = engine->next_own_socket++ % OWN_SOCKETS;
        struct own_socket *own = &engine->own_sockets[number];
        struct node *node = &engine->tree.nodes[tunnel];
        if (own->receive)
            continue;
        if (!prepare_reassembly(engine, node))
            return -1;
        *own = (struct own_socket){.node = node, .port = choose_port(engine, node),
                                   .receive = receive, .context = context};
        return (int)number;
    }
    return -1;
}

void own_socket_close(struct engine *engine, int number)
{
    engine->own_sockets[number].receive = NULL;
}

enum verdict own_socket_send(struct engine *engine, int number, const struct endpoint *to,
                               const uint8_t *bytes, size_t len)
{
    const struct own_socket *own = &engine->own_sockets[number];
    struct node *node = own->node;
    enum family family = (enum family)to->address.family;
    const struct address *source = node_address(node, family);
    struct peer *peer = trie_lookup(&node->tunnel.allowed_ips, &to->address);
    if (!source->family)
        return VERDICT_NO_ADDRESS;
    if (!peer)
        return VERDICT_NO_PEER;
    if (node->mtu_bytes == 0)
        return VERDICT_NARROW_PATH;
    if (len > node->mtu_bytes || ip_outer_bytes(family) + len > node->mtu_bytes)
        return VERDICT_TOO_BIG;
    struct packet *packet =
        engine->outbound_count < OUTBOUND_MOST ? pool_take_packet(engine->pool) : NULL;
    if (!packet)
        return VERDICT_POOL_EMPTY;
    struct ip_outer outer = {.source = *source, .destination = to->address,
                             .source_port = own->port, .destination_port = to->port,
                             .id = (uint16_t)random_u32(engine->random)};
    /* The headers count as payload here: a path's headroom is for its hops. */
    uint8_t *header = packet_put(packet, ip_outer_bytes(family) + len);
    memcpy(header + ip_outer_bytes(family), bytes, len);
    ip_write_outer(header, &outer, len);
    packet->tos = 0;
    packet->kind = PACKET_DATA;
    engine->outbound[engine->outbound_count++] =
        (struct outbound_entry){.packet = packet, .peer = peer};
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

enum verdict own_socket_deliver(struct engine *engine, int number, const struct address *source,
                                  const uint8_t *udp, size_t len)
{
    if (number < 0)
        return VERDICT_NOT_ASKED;
    const struct own_socket *own = &engine->own_sockets[number];
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
