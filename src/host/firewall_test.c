/* SPDX-License-Identifier: MIT */
#include "host/firewall.h"

#include <stdio.h>
#include <sys/wait.h>

#include "rigs/own_netns.h"
#include "tap.h"

#define DUMP_BYTES 32768

static const struct address addresses[] = {{.family = FAMILY_IPV4, .bytes = {10, 64, 0, 2}},
                                           {.family = FAMILY_IPV6, .bytes = {0xfc, [15] = 2}}};
static const struct endpoint endpoints[] = {
    {.address = {.family = FAMILY_IPV4, .bytes = {198, 51, 100, 7}}, .port = 51820},
    {.address = {.family = FAMILY_IPV4, .bytes = {198, 51, 100, 7}}, .port = 51820},
    {.address = {.family = FAMILY_NONE}},
    {.address = {.family = FAMILY_IPV6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 7}}, .port = 443}};
static const uint32_t marks[] = {0xca6c, 0x1234};
static const struct prefix lan[] = {
    {.address = {.family = FAMILY_IPV4, .bytes = {192, 168, 7}}, .len_bits = 24},
    {.address = {.family = FAMILY_IPV4, .bytes = {192, 168}}, .len_bits = 16}};

static struct firewall_laid laid;
static char said[1024];
static struct text why;

static struct firewall example(void)
{
    text_init(&why, said, sizeof(said));
    return (struct firewall){.network = "net", .interface_index = 77, .addresses = addresses,
                             .address_count = 2, .marks = marks, .mark_count = 2,
                             .endpoints = endpoints, .endpoint_count = 4, .lan = lan,
                             .lan_count = 2, .allows_dns = true, .has_kill_switch = true};
}

/* The ruleset of the test's own namespace; NULL: skip, it is said why. */
static const char *ruleset(char *output, size_t capacity)
{
    if (!own_netns_enter_once())
        return NULL;
    own_netns_run(output, capacity, "nft list ruleset 2>&1");
    if (strncmp(output, "failed", 6) != 0)
        return output;
    tap_skip("no nft command, or no nftables in this kernel (Debian package nftables)");
    return NULL;
}

static void test_f4_what_is_laid_is_removed_and_nothing_else(void)
{
    static char before[DUMP_BYTES], during[DUMP_BYTES], again[DUMP_BYTES], after[DUMP_BYTES];
    struct firewall firewall = example();
    if (!ruleset(before, sizeof(before)))
        return;
    own_netns_run(during, sizeof(during), "nft add table inet hopwire_other");
    ruleset(before, sizeof(before));
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_GONE);
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_STANDS);
    ruleset(during, sizeof(during));
    CHECK(strstr(during, "table inet hopwire_net {") && strstr(during, "198.51.100.7 . 51820") &&
          strstr(during, "2001:db8::7 . 443") && strstr(during, "192.168.0.0/16") &&
          strstr(during, "reject with icmpx") && strstr(during, "hook forward") &&
          strstr(during, "ip daddr 10.64.0.2 counter name") && strstr(during, "th dport 53"));
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    CHECK_TEXT(ruleset(again, sizeof(again)), during);
    CHECK_EQUAL(firewall_remove("net", &why), 0);
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_GONE);
    CHECK_TEXT(ruleset(after, sizeof(after)), before);
    CHECK_EQUAL(firewall_remove("net", &why), 0);
    CHECK_TEXT(ruleset(after, sizeof(after)), before);
    own_netns_run(during, sizeof(during), "nft delete table inet hopwire_other");
    if (said[0])
        printf("# said: %s\n", said);
}

static void test_f4_whatever_others_change_in_the_table_is_seen(void)
{
    static const char *const changes[] = {
        "flush table inet hopwire_net",
        "flush chain inet hopwire_net output",
        "delete chain inet hopwire_net output",
        "flush chain inet hopwire_net guard",
        "delete table inet hopwire_net; add table inet hopwire_net",
        "insert rule inet hopwire_net output accept",
        "add rule inet hopwire_net forward accept",
        "add chain inet hopwire_net mine",
        "add chain inet hopwire_net output { type filter hook output priority filter; policy drop; "
        "}",
        "delete element inet hopwire_net endpoints4 { 198.51.100.7 . 51820 }",
        "add element inet hopwire_net endpoints4 { 203.0.113.1 . 53 }",
        "flush set inet hopwire_net endpoints6",
        "delete element inet hopwire_net lan4 { 192.168.0.0/16 }",
        "add element inet hopwire_net lan4 { 0.0.0.0/0 }",
        "add set inet hopwire_net mine { type ipv4_addr; }",
        "add table inet hopwire_net { flags dormant; }",
    };
    static char before[DUMP_BYTES], output[DUMP_BYTES];
    struct firewall firewall = example();
    if (!ruleset(before, sizeof(before)))
        return;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    ruleset(before, sizeof(before));
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        own_netns_run(output, sizeof(output), "nft '%s' 2>&1", changes[i]);
        if (!CHECK_TEXT(output, "") ||
            !CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_CHANGED))
            printf("# after %s\n", changes[i]);
        CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
        CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_STANDS);
        CHECK_TEXT(ruleset(output, sizeof(output)), before);
    }
    /* As many rules as before. */
    own_netns_run(output, sizeof(output),
                  "nft add rule inet hopwire_net output accept && nft -a list chain inet "
                  "hopwire_net output | sed -n 's/.*tcp reset.*handle //p' | xargs nft delete rule "
                  "inet hopwire_net output handle");
    CHECK_TEXT(output, "");
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_CHANGED);
    CHECK_EQUAL(firewall_remove("net", &why), 0);
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_GONE);
}

