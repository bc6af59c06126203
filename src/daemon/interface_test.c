/* SPDX-License-Identifier: MIT */
#include "daemon/interface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/check.h"
#include "io/io_memory.h"
#include "io/loop.h"
#include "rigs/config_text.h"
#include "tap.h"

#define KEY "PrivateKey = QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA=\n"
#define OTHER_KEY "PrivateKey = UAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFA=\n"
#define PEER "[Peer]\nPublicKey = L+V9o0fNYkMVKNqsX7spBzD/9oSvxM/C7ZCZX1jLO3Q=\n"
#define OTHER_PEER "[Peer]\nPublicKey = X+V9o0fNYkMVKNqsX7spBzD/9oSvxM/C7ZCZX1jLO3Q=\n"

struct setup {
    struct config *config;
    struct pool *pool;
    struct aead *aead;
    struct engine *engine;
    struct interface_exceptions exceptions;
    struct routing_entry *entries;
    size_t count;
};

static bool setup_make(struct setup *setup, const char *text)
{
    struct pool_shape shape;
    *setup = (struct setup){.config = config_text_load(text)};
    if (!setup->config)
        return false;
    engine_pool_shape(&setup->config->network, &shape);
    setup->pool = pool_new(io_memory_plain(), &shape);
    setup->aead = aead_new(io_memory_plain(), "portable");
    struct engine_options options = {.secrets = io_memory_plain(),
                                     .pool = setup->pool,
                                     .aead = setup->aead,
                                     .random = loop_random()};
    setup->engine = engine_new(&options, &setup->config->network, TEXT_UNHEARD);
    CHECK(setup->engine != NULL);
    return setup->engine != NULL;
}

static void setup_lay(struct setup *setup)
{
    free(setup->entries);
    setup->entries = NULL;
    CHECK_EQUAL(interface_routes(setup->config, setup->engine, &setup->exceptions, &setup->entries,
                                 &setup->count),
                0);
}

static void setup_free(struct setup *setup)
{
    free(setup->entries);
    engine_free(setup->engine);
    aead_free(setup->aead);
    pool_free(setup->pool);
    config_free(setup->config);
}

static const struct routing_entry *entry_of(const struct setup *setup, const char *prefix)
{
    static const struct routing_entry none = {.kind = (enum routing_kind)-1};
    char text[PREFIX_TEXT_BYTES];
    for (size_t i = 0; i < setup->count; i++) {
        if (strcmp(prefix_format(&setup->entries[i].prefix, text), prefix) == 0)
            return &setup->entries[i];
    }
    return &none;
}

static const char *source_of(const struct routing_entry *entry)
{
    static char text[ADDRESS_TEXT_BYTES];
    return entry->source.family ? address_format(&entry->source, text) : "none";
}

static const char two_hops[] =
    "[Tunnel entry]\n" KEY "Address = 10.64.0.2/32, fc00:bbbb::2/128\n" PEER
    "Endpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0, ::/0\n"
    "[Tunnel office]\n" OTHER_KEY "Via = entry\nAddress = 10.70.0.2/32\n"
    "Routes = 10.20.0.0/16, !10.20.9.0/24, !172.16.0.0/12\n" OTHER_PEER
    "Endpoint = 203.0.113.20:51820\nAllowedIPs = 10.20.0.0/16\n";

static void test_E2_each_route_has_the_mtu_of_its_path_and_the_interface_the_largest(void)
{
    struct setup setup;
    if (setup_make(&setup, two_hops)) {
        engine_set_root_mtu(setup.engine, 0, 1440);
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, "0.0.0.0/0")->mtu_bytes, 1440);
        CHECK_EQUAL(entry_of(&setup, "10.20.0.0/16")->mtu_bytes, 1380);
        CHECK_EQUAL(interface_mtu(setup.config, setup.engine), 1440);
    }
    setup_free(&setup);
}

/* Of the interface and of one of its routes, when the root's is 1440. */
static void expect_mtu(const char *text, const char *prefix, uint32_t mtu_bytes)
{
    struct setup setup;
    if (setup_make(&setup, text)) {
        engine_set_root_mtu(setup.engine, 0, 1440);
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, prefix)->mtu_bytes, mtu_bytes);
        CHECK_EQUAL(interface_mtu(setup.config, setup.engine), mtu_bytes);
    }
    setup_free(&setup);
}

