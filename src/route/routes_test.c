/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>

#include "rigs/forest.h"
#include "tap.h"

static void forest_add(struct forest *forest, int carrier, const char *list)
{
    size_t at = forest->count++;
    struct routes_tunnel *tunnel = &forest->tunnels[at];
    *tunnel = (struct routes_tunnel){
        .carrier = carrier, .includes = forest->includes[at], .exceptions = forest->exceptions[at]};
    char copy[200], *rest = NULL;
    memcpy(copy, list, strlen(list) + 1);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (*word == '!')
            CHECK(prefix_parse(word + 1, &forest->exceptions[at][tunnel->exception_count++]));
        else
            CHECK(prefix_parse(word, &forest->includes[at][tunnel->include_count++]));
    }
}

static struct routes forest_routes(const struct forest *forest)
{
    struct routes routes;
    struct routes_conflict conflict;
    CHECK(routes_init(&routes, tap_memory(), forest->tunnels, forest->count, &conflict));
    return routes;
}

static int lookup(const struct routes *routes, const char *text)
{
    struct address address;
    CHECK(address_parse(text, &address));
    return routes_lookup(routes, &address);
}

struct listing {
    char text[1000];
    size_t len;
};

static void list(struct listing *listing, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(listing->text + listing->len, sizeof(listing->text) - listing->len, format,
                        arguments);
    va_end(arguments);
    listing->len += (size_t)len;
}

static void list_route(void *context, const struct prefix *prefix, int winner)
{
    char text[PREFIX_TEXT_BYTES];
    list(context, "%s=%d ", prefix_format(prefix, text), winner);
}

static void list_loss(void *context, const struct routes_loss *loss)
{
    char text[PREFIX_TEXT_BYTES];
    list(context, "%s:%d>%d%s ", prefix_format(&loss->prefix, text), loss->loser, loss->winner,
         loss->was_longest ? "!" : "");
}

static void check_lists(const struct forest *forest, const char *walked, const char *lost)
{
    struct listing routes_listing = {0}, losses_listing = {0};
    struct routes routes = forest_routes(forest);
    routes_walk(&routes, list_route, &routes_listing);
    CHECK_TEXT(routes_listing.text, walked);
    CHECK(routes_walk_losses(tap_memory(), forest->tunnels, forest->count, list_loss,
                             &losses_listing));
    CHECK_TEXT(losses_listing.text, lost);
    routes_wipe(&routes);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_a1_longest_of_include_and_exception_wins(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0 10.2.3.0/24 !10.0.0.0/8 !10.2.3.4/32");
    struct routes routes = forest_routes(&forest);
    CHECK_EQUAL(lookup(&routes, "9.9.9.9"), 0);
    CHECK_EQUAL(lookup(&routes, "10.9.9.9"), ROUTES_THROW);
    CHECK_EQUAL(lookup(&routes, "10.2.3.5"), 0);
    CHECK_EQUAL(lookup(&routes, "10.2.3.4"), ROUTES_THROW);
    CHECK_EQUAL(lookup(&routes, "2001:db8::1"), ROUTES_NONE);
    routes_wipe(&routes);
    check_lists(&forest, "0.0.0.0/0=0 10.0.0.0/8=-2 10.2.3.0/24=0 10.2.3.4/32=-2 ", "");
}

static void test_a1_a_written_prefix_beside_the_same_tunnels_default_is_a_route(void)
{
    static const char *const lists[][2] = {
        {"192.168.178.0/24 0.0.0.0/0", "0.0.0.0/0=0 192.168.178.0/24=0 "},
        {"0.0.0.0/1 128.0.0.0/1 172.16.0.0/12 172.16.5.0/24",
         "0.0.0.0/1=0 128.0.0.0/1=0 172.16.0.0/12=0 "},
        {"0.0.0.0/0 128.0.0.0/1 172.16.0.0/12", "0.0.0.0/0=0 128.0.0.0/1=0 172.16.0.0/12=0 "},
        {"::/0 fd20::/16 fd20:20::/48 !fd20:30::/32", "::/0=0 fd20::/16=0 fd20:30::/32=-2 "},
        {"::/1 8000::/1 8000::/2", "::/1=0 8000::/1=0 8000::/2=0 "},
        {"0.0.0.0/0 10.0.0.0/8 !10.0.0.0/8 10.1.0.0/16",
         "0.0.0.0/0=0 10.0.0.0/8=-2 10.1.0.0/16=0 "},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        struct forest forest = {0};
        forest_add(&forest, -1, lists[i][0]);
        check_lists(&forest, lists[i][1], "");
    }
    /* Whoever wrote it: what the carrier alone would keep from the host's routes, both keep. */
    struct forest forest = {0};
    forest_add(&forest, -1, "192.168.178.0/24");
    forest_add(&forest, 0, "0.0.0.0/0 !10.0.0.0/8");
    forest_add(&forest, -1, "10.0.0.0/8");
    check_lists(&forest, "0.0.0.0/0=1 10.0.0.0/8=2 192.168.178.0/24=1 ", "192.168.178.0/24:0>1! ");
}

static void test_a1_exception_beats_include_of_the_same_length(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "10.0.0.0/8 !10.0.0.0/8");
    check_lists(&forest, "10.0.0.0/8=-2 ", "");
}

