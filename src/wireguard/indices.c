/* SPDX-License-Identifier: MIT */
#include "wireguard/indices.h"

#include <assert.h>

#define BUCKETS_LEAST 16

static size_t place(const struct indices *indices, uint32_t local_index)
{
    return local_index & (indices->buckets - 1); /* indices are random: no hash is needed */
}

static void give_tables(struct indices *indices)
{
    memory_give(indices->memory, indices->sessions, indices->buckets * sizeof(struct session *));
    memory_give(indices->memory, indices->initiations,
                indices->buckets * sizeof(struct index_entry *));
}

static bool take_tables(struct indices *indices, const struct memory *memory, size_t buckets)
{
    *indices = (struct indices){
        .memory = memory,
        .buckets = buckets,
        .sessions = memory_take(memory, buckets * sizeof(struct session *)),
        .initiations = memory_take(memory, buckets * sizeof(struct index_entry *)),
    };
    if (indices->sessions && indices->initiations)
        return true;
    give_tables(indices);
    return false;
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
    while (buckets / 2 < peers) /* of three sessions at most each has one, as a rule */
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
        while (indices->initiations[i]) {
            struct index_entry *entry = indices->initiations[i];
            indices->initiations[i] = entry->next_in_table;
            indices_add_initiation(&larger, entry, entry->local_index);
        }
    }
    give_tables(indices);
    *indices = larger;
    return true;
}

uint32_t indices_draw(const struct indices *indices, const struct random_source *random)
{
    uint32_t index;
    do {
        index = random_u32(random);
    } while (indices_find_session(indices, index) || indices_find_initiation(indices, index));
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

void indices_add_initiation(struct indices *indices, struct index_entry *entry,
                            uint32_t local_index)
{
    struct index_entry **bucket = &indices->initiations[place(indices, local_index)];
    entry->local_index = local_index;
    entry->is_listed = true;
    entry->next_in_table = *bucket;
    *bucket = entry;
}

void indices_remove_initiation(struct indices *indices, struct index_entry *entry)
{
    if (!entry->is_listed)
        return;
    struct index_entry **link = &indices->initiations[place(indices, entry->local_index)];
    while (*link != entry) {
        assert(*link);
        link = &(*link)->next_in_table;
    }
    *link = entry->next_in_table;
    entry->is_listed = false;
}

struct index_entry *indices_find_initiation(const struct indices *indices, uint32_t local_index)
{
    struct index_entry *entry = indices->initiations[place(indices, local_index)];
    while (entry && entry->local_index != local_index)
        entry = entry->next_in_table;
    return entry;
}
