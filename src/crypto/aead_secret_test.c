/* SPDX-License-Identifier: MIT */
/* No branch and no address may depend on a secret: keys and plaintexts are marked undefined, and
 * valgrind complains of each that does. The program runs itself under valgrind, once for each of
 * our own backends, and once with a leak that must be found. Skipped without valgrind, and with
 * sanitizers, which do not run under it. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/aead_backends.h"
#include "tap.h"

#if defined(__has_feature)
#define HAS_FEATURE(feature) __has_feature(feature)
#else
#define HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer) ||                             \
    !__has_include(<valgrind/memcheck.h>)
#define VALGRIND_MAKE_MEM_UNDEFINED(bytes, len) ((void)(bytes), (void)(len))
#define VALGRIND_MAKE_MEM_DEFINED(bytes, len) ((void)(bytes), (void)(len))
#define CAN_BE_WATCHED false
#else
#include <valgrind/memcheck.h>
#define CAN_BE_WATCHED true
#endif

#define COMPLAINED 99
#define NO_VALGRIND 98
#define WRONG 97
#define PACKETS 9
#define SLOT_BYTES 2048

static void leaking_seal(void *state, struct aead_desc *descs, size_t count)
{
    static volatile unsigned odd_keys;
    aead_portable_backend.seal(state, descs, count);
    for (size_t i = 0; i < count; i++)
        if (descs[i].key[31] & 1)
            odd_keys = odd_keys + 1;
}

static struct aead *aead_of(const char *name)
{
    static struct aead_backend leaking;
    leaking = aead_portable_backend;
    leaking.seal = leaking_seal;
    return strcmp(name, "leak") == 0 ? aead_new_untried(tap_memory(), &leaking)
                                     : aead_new(tap_memory(), name);
}

/* What runs under valgrind: batches, and the packets one by one. */
static int keep_secrets(const char *name)
{
    static const uint32_t lens_bytes[PACKETS] = {0, 1, 16, 64, 191, 512, 1420, 1999, 333};
    static uint8_t slots[PACKETS][SLOT_BYTES], keys[PACKETS][AEAD_KEY_BYTES];
    struct aead *aead = aead_of(name);
    /* Portable's asks whether the packet is authentic, which everyone sees, before it decrypts. */
    bool opens = strcmp(name, "avx2") == 0;
    if (!aead)
        return WRONG;
    for (size_t batch = 1; batch <= PACKETS; batch += PACKETS - 1) {
        struct aead_desc descs[PACKETS];
        for (size_t i = 0; i < PACKETS; i++) {
            memset(slots[i], 5, sizeof(slots[i]));
            memset(keys[i], (int)i / 2, AEAD_KEY_BYTES);
            VALGRIND_MAKE_MEM_UNDEFINED(keys[i], AEAD_KEY_BYTES);
            VALGRIND_MAKE_MEM_UNDEFINED(slots[i], lens_bytes[i]);
            descs[i] = (struct aead_desc){
                .bytes = slots[i], .len_bytes = lens_bytes[i], .counter = i, .key = keys[i]};
        }
        for (size_t i = 0; i < PACKETS; i += batch)
            aead_seal(aead, descs + i, batch);
        for (size_t i = 0; i < PACKETS; i++)
            descs[i].len_bytes += AEAD_TAG_BYTES;
        VALGRIND_MAKE_MEM_DEFINED(slots, sizeof(slots)); /* anyone sees it now */
        for (size_t i = 0; i < PACKETS && opens; i += batch)
            aead_open(aead, descs + i, batch);
        VALGRIND_MAKE_MEM_DEFINED(descs, sizeof(descs));
        for (size_t i = 0; i < PACKETS && opens; i++)
            if (!descs[i].is_authentic)
                return WRONG;
    }
    aead_free(aead);
    return 0;
}

static int watched(const char *name)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        char self[1024];
        ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
        self[len > 0 ? len : 0] = '\0';
        execlp("valgrind", "valgrind", "--quiet", "--log-file=/dev/null", "--error-exitcode=99",
               self, "watched", name, (char *)NULL);
        _exit(NO_VALGRIND);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Whether valgrind is there, and finds the leak: else all the rest proves nothing. */
static bool valgrind_watches(void)
{
    int result = CAN_BE_WATCHED ? watched("leak") : NO_VALGRIND;
    if (result == NO_VALGRIND) {
        tap_skip("no valgrind, or built with sanitizers");
        return false;
    }
    return CHECK_EQUAL(result, COMPLAINED);
}

static void test_a_planted_leak_is_found_and_our_backends_have_none(void)
{
    static const char *const names[] = {"portable", "avx2"};
    size_t count;
    const struct aead_backend *const *backends = aead_backends(&count);
    if (!valgrind_watches())
        return;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++)
            if (strcmp(backends[i]->name, names[j]) == 0 && backends[i]->is_supported())
                CHECK_EQUAL(watched(names[j]), 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "watched") == 0)
        return keep_secrets(argv[2]);
    TAP_RUN(argc, argv, test_a_planted_leak_is_found_and_our_backends_have_none);
    return tap_done();
}
