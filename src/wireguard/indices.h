/* SPDX-License-Identifier: MIT */
/* A tunnel's local indices: one space of random numbers for its sessions and its initiations under
 * way, so that what a remote writes into `receiver_index` names exactly one thing. */
#ifndef WIREGUARD_INDICES_H
#define WIREGUARD_INDICES_H

#include "base/memory.h"
#include "base/random.h"
#include "wireguard/session.h"

struct peer;

/* An initiation under way; its owner's storage. */
struct index_entry {
    uint32_t local_index;
    bool is_listed; /* in the table */
    uint8_t slot;   /* of the peer's initiations */
    struct peer *peer;
    struct index_entry *next_in_table;
};

struct indices {
    const struct memory *memory; /* outlives the table */
    size_t buckets;              /* a power of two */
    struct session **sessions;   /* by local index; chains through next_in_table */
    struct index_entry **initiations;
};

/* False: no memory. */
bool indices_init(struct indices *indices, const struct memory *memory);
void indices_wipe(struct indices *indices); /* it must be empty */
/* Keeps chains short for so many peers; false: no memory, and all is as before. */
bool indices_reserve(struct indices *indices, size_t peers);
/* Random and in use by nobody. */
uint32_t indices_draw(const struct indices *indices, const struct random_source *random);

void indices_add_session(struct indices *indices, struct session *session);
void indices_remove_session(struct indices *indices, struct session *session);
struct session *indices_find_session(const struct indices *indices, uint32_t local_index);

void indices_add_initiation(struct indices *indices, struct index_entry *entry,
                            uint32_t local_index);
/* Does nothing to one that is not listed. */
void indices_remove_initiation(struct indices *indices, struct index_entry *entry);
/* The one listed with this index, or NULL. */
struct index_entry *indices_find_initiation(const struct indices *indices, uint32_t local_index);

#endif
