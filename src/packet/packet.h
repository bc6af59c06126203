/* SPDX-License-Identifier: MIT */
/* A packet: a window on bytes with room before and behind it. The bytes belong to a block: either
 * the packet's own slot (outbound, made by the engine) or a receive block that many packets share
 * (the datagrams of one UDP GRO train). Headers are pushed and pulled in place; a payload byte is
 * never copied again once it is in a packet. */
#ifndef PACKET_PACKET_H
#define PACKET_PACKET_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block;

struct packet {
    struct packet *next; /* of the queue that holds it */
    uint8_t *data;       /* the first byte */
    uint32_t len_bytes;
    uint8_t tos;        /* outbound: DSCP and ECN of the header to push; inbound: as received */
    uint8_t kind;       /* for the engine: data, handshake, keepalive */
    uint8_t *floor;     /* `data` never goes below this */
    uint8_t *ceiling;   /* data + len never goes above this */
    struct block *block; /* whose bytes these are; shared by reference count */
};

struct packet_queue {
    struct packet *first;
    struct packet *last;
    size_t count;
};

static inline size_t packet_headroom_bytes(const struct packet *packet)
{
    return (size_t)(packet->data - packet->floor);
}

static inline size_t packet_tailroom_bytes(const struct packet *packet)
{
    return (size_t)(packet->ceiling - packet->data) - packet->len_bytes;
}

/* Makes room for a header in front and returns it. The room is the tree's promise (it computes
 * headroom once): having none is our bug. */
static inline uint8_t *packet_push(struct packet *packet, size_t len)
{
    assert(len <= packet_headroom_bytes(packet));
    packet->data -= len;
    packet->len_bytes += (uint32_t)len;
    return packet->data;
}

/* Takes a header off the front; the caller has checked that it is there. */
static inline uint8_t *packet_pull(struct packet *packet, size_t len)
{
    assert(len <= packet->len_bytes);
    uint8_t *header = packet->data;
    packet->data += len;
    packet->len_bytes -= (uint32_t)len;
    return header;
}

/* Adds bytes behind and returns the first of them. */
static inline uint8_t *packet_put(struct packet *packet, size_t len)
{
    assert(len <= packet_tailroom_bytes(packet));
    uint8_t *tail = packet->data + packet->len_bytes;
    packet->len_bytes += (uint32_t)len;
    return tail;
}

/* Cuts the packet to `len` bytes. */
static inline void packet_trim(struct packet *packet, size_t len)
{
    assert(len <= packet->len_bytes);
    packet->len_bytes = (uint32_t)len;
}

static inline void packet_queue_append(struct packet_queue *queue, struct packet *packet)
{
    packet->next = NULL;
    if (queue->last)
        queue->last->next = packet;
    else
        queue->first = packet;
    queue->last = packet;
    queue->count++;
}

/* The oldest packet, or NULL. */
static inline struct packet *packet_queue_take(struct packet_queue *queue)
{
    struct packet *packet = queue->first;
    if (!packet)
        return NULL;
    queue->first = packet->next;
    if (!queue->first)
        queue->last = NULL;
    queue->count--;
    packet->next = NULL;
    return packet;
}

#endif
