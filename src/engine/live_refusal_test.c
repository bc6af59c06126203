/* SPDX-License-Identifier: MIT */
/* A change that is refused, for whatever reason, has changed nothing. */
#include <errno.h>

#include "engine/lanes.h"
#include "engine/tree_description.h"
#include "simulation/alike.h"
#include "simulation/living.h"
#include "simulation/questions.h"
#include "simulation/scarce.h"

/* ---- refusals: nothing changes ---- */

static void refusals_say_where_and_what(void)
{
    struct office office;
    office_init_connected(&office);
    struct network_description before = living_describe(office.client), after;
    struct peer_description peer = living_peer(77);
    const struct change unknown = {.kind = CHANGE_PEER_SET, .tunnel = "nobody", .peer = &peer,
                                   .where = "office.conf:12"};
    living_refuse(office.client, &unknown, -EINVAL,
                  "office.conf:12: tunnel nobody: there is none of that name; add it first");
    const struct change loop = {.kind = CHANGE_TUNNEL_SET, .tunnel = "entry",
                                .fields = CHANGE_CARRIER, .carrier = "office"};
    living_refuse(office.client, &loop, -EINVAL,
                  "tunnel entry: it would ride inside itself, or deeper than 8 tunnels; choose "
                  "another carrier");
    const struct change carrier = {.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "entry"};
    living_refuse(office.client, &carrier, -EINVAL,
                  "tunnel entry: it still carries \"office\"; give that another carrier or remove "
                  "it first");
    peer = living_peer(78);
    peer.has_endpoint = true;
    peer.endpoint = sample_endpoint("[2001:db8::9]:7");
    struct status_peer lab;
    status_read_peer(office.client->engine, OFFICE_OFFICE, 0, office.sim->now, &lab);
    const struct change second[] = {
        {.kind = CHANGE_TUNNEL_SET, .tunnel = "lab", .fields = CHANGE_CARRIER, .carrier = "home"},
        {.kind = CHANGE_PEER_SET, .tunnel = "office", .peer = &peer}};
    struct text why = TEXT_ROOM(512);
    CHECK_EQUAL(living_apply(office.client, second, 2, &why), -EINVAL);
    CHECK_TEXT(why.bytes,
               "tunnel lab: its peer's endpoint 203.0.113.3 is not in the AllowedIPs of its "
               "carrier \"home\"; add it there or choose another carrier");
    after = living_describe(office.client);
    CHECK(living_are_equal(&before, &after));
    tree_description_forget(tap_memory(), &before);
    tree_description_forget(tap_memory(), &after);
    living_talk(&office, "10.31.0.1", office.lab[0], "10.30.0.2", 3);
    CHECK(sim_is_undisturbed(office.client));
    office_wipe(&office);
}

static void tunnels_that_cannot_be_are_refused(void)
{
    struct office office;
    office_init_connected(&office);
    struct tunnel_description bare = {.name = "more"};
    const struct change nowhere = {.kind = CHANGE_TUNNEL_ADD, .tunnel = "more",
                                   .carrier = "nobody", .description = &bare,
                                   .where = "office.conf:30"};
    living_refuse(office.client, &nowhere, -EINVAL,
                  "office.conf:30: tunnel more: there is no tunnel \"nobody\" that could carry it; "
                  "name one that there is");
    struct peer_description twice[] = {living_peer(79), living_peer(79)};
    bare.peers = twice;
    bare.peer_count = 2;
    const struct change same_key = {.kind = CHANGE_TUNNEL_ADD, .tunnel = "more",
                                    .description = &bare};
    living_refuse(office.client, &same_key, -EINVAL,
                  "tunnel more: a peer's public key is given twice; write the two as one peer");
    const struct change all[] = {{.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "office"},
                                 {.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "lab"},
                                 {.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "home"},
                                 {.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "entry"}};
    struct text last = TEXT_ROOM(512);
    CHECK_EQUAL(living_apply(office.client, all, 4, &last), -EINVAL);
    CHECK_TEXT(last.bytes, "tunnel entry: it is the last one; a network has at least one, and ends "
                           "with down");
    living_talk(&office, "10.31.0.1", office.lab[0], "10.30.0.2", 3);
    office_wipe(&office);
}

