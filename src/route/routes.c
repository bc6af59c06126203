/* SPDX-License-Identifier: MIT */
/* Theory of operation. All tunnels' includes and exceptions are sorted by address, then length:
 * that order visits a prefix before those inside it, so one sweep with a stack of the prefixes
 * around the present one knows, for each tunnel, its longest include and exception there: each
 * level of the stack starts as a copy of the one below and adds the entries of its own prefix.
 * Between two neighbouring prefixes of the sweep no tunnel's match can change, hence a winner for
 * each distinct prefix is the whole of rule A2, and the trie finds it like any longest match. */
#include "route/routes.h"

#include <assert.h>
#include <stdlib.h>

#define LEVELS_MOST 130 /* lengths 0 to 128 and the ground */
#define NO_MATCH (-1)
#define DEFAULT_BITS_MOST 1 /* both halves together are a default route */

struct entry {
    struct prefix prefix;
    uint32_t tunnel;
    bool is_exception;
};

/* What one tunnel's list says at one prefix. */
struct match {
    int16_t include_bits; /* of the longest include around it, or NO_MATCH */
    int16_t exception_bits;
    int32_t lost_to; /* the tunnel to which a loss around it was reported, or ROUTES_NONE */
    bool lost_as_longest; /* and as a routes_loss's was_longest */
};

struct level {
    struct prefix prefix;
    struct match *matches; /* one a tunnel */
    bool is_written;       /* a tunnel includes this very prefix, and does not except it */
    int kept_bits;         /* of the longest prefix in the trie around it, or NO_MATCH */
    int kept_winner;       /* and whose it is */
};

struct sweep {
    const struct memory *memory;
    const struct routes_tunnel *tunnels;
    size_t tunnel_count;
    struct entry *entries;
    size_t entry_count;
    size_t next;
    struct match *matches; /* of all levels */
    bool *is_struck;
    struct level levels[LEVELS_MOST];
    unsigned depth; /* levels[depth] is the present one; levels[0] has no prefix */
};

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    int order = memcmp(&a->prefix.address, &b->prefix.address, sizeof(a->prefix.address));
    return order ? order : a->prefix.len_bits - b->prefix.len_bits;
}

static void sweep_wipe(struct sweep *sweep)
{
    const struct memory *memory = sweep->memory;
    size_t levels = LEVELS_MOST * sweep->tunnel_count;
    memory_give(memory, sweep->entries, sweep->entry_count * sizeof(*sweep->entries));
    memory_give(memory, sweep->matches, levels * sizeof(*sweep->matches));
    memory_give(memory, sweep->is_struck, sweep->tunnel_count * sizeof(*sweep->is_struck));
}

static void add_entries(struct sweep *sweep, size_t *at, size_t tunnel,
                        const struct prefix *prefixes, size_t count, bool is_exception)
{
    for (size_t i = 0; i < count; i++)
        sweep->entries[(*at)++] = (struct entry){prefixes[i], (uint32_t)tunnel, is_exception};
}

/* False: no memory, nothing to wipe. There is at least one entry. */
static bool sweep_init(struct sweep *sweep, const struct memory *memory,
                       const struct routes_tunnel *tunnels, size_t count, size_t entries)
{
    *sweep = (struct sweep){.memory = memory, .tunnels = tunnels, .tunnel_count = count};
    sweep->entry_count = entries;
    sweep->entries = memory_take(memory, entries * sizeof(*sweep->entries));
    sweep->matches = memory_take(memory, LEVELS_MOST * count * sizeof(*sweep->matches));
    sweep->is_struck = memory_take(memory, count * sizeof(*sweep->is_struck));
    if (!sweep->entries || !sweep->matches || !sweep->is_struck) {
        sweep_wipe(sweep);
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        add_entries(sweep, &at, i, tunnels[i].includes, tunnels[i].include_count, false);
        add_entries(sweep, &at, i, tunnels[i].exceptions, tunnels[i].exception_count, true);
        sweep->matches[i] = (struct match){NO_MATCH, NO_MATCH, ROUTES_NONE, false};
    }
    qsort(sweep->entries, entries, sizeof(*sweep->entries), compare_entries);
    for (unsigned i = 0; i < LEVELS_MOST; i++)
        sweep->levels[i].matches = sweep->matches + i * count;
    sweep->levels[0].kept_bits = NO_MATCH;
    sweep->levels[0].kept_winner = ROUTES_NONE;
    return true;
}

