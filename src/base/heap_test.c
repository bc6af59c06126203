/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include "tap.h"

static void test_first_is_always_the_earliest(void)
{
    static struct heap_node nodes[100];
    struct heap heap;
    heap_init(&heap, tap_memory());
    CHECK(heap_reserve(&heap, 100));
    for (unsigned i = 0; i < 100; i++)
        nodes[i] = (struct heap_node){.deadline = INSTANT_NEVER};
    for (unsigned step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[tap_random_below(100)];
        heap_set(&heap, node, tap_random_below(5) ? tap_random_below(1000) : INSTANT_NEVER);
        instant_ns earliest = INSTANT_NEVER;
        for (unsigned i = 0; i < 100; i++)
            earliest = instant_min(earliest, nodes[i].deadline);
        struct heap_node *first = heap_first(&heap);
        CHECK((first ? first->deadline : INSTANT_NEVER) == earliest);
    }
    heap_wipe(&heap);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_first_is_always_the_earliest);
    return tap_done();
}
