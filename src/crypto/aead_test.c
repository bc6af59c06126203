/* SPDX-License-Identifier: MIT */
/* One body for all backends: each is raced against aead_portable_seal, whose own test has the known
 * answers, and which libcrypto must agree with on the very same packets. */
#include "crypto/aead.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "crypto/aead_backends.h"
#include "rigs/aead_each.h"

#define BATCH_MOST 1000
#define CANARY_BYTES 64
#define GUARDED 5

struct packet {
    uint8_t *memory; /* canary, the packet at its alignment, canary */
    size_t offset;
    size_t len;
    uint8_t key[AEAD_KEY_BYTES];
    uint8_t *plaintext;
    uint8_t *sealed; /* what portable and libcrypto make of it */
    bool is_forged;
};

static struct packet packets[BATCH_MOST];
static struct aead_desc descs[BATCH_MOST];
static struct aead *libcrypto;

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
    descs[i] = (struct aead_desc){.bytes = packet->memory + packet->offset,
                                  .len_bytes = (uint32_t)len,
                                  .counter = tap_random() >> tap_random_below(64),
                                  .key = packet->key};
    uint8_t nonce[CHACHA_NONCE_BYTES];
    aead_nonce(descs[i].counter, nonce);
    aead_portable_seal(packet->key, nonce, packet->plaintext, len, NULL, 0, packet->sealed);
    memcpy(descs[i].bytes, packet->plaintext, len);
    aead_seal(libcrypto, &descs[i], 1);
    CHECK_BYTES(descs[i].bytes, packet->sealed, sealed_len);
    memset(packet->memory, 0xc5, packet->offset + sealed_len + CANARY_BYTES);
    memcpy(descs[i].bytes, packet->plaintext, len);
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

/* The packets are sealed; those that are forged must have failed, and no other. */
static void check_opened(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_EQUAL(descs[i].len_bytes, packets[i].len + AEAD_TAG_BYTES);
        CHECK_EQUAL(descs[i].is_authentic, !packets[i].is_forged);
        CHECK(canaries_stand(&packets[i]));
        if (!packets[i].is_forged)
            CHECK_BYTES(descs[i].bytes, packets[i].plaintext, packets[i].len);
    }
}

static void race(struct aead *aead, size_t count)
{
    aead_seal(aead, descs, count);
    check_sealed(count);
    aead_open(aead, descs, count);
    check_opened(count);
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
    for (unsigned round = 0; round < 4; round++) {
        for (size_t i = 0; i < 8; i++)
            packet_prepare(i, tap_random_below(65536), tap_random_below(64));
        race(aead, 8);
    }
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
    aead_each(race_every_length);
}

static void test_long_packets_match_portable(void)
{
    aead_each(race_long_packets);
}

static void test_every_alignment_matches_portable(void)
{
    aead_each(race_every_alignment);
}

static void test_batches_of_mixed_lengths_and_keys_match_portable(void)
{
    aead_each(race_batches);
}

static void prepare_sealed(struct aead *aead, size_t count)
{
    for (size_t i = 0; i < count; i++)
        packet_prepare(i, some_length(), tap_random_below(64));
    aead_seal(aead, descs, count);
    check_sealed(count);
}