/* RULES A2. Whichever way routes are made, the place is that of the tunnel that was changed. */
static void a_tie_says_where(void)
{
    struct office office;
    office_init_connected(&office);
    struct peer_description peer;
    struct change_allowed_ip tie = {living_prefix("192.168.0.0/16"), false};
    const struct tunnel_description routes = {.routes = &tie.prefix, .route_count = 1};
    const struct change ties = {.kind = CHANGE_TUNNEL_SET, .tunnel = "lab",
                                .fields = CHANGE_ROUTES, .description = &routes,
                                .where = "office.conf:21"};
    living_refuse(office.client, &ties, -EINVAL,
                  "office.conf:21: tunnel lab: it and \"home\" both route 192.168.0.0/16, and "
                  "neither carries the other; give one of them Routes without it");
    peer = living_peer(79);
    struct change patch = {.kind = CHANGE_PEER_SET, .tunnel = "office", .peer = &peer,
                           .allowed_ips = &tie, .allowed_ips_count = 1,
                           .where = "office.conf:13"};
    living_refuse(office.client, &patch, -EINVAL,
                  "office.conf:13: tunnel office: it and \"home\" both route 192.168.0.0/16, and "
                  "neither carries the other; give one of them Routes without it");
    patch.where = NULL; /* of `wg` */
    living_refuse(office.client, &patch, -EINVAL,
                  "tunnel office: it and \"home\" both route 192.168.0.0/16, and neither carries "
                  "the other; give one of them Routes without it");
    office_wipe(&office);
}

/* What a change of one tunnel does to another has the place of the change. */
static void what_follows_elsewhere_says_where(void)
{
    struct office office;
    office_init_connected(&office);
    struct peer_description peer = living_peer(11);
    const struct change narrower = {.kind = CHANGE_PEER_SET, .tunnel = "entry", .peer = &peer,
                                    .fields = CHANGE_REPLACE_ALLOWED_IPS,
                                    .where = "office.conf:5"};
    living_refuse(office.client, &narrower, -EINVAL,
                  "office.conf:5: tunnel office: its peer's endpoint 203.0.113.2 is not in the "
                  "AllowedIPs of its carrier \"entry\"; add it there or choose another carrier");
    struct tunnel_description port = {.listen_port = OFFICE_PORT};
    const struct change same = {.kind = CHANGE_TUNNEL_SET, .tunnel = "lab",
                                .fields = CHANGE_LISTEN_PORT, .description = &port,
                                .where = "office.conf:22"};
    living_refuse(office.client, &same, -EADDRINUSE,
                  "office.conf:22: tunnel lab: port 61111 is \"office\"'s already, beside which it "
                  "stands; choose another");
    port.listen_port = 61222;
    living_apply_one(office.client, &same);
    const struct change back = {.kind = CHANGE_TUNNEL_SET, .tunnel = "office",
                                .fields = CHANGE_LISTEN_PORT, .description = &port,
                                .where = "office.conf:12"};
    living_refuse(office.client, &back, -EADDRINUSE,
                  "office.conf:12: tunnel office: port 61222 is \"lab\"'s already, beside which it "
                  "stands; choose another");
    office_wipe(&office);
}

/* ---- memory ends anywhere ---- */

static struct scarce scarce;

/* Every kind at once, in two tunnels of the office's. */
static size_t all_kinds(struct change *list)
{
    static struct peer_description peers[3];
    static struct change_allowed_ip allowed[3];
    static struct address addresses[2];
    static struct tunnel_description set, add;
    for (unsigned i = 0; i < 3; i++)
        peers[i] = living_peer(70 + i);
    peers[1].endpoint_name = (char *)"relay.example";
    peers[1].endpoint.port = 7;
    peers[2].has_endpoint = true;
    peers[2].endpoint = sample_endpoint("203.0.113.2:7");
    sim_public_key(0, peers[0].public_key);
    allowed[0] = (struct change_allowed_ip){living_prefix("10.50.0.0/16"), false};
    allowed[1] = (struct change_allowed_ip){living_prefix("10.20.0.0/16"), true};
    allowed[2] = (struct change_allowed_ip){living_prefix("10.31.5.0/24"), false};
    addresses[0] = sample_address("10.9.9.9");
    addresses[1] = sample_address("10.60.0.2");
    set = (struct tunnel_description){.addresses = addresses, .address_count = 1};
    add = (struct tunnel_description){.name = "more", .addresses = &addresses[1],
                                      .address_count = 1, .peers = &peers[2], .peer_count = 1,
                                      .routes_are_default = true};
    sim_private_key(90, set.private_key);
    sim_private_key(91, add.private_key);
    size_t count = 0;
    list[count++] = (struct change){.kind = CHANGE_TUNNEL_SET, .tunnel = "office",
                                    .fields = CHANGE_PRIVATE_KEY | CHANGE_ADDRESSES,
                                    .description = &set};
    list[count++] = (struct change){.kind = CHANGE_PEER_SET, .tunnel = "office", .peer = &peers[0],
                                    .fields = CHANGE_PRESHARED_KEY | CHANGE_KEEPALIVE,
                                    .allowed_ips = allowed, .allowed_ips_count = 2};
    list[count++] = (struct change){.kind = CHANGE_TUNNEL_ADD, .tunnel = "more",
                                    .carrier = "entry", .description = &add};
    list[count++] = (struct change){.kind = CHANGE_PEER_SET, .tunnel = "lab", .peer = &peers[1],
                                    .fields = CHANGE_ENDPOINT, .allowed_ips = &allowed[2],
                                    .allowed_ips_count = 1};
    list[count++] = (struct change){.kind = CHANGE_PEERS_REMOVE, .tunnel = "home"};
    list[count++] = (struct change){.kind = CHANGE_TUNNEL_REMOVE, .tunnel = "home"};
    return count;
}