static void test_f4_what_changes_nothing_lays_nothing_and_what_does_keeps_the_count(void)
{
    static char before[DUMP_BYTES], output[DUMP_BYTES];
    struct firewall firewall = example();
    if (!ruleset(before, sizeof(before)))
        return;
    firewall.has_kill_switch = false;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    own_netns_run(before, sizeof(before), "nft -a list ruleset");
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    CHECK_TEXT(own_netns_run(output, sizeof(output), "nft -a list ruleset"), before);
    own_netns_run(output, sizeof(output),
                  "nft 'add table inet hopwire_other; add chain inet "
                  "hopwire_other x; add rule inet hopwire_other x accept'");
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_STANDS);
    own_netns_run(output, sizeof(output), "nft delete table inet hopwire_other");
    /* By another address of the machine's own to the interface's, as from outside. */
    own_netns_run(output, sizeof(output),
                  "ip link set lo up; ip link add near type veth peer name far address "
                  "02:00:00:00:00:02; ip address add 10.64.0.2/32 dev lo; ip link set near up; ip "
                  "link set far up; ip neigh add 10.64.0.2 dev near lladdr 02:00:00:00:00:02; ip "
                  "route add table 7 10.64.0.2 dev near; ip rule add pref 0 oif near lookup 7; "
                  "ping -c 1 -W 1 -I near 10.64.0.2; true");
    own_netns_run(output, sizeof(output), "nft list counters");
    CHECK(strstr(output, "packets 1 ") != NULL);
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_STANDS);
    firewall.endpoint_count = 1;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    own_netns_run(output, sizeof(output), "nft list counters");
    CHECK(strstr(output, "packets 1 ") != NULL);
    own_netns_run(output, sizeof(output),
                  "ip link del near; ip address del 10.64.0.2/32 dev lo; "
                  "ip rule del pref 0 oif near lookup 7");
    CHECK_EQUAL(firewall_remove("net", &why), 0);
}

static void test_f4_without_a_kill_switch_nothing_is_rejected(void)
{
    static char output[DUMP_BYTES];
    struct firewall firewall = example();
    if (!ruleset(output, sizeof(output)))
        return;
    firewall.has_kill_switch = firewall.allows_dns = false;
    firewall.endpoint_count = firewall.lan_count = 0;
    firewall.address_count = 1;
    firewall.mark_count = 1;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    ruleset(output, sizeof(output));
    CHECK(strstr(output, "ct mark set meta mark") &&
          strstr(output, "ip daddr 10.64.0.2 counter name"));
    CHECK(!strstr(output, "reject") && !strstr(output, "th dport 53"));
    CHECK_EQUAL(firewall_remove("net", &why), 0);
}

/* A set takes no two that overlap: prefixes in each other, the same on two links or twice on
 * one. */
static void test_f4_a_link_s_own_prefixes_may_lie_in_each_other(void)
{
    static char output[DUMP_BYTES];
    const struct prefix ipv6 = {.address = {.family = FAMILY_IPV6, .bytes = {0xfd, 7}},
                                .len_bits = 64};
    const struct firewall_lan on_link[] = {{lan[0], 71}, {lan[1], 71}, {lan[0], 73}, {lan[0], 73},
                                           {lan[0], 71}, {ipv6, 71},   {lan[1], 75}, {lan[0], 75}};
    struct firewall firewall = example();
    if (!ruleset(output, sizeof(output)))
        return;
    firewall.on_link = on_link;
    firewall.on_link_count = 8;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_STANDS);
    ruleset(output, sizeof(output));
    CHECK(strstr(output, "71 . 192.168.0.0/16 . 192.168.0.0/16") &&
          strstr(output, "73 . 192.168.7.0/24 . 192.168.7.0/24") &&
          strstr(output, "75 . 192.168.0.0/16 . 192.168.0.0/16") &&
          strstr(output, "71 . fd07::/64 . fd07::/64"));
    CHECK(!strstr(output, "71 . 192.168.7.0/24") && !strstr(output, "75 . 192.168.7.0/24"));
    /* Whoever takes one out is found out, as with all else. */
    own_netns_run(output, sizeof(output),
                  "nft delete element inet hopwire_net on_link4 '{ 73 . "
                  "192.168.7.0/24 . 192.168.7.0/24 }'");
    CHECK_TEXT(output, "");
    CHECK_EQUAL(firewall_look("net", &laid, &why), FIREWALL_CHANGED);
    CHECK_EQUAL(firewall_remove("net", &why), 0);
}

