/* SPDX-License-Identifier: MIT */
/* Each byte is a choice: changes of a living network under traffic, and before each change after
 * how many takes of memory there is none. A refusal changes nothing, and in the end the network
 * does with every packet what one does that is started with what is configured by then. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/tree_description.h"
#include "simulation/alike.h"
#include "simulation/living.h"
#include "simulation/questions.h"
#include "simulation/scarce.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHANGES_MOST 24
#define QUESTIONS 16
#define ENOUGH_TAKES 64 /* as a rule; from here on none fails */

struct play {
    const uint8_t *data;
    size_t left;
    uint64_t random_state;
    struct sim_network network;
    struct changing changing;
    struct everywhere living, fresh;
    struct scarce scarce;
};

static void require(bool holds)
{
    if (holds && !tap_has_failed())
        return;
    fflush(stdout); /* what was told */
    abort();
}

/* What is behind the input follows from it. */
static void fill(void *context, uint8_t *bytes, size_t len)
{
    struct play *play = context;
    for (size_t i = 0; i < len; i++) {
        play->random_state = play->random_state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(play->random_state >> 56);
    }
}

static void choose(void *context, uint8_t *bytes, size_t len)
{
    struct play *play = context;
    for (; len && play->left; len--, play->left--) {
        play->random_state ^= *play->data;
        *bytes++ = *play->data++;
    }
    fill(context, bytes, len);
}

static void change(struct play *play, const struct random_source *choices)
{
    struct engine *engine = play->living.host->engine;
    changing_draw(&play->changing, choices, true);
    unsigned takes = changing_below(choices, 256);
    const struct changes *changes = &play->changing.changes;
    if (takes < ENOUGH_TAKES) {
        play->scarce.left = takes;
        engine_try(engine, changes, TEXT_UNHEARD);
        play->scarce.left = SIZE_MAX;
    }
    living_try_and_apply(engine, changes, play->living.sim->now);
    play->living.host->is_dirty = true;
    alike_set_root_mtus(engine);
    everywhere_follow(&play->living);
    sim_run(play->living.sim, changing_below(choices, 8) * SIM_S / 4);
}

static void compare(struct play *play, const struct random_source *choices,
                    const struct random_source *random)
{
    struct network_description described = living_describe(play->living.host);
    everywhere_init(&play->fresh, &described, random);
    alike_set_root_mtus(play->fresh.host->engine);
    require(alike_engines(play->living.host->engine, play->fresh.host->engine, choices));
    require(questions_find_them_alike(&play->living, &play->fresh, choices, QUESTIONS));
    everywhere_wipe(&play->fresh);
    tree_description_forget(tap_memory(), &described);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct play play;
    const struct random_source random = {.fill = fill, .context = &play};
    const struct random_source choices = {.fill = choose, .context = &play};
    play = (struct play){.data = data, .left = size};
    changing_init_network(&play.network);
    everywhere_init(&play.living, &play.network.description, &random);
    alike_set_root_mtus(play.living.host->engine);
    scarce_init(&play.scarce, play.living.host->engine);
    for (unsigned i = 0; i < CHANGES_MOST && play.left; i++)
        change(&play, &choices);
    compare(&play, &choices, &random);
    everywhere_wipe(&play.living);
    require(CHECK_EQUAL(tap_memory_balance_bytes(), 0));
    return 0;
}