/* G3: its one route is its name server's. */
static void test_E2_a_tunnel_routed_for_its_name_server_alone_counts(void)
{
    static const char text[] =
        "[Tunnel entry]\n" KEY "Address = 10.64.0.2/32\nRoutes = none\nDNS = 10.64.0.1\n" PEER
        "Endpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0\n"
        "[Tunnel office]\n" OTHER_KEY "Via = entry\nAddress = 10.70.0.2/32\n" OTHER_PEER
        "Endpoint = 203.0.113.20:51820\nAllowedIPs = 10.20.0.0/16\n";
    expect_mtu(text, "10.64.0.1/32", 1440);
}

/* All that the carrier routes goes to what it carries. */
static void test_E2_a_tunnel_that_loses_all_its_prefixes_does_not_count(void)
{
    static const char text[] =
        "[Tunnel entry]\n" KEY "Address = 10.64.0.2/32\n" PEER
        "Endpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0\n"
        "[Tunnel exit]\n" OTHER_KEY "Via = entry\nAddress = 10.70.0.2/32\n" OTHER_PEER
        "Endpoint = 203.0.113.20:51820\nAllowedIPs = 0.0.0.0/0\n";
    expect_mtu(text, "0.0.0.0/0", 1380);
}

static void test_E2_no_route_exceeds_the_configured_mtu_of_the_interface(void)
{
    char text[sizeof(two_hops) + 32];
    struct setup setup;
    snprintf(text, sizeof(text), "[Network]\nMTU = 1400\n%s", two_hops);
    if (setup_make(&setup, text)) {
        engine_set_root_mtu(setup.engine, 0, 1440);
        setup_lay(&setup);
        CHECK_EQUAL(interface_mtu(setup.config, setup.engine), 1400);
        CHECK_EQUAL(entry_of(&setup, "0.0.0.0/0")->mtu_bytes, 1400);
        CHECK_EQUAL(entry_of(&setup, "::/0")->mtu_bytes, 1400);
        CHECK_EQUAL(entry_of(&setup, "10.20.0.0/16")->mtu_bytes, 1380);
    }
    setup_free(&setup);
}

static void test_E4_an_interface_with_ipv6_never_falls_below_1280(void)
{
    struct setup setup;
    if (setup_make(&setup, two_hops)) {
        engine_set_root_mtu(setup.engine, 0, 1000);
        setup_lay(&setup);
        CHECK_EQUAL(interface_mtu(setup.config, setup.engine), 1280);
        CHECK_EQUAL(entry_of(&setup, "0.0.0.0/0")->mtu_bytes, 1000);
        CHECK_EQUAL(entry_of(&setup, "::/0")->mtu_bytes, 1280);
    }
    setup_free(&setup);
}

static void test_F2_routes_carry_the_nat_address_as_their_source(void)
{
    struct setup setup;
    if (setup_make(&setup, two_hops)) {
        setup_lay(&setup);
        CHECK_TEXT(source_of(entry_of(&setup, "10.20.0.0/16")), "10.64.0.2");
        CHECK_TEXT(source_of(entry_of(&setup, "::/0")), "fc00:bbbb::2");
        CHECK_EQUAL(entry_of(&setup, "10.20.0.0/16")->kind, ROUTING_TUNNEL);
    }
    setup_free(&setup);
}

static void test_B3_a_tunnel_without_nat_has_its_own_address_as_source(void)
{
    char text[sizeof(two_hops) + 16];
    snprintf(text, sizeof(text), "%s", two_hops);
    struct setup setup;
    char *via = strstr(text, "Via = entry\n");
    memmove(via + 22, via + 12, strlen(via + 12) + 1);
    memcpy(via, "Via = entry\nNAT = off\n", 22);
    if (setup_make(&setup, text)) {
        setup_lay(&setup);
        CHECK_TEXT(source_of(entry_of(&setup, "10.20.0.0/16")), "10.70.0.2");
    }
    setup_free(&setup);
}

static void test_A1_an_exception_that_no_other_tunnel_takes_is_left_to_the_host(void)
{
    static const char alone[] =
        "[Tunnel a]\n" KEY "Address = 10.1.0.2/32\nRoutes = 10.0.0.0/8, !10.5.0.0/16\n" PEER
        "Endpoint = 192.0.2.1:51820\nAllowedIPs = 10.0.0.0/8, fd00::/8\n";
    struct setup setup;
    if (setup_make(&setup, alone)) {
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, "10.0.0.0/8")->kind, ROUTING_TUNNEL);
        CHECK_EQUAL(entry_of(&setup, "10.5.0.0/16")->kind, ROUTING_THROW);
    }
    setup_free(&setup);
}

