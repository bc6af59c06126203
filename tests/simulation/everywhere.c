/* SPDX-License-Identifier: MIT */
#include "simulation/everywhere.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/lanes.h"
#include "packet/ip.h"

#define LINK_MTU 2100 /* what the widest of the changes has, and a header */
#define MESSAGE_MOST_BYTES 16384

/* ---- the trace ---- */

static void tell(struct everywhere *everywhere, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct everywhere *everywhere, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof(everywhere->trace) - everywhere->trace_len;
    va_start(arguments, format);
    int len = vsnprintf(everywhere->trace + everywhere->trace_len, room, format, arguments);
    va_end(arguments);
    everywhere->trace_len += (size_t)len < room ? (size_t)len : room - 1;
}

static void tell_packet(struct everywhere *everywhere, const uint8_t *packet, size_t len)
{
    uint32_t hash = 2166136261u;
    struct ip_view view;
    char source[ADDRESS_TEXT_BYTES] = "?", destination[ADDRESS_TEXT_BYTES] = "?";
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ packet[i]) * 16777619u;
    if (ip_parse_quoted(packet, len, &view) == VERDICT_OK) {
        const struct address from = ip_source(packet, &view), to = ip_destination(packet, &view);
        address_format(&from, source);
        address_format(&to, destination);
    }
    tell(everywhere, "%s > %s, %zu bytes, %08x\n", source, destination, len, hash);
}

/* Chosen ports are no behaviour. */
static void tell_way(struct everywhere *everywhere, const struct everywhere_way *way)
{
    for (unsigned i = 0; i < way->count; i++) {
        const struct peer *peer = way->hops[i].peer;
        char near[ADDRESS_TEXT_BYTES], far[ENDPOINT_TEXT_BYTES];
        long key = (const struct tunnel *)peer->tunnel - everywhere->tunnels;
        tell(everywhere, "%ld-%u %s to %s | ", key, peer->index,
             address_format(&way->hops[i].near.address, near),
             endpoint_format(&way->hops[i].far, far));
    }
}

/* Without a session the packet waits instead. */
static bool is_of_sessions(enum verdict verdict)
{
    return verdict == VERDICT_NO_ENDPOINT || verdict == VERDICT_UNROUTABLE;
}

static void tell_drops(struct everywhere *everywhere, enum verdict first, enum verdict last)
{
    for (enum verdict verdict = VERDICT_OK; verdict < VERDICT_COUNT; verdict++) {
        uint64_t drops = sim_drops(everywhere->host, verdict);
        bool is_told = verdict >= first && verdict <= last && !is_of_sessions(verdict);
        if (is_told && drops != everywhere->told_drops[verdict])
            tell(everywhere, "dropped: %s\n", verdict_name(verdict));
        everywhere->told_drops[verdict] = drops;
    }
}

void everywhere_send(struct everywhere *everywhere, const uint8_t *packet, size_t len)
{
    uint8_t bytes[MESSAGE_MOST_BYTES];
    memcpy(bytes, packet, len);
    tell_drops(everywhere, VERDICT_COUNT, VERDICT_COUNT); /* none: they are not this packet's */
    sim_send_bytes(everywhere->host, bytes, len, NULL);
    tell_drops(everywhere, VERDICT_MALFORMED, VERDICT_PORT_TAKEN);
}

void everywhere_tell(struct everywhere *everywhere)
{
    struct sim_packet *packet;
    while ((packet = sim_take(everywhere->host))) {
        everywhere->came_in++;
        tell(everywhere, "tun: ");
        tell_packet(everywhere, packet->bytes, packet->len_bytes);
        free(packet);
    }
    tell_drops(everywhere, VERDICT_SOURCE_NOT_ALLOWED, VERDICT_REDIRECT);
}

void everywhere_forget_trace(struct everywhere *everywhere)
{
    sim_forget_inbox(everywhere->host);
    tell_drops(everywhere, VERDICT_COUNT, VERDICT_COUNT);
    everywhere->trace_len = 0;
    everywhere->trace[0] = '\0';
}

void everywhere_forget_ways(struct everywhere *everywhere)
{
    memset(everywhere->ways, 0, sizeof(everywhere->ways));
}

/* ---- what goes to the host ---- */

/* `*len` bytes become a message of data; false: there is no session. */
static bool seal(struct everywhere *everywhere, struct peer *peer, uint8_t *bytes, size_t *len)
{
    static uint8_t message[MESSAGE_MOST_BYTES];
    struct session *session = peer_sending_session(peer, everywhere->sim->now);
    size_t padded = (*len + 15) / 16 * 16;
    if (!session)
        return false;
    memset(bytes + *len, 0, padded - *len);
    uint64_t counter = session_next_counter(session);
    message_write_data_header(message, session->remote_index, counter);
    aead_seal_with_data(session->send_key, counter, bytes, padded, NULL, 0,
                        message + MESSAGE_DATA_HEADER_BYTES);
    *len = MESSAGE_DATA_HEADER_BYTES + padded + AEAD_TAG_BYTES;
    memcpy(bytes, message, *len);
    return true;
}

