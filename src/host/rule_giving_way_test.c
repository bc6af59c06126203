/* SPDX-License-Identifier: MIT */
/* RULES F1: others' rules at the priority of local's own. */
#include "host/rule_keeping.h"

#include <errno.h>
#include <stdio.h>

#include "rigs/networks.h"

/* What others have at local's own priority goes behind ours, as it is and in its order, whoever
 * came first and whatever of ours was lost; only what is the kernel's stays between them. */
static void test_f1_others_at_the_priority_of_local_give_way(void)
{
    static const char *const losses[] = {
        "ip $f rule del table 4800",
        "ip $f rule del table 4801",
        "ip $f rule del pref 0 fwmark 0x48000001 table main",
        "ip $f rule del table 4800; ip $f rule del table 4801",
    };
    static const char others[] =
        "for f in -4 -6; do ip $f rule add pref 0 not fwmark 0x77 table 77; ip $f rule add pref 0 "
        "table main suppress_prefixlength 0; ip $f rule add pref 0 iif up0 oif hop0 ipproto 17 "
        "uidrange 7-9 sport 5 dport 6-7 fwmark 3/7 protocol 99 table 78; ip $f rule add pref 0 "
        "iif up0 goto 32766; ip $f rule add pref 0 dport 9 prohibit; done";
    static const char theirs[] = "for f in -4 -6; do ip $f rule | grep -v 'lookup local\\|proto "
                                 "20[2-4]'; done";
    static struct networks networks;
    static char before[DUMP_BYTES], order[RULES_BYTES];
    char command[256];
    for (unsigned is_later = 0; is_later < 2; is_later++) {
        if (!networks_open(&networks))
            return;
        if (!is_later)
            networks_run(&networks, others);
        networks_add(&networks, 0, false, networks_whole);
        if (is_later)
            networks_run(&networks, others);
        own_netns_run(before, sizeof(before), theirs);
        for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
            networks_keep(&networks);
            static const char first[] = "0:L 0:A1 0:m 0:A2 0:o 0:";
            for (const char *f = "46"; *f; f++)
                CHECK(strncmp(networks_order_of(&networks, (char[]){*f, 0}), first, 24) == 0);
            CHECK_TEXT(own_netns_run(networks.after, sizeof(networks.after), theirs), before);
            snprintf(order, sizeof(order), "%s", networks_order_of(&networks, "4"));
            networks_keep(&networks); /* and then rests */
            CHECK_TEXT(networks_order_of(&networks, "4"), order);
            CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0), "hop0");
            CHECK_TEXT(host_way_of(&networks.host, "198.51.100.1", 0x48000001), "up0");
            snprintf(command, sizeof(command), "for f in -4 -6; do %s; done", losses[i]);
            networks_run(&networks, command);
        }
        networks_keep(&networks);
        networks_run(&networks, "for f in -4 -6; do for i in 1 2 3 4 5 6 7 8 9 10; do ip $f rule "
                                "del pref 0; done; ip $f rule add pref 0 table local; done");
        networks_keep(&networks);
        networks_expect(&networks, "0:L 0:A1 0:m 0:A2 0:o" TAIL);
        networks_close(&networks);
    }
}

/* Behind a rule that is not moved and came directly behind one network's, a second one's longer
 * prefixes would go into the first one's /0: it does not come up. In front of it, it does, and
 * where the rule gives way. */
static void test_f1_a_network_that_another_would_take_is_refused(void)
{
    static struct networks networks;
    static const char *const rules[] = {"ip rule add table 77 protocol kernel",
                                        "ip -6 rule add table 77 protocol kernel"};
    if (!networks_open(&networks))
        return;
    struct host *host = &networks.host;
    struct routing_choice choice = {.interface_name = "hop0", .interface_index = host->tun_index};
    const struct routing_entry longer[] = {host_entry(networks_split[0], ROUTING_TUNNEL),
                                           host_entry(networks_split[1], ROUTING_TUNNEL)};
    networks_add(&networks, 0, false, networks_whole);
    for (unsigned f = 0; f < 2; f++) {
        static char before[DUMP_BYTES];
        char undo[64], foreseen[512];
        struct routing second;
        CHECK_EQUAL(routing_choose(&host->netlink, &choice, &second, &host->why), 0);
        CHECK_EQUAL(routing_look(&host->netlink, &second, longer, 2, &host->why), 0);
        networks_run(&networks, rules[f]);
        own_netns_run(before, sizeof(before), DUMP);
        CHECK_EQUAL(routing_choose(&host->netlink, &choice, &second, &host->why), 0);
        CHECK_EQUAL(routing_look(&host->netlink, &second, longer, 2, &host->why), -EBUSY);
        snprintf(foreseen, sizeof(foreseen), "%s", host->said);
        text_init(&host->why, host->said, sizeof(host->said));
        CHECK_EQUAL(routing_lay(&host->netlink, &second, longer, 2, &host->why), -EBUSY);
        CHECK_TEXT(host->said, foreseen);
        CHECK(strstr(host->said, "(from all lookup 77) leaves no room") != NULL);
        CHECK(strncmp(host->said, f ? "IPv6 rule 0" : "IPv4 rule 0", 11) == 0);
        text_init(&host->why, host->said, sizeof(host->said));
        CHECK_TEXT(own_netns_run(networks.after, sizeof(networks.after), DUMP), before);
        snprintf(undo, sizeof(undo), "%s", rules[f]);
        memcpy(strstr(undo, "add"), "del", 3);
        networks_run(&networks, undo);
    }
    networks_run(&networks, "ip rule add table 77; ip -6 rule add table 77");
    networks_add(&networks, 0, false, networks_split);
    networks_expect(&networks, "0:L 0:A1 0:B1 0:m 0:A2 0:o 0:77" TAIL);
    networks_keep(&networks);
    networks_expect(&networks, "0:L 0:A1 0:B1 0:m 0:A2 0:o 0:77" TAIL);
    networks_run(&networks, "ip rule del table 77; ip -6 rule del table 77");
    networks_close(&networks);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f1_others_at_the_priority_of_local_give_way);
    TAP_RUN(argc, argv, test_f1_a_network_that_another_would_take_is_refused);
    return tap_done();
}
