/* SPDX-License-Identifier: MIT */
#include "engine/echo.h"

#include "engine/mtu.h"
#include "engine/outbound.h"
#include "packet/checksum.h"
#include "route/icmp.h"

enum {
    TYPE4_REPLY = 0,
    TYPE4_REQUEST = 8,
    TYPE4_TIME_EXCEEDED = 11,
    TYPE6_TIME_EXCEEDED = 3,
    TYPE6_REQUEST = 128,
    TYPE6_REPLY = 129,
};

static uint8_t request_type(enum family family)
{
    return family == FAMILY_IPV4 ? TYPE4_REQUEST : TYPE6_REQUEST;
}

static uint8_t reply_type(enum family family)
{
    return family == FAMILY_IPV4 ? TYPE4_REPLY : TYPE6_REPLY;
}

static struct peer *find_peer(const struct echoes *echoes, const struct peer_handle *handle)
{
    const struct tree *tree = &echoes->core->tree;
    const struct node *node =
        handle->tunnel < tree->slots ? tree->nodes[handle->tunnel] : NULL;
    struct peer *peer = node && handle->peer < node->peer_slots ? node->peers[handle->peer] : NULL;
    return peer && hop_of(peer)->generation == handle->generation ? peer : NULL;
}

static size_t ip_bytes(enum family family)
{
    return family == FAMILY_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
}

/* All of it but the ICMP message, whose sum needs the addresses. */
static void write_ip(uint8_t *header, const struct address *source, const struct address *to,
                     uint8_t hops, size_t payload)
{
    enum family family = (enum family)to->family;
    if (family == FAMILY_IPV4) {
        memset(header, 0, IPV4_HEADER_BYTES);
        header[0] = 0x45;
        store_be16(header + 2, (uint16_t)(IPV4_HEADER_BYTES + payload));
        header[8] = hops;
        header[9] = IP_PROTOCOL_ICMP;
        memcpy(header + 12, source->bytes, 4);
        memcpy(header + 16, to->bytes, 4);
        checksum_set_ipv4(header, IPV4_HEADER_BYTES);
        return;
    }
    memset(header, 0, IPV6_HEADER_BYTES);
    header[0] = 0x60;
    store_be16(header + 4, (uint16_t)payload);
    header[6] = IP_PROTOCOL_ICMPV6;
    header[7] = hops;
    memcpy(header + 8, source->bytes, 16);
    memcpy(header + 24, to->bytes, 16);
}

static void write_message(struct echoes *echoes, uint8_t *message, const struct address *source,
                          const struct address *to, uint16_t sequence)
{
    enum family family = (enum family)to->family;
    const size_t len = ICMP_HEADER_BYTES;
    message[0] = request_type(family);
    message[1] = 0;
    store_be16(message + 2, 0);
    store_be16(message + 4, echoes->id);
    store_be16(message + 6, sequence);
    uint64_t sum = checksum_add(0, message, len);
    if (family == FAMILY_IPV6)
        sum += checksum_pseudo(family, source->bytes, to->bytes, IP_PROTOCOL_ICMPV6, (uint32_t)len);
    store_be16(message + 2, checksum_finish(sum));
}

