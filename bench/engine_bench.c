/* SPDX-License-Identifier: MIT */
/* Rungs 4 and 5 of the ladder: the engine whole, from the TUN to what would be sent and back, at
 * one to eight hops. Simulated relays complete the handshakes and seal what comes in; what they
 * send is kept and given to the client again and again, its replay windows forgotten in between.
 * bulk: outbound a super-packet of 64 KiB, inbound two full GRO trains a turn. single: 64 packets
 * of 64 bytes a turn, each of its own flow and alone in its read. The plaintext of a bulk packet
 * has 1420 bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/lanes.h"
#include "measure.h"
#include "simulation/chain.h"
#include "turn.h"

#define SUPERS_KEPT 24
#define TRAINS_A_TURN 2
#define TRAIN_MOST_BYTES 65507
#define TRAINS_MOST 1024
#define POOL_SLOTS 4096
#define POOL_BLOCK_BYTES 65536
#define WORLD "198.51.100.9"
#define DEPTHS NETWORK_DEPTH_MOST
#define ROWS_MOST ((MEASURE_AEADS_MOST + 1) * 4)

/* What the client's socket receives in a read, as the relays' AEAD sealed it. */
struct train {
    uint8_t *bytes;
    uint32_t len_bytes;
    uint32_t segment_bytes; /* 0: one datagram */
    uint32_t packets;
};

struct recording {
    struct train trains[TRAINS_MOST];
    size_t count;
    bool is_bulk;
    struct endpoint source;
    struct address destination;
};

struct row;

struct bench {
    struct chain chain;
    struct pool *pool; /* of the size that a daemon's has */
    struct actions actions;
    struct vnet_header vnet;
    uint8_t super[SUPER_BYTES];
    uint8_t single[SINGLE_BYTES];
    struct recording recordings[2][2]; /* sealed or not; bulk or singles */
    const struct row *last; /* whose counters the client has seen */
};

struct row {
    struct bench *bench;
    struct aead *aead;
    const struct recording *recording; /* NULL: outbound */
    bool is_bulk;
    size_t next; /* train */
};

/* ---- one turn ---- */

static void flush(struct bench *bench)
{
    const struct sim *sim = bench->chain.sim;
    engine_flush(bench->chain.client->engine, sim->now, sim->wall_ns + sim->now, &bench->actions);
}

static struct measure_burst outbound_burst(void *context)
{
    struct row *row = context;
    struct bench *bench = row->bench;
    struct engine *engine = bench->chain.client->engine;
    instant_ns now = bench->chain.sim->now;
    static const struct vnet_header plain;
    static uint8_t bytes[SUPER_BYTES], singles[SINGLES_A_TURN][SINGLE_BYTES];
    size_t packets = row->is_bulk ? BULK_SEGMENTS : SINGLES_A_TURN;
    if (row->is_bulk) /* as a read of the TUN would */
        memcpy(bytes, bench->super, SUPER_BYTES);
    else
        for (size_t i = 0; i < SINGLES_A_TURN; i++)
            memcpy(singles[i], bench->single, SINGLE_BYTES);
    engine->core.aead = row->aead;
    double start_ns = measure_now_ns();
    if (row->is_bulk)
        engine_from_tun(engine, &bench->vnet, bytes, SUPER_BYTES, now, &bench->actions);
    else
        for (size_t i = 0; i < SINGLES_A_TURN; i++)
            engine_from_tun(engine, &plain, singles[i], SINGLE_BYTES, now, &bench->actions);
    flush(bench);
    size_t sent = bench->actions.send_count;
    turn_end(bench->pool, &bench->actions);
    double spent_ns = measure_now_ns() - start_ns;
    if (sent != packets)
        abort();
    return (struct measure_burst){spent_ns, packets};
}

/* Otherwise no datagram would be accepted twice. */
static void forget_received(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->core.tree.count; i++)
        engine->core.tree.nodes[i]->peers[0]->current->replay = (struct replay){0};
}