/* Peers alone: routes are patched. */
static size_t peer_kinds(struct change *list)
{
    static struct peer_description peers[2];
    static struct change_allowed_ip allowed[2];
    peers[0] = living_peer(80);
    peers[1] = living_peer(81);
    peers[1].has_endpoint = true;
    peers[1].endpoint = sample_endpoint("203.0.113.9:7");
    allowed[0] = (struct change_allowed_ip){living_prefix("10.20.7.0/24"), false};
    allowed[1] = (struct change_allowed_ip){living_prefix("10.31.5.0/24"), false};
    list[0] = (struct change){.kind = CHANGE_PEER_SET, .tunnel = "office", .peer = &peers[0],
                              .fields = CHANGE_PRESHARED_KEY, .allowed_ips = allowed,
                              .allowed_ips_count = 1};
    list[1] = (struct change){.kind = CHANGE_PEER_SET, .tunnel = "lab", .peer = &peers[1],
                              .fields = CHANGE_ENDPOINT, .allowed_ips = &allowed[1],
                              .allowed_ips_count = 1};
    list[2] = (struct change){.kind = CHANGE_PEER_REMOVE, .tunnel = "lab", .peer = &peers[1]};
    return 3;
}

/* Fails each of the takes in turn; then the change is made. How many there were. */
static size_t apply_with_less_and_more(struct office *office, const struct change *list,
                                       size_t count)
{
    struct network_description before = living_describe(office->client), after;
    const struct tree *tree = &office->client->engine->core.tree;
    const uint32_t peer_count = tree->peer_count;
    const struct changes changes = {.list = list, .count = count};
    size_t takes = 0;
    for (;; takes++) {
        struct text foreseen = TEXT_ROOM(512), why = TEXT_ROOM(512);
        scarce.left = takes;
        int would_be = engine_try(office->client->engine, &changes, &foreseen);
        CHECK(would_be == 0 || strstr(foreseen.bytes, "no memory"));
        scarce.left = takes;
        int error = living_apply(office->client, list, count, &why);
        if (error == 0)
            break;
        scarce.left = SIZE_MAX;
        CHECK_EQUAL(error, -ENOMEM);
        CHECK(strstr(why.bytes, "no memory"));
        after = living_describe(office->client);
        bool are_equal = CHECK(living_are_equal(&before, &after)) &&
                         CHECK_EQUAL(tree->peer_count, peer_count);
        tree_description_forget(tap_memory(), &after);
        if (!are_equal)
            break;
        if (takes % 8 == 0)
            living_talk(office, "10.20.7.1", office->office, "10.9.0.2", (uint32_t)takes);
    }
    scarce.left = SIZE_MAX;
    tree_description_forget(tap_memory(), &before);
    return takes;
}

static void all_or_nothing_wherever_memory_ends(void)
{
    struct office office;
    struct change list[8];
    office_init_connected(&office);
    scarce_init(&scarce, office.client->engine);
    CHECK(apply_with_less_and_more(&office, list, peer_kinds(list)) > 15);
    const struct change forget = {.kind = CHANGE_PEER_REMOVE, .tunnel = "office",
                                  .peer = list[0].peer};
    living_apply_one(office.client, &forget);
    CHECK(apply_with_less_and_more(&office, list, all_kinds(list)) > 30);
    CHECK_EQUAL(engine_find_tunnel(office.client->engine, "home"), -1);
    CHECK(engine_find_tunnel(office.client->engine, "more") >= 0);
    sim_run(office.sim, 10 * SIM_S);
    office_wipe(&office);
}

/* ---- any change, with traffic ---- */

#define CHANGES 30
#define PEERS_MOST 64

