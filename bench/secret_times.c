/* SPDX-License-Identifier: MIT */
/* Whether a secret shows in the time that a backend takes: two classes of inputs in random order,
 * and Welch's t of their times, the slower half left out (after Reparaz, Balasch and Verbauwhede,
 * "Dude, is my code constant time?"). Below 4.5 nothing shows, beyond 10 something surely does, as
 * in the row with the planted leak; between them, run it again. A figure, never a test.
 *   secret_times [SAMPLES] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aead_backends.h"
#include "measure.h"
#include "tap.h"

#define PACKETS 4
#define PACKET_BYTES 64
#define SAMPLES 100000
#define KEPT 0.5

enum question { KEY, PLAINTEXT, TAG, QUESTIONS };

/* The first of the two classes; the other one is random. */
static const char *const asked[QUESTIONS] = {"key=fixed", "plaintext=fixed",
                                             "wrong-tag-byte=first"};

struct timing {
    double ns;
    bool is_fixed;
};

struct batch {
    struct aead_desc descs[PACKETS];
    uint8_t keys[PACKETS][AEAD_KEY_BYTES];
    uint8_t slots[PACKETS][PACKET_BYTES + AEAD_TAG_BYTES];
};

/* Compares tags as memcmp does, and as nobody may: it ends at the first difference. */
static void leaking_open(void *state, struct aead_desc *descs, size_t count)
{
    (void)state;
    for (struct aead_desc *desc = descs; desc < descs + count; desc++) {
        uint8_t right[PACKET_BYTES + AEAD_TAG_BYTES];
        volatile const uint8_t *tag = desc->bytes + PACKET_BYTES;
        size_t at = 0;
        /* Encrypted twice is the plaintext; the third time brings the right tag. */
        aead_seal_with_data(desc->key, desc->counter, desc->bytes, PACKET_BYTES, NULL, 0, right);
        aead_seal_with_data(desc->key, desc->counter, right, PACKET_BYTES, NULL, 0, right);
        while (at < AEAD_TAG_BYTES && tag[at] == right[PACKET_BYTES + at])
            at++;
        desc->is_authentic = at == AEAD_TAG_BYTES;
    }
}

/* The same stores for either class: `fixed` or random bytes. */
static void choose(uint8_t *bytes, size_t len, uint8_t fixed, bool is_fixed)
{
    uint8_t mask = is_fixed ? 255 : 0;
    tap_random_bytes(bytes, len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)((fixed & mask) | (bytes[i] & ~mask));
}

static void prepare(struct aead *aead, struct batch *batch, enum question question, bool is_fixed)
{
    for (size_t i = 0; i < PACKETS; i++) {
        choose(batch->keys[i], AEAD_KEY_BYTES, 0, false);
        choose(batch->slots[i], PACKET_BYTES, 0, false);
        batch->descs[i] = (struct aead_desc){.bytes = batch->slots[i],
                                             .len_bytes = PACKET_BYTES,
                                             .counter = i,
                                             .key = batch->keys[i]};
    }
    /* Of another key: a backend may keep the last one, and who is served next is no secret. */
    aead_seal(aead, batch->descs, PACKETS);
    for (size_t i = 0; i < PACKETS; i++) {
        choose(batch->keys[i], AEAD_KEY_BYTES, (uint8_t)i, question == KEY && is_fixed);
        choose(batch->slots[i], PACKET_BYTES, 0, question == PLAINTEXT && is_fixed);
    }
    if (question != TAG)
        return;
    aead_seal(aead, batch->descs, PACKETS);
    for (size_t i = 0; i < PACKETS; i++) {
        batch->descs[i].len_bytes += AEAD_TAG_BYTES;
        batch->slots[i][PACKET_BYTES + (is_fixed ? 0 : AEAD_TAG_BYTES - 1)] ^= 1;
    }
}

static int by_time(const void *a, const void *b)
{
    double difference = ((const struct timing *)a)->ns - ((const struct timing *)b)->ns;
    return difference < 0 ? -1 : difference > 0;
}

static double welch(struct timing *samples, size_t count)
{
    double sum[2] = {0}, squares[2] = {0}, n[2] = {0}, mean[2], variance = 0;
    qsort(samples, count, sizeof(*samples), by_time);
    count = (size_t)((double)count * KEPT);
    for (size_t i = 0; i < count; i++) {
        unsigned class = samples[i].is_fixed;
        n[class]++;
        sum[class] += samples[i].ns;
    }
    for (unsigned class = 0; class < 2; class ++)
        mean[class] = sum[class] / n[class];
    for (size_t i = 0; i < count; i++) {
        double off = samples[i].ns - mean[samples[i].is_fixed];
        squares[samples[i].is_fixed] += off * off;
    }
    for (unsigned class = 0; class < 2; class ++)
        variance += squares[class] / (n[class] - 1) / n[class];
    return (mean[1] - mean[0]) / sqrt(variance);
}

static void ask(struct aead *aead, const char *name, enum question question, size_t count)
{
    static struct batch batch;
    struct timing *samples = calloc(count, sizeof(*samples));
    if (!samples)
        abort();
    for (size_t i = 0; i < count; i++) {
        samples[i].is_fixed = tap_random_below(2);
        prepare(aead, &batch, question, samples[i].is_fixed);
        double start_ns = measure_now_ns();
        if (question == TAG)
            aead_open(aead, batch.descs, PACKETS);
        else
            aead_seal(aead, batch.descs, PACKETS);
        samples[i].ns = measure_now_ns() - start_ns;
    }
    double t = welch(samples, count);
    printf("backend=%s %s samples=%zu t=%.1f\n", name, asked[question], count, t);
    fflush(stdout);
    free(samples);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : SAMPLES;
    struct aead *aeads[MEASURE_AEADS_MOST];
    if (argc > 2 || count < 1000) {
        fprintf(stderr, "usage: secret_times [SAMPLES, at least 1000]\n");
        return 2;
    }
    size_t backends = measure_aeads(aeads);
    for (size_t i = 0; i < backends; i++) {
        for (enum question question = 0; question < QUESTIONS; question++)
            ask(aeads[i], aead_name(aeads[i]), question, count);
        aead_free(aeads[i]);
    }
    struct aead_backend leaking = aead_portable_backend;
    leaking.open = leaking_open;
    struct aead *aead = aead_new_untried(tap_memory(), &leaking);
    ask(aead, "planted-leak", TAG, count);
    aead_free(aead);
    return 0;
}