static size_t put_header(uint8_t *bytes, size_t len, const struct endpoint *from,
                         const struct endpoint *to)
{
    size_t header = ip_outer_bytes((enum family)from->address.family);
    const struct ip_outer outer = {.source = from->address,
                                   .destination = to->address,
                                   .source_port = from->port,
                                   .destination_port = to->port};
    memmove(bytes + header, bytes, len);
    ip_write_outer(bytes, &outer, len);
    return header + len;
}

/* A message for the innermost socket of the way. */
static void send_back(struct everywhere *everywhere, const struct everywhere_way *way,
                      const uint8_t *message, size_t len)
{
    static uint8_t bytes[MESSAGE_MOST_BYTES];
    char from[ENDPOINT_TEXT_BYTES], to[ENDPOINT_TEXT_BYTES];
    memcpy(bytes, message, len);
    for (unsigned i = way->count; i-- > 1;) {
        len = put_header(bytes, len, &way->hops[i].far, &way->hops[i].near);
        if (!seal(everywhere, way->hops[i - 1].peer, bytes, &len))
            return;
    }
    sim_throw(everywhere->sim, endpoint_format(&way->hops[0].far, from),
              endpoint_format(&way->hops[0].near, to), bytes, len);
}

void everywhere_say(struct everywhere *everywhere, unsigned peer_key, unsigned own_key,
                    const uint8_t *packet, size_t len)
{
    static uint8_t bytes[MESSAGE_MOST_BYTES];
    const struct everywhere_way *way = &everywhere->ways[peer_key][own_key];
    memcpy(bytes, packet, len);
    if (way->count && seal(everywhere, everywhere->peers[peer_key][own_key], bytes, &len))
        send_back(everywhere, way, bytes, len);
}

/* ---- what comes from the host ---- */

static bool take_message(struct everywhere *everywhere, const uint8_t *message, size_t len,
                         struct everywhere_way *way);

static bool take_initiation(struct everywhere *everywhere, const uint8_t *message, size_t len,
                            const struct everywhere_way *way)
{
    struct handshake_result result;
    for (unsigned i = 0; i < CHANGING_PEER_KEYS; i++) {
        if (tunnel_consume_handshake(&everywhere->tunnels[i], message, len,
                                     &way->hops[way->count - 1].near, false, everywhere->sim->now,
                                     everywhere->sim->wall_ns + everywhere->sim->now,
                                     &result) != VERDICT_OK)
            continue;
        send_back(everywhere, way, result.reply, result.reply_bytes);
        return true;
    }
    return false;
}

/* A packet that left all tunnels, or another tunnel's datagram. */
static void take_packet(struct everywhere *everywhere, const uint8_t *packet, size_t len,
                        const struct everywhere_way *way)
{
    struct ip_view view;
    CHECK_EQUAL(ip_parse_quoted(packet, len, &view), VERDICT_OK);
    size_t udp = view.transport_offset;
    if (view.protocol == IP_PROTOCOL_UDP && !view.is_fragment && len > udp + UDP_HEADER_BYTES &&
        way->count < EVERYWHERE_HOPS_MOST) {
        struct everywhere_way inner = *way;
        inner.hops[inner.count].near =
            (struct endpoint){ip_source(packet, &view), load_be16(packet + udp)};
        inner.hops[inner.count].far =
            (struct endpoint){ip_destination(packet, &view), load_be16(packet + udp + 2)};
        inner.hops[inner.count++].peer = NULL;
        if (take_message(everywhere, packet + udp + UDP_HEADER_BYTES,
                         load_be16(packet + udp + 4) - (size_t)UDP_HEADER_BYTES, &inner))
            return;
    }
    everywhere->came_out++;
    if (everywhere->deepest < way->count)
        everywhere->deepest = way->count;
    tell_way(everywhere, way);
    tell_packet(everywhere, packet, len);
}

/* As RFC 791 and 8200 have it, without what padding is behind. */
static size_t ip_len(const uint8_t *packet)
{
    return packet[0] >> 4 == 4 ? load_be16(packet + 2) : 40 + (size_t)load_be16(packet + 4);
}

static bool take_data(struct everywhere *everywhere, const uint8_t *message, size_t len,
                      struct everywhere_way *way)
{
    struct session *session = NULL;
    uint64_t counter = message_counter(message);
    for (unsigned i = 0; i < CHANGING_PEER_KEYS && !session; i++)
        session =
            tunnel_find_session(&everywhere->tunnels[i], message_receiver_index(message));
    uint8_t *plaintext = malloc(len);
    if (!plaintext)
        abort();
    bool is_ours = session && aead_open_with_data(session->receive_key, counter,
                                                  message + MESSAGE_DATA_HEADER_BYTES,
                                                  len - MESSAGE_DATA_HEADER_BYTES, NULL, 0,
                                                  plaintext);
    if (is_ours) {
        struct peer *peer = session->peer;
        long key = peer->tunnel - everywhere->tunnels;
        peer_confirm_session(peer, session);
        way->hops[way->count - 1].peer = peer;
        everywhere->ways[key][peer->index] = *way;
        if (len > MESSAGE_DATA_LEAST_BYTES)
            take_packet(everywhere, plaintext, ip_len(plaintext), way);
    }
    free(plaintext);
    return is_ours;
}