static struct udp_train receive(struct bench *bench, const struct recording *recording,
                                const struct train *train)
{
    struct block *block = pool_take_block(bench->pool);
    memcpy(block->bytes, train->bytes, train->len_bytes);
    return (struct udp_train){.block = block,
                              .len_bytes = train->len_bytes,
                              .segment_bytes = train->segment_bytes,
                              .source = recording->source,
                              .destination = recording->destination};
}

static struct measure_burst inbound_burst(void *context)
{
    struct row *row = context;
    struct bench *bench = row->bench;
    const struct recording *recording = row->recording;
    struct engine *engine = bench->chain.client->engine;
    instant_ns now = bench->chain.sim->now;
    struct udp_train trains[SINGLES_A_TURN];
    size_t count = row->is_bulk ? TRAINS_A_TURN : SINGLES_A_TURN, packets = 0;
    if (bench->last != row || row->next + count > recording->count) {
        row->next = 0;
        forget_received(engine);
    }
    bench->last = row;
    for (size_t i = 0; i < count; i++) {
        const struct train *train = &recording->trains[row->next++];
        trains[i] = receive(bench, recording, train);
        packets += train->packets;
    }
    engine->core.aead = row->aead;
    double start_ns = measure_now_ns();
    for (size_t i = 0; i < count; i++)
        engine_from_udp(engine, 0, &trains[i], now, &bench->actions);
    flush(bench);
    engine_idle(engine, &bench->actions);
    size_t written = turn_written_packets(&bench->actions);
    turn_end(bench->pool, &bench->actions);
    double spent_ns = measure_now_ns() - start_ns;
    if (written != packets)
        abort();
    return (struct measure_burst){spent_ns, packets};
}

/* ---- what comes in ---- */

/* The hook of the simulated network: keeps what the first relay sends to the client. */
static bool record(void *context, struct sim_datagram *datagram)
{
    struct recording *recording = context;
    if (datagram->is_raw || datagram->destination.port != 51820 ||
        !address_is_equal(&datagram->destination.address, &recording->destination))
        return true;
    recording->source = datagram->source;
    uint32_t len = (uint32_t)datagram->len_bytes;
    struct train *train = recording->count ? &recording->trains[recording->count - 1] : NULL;
    if (!train || !recording->is_bulk || train->segment_bytes != len ||
        train->len_bytes + len > TRAIN_MOST_BYTES || train->packets == 64) {
        train = &recording->trains[recording->count++];
        if (recording->count > TRAINS_MOST || !(train->bytes = malloc(TRAIN_MOST_BYTES)))
            abort();
        train->segment_bytes = recording->is_bulk ? len : 0;
    }
    memcpy(train->bytes + train->len_bytes, datagram->bytes, len);
    train->len_bytes += len;
    train->packets++;
    return false;
}

/* A bulk packet's headers, or a whole single; of a flow of its own in each of 64 ports. */
static struct sample sample_of(const char *source, const char *destination, bool is_bulk,
                               uint32_t serial)
{
    return (struct sample){.source = source, .destination = destination,
                           .protocol = is_bulk ? IP_PROTOCOL_TCP : IP_PROTOCOL_UDP,
                           .source_port = (uint16_t)(4000 + (is_bulk ? 0 : serial % 64)),
                           .destination_port = 443, .tcp_flags = TCP_ACK,
                           .len_bytes = is_bulk ? SUPER_BYTES : SINGLE_BYTES, .serial = serial};
}

static void set_aead(struct bench *bench, struct aead *aead)
{
    for (size_t i = 0; i < bench->chain.sim->host_count; i++)
        bench->chain.sim->hosts[i].engine->core.aead = aead;
}

