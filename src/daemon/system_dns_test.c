/* SPDX-License-Identifier: MIT */
#include "daemon/system_dns.h"

#include "tap.h"

static void test_A1_both_halves_are_a_default_route_whichever_peer_has_them(void)
{
    struct address server = {.family = FAMILY_IPV4, .bytes = {10, 64, 0, 1}};
    struct prefix low = {.address = {.family = FAMILY_IPV4}, .len_bits = 1};
    struct prefix high = {.address = {.family = FAMILY_IPV4, .bytes = {128}}, .len_bits = 1};
    struct peer_description peers[2] = {{.allowed_ips = &low, .allowed_ips_count = 1},
                                        {.allowed_ips = &high, .allowed_ips_count = 1}};
    struct tunnel_description tunnel = {.carrier = TUNNEL_NO_CARRIER, .dns = &server,
                                        .dns_count = 1, .routes_are_default = true,
                                        .peers = peers, .peer_count = 2};
    const struct network_description network = {.tunnels = &tunnel, .tunnel_count = 1};
    CHECK_EQUAL(system_dns_choose(&network), 0);
    high.address.family = FAMILY_IPV6; /* half of each family */
    CHECK_EQUAL(system_dns_choose(&network), 1);
    high.len_bits = 0;
    high.address.bytes[0] = 0;
    CHECK_EQUAL(system_dns_choose(&network), 0);
    tunnel.peer_count = 1;
    CHECK_EQUAL(system_dns_choose(&network), 1);
}

static void test_G3_the_deepest_tunnel_with_a_default_route_is_chosen(void)
{
    struct address server = {.family = FAMILY_IPV4, .bytes = {10, 64, 0, 1}};
    struct prefix all = {.address = {.family = FAMILY_IPV4}};
    struct tunnel_description tunnels[4];
    const struct network_description network = {.tunnels = tunnels, .tunnel_count = 4};
    for (int i = 0; i < 4; i++)
        tunnels[i] = (struct tunnel_description){.carrier = i - 1, .dns = &server, .dns_count = 1,
                                                 .routes = &all, .route_count = 1};
    tunnels[2].dns_count = 0;
    tunnels[3].route_count = 0;
    CHECK_EQUAL(system_dns_choose(&network), 1);
    tunnels[2].carrier = TUNNEL_NO_CARRIER;
    tunnels[2].dns_count = 1;
    tunnels[1].carrier = TUNNEL_NO_CARRIER;
    CHECK_EQUAL(system_dns_choose(&network), 0); /* of equally deep ones the first */
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_A1_both_halves_are_a_default_route_whichever_peer_has_them);
    TAP_RUN(argc, argv, test_G3_the_deepest_tunnel_with_a_default_route_is_chosen);
    return tap_done();
}
