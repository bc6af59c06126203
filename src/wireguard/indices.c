/* SPDX-License-Identifier: MIT */
#include "wireguard/indices.h"

#include <assert.h>

#include "wireguard/peer.h"

#define BUCKETS_LEAST 16

static size_t place(const struct indices *indices, uint32_t local_index)
{
    return local_index & (indices->buckets - 1); /* indices are random: no hash is needed */
}

static size_t table_bytes(const struct indices *indices)
{
    return indices->buckets * sizeof(void *);
}

static void give_tables(struct indices *indices)
{
    for (unsigned slot = 0; slot < NOISE_INITIATIONS; slot++)
        memory_give(indices->memory, indices->initiations[slot], table_bytes(indices));
    memory_give(indices->memory, indices->sessions, table_bytes(indices));
}

static bool take_tables(struct indices *indices, const struct memory *memory, size_t buckets)
{
    *indices = (struct indices){.memory = memory, .buckets = buckets};
    bool is_whole = (indices->sessions = memory_take(memory, table_bytes(indices)));
    for (unsigned slot = 0; slot < NOISE_INITIATIONS; slot++) {
        indices->initiations[slot] = memory_take(memory, table_bytes(indices));
        is_whole &= indices->initiations[slot] != NULL;
    }
    if (!is_whole)
        give_tables(indices);
    return is_whole;
}

bool indices_init(struct indices *indices, const struct memory *memory)
{
    return take_tables(indices, memory, BUCKETS_LEAST);
}

void indices_wipe(struct indices *indices)
{
    give_tables(indices);
    *indices = (struct indices){.memory = indices->memory};
}

bool indices_reserve(struct indices *indices, size_t peers)
{
    size_t buckets = indices->buckets;
    while (buckets / 4 < peers) /* three sessions and two initiations each at most */
        buckets *= 2;
    if (buckets == indices->buckets)
        return true;
    struct indices larger;
    if (!take_tables(&larger, indices->memory, buckets))
        return false;
    for (size_t i = 0; i < indices->buckets; i++) {
        while (indices->sessions[i]) {
            struct session *session = indices->sessions[i];
            indices->sessions[i] = session->next_in_table;
            indices_add_session(&larger, session);
        }
        for (unsigned slot = 0; slot < NOISE_INITIATIONS; slot++) {
            while (indices->initiations[slot][i]) {
                struct peer *peer = indices->initiations[slot][i];
                indices->initiations[slot][i] = peer->next_in_slot[slot];
                indices_add_initiation(&larger, peer, slot);
            }
        }
    }
    give_tables(indices);
    *indices = larger;
    return true;
}

uint32_t indices_draw(const struct indices *indices, const struct random_source *random)
{
    uint32_t index;
    unsigned slot;
    do {
        index = random_u32(random);
    } while (indices_find_session(indices, index) ||
             indices_find_initiation(indices, index, &slot));
    return index;
}

void indices_add_session(struct indices *indices, struct session *session)
{
    struct session **bucket = &indices->sessions[place(indices, session->local_index)];
    session->next_in_table = *bucket;
    *bucket = session;
}

void indices_remove_session(struct indices *indices, struct session *session)
{
    struct session **link = &indices->sessions[place(indices, session->local_index)];
    while (*link != session) {
        assert(*link);
        link = &(*link)->next_in_table;
    }
    *link = session->next_in_table;
}

struct session *indices_find_session(const struct indices *indices, uint32_t local_index)
{
    struct session *session = indices->sessions[place(indices, local_index)];
    while (session && session->local_index != local_index)
        session = session->next_in_table;
    return session;
}

void indices_add_initiation(struct indices *indices, struct peer *peer, unsigned slot)
{
    uint32_t local_index = peer->noise.initiations[slot].local_index;
    struct peer **bucket = &indices->initiations[slot][place(indices, local_index)];
    peer->next_in_slot[slot] = *bucket;
    *bucket = peer;
}

void indices_remove_initiation(struct indices *indices, struct peer *peer, unsigned slot)
{
    const struct noise_initiation *initiation = &peer->noise.initiations[slot];
    if (!initiation->is_pending)
        return;
    struct peer **link = &indices->initiations[slot][place(indices, initiation->local_index)];
    while (*link != peer) {
        assert(*link);
        link = &(*link)->next_in_slot[slot];
    }
    *link = peer->next_in_slot[slot];
}

struct peer *indices_find_initiation(const struct indices *indices, uint32_t local_index,
                                     unsigned *slot)
{
    for (unsigned i = 0; i < NOISE_INITIATIONS; i++) {
        struct peer *peer = indices->initiations[i][place(indices, local_index)];
        while (peer && peer->noise.initiations[i].local_index != local_index)
            peer = peer->next_in_slot[i];
        if (peer) {
            *slot = i;
            return peer;
        }
    }
    return NULL;
}
