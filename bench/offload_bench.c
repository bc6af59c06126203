/* SPDX-License-Identifier: MIT */
/* Rung 6 of the ladder: a super-packet of 64 KiB cut into segments of 1420 bytes, and the segments
 * made one again, alone: no route, no tunnel, no AEAD. In ns a segment. */
#include <stdlib.h>

#include "measure.h"
#include "packet/coalesce.h"
#include "packet/pool.h"
#include "packet/split.h"
#include "rigs/sample.h"
#include "tap.h"

#define SEGMENT_BYTES 1420
#define SEGMENTS 45
#define HEADROOM_BYTES 64
#define TCP_ACK 0x10
#define ROWS 8

struct row {
    struct pool *pool;
    struct coalesce *coalesce;
    bool is_coalesce;
    struct vnet_header vnet;
    struct ip_view view;
    size_t len_bytes;
    uint8_t bytes[SAMPLE_MOST_BYTES];
};

static void split_all(const struct row *row, struct packet *packets[SEGMENTS])
{
    struct split split;
    size_t count = 0;
    if (split_init(&split, &row->vnet, row->bytes, row->len_bytes, &row->view) != VERDICT_OK)
        abort();
    while (!split_is_finished(&split)) {
        packets[count] = pool_take_packet(row->pool);
        split_next(&split, packets[count++]);
    }
    if (count != SEGMENTS)
        abort();
}

static void emit(void *context, const struct tun_frame *frame)
{
    struct pool *pool = context;
    struct packet *packet = frame->first;
    if (frame->packets != SEGMENTS)
        abort();
    while (packet) {
        struct packet *next = packet->next;
        pool_give_packet(pool, packet);
        packet = next;
    }
}

static struct measure_burst burst(void *context)
{
    const struct row *row = context;
    const struct coalesce_sink sink = {.emit = emit, .context = row->pool};
    struct packet *packets[SEGMENTS];
    struct ip_view views[SEGMENTS];
    double start_ns = measure_now_ns();
    split_all(row, packets);
    if (!row->is_coalesce) {
        for (size_t i = 0; i < SEGMENTS; i++)
            pool_give_packet(row->pool, packets[i]);
        return (struct measure_burst){measure_now_ns() - start_ns, SEGMENTS};
    }
    for (size_t i = 0; i < SEGMENTS; i++)
        if (ip_parse(packets[i]->data, packets[i]->len_bytes, &views[i]) != VERDICT_OK)
            abort();
    start_ns = measure_now_ns();
    for (size_t i = 0; i < SEGMENTS; i++)
        coalesce_add(row->coalesce, packets[i], &views[i], &sink);
    coalesce_flush(row->coalesce, &sink);
    return (struct measure_burst){measure_now_ns() - start_ns, SEGMENTS};
}

static void row_init(struct row *row, bool is_ipv6, bool is_tcp)
{
    size_t header = (is_ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES) +
                    (size_t)(is_tcp ? TCP_HEADER_BYTES : UDP_HEADER_BYTES);
    const struct sample sample = {
        .source = is_ipv6 ? "fd00:100::2" : "10.100.0.2",
        .destination = is_ipv6 ? "2001:db8:aaaa::9" : "198.51.100.9",
        .protocol = is_tcp ? IP_PROTOCOL_TCP : IP_PROTOCOL_UDP,
        .source_port = 4000,
        .destination_port = 443,
        .tcp_flags = TCP_ACK,
        .len_bytes = header + SEGMENTS * (SEGMENT_BYTES - header),
    };
    row->len_bytes = sample_write(&sample, row->bytes);
    row->vnet = sample_to_super(row->bytes, row->len_bytes, (uint16_t)(SEGMENT_BYTES - header));
    if (ip_parse_quoted(row->bytes, row->len_bytes, &row->view) != VERDICT_OK)
        abort();
}

int main(int argc, char **argv)
{
    static struct row rows[ROWS];
    static struct coalesce coalesce;
    const struct pool_shape shape = {
        .slots = 4096, .headroom_bytes = HEADROOM_BYTES, .payload_bytes = 1500};
    struct pool *pool = pool_new(tap_memory(), &shape);
    coalesce_init(&coalesce, true, true, true);
    for (unsigned kind = 0; kind < ROWS; kind++) {
        struct row *row = &rows[kind];
        bool is_ipv6 = kind / 2 % 2, is_tcp = kind < ROWS / 2;
        row->pool = pool;
        row->coalesce = &coalesce;
        row->is_coalesce = kind % 2;
        row_init(row, is_ipv6, is_tcp);
        measure_add(burst, row, "rung=6 op=%s protocol=%s family=ipv%d size=%d",
                    row->is_coalesce ? "coalesce" : "split", is_tcp ? "tcp" : "udp",
                    is_ipv6 ? 6 : 4, SEGMENT_BYTES);
    }
    measure_run(argc, argv);
    pool_free(pool);
    return 0;
}
