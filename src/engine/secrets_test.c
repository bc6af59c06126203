/* SPDX-License-Identifier: MIT */
/* Whose session is over has left no key in this process: not with us, not in a library's heap. The
 * test looks through its own memory, as who gets hold of it would; it knows the keys only
 * masked. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/lanes.h"
#include "simulation/chain.h"

#define KEYS_MOST 16
#define KEY_BYTES 32
#define MAPPING_MOST_BYTES (64ul << 20) /* larger ones are a sanitizer's own */

/* Compilers from gcc 13 on keep the sanitizer's stacks in the heap otherwise. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_stack_use_after_return=0";
}

struct hoard {
    uint8_t masked[KEYS_MOST][KEY_BYTES];
    size_t count;
    bool starts[65536]; /* the first two bytes of a half: no secret, and nearly all are none */
};

static void mask(uint8_t *out, const uint8_t *key)
{
    for (size_t i = 0; i < KEY_BYTES; i++)
        out[i] = (uint8_t)(key[i] ^ (0xa5 + i));
}

static void keep(struct hoard *hoard, const uint8_t *key)
{
    if (!CHECK(hoard->count < KEYS_MOST))
        return;
    mask(hoard->masked[hoard->count++], key);
    hoard->starts[load_le16(key)] = hoard->starts[load_le16(key + 16)] = true;
}

static void keep_sessions(struct hoard *hoard, const struct sim_host *host)
{
    for (uint32_t i = 0; i < host->engine->core.tree.count; i++) {
        const struct peer *peer = host->engine->core.tree.nodes[i]->peers[0];
        if (!CHECK(peer->current != NULL))
            continue;
        keep(hoard, peer->current->send_key);
        keep(hoard, peer->current->receive_key);
    }
}

/* Half a key is as bad: 16 bytes at any place. */
__attribute__((no_sanitize("address"))) static bool is_key(const struct hoard *hoard,
                                                           const uint8_t *bytes)
{
    for (size_t k = 0; k < hoard->count; k++) {
        for (size_t half = 0; half < KEY_BYTES; half += 16) {
            size_t at = 0;
            while (at < 16 && (bytes[at] ^ hoard->masked[k][half + at]) ==
                                  (uint8_t)(0xa5 + half + at))
                at++;
            if (at == 16)
                return true;
        }
    }
    return false;
}

/* In how many places of writable memory there is one; the stack is not looked at: it is overwritten
 * by whatever runs next. */
__attribute__((no_sanitize("address"))) static unsigned find_keys(const struct hoard *hoard)
{
    unsigned found = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!CHECK(maps != NULL))
        return 0;
    while (fgets(line, sizeof(line), maps)) {
        unsigned long from, to;
        char rights[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[0] != 'r' ||
            rights[1] != 'w' || to - from > MAPPING_MOST_BYTES || strstr(line, "[stack]"))
            continue;
        const uint8_t *bytes = (const uint8_t *)from;
        for (size_t at = 0; at + 16 <= to - from; at += 4)
            found += hoard->starts[bytes[at] | bytes[at + 1] << 8] && is_key(hoard, bytes + at);
    }
    fclose(maps);
    return found;
}

static void talk(struct chain *chain)
{
    for (unsigned i = 0; i < 40; i++) {
        const struct sample sample = {.source = "10.100.0.2", .destination = "198.51.100.9",
                                      .protocol = IP_PROTOCOL_ICMP, .len_bytes = 60 + 13 * i};
        sim_send(chain->client, &sample);
        sim_run(chain->sim, SIM_S / 10);
    }
    CHECK_EQUAL(chain->exit->inbox_count, 40);
    sim_forget_inbox(chain->exit);
}