static void test_g3_a_dns_guard_rejects_queries_and_nothing_else(void)
{
    static char output[DUMP_BYTES];
    struct firewall firewall = example();
    if (!ruleset(output, sizeof(output)))
        return;
    firewall.has_kill_switch = false;
    firewall.has_dns_guard = true;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    ruleset(output, sizeof(output));
    const char *out = strstr(output, "chain dns_output"), *by = strstr(output, "chain dns_forward");
    CHECK(out && strstr(out, "tcp dport { 53, 853, 5355 } reject with tcp reset") &&
          strstr(out, "udp dport { 53, 853, 5355 } reject with icmpx"));
    CHECK(by && strstr(by, "tcp dport { 53, 853, 5355 } reject with tcp reset") &&
          strstr(by, "udp dport { 53, 853, 5355 } reject with icmpx"));
    CHECK(!strstr(output, "chain output") && !strstr(output, "chain forward"));
    CHECK_EQUAL(firewall_remove("net", &why), 0);
}

static void test_f4_guests_are_reached_by_their_bridges_and_within_their_prefixes(void)
{
    static const struct bridge bridges[] = {{.index = 71}, {.index = 73}};
    static char output[DUMP_BYTES];
    struct firewall firewall = example();
    if (!ruleset(output, sizeof(output)))
        return;
    firewall.bridges = bridges;
    firewall.bridge_count = 2;
    firewall.guests = lan;
    firewall.guest_count = 2;
    firewall.has_dns_guard = true;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    ruleset(output, sizeof(output));
    CHECK(strstr(output, "set guests4") && strstr(output, "set guests6"));
    CHECK(strstr(output, "oif { 71, 73 } ip daddr @guests4 accept") &&
          strstr(output, "iif { 71, 73 } oif { 71, 73 } ip6 daddr @guests6 accept") &&
          strstr(output, "oif { 71, 73 } ip saddr @lan4 ip daddr @guests4 accept"));
    CHECK(!strstr(output, "oif { 71, 73 } accept"));
    firewall.bridge_count = firewall.guest_count = 0;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    ruleset(output, sizeof(output));
    CHECK(!strstr(output, "daddr @guests"));
    CHECK_EQUAL(firewall_remove("net", &why), 0);
}

static void test_every_network_name_has_a_table_of_its_own(void)
{
    static const char *const names[] = {"a+b", "a=b", "a-b_c.d", "0", "_", "-"};
    static char output[DUMP_BYTES];
    struct firewall firewall = example();
    if (!ruleset(output, sizeof(output)))
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        firewall.network = names[i];
        CHECK_EQUAL(firewall_look(names[i], &laid, &why), FIREWALL_GONE);
        CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
        CHECK_EQUAL(firewall_look(names[i], &laid, &why), FIREWALL_STANDS);
    }
    ruleset(output, sizeof(output));
    size_t tables = 0;
    for (const char *at = output; (at = strstr(at, "table inet hopwire_")); at++)
        tables++;
    CHECK_EQUAL(tables, sizeof(names) / sizeof(names[0]));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CHECK_EQUAL(firewall_remove(names[i], &why), 0);
    CHECK_TEXT(ruleset(output, sizeof(output)), "");
}

static void test_a_refusal_is_a_sentence_and_changes_nothing(void)
{
    static char before[DUMP_BYTES], after[DUMP_BYTES];
    struct firewall firewall = example();
    if (!ruleset(before, sizeof(before)))
        return;
    CHECK_EQUAL(firewall_lay(&firewall, &laid, &why), 0);
    ruleset(before, sizeof(before));
    firewall.interface_index = -1;
    CHECK(firewall_lay(&firewall, &laid, &why) < 0);
    CHECK(strstr(said, "nftables refuses to add the network's table") != NULL);
    CHECK_TEXT(ruleset(after, sizeof(after)), before);
    CHECK_EQUAL(firewall_remove("net", &why), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f4_what_is_laid_is_removed_and_nothing_else);
    TAP_RUN(argc, argv, test_f4_whatever_others_change_in_the_table_is_seen);
    TAP_RUN(argc, argv, test_f4_what_changes_nothing_lays_nothing_and_what_does_keeps_the_count);
    TAP_RUN(argc, argv, test_f4_without_a_kill_switch_nothing_is_rejected);
    TAP_RUN(argc, argv, test_f4_a_link_s_own_prefixes_may_lie_in_each_other);
    TAP_RUN(argc, argv, test_g3_a_dns_guard_rejects_queries_and_nothing_else);
    TAP_RUN(argc, argv, test_f4_guests_are_reached_by_their_bridges_and_within_their_prefixes);
    TAP_RUN(argc, argv, test_every_network_name_has_a_table_of_its_own);
    TAP_RUN(argc, argv, test_a_refusal_is_a_sentence_and_changes_nothing);
    return tap_done();
}
