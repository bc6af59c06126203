/* SPDX-License-Identifier: MIT */
/* intel-ipsec-mb's job interface. Worth its place only where AVX-512 is: below that libcrypto is as
 * good. The manager is the library's own allocation; it keeps pointers to keys, never keys.
 * Version 1.3 loses a carry of Poly1305 in about one random packet of 2^44 (aead_known_test shows
 * it): such a packet is refused by its receiver, as if it had been lost on the way. */
#include "crypto/aead_backends.h"

#include <assert.h>
#include <intel-ipsec-mb.h>

#include "base/bytes.h"

/* Submitted before the first is awaited; the library's queue holds twice as many. */
#define JOBS 128

struct state {
    IMB_MGR *manager;
    uint8_t nonces[JOBS][CHACHA_NONCE_BYTES]; /* read until the job is done */
    uint8_t tags[JOBS][AEAD_TAG_BYTES];       /* computed by open, to be compared */
};

/* The compiler's check includes whether the system saves the registers (XGETBV). */
static bool is_supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static void wipe(void *opaque)
{
    struct state *state = opaque;
    free_mb_mgr(state->manager);
    bytes_wipe(state, sizeof(*state));
}

static bool init(void *opaque)
{
    struct state *state = opaque;
    state->manager = alloc_mb_mgr(0);
    if (!state->manager)
        return false;
    init_mb_mgr_avx512(state->manager);
    if (imb_get_errno(state->manager) == 0)
        return true;
    wipe(state);
    return false;
}

/* Every field the library reads: a job's memory holds what was there before. */
static void fill(struct state *state, IMB_JOB *job, struct aead_desc *desc, size_t slot,
                 bool is_seal)
{
    size_t len = is_seal ? desc->len_bytes : desc->len_bytes - AEAD_TAG_BYTES;
    aead_nonce(desc->counter, state->nonces[slot]);
    job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    job->cipher_direction = is_seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    job->chain_order = is_seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->enc_keys = desc->key;
    job->dec_keys = desc->key;
    job->key_len_in_bytes = AEAD_KEY_BYTES;
    job->iv = state->nonces[slot];
    job->iv_len_in_bytes = CHACHA_NONCE_BYTES;
    job->src = desc->bytes;
    job->dst = desc->bytes;
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = len;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = len;
    job->auth_tag_output = is_seal ? desc->bytes + len : state->tags[slot];
    job->auth_tag_output_len_in_bytes = AEAD_TAG_BYTES;
    job->u.CHACHA20_POLY1305.aad = NULL;
    job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
    job->user_data = desc;
}

/* Takes back the given job and all others that are done; returns how many. */
static size_t finish(struct state *state, IMB_JOB *job, bool is_seal)
{
    size_t done = 0;
    for (; job; job = IMB_GET_COMPLETED_JOB(state->manager), done++) {
        struct aead_desc *desc = job->user_data;
        bool is_done = job->status == IMB_STATUS_COMPLETED;
        if (is_seal)
            assert(is_done); /* no packet goes out in the clear */
        else
            desc->is_authentic =
                is_done &&
                bytes_equal_secret(job->auth_tag_output,
                                   desc->bytes + desc->len_bytes - AEAD_TAG_BYTES, AEAD_TAG_BYTES);
    }
    return done;
}

static void run(struct state *state, struct aead_desc *descs, size_t count, bool is_seal)
{
    size_t submitted = 0, done = 0;
    for (struct aead_desc *desc = descs; desc < descs + count; desc++) {
        desc->is_authentic = false;
        if (!is_seal && desc->len_bytes < AEAD_TAG_BYTES)
            continue;
        fill(state, IMB_GET_NEXT_JOB(state->manager), desc, submitted++, is_seal);
        done += finish(state, IMB_SUBMIT_JOB(state->manager), is_seal);
    }
    for (IMB_JOB *job; (job = IMB_FLUSH_JOB(state->manager));)
        done += finish(state, job, is_seal);
    assert(done == submitted);
    if (!is_seal) /* the right tag of a forgery would be its proof */
        bytes_wipe(state->tags, submitted * AEAD_TAG_BYTES);
}

static void run_all(void *opaque, struct aead_desc *descs, size_t count, bool is_seal)
{
    for (size_t at = 0; at < count; at += JOBS)
        run(opaque, descs + at, count - at < JOBS ? count - at : JOBS, is_seal);
}

static void seal_ipsecmb(void *state, struct aead_desc *descs, size_t count)
{
    run_all(state, descs, count, true);
}

static void open_ipsecmb(void *state, struct aead_desc *descs, size_t count)
{
    run_all(state, descs, count, false);
}

const struct aead_backend aead_ipsecmb_backend = {
    .name = "ipsecmb",
    .is_supported = is_supported,
    .state_bytes = sizeof(struct state),
    .init = init,
    .wipe = wipe,
    .seal = seal_ipsecmb,
    .open = open_ipsecmb,
};