static void test_F1_the_lan_goes_before_a_tunnel_s_prefix_and_guests_before_a_shorter_one(void)
{
    struct prefix prefixes[2];
    struct setup setup;
    CHECK(prefix_parse("10.20.0.0/16", &prefixes[0]) && prefix_parse("10.20.8.0/24", &prefixes[1]));
    if (setup_make(&setup, two_hops)) {
        setup.exceptions = (struct interface_exceptions){.guests = prefixes, .guest_count = 2};
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, "10.20.0.0/16")->kind, ROUTING_TUNNEL);
        CHECK_EQUAL(entry_of(&setup, "10.20.8.0/24")->kind, ROUTING_LAN);
        const struct firewall_lan on_link[] = {{prefixes[0], 7}, {prefixes[1], 7}};
        setup.exceptions = (struct interface_exceptions){.on_link = on_link, .on_link_count = 2};
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, "10.20.0.0/16")->kind, ROUTING_LAN);
        CHECK(entry_of(&setup, "10.20.0.0/16")->is_tunnels);
        CHECK_EQUAL(entry_of(&setup, "10.20.8.0/24")->kind, ROUTING_LAN);
        CHECK(!entry_of(&setup, "10.20.8.0/24")->is_tunnels);
        setup.exceptions.lan = prefixes;
        setup.exceptions.lan_count = 1;
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, "10.20.0.0/16")->kind, ROUTING_THROW);
        setup.exceptions = (struct interface_exceptions){.lan = prefixes, .lan_count = 2};
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, "10.20.0.0/16")->kind, ROUTING_THROW);
        CHECK_EQUAL(entry_of(&setup, "10.20.8.0/24")->kind, ROUTING_THROW);
    }
    setup_free(&setup);
}

static void test_F2_a_family_that_nobody_has_is_unreachable(void)
{
    static const char ipv4_only[] =
        "[Tunnel a]\n" KEY "Address = 10.1.0.2/32\n" PEER
        "Endpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0, ::/0\n";
    struct setup setup;
    if (setup_make(&setup, ipv4_only)) {
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, "0.0.0.0/0")->kind, ROUTING_TUNNEL);
        CHECK_EQUAL(entry_of(&setup, "::/0")->kind, ROUTING_UNREACHABLE);
    }
    setup_free(&setup);
}

/* The entry's IPv6 is on the interface, but the office, which has 10.20.0.0/16 and fd20::/48,
 * cannot send any. */
static void test_F2_a_prefix_whose_winner_lacks_the_family_is_unreachable(void)
{
    static const char text[] =
        "[Tunnel entry]\n" KEY "Address = 10.64.0.2/32, fc00:bbbb::2/128\n" PEER
        "Endpoint = 192.0.2.1:51820\nAllowedIPs = 203.0.113.0/24, fd01::/48\n"
        "[Tunnel office]\n" OTHER_KEY "Via = entry\nAddress = 10.70.0.2/32\n" OTHER_PEER
        "Endpoint = 203.0.113.20:51820\nAllowedIPs = 10.20.0.0/16, fd20::/48\n"
        "[Tunnel lab]\n" OTHER_KEY "Via = entry\nAddress = fd70::2/128\nNAT = off\n" OTHER_PEER
        "Endpoint = 203.0.113.21:51820\nAllowedIPs = 10.30.0.0/16, fd30::/48\n";
    struct setup setup;
    if (setup_make(&setup, text)) {
        setup_lay(&setup);
        CHECK_EQUAL(entry_of(&setup, "fd01::/48")->kind, ROUTING_TUNNEL);
        CHECK_EQUAL(entry_of(&setup, "10.20.0.0/16")->kind, ROUTING_TUNNEL);
        CHECK_EQUAL(entry_of(&setup, "fd20::/48")->kind, ROUTING_UNREACHABLE);
        CHECK_EQUAL(entry_of(&setup, "fd30::/48")->kind, ROUTING_TUNNEL);
        CHECK_EQUAL(entry_of(&setup, "10.30.0.0/16")->kind, ROUTING_UNREACHABLE);
    }
    setup_free(&setup);
}

static void test_A1_a_written_prefix_beside_a_default_is_an_entry(void)
{
    static const char text[] =
        "[Tunnel entry]\n" KEY "Address = 10.64.0.2/32, fc00:bbbb::2/128\nDNS = 10.64.0.1\n" PEER
        "Endpoint = 192.0.2.1:51820\nAllowedIPs = 192.168.178.0/24, 0.0.0.0/0, ::/0\n" OTHER_PEER
        "AllowedIPs = 172.16.0.0/12, fd20::/48\n";
    static const char *const written[] = {"192.168.178.0/24", "172.16.0.0/12", "fd20::/48",
                                          "10.64.0.1/32", "0.0.0.0/0", "::/0"};
    struct setup setup;
    if (setup_make(&setup, text)) {
        setup_lay(&setup);
        for (size_t i = 0; i < sizeof(written) / sizeof(*written); i++)
            CHECK_EQUAL(entry_of(&setup, written[i])->kind, ROUTING_TUNNEL);
        CHECK_EQUAL(setup.count, sizeof(written) / sizeof(*written));
    }
    setup_free(&setup);
}