enum verdict echo_send(struct echoes *echoes, const struct echo_request *request, instant_ns now,
                       uint32_t *number)
{
    struct peer *peer = find_peer(echoes, &request->peer);
    if (!peer)
        return VERDICT_MOVED;
    enum family family = (enum family)request->to.family;
    struct node *node = node_of(peer);
    const struct address *source = node_address(node, family);
    if (!source->family)
        return VERDICT_NO_ADDRESS;
    if (trie_lookup(&node->tunnel.allowed_ips, &request->to) != peer)
        return VERDICT_NO_PEER;
    enum verdict verdict = mtu_judge(peer, family);
    if (verdict != VERDICT_OK)
        return verdict;
    struct packet *packet =
        outbound_is_full(echoes->outbound) ? NULL : pool_take_packet(echoes->core->pool);
    if (!packet)
        return VERDICT_POOL_EMPTY;
    if (echoes->last == 0)
        echoes->id = (uint16_t)random_u32(echoes->core->random);
    *number = ++echoes->last ? echoes->last : ++echoes->last;
    echoes->items[*number % ECHOES] = (struct echo){.number = *number,
                                                    .peer_generation = hop_of(peer)->generation,
                                                    .sent = now,
                                                    .to = request->to};
    uint8_t *bytes = packet_put(packet, ip_bytes(family) + ICMP_HEADER_BYTES);
    write_ip(bytes, source, &request->to, request->hops, ICMP_HEADER_BYTES);
    write_message(echoes, bytes + ip_bytes(family), source, &request->to, (uint16_t)*number);
    packet->tos = 0;
    packet->kind = PACKET_DATA;
    outbound_append(echoes->outbound, packet, peer);
    return VERDICT_OK;
}

const struct echo *echo_find(const struct echoes *echoes, uint32_t number)
{
    const struct echo *echo = &echoes->items[number % ECHOES];
    return number && echo->number == number ? echo : NULL;
}

/* The one that the message of this type is or answers; NULL: none. */
static struct echo *named_by(struct echoes *echoes, const struct peer *peer,
                             const uint8_t *message, uint8_t type)
{
    uint16_t sequence = load_be16(message + 6);
    struct echo *echo = &echoes->items[sequence % ECHOES];
    bool is_ours = message[0] == type && load_be16(message + 4) == echoes->id && echo->number &&
                   (uint16_t)echo->number == sequence &&
                   echo->peer_generation == hop_of(peer)->generation;
    return is_ours ? echo : NULL;
}

/* The first answer counts. */
static void note(struct echo *echo, const struct peer *peer, const uint8_t *bytes,
                 const struct ip_view *view, const struct icmp_error *error, instant_ns now)
{
    enum family family = (enum family)view->family;
    if (echo->answered)
        return;
    bool has_waited = peer->current && peer->current->is_initiator &&
                      peer->current->born > echo->sent;
    echo->answered = now;
    echo->rtt_ns = instant_since(has_waited ? peer->current->born : echo->sent, now);
    echo->from = ip_source(bytes, view);
    if (!error)
        return;
    echo->words = icmp_error_words(family, error->type, error->code);
    echo->is_out_of_hops =
        error->type == (family == FAMILY_IPV4 ? TYPE4_TIME_EXCEEDED : TYPE6_TIME_EXCEEDED);
}

bool echo_take(struct echoes *echoes, const struct peer *peer, const uint8_t *bytes,
               const struct ip_view *view, instant_ns now)
{
    enum family family = (enum family)view->family;
    const uint8_t *message = bytes + view->transport_offset;
    struct icmp_error error;
    struct echo *echo;
    if (echoes->last == 0 || view->is_fragment ||
        view->len_bytes < (uint32_t)view->transport_offset + ICMP_HEADER_BYTES)
        return false;
    if (!icmp_is_error(bytes, view)) {
        echo = named_by(echoes, peer, message, reply_type(family));
        if (echo)
            note(echo, peer, bytes, view, NULL, now);
        return echo != NULL;
    }
    if (!icmp_parse_error(bytes, view, &error) || !icmp_concerns(&error.quote) ||
        error.quote.is_later_fragment ||
        error.quote_len_bytes < (uint32_t)error.quote.transport_offset + ICMP_HEADER_BYTES)
        return false;
    const uint8_t *quoted = bytes + error.quote_offset + error.quote.transport_offset;
    echo = named_by(echoes, peer, quoted, request_type(family));
    if (echo && !icmp_is_redirect(bytes, view)) /* which is sent on all the same */
        note(echo, peer, bytes, view, &error, now);
    return echo != NULL;
}
