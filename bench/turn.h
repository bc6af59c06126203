/* SPDX-License-Identifier: MIT */
/* What rungs 4, 5 and 8 share: the packets that they send, and the end of a turn. */
#ifndef BENCH_TURN_H
#define BENCH_TURN_H

#include "engine/actions.h"
#include "packet/pool.h"

#define BULK_BYTES 1420
#define BULK_HEADER_BYTES 40
#define BULK_SEGMENTS 46
#define SUPER_BYTES (BULK_HEADER_BYTES + BULK_SEGMENTS * (BULK_BYTES - BULK_HEADER_BYTES))
#define SINGLE_BYTES 64
#define SINGLES_A_TURN 64
#define TCP_ACK 0x10

/* Does what the actions ask for, as far as memory goes: every packet back to its pool. */
static inline void turn_end(struct pool *pool, struct actions *actions)
{
    for (size_t i = 0; i < actions->send_count; i++)
        pool_give_packet(pool, actions->sends[i].packet);
    for (size_t i = 0; i < actions->write_count; i++) {
        struct packet *packet = actions->writes[i].first;
        while (packet) {
            struct packet *next = packet->next;
            pool_give_packet(pool, packet);
            packet = next;
        }
    }
    actions->send_count = actions->write_count = actions->reply_path_count = 0;
}

/* Packets in the frames that would be written to the TUN. */
static inline size_t turn_written_packets(const struct actions *actions)
{
    size_t packets = 0;
    for (size_t i = 0; i < actions->write_count; i++)
        packets += actions->writes[i].packets;
    return packets;
}

#endif
