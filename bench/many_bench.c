/* SPDX-License-Identifier: MIT */
/* Rung 8 of the ladder: what many peers and prefixes cost. The innermost tunnel has them all: peer
 * p has the prefixes p, p + peers, ...; each peer has a session, whose keys were not negotiated but
 * set. flow=active: all packets are one flow's; flow=random: each has a prefix of its own,
 * uniformly from all. load=bulk and load=single are rung 4's. What comes in is sealed before each
 * burst, all hops of it in place. And the bytes that an idle peer and a prefix take. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/engine.h"
#include "engine/lanes.h"
#include "measure.h"
#include "packet/split.h"
#include "rigs/sample.h"
#include "tap.h"
#include "turn.h"

#define RANDOM_SINGLES 16384
#define TRAINS_A_TURN 2
#define NOW (1000 * NS_PER_S)
#define PREFIX_BITS 24
#define PORT 51820
#define KINDS 6
#define WORLDS 8

struct shape {
    unsigned depth;
    uint32_t peers;
    uint32_t prefixes; /* not fewer than peers */
};

/* A small packet of one direction; the active flow's stand first in their array. */
struct single {
    uint32_t prefix;
    uint8_t bytes[SINGLE_BYTES];
};

struct world {
    struct shape shape;
    struct engine *engine;
    struct pool *pool;
    struct node *inner;
    struct actions actions;
    struct vnet_header vnet;
    uint8_t super[SUPER_BYTES];
    uint8_t segments[BULK_SEGMENTS][BULK_BYTES]; /* inbound */
    struct single *singles[2];                   /* outbound, inbound */
};

struct row {
    struct world *world;
    struct aead *aead;
    bool is_inbound;
    bool is_bulk;
    bool is_random;
    size_t next; /* single */
};

/* A datagram on its way in: `data` grows towards the front, a hop at a time. */
struct datagram {
    uint8_t *data;
    size_t len_bytes;
    uint32_t peer; /* of the innermost tunnel */
};

/* ---- the network ---- */

/* Prefixes far apart and close together, all in 32.0.0.0/3. */
static struct prefix prefix_of(uint32_t number)
{
    struct prefix prefix = {.address.family = FAMILY_IPV4, .len_bits = PREFIX_BITS};
    store_be32(prefix.address.bytes, 0x20000000 | (number * 0x9e3779b1u & 0x1fffff) << 8);
    return prefix;
}

static struct address address_of(uint32_t ipv4)
{
    struct address address = {.family = FAMILY_IPV4};
    store_be32(address.bytes, ipv4);
    return address;
}

static struct address own_address(unsigned level)
{
    return address_of(0x0a640002 + (level << 16)); /* 10.(100 + level).0.2 */
}

static void *take(size_t count, size_t bytes)
{
    void *taken = calloc(count, bytes);
    if (!taken)
        abort();
    return taken;
}

static void describe_peer(struct peer_description *peer, unsigned level, uint32_t prefixes)
{
    tap_random_bytes(peer->public_key, sizeof(peer->public_key));
    peer->has_endpoint = true;
    peer->endpoint = (struct endpoint){.address = address_of(0xcb007101 + level), .port = PORT};
    peer->allowed_ips = take(prefixes, sizeof(*peer->allowed_ips));
    peer->allowed_ips_count = prefixes;
}

