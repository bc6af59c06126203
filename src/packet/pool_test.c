/* SPDX-License-Identifier: MIT */
#include "packet/pool.h"

#include <sanitizer/asan_interface.h>
#include <string.h>

#include "tap.h"

static const struct pool_shape shape = {
    .slots = 40,
    .headroom_bytes = 192,
    .payload_bytes = 1420,
    .tailroom_bytes = 62,
    .receive_blocks = 5,
    .receive_block_bytes = 65535,
};

static void test_slots_have_the_promised_room(void)
{
    struct pool *pool = pool_new(tap_memory(), &shape);
    struct packet *packet = pool_take_packet(pool);
    CHECK_EQUAL(packet->len_bytes, 0);
    CHECK_EQUAL(packet_headroom_bytes(packet), 192);
    CHECK_EQUAL(packet_tailroom_bytes(packet), 1420 + 62);
    CHECK_EQUAL((uintptr_t)packet->floor % 64, 0);
    memset(packet_put(packet, 1420 + 62), 1, 1420 + 62);
    memset(packet_push(packet, 192), 2, 192);
    packet_pull(packet, 100);
    packet_trim(packet, 50);
    pool_give_packet(pool, packet);
    packet = pool_take_packet(pool);
    CHECK_EQUAL(packet->len_bytes, 0);
    CHECK_EQUAL(packet_headroom_bytes(packet), 192);
    pool_give_packet(pool, packet);
    CHECK_EQUAL(pool_slots(pool), 40);
    CHECK_EQUAL(pool_shape(pool)->payload_bytes, 1420);
    pool_free(pool);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_an_empty_pool_gives_nothing(void)
{
    struct pool *pool = pool_new(tap_memory(), &shape);
    struct packet_queue queue = {0};
    for (size_t i = 0; i < shape.slots; i++) {
        CHECK_EQUAL(pool_free_slots(pool), shape.slots - i);
        packet_queue_append(&queue, pool_take_packet(pool));
    }
    CHECK(!pool_take_packet(pool));
    CHECK_EQUAL(pool_free_slots(pool), 0);
    pool_give_queue(pool, &queue);
    CHECK_EQUAL(queue.count, 0);
    CHECK(!queue.first && !queue.last);
    CHECK_EQUAL(pool_free_slots(pool), shape.slots);
    pool_free(pool);
}

static void test_the_last_given_is_the_next_taken(void)
{
    struct pool *pool = pool_new(tap_memory(), &shape);
    struct packet *a = pool_take_packet(pool), *b = pool_take_packet(pool);
    pool_give_packet(pool, a);
    pool_give_packet(pool, b);
    CHECK(pool_take_packet(pool) == b);
    CHECK(pool_take_packet(pool) == a);
    struct block *c = pool_take_block(pool), *d = pool_take_block(pool);
    pool_give_block(pool, d);
    pool_give_block(pool, c);
    CHECK(pool_take_block(pool) == c);
    pool_free(pool);
}

/* Headers at one offset in many blocks would otherwise push each other out of the cache. */
static void test_neighbours_start_on_different_cache_sets(void)
{
    struct pool *pool = pool_new(tap_memory(), &shape);
    uintptr_t sets[8];
    for (size_t i = 0; i < shape.receive_blocks; i++)
        sets[i] = (uintptr_t)pool_take_block(pool)->bytes;
    for (size_t i = 0; i < shape.receive_blocks; i++) {
        CHECK_EQUAL(sets[i] % 64, 0);
        for (size_t j = 0; j < i; j++) /* room for the lines of a header between them */
            CHECK((sets[i] - sets[j]) / 64 % 64 >= 3);
    }
    bool is_used[64] = {false};
    size_t used = 0;
    for (size_t i = 0; i < shape.slots; i++) {
        size_t set = (uintptr_t)pool_take_packet(pool)->floor / 64 % 64;
        used += !is_used[set];
        is_used[set] = true;
    }
    CHECK_EQUAL(used, shape.slots);
    pool_free(pool);
}

static void test_a_block_lives_as_long_as_its_views(void)
{
    struct pool *pool = pool_new(tap_memory(), &shape);
    struct block *block = pool_take_block(pool);
    memset(block->bytes, 7, block->capacity_bytes);
    struct packet *first = pool_take_view(pool, block, 0, 1500);
    struct packet *last = pool_take_view(pool, block, 65535 - 10, 10);
    struct packet *empty = pool_take_view(pool, block, 65535, 0);
    CHECK_EQUAL(packet_headroom_bytes(first), 0);
    CHECK_EQUAL(packet_tailroom_bytes(last), 0);
    CHECK_EQUAL(empty->len_bytes, 0);
    CHECK_EQUAL(block->references, 4);
    pool_give_block(pool, block);
    pool_give_packet(pool, first);
    pool_give_packet(pool, empty);
    CHECK_EQUAL(pool_free_blocks(pool), shape.receive_blocks - 1);
    CHECK_EQUAL(last->data[9], 7);
    pool_give_packet(pool, last);
    CHECK_EQUAL(pool_free_blocks(pool), shape.receive_blocks);
    pool_give_block(pool, NULL);
    pool_give_packet(pool, NULL);
    pool_free(pool);
    pool_free(NULL);
}

static void test_views_run_out_without_harm(void)
{
    struct pool_shape small = shape;
    small.receive_blocks = 1;
    struct pool *pool = pool_new(tap_memory(), &small);
    struct block *block = pool_take_block(pool);
    CHECK(!pool_take_block(pool));
    struct packet_queue queue = {0};
    for (struct packet *packet; (packet = pool_take_view(pool, block, queue.count, 1));)
        packet_queue_append(&queue, packet);
    CHECK(queue.count >= 64);
    CHECK_EQUAL(block->references, queue.count + 1);
    pool_give_block(pool, block);
    pool_give_queue(pool, &queue);
    CHECK_EQUAL(pool_free_blocks(pool), 1);
    pool_free(pool);
}

/* Each holder writes its own mark over all its bytes; nobody's mark is ever touched by another. */
static void test_no_two_holders_share_a_byte(void)
{
    struct pool *pool = pool_new(tap_memory(), &shape);
    struct packet *held[40] = {NULL};
    struct block *blocks[5] = {NULL};
    for (unsigned step = 0; step < 3000; step++) {
        unsigned i = (unsigned)tap_random_below(40), j = (unsigned)tap_random_below(5);
        if (held[i]) {
            CHECK_EQUAL(held[i]->floor[0], i);
            CHECK_EQUAL(held[i]->ceiling[-1], i);
            pool_give_packet(pool, held[i]);
            held[i] = NULL;
        } else if ((held[i] = pool_take_packet(pool))) {
            memset(held[i]->floor, (int)i, (size_t)(held[i]->ceiling - held[i]->floor));
        }
        if (blocks[j]) {
            CHECK_EQUAL(blocks[j]->bytes[0], 100 + j);
            CHECK_EQUAL(blocks[j]->bytes[65534], 100 + j);
            pool_give_block(pool, blocks[j]);
            blocks[j] = NULL;
        } else if ((blocks[j] = pool_take_block(pool))) {
            memset(blocks[j]->bytes, 100 + (int)j, blocks[j]->capacity_bytes);
        }
    }
    pool_free(pool);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

/* A byte written before or behind a buffer is told by the sanitizer, whoever holds the
 * neighbours. */
static void test_every_buffer_stands_between_canaries(void)
{
#ifdef HAS_ASAN
    static struct packet *packets[40];
    static struct block *blocks[5];
    struct pool *pool = pool_new(tap_memory(), &shape);
    for (size_t i = 0; i < 40; i++)
        packets[i] = pool_take_packet(pool);
    for (size_t i = 0; i < 5; i++)
        blocks[i] = pool_take_block(pool);
    for (size_t i = 0; i < 40; i++) {
        CHECK(!__asan_region_is_poisoned(packets[i]->floor, 192 + 1420 + 62));
        CHECK(i == 0 || __asan_address_is_poisoned(packets[i]->floor - 1));
        CHECK(__asan_address_is_poisoned(packets[i]->ceiling));
    }
    for (size_t i = 0; i < 5; i++) {
        CHECK(!__asan_region_is_poisoned(blocks[i]->bytes, 65535));
        CHECK(__asan_address_is_poisoned(blocks[i]->bytes - 1));
        CHECK(__asan_address_is_poisoned(blocks[i]->bytes + 65535));
        pool_give_block(pool, blocks[i]);
    }
    for (size_t i = 0; i < 40; i++)
        pool_give_packet(pool, packets[i]);
    pool_free(pool);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
#else
    tap_skip("without the address sanitizer there are no canaries");
#endif
}

static void *take_nothing(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return NULL;
}

static void test_no_memory_is_said(void)
{
    struct memory none = {.take = take_nothing};
    CHECK(!pool_new(&none, &shape));
    struct pool_shape outbound_only = shape;
    outbound_only.receive_blocks = 0;
    struct pool *pool = pool_new(tap_memory(), &outbound_only);
    CHECK(!pool_take_block(pool));
    pool_free(pool);
}

/* What is out keeps its room until it comes back; then its memory goes. */
static void test_slots_of_another_shape(void)
{
    size_t before = tap_memory_balance_bytes();
    struct pool *pool = pool_new(tap_memory(), &shape);
    size_t with_one = tap_memory_balance_bytes();
    struct pool_shape deeper = shape;
    deeper.headroom_bytes = 256;
    struct packet *first = pool_take_packet(pool), *second = pool_take_packet(pool);
    memset(packet_put(first, 100), 3, 100);
    pool_forgo(pool, pool_prepare(pool, &deeper));
    CHECK_EQUAL(tap_memory_balance_bytes(), with_one);
    CHECK_EQUAL(pool_shape(pool)->headroom_bytes, 192);
    pool_adopt(pool, pool_prepare(pool, &deeper));
    CHECK_EQUAL(pool_shape(pool)->headroom_bytes, 256);
    CHECK_EQUAL(pool_free_slots(pool), shape.slots);
    CHECK_EQUAL(packet_headroom_bytes(first), 192);
    CHECK_EQUAL(first->data[99], 3);
    struct packet *third = pool_take_packet(pool);
    CHECK_EQUAL(packet_headroom_bytes(third), 256);
    pool_give_packet(pool, first);
    CHECK(tap_memory_balance_bytes() > with_one + shape.slots * 64);
    pool_give_packet(pool, second);
    CHECK(tap_memory_balance_bytes() < with_one + shape.slots * 192); /* the old ones are gone */
    CHECK_EQUAL(pool_free_slots(pool), shape.slots - 1);
    pool_give_packet(pool, third);
    CHECK_EQUAL(pool_free_slots(pool), shape.slots);
    first = pool_take_packet(pool);
    pool_adopt(pool, pool_prepare(pool, &shape));
    (void)first; /* a pool takes all with it */
    pool_free(pool);
    CHECK_EQUAL(tap_memory_balance_bytes(), before);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_slots_have_the_promised_room);
    TAP_RUN(argc, argv, test_an_empty_pool_gives_nothing);
    TAP_RUN(argc, argv, test_the_last_given_is_the_next_taken);
    TAP_RUN(argc, argv, test_neighbours_start_on_different_cache_sets);
    TAP_RUN(argc, argv, test_a_block_lives_as_long_as_its_views);
    TAP_RUN(argc, argv, test_views_run_out_without_harm);
    TAP_RUN(argc, argv, test_no_two_holders_share_a_byte);
    TAP_RUN(argc, argv, test_every_buffer_stands_between_canaries);
    TAP_RUN(argc, argv, test_no_memory_is_said);
    TAP_RUN(argc, argv, test_slots_of_another_shape);
    return tap_done();
}
