/* SPDX-License-Identifier: MIT */
/* The trie raced against a naive list of prefixes. */
#include "base/trie.h"

#include "tap.h"

#define MOST 400

struct naive {
    struct prefix prefixes[MOST];
    void *values[MOST];
    unsigned count;
};

static struct prefix random_prefix(void)
{
    struct prefix prefix = {.address.family = tap_random_below(2) ? FAMILY_IPV4 : FAMILY_IPV6};
    tap_random_bytes(prefix.address.bytes, family_bytes(prefix.address.family));
    /* few distinct bits: prefixes that nest and part often */
    for (unsigned i = 0; i < family_bytes(prefix.address.family); i++)
        prefix.address.bytes[i] &= 0x81;
    prefix.len_bits = (uint8_t)tap_random_below(family_bits(prefix.address.family) + 1);
    prefix_mask(&prefix);
    return prefix;
}

static int naive_find(const struct naive *naive, const struct prefix *prefix)
{
    for (unsigned i = 0; i < naive->count; i++) {
        if (prefix_is_equal(&naive->prefixes[i], prefix))
            return (int)i;
    }
    return -1;
}

static void naive_insert(struct naive *naive, const struct prefix *prefix, void *value)
{
    int at = naive_find(naive, prefix);
    if (at < 0)
        at = (int)naive->count++;
    naive->prefixes[at] = *prefix;
    naive->values[at] = value;
}

static bool naive_remove(struct naive *naive, const struct prefix *prefix)
{
    int at = naive_find(naive, prefix);
    if (at < 0)
        return false;
    naive->count--;
    naive->prefixes[at] = naive->prefixes[naive->count];
    naive->values[at] = naive->values[naive->count];
    return true;
}

static void *naive_lookup(const struct naive *naive, const struct address *address)
{
    int best = -1;
    for (unsigned i = 0; i < naive->count; i++) {
        if (prefix_contains(&naive->prefixes[i], address) &&
            (best < 0 || naive->prefixes[i].len_bits > naive->prefixes[best].len_bits))
            best = (int)i;
    }
    return best < 0 ? NULL : naive->values[best];
}

static void count_visit(void *context, const struct prefix *prefix, void *value)
{
    const struct naive *naive = context;
    int at = naive_find(naive, prefix);
    CHECK(at >= 0 && naive->values[at] == value);
}

struct around {
    const struct naive *naive;
    struct prefix prefix; /* that was asked for */
    struct prefix last;
    unsigned count;
};

static void around_visit(void *context, const struct prefix *prefix, void *value)
{
    struct around *around = context;
    int at = naive_find(around->naive, prefix);
    CHECK(at >= 0 && around->naive->values[at] == value);
    CHECK(prefix_covers(prefix, &around->prefix) || prefix_covers(&around->prefix, prefix));
    int order = memcmp(&around->last.address, &prefix->address, sizeof(prefix->address));
    CHECK(around->count == 0 || order < 0 ||
          (order == 0 && around->last.len_bits < prefix->len_bits));
    around->last = *prefix;
    around->count++;
}

static void check_around(const struct trie *trie, const struct naive *naive,
                         const struct prefix *prefix)
{
    struct around around = {.naive = naive, .prefix = *prefix};
    unsigned expected = 0;
    trie_walk_around(trie, prefix, around_visit, &around);
    for (unsigned i = 0; i < naive->count; i++)
        expected += prefix_covers(&naive->prefixes[i], prefix) ||
                    prefix_covers(prefix, &naive->prefixes[i]);
    CHECK_EQUAL(around.count, expected);
}

static void check_list(const struct naive *naive, struct list *list, const void *value)
{
    unsigned listed = 0, expected = 0;
    for (struct list *at = list->next; at != list; at = at->next, listed++) {
        struct prefix prefix = trie_listed_prefix(at);
        int found = naive_find(naive, &prefix);
        CHECK(found >= 0 && naive->values[found] == value);
    }
    for (unsigned i = 0; i < naive->count; i++)
        expected += naive->values[i] == value;
    CHECK_EQUAL(listed, expected);
}

static void naive_remove_inside(struct naive *naive, const struct prefix *prefix)
{
    for (unsigned i = 0; i < naive->count;) {
        if (prefix_covers(prefix, &naive->prefixes[i]))
            naive_remove(naive, &naive->prefixes[i]);
        else
            i++;
    }
}

