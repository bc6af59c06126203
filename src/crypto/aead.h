/* SPDX-License-Identifier: MIT */
/* ChaCha20-Poly1305 (RFC 8439) for batches of packets, behind a table of backends: the fastest one
 * that this CPU runs and that agrees with our portable C. */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

#define AEAD_KEY_BYTES 32
#define AEAD_TAG_BYTES 16

/* One packet. The nonce is 4 zero bytes and the counter in little endian; no associated data
 * (whitepaper 5.4.6). */
struct aead_desc {
    uint8_t *bytes;     /* in place, at any alignment */
    uint32_t len_bytes; /* seal: the plaintext, the tag goes behind it; open: with the tag */
    bool is_authentic;  /* open's answer: if not, the packet's bytes must not be read */
    uint64_t counter;
    const uint8_t *key; /* AEAD_KEY_BYTES; keys may differ within a batch */
};

struct aead_backend {
    const char *name;
    bool (*is_supported)(void); /* by the CPU and the system */
    size_t state_bytes;        /* 0: it keeps nothing, and needs neither of the next two */
    bool (*init)(void *state); /* of zeroed memory; false: cannot be used, nothing to wipe */
    void (*wipe)(void *state);
    void (*seal)(void *state, struct aead_desc *descs, size_t count);
    void (*open)(void *state, struct aead_desc *descs, size_t count);
    void (*forget)(void *state); /* see aead_forget; NULL: it keeps no key */
};

/* A backend with its scratch state. Belongs to one thread at a time. */
struct aead;

/* Of the named backend, or with NULL of the first in order of preference that works. A backend is
 * tried against the portable one first; one that differs is passed over. NULL: no memory, or the
 * named one is unknown, not supported here, or differs. `memory` must outlive the instance. */
struct aead *aead_new(const struct memory *memory, const char *backend_name);
void aead_free(struct aead *aead);
/* The backend's name. */
const char *aead_name(const struct aead *aead);

/* Encrypts each packet in place and writes the tag behind it. Cannot fail. */
void aead_seal(struct aead *aead, struct aead_desc *descs, size_t count);
/* Checks each packet's tag in constant time and decrypts it in place; sets is_authentic. The
 * plaintext is len_bytes - AEAD_TAG_BYTES; len_bytes itself stays. Shorter than a tag: refused. */
void aead_open(struct aead *aead, struct aead_desc *descs, size_t count);

/* Wipes the copies of keys that a backend keeps from batch to batch: after it, and until the next
 * batch, no key is left in the instance. For whoever has wiped a session. */
void aead_forget(struct aead *aead);

/* The backends built in, in order of preference, whether supported here or not. */
const struct aead_backend *const *aead_backends(size_t *count);

/* One message with associated data, for handshakes: plain C, no instance needed.
 * `out` holds len + AEAD_TAG_BYTES and is apart from `plaintext` or the same. */
void aead_seal_with_data(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                         const uint8_t *plaintext, size_t len, const uint8_t *data, size_t data_len,
                         uint8_t *out);
/* `len` counts the tag; `out` holds len - AEAD_TAG_BYTES and is untouched when the answer is false:
 * forged, or shorter than a tag. */
bool aead_open_with_data(const uint8_t key[AEAD_KEY_BYTES], uint64_t counter,
                         const uint8_t *ciphertext, size_t len, const uint8_t *data,
                         size_t data_len, uint8_t *out);

#endif