/* Sessions, counters, endpoints and what waits. */
struct state {
    struct network_description description;
    struct status_tunnel tunnels[SIM_TUNNELS_MOST];
    struct status_peer peers[PEERS_MOST];
    size_t peer_count;
    size_t memory_bytes;
};

static void take_state(const struct everywhere *living, struct state *state)
{
    const struct engine *engine = living->host->engine;
    memset(state, 0, sizeof(*state));
    state->memory_bytes = tap_memory_balance_bytes();
    state->description = living_describe(living->host);
    for (int t = -1; (t = engine_next_tunnel(engine, t)) >= 0;) {
        status_read_tunnel(engine, (uint32_t)t, &state->tunnels[t]);
        for (int p = -1; (p = engine_next_peer(engine, (uint32_t)t, p)) >= 0;) {
            if (CHECK(state->peer_count < PEERS_MOST))
                status_read_peer(engine, (uint32_t)t, (uint32_t)p, living->sim->now,
                                 &state->peers[state->peer_count++]);
        }
    }
}

static void forget_state(struct state *state)
{
    tree_description_forget(tap_memory(), &state->description);
}

static bool is_in_state(const struct everywhere *living, const struct state *state)
{
    static struct state now;
    take_state(living, &now);
    bool is = living_are_equal(&now.description, &state->description) &&
              memcmp(now.tunnels, state->tunnels, sizeof(now.tunnels)) == 0 &&
              memcmp(now.peers, state->peers, sizeof(now.peers)) == 0;
    forget_state(&now);
    return is;
}

/* Rooms that were made stay for the next time: a second refusal takes nothing. */
static void refuse_again(struct everywhere *living, const struct changes *changes, size_t takes)
{
    for (unsigned i = 0; i < 3; i++) {
        size_t memory_bytes = tap_memory_balance_bytes();
        scarce.left = takes;
        engine_try(living->host->engine, changes, TEXT_UNHEARD);
        scarce.left = SIZE_MAX;
        CHECK(i < 2 || tap_memory_balance_bytes() == memory_bytes);
    }
}

/* It was refused for good, or is made. */
static void apply_at_last(struct everywhere *living, const struct changes *changes)
{
    static struct state before;
    struct engine *engine = living->host->engine;
    int error = -ENOMEM;
    take_state(living, &before);
    for (size_t takes = 0; error == -ENOMEM; takes++) {
        struct text why = TEXT_ROOM(512);
        scarce.left = takes;
        error = engine_apply(engine, changes, living->sim->now, &why);
        scarce.left = SIZE_MAX;
        if (error == 0)
            break;
        CHECK(error != -ENOMEM || strstr(why.bytes, "no memory; nothing was changed"));
        if (!CHECK(is_in_state(living, &before)))
            break;
        if (takes % 8 == 0)
            refuse_again(living, changes, takes);
    }
    forget_state(&before);
}

static void check_behaviour(struct everywhere *living)
{
    static struct everywhere fresh;
    struct network_description described = living_describe(living->host);
    everywhere_init(&fresh, &described, tap_random_source());
    alike_set_root_mtus(fresh.host->engine);
    CHECK(alike_engines(living->host->engine, fresh.host->engine, tap_random_source()));
    CHECK(questions_find_them_alike(living, &fresh, tap_random_source(), 20));
    everywhere_wipe(&fresh);
    tree_description_forget(tap_memory(), &described);
}

static void wherever_memory_ends_a_refusal_leaves_no_trace(void)
{
    static struct sim_network network;
    static struct everywhere living;
    static struct changing changing;
    changing_init_network(&network);
    everywhere_init(&living, &network.description, tap_random_source());
    alike_set_root_mtus(living.host->engine);
    scarce_init(&scarce, living.host->engine);
    check_behaviour(&living);
    for (unsigned i = 0; i < CHANGES; i++) {
        changing_draw(&changing, tap_random_source(), true);
        apply_at_last(&living, &changing.changes);
        living.host->is_dirty = true;
        alike_set_root_mtus(living.host->engine);
        everywhere_follow(&living);
        if (i % 6 == 5)
            check_behaviour(&living);
    }
    everywhere_wipe(&living);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, refusals_say_where_and_what);
    TAP_RUN(argc, argv, tunnels_that_cannot_be_are_refused);
    TAP_RUN(argc, argv, a_tie_says_where);
    TAP_RUN(argc, argv, what_follows_elsewhere_says_where);
    TAP_RUN(argc, argv, all_or_nothing_wherever_memory_ends);
    TAP_RUN(argc, argv, wherever_memory_ends_a_refusal_leaves_no_trace);
    return tap_done();
}
