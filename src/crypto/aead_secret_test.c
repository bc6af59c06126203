/* SPDX-License-Identifier: MIT */
/* No branch and no address may depend on a secret: keys and plaintexts are marked undefined, and
 * valgrind complains of each that does. The program runs itself under valgrind, once for each of
 * our own backends, and once for each leak that is planted and must be found. Skipped without
 * valgrind, and with sanitizers, which do not run under it. */
#include <string.h>

#include "crypto/aead_backends.h"
#include "rigs/aead_each.h"

#if TAP_IS_SANITIZED || !__has_include(<valgrind/memcheck.h>)
#define VALGRIND_MAKE_MEM_UNDEFINED(bytes, len) ((void)(bytes), (void)(len))
#define VALGRIND_MAKE_MEM_DEFINED(bytes, len) ((void)(bytes), (void)(len))
#define VALGRIND_COUNT_ERRORS 0
#define RUNNING_ON_VALGRIND 0
#else
#include <valgrind/memcheck.h>
#endif

#define WATCHED 100 /* valgrind is there, and runs this program */
#define COMPLAINED 99
#define WRONG 97
#define PACKETS 9
#define SLOT_BYTES 2048

static volatile unsigned odd;

static size_t complaints(void)
{
    return VALGRIND_COUNT_ERRORS;
}

/* What a table indexed by a secret, or a branch on one, would show. */
static void leaking_seal(void *state, struct aead_desc *descs, size_t count)
{
    aead_portable_backend.seal(state, descs, count);
    for (size_t i = 0; i < count; i++)
        if (descs[i].key[31] & 1)
            odd = odd + 1;
}

static void leaking_open(void *state, struct aead_desc *descs, size_t count)
{
    static const unsigned char table[256] = {1};
    aead_portable_backend.open(state, descs, count);
    for (size_t i = 0; i < count; i++)
        odd = odd + table[descs[i].key[0]];
}

static struct aead *aead_of(const char *name)
{
    static struct aead_backend leaking;
    leaking = aead_portable_backend;
    if (strcmp(name, "leaking seal") == 0)
        leaking.seal = leaking_seal;
    else if (strcmp(name, "leaking open") == 0)
        leaking.open = leaking_open;
    else
        return aead_new(tap_memory(), name);
    return aead_new_untried(tap_memory(), &leaking);
}

static void make_ready(struct aead_desc descs[PACKETS])
{
    static const uint32_t lens_bytes[PACKETS] = {0, 1, 16, 64, 191, 512, 1420, 1999, 333};
    static uint8_t slots[PACKETS][SLOT_BYTES], keys[PACKETS][AEAD_KEY_BYTES];
    for (size_t i = 0; i < PACKETS; i++) {
        memset(slots[i], 5, sizeof(slots[i]));
        memset(keys[i], (int)i / 2, AEAD_KEY_BYTES);
        VALGRIND_MAKE_MEM_UNDEFINED(keys[i], AEAD_KEY_BYTES);
        VALGRIND_MAKE_MEM_UNDEFINED(slots[i], lens_bytes[i]);
        descs[i] = (struct aead_desc){
            .bytes = slots[i], .len_bytes = lens_bytes[i], .counter = i, .key = keys[i]};
    }
}

/* What runs under valgrind: batches, and the packets one by one. */
static int keep_secrets(const char *name)
{
    if (!RUNNING_ON_VALGRIND)
        return WRONG;
    struct aead *aead = strcmp(name, "nothing") != 0 ? aead_of(name) : NULL;
    if (!aead)
        return strcmp(name, "nothing") != 0 ? WRONG : WATCHED;
    /* Portable asks whether a packet is authentic, which everyone sees, before it decrypts it: one
     * complaint a packet, and no more. */
    size_t allowed = 0, allowed_per_packet = strcmp(name, "avx2") != 0;
    for (size_t batch = 1; batch <= PACKETS; batch += PACKETS - 1) {
        struct aead_desc descs[PACKETS];
        make_ready(descs);
        for (size_t i = 0; i < PACKETS; i += batch)
            aead_seal(aead, descs + i, batch);
        if (complaints() > allowed)
            return COMPLAINED;
        for (size_t i = 0; i < PACKETS; i++) {
            descs[i].len_bytes += AEAD_TAG_BYTES;
            VALGRIND_MAKE_MEM_DEFINED(descs[i].bytes, descs[i].len_bytes); /* on the wire */
        }
        for (size_t i = 0; i < PACKETS; i += batch)
            aead_open(aead, descs + i, batch);
        allowed += PACKETS * allowed_per_packet;
        if (complaints() > allowed)
            return COMPLAINED;
        VALGRIND_MAKE_MEM_DEFINED(descs, sizeof(descs));
        for (size_t i = 0; i < PACKETS; i++)
            if (!descs[i].is_authentic)
                return WRONG;
    }
    aead_free(aead);
    return 0;
}

static int watched(const char *name)
{
    const char *argv[8] = {"valgrind", "--quiet"};
    return aead_each_rerun(argv, name);
}

static bool is_watched(void)
{
    static int answer; /* asked once: each run takes a second */
    answer = answer ? answer : watched("nothing");
    if (answer == WATCHED)
        return true;
    tap_skip(
        "no valgrind for this program: apt-get install valgrind, and build without sanitizers");
    return false;
}

static void test_planted_leaks_are_found(void)
{
    if (!is_watched())
        return;
    CHECK_EQUAL(watched("leaking seal"), COMPLAINED);
    CHECK_EQUAL(watched("leaking open"), COMPLAINED);
}

static void test_no_branch_and_no_address_of_our_backends_depends_on_a_secret(void)
{
    static const char *const names[] = {"portable", "avx2"};
    size_t count;
    const struct aead_backend *const *backends = aead_backends(&count);
    if (!is_watched())
        return;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
            if (strcmp(backends[i]->name, names[j]) == 0 && backends[i]->is_supported())
                CHECK_EQUAL(watched(names[j]), 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "again") == 0)
        return keep_secrets(argv[2]);
    TAP_RUN(argc, argv, test_planted_leaks_are_found);
    TAP_RUN(argc, argv, test_no_branch_and_no_address_of_our_backends_depends_on_a_secret);
    return tap_done();
}
