/* SPDX-License-Identifier: MIT */
/* Theory of operation. A fragment whose datagram is unknown is copied and held. The first fragment
 * decides: a carried datagram's are then checked one by one and joined when they are complete; of
 * others the held ones are released and the key is remembered in a ring, so that the rest passes at
 * once. Pieces never overlap, so a datagram is complete when their lengths add up to its end. A
 * refused datagram keeps its place for a while, without bytes, to refuse what still comes. */
#include "route/reassembly.h"

#include "base/bytes.h"

#define PASSING_MOST 128

enum { ECN_NOT_ECT = 0, ECN_CE = 3, ECN_BITS = 3 };

struct key {
    struct address source;
    struct address destination;
    uint32_t id;
    uint8_t protocol;
};

enum state {
    STATE_FREE,
    STATE_HELD,    /* the first fragment is missing */
    STATE_CARRIED, /* it told a virtual socket's port */
    STATE_REFUSED, /* holds nothing */
};

struct piece {
    uint32_t at; /* in the datagram */
    uint32_t len_bytes;
    uint16_t header_bytes; /* of the held packet */
    uint8_t tos;
    bool has_more;
};

struct datagram {
    struct key key;
    enum state state;
    uint64_t born;
    instant_ns deadline;
    uint32_t received_bytes; /* CARRIED: of all pieces */
    uint32_t total_bytes;    /* CARRIED: 0 until the last piece is here */
    struct packet_queue fragments;
    struct piece pieces[REASSEMBLY_FRAGMENTS_MOST]; /* of `fragments` */
};

struct passing {
    struct key key;
    instant_ns deadline; /* 0: unused */
};

struct reassembly {
    const struct memory *memory;
    struct pool *pool; /* borrowed: for what leaves */
    struct pool *held; /* our own: for what stays */
    struct datagram datagrams[REASSEMBLY_DATAGRAMS];
    uint64_t born;
    instant_ns deadline; /* never later than the first datagram's */
    struct passing passing[PASSING_MOST];
    size_t next_passing;
};

struct reassembly *reassembly_new(const struct memory *memory, struct pool *pool)
{
    struct reassembly *reassembly = memory_take(memory, sizeof(*reassembly));
    if (!reassembly)
        return NULL;
    const struct pool_shape shape = {.slots = REASSEMBLY_HELD_MOST,
                                     .payload_bytes = pool_shape(pool)->payload_bytes};
    reassembly->memory = memory;
    reassembly->pool = pool;
    reassembly->deadline = INSTANT_NEVER;
    reassembly->held = pool_new(memory, &shape);
    if (!reassembly->held) {
        memory_give(memory, reassembly, sizeof(*reassembly));
        return NULL;
    }
    return reassembly;
}

void reassembly_free(struct reassembly *reassembly)
{
    if (!reassembly)
        return;
    pool_free(reassembly->held);
    const struct memory *memory = reassembly->memory;
    bytes_wipe(reassembly, sizeof(*reassembly));
    memory_give(memory, reassembly, sizeof(*reassembly));
}

/* ---- keys ---- */

static struct key key_of(const uint8_t *bytes, const struct ip_view *view)
{
    return (struct key){.source = ip_source(bytes, view),
                        .destination = ip_destination(bytes, view),
                        .id = view->fragment_id,
                        .protocol = view->protocol};
}

static bool key_is_equal(const struct key *a, const struct key *b)
{
    return a->id == b->id && a->protocol == b->protocol &&
           address_is_equal(&a->source, &b->source) &&
           address_is_equal(&a->destination, &b->destination);
}

static struct datagram *find(struct reassembly *reassembly, const struct key *key)
{
    for (size_t i = 0; i < REASSEMBLY_DATAGRAMS; i++) {
        struct datagram *datagram = &reassembly->datagrams[i];
        if (datagram->state != STATE_FREE && key_is_equal(&datagram->key, key))
            return datagram;
    }
    return NULL;
}

static bool is_passing(const struct reassembly *reassembly, const struct key *key, instant_ns now)
{
    for (size_t i = 0; i < PASSING_MOST; i++) {
        const struct passing *passing = &reassembly->passing[i];
        if (now < passing->deadline && key_is_equal(&passing->key, key))
            return true;
    }
    return false;
}

