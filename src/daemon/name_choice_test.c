/* SPDX-License-Identifier: MIT */
#include "daemon/name_choice.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tap.h"

/* What the engine says of an address, and whether the host has a route to it. */
struct place {
    const char *address;
    enum engine_way way;
    bool is_routed;
};

struct map {
    const struct place *places;
    size_t count;
    unsigned asked;
};

static struct address parse(const char *text)
{
    struct address address = {0};
    if (*text)
        CHECK(address_parse(text, &address));
    return address;
}

static const struct place *find(struct map *map, const struct address *address)
{
    map->asked++;
    for (size_t i = 0; i < map->count; i++) {
        struct address candidate = parse(map->places[i].address);
        if (address_is_equal(&candidate, address))
            return &map->places[i];
    }
    CHECK(false);
    return &map->places[0];
}

static enum engine_way way_to(void *context, const struct address *address)
{
    return find(context, address)->way;
}

static bool has_route(void *context, const struct address *address)
{
    return find(context, address)->is_routed;
}

/* Of the places' addresses, in this order, those that are kept. */
static void check_kept(const struct place *places, size_t count, const char *expected)
{
    struct map map = {.places = places, .count = count};
    struct address answer[RESOLVE_ADDRESSES_MOST + 4] = {0};
    struct name_addresses kept;
    char address[ADDRESS_TEXT_BYTES];
    struct text text = TEXT_ROOM(1024);
    for (size_t i = 0; i < count; i++)
        answer[i] = parse(places[i].address);
    name_choice_keep(&kept, answer, count, way_to, &map);
    for (size_t i = 0; i < kept.count; i++)
        text_append(&text, "%s%s", i ? " " : "", address_format(&kept.list[i], address));
    CHECK_TEXT(text.bytes, expected);
}

#define CHECK_KEPT(places, expected)                                                               \
    check_kept((places), sizeof(places) / sizeof(*(places)), (expected))

static void test_g2_what_the_tunnel_has_a_way_to_is_kept_in_order(void)
{
    static const struct place root[] = {{"2001:db8::1", ENGINE_WAY_SOCKET, true},
                                        {"192.0.2.1", ENGINE_WAY_NONE, true},
                                        {"198.51.100.1", ENGINE_WAY_SOCKET, false}};
    static const struct place carried[] = {{"192.0.2.1", ENGINE_WAY_NONE, true},
                                           {"10.20.0.1", ENGINE_WAY_CARRIER, true},
                                           {"2001:db8::1", ENGINE_WAY_NONE, true}};
    static const struct place neither[] = {{"192.0.2.1", ENGINE_WAY_NONE, true},
                                           {"2001:db8::1", ENGINE_WAY_NONE, true}};
    CHECK_KEPT(root, "2001:db8::1 198.51.100.1");
    CHECK_KEPT(carried, "10.20.0.1");
    CHECK_KEPT(neither, "");
    check_kept(root, 0, "");
}

static void test_g2_what_is_no_host_s_is_not_asked_for_a_way(void)
{
    static const struct place places[] = {
        {"0.0.0.0", ENGINE_WAY_SOCKET, true},   {"224.0.0.1", ENGINE_WAY_SOCKET, true},
        {"ff02::1", ENGINE_WAY_SOCKET, true},   {"::", ENGINE_WAY_SOCKET, true},
        {"fe80::1", ENGINE_WAY_SOCKET, true},   {"255.255.255.255", ENGINE_WAY_SOCKET, true},
        {"192.0.2.7", ENGINE_WAY_SOCKET, true},
    };
    CHECK_KEPT(places, "192.0.2.7");
}

/* An address of one link, or of this host, means another host inside a tunnel. */
static void test_g2_an_address_of_one_link_is_for_sockets_alone(void)
{
    static const struct place root[] = {{"169.254.1.1", ENGINE_WAY_SOCKET, true},
                                        {"127.0.0.1", ENGINE_WAY_SOCKET, true},
                                        {"::1", ENGINE_WAY_SOCKET, true}};
    static const struct place carried[] = {{"169.254.1.1", ENGINE_WAY_CARRIER, true},
                                           {"127.0.0.1", ENGINE_WAY_CARRIER, true},
                                           {"::1", ENGINE_WAY_CARRIER, true}};
    static const struct place riding[] = {{"169.254.1.1", ENGINE_WAY_FELLOW, true},
                                          {"192.0.2.1", ENGINE_WAY_SOCKET, true}};
    CHECK_KEPT(root, "169.254.1.1 127.0.0.1 ::1");
    CHECK_KEPT(carried, "");
    CHECK_KEPT(riding, "192.0.2.1");
}

/* One address inside a fellow: the others are the same relay past it, in clear of the fellow. */
static void test_a8_what_rides_a_fellow_is_not_reached_past_it(void)
{
    static const struct place inside[] = {{"192.0.2.1", ENGINE_WAY_SOCKET, true},
                                          {"203.0.113.1", ENGINE_WAY_FELLOW, true},
                                          {"2001:db8::1", ENGINE_WAY_SOCKET, true}};
    static const struct place hidden[] = {{"192.0.2.1", ENGINE_WAY_SOCKET, true},
                                          {"2001:db8::1", ENGINE_WAY_HIDDEN, true}};
    CHECK_KEPT(inside, "203.0.113.1");
    CHECK_KEPT(hidden, "");
}