static void describe_tunnel(struct tunnel_description *tunnel, unsigned level,
                            const struct shape *shape)
{
    bool is_inner = level == shape->depth - 1;
    snprintf(tunnel->name, sizeof(tunnel->name), "t%u", level);
    tunnel->carrier = (int)level - 1;
    tap_random_bytes(tunnel->private_key, sizeof(tunnel->private_key));
    tunnel->addresses = take(1, sizeof(*tunnel->addresses));
    tunnel->addresses[0] = own_address(level);
    tunnel->address_count = 1;
    tunnel->routes_are_default = true;
    tunnel->peer_count = is_inner ? shape->peers : 1;
    tunnel->peers = take(tunnel->peer_count, sizeof(*tunnel->peers));
    if (!is_inner) {
        describe_peer(&tunnel->peers[0], level, 1);
        tunnel->peers[0].allowed_ips[0] = (struct prefix){.address.family = FAMILY_IPV4};
        return;
    }
    for (uint32_t p = 0; p < shape->peers; p++) {
        uint32_t prefixes = (shape->prefixes - p + shape->peers - 1) / shape->peers;
        describe_peer(&tunnel->peers[p], level, prefixes);
        for (uint32_t i = 0; i < prefixes; i++)
            tunnel->peers[p].allowed_ips[i] = prefix_of(p + i * shape->peers);
    }
}

static void forget(struct network_description *network)
{
    for (size_t i = 0; i < network->tunnel_count; i++) {
        for (size_t p = 0; p < network->tunnels[i].peer_count; p++)
            free(network->tunnels[i].peers[p].allowed_ips);
        free(network->tunnels[i].peers);
        free(network->tunnels[i].addresses);
    }
    free(network->tunnels);
}

static void set_session(const struct peer *peer)
{
    static const struct noise_keys keys = {.send = {1}, .receive = {2}};
    static const uint8_t timestamp[NOISE_TIMESTAMP_BYTES];
    const struct peer_derivation derivation = {
        .keys = &keys,
        .timestamp = timestamp,
        .local_index = indices_draw(peer->indices, peer->random),
        .is_initiator = true,
    };
    if (!peer_derive_session((struct peer *)peer, &derivation, NOW))
        abort();
}

/* The engine with its memory in bytes: of all but the pool, with and without sessions. */
struct cost {
    size_t idle_bytes;
    size_t session_bytes;
};

static struct cost make_engine(struct world *world, const struct shape *shape)
{
    struct network_description network = {
        .tunnels = take(shape->depth, sizeof(*network.tunnels)),
        .tunnel_count = shape->depth,
        .link_mtu_bytes = BULK_BYTES + 60 * shape->depth,
        .nat_ipv4 = own_address(0),
    };
    struct pool_shape pool_shape;
    struct cost cost;
    struct text why = TEXT_ROOM(256);
    world->shape = *shape;
    for (unsigned level = 0; level < shape->depth; level++)
        describe_tunnel(&network.tunnels[level], level, shape);
    engine_pool_shape(&network, &pool_shape);
    world->pool = pool_new(tap_memory(), &pool_shape);
    const struct engine_options options = {.secrets = tap_memory(), .pool = world->pool,
                                           .random = tap_random_source(), .tun_takes_tcp4 = true};
    size_t before_bytes = tap_memory_balance_bytes();
    world->engine = engine_new(&options, &network, &why);
    if (!world->engine) {
        fprintf(stderr, "%s\n", why.bytes);
        abort();
    }
    forget(&network);
    cost.idle_bytes = tap_memory_balance_bytes() - before_bytes;
    engine_set_root_mtu(world->engine, 0, network.link_mtu_bytes - 60);
    for (uint32_t i = 0; i < world->engine->core.tree.count; i++) {
        world->inner = world->engine->core.tree.nodes[i];
        for (uint32_t p = 0; p < world->inner->tunnel.peer_count; p++)
            set_session(world->inner->peers[p]);
    }
    cost.session_bytes = tap_memory_balance_bytes() - before_bytes;
    engine_set_up(world->engine, true, NOW);
    return cost;
}

/* ---- the packets ---- */