static size_t count_entries(const struct routes_tunnel *tunnels, size_t count)
{
    size_t entries = 0;
    for (size_t i = 0; i < count; i++)
        entries += tunnels[i].include_count + tunnels[i].exception_count;
    return entries;
}

static bool is_matching(const struct match *match)
{
    return match->include_bits > match->exception_bits;
}

/* Moves on to the next distinct prefix; false: that was the last. */
static bool sweep_next(struct sweep *sweep)
{
    if (sweep->next == sweep->entry_count)
        return false;
    const struct prefix *prefix = &sweep->entries[sweep->next].prefix;
    while (sweep->depth && !prefix_covers(&sweep->levels[sweep->depth].prefix, prefix))
        sweep->depth--;
    const struct level *around = &sweep->levels[sweep->depth];
    struct level *level = &sweep->levels[++sweep->depth];
    level->prefix = *prefix;
    level->kept_bits = around->kept_bits;
    level->kept_winner = around->kept_winner;
    level->is_written = false;
    memcpy(level->matches, around->matches, sweep->tunnel_count * sizeof(*level->matches));
    size_t first = sweep->next;
    for (; sweep->next < sweep->entry_count; sweep->next++) {
        const struct entry *entry = &sweep->entries[sweep->next];
        if (!prefix_is_equal(&entry->prefix, &level->prefix))
            break;
        struct match *match = &level->matches[entry->tunnel];
        if (entry->is_exception)
            match->exception_bits = entry->prefix.len_bits;
        else
            match->include_bits = entry->prefix.len_bits;
    }
    for (size_t i = first; i < sweep->next; i++)
        level->is_written |= !sweep->entries[i].is_exception &&
                             is_matching(&level->matches[sweep->entries[i].tunnel]);
    return true;
}

/* Marks the carriers, direct and further out, of every matching tunnel. */
static void strike_carriers(struct sweep *sweep, const struct match *matches)
{
    memset(sweep->is_struck, 0, sweep->tunnel_count * sizeof(*sweep->is_struck));
    for (size_t i = 0; i < sweep->tunnel_count; i++) {
        int carrier = is_matching(&matches[i]) ? sweep->tunnels[i].carrier : -1;
        /* one that is struck had its own carriers struck with it */
        while (carrier >= 0 && !sweep->is_struck[carrier]) {
            sweep->is_struck[carrier] = true;
            carrier = sweep->tunnels[carrier].carrier;
        }
    }
}

/* Rule A2 at the present prefix; a tie's other tunnel goes to `*tied` (else ROUTES_NONE). */
static int sweep_winner(struct sweep *sweep, int *tied)
{
    const struct match *matches = sweep->levels[sweep->depth].matches;
    int winner = ROUTES_NONE, longest = NO_MATCH;
    bool is_excepted = false;
    *tied = ROUTES_NONE;
    strike_carriers(sweep, matches);
    for (size_t i = 0; i < sweep->tunnel_count; i++) {
        is_excepted |= matches[i].exception_bits != NO_MATCH;
        if (!is_matching(&matches[i]) || sweep->is_struck[i] || matches[i].include_bits < longest)
            continue;
        if (matches[i].include_bits == longest) {
            *tied = (int)i;
            continue;
        }
        winner = (int)i;
        longest = matches[i].include_bits;
        *tied = ROUTES_NONE;
    }
    return winner == ROUTES_NONE && is_excepted ? ROUTES_THROW : winner;
}