/* The relays send with this AEAD what the world answers. */
static void fill_recording(struct bench *bench, struct recording *recording, struct aead *aead)
{
    struct chain *chain = &bench->chain;
    static uint8_t bytes[SUPER_BYTES];
    char inner[48];
    set_aead(bench, aead);
    recording->destination = chain->client->ipv4;
    chain->sim->hook = record;
    chain->sim->hook_context = recording;
    chain_address(false, chain->depth - 1, 2, inner);
    for (uint32_t i = 0; i < (recording->is_bulk ? SUPERS_KEPT : TRAINS_MOST); i++) {
        const struct sample sample = sample_of(WORLD, inner, recording->is_bulk, i);
        size_t len = sample_write(&sample, bytes);
        struct vnet_header vnet = {0};
        if (recording->is_bulk) {
            vnet = sample_to_super(bytes, len, BULK_BYTES - BULK_HEADER_BYTES);
            store_be32(bytes + IPV4_HEADER_BYTES + 4, i * (SUPER_BYTES - BULK_HEADER_BYTES));
        }
        sim_send_bytes(chain->exit, bytes, len, &vnet);
    }
    sim_run(chain->sim, SIM_S);
    chain->sim->hook = NULL;
}

/* ---- a chain of a depth ---- */

static struct bench *bench_new(unsigned depth, struct aead *none)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    const struct chain_shape shape = {.depth = depth, .link_mtu_bytes = BULK_BYTES + 60 * depth};
    if (!bench)
        abort();
    chain_init(&bench->chain, &shape);
    struct sim_host *client = bench->chain.client;
    const struct sample single = sample_of("10.100.0.2", WORLD, false, 0);
    const struct sample bulk = sample_of("10.100.0.2", WORLD, true, 0);
    sample_write(&single, bench->single);
    sample_write(&bulk, bench->super);
    bench->vnet = sample_to_super(bench->super, SUPER_BYTES, BULK_BYTES - BULK_HEADER_BYTES);
    sim_send_bytes(client, bench->single, SINGLE_BYTES, NULL); /* begins all the handshakes */
    sim_run(bench->chain.sim, 3 * SIM_S);
    if (bench->chain.exit->inbox_count != 1)
        abort();

    struct aead *best = bench->chain.sim->aead;
    for (unsigned i = 0; i < 4; i++) {
        struct recording *recording = &bench->recordings[i / 2][i % 2];
        recording->is_bulk = i % 2;
        fill_recording(bench, recording, i / 2 ? best : none);
    }
    struct pool_shape pool_shape_of_daemon = *pool_shape(client->pool);
    pool_shape_of_daemon.slots = POOL_SLOTS;
    pool_shape_of_daemon.receive_block_bytes = POOL_BLOCK_BYTES;
    bench->pool = client->engine->core.pool = pool_new(tap_memory(), &pool_shape_of_daemon);
    return bench;
}

static void add_rows(struct bench *bench, struct aead *aead, bool is_sealing, struct row *rows)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        struct row *row = &rows[kind];
        bool is_inbound = kind % 2, is_bulk = kind < 2;
        *row = (struct row){.bench = bench, .aead = aead, .is_bulk = is_bulk};
        if (is_inbound)
            row->recording = &bench->recordings[is_sealing][is_bulk];
        measure_add(is_inbound ? inbound_burst : outbound_burst, row,
                    "rung=%u depth=%u backend=%s direction=%s load=%s size=%d",
                    bench->chain.depth == 1 ? 4 : 5, bench->chain.depth, aead_name(aead),
                    is_inbound ? "in" : "out", is_bulk ? "bulk" : "single",
                    is_bulk ? BULK_BYTES : SINGLE_BYTES);
    }
}

int main(int argc, char **argv)
{
    static struct row rows[DEPTHS][ROWS_MOST];
    struct aead *aeads[MEASURE_AEADS_MOST + 1];
    size_t count = 1 + measure_aeads(aeads + 1);
    aeads[0] = measure_aead_none();
    for (unsigned d = 0; d < DEPTHS; d++) {
        struct bench *bench = bench_new(d + 1, aeads[0]);
        for (size_t i = 0; i < count; i++)
            add_rows(bench, aeads[i], i > 0, &rows[d][4 * i]);
    }
    measure_run(argc, argv);
    return 0; /* with all the chains: each one's end expects to be the last user of memory */
}