static void test_g2_a_long_answer_is_cut(void)
{
    struct place places[RESOLVE_ADDRESSES_MOST + 4];
    char texts[RESOLVE_ADDRESSES_MOST + 4][16];
    struct address answer[RESOLVE_ADDRESSES_MOST + 4] = {0};
    struct name_addresses kept;
    for (size_t i = 0; i < RESOLVE_ADDRESSES_MOST + 4; i++) {
        snprintf(texts[i], sizeof(texts[i]), "192.0.2.%zu", i + 1);
        places[i] = (struct place){texts[i], ENGINE_WAY_SOCKET, true};
        answer[i] = parse(texts[i]);
    }
    struct map map = {.places = places, .count = RESOLVE_ADDRESSES_MOST + 4};
    name_choice_keep(&kept, answer, RESOLVE_ADDRESSES_MOST + 4, way_to, &map);
    CHECK_EQUAL(kept.count, RESOLVE_ADDRESSES_MOST);
    CHECK_EQUAL(map.asked, RESOLVE_ADDRESSES_MOST);
}

/* Where a peer at `at` ("": nowhere yet) goes; "": it stays. */
static void check_choice(const struct place *places, size_t count, const char *at, bool is_failing,
                         const char *expected)
{
    struct map map = {.places = places, .count = count};
    struct name_addresses addresses = {.count = count};
    struct address now = parse(at);
    char text[ADDRESS_TEXT_BYTES] = "";
    for (size_t i = 0; i < count; i++)
        addresses.list[i] = parse(places[i].address);
    const struct address *choice = name_choice(&addresses, &now, is_failing, has_route, &map);
    if (choice)
        address_format(choice, text);
    if (!CHECK_TEXT(text, expected))
        printf("# from \"%s\"%s\n", at, is_failing ? ", which fails" : "");
}

static void test_g2_the_first_address_then_the_next_in_turn(void)
{
    static const struct place places[] = {{"192.0.2.1", ENGINE_WAY_SOCKET, true},
                                          {"2001:db8::2", ENGINE_WAY_SOCKET, true},
                                          {"192.0.2.3", ENGINE_WAY_SOCKET, true}};
    check_choice(places, 3, "", false, "192.0.2.1");
    check_choice(places, 3, "", true, "192.0.2.1");
    /* One that works is kept, wherever it stands in the answer. */
    for (size_t i = 0; i < 3; i++)
        check_choice(places, 3, places[i].address, false, "");
    for (size_t i = 0; i < 3; i++)
        check_choice(places, 3, places[i].address, true, places[(i + 1) % 3].address);
    /* The name has moved: the old address is none of its. */
    check_choice(places, 3, "198.51.100.9", false, "192.0.2.1");
    check_choice(places, 1, "192.0.2.1", true, ""); /* there is no other */
    check_choice(places, 0, "192.0.2.1", true, "");
}

static void test_g2_a_family_without_a_route_has_no_turn(void)
{
    static const struct place ipv4_alone[] = {{"2001:db8::1", ENGINE_WAY_SOCKET, false},
                                              {"192.0.2.2", ENGINE_WAY_SOCKET, true},
                                              {"2001:db8::3", ENGINE_WAY_SOCKET, false},
                                              {"192.0.2.4", ENGINE_WAY_SOCKET, true}};
    static const struct place single[] = {{"2001:db8::1", ENGINE_WAY_SOCKET, false},
                                          {"192.0.2.2", ENGINE_WAY_SOCKET, true}};
    check_choice(ipv4_alone, 4, "", false, "192.0.2.2");
    check_choice(ipv4_alone, 4, "192.0.2.2", true, "192.0.2.4");
    check_choice(ipv4_alone, 4, "192.0.2.4", true, "192.0.2.2");
    /* Its route is gone: it moves although nothing has failed yet. */
    check_choice(ipv4_alone, 4, "2001:db8::3", false, "192.0.2.2");
    check_choice(single, 2, "192.0.2.2", true, "");
}

/* No route at all says nothing of the addresses: whatever comes back first is used. */
static void test_g2_without_any_route_all_have_their_turn(void)
{
    static const struct place places[] = {{"2001:db8::1", ENGINE_WAY_SOCKET, false},
                                          {"192.0.2.2", ENGINE_WAY_SOCKET, false}};
    check_choice(places, 2, "", false, "2001:db8::1");
    check_choice(places, 2, "192.0.2.2", false, "");
    check_choice(places, 2, "2001:db8::1", true, "192.0.2.2");
    check_choice(places, 2, "192.0.2.2", true, "2001:db8::1");
}

static void test_a_peer_is_at_one_of_the_addresses(void)
{
    struct name_addresses addresses = {.list = {parse("192.0.2.1"), parse("2001:db8::2")},
                                       .count = 2};
    struct address there = parse("2001:db8::2"), elsewhere = parse("192.0.2.3"), none = {0};
    CHECK(name_choice_has(&addresses, &there));
    CHECK(!name_choice_has(&addresses, &elsewhere));
    CHECK(!name_choice_has(&addresses, &none));
    addresses.count = 1;
    CHECK(!name_choice_has(&addresses, &there));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_g2_what_the_tunnel_has_a_way_to_is_kept_in_order);
    TAP_RUN(argc, argv, test_g2_what_is_no_host_s_is_not_asked_for_a_way);
    TAP_RUN(argc, argv, test_g2_an_address_of_one_link_is_for_sockets_alone);
    TAP_RUN(argc, argv, test_a8_what_rides_a_fellow_is_not_reached_past_it);
    TAP_RUN(argc, argv, test_g2_a_long_answer_is_cut);
    TAP_RUN(argc, argv, test_g2_the_first_address_then_the_next_in_turn);
    TAP_RUN(argc, argv, test_g2_a_family_without_a_route_has_no_turn);
    TAP_RUN(argc, argv, test_g2_without_any_route_all_have_their_turn);
    TAP_RUN(argc, argv, test_a_peer_is_at_one_of_the_addresses);
    return tap_done();
}