/* ---- giving up ---- */

/* Returns how many fragments it held. */
static uint32_t give_fragments(struct reassembly *reassembly, struct datagram *datagram)
{
    uint32_t count = (uint32_t)datagram->fragments.count;
    pool_give_queue(reassembly->held, &datagram->fragments);
    datagram->fragments = (struct packet_queue){0};
    return count;
}

static uint32_t give_up(struct reassembly *reassembly, struct datagram *datagram)
{
    datagram->state = STATE_FREE;
    return give_fragments(reassembly, datagram);
}

static uint32_t refuse(struct reassembly *reassembly, struct datagram *datagram)
{
    datagram->state = STATE_REFUSED;
    return give_fragments(reassembly, datagram);
}

uint32_t reassembly_expire(struct reassembly *reassembly, instant_ns now)
{
    uint32_t dropped = 0;
    if (!instant_is_reached(reassembly->deadline, now))
        return 0;
    reassembly->deadline = INSTANT_NEVER;
    for (size_t i = 0; i < REASSEMBLY_DATAGRAMS; i++) {
        struct datagram *datagram = &reassembly->datagrams[i];
        if (datagram->state == STATE_FREE)
            continue;
        if (instant_is_reached(datagram->deadline, now))
            dropped += give_up(reassembly, datagram);
        else
            reassembly->deadline = instant_min(reassembly->deadline, datagram->deadline);
    }
    return dropped;
}

instant_ns reassembly_deadline(const struct reassembly *reassembly)
{
    return reassembly->deadline;
}

/* The oldest other one, and, if asked for, only of those that hold bytes. */
static struct datagram *oldest_but(struct reassembly *reassembly, const struct datagram *spared,
                                   bool holds_bytes)
{
    struct datagram *oldest = NULL;
    for (size_t i = 0; i < REASSEMBLY_DATAGRAMS; i++) {
        struct datagram *datagram = &reassembly->datagrams[i];
        if (datagram == spared || datagram->state == STATE_FREE ||
            (holds_bytes && datagram->fragments.count == 0))
            continue;
        if (!oldest || datagram->born < oldest->born)
            oldest = datagram;
    }
    return oldest;
}

static struct datagram *start(struct reassembly *reassembly, const struct key *key,
                              enum state state, instant_ns now, uint32_t *dropped)
{
    struct datagram *datagram = NULL;
    for (size_t i = 0; i < REASSEMBLY_DATAGRAMS && !datagram; i++) {
        if (reassembly->datagrams[i].state == STATE_FREE)
            datagram = &reassembly->datagrams[i];
    }
    if (!datagram) {
        datagram = oldest_but(reassembly, NULL, false);
        *dropped += give_up(reassembly, datagram);
    }
    *datagram = (struct datagram){.key = *key, .state = state, .born = reassembly->born++,
                                  .deadline = instant_add(now, REASSEMBLY_TIME_NS)};
    reassembly->deadline = instant_min(reassembly->deadline, datagram->deadline);
    return datagram;
}

/* ---- holding ---- */

/* A copy of the packet in our own memory; NULL: it is too long, or this datagram has everything. */
static struct packet *hold(struct reassembly *reassembly, const struct datagram *datagram,
                           const struct packet *packet, const struct ip_view *view,
                           uint32_t *dropped)
{
    if (datagram->fragments.count == REASSEMBLY_FRAGMENTS_MOST ||
        view->len_bytes > pool_shape(reassembly->held)->payload_bytes)
        return NULL;
    if (pool_free_slots(reassembly->held) == 0) {
        struct datagram *oldest = oldest_but(reassembly, datagram, true);
        if (!oldest)
            return NULL;
        *dropped += give_up(reassembly, oldest);
    }
    struct packet *copy = pool_take_packet(reassembly->held);
    memcpy(packet_put(copy, view->len_bytes), packet->data, view->len_bytes);
    return copy;
}

static struct piece piece_of(const struct ip_view *view)
{
    return (struct piece){.at = view->fragment_offset_bytes,
                          .len_bytes = view->len_bytes - view->transport_offset,
                          .header_bytes = view->transport_offset, .tos = view->tos,
                          .has_more = view->has_more_fragments};
}