static void test_a1_exception_goes_to_another_tunnel_that_takes_it(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0");
    forest_add(&forest, 0, "0.0.0.0/0 !192.168.0.0/16");
    check_lists(&forest, "0.0.0.0/0=1 192.168.0.0/16=0 ", "0.0.0.0/0:0>1 ");
}

static void test_a1_tunnel_without_routes_only_carries(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "");
    forest_add(&forest, 0, "10.20.0.0/16 fd00::/8");
    check_lists(&forest, "10.20.0.0/16=1 fd00::/8=1 ", "");
    struct routes routes = forest_routes(&(struct forest){0});
    CHECK_EQUAL(lookup(&routes, "10.20.0.0"), ROUTES_NONE);
    routes_wipe(&routes);
}

static void test_a2_carriers_longer_prefix_never_beats_what_it_carries(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/1 128.0.0.0/1 203.0.113.0/24");
    forest_add(&forest, 0, "0.0.0.0/0");
    check_lists(&forest, "0.0.0.0/0=1 0.0.0.0/1=1 128.0.0.0/1=1 203.0.113.0/24=1 ",
                "0.0.0.0/1:0>1! 128.0.0.0/1:0>1! ");
}

static void test_a2_unrelated_tunnels_compete_as_routes_do(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0");
    forest_add(&forest, -1, "10.0.0.0/8");
    forest_add(&forest, 0, "10.0.0.0/9");
    forest_add(&forest, 1, "10.200.0.0/16");
    check_lists(&forest, "0.0.0.0/0=0 10.0.0.0/8=1 10.0.0.0/9=2 10.200.0.0/16=3 ",
                "10.0.0.0/9:0>2 10.200.0.0/16:1>3 ");
}

static void test_a2_same_prefix_on_unrelated_tunnels_is_refused(void)
{
    struct forest forest = {0};
    struct routes routes;
    struct routes_conflict conflict;
    char text[PREFIX_TEXT_BYTES];
    forest_add(&forest, -1, "0.0.0.0/0 fd00::/8");
    forest_add(&forest, 0, "10.0.0.0/8");
    forest_add(&forest, 0, "192.0.2.0/24 10.0.0.0/8");
    CHECK(!routes_init(&routes, tap_memory(), forest.tunnels, forest.count, &conflict));
    CHECK_EQUAL(conflict.tunnel, 1);
    CHECK_EQUAL(conflict.other, 2);
    CHECK_TEXT(prefix_format(&conflict.prefix, text), "10.0.0.0/8");
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* The tie appears only where an exception takes the third tunnel away. */
static void test_a2_hidden_tie_is_refused_with_the_prefix_that_both_claim(void)
{
    struct forest forest = {0};
    struct routes routes;
    struct routes_conflict conflict;
    char text[PREFIX_TEXT_BYTES];
    forest_add(&forest, -1, "10.0.0.0/8");
    forest_add(&forest, -1, "10.0.0.0/8");
    forest_add(&forest, 0, "0.0.0.0/0");
    CHECK(routes_init(&routes, tap_memory(), forest.tunnels, forest.count, &conflict));
    CHECK_EQUAL(lookup(&routes, "10.1.1.1"), 1);
    routes_wipe(&routes);
    forest.count = 2;
    forest_add(&forest, 0, "0.0.0.0/0 !10.64.0.0/10");
    CHECK(!routes_init(&routes, tap_memory(), forest.tunnels, forest.count, &conflict));
    CHECK_TEXT(prefix_format(&conflict.prefix, text), "10.0.0.0/8");
    CHECK_EQUAL(conflict.tunnel + conflict.other, 1);
}

static void test_a3_a_loss_is_told_again_after_a_part_that_is_kept(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0");
    forest_add(&forest, 0, "10.0.0.0/8 10.1.2.0/24 10.3.0.0/16 !10.1.0.0/16");
    check_lists(&forest, "0.0.0.0/0=0 10.0.0.0/8=1 10.1.0.0/16=0 10.1.2.0/24=1 ",
                "10.0.0.0/8:0>1 10.1.2.0/24:0>1 ");
}

static void test_a3_every_carrier_of_a_chain_loses(void)
{
    struct forest forest = {0};
    forest_add(&forest, 1, "0.0.0.0/0");
    forest_add(&forest, 2, "10.0.0.0/8");
    forest_add(&forest, -1, "0.0.0.0/0 172.16.0.0/12");
    check_lists(&forest, "0.0.0.0/0=0 10.0.0.0/8=0 172.16.0.0/12=0 ",
                "0.0.0.0/0:2>0 10.0.0.0/8:1>0! 172.16.0.0/12:2>0! ");
}

/* Inside the loss of its shorter prefix, whose length says nothing, the longer one is news. */
static void test_a3_a_longer_prefix_lost_inside_a_shorter_one_s_loss_is_told(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0 10.20.3.0/24 10.20.3.128/25 10.20.9.0/24 !10.20.9.0/25");
    forest_add(&forest, 0, "10.20.0.0/16");
    check_lists(&forest, "0.0.0.0/0=0 10.20.0.0/16=1 ",
                "10.20.0.0/16:0>1 10.20.3.0/24:0>1! 10.20.9.0/24:0>1! ");
}

static void test_a6_a_forest_has_several_roots(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "0.0.0.0/0 ::/0");
    forest_add(&forest, -1, "192.168.7.0/24 fd07::/64");
    forest_add(&forest, 0, "10.20.0.0/16");
    check_lists(&forest, "0.0.0.0/0=0 10.20.0.0/16=2 192.168.7.0/24=1 ::/0=0 fd07::/64=1 ",
                "10.20.0.0/16:0>2 ");
}