static void write_packet(struct world *world, bool is_inbound, bool is_bulk, uint32_t prefix,
                         uint32_t serial, uint8_t *bytes)
{
    char near[ADDRESS_TEXT_BYTES], far[ADDRESS_TEXT_BYTES];
    struct address own = own_address(is_inbound ? world->shape.depth - 1 : 0);
    struct address other = prefix_of(prefix).address;
    other.bytes[3] = 9;
    address_format(&own, near);
    address_format(&other, far);
    const struct sample sample = {.source = is_inbound ? far : near,
                                  .destination = is_inbound ? near : far,
                                  .protocol = is_bulk ? IP_PROTOCOL_TCP : IP_PROTOCOL_UDP,
                                  .source_port = (uint16_t)(4000 + serial % SINGLES_A_TURN),
                                  .destination_port = 443,
                                  .tcp_flags = TCP_ACK,
                                  .len_bytes = is_bulk ? SUPER_BYTES : SINGLE_BYTES};
    sample_write(&sample, bytes);
}

/* The segments of one super-packet, as the other end's kernel would have sent them. */
static void write_segments(struct world *world)
{
    struct split split;
    struct ip_view view;
    write_packet(world, true, true, 0, 0, world->super);
    struct vnet_header vnet =
        sample_to_super(world->super, SUPER_BYTES, BULK_BYTES - BULK_HEADER_BYTES);
    if (ip_parse_quoted(world->super, SUPER_BYTES, &view) != VERDICT_OK ||
        split_init(&split, &vnet, world->super, SUPER_BYTES, &view) != VERDICT_OK)
        abort();
    for (size_t i = 0; i < BULK_SEGMENTS; i++) {
        struct packet *packet = pool_take_packet(world->pool);
        split_next(&split, packet);
        memcpy(world->segments[i], packet->data, BULK_BYTES);
        pool_give_packet(world->pool, packet);
    }
}

static void write_packets(struct world *world)
{
    write_segments(world);
    write_packet(world, false, true, 0, 0, world->super);
    world->vnet = sample_to_super(world->super, SUPER_BYTES, BULK_BYTES - BULK_HEADER_BYTES);
    for (unsigned is_inbound = 0; is_inbound < 2; is_inbound++) {
        size_t count = SINGLES_A_TURN + RANDOM_SINGLES;
        struct single *singles = world->singles[is_inbound] = take(count, sizeof(*singles));
        for (uint32_t i = 0; i < count; i++) {
            bool is_active = i < SINGLES_A_TURN;
            singles[i].prefix = is_active ? 0 : (uint32_t)tap_random_below(world->shape.prefixes);
            write_packet(world, is_inbound, false, singles[i].prefix, i, singles[i].bytes);
        }
    }
}

static const struct single *next_singles(struct row *row)
{
    const struct single *singles = row->world->singles[row->is_inbound];
    if (!row->is_random)
        return singles;
    row->next = (row->next + SINGLES_A_TURN) % RANDOM_SINGLES;
    return singles + SINGLES_A_TURN + row->next;
}

/* ---- outbound ---- */

static struct measure_burst outbound_burst(void *context)
{
    struct row *row = context;
    struct world *world = row->world;
    static const struct vnet_header plain;
    static uint8_t super[SUPER_BYTES], singles[SINGLES_A_TURN][SINGLE_BYTES];
    size_t packets = row->is_bulk ? BULK_SEGMENTS : SINGLES_A_TURN;
    if (row->is_bulk) { /* as a read of the TUN would */
        memcpy(super, world->super, SUPER_BYTES);
    } else {
        const struct single *from = next_singles(row);
        for (size_t i = 0; i < SINGLES_A_TURN; i++)
            memcpy(singles[i], from[i].bytes, SINGLE_BYTES);
    }
    world->engine->core.aead = row->aead;
    double start_ns = measure_now_ns();
    if (row->is_bulk)
        engine_from_tun(world->engine, &world->vnet, super, SUPER_BYTES, NOW, &world->actions);
    else
        for (size_t i = 0; i < SINGLES_A_TURN; i++)
            engine_from_tun(world->engine, &plain, singles[i], SINGLE_BYTES, NOW, &world->actions);
    engine_flush(world->engine, NOW, NOW, &world->actions);
    size_t sent = world->actions.send_count;
    turn_end(world->pool, &world->actions);
    double spent_ns = measure_now_ns() - start_ns;
    if (sent != packets)
        abort();
    return (struct measure_burst){spent_ns, packets};
}

