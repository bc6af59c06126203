/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/aead_backends.h"
#include "tap.h"

#define ROUNDS_MOST 9
#define SAMPLE_LEAST_NS 20e6
#define BURSTS_MOST 16384
#define ROWS_MOST 512
#define ROW_TEXT_BYTES 120

struct row {
    char text[ROW_TEXT_BYTES];
    struct measure_burst (*burst)(void *context);
    void *context;
    double ns[ROUNDS_MOST];
};

static struct row rows[ROWS_MOST];
static size_t row_count;

void measure_add(struct measure_burst (*burst)(void *context), void *context, const char *text, ...)
{
    if (row_count == ROWS_MOST)
        abort();
    struct row *row = &rows[row_count++];
    row->burst = burst;
    row->context = context;
    va_list arguments;
    va_start(arguments, text);
    vsnprintf(row->text, sizeof(row->text), text, arguments);
    va_end(arguments);
}

double measure_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), compare);
    return values[count / 2];
}

/* The median of its bursts: one in which another program had the core does not count. */
static double sample(const struct row *row)
{
    static double bursts_ns[BURSTS_MOST];
    double spent_ns = 0;
    size_t count = 0;
    while (spent_ns < SAMPLE_LEAST_NS && count < BURSTS_MOST) {
        struct measure_burst burst = row->burst(row->context);
        bursts_ns[count++] = burst.ns / (double)burst.packets;
        spent_ns += burst.ns;
    }
    return median(bursts_ns, count);
}

static void keep_rows(const char *word)
{
    size_t kept = 0;
    for (size_t i = 0; i < row_count; i++)
        if (strstr(rows[i].text, word))
            rows[kept++] = rows[i];
    row_count = kept;
}

static unsigned wanted_rounds(void)
{
    const char *text = getenv("BENCH_ROUNDS");
    int wanted = text ? atoi(text) : ROUNDS_MOST;
    return wanted < 1 || wanted > ROUNDS_MOST ? ROUNDS_MOST : (unsigned)wanted;
}

void measure_run(int argc, char **argv)
{
    unsigned rounds = wanted_rounds();
    for (int i = 1; i < argc; i++)
        keep_rows(argv[i]);
    for (unsigned round = 0; round < rounds; round++)
        for (size_t i = 0; i < row_count; i++)
            rows[i].ns[round] = sample(&rows[i]);
    for (struct row *row = rows; row < rows + row_count; row++) {
        double ns = median(row->ns, rounds);
        printf("%s ns=%.1f least=%.1f\n", row->text, ns, row->ns[0]);
    }
}

size_t measure_aeads(struct aead *aeads[MEASURE_AEADS_MOST])
{
    const char *wanted = getenv("HOPWIRE_AEAD");
    size_t backend_count, count = 0;
    const struct aead_backend *const *backends = aead_backends(&backend_count);
    for (size_t i = 0; i < backend_count && count < MEASURE_AEADS_MOST; i++) {
        if (wanted && strcmp(wanted, backends[i]->name) != 0)
            continue;
        aeads[count] = aead_new(tap_memory(), backends[i]->name);
        if (aeads[count])
            count++;
        else
            fprintf(stderr, "%s: not supported here\n", backends[i]->name);
    }
    return count;
}

/* ---- no encryption ---- */

static bool is_supported(void)
{
    return true;
}

static bool init(void *state)
{
    (void)state;
    return true;
}

static void wipe(void *state)
{
    (void)state;
}

static void seal_none(void *state, struct aead_desc *descs, size_t count)
{
    (void)state;
    (void)descs;
    (void)count;
}

static void open_none(void *state, struct aead_desc *descs, size_t count)
{
    (void)state;
    for (size_t i = 0; i < count; i++)
        descs[i].is_authentic = descs[i].len_bytes >= AEAD_TAG_BYTES;
}

struct aead *measure_aead_none(void)
{
    static const struct aead_backend backend = {.name = "none",
                                                .is_supported = is_supported,
                                                .init = init,
                                                .wipe = wipe,
                                                .seal = seal_none,
                                                .open = open_none};
    return aead_new_untried(tap_memory(), &backend);
}