static bool take_message(struct everywhere *everywhere, const uint8_t *message, size_t len,
                         struct everywhere_way *way)
{
    switch (message_type(message, len)) {
    case MESSAGE_INITIATION:
        return take_initiation(everywhere, message, len, way);
    case MESSAGE_DATA:
        return take_data(everywhere, message, len, way);
    default:
        return false;
    }
}

static bool take_datagram(void *context, struct sim_datagram *datagram)
{
    struct everywhere *everywhere = context;
    struct everywhere_way way = {.count = 1};
    if (!datagram->sender)
        return true; /* to the host */
    way.hops[0].near = datagram->source;
    way.hops[0].far = datagram->destination;
    CHECK(take_message(everywhere, datagram->bytes, datagram->len_bytes, &way));
    return false;
}

/* ---- the world ---- */

void everywhere_init(struct everywhere *everywhere, const struct network_description *network,
                     const struct random_source *random)
{
    const struct sim_network whole = {.description = *network};
    *everywhere = (struct everywhere){.sim = sim_new()};
    everywhere->sim->random = random;
    everywhere->sim->is_one_of_many = true;
    everywhere->sim->link.delay_ns = NS_PER_MS;
    everywhere->sim->hook = take_datagram;
    everywhere->sim->hook_context = everywhere;
    everywhere->host = sim_add_host(everywhere->sim, "host", "192.0.2.1 2001:db8::1", &whole,
                                    LINK_MTU);
    for (unsigned i = 0; i < CHANGING_PEER_KEYS; i++) {
        uint8_t key[32];
        sim_private_key(CHANGING_PEER_KEY + i, key);
        CHECK(tunnel_init(&everywhere->tunnels[i], tap_memory(), random, key));
    }
    everywhere_follow(everywhere);
}

void everywhere_wipe(struct everywhere *everywhere)
{
    for (unsigned i = 0; i < CHANGING_PEER_KEYS; i++)
        tunnel_wipe(&everywhere->tunnels[i]);
    sim_forget_inbox(everywhere->host);
    sim_free(everywhere->sim);
}

/* Their numbers; false: somebody else's. */
static bool find_keys(const struct everywhere *everywhere, const struct peer *peer,
                      unsigned *peer_key, unsigned *own_key)
{
    uint8_t own[32];
    for (*peer_key = 0; *peer_key < CHANGING_PEER_KEYS; ++*peer_key) {
        const struct tunnel *far = &everywhere->tunnels[*peer_key];
        if (memcmp(far->identity.public_key, peer->noise.public_key, 32) == 0)
            break;
    }
    for (*own_key = 0; *own_key < EVERYWHERE_OWN_KEYS; ++*own_key) {
        sim_private_key(CHANGING_OWN_KEY + *own_key, own);
        if (memcmp(own + 1, peer->tunnel->identity.private_key + 1, 30) == 0)
            break;
    }
    return *peer_key < CHANGING_PEER_KEYS && *own_key < EVERYWHERE_OWN_KEYS;
}

static void follow_peer(struct everywhere *everywhere, const struct peer *peer)
{
    unsigned peer_key, own_key;
    if (!CHECK(find_keys(everywhere, peer, &peer_key, &own_key)))
        return;
    struct tunnel *far = &everywhere->tunnels[peer_key];
    struct peer **known = &everywhere->peers[peer_key][own_key];
    if (!*known) {
        *known = tunnel_add_peer(far, peer->tunnel->identity.public_key,
                                 peer->noise.preshared_key);
        (*known)->index = own_key;
    }
    tunnel_set_preshared_key(*known, peer->noise.preshared_key);
}

void everywhere_follow(struct everywhere *everywhere)
{
    struct sim_host *host = everywhere->host;
    struct sim *sim = everywhere->sim;
    while (sim->flying_count) /* an answer from where a peer was before would move it back */
        free(sim->flying[--sim->flying_count]);
    const struct tree *tree = &host->engine->core.tree;
    memset(host->ports, 0, sizeof(host->ports));
    host->tunnel_count = SIM_TUNNELS_MOST;
    for (const struct node *node = NULL; (node = tree_next(tree, node));) {
        host->ports[node->index] = node->carrier ? 0 : (uint16_t)(51820 + node->index);
        for (const struct peer *peer = NULL; (peer = node_next_peer(node, peer));)
            follow_peer(everywhere, peer);
    }
}