enum fit { FIT_JOINS, FIT_REPEATS, FIT_CONTRADICTS };

/* Does the piece go together with those of a carried datagram that are here? RFC 5722; RFC 8200 4.5
 * tells exact repetitions, which networks make, from overlaps, which only attackers make. */
static enum fit fit(const struct datagram *datagram, const struct piece *piece,
                    const struct packet *packet)
{
    uint32_t end = piece->at + piece->len_bytes; /* both below 2^16 */
    if (piece->len_bytes == 0 || (piece->has_more && piece->len_bytes % 8) ||
        end > REASSEMBLY_BYTES_MOST)
        return FIT_CONTRADICTS;
    const struct packet *held = datagram->fragments.first;
    for (size_t i = 0; held; held = held->next, i++) {
        const struct piece *other = &datagram->pieces[i];
        uint32_t other_end = other->at + other->len_bytes;
        if (piece->at == other->at && end == other_end && piece->has_more == other->has_more &&
            memcmp(packet->data + piece->header_bytes, held->data + other->header_bytes,
                   piece->len_bytes) == 0)
            return FIT_REPEATS;
        if ((piece->at < other_end && other->at < end) || (!piece->has_more && other_end > end))
            return FIT_CONTRADICTS;
    }
    if (datagram->total_bytes && (end > datagram->total_bytes || !piece->has_more))
        return FIT_CONTRADICTS;
    return FIT_JOINS;
}

/* Takes the held packet. False: the datagram contradicts itself. */
static bool join(struct reassembly *reassembly, struct datagram *datagram, struct piece piece,
                 struct packet *packet, uint32_t *dropped)
{
    enum fit how = fit(datagram, &piece, packet);
    if (how != FIT_JOINS) {
        pool_give_packet(reassembly->held, packet);
        ++*dropped;
        return how == FIT_REPEATS;
    }
    datagram->pieces[datagram->fragments.count] = piece;
    packet_queue_append(&datagram->fragments, packet);
    datagram->received_bytes += piece.len_bytes;
    if (!piece.has_more)
        datagram->total_bytes = piece.at + piece.len_bytes;
    return true;
}

/* The first fragment of a carried datagram came: those that waited for it are checked now. */
static bool join_held(struct reassembly *reassembly, struct datagram *datagram, uint32_t *dropped)
{
    struct packet_queue waiting = datagram->fragments;
    struct packet *packet;
    bool fits = true;
    datagram->fragments = (struct packet_queue){0};
    datagram->state = STATE_CARRIED;
    /* What has joined never is more than what was looked at: no piece is overwritten too early. */
    for (size_t i = 0; fits && (packet = packet_queue_take(&waiting)); i++)
        fits = join(reassembly, datagram, datagram->pieces[i], packet, dropped);
    *dropped += (uint32_t)waiting.count;
    pool_give_queue(reassembly->held, &waiting);
    return fits;
}

/* ---- leaving ---- */

/* A packet of the network's pool for `len` bytes: a slot, or a whole receive block. */
static struct packet *take_packet(struct pool *pool, size_t len)
{
    struct packet *packet = pool_take_packet(pool);
    if (packet && packet_tailroom_bytes(packet) >= len) {
        packet_put(packet, len);
        return packet;
    }
    pool_give_packet(pool, packet);
    struct block *block = pool_take_block(pool);
    packet = NULL;
    if (block && block->capacity_bytes >= len)
        packet = pool_take_view(pool, block, 0, len);
    pool_give_block(pool, block);
    return packet;
}

/* RFC 3168 5.3: a mark on one piece marks the whole, unless a piece cannot be marked. False: such a
 * datagram must be dropped. */
static bool combine_ecn(const struct datagram *datagram, uint8_t *tos)
{
    bool is_marked = false, is_unmarkable = false;
    for (size_t i = 0; i < datagram->fragments.count; i++) {
        const struct piece *piece = &datagram->pieces[i];
        is_marked |= (piece->tos & ECN_BITS) == ECN_CE;
        is_unmarkable |= (piece->tos & ECN_BITS) == ECN_NOT_ECT;
        if (piece->at == 0)
            *tos = piece->tos;
    }
    if (is_marked)
        *tos |= ECN_CE;
    return !(is_marked && is_unmarkable);
}