static void *encode(int winner)
{
    return (void *)(intptr_t)(winner + 3);
}

/* What a default route takes in leaves some of it to longer routes of the host's; a longer prefix
 * that somebody wrote does not (RULES A1): so it is kept beside the default route of the same
 * winner. */
static bool says_more(const struct level *level, int winner)
{
    bool is_in_default = level->kept_bits != NO_MATCH && level->kept_bits <= DEFAULT_BITS_MOST;
    return winner != level->kept_winner || (winner >= 0 && level->is_written && is_in_default);
}

/* The winner at the present prefix. False: two tie. */
static bool judge(struct sweep *sweep, int *winner, struct routes_conflict *conflict)
{
    const struct level *level = &sweep->levels[sweep->depth];
    int tied;
    *winner = sweep_winner(sweep, &tied);
    if (tied == ROUTES_NONE)
        return true;
    conflict->tunnel = *winner;
    conflict->other = tied;
    conflict->prefix = level->prefix;
    conflict->prefix.len_bits = (uint8_t)level->matches[*winner].include_bits;
    prefix_mask(&conflict->prefix);
    return false;
}

static void keep(struct level *level, int winner)
{
    level->kept_bits = level->prefix.len_bits;
    level->kept_winner = winner;
}

static bool fill_trie(struct routes *routes, struct sweep *sweep, struct routes_conflict *conflict)
{
    while (sweep_next(sweep)) {
        struct level *level = &sweep->levels[sweep->depth];
        int winner;
        if (!judge(sweep, &winner, conflict))
            return false;
        if (!says_more(level, winner))
            continue;
        keep(level, winner);
        if (!trie_insert(&routes->trie, &level->prefix, encode(winner)))
            return false;
        route_list_append(&routes->list, &level->prefix, winner);
    }
    return true;
}

bool routes_init(struct routes *routes, const struct memory *memory,
                 const struct routes_tunnel *tunnels, size_t count,
                 struct routes_conflict *conflict)
{
    struct sweep sweep;
    size_t entries = count_entries(tunnels, count);
    trie_init(&routes->trie, memory);
    routes->list = (struct route_list){.memory = memory};
    if (entries == 0)
        return true;
    conflict->tunnel = -1;
    if (!sweep_init(&sweep, memory, tunnels, count, entries))
        return false;
    bool is_filled =
        route_list_reserve(&routes->list, entries) && fill_trie(routes, &sweep, conflict);
    if (!is_filled)
        routes_wipe(routes);
    sweep_wipe(&sweep);
    return is_filled;
}

/* ---- one region ---- */

/* Of those around the region the trie knows already what it keeps. */
static bool fill_patch(struct routes_patch *patch, const struct routes *routes,
                       struct sweep *sweep, struct routes_conflict *conflict)
{
    while (sweep_next(sweep)) {
        struct level *level = &sweep->levels[sweep->depth];
        int winner;
        if (!prefix_covers(&patch->region, &level->prefix)) {
            const void *kept = trie_get(&routes->trie, &level->prefix);
            if (kept)
                keep(level, routes_decode(kept));
            continue;
        }
        if (!judge(sweep, &winner, conflict))
            return false;
        if (!says_more(level, winner))
            continue;
        keep(level, winner);
        patch->entries[patch->count++] =
            (struct route_list_entry){.prefix = level->prefix, .winner = winner};
    }
    return true;
}

