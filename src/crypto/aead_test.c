/* SPDX-License-Identifier: MIT */
/* One body for all backends: each is raced against aead_portable_seal, whose own test has the known
 * answers. */
#include "crypto/aead.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "crypto/aead_backends.h"
#include "crypto/aead_test.h"

#define BATCH_MOST 1000
#define CANARY_BYTES 64

struct packet {
    uint8_t *memory; /* canary, the packet at its alignment, canary */
    size_t offset;
    size_t len;
    uint8_t key[AEAD_KEY_BYTES];
    uint8_t *plaintext;
    uint8_t *sealed; /* what portable makes of it */
};

static struct packet packets[BATCH_MOST];
static struct aead_desc descs[BATCH_MOST];

static void packet_prepare(size_t i, size_t len, size_t alignment)
{
    struct packet *packet = &packets[i];
    size_t sealed_len = len + AEAD_TAG_BYTES;
    *packet = (struct packet){.len = len, .offset = CANARY_BYTES + alignment};
    packet->memory = aligned_alloc(64, (packet->offset + sealed_len + CANARY_BYTES + 63) & ~63ul);
    packet->plaintext = malloc(len + 1);
    packet->sealed = malloc(sealed_len);
    tap_random_bytes(packet->plaintext, len);
    tap_random_bytes(packet->key, AEAD_KEY_BYTES);
    if (i > 0 && tap_random_below(4)) { /* runs of one key, as in life, and keys nearly the same */
        memcpy(packet->key, packets[i - 1].key, AEAD_KEY_BYTES);
        if (tap_random_below(2))
            packet->key[tap_random_below(AEAD_KEY_BYTES)] ^= (uint8_t)(1 << tap_random_below(8));
    }
    memset(packet->memory, 0xc5, packet->offset + sealed_len + CANARY_BYTES);
    memcpy(packet->memory + packet->offset, packet->plaintext, len);
    descs[i] = (struct aead_desc){.bytes = packet->memory + packet->offset,
                                  .len_bytes = (uint32_t)len,
                                  .counter = tap_random() >> tap_random_below(64),
                                  .key = packet->key};
    uint8_t nonce[CHACHA_NONCE_BYTES];
    aead_nonce(descs[i].counter, nonce);
    aead_portable_seal(packet->key, nonce, packet->plaintext, len, NULL, 0, packet->sealed);
}

static bool canaries_stand(const struct packet *packet)
{
    bool stand = true;
    for (size_t i = 0; i < packet->offset; i++)
        stand &= packet->memory[i] == 0xc5;
    for (size_t i = 0; i < CANARY_BYTES; i++)
        stand &= packet->memory[packet->offset + packet->len + AEAD_TAG_BYTES + i] == 0xc5;
    return stand;
}

static void packets_forget(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(packets[i].memory);
        free(packets[i].plaintext);
        free(packets[i].sealed);
    }
}

static void check_sealed(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_EQUAL(descs[i].len_bytes, packets[i].len);
        CHECK_BYTES(descs[i].bytes, packets[i].sealed, packets[i].len + AEAD_TAG_BYTES);
        CHECK(canaries_stand(&packets[i]));
        descs[i].len_bytes += AEAD_TAG_BYTES;
        descs[i].is_authentic = tap_random_below(2);
    }
}

/* The packets are sealed; `forged` (or none, if it is `count`) is the one to fail. */
static void check_opened(size_t count, size_t forged)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_EQUAL(descs[i].len_bytes, packets[i].len + AEAD_TAG_BYTES);
        CHECK_EQUAL(descs[i].is_authentic, i != forged);
        CHECK(canaries_stand(&packets[i]));
        if (i != forged)
            CHECK_BYTES(descs[i].bytes, packets[i].plaintext, packets[i].len);
    }
}

static void race(struct aead *aead, size_t count)
{
    aead_seal(aead, descs, count);
    check_sealed(count);
    aead_open(aead, descs, count);
    check_opened(count, count);
    packets_forget(count);
}

static void race_every_length(struct aead *aead)
{
    size_t count = 0;
    for (size_t len = 0; len <= 2048; len++) {
        packet_prepare(count++, len, tap_random_below(64));
        if (len == 2048 || count == BATCH_MOST || tap_random_below(8) == 0) {
            race(aead, count);
            count = 0;
        }
    }
}

static void race_long_packets(struct aead *aead)
{
    static const size_t lengths[] = {4095, 4096, 9216, 16384, 32767, 65519, 65520, 65535};
    for (size_t i = 0; i < 8; i++)
        packet_prepare(i, lengths[i], i * 7);
    race(aead, 8);
    for (size_t i = 0; i < 8; i++)
        packet_prepare(i, tap_random_below(65536), tap_random_below(64));
    race(aead, 8);
}

static void race_every_alignment(struct aead *aead)
{
    for (size_t len = 0; len <= 1420; len += len < 100 ? 33 : 660) {
        for (size_t alignment = 0; alignment < 64; alignment++)
            packet_prepare(alignment, len, alignment);
        race(aead, 64);
    }
}

static size_t some_length(void)
{
    return tap_random_below(tap_random_below(8) ? 160 : 1500);
}

static void race_batches(struct aead *aead)
{
    for (size_t count = 0; count <= BATCH_MOST; count += count < 131 ? 1 : 79) {
        for (size_t i = 0; i < count; i++)
            packet_prepare(i, some_length(), tap_random_below(64));
        race(aead, count);
    }
}

static void test_every_length_matches_portable(void)
{
    aead_test_each(race_every_length);
}

static void test_long_packets_match_portable(void)
{
    aead_test_each(race_long_packets);
}

static void test_every_alignment_matches_portable(void)
{
    aead_test_each(race_every_alignment);
}

