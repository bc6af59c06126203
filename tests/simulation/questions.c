/* SPDX-License-Identifier: MIT */
#include "simulation/questions.h"

#include <stdio.h>

#include "engine/lanes.h"

#define QUESTIONS_MOST 64
#define SESSIONS_NS (12 * SIM_S) /* also where an initiation was just lost */
#define ANSWER_NS (20 * NS_PER_MS)

struct question {
    size_t len;
    uint8_t bytes[2048];
};

/* One of those that a host may have, by its place in some order. */
static struct address draw_own_address(const struct everywhere *everywhere,
                                       const struct random_source *random, enum family family)
{
    const struct tree *tree = &everywhere->host->engine->core.tree;
    const struct node *node = NULL;
    struct address address = *tree_nat_address(tree, family);
    if (changing_below(random, 3))
        return address;
    for (unsigned i = 1 + changing_below(random, CHANGING_NAMES); i > 0; i--)
        node = tree_next(tree, node);
    return node ? *node_address(node, family) : address;
}

/* Between one of the host's addresses, as a rule, and somebody; `is_in`: from outside. */
static void draw_question(const struct everywhere *everywhere, const struct random_source *random,
                          struct question *question, bool is_in)
{
    static const uint8_t protocols[] = {IP_PROTOCOL_UDP, IP_PROTOCOL_TCP, IP_PROTOCOL_ICMP};
    static const uint16_t lens[] = {0, 0, 100, 1200, 1270, 1300, 1360, 1420, 1500, 1900};
    struct address far = changing_address(random);
    struct address near = draw_own_address(everywhere, random, (enum family)far.family);
    while (!near.family || changing_below(random, 6) == 0) {
        near = changing_address(random);
        near = near.family == far.family ? near : (struct address){0};
    }
    char of_near[ADDRESS_TEXT_BYTES], of_far[ADDRESS_TEXT_BYTES];
    address_format(&near, of_near);
    address_format(&far, of_far);
    struct sample sample = {.source = is_in ? of_far : of_near,
                            .destination = is_in ? of_near : of_far,
                            .tcp_flags = 0x10,
                            .source_port = 4000,
                            .destination_port = 53};
    sample.protocol = protocols[changing_below(random, 3)];
    sample.may_fragment = changing_below(random, 2);
    sample.len_bytes = lens[changing_below(random, 10)];
    question->len = sample_write(&sample, question->bytes);
}

static bool told_alike(struct everywhere *a, struct everywhere *b, const char *what)
{
    everywhere_tell(a);
    everywhere_tell(b);
    bool are_alike = strcmp(a->trace, b->trace) == 0;
    if (!are_alike)
        printf("# %s, one:\n%s# the other:\n%s", what, a->trace, b->trace);
    everywhere_forget_trace(a);
    everywhere_forget_trace(b);
    return are_alike;
}

static bool ask_both_out(struct everywhere *a, struct everywhere *b,
                         const struct question *question)
{
    everywhere_send(a, question->bytes, question->len);
    everywhere_send(b, question->bytes, question->len);
    sim_run(a->sim, ANSWER_NS);
    sim_run(b->sim, ANSWER_NS);
    return told_alike(a, b, "out");
}

static bool ask_both_in(struct everywhere *a, struct everywhere *b, unsigned peer_key,
                        unsigned own_key, const struct question *question)
{
    everywhere_say(a, peer_key, own_key, question->bytes, question->len);
    everywhere_say(b, peer_key, own_key, question->bytes, question->len);
    sim_run(a->sim, ANSWER_NS);
    sim_run(b->sim, ANSWER_NS);
    return told_alike(a, b, "in");
}

/* All who have sessions get those. */
static void begin(struct everywhere *everywhere, const struct question *questions, unsigned count)
{
    everywhere_follow(everywhere);
    everywhere_forget_ways(everywhere);
    for (unsigned i = 0; i < count; i++)
        everywhere_send(everywhere, questions[i].bytes, questions[i].len);
    sim_run(everywhere->sim, SESSIONS_NS);
    everywhere_forget_trace(everywhere);
}

bool questions_find_them_alike(struct everywhere *a, struct everywhere *b,
                               const struct random_source *random, unsigned count)
{
    static struct question questions[QUESTIONS_MOST];
    struct question in;
    bool are_alike = true;
    for (unsigned i = 0; i < count; i++)
        draw_question(a, random, &questions[i], false);
    begin(a, questions, count);
    begin(b, questions, count);
    for (unsigned i = 0; i < count; i++)
        are_alike &= ask_both_out(a, b, &questions[i]);
    for (unsigned peer_key = 0; peer_key < CHANGING_PEER_KEYS; peer_key++) {
        for (unsigned own_key = 0; own_key < EVERYWHERE_OWN_KEYS; own_key++) {
            if (!a->ways[peer_key][own_key].count || !b->ways[peer_key][own_key].count)
                continue;
            for (unsigned i = 0; i < 4; i++) {
                draw_question(a, random, &in, true);
                are_alike &= ask_both_in(a, b, peer_key, own_key, &in);
            }
        }
    }
    return are_alike;
}