static void check_lookups(const struct trie *trie, const struct naive *naive)
{
    struct prefix probe = random_prefix();
    CHECK(trie_lookup(trie, &probe.address) == naive_lookup(naive, &probe.address));
    unsigned len_bits = 0;
    if (trie_match(trie, &probe.address, &len_bits)) {
        struct prefix matched = {.address = probe.address, .len_bits = (uint8_t)len_bits};
        prefix_mask(&matched);
        CHECK(naive_find(naive, &matched) >= 0);
    }
    int at = naive_find(naive, &probe);
    CHECK(trie_get(trie, &probe) == (at < 0 ? NULL : naive->values[at]));
    CHECK_EQUAL(trie->prefixes, naive->count);
}

static void test_trie_equals_naive_list(void)
{
    static struct naive naive;
    static char peers[4];
    struct list lists[4];
    struct trie trie;
    naive.count = 0;
    trie_init(&trie, tap_memory());
    for (unsigned i = 0; i < 4; i++)
        list_init(&lists[i]);
    for (unsigned step = 0; step < 20000; step++) {
        struct prefix prefix = random_prefix();
        unsigned peer = (unsigned)tap_random_below(4);
        if (naive.count < MOST && tap_random_below(3)) {
            CHECK(trie_insert_listed(&trie, &prefix, &peers[peer], &lists[peer]));
            naive_insert(&naive, &prefix, &peers[peer]);
        } else if (tap_random_below(50) == 0) {
            trie_remove_inside(&trie, &prefix);
            naive_remove_inside(&naive, &prefix);
        } else {
            if (naive.count && tap_random_below(4))
                prefix = naive.prefixes[tap_random_below(naive.count)];
            CHECK_EQUAL(trie_remove(&trie, &prefix), naive_remove(&naive, &prefix));
        }
        check_lookups(&trie, &naive);
        if (step % 100 == 0) {
            check_around(&trie, &naive, &prefix);
            for (unsigned i = 0; i < 4; i++)
                check_list(&naive, &lists[i], &peers[i]);
        }
    }
    trie_walk(&trie, count_visit, &naive);
    trie_remove_listed(&trie, &lists[1]);
    for (unsigned i = 0; i < naive.count;) {
        if (naive.values[i] == &peers[1])
            naive_remove(&naive, &naive.prefixes[i]);
        else
            i++;
    }
    for (unsigned i = 0; i < 2000; i++)
        check_lookups(&trie, &naive);
    trie_wipe(&trie);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void *take_nothing(void *context, size_t bytes)
{
    (void)context, (void)bytes;
    return NULL;
}

/* Reserved inserts, and whatever undoes a remove, need no memory. */
static void test_what_is_reserved_cannot_fail(void)
{
    struct memory memory = *tap_memory();
    struct trie trie;
    struct prefix prefixes[100];
    char value;
    trie_init(&trie, &memory);
    CHECK(trie_reserve(&trie, 100));
    memory.take = take_nothing;
    for (unsigned i = 0; i < 100; i++) {
        prefixes[i] = random_prefix();
        CHECK(trie_insert(&trie, &prefixes[i], &value));
    }
    size_t before = trie.prefixes;
    for (unsigned i = 0; i < 1000; i++) {
        struct prefix *prefix = &prefixes[tap_random_below(100)];
        trie_remove(&trie, prefix);
        CHECK(trie_insert(&trie, prefix, &value));
    }
    for (unsigned i = 0; i < 100; i++)
        trie_remove(&trie, &prefixes[i]);
    for (unsigned i = 100; i-- > 0;)
        CHECK(trie_insert(&trie, &prefixes[i], &value));
    CHECK_EQUAL(trie.prefixes, before);
    trie_settle(&trie);
    for (unsigned i = 0; i < 100; i++) /* one alone may be where others part: its place stays */
        trie_remove(&trie, &prefixes[i]);
    CHECK(!trie_insert(&trie, &prefixes[0], &value));
    CHECK(!trie_reserve(&trie, 1));
    trie_wipe(&trie);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_trie_equals_naive_list);
    TAP_RUN(argc, argv, test_what_is_reserved_cannot_fail);
    return tap_done();
}