/* The sealed packet again, with a bit of it changed or not. */
static void forge_or_not(size_t i, bool is_forged, bool is_in_tag)
{
    size_t bit = tap_random_below(descs[i].len_bytes * 8);
    if (is_in_tag)
        bit = packets[i].len * 8 + tap_random_below(AEAD_TAG_BYTES * 8);
    memcpy(descs[i].bytes, packets[i].sealed, packets[i].len + AEAD_TAG_BYTES);
    packets[i].is_forged = is_forged;
    if (is_forged)
        descs[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void forge_each_position(struct aead *aead, size_t count)
{
    prepare_sealed(aead, count);
    for (size_t forged = 0; forged < count; forged++) {
        for (size_t i = 0; i < count; i++)
            forge_or_not(i, i == forged, forged % 2);
        aead_open(aead, descs, count);
        check_opened(count);
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
    aead_each(forge);
}

/* From none to all: a refused packet's neighbours may be refused too, or not. */
static void forge_any_subset(struct aead *aead)
{
    for (unsigned round = 0; round < 24; round++) {
        size_t count = 1 + tap_random_below(128), of_eight = tap_random_below(9);
        prepare_sealed(aead, count);
        for (size_t i = 0; i < count; i++)
            forge_or_not(i, tap_random_below(8) < of_eight, tap_random_below(2));
        aead_open(aead, descs, count);
        check_opened(count);
        packets_forget(count);
    }
}

static void test_of_many_forged_packets_each_fails_and_no_other(void)
{
    aead_each(forge_any_subset);
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
    check_opened(1);
    packets_forget(1);
}

static void test_every_bit_of_packet_counter_and_key_counts(void)
{
    aead_each(forge_every_bit);
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
    aead_each(open_short_ones);
}

/* Two pages with a page before and one behind that nobody may touch. */
static uint8_t *guarded_pages(size_t page)
{
    uint8_t *pages = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && mprotect(pages + page, 2 * page, PROT_READ | PROT_WRITE) == 0);
    return pages + page;
}

/* A packet that begins where its pages begin, or ends where they end; its key is at the other end.
 */
static void guarded_prepare(size_t i, uint8_t *pages, size_t bytes, size_t len)
{
    bool is_at_end = tap_random_below(2);
    size_t sealed_len = len + AEAD_TAG_BYTES;
    uint8_t *key = is_at_end ? pages : pages + bytes - AEAD_KEY_BYTES;
    packet_prepare(i, len, 0);
    memcpy(key, packets[i].key, AEAD_KEY_BYTES);
    descs[i].key = key;
    descs[i].bytes = is_at_end ? pages + bytes - sealed_len : pages;
    memcpy(descs[i].bytes, packets[i].plaintext, len);
}

/* Assembly is not watched by the sanitizers, but by pages that nobody may touch. */
static void touch_nothing_outside(struct aead *aead)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages[GUARDED], *desc_pages = guarded_pages(page);
    for (size_t i = 0; i < GUARDED; i++)
        pages[i] = guarded_pages(page);
    for (size_t len = 0; len <= 2048; len++) {
        size_t count = 1 + tap_random_below(GUARDED);
        struct aead_desc *guarded = (struct aead_desc *)(desc_pages + 2 * page) - count;
        for (size_t i = 0; i < count; i++)
            guarded_prepare(i, pages[i], 2 * page, i == len % count ? len : some_length());
        memcpy(guarded, descs, count * sizeof(*guarded));
        aead_seal(aead, guarded, count);
        memcpy(descs, guarded, count * sizeof(*guarded));
        check_sealed(count);
        memcpy(guarded, descs, count * sizeof(*guarded));
        aead_open(aead, guarded, count);
        memcpy(descs, guarded, count * sizeof(*guarded));
        check_opened(count);
        packets_forget(count);
    }
    for (size_t i = 0; i < GUARDED; i++)
        munmap(pages[i] - page, 4 * page);
    munmap(desc_pages - page, 4 * page);
}

static void test_nothing_outside_the_packet_is_touched(void)
{
    aead_each(touch_nothing_outside);
}

int main(int argc, char **argv)
{
    libcrypto = aead_new(tap_memory(), "libcrypto");
    TAP_RUN(argc, argv, test_every_length_matches_portable);
    TAP_RUN(argc, argv, test_long_packets_match_portable);
    TAP_RUN(argc, argv, test_every_alignment_matches_portable);
    TAP_RUN(argc, argv, test_batches_of_mixed_lengths_and_keys_match_portable);
    TAP_RUN(argc, argv, test_a_forged_bit_fails_exactly_that_packet);
    TAP_RUN(argc, argv, test_of_many_forged_packets_each_fails_and_no_other);
    TAP_RUN(argc, argv, test_every_bit_of_packet_counter_and_key_counts);
    TAP_RUN(argc, argv, test_shorter_than_a_tag_is_refused);
    TAP_RUN(argc, argv, test_nothing_outside_the_packet_is_touched);
    aead_free(libcrypto);
    return tap_done();
}
