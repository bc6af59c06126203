/* SPDX-License-Identifier: MIT */
#include "crypto/aead.h"

#include <string.h>

#include "base/bytes.h"
#include "crypto/aead_backends.h"

/* Each length is a case of its own: empty, short of a block, around the strides of 64, 256 and 512
 * bytes that kernels take, a full packet. */
static const uint16_t trial_lengths[] = {0,   1,   15,  16,  17,  63,  64,   65,
                                         191, 192, 256, 448, 511, 512, 1420, 96};
#define TRIAL_PACKETS (sizeof(trial_lengths) / sizeof(trial_lengths[0]))
#define TRIAL_MOST_BYTES 1420

struct aead {
    const struct memory *memory;
    const struct aead_backend *backend;
    _Alignas(64) uint8_t state[];
};

/* A self-test's packets, too large for the stack. */
struct trial {
    struct aead_desc descs[TRIAL_PACKETS];
    uint8_t keys[TRIAL_PACKETS][AEAD_KEY_BYTES];
    uint8_t packets[TRIAL_PACKETS][TRIAL_MOST_BYTES + AEAD_TAG_BYTES];
    uint8_t expected[TRIAL_MOST_BYTES + AEAD_TAG_BYTES];
};

static const struct aead_backend *const backends[] = {
#ifdef HAVE_IPSECMB
    &aead_ipsecmb_backend,
#endif
#ifdef HAVE_AVX2
    &aead_avx2_backend,
#endif
    &aead_libcrypto_backend,
    &aead_portable_backend,
};
#define BACKENDS (sizeof(backends) / sizeof(backends[0]))

const struct aead_backend *const *aead_backends(size_t *count)
{
    *count = BACKENDS;
    return backends;
}

static uint8_t plain_byte(size_t packet, size_t at)
{
    return (uint8_t)(packet * 37 + at * 11 + (at >> 8));
}

static void trial_prepare(struct trial *trial)
{
    for (size_t i = 0; i < TRIAL_PACKETS; i++) {
        for (size_t at = 0; at < AEAD_KEY_BYTES; at++)
            trial->keys[i][at] = (uint8_t)(i / 3 * 5 + at * 7); /* runs of equal keys too */
        for (size_t at = 0; at < trial_lengths[i]; at++)
            trial->packets[i][at] = plain_byte(i, at);
        trial->descs[i] = (struct aead_desc){.bytes = trial->packets[i],
                                             .len_bytes = trial_lengths[i],
                                             .counter = (uint64_t)i << (i * 4),
                                             .key = trial->keys[i]};
    }
}

/* Whether the backend seals a mixed batch as the portable one does, opens it again, and refuses
 * the one packet of it that was forged. */
static bool trial_passes(struct trial *trial, const struct aead_backend *backend, void *state)
{
    const size_t forged = TRIAL_PACKETS / 2;
    trial_prepare(trial);
    backend->seal(state, trial->descs, TRIAL_PACKETS);
    for (size_t i = 0; i < TRIAL_PACKETS; i++) {
        struct aead_desc *desc = &trial->descs[i];
        for (size_t at = 0; at < desc->len_bytes; at++)
            trial->expected[at] = plain_byte(i, at);
        aead_seal_with_data(desc->key, desc->counter, trial->expected, desc->len_bytes, NULL, 0,
                            trial->expected);
        desc->len_bytes += AEAD_TAG_BYTES;
        if (memcmp(desc->bytes, trial->expected, desc->len_bytes) != 0)
            return false;
        desc->is_authentic = i == forged; /* a backend that forgets to answer is found out */
    }
    trial->packets[forged][trial->descs[forged].len_bytes - 1] ^= 0x80;
    backend->open(state, trial->descs, TRIAL_PACKETS);
    for (size_t i = 0; i < TRIAL_PACKETS; i++) {
        if (trial->descs[i].is_authentic != (i != forged))
            return false;
        for (size_t at = 0; i != forged && at < trial_lengths[i]; at++)
            if (trial->packets[i][at] != plain_byte(i, at))
                return false;
    }
    return true;
}

struct aead *aead_new_untried(const struct memory *memory, const struct aead_backend *backend)
{
    struct aead *aead = memory_take(memory, sizeof(*aead) + backend->state_bytes);
    if (!aead)
        return NULL;
    aead->memory = memory;
    aead->backend = backend;
    if (!backend->init || backend->init(aead->state))
        return aead;
    memory_give(memory, aead, sizeof(*aead) + backend->state_bytes);
    return NULL;
}

static struct aead *try_backend(const struct memory *memory, const struct aead_backend *backend)
{
    struct aead *aead = backend->is_supported() ? aead_new_untried(memory, backend) : NULL;
    struct trial *trial = aead ? memory_take(memory, sizeof(*trial)) : NULL;
    bool is_right = trial && trial_passes(trial, backend, aead->state);
    memory_give(memory, trial, sizeof(*trial));
    if (is_right)
        return aead;
    aead_free(aead);
    return NULL;
}

struct aead *aead_new_from(const struct memory *memory, const struct aead_backend *const *table,
                           size_t count, const char *backend_name)
{
    struct aead *aead = NULL;
    for (size_t i = 0; i < count && !aead; i++)
        if (!backend_name || strcmp(backend_name, table[i]->name) == 0)
            aead = try_backend(memory, table[i]);
    return aead;
}

struct aead *aead_new(const struct memory *memory, const char *backend_name)
{
    return aead_new_from(memory, backends, BACKENDS, backend_name);
}

void aead_free(struct aead *aead)
{
    if (!aead)
        return;
    size_t bytes = sizeof(*aead) + aead->backend->state_bytes;
    const struct memory *memory = aead->memory;
    if (aead->backend->wipe)
        aead->backend->wipe(aead->state);
    bytes_wipe(aead, bytes);
    memory_give(memory, aead, bytes);
}

const char *aead_name(const struct aead *aead)
{
    return aead->backend->name;
}

void aead_seal(struct aead *aead, struct aead_desc *descs, size_t count)
{
    aead->backend->seal(aead->state, descs, count);
}

void aead_open(struct aead *aead, struct aead_desc *descs, size_t count)
{
    aead->backend->open(aead->state, descs, count);
}

void aead_forget(struct aead *aead)
{
    if (aead->backend->forget)
        aead->backend->forget(aead->state);
}

void aead_seal_with_data(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                         const uint8_t *plaintext, size_t len, const uint8_t *data, size_t data_len,
                         uint8_t *out)
{
    uint8_t nonce[CHACHA_NONCE_BYTES];
    aead_nonce(counter, nonce);
    aead_portable_seal(key, nonce, plaintext, len, data, data_len, out);
}

bool aead_open_with_data(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                         const uint8_t *ciphertext, size_t len, const uint8_t *data,
                         size_t data_len, uint8_t *out)
{
    uint8_t nonce[CHACHA_NONCE_BYTES];
    aead_nonce(counter, nonce);
    return aead_portable_open(key, nonce, ciphertext, len, data, data_len, out);
}
