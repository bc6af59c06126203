/* SPDX-License-Identifier: MIT */
#include "daemon/coverage.h"

#include <string.h>

#include "tap.h"

#define BLOCKS 256
#define PREFIXES_MOST 24

static bool is_most(const char *const *includes, const char *const *exceptions, enum family family)
{
    struct prefix routes[8], out[8];
    struct tunnel_description tunnel = {.routes = routes, .route_exceptions = out};
    while (includes[tunnel.route_count]) {
        CHECK(prefix_parse(includes[tunnel.route_count], &routes[tunnel.route_count]));
        tunnel.route_count++;
    }
    while (exceptions && exceptions[tunnel.route_exception_count]) {
        CHECK(prefix_parse(exceptions[tunnel.route_exception_count],
                           &out[tunnel.route_exception_count]));
        tunnel.route_exception_count++;
    }
    return coverage_is_most(&tunnel, family);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_g3_one_address_more_than_half_is_most(void)
{
    CHECK(is_most(LIST("0.0.0.0/0"), NULL, FAMILY_IPV4));
    CHECK(!is_most(LIST("0.0.0.0/0"), NULL, FAMILY_IPV6));
    CHECK(is_most(LIST("::/1", "8000::/1"), NULL, FAMILY_IPV6));
    CHECK(!is_most(LIST("128.0.0.0/1"), NULL, FAMILY_IPV4));
    CHECK(is_most(LIST("128.0.0.0/1", "10.0.0.1/32"), NULL, FAMILY_IPV4));
    CHECK(is_most(LIST("8000::/1", "::1/128"), NULL, FAMILY_IPV6));
    CHECK(!is_most(LIST("8000::/1", "8000::1/128"), NULL, FAMILY_IPV6));
    CHECK(!is_most(LIST("::/0"), LIST("::/1"), FAMILY_IPV6));
    CHECK(is_most(LIST("::/0"), LIST("::/2", "fc00::/7"), FAMILY_IPV6));
    CHECK(!is_most(LIST("0.0.0.0/0"), LIST("0.0.0.0/0"), FAMILY_IPV4));
    CHECK(is_most(LIST("0.0.0.0/0", "0.0.0.0/1"), LIST("0.0.0.0/0", "1.0.0.0/32"), FAMILY_IPV4) ==
          false);
    CHECK(is_most(LIST("0.0.0.0/1", "128.0.0.1/32"), LIST("0.0.0.0/0"), FAMILY_IPV4));
}

static void test_g3_the_peers_allowed_ips_count_where_routes_are_default(void)
{
    struct prefix low = {.address = {.family = FAMILY_IPV4}, .len_bits = 1};
    struct prefix high = {.address = {.family = FAMILY_IPV4, .bytes = {128}}, .len_bits = 1};
    struct peer_description peers[2] = {{.allowed_ips = &low, .allowed_ips_count = 1},
                                        {.allowed_ips = &high, .allowed_ips_count = 1}};
    struct tunnel_description tunnel = {.routes_are_default = true, .peers = peers,
                                        .peer_count = 2};
    CHECK(coverage_is_most(&tunnel, FAMILY_IPV4));
    tunnel.peer_count = 1;
    CHECK(!coverage_is_most(&tunnel, FAMILY_IPV4));
    tunnel.peer_count = 2;
    tunnel.routes_are_default = false; /* Routes = none */
    CHECK(!coverage_is_most(&tunnel, FAMILY_IPV4));
}

/* Each block of 1/256 by the longest prefix around it. */
static bool naive_is_most(const struct tunnel_description *tunnel)
{
    unsigned taken = 0;
    for (unsigned block = 0; block < BLOCKS; block++) {
        struct address address = {.family = FAMILY_IPV4, .bytes = {(uint8_t)block}};
        int longest = -1, longest_exception = -1;
        for (size_t i = 0; i < tunnel->route_count; i++)
            if (prefix_contains(&tunnel->routes[i], &address) &&
                tunnel->routes[i].len_bits > longest)
                longest = tunnel->routes[i].len_bits;
        for (size_t i = 0; i < tunnel->route_exception_count; i++)
            if (prefix_contains(&tunnel->route_exceptions[i], &address) &&
                tunnel->route_exceptions[i].len_bits > longest_exception)
                longest_exception = tunnel->route_exceptions[i].len_bits;
        taken += longest > longest_exception;
    }
    return taken > BLOCKS / 2;
}

static void test_the_count_is_that_of_a_naive_twin(void)
{
    unsigned most = 0;
    for (unsigned round = 0; round < 20000; round++) {
        struct prefix lists[2][PREFIXES_MOST];
        size_t counts[2] = {tap_random() % PREFIXES_MOST, tap_random() % 8};
        for (unsigned l = 0; l < 2; l++) {
            for (size_t i = 0; i < counts[l]; i++) {
                lists[l][i] = (struct prefix){
                    .address = {.family = FAMILY_IPV4, .bytes = {(uint8_t)tap_random()}},
                    .len_bits = (uint8_t)(tap_random() % 9)};
                prefix_mask(&lists[l][i]);
            }
        }
        struct tunnel_description tunnel = {.routes = lists[0], .route_count = counts[0],
                                            .route_exceptions = lists[1],
                                            .route_exception_count = counts[1]};
        bool is_most = coverage_is_most(&tunnel, FAMILY_IPV4);
        most += is_most;
        if (is_most != naive_is_most(&tunnel)) {
            CHECK_EQUAL(round, 0);
            return;
        }
    }
    CHECK(most > 2000 && most < 18000); /* both answers were asked for */
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_g3_one_address_more_than_half_is_most);
    TAP_RUN(argc, argv, test_g3_the_peers_allowed_ips_count_where_routes_are_default);
    TAP_RUN(argc, argv, test_the_count_is_that_of_a_naive_twin);
    return tap_done();
}