/* ---- inbound ---- */

/* What the relay at this level makes of the packets. */
static void seal_level(struct world *world, struct aead *aead, unsigned level,
                       struct datagram *datagrams, size_t count)
{
    const struct node *node = world->engine->core.tree.nodes[level];
    struct aead_desc descs[SINGLES_A_TURN];
    for (size_t i = 0; i < count; i++) {
        struct datagram *datagram = &datagrams[i];
        struct session *session =
            node->peers[node == world->inner ? datagram->peer : 0]->current;
        size_t padded = message_padded_bytes(datagram->len_bytes, node->mtu_bytes);
        memset(datagram->data + datagram->len_bytes, 0, padded - datagram->len_bytes);
        descs[i] = (struct aead_desc){.bytes = datagram->data,
                                      .len_bytes = (uint32_t)padded,
                                      .counter = session_next_counter(session),
                                      .key = session->receive_key};
        datagram->data -= MESSAGE_DATA_HEADER_BYTES;
        datagram->len_bytes = MESSAGE_DATA_HEADER_BYTES + padded + AEAD_TAG_BYTES;
        message_write_data_header(datagram->data, session->local_index, descs[i].counter);
    }
    aead_seal(aead, descs, count);
    if (level == 0)
        return;
    const struct endpoint *from = &node->peers[0]->endpoint;
    const struct ip_outer outer = {.source = from->address, .destination = node->carrier->ipv4,
                                   .source_port = from->port,
                                   .destination_port = node->listen_port};
    for (size_t i = 0; i < count; i++) {
        datagrams[i].data -= ip_outer_bytes(FAMILY_IPV4);
        ip_write_outer(datagrams[i].data, &outer, datagrams[i].len_bytes);
        datagrams[i].len_bytes += ip_outer_bytes(FAMILY_IPV4);
    }
}

/* How many bytes come to stand in front of a packet, and around it altogether. */
static size_t front_bytes(const struct world *world)
{
    return world->shape.depth * MESSAGE_DATA_HEADER_BYTES +
           (world->shape.depth - 1) * ip_outer_bytes(FAMILY_IPV4);
}

static size_t datagram_bytes(const struct world *world, size_t len)
{
    for (unsigned level = world->shape.depth; level-- > 0;) {
        len = message_padded_bytes(len, world->engine->core.tree.nodes[level]->mtu_bytes) +
              MESSAGE_DATA_HEADER_BYTES + AEAD_TAG_BYTES;
        len += level ? ip_outer_bytes(FAMILY_IPV4) : 0;
    }
    return len;
}

/* Fills the trains with `count` packets, so many in each; returns the number of trains. */
static size_t make_trains(struct row *row, struct udp_train *trains, size_t count, size_t in_each)
{
    struct world *world = row->world;
    struct datagram datagrams[SINGLES_A_TURN];
    const struct single *singles = row->is_bulk ? NULL : next_singles(row);
    size_t len = row->is_bulk ? BULK_BYTES : SINGLE_BYTES;
    size_t stride = datagram_bytes(world, len), made = 0;
    for (size_t i = 0; i < count; i++) {
        if (i % in_each == 0)
            trains[made++] = (struct udp_train){
                .block = pool_take_block(world->pool),
                .len_bytes = (uint32_t)(stride * in_each),
                .segment_bytes = in_each > 1 ? (uint32_t)stride : 0,
                .source = world->engine->core.tree.nodes[0]->peers[0]->endpoint,
            };
        uint8_t *data =
            trains[made - 1].block->bytes + i % in_each * stride + front_bytes(world);
        memcpy(data, singles ? singles[i].bytes : world->segments[i], len);
        datagrams[i] = (struct datagram){
            .data = data, .len_bytes = len,
            .peer = singles ? singles[i].prefix % world->shape.peers : 0};
    }
    for (unsigned level = world->shape.depth; level-- > 0;)
        seal_level(world, row->aead, level, datagrams, count);
    return made;
}

