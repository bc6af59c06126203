/* SPDX-License-Identifier: MIT */
/* Whatever the changes, and their order: a network that lived through them is as one that was
 * started with what is configured in the end. Once without a packet, where thousands of changes
 * cost little, and once under traffic: then both are asked the same random packets. */
#include <stdio.h>

#include "engine/lanes.h"
#include "engine/live.h"
#include "engine/tree_description.h"
#include "simulation/alike.h"
#include "simulation/living.h"
#include "simulation/questions.h"

static struct engine *start(const struct network_description *network, struct pool **pool,
                            struct aead *aead, struct text *why)
{
    struct pool_shape shape;
    engine_pool_shape(network, &shape);
    shape.slots = 16;
    shape.receive_blocks = 1;
    *pool = pool_new(tap_memory(), &shape);
    const struct engine_options options = {.secrets = tap_memory(), .pool = *pool, .aead = aead,
                                           .random = tap_random_source()};
    return engine_new(&options, network, why);
}

static void check_against_a_new_one(const struct engine *engine, struct aead *aead)
{
    struct network_description described, again;
    struct pool *pool;
    struct text why = TEXT_ROOM(512);
    if (!CHECK(engine_describe(engine, tap_memory(), &described)))
        return;
    struct engine *fresh = start(&described, &pool, aead, &why);
    if (CHECK(fresh != NULL)) {
        alike_set_root_mtus(fresh);
        CHECK(alike_engines(engine, fresh, tap_random_source()));
        size_t first = description_first_root(&described);
        CHECK_EQUAL(engine_first_root(engine),
                    engine_find_tunnel(engine, described.tunnels[first].name));
        CHECK(engine_describe(fresh, tap_memory(), &again));
        CHECK(living_are_equal(&described, &again));
        tree_description_forget(tap_memory(), &again);
    } else {
        CHECK_TEXT(why.bytes, "");
    }
    engine_free(fresh);
    pool_free(pool);
    tree_description_forget(tap_memory(), &described);
}

static void a_network_that_changed_is_as_one_started_so(void)
{
    static struct sim_network network;
    static struct changing changing;
    unsigned applied = 0, refused = 0;
    changing_init_network(&network);
    struct aead *aead = aead_new(tap_memory(), NULL);
    struct pool *pool;
    struct engine *engine = start(&network.description, &pool, aead, TEXT_UNHEARD);
    engine_set_up(engine, true, SIM_START_NS);
    for (unsigned step = 0; step < 700; step++) {
        changing_draw(&changing, tap_random_source(), false);
        int error = living_try_and_apply(engine, &changing.changes, SIM_START_NS + step);
        *(error == 0 ? &applied : &refused) += 1;
        alike_set_root_mtus(engine);
        check_against_a_new_one(engine, aead);
    }
    printf("# %u applied, %u refused\n", applied, refused);
    CHECK(applied > 50 && refused > 50);
    engine_free(engine);
    pool_free(pool);
    aead_free(aead);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

#define LIVES 4
#define ROUNDS 6
#define CHANGES_A_ROUND 3
#define QUESTIONS 30

static void check_under_traffic(struct everywhere *living)
{
    static struct everywhere fresh;
    const struct engine *engine = living->host->engine;
    struct network_description described;
    CHECK(engine_describe(engine, tap_memory(), &described));
    everywhere_init(&fresh, &described, tap_random_source());
    alike_set_root_mtus(fresh.host->engine);
    CHECK(alike_engines(engine, fresh.host->engine, tap_random_source()));
    CHECK(questions_find_them_alike(living, &fresh, tap_random_source(), QUESTIONS));
    everywhere_wipe(&fresh);
    tree_description_forget(tap_memory(), &described);
}

struct traffic {
    unsigned out, in, deepest;
};

static bool is_enough(const struct traffic *traffic)
{
    return traffic->out > 100 && traffic->in > 100 && traffic->deepest > 1;
}

static void live(struct traffic *traffic)
{
    static struct sim_network network;
    static struct changing changing;
    static struct everywhere living;
    changing_init_network(&network);
    everywhere_init(&living, &network.description, tap_random_source());
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned applied = 0; applied < CHANGES_A_ROUND;) {
            changing_draw(&changing, tap_random_source(), true);
            applied += living_try_and_apply(living.host->engine, &changing.changes,
                                            living.sim->now) == 0;
            living.host->is_dirty = true;
            alike_set_root_mtus(living.host->engine);
            everywhere_follow(&living);
        }
        check_under_traffic(&living);
    }
    traffic->out += living.came_out;
    traffic->in += living.came_in;
    traffic->deepest = living.deepest > traffic->deepest ? living.deepest : traffic->deepest;
    everywhere_wipe(&living);
}

static void a_network_that_changed_under_traffic_behaves_as_one_started_so(void)
{
    struct traffic traffic = {0};
    /* A life may be one in which hardly a tunnel works. */
    for (unsigned i = 0; i < LIVES || (i < 4 * LIVES && !is_enough(&traffic)); i++)
        live(&traffic);
    printf("# %u packets came out, on ways of up to %u hops, and %u came in\n", traffic.out,
           traffic.deepest, traffic.in);
    CHECK(is_enough(&traffic));
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a_network_that_changed_is_as_one_started_so);
    TAP_RUN(argc, argv, a_network_that_changed_under_traffic_behaves_as_one_started_so);
    return tap_done();
}