/* No memory, at whatever allocation, is told and leaks nothing. */
static unsigned takes_left;

static void *take_few(void *context, size_t bytes)
{
    const struct memory *memory = context;
    return takes_left && takes_left-- ? memory_take(memory, bytes) : NULL;
}

static void give_back(void *context, void *pointer, size_t bytes)
{
    memory_give(context, pointer, bytes);
}

static void test_no_memory_is_told(void)
{
    struct forest forest = {0};
    forest_add(&forest, -1, "10.0.0.0/8 192.168.0.0/16");
    forest_add(&forest, 0, "0.0.0.0/0 fd00::/8");
    struct memory memory = {take_few, give_back, (void *)(uintptr_t)tap_memory()};
    unsigned takes = 0;
    for (bool is_made = false; !is_made && takes < 50; takes++) {
        struct routes routes;
        struct routes_conflict conflict = {.tunnel = 5};
        takes_left = takes;
        is_made = routes_init(&routes, &memory, forest.tunnels, forest.count, &conflict);
        if (is_made)
            routes_wipe(&routes);
        else
            CHECK_EQUAL(conflict.tunnel, -1);
        CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    }
    CHECK(takes > 4 && takes < 50);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a1_longest_of_include_and_exception_wins);
    TAP_RUN(argc, argv, test_a1_a_written_prefix_beside_the_same_tunnels_default_is_a_route);
    TAP_RUN(argc, argv, test_a1_exception_beats_include_of_the_same_length);
    TAP_RUN(argc, argv, test_a1_exception_goes_to_another_tunnel_that_takes_it);
    TAP_RUN(argc, argv, test_a1_tunnel_without_routes_only_carries);
    TAP_RUN(argc, argv, test_a2_carriers_longer_prefix_never_beats_what_it_carries);
    TAP_RUN(argc, argv, test_a2_unrelated_tunnels_compete_as_routes_do);
    TAP_RUN(argc, argv, test_a2_same_prefix_on_unrelated_tunnels_is_refused);
    TAP_RUN(argc, argv, test_a2_hidden_tie_is_refused_with_the_prefix_that_both_claim);
    TAP_RUN(argc, argv, test_a3_a_loss_is_told_again_after_a_part_that_is_kept);
    TAP_RUN(argc, argv, test_a3_every_carrier_of_a_chain_loses);
    TAP_RUN(argc, argv, test_a3_a_longer_prefix_lost_inside_a_shorter_one_s_loss_is_told);
    TAP_RUN(argc, argv, test_a6_a_forest_has_several_roots);
    TAP_RUN(argc, argv, test_no_memory_is_told);
    return tap_done();
}