static void test_A3_the_preview_lists_routes_and_what_is_lost(void)
{
    static const char odd[] =
        "[Tunnel entry]\n" KEY "Address = 10.64.0.2/32\n" PEER
        "Endpoint = 127.0.0.1:51820\nAllowedIPs = 0.0.0.0/0, 10.20.3.0/24\n"
        "[Tunnel office]\n" OTHER_KEY "Via = entry\nAddress = 10.70.0.2/32\n"
        "Routes = 10.20.0.0/16, 10.99.0.0/16\n" OTHER_PEER
        "Endpoint = 203.0.113.20:51820\nAllowedIPs = 10.20.0.0/16\n";
    char bytes[8192];
    struct text text;
    struct config *config = config_text_load(odd);
    text_init(&text, bytes, sizeof(bytes));
    if (config) {
        CHECK(check_append(config, &text));
        CHECK(strstr(bytes, "route 10.20.0.0/16: office\n") != NULL);
        CHECK(strstr(bytes, "route 0.0.0.0/0: entry\n") != NULL);
        CHECK(strstr(bytes, "entry loses 10.20.0.0/16 to office, which it carries\n") != NULL);
        CHECK(strstr(bytes, "warning: entry loses 10.20.3.0/24 to office") != NULL);
        text_init(&text, bytes, 40); /* a text that is too small is cut and says so */
        CHECK(check_append(config, &text));
        CHECK(text.is_cut && strlen(bytes) < 40);
    }
    config_free(config);
}

static size_t takes;

static void *take_counted(void *context, size_t bytes)
{
    (void)context;
    takes++;
    return memory_take(io_memory_plain(), bytes);
}

static void give_counted(void *context, void *pointer, size_t bytes)
{
    (void)context;
    memory_give(io_memory_plain(), pointer, bytes);
}

static void test_the_preview_keeps_keys_where_the_configuration_has_them(void)
{
    static const struct memory counted = {.take = take_counted, .give = give_counted};
    struct text text = TEXT_ROOM(8192);
    struct config *config = config_text_load("[Tunnel entry]\n" KEY "Address = 10.64.0.2/32\n" PEER
                                 "Endpoint = 127.0.0.1:51820\nAllowedIPs = 0.0.0.0/0\n");
    if (config) {
        config->arena.memory = &counted;
        takes = 0;
        CHECK(check_append(config, &text));
        CHECK(takes > 0);
    }
    config_free(config);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_E2_each_route_has_the_mtu_of_its_path_and_the_interface_the_largest);
    TAP_RUN(argc, argv, test_E2_a_tunnel_routed_for_its_name_server_alone_counts);
    TAP_RUN(argc, argv, test_E2_a_tunnel_that_loses_all_its_prefixes_does_not_count);
    TAP_RUN(argc, argv, test_E2_no_route_exceeds_the_configured_mtu_of_the_interface);
    TAP_RUN(argc, argv, test_E4_an_interface_with_ipv6_never_falls_below_1280);
    TAP_RUN(argc, argv, test_F2_routes_carry_the_nat_address_as_their_source);
    TAP_RUN(argc, argv, test_B3_a_tunnel_without_nat_has_its_own_address_as_source);
    TAP_RUN(argc, argv, test_A1_an_exception_that_no_other_tunnel_takes_is_left_to_the_host);
    TAP_RUN(argc, argv,
            test_F1_the_lan_goes_before_a_tunnel_s_prefix_and_guests_before_a_shorter_one);
    TAP_RUN(argc, argv, test_F2_a_family_that_nobody_has_is_unreachable);
    TAP_RUN(argc, argv, test_F2_a_prefix_whose_winner_lacks_the_family_is_unreachable);
    TAP_RUN(argc, argv, test_A1_a_written_prefix_beside_a_default_is_an_entry);
    TAP_RUN(argc, argv, test_A3_the_preview_lists_routes_and_what_is_lost);
    TAP_RUN(argc, argv, test_the_preview_keeps_keys_where_the_configuration_has_them);
    return tap_done();
}