static void test_batches_of_mixed_lengths_and_keys_match_portable(void)
{
    aead_test_each(race_batches);
}

static void forge_each_position(struct aead *aead, size_t count)
{
    for (size_t i = 0; i < count; i++)
        packet_prepare(i, some_length(), tap_random_below(64));
    aead_seal(aead, descs, count);
    check_sealed(count);
    for (size_t forged = 0; forged < count; forged++) {
        for (size_t i = 0; i < count; i++)
            memcpy(descs[i].bytes, packets[i].sealed, packets[i].len + AEAD_TAG_BYTES);
        size_t bit = tap_random_below(descs[forged].len_bytes * 8);
        if (forged % 2) /* in the tag */
            bit = packets[forged].len * 8 + tap_random_below(AEAD_TAG_BYTES * 8);
        descs[forged].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        aead_open(aead, descs, count);
        check_opened(count, forged);
    }
    packets_forget(count);
}

static void forge(struct aead *aead)
{
    for (size_t count = 1; count <= 33; count++)
        forge_each_position(aead, count);
    forge_each_position(aead, 128);
    forge_each_position(aead, 130);
}

static void test_a_forged_bit_fails_exactly_that_packet(void)
{
    aead_test_each(forge);
}

static void forge_every_bit(struct aead *aead)
{
    packet_prepare(0, 32, 3);
    for (size_t bit = 0; bit < (32 + AEAD_TAG_BYTES) * 8; bit++) {
        memcpy(descs[0].bytes, packets[0].sealed, 32 + AEAD_TAG_BYTES);
        descs[0].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        descs[0].len_bytes = 32 + AEAD_TAG_BYTES;
        descs[0].is_authentic = true;
        aead_open(aead, descs, 1);
        CHECK(!descs[0].is_authentic);
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        memcpy(descs[0].bytes, packets[0].sealed, 32 + AEAD_TAG_BYTES);
        descs[0].counter ^= 1ull << bit;
        aead_open(aead, descs, 1);
        CHECK(!descs[0].is_authentic);
        descs[0].counter ^= 1ull << bit;
    }
    for (unsigned bit = 0; bit < 256; bit++) {
        memcpy(descs[0].bytes, packets[0].sealed, 32 + AEAD_TAG_BYTES);
        packets[0].key[bit / 8] ^= (uint8_t)(1 << bit % 8);
        aead_open(aead, descs, 1);
        CHECK(!descs[0].is_authentic);
        packets[0].key[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memcpy(descs[0].bytes, packets[0].sealed, 32 + AEAD_TAG_BYTES);
    aead_open(aead, descs, 1);
    check_opened(1, 1);
    packets_forget(1);
}

static void test_every_bit_of_packet_counter_and_key_counts(void)
{
    aead_test_each(forge_every_bit);
}

/* Lengths shorter than a tag come from the network: refused, untouched, and no neighbour fails. */
static void open_short_ones(struct aead *aead)
{
    for (size_t i = 0; i < 2 * AEAD_TAG_BYTES; i++)
        packet_prepare(i, i % 2 ? 0 : 77, i);
    aead_seal(aead, descs, 2 * AEAD_TAG_BYTES);
    check_sealed(2 * AEAD_TAG_BYTES);
    for (size_t i = 1; i < 2 * AEAD_TAG_BYTES; i += 2)
        descs[i].len_bytes = (uint32_t)(i / 2);
    aead_open(aead, descs, 2 * AEAD_TAG_BYTES);
    for (size_t i = 0; i < 2 * AEAD_TAG_BYTES; i++) {
        CHECK_EQUAL(descs[i].is_authentic, i % 2 == 0);
        CHECK_BYTES(descs[i].bytes, i % 2 ? packets[i].sealed : packets[i].plaintext,
                    i % 2 ? AEAD_TAG_BYTES : packets[i].len);
    }
    packets_forget(2 * AEAD_TAG_BYTES);
}

static void test_shorter_than_a_tag_is_refused(void)
{
    aead_test_each(open_short_ones);
}

/* Assembly is not watched by the sanitizers, but by pages that nobody may touch. */
static void touch_nothing_outside(struct aead *aead)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages + page, page, PROT_READ | PROT_WRITE) == 0);
    uint8_t key[AEAD_KEY_BYTES] = {1};
    for (uint32_t len = 0; len <= 2048; len += len < 600 ? 1 : 41)
        for (unsigned is_at_end = 0; is_at_end < 2; is_at_end++) {
            uint8_t *bytes = is_at_end ? pages + 2 * page - len - AEAD_TAG_BYTES : pages + page;
            struct aead_desc desc = {.bytes = bytes, .len_bytes = len, .key = key};
            aead_seal(aead, &desc, 1);
            desc.len_bytes += AEAD_TAG_BYTES;
            aead_open(aead, &desc, 1);
            CHECK(desc.is_authentic);
        }
    munmap(pages, 3 * page);
}

static void test_nothing_outside_the_packet_is_touched(void)
{
    aead_test_each(touch_nothing_outside);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_every_length_matches_portable);
    TAP_RUN(argc, argv, test_long_packets_match_portable);
    TAP_RUN(argc, argv, test_every_alignment_matches_portable);
    TAP_RUN(argc, argv, test_batches_of_mixed_lengths_and_keys_match_portable);
    TAP_RUN(argc, argv, test_a_forged_bit_fails_exactly_that_packet);
    TAP_RUN(argc, argv, test_every_bit_of_packet_counter_and_key_counts);
    TAP_RUN(argc, argv, test_shorter_than_a_tag_is_refused);
    TAP_RUN(argc, argv, test_nothing_outside_the_packet_is_touched);
    return tap_done();
}
