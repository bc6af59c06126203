/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static unsigned tests, failed_tests;
static bool test_failed;
static const char *skip_reason;
static uint64_t random_state, random_seed;
static bool random_is_seeded;
static size_t memory_balance;

bool tap_check(bool holds, const char *claim, const char *file, int line)
{
    if (!holds) {
        printf("# %s:%d: not true: %s\n", file, line, claim);
        test_failed = true;
    }
    return holds;
}

bool tap_check_equal(long long actual, long long expected, const char *what, const char *file,
                     int line)
{
    if (actual != expected) {
        printf("# %s:%d: %s is %lld (0x%llx), expected %lld (0x%llx)\n", file, line, what, actual,
               (unsigned long long)actual, expected, (unsigned long long)expected);
        test_failed = true;
    }
    return actual == expected;
}

static void print_hex(const char *name, const uint8_t *bytes, size_t len)
{
    printf("#   %-8s ", name);
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

bool tap_check_bytes(const void *actual, const void *expected, size_t len, const char *what,
                     const char *file, int line)
{
    if (len == 0 || memcmp(actual, expected, len) == 0)
        return true;
    size_t at = 0;
    while (((const uint8_t *)actual)[at] == ((const uint8_t *)expected)[at])
        at++;
    size_t from = at & ~(size_t)15, shown = len - from < 32 ? len - from : 32;
    printf("# %s:%d: %s differs at byte %zu of %zu; from byte %zu:\n", file, line, what, at, len,
           from);
    print_hex("actual", (const uint8_t *)actual + from, shown);
    print_hex("expected", (const uint8_t *)expected + from, shown);
    test_failed = true;
    return false;
}

bool tap_check_text(const char *actual, const char *expected, const char *what, const char *file,
                    int line)
{
    if (strcmp(actual, expected) == 0)
        return true;
    printf("# %s:%d: %s is \"%s\", expected \"%s\"\n", file, line, what, actual, expected);
    test_failed = true;
    return false;
}

bool tap_has_failed(void)
{
    return test_failed;
}

void tap_skip(const char *why)
{
    skip_reason = why;
}

void tap_run(int argc, char **argv, const char *name, void (*test)(void))
{
    bool is_asked = argc <= 1;
    for (int i = 1; i < argc; i++)
        is_asked |= strcmp(argv[i], name) == 0;
    if (!is_asked)
        return;
    test_failed = false;
    skip_reason = NULL;
    random_state = random_seed;
    test();
    tests++;
    failed_tests += test_failed;
    if (skip_reason)
        printf("%s %u - %s # SKIP %s\n", test_failed ? "not ok" : "ok", tests, name, skip_reason);
    else
        printf("%s %u - %s\n", test_failed ? "not ok" : "ok", tests, name);
    fflush(stdout);
}

int tap_done(void)
{
    printf("1..%u\n", tests);
    return failed_tests ? 1 : 0;
}

uint64_t tap_random(void)
{
    if (!random_is_seeded) {
        const char *text = getenv("HOPWIRE_TEST_SEED");
        if (text)
            random_seed = strtoull(text, NULL, 0);
        else if (getrandom(&random_seed, sizeof(random_seed), 0) != sizeof(random_seed))
            abort();
        random_is_seeded = true;
        random_state = random_seed;
        printf("# HOPWIRE_TEST_SEED=0x%" PRIx64 "\n", random_seed);
    }
    /* splitmix64 */
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t tap_random_below(uint64_t below)
{
    assert(below > 0);
    return tap_random() % below;
}

void tap_random_bytes(void *bytes, size_t len)
{
    uint8_t *out = bytes;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t value = tap_random();
        memcpy(out + i, &value, len - i < 8 ? len - i : 8);
    }
}

static void fill(void *context, uint8_t *bytes, size_t len)
{
    (void)context;
    tap_random_bytes(bytes, len);
}

const struct random_source *tap_random_source(void)
{
    static const struct random_source source = {.fill = fill};
    return &source;
}

static void *take(void *context, size_t bytes)
{
    (void)context;
    size_t rounded = (bytes + 63) & ~(size_t)63;
    void *pointer = aligned_alloc(64, rounded ? rounded : 64);
    assert(pointer);
    memset(pointer, 0, rounded);
    memory_balance += bytes;
    return pointer;
}

static void give(void *context, void *pointer, size_t bytes)
{
    (void)context;
    memory_balance -= bytes;
    free(pointer);
}

const struct memory *tap_memory(void)
{
    static const struct memory memory = {.take = take, .give = give};
    return &memory;
}

size_t tap_memory_balance_bytes(void)
{
    return memory_balance;
}

void tap_make_directory(char *path, size_t path_bytes, const char *name)
{
    const char *parent = getenv("TMPDIR");
    int len = snprintf(path, path_bytes, "%s/hopwire-%s-XXXXXX",
                       parent && *parent ? parent : "/tmp", name);
    CHECK(len > 0 && (size_t)len < path_bytes && mkdtemp(path));
}

size_t tap_hex(const char *hex, uint8_t *bytes, size_t capacity_bytes)
{
    size_t count = 0;
    while (*hex) {
        if (isspace((unsigned char)*hex)) {
            hex++;
            continue;
        }
        unsigned value;
        assert(isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]));
        assert(sscanf(hex, "%2x", &value) == 1 && count < capacity_bytes);
        bytes[count++] = (uint8_t)value;
        hex += 2;
    }
    return count;
}