/* NULL: no buffer, or marks that exclude each other. */
static struct packet *assemble(struct reassembly *reassembly, const struct datagram *datagram)
{
    uint8_t tos = 0;
    if (!combine_ecn(datagram, &tos))
        return NULL;
    struct packet *whole = take_packet(reassembly->pool, datagram->total_bytes);
    if (!whole)
        return NULL;
    const struct packet *held = datagram->fragments.first;
    for (size_t i = 0; held; held = held->next, i++) {
        const struct piece *piece = &datagram->pieces[i];
        memcpy(whole->data + piece->at, held->data + piece->header_bytes, piece->len_bytes);
    }
    whole->tos = tos;
    return whole;
}

/* The first fragment is not a carried datagram's: it and the others go where they want to. */
static void pass(struct reassembly *reassembly, const struct key *key, struct datagram *datagram,
                 instant_ns now, struct reassembly_result *result)
{
    reassembly->passing[reassembly->next_passing++ % PASSING_MOST] =
        (struct passing){.key = *key, .deadline = instant_add(now, REASSEMBLY_TIME_NS)};
    result->road = REASSEMBLY_PASSES;
    if (!datagram)
        return;
    for (const struct packet *held = datagram->fragments.first; held; held = held->next) {
        struct packet *packet = take_packet(reassembly->pool, held->len_bytes);
        if (!packet) {
            result->dropped++;
            continue;
        }
        memcpy(packet->data, held->data, held->len_bytes);
        packet_queue_append(&result->released, packet);
    }
    give_up(reassembly, datagram);
}

static void keep(struct reassembly *reassembly, struct datagram *datagram,
                 const struct packet *packet, const struct ip_view *view,
                 struct reassembly_result *result)
{
    struct packet *copy = hold(reassembly, datagram, packet, view, &result->dropped);
    if (!copy) {
        result->dropped += 1 + refuse(reassembly, datagram);
        return;
    }
    struct piece piece = piece_of(view);
    if (datagram->state == STATE_HELD) {
        datagram->pieces[datagram->fragments.count] = piece;
        packet_queue_append(&datagram->fragments, copy);
        return;
    }
    if (!join(reassembly, datagram, piece, copy, &result->dropped)) {
        result->dropped += refuse(reassembly, datagram);
        return;
    }
    if (datagram->received_bytes != datagram->total_bytes)
        return;
    result->whole = assemble(reassembly, datagram);
    uint32_t count = give_up(reassembly, datagram);
    if (result->whole)
        result->road = REASSEMBLY_WHOLE;
    else
        result->dropped += count;
}

struct reassembly_result reassembly_add(struct reassembly *reassembly, const struct packet *packet,
                                        const struct ip_view *view, bool is_carried, instant_ns now)
{
    struct reassembly_result result = {.road = REASSEMBLY_KEPT};
    const struct key key = key_of(packet->data, view);
    bool is_first = !view->is_later_fragment;
    result.dropped = reassembly_expire(reassembly, now);
    struct datagram *datagram = find(reassembly, &key);
    if (!datagram && !is_first && is_passing(reassembly, &key, now)) {
        result.road = REASSEMBLY_PASSES;
        return result;
    }
    if (is_first && !is_carried && (!datagram || datagram->state == STATE_HELD)) {
        pass(reassembly, &key, datagram, now, &result);
        return result;
    }
    if (datagram && (datagram->state == STATE_REFUSED || (is_first && !is_carried))) {
        result.dropped += 1 + refuse(reassembly, datagram); /* of two firsts one is forged */
        return result;
    }
    if (!datagram)
        datagram = start(reassembly, &key, is_first ? STATE_CARRIED : STATE_HELD, now,
                         &result.dropped);
    else if (is_first && datagram->state == STATE_HELD &&
             !join_held(reassembly, datagram, &result.dropped)) {
        result.dropped += 1 + refuse(reassembly, datagram);
        return result;
    }
    keep(reassembly, datagram, packet, view, &result);
    return result;
}
