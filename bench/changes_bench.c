/* SPDX-License-Identifier: MIT */
/* What a change of one peer costs beside ten thousand others (engine_apply). Time is this thread's
 * own: a busy machine counts for nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/engine.h"
#include "tap.h"

#define OTHERS 10000
#define CHANGES 1000
#define NOW (1000 * NS_PER_S)

struct bench {
    struct engine *engine;
    uint8_t keys[OTHERS + CHANGES][32];
    struct peer_description peer;
    struct change_allowed_ip allowed_ip;
};

static double cpu_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* The peer of this number, and an address of its own in `net`. */
static double change(struct bench *bench, enum change_kind kind, unsigned fields, size_t prefixes,
                     unsigned number, uint8_t net)
{
    struct address address = {.family = FAMILY_IPV4,
                              .bytes = {net, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                                        (uint8_t)number}};
    bench->allowed_ip.prefix = prefix_host(&address);
    memcpy(bench->peer.public_key, bench->keys[number], 32);
    const struct change one = {.kind = kind, .fields = fields, .tunnel = "wg0",
                               .peer = &bench->peer, .allowed_ips = &bench->allowed_ip,
                               .allowed_ips_count = prefixes};
    const struct changes changes = {.list = &one, .count = 1};
    char why[256];
    double before = cpu_us();
    if (!engine_apply(bench->engine, &changes, NOW, why, sizeof(why))) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    return cpu_us() - before;
}

static void print(const char *what, double us[CHANGES])
{
    qsort(us, CHANGES, sizeof(*us), compare);
    printf("peers=%d change=%s median_us=%.1f p99_us=%.1f\n", OTHERS, what, us[CHANGES / 2],
           us[CHANGES * 99 / 100]);
}

static void make_engine(struct bench *bench)
{
    struct address address = {.family = FAMILY_IPV4, .bytes = {192, 0, 2, 1}};
    struct tunnel_description tunnel = {.name = "wg0", .carrier = TUNNEL_NO_CARRIER,
                                        .addresses = &address, .address_count = 1,
                                        .routes_are_default = true};
    const struct network_description network = {.tunnels = &tunnel, .tunnel_count = 1};
    struct pool_shape shape;
    char why[256];
    tap_random_bytes(tunnel.private_key, 32);
    engine_pool_shape(&network, &shape);
    const struct engine_options options = {.secrets = tap_memory(),
                                           .pool = pool_new(tap_memory(), &shape),
                                           .aead = aead_new(tap_memory(), NULL),
                                           .random = tap_random_source()};
    bench->engine = engine_new(&options, &network, why, sizeof(why));
    if (!bench->engine)
        abort();
    engine_set_root_mtu(bench->engine, 0, 1420);
    engine_set_up(bench->engine, true, NOW);
}

int main(void)
{
    static struct bench bench;
    static double us[CHANGES];
    make_engine(&bench);
    for (unsigned i = 0; i < OTHERS + CHANGES; i++)
        tap_random_bytes(bench.keys[i], 32);
    for (unsigned i = 0; i < OTHERS; i++)
        change(&bench, CHANGE_PEER_SET, 0, 1, i, 10);
    for (unsigned i = 0; i < CHANGES; i++)
        us[i] = change(&bench, CHANGE_PEER_SET, 0, 1, OTHERS + i, 10);
    print("add", us);
    for (unsigned i = 0; i < CHANGES; i++)
        us[i] = change(&bench, CHANGE_PEER_SET, CHANGE_PRESHARED_KEY, 0, i * 7, 10);
    print("preshared-key", us);
    for (unsigned i = 0; i < CHANGES; i++)
        us[i] = change(&bench, CHANGE_PEER_SET, CHANGE_REPLACE_ALLOWED_IPS, 1, i * 7, 11);
    print("allowed-ips", us);
    for (unsigned i = 0; i < CHANGES; i++)
        us[i] = change(&bench, CHANGE_PEER_REMOVE, 0, 0, i * 9, 10);
    print("remove", us);
    engine_free(bench.engine);
    return 0;
}
