/* SPDX-License-Identifier: MIT */
/* Links that lose, delay, duplicate and reorder, ends that move about: what arrives is what was
 * sent, once, and when the weather clears everything works. Other seeds, other weather. */
#include <stdio.h>
#include <stdlib.h>

#include "simulation/chain.h"
#include "simulation/office.h"

#define PACKETS 1500

enum { UNREACHABLE = 3 };

struct arrivals {
    bool has_come[PACKETS];
    unsigned count;
};

/* All that is in the inbox: unchanged, none twice. */
static void collect(struct sim_host *host, struct arrivals *arrivals, const struct sample *like,
                    const char *source, const char *destination)
{
    static uint8_t expected[SAMPLE_MOST_BYTES];
    for (struct sim_packet *packet; (packet = sim_take(host)); free(packet)) {
        struct sample sample = *like;
        if (packet->bytes[20] == UNREACHABLE) /* the exit did not know its client yet */
            continue;
        sample.serial = sample_serial(packet->bytes, packet->len_bytes);
        sample.source = source;
        sample.destination = destination;
        sample.len_bytes = 60 + sample.serial % 1000;
        if (!CHECK(sample.serial < PACKETS))
            continue;
        CHECK(!arrivals->has_come[sample.serial]);
        arrivals->has_come[sample.serial] = true;
        arrivals->count++;
        CHECK_EQUAL(packet->len_bytes, sample_write(&sample, expected));
        CHECK_BYTES(packet->bytes, expected, packet->len_bytes);
    }
}

static struct sample echo(const char *source, const char *destination, uint32_t serial)
{
    return (struct sample){.source = source,
                           .destination = destination,
                           .serial = serial,
                           .protocol = IP_PROTOCOL_ICMP,
                           .len_bytes = 60 + serial % 1000};
}

static void wander(struct chain *chain)
{
    char text[48];
    switch (tap_random_below(6)) {
    case 0:
        snprintf(text, sizeof(text), "198.51.100.%u", (unsigned)(1 + tap_random_below(250)));
        sim_move(chain->client, text);
        break;
    case 1: /* whom the other end never knew, or has moved itself, would stay lost */
        if (chain->depth > 1 && sim_peer_state(chain->exit, 0, 0) == STATUS_PEER_UP)
            chain->exit->ports[0] = (uint16_t)(1024 + tap_random_below(60000));
        break;
    case 2:
        sim_run(chain->sim, tap_random_below(400) * SIM_S);
        break;
    case 3:
        chain->sim->link.lose_permille = 900;
        sim_run(chain->sim, tap_random_below(30) * SIM_S);
        chain->sim->link.lose_permille = 50;
        break;
    default:
        break;
    }
}

static bool is_up(const struct chain *chain)
{
    for (uint32_t i = 0; i < chain->depth; i++)
        if (sim_peer_state(chain->client, i, 0) != STATUS_PEER_UP)
            return false;
    return true;
}

static void check_verdicts(const struct sim_host *host)
{
    static const enum verdict possible[] = {VERDICT_OK,
                                            VERDICT_REPLAYED,
                                            VERDICT_UNKNOWN_INDEX,
                                            VERDICT_SESSION_EXPIRED,
                                            VERDICT_HANDSHAKE_REFUSED,
                                            VERDICT_HANDSHAKE_REPLAYED,
                                            VERDICT_RATE_LIMITED,
                                            VERDICT_STAGE_EXPIRED,
                                            VERDICT_STAGE_FULL,
                                            VERDICT_SUPERSEDED,
                                            VERDICT_NO_ENDPOINT};
    for (int verdict = 0; verdict < VERDICT_COUNT; verdict++) {
        bool is_possible = false;
        for (size_t i = 0; i < sizeof(possible) / sizeof(*possible); i++)
            is_possible |= (int)possible[i] == verdict;
        if (!is_possible)
            CHECK_TEXT(sim_drops(host, (enum verdict)verdict) ? verdict_name((enum verdict)verdict)
                                                              : "",
                       "");
    }
}

static void a_storm(unsigned depth, bool wanders)
{
    struct chain chain;
    char translated[48];
    unsigned sent_up = 0; /* before a session stands much may be lost */
    const char *client = "10.100.0.2", *world = "198.51.100.9";
    const struct chain_shape shape = {
        .depth = depth, .families = 2, .link_mtu_bytes = 1500, .keepalive_s = 20};
    struct arrivals *there = calloc(1, sizeof(*there)), *back = calloc(1, sizeof(*back));
    chain_init(&chain, &shape);
    chain_address(false, depth - 1, 2, translated);
    chain.sim->link = (struct sim_link){.delay_ns = 20 * NS_PER_MS,
                                        .jitter_ns = 40 * NS_PER_MS,
                                        .lose_permille = 50,
                                        .duplicate_permille = 50};
    for (uint32_t serial = 0; serial < PACKETS; serial++) {
        const struct sample out = echo(client, world, serial);
        const struct sample in = echo(world, translated, serial);
        sent_up += is_up(&chain);
        sim_send(chain.client, &out);
        sim_send(chain.exit, &in);
        sim_run(chain.sim, tap_random_below(50) * NS_PER_MS);
        if (wanders && serial % 25 == 0)
            wander(&chain);
    }
    sim_run(chain.sim, SIM_S);
    const struct sample like = echo(client, world, 0);
    collect(chain.exit, there, &like, translated, world);
    collect(chain.client, back, &like, world, client);
    if (!wanders) {
        CHECK(sent_up > 0);
        CHECK(there->count > sent_up / 2);
        CHECK(back->count > sent_up / 2);
    }

    chain.sim->link = (struct sim_link){.delay_ns = 20 * NS_PER_MS};
    for (unsigned i = 0; i < 3; i++) {
        const struct sample in = echo(world, translated, i);
        sim_send(chain.exit, &in); /* so that it is found where it went */
        sim_run(chain.sim, 10 * SIM_S);
    }
    sim_forget_inbox(chain.exit);
    CHECK(is_up(&chain));
    const struct sample last = echo(client, world, 7);
    sim_send(chain.client, &last);
    sim_run(chain.sim, SIM_S);
    chain_expect(chain.exit, &last, translated, world);
    check_verdicts(chain.client);
    for (unsigned i = 0; i < depth; i++)
        check_verdicts(chain.relays[i]);
    chain_wipe(&chain);
    free(there);
    free(back);
}

static void one_hop_in_a_storm(void)
{
    a_storm(1, false);
}

static void three_hops_in_a_storm(void)
{
    a_storm(3, false);
}

static void wanderers_in_a_storm(void)
{
    a_storm(1, true);
    a_storm(2, true);
    a_storm(4, true);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, one_hop_in_a_storm);
    TAP_RUN(argc, argv, three_hops_in_a_storm);
    TAP_RUN(argc, argv, wanderers_in_a_storm);
    return tap_done();
}