bool routes_patch_init(struct routes_patch *patch, const struct routes *routes,
                       const struct memory *memory, const struct prefix *region,
                       const struct routes_tunnel *tunnels, size_t count,
                       struct routes_conflict *conflict)
{
    struct sweep sweep;
    size_t entries = count_entries(tunnels, count);
    *patch = (struct routes_patch){.memory = memory, .region = *region, .capacity = entries};
    conflict->tunnel = -1;
    if (entries == 0)
        return true;
    patch->entries = memory_take(memory, entries * sizeof(*patch->entries));
    if (!patch->entries || !sweep_init(&sweep, memory, tunnels, count, entries)) {
        routes_patch_wipe(patch);
        return false;
    }
    bool is_filled = fill_patch(patch, routes, &sweep, conflict);
    sweep_wipe(&sweep);
    if (!is_filled)
        routes_patch_wipe(patch);
    return is_filled;
}

void routes_patch_wipe(struct routes_patch *patch)
{
    memory_give(patch->memory, patch->entries, patch->capacity * sizeof(*patch->entries));
    *patch = (struct routes_patch){.memory = patch->memory};
}

bool routes_reserve(struct routes *routes, size_t prefixes)
{
    return trie_reserve(&routes->trie, prefixes) && route_list_reserve(&routes->list, prefixes);
}

void routes_settle(struct routes *routes)
{
    trie_settle(&routes->trie);
}

static void apply_patch(struct trie *trie, const struct routes_patch *patch)
{
    trie_remove_inside(trie, &patch->region);
    for (size_t i = 0; i < patch->count; i++) {
        bool has_room =
            trie_insert(trie, &patch->entries[i].prefix, encode(patch->entries[i].winner));
        assert(has_room);
        (void)has_room;
    }
}

void routes_apply_patches(struct routes *routes, const struct routes_patch *patches, size_t count)
{
    for (size_t i = 0; i < count; i++)
        apply_patch(&routes->trie, &patches[i]);
    route_list_apply(&routes->list, patches, count);
}

void routes_wipe(struct routes *routes)
{
    trie_wipe(&routes->trie);
    route_list_wipe(&routes->list);
}

int routes_lookup(const struct routes *routes, const struct address *destination)
{
    return routes_decode(trie_lookup(&routes->trie, destination));
}

void routes_walk(const struct routes *routes,
                 void (*visit)(void *context, const struct prefix *prefix, int winner),
                 void *context)
{
    for (size_t i = 0; i < routes->list.count; i++)
        visit(context, &routes->list.entries[i].prefix, routes->list.entries[i].winner);
}

/* Reports what matches at the present prefix and is struck out there. */
static void visit_losers(struct sweep *sweep, int winner,
                         void (*visit)(void *context, const struct routes_loss *loss),
                         void *context)
{
    const struct level *level = &sweep->levels[sweep->depth];
    for (size_t i = 0; i < sweep->tunnel_count; i++) {
        struct match *match = &level->matches[i];
        bool is_losing = is_matching(match) && sweep->is_struck[i];
        bool is_longest =
            is_losing && match->include_bits > level->matches[winner].include_bits;
        bool is_told = match->lost_to == winner && (match->lost_as_longest || !is_longest);
        if (is_losing && !is_told) {
            struct routes_loss loss = {
                .prefix = level->prefix,
                .loser = (int)i,
                .winner = winner,
                .was_longest = is_longest,
            };
            visit(context, &loss);
        }
        match->lost_to = is_losing ? winner : ROUTES_NONE;
        match->lost_as_longest = is_longest || (is_losing && is_told && match->lost_as_longest);
    }
}

bool routes_walk_losses(const struct memory *memory, const struct routes_tunnel *tunnels,
                        size_t count, void (*visit)(void *context, const struct routes_loss *loss),
                        void *context)
{
    struct sweep sweep;
    size_t entries = count_entries(tunnels, count);
    if (entries == 0)
        return true;
    if (!sweep_init(&sweep, memory, tunnels, count, entries))
        return false;
    while (sweep_next(&sweep)) {
        int tied, winner = sweep_winner(&sweep, &tied);
        visit_losers(&sweep, winner, visit, context);
    }
    sweep_wipe(&sweep);
    return true;
}
