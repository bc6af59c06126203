/* SPDX-License-Identifier: MIT */
/* What is said of hops that fail, come back and move: once, and a bounded number of times. */
#include "engine/lanes.h"
#include "engine/status.h"
#include "simulation/office.h"

/* Datagrams from or to this host are lost. */
static bool is_cut_off(void *context, struct sim_datagram *datagram)
{
    const struct sim_host *dead = context;
    return !dead || (datagram->sender != dead &&
                     !address_is_equal(&datagram->destination.address, &dead->ipv4));
}

static void talk(struct office *office, const char *destination, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        const struct sample sample = office_sample(destination, 100, i);
        sim_send(office->client, &sample);
        sim_run(office->sim, SIM_S);
    }
}

static void a_hop_that_never_answers_is_told_once_with_a_name(void)
{
    struct office office;
    office_init(&office);
    office.sim->hook = is_cut_off;
    office.sim->hook_context = office.home;
    talk(&office, "192.168.0.1", 15);
    CHECK_EQUAL(sim_logged(office.client, "warning home: peer ", "no answer for 10 s"), 1);
    CHECK_EQUAL(sim_logged(office.client, "(203.0.113.5:", "no answer"), 1);
    talk(&office, "192.168.0.1", 300);
    CHECK_EQUAL(sim_logged(office.client, "", "no answer for"), 1);
    office.sim->hook_context = NULL;
    talk(&office, "192.168.0.1", 30);
    CHECK_EQUAL(sim_logged(office.client, "notice home: peer ", "back after 3"), 1);
    CHECK_EQUAL(sim_logged(office.client, "", "back"), 1);
    CHECK_EQUAL(sim_logged(office.client, "home", "is ready"), 0); /* it is back: once is enough */
    office_wipe(&office);
}

static void a_hop_that_dies_is_told_within_16_s_each_time(void)
{
    struct office office;
    office_init_connected(&office);
    office.sim->hook = is_cut_off;
    for (unsigned round = 1; round <= 3; round++) {
        office.sim->hook_context = office.home;
        talk(&office, "192.168.0.1", 16);
        CHECK_EQUAL(sim_logged(office.client, "warning home", "no answer for 15 s"), round);
        office.sim->hook_context = NULL;
        talk(&office, "192.168.0.1", 20);
        CHECK_EQUAL(sim_logged(office.client, "notice home", "back after"), round);
    }
    CHECK_EQUAL(sim_logged(office.client, "warning", ""), 3);
    office_wipe(&office);
}

static void a_carried_hop_names_the_carrier_that_fails(void)
{
    struct office office;
    office_init(&office);
    office.sim->hook = is_cut_off;
    office.sim->hook_context = office.entry;
    talk(&office, "10.20.0.1", 60);
    CHECK_EQUAL(sim_logged(office.client, "warning entry", "no answer for"), 1);
    CHECK_EQUAL(sim_logged(office.client, "warning office", "no answer for"), 1);
    CHECK_EQUAL(sim_logged(office.client, "office: peer", "its carrier entry does not work"), 1);
    office_wipe(&office);
}

static struct status_peer peer_of_home(const struct office *office)
{
    struct status_peer peer;
    status_read_peer(office->client->engine, OFFICE_HOME, 0, office->sim->now, &peer);
    return peer;
}

/* A session that still lives makes no peer "up" that answers nothing: not while it is asked, nor
 * when that was given up. One attempt is an ordinary renewal. */
static void a_peer_that_does_not_answer_is_not_up_by_its_old_session(void)
{
    struct office office;
    office_init_connected(&office);
    office.sim->hook = is_cut_off;
    office.sim->hook_context = office.home;
    talk(&office, "192.168.0.1", 17);
    struct status_peer peer = peer_of_home(&office);
    CHECK_EQUAL(peer.attempts, 1);
    CHECK_EQUAL(peer.state, STATUS_PEER_UP);
    talk(&office, "192.168.0.1", 10);
    peer = peer_of_home(&office);
    CHECK(peer.attempts > 1);
    CHECK_EQUAL(peer.state, STATUS_PEER_HANDSHAKE);
    CHECK_TEXT(status_peer_word(&peer), "no answer");
    CHECK_EQUAL(peer.since_ns, peer.unanswered_ns);
    sim_run(office.sim, 120 * SIM_S); /* 90 s from when the last packet was missed */
    peer = peer_of_home(&office);
    CHECK(peer_sending_session(office.client->engine->core.tree.nodes[OFFICE_HOME]->peers[0],
                               office.sim->now) != NULL);
    CHECK_TEXT(status_peer_word(&peer), "gave up");
    office.sim->hook_context = NULL;
    talk(&office, "192.168.0.1", 10);
    peer = peer_of_home(&office);
    CHECK_TEXT(status_peer_word(&peer), "up");
    office_wipe(&office);
}

static void an_idle_peer_and_one_that_is_told_of_a_new_network_are_not_missed(void)
{
    struct office office;
    office_init_connected(&office);
    sim_run(office.sim, 30 * SIM_S); /* keepalives have answered what was sent */
    office.sim->hook = is_cut_off;
    office.sim->hook_context = office.home;
    talk(&office, "9.9.9.9", 1);
    sim_run(office.sim, 60 * SIM_S);
    CHECK_EQUAL(sim_logged(office.client, "warning", ""), 0);
    engine_network_changed(office.client->engine, OFFICE_HOME, office.sim->now);
    sim_run(office.sim, 3 * SIM_S);
    CHECK_EQUAL(sim_logged(office.client, "warning", ""), 0);
    office_wipe(&office);
}

/* Whoever is on the way gives each datagram of the client another source. */
static bool readdress(void *context, struct sim_datagram *datagram)
{
    unsigned *count = context;
    if (datagram->destination.port == 51820 && datagram->source.address.bytes[0] == 192)
        datagram->source.port = (uint16_t)(1024 + (*count)++ % 60000);
    return true;
}

static void h3_who_readdresses_10000_datagrams_gets_a_handful_of_lines(void)
{
    struct office office;
    unsigned count = 0;
    office_init_connected(&office);
    office.sim->hook = readdress;
    office.sim->hook_context = &count;
    for (unsigned i = 0; i < 10000; i++) {
        const struct sample sample = office_sample("192.168.0.1", 60, i);
        sim_send(office.client, &sample);
        sim_run(office.sim, NS_PER_MS);
        sim_forget_inbox(office.home);
    }
    sim_run(office.sim, SIM_S);
    sim_forget_inbox(office.home);
    CHECK(count >= 10000);
    unsigned lines = sim_logged(office.home, "is here now", "");
    CHECK(lines >= 1 && lines <= 5);
    sim_run(office.sim, 700 * SIM_S);
    talk(&office, "192.168.0.1", 1);
    CHECK(sim_logged(office.home, "is here now (1", "times more since the last line)") == 1);
    sim_forget_inbox(office.home);
    office_wipe(&office);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, a_hop_that_never_answers_is_told_once_with_a_name);
    TAP_RUN(argc, argv, a_hop_that_dies_is_told_within_16_s_each_time);
    TAP_RUN(argc, argv, a_carried_hop_names_the_carrier_that_fails);
    TAP_RUN(argc, argv, a_peer_that_does_not_answer_is_not_up_by_its_old_session);
    TAP_RUN(argc, argv, an_idle_peer_and_one_that_is_told_of_a_new_network_are_not_missed);
    TAP_RUN(argc, argv, h3_who_readdresses_10000_datagrams_gets_a_handful_of_lines);
    return tap_done();
}