static void chain_with(struct chain *chain, const char *backend)
{
    const struct chain_shape shape = {.depth = 2, .link_mtu_bytes = 1500};
    chain_init(chain, &shape);
    struct aead *aead = aead_new(tap_memory(), backend);
    if (!CHECK(aead != NULL))
        return;
    for (size_t i = 0; i < chain->sim->host_count; i++)
        chain->sim->hosts[i].engine->core.aead = aead;
    aead_free(chain->sim->aead);
    chain->sim->aead = aead;
}

static void for_each_backend(void (*test)(const char *name))
{
    size_t count;
    const struct aead_backend *const *backends = aead_backends(&count);
    for (size_t i = 0; i < count; i++) {
        if (!backends[i]->is_supported())
            continue;
        printf("# %s\n", backends[i]->name);
        test(backends[i]->name);
    }
}

static void wait_for_the_wipe(const char *backend)
{
    static struct hoard hoard;
    struct chain chain;
    hoard.count = 0;
    chain_with(&chain, backend);
    talk(&chain);
    for (size_t i = 0; i < chain.sim->host_count; i++)
        keep_sessions(&hoard, &chain.sim->hosts[i]);
    CHECK(find_keys(&hoard) > 0); /* it finds what is there */
    sim_run(chain.sim, 600 * SIM_S);
    CHECK_EQUAL(sim_peer_state(chain.client, 0, 0), STATUS_PEER_IDLE);
    CHECK_EQUAL(find_keys(&hoard), 0);
    chain_wipe(&chain);
    CHECK_EQUAL(find_keys(&hoard), 0);
}

static void no_key_is_left_after_540_s(void)
{
    for_each_backend(wait_for_the_wipe);
}

/* The AEAD instance may outlive the engine. */
static void free_the_engines(const char *backend)
{
    static struct hoard hoard;
    struct chain chain;
    hoard.count = 0;
    chain_with(&chain, backend);
    struct aead *aead = chain.sim->aead;
    talk(&chain);
    for (size_t i = 0; i < chain.sim->host_count; i++)
        keep_sessions(&hoard, &chain.sim->hosts[i]);
    chain.sim->aead = NULL;
    struct sim *sim = chain.sim;
    for (size_t i = 0; i < sim->host_count; i++) {
        engine_free(sim->hosts[i].engine);
        pool_free(sim->hosts[i].pool);
        free(sim->hosts[i].actions);
        sim_forget_inbox(&sim->hosts[i]);
    }
    for (size_t i = 0; i < sim->flying_count; i++)
        free(sim->flying[i]);
    free(sim->flying);
    free(sim);
    CHECK_EQUAL(find_keys(&hoard), 0);
    aead_free(aead);
    CHECK_EQUAL(find_keys(&hoard), 0);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void no_key_is_left_after_engine_free(void)
{
    for_each_backend(free_the_engines);
}

/* Sessions that newer ones replaced, and those of an interface that went down. */
static void end_sessions(const char *backend)
{
    static struct hoard hoard;
    struct chain chain;
    hoard.count = 0;
    chain_with(&chain, backend);
    talk(&chain);
    keep_sessions(&hoard, chain.client);
    for (unsigned i = 0; i < 6; i++) { /* two renewals */
        sim_run(chain.sim, 70 * SIM_S);
        talk(&chain);
    }
    CHECK_EQUAL(find_keys(&hoard), 0);
    hoard.count = 0;
    for (size_t i = 0; i < chain.sim->host_count; i++)
        keep_sessions(&hoard, &chain.sim->hosts[i]);
    for (size_t i = 0; i < chain.sim->host_count; i++)
        engine_set_up(chain.sim->hosts[i].engine, false, chain.sim->now);
    CHECK_EQUAL(find_keys(&hoard), 0);
    chain_wipe(&chain);
}

static void no_key_is_left_of_replaced_sessions_and_after_down(void)
{
    for_each_backend(end_sessions);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, no_key_is_left_after_540_s);
    TAP_RUN(argc, argv, no_key_is_left_after_engine_free);
    TAP_RUN(argc, argv, no_key_is_left_of_replaced_sessions_and_after_down);
    return tap_done();
}