static struct measure_burst inbound_burst(void *context)
{
    struct row *row = context;
    struct world *world = row->world;
    struct udp_train trains[SINGLES_A_TURN];
    size_t packets = row->is_bulk ? BULK_SEGMENTS : SINGLES_A_TURN;
    size_t count =
        make_trains(row, trains, packets, row->is_bulk ? BULK_SEGMENTS / TRAINS_A_TURN : 1);
    world->engine->core.aead = row->aead;
    double start_ns = measure_now_ns();
    for (size_t i = 0; i < count; i++)
        engine_from_udp(world->engine, 0, &trains[i], NOW, &world->actions);
    engine_flush(world->engine, NOW, NOW, &world->actions);
    engine_idle(world->engine, &world->actions);
    size_t written = turn_written_packets(&world->actions);
    turn_end(world->pool, &world->actions);
    double spent_ns = measure_now_ns() - start_ns;
    if (written != packets)
        abort();
    return (struct measure_burst){spent_ns, packets};
}

/* ---- the rows ---- */

static void add_rows(struct world *world, struct aead *aead, struct row *rows)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct row *row = &rows[kind];
        *row = (struct row){.world = world, .aead = aead, .is_inbound = kind % 2,
                            .is_bulk = kind < 2, .is_random = kind >= 4};
        measure_add(row->is_inbound ? inbound_burst : outbound_burst, row,
                    "rung=8 depth=%u peers=%u prefixes=%u backend=%s direction=%s load=%s flow=%s",
                    world->shape.depth, world->shape.peers, world->shape.prefixes,
                    aead_name(aead), row->is_inbound ? "in" : "out",
                    row->is_bulk ? "bulk" : "single", row->is_random ? "random" : "active");
    }
}

static void print_memory(const struct shape shapes[WORLDS], const struct cost costs[WORLDS])
{
    const size_t peers = shapes[2].peers - shapes[0].peers;
    const size_t prefixes = shapes[4].prefixes - shapes[0].prefixes;
    const size_t prefix = (costs[4].idle_bytes - costs[0].idle_bytes) / prefixes;
    printf("rung=8 memory=prefix bytes=%zu\n", prefix);
    printf("rung=8 memory=peer session=no bytes=%zu\n",
           (costs[2].idle_bytes - costs[0].idle_bytes) / peers - prefix);
    printf("rung=8 memory=peer session=yes bytes=%zu\n",
           (costs[2].session_bytes - costs[0].session_bytes) / peers - prefix);
}

int main(int argc, char **argv)
{
    static const struct shape shapes[WORLDS] = {{1, 1, 1},         {1, 100, 100},
                                                {1, 10000, 10000}, {1, 1, 1000},
                                                {1, 1, 100000},    {1, 10000, 100000},
                                                {8, 1, 1},         {8, 10000, 100000}};
    static struct world worlds[WORLDS];
    static struct row rows[WORLDS][2][KINDS];
    struct cost costs[WORLDS];
    struct aead *none = measure_aead_none(), *best = aead_new(tap_memory(), getenv("HOPWIRE_AEAD"));
    if (!best)
        abort();
    for (size_t i = 0; i < WORLDS; i++) {
        costs[i] = make_engine(&worlds[i], &shapes[i]);
        write_packets(&worlds[i]);
        add_rows(&worlds[i], none, rows[i][0]);
        add_rows(&worlds[i], best, rows[i][1]);
    }
    print_memory(shapes, costs);
    measure_run(argc, argv);
    return 0;
}
