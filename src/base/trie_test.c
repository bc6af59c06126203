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

static void test_trie_equals_naive_list(void)
{
    static struct naive naive;
    static char peers[4];
    struct trie trie;
    naive.count = 0;
    trie_init(&trie, tap_memory());
    for (unsigned step = 0; step < 20000; step++) {
        struct prefix prefix = random_prefix();
        void *value = &peers[tap_random_below(4)];
        if (naive.count < MOST && tap_random_below(3)) {
            CHECK(trie_insert(&trie, &prefix, value));
            naive_insert(&naive, &prefix, value);
        } else {
            if (naive.count && tap_random_below(4))
                prefix = naive.prefixes[tap_random_below(naive.count)];
            CHECK_EQUAL(trie_remove(&trie, &prefix), naive_remove(&naive, &prefix));
        }
        CHECK_EQUAL(trie.prefixes, naive.count);
        struct prefix probe = random_prefix();
        CHECK(trie_lookup(&trie, &probe.address) == naive_lookup(&naive, &probe.address));
        unsigned len_bits = 0;
        if (trie_match(&trie, &probe.address, &len_bits)) {
            struct prefix matched = {.address = probe.address, .len_bits = (uint8_t)len_bits};
            prefix_mask(&matched);
            CHECK(naive_find(&naive, &matched) >= 0);
        }
        int at = naive_find(&naive, &probe);
        CHECK(trie_get(&trie, &probe) == (at < 0 ? NULL : naive.values[at]));
    }
    trie_walk(&trie, count_visit, &naive);
    trie_remove_value(&trie, &peers[1]);
    for (unsigned i = 0; i < naive.count;) {
        if (naive.values[i] == &peers[1])
            naive_remove(&naive, &naive.prefixes[i]);
        else
            i++;
    }
    CHECK_EQUAL(trie.prefixes, naive.count);
    for (unsigned i = 0; i < 2000; i++) {
        struct prefix probe = random_prefix();
        CHECK(trie_lookup(&trie, &probe.address) == naive_lookup(&naive, &probe.address));
    }
    trie_wipe(&trie);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_trie_equals_naive_list);
    return tap_done();
}
