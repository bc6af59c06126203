/* SPDX-License-Identifier: MIT */
/* RULES I2: what a reload changes, in words and for the engine. */
#include "config/difference.h"

#include "rigs/config_files.h"
#include "tap.h"

#define NETWORK "[Network]\nInterface = hop0\n"
#define ENTRY "[Tunnel entry]\nPrivateKey = " KEY_1 "\nAddress = 10.64.0.2\n"
#define RELAY "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 0.0.0.0/0\nEndpoint = "
#define OFFICE "[Tunnel office]\nPrivateKey = " KEY_3 "\nAddress = 10.2.0.2\n"
#define DESK "[Peer]\nPublicKey = " KEY_4 "\nAllowedIPs = 10.20.0.0/16\n"

#define WITHOUT NETWORK ENTRY RELAY "192.0.2.1:1\n" OFFICE "Via = entry\n"
#define WITH WITHOUT DESK "Endpoint = 192.0.2.9:9\n"

#define LINES_BYTES 4096

struct both {
    struct config *before, *running, *after;
    struct config_messages messages;
    struct arena arena;
    struct difference difference;
    bool is_possible;
    char lines[LINES_BYTES]; /* a newline each, or the refusals */
};

static struct config *load(const char *text)
{
    struct config *config = NULL;
    struct config_messages messages;
    struct config_files files = {{{"a.conf", text, false}}};
    CHECK(config_files_load(&files, 1, tap_memory(), &config, &messages));
    for (size_t i = 0; i < messages.count && !config; i++)
        CHECK_TEXT(messages.items[i].text, "");
    config_messages_wipe(&messages);
    return config;
}

static void begin_running(struct both *both, const char *before, const char *running,
                          const char *after)
{
    *both = (struct both){
        .before = load(before), .running = load(running), .after = load(after)};
    struct text text;
    text_init(&text, both->lines, sizeof(both->lines));
    config_messages_init(&both->messages, tap_memory());
    arena_init(&both->arena, tap_memory());
    if (!both->before || !both->running || !both->after)
        return;
    both->is_possible =
        difference_find(&both->difference, &both->arena, both->before, both->after,
                        &both->running->network, "a.conf", &both->messages);
    for (size_t i = 0; i < both->difference.line_count; i++)
        text_append(&text, "%s\n", both->difference.lines[i]);
    for (size_t i = 0; i < both->messages.count; i++)
        text_append(&text, "%s\n", both->messages.items[i].text);
}

static void begin(struct both *both, const char *before, const char *after)
{
    begin_running(both, before, before, after);
}

static void end(struct both *both)
{
    arena_wipe(&both->arena);
    config_messages_wipe(&both->messages);
    config_free(both->before);
    config_free(both->running);
    config_free(both->after);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void check_lines(const char *before, const char *after, const char *lines)
{
    struct both both;
    begin(&both, before, after);
    CHECK(both.is_possible);
    CHECK_TEXT(both.lines, lines);
    end(&both);
}

static void check_refusal(const char *before, const char *after, const char *lines)
{
    struct both both;
    begin(&both, before, after);
    CHECK(!both.is_possible);
    CHECK_TEXT(both.lines, lines);
    CHECK_EQUAL(both.difference.changes.count, 0);
    end(&both);
}

static void test_i2_the_same_text_is_no_change(void)
{
    struct both both;
    begin(&both, NETWORK ENTRY RELAY "192.0.2.1:51820\n" OFFICE "Via = entry\n" DESK,
          "# other words\n" NETWORK ENTRY RELAY "192.0.2.1:51820\n" OFFICE "Via = entry\n" DESK);
    CHECK(both.is_possible && !both.difference.changes.has_nat);
    CHECK_EQUAL(both.difference.changes.count, 0);
    CHECK(!both.difference.has_hooks);
    CHECK_EQUAL(both.difference.line_count, 0);
    end(&both);
}

static void test_i2_of_a_peer_only_what_its_text_changes(void)
{
    struct both both;
    begin(&both, NETWORK ENTRY RELAY "192.0.2.1:51820\n" OFFICE DESK,
          NETWORK ENTRY RELAY "192.0.2.7:51820\n" OFFICE DESK);
    CHECK_TEXT(both.lines, "tunnel entry: peer AgICAgIC…: Endpoint 192.0.2.1:51820 → "
                           "192.0.2.7:51820\n");
    CHECK_EQUAL(both.difference.changes.count, 1);
    const struct change *change = &both.difference.changes.list[0];
    CHECK_EQUAL(change->kind, CHANGE_PEER_SET);
    CHECK_EQUAL(change->fields, CHANGE_ENDPOINT);
    CHECK_EQUAL(change->allowed_ips_count, 0);
    CHECK_TEXT(change->tunnel, "entry");
    CHECK_TEXT(change->where, "a.conf:6");
    end(&both);
    check_lines(NETWORK ENTRY RELAY "relay.example.net:443\n",
                NETWORK ENTRY RELAY "relay.example.net:444\nPersistentKeepalive = 25\n",
                "tunnel entry: peer AgICAgIC…: Endpoint relay.example.net:443 → "
                "relay.example.net:444\n"
                "tunnel entry: peer AgICAgIC…: PersistentKeepalive off → 25\n");
    check_lines(NETWORK ENTRY DESK, NETWORK ENTRY DESK "Endpoint = [2001:db8::1]:7\n",
                "tunnel entry: peer BAQEBAQE…: Endpoint none → [2001:db8::1]:7\n");
}

static void test_i2_a_peer_that_wg_removed_comes_back_whole_or_stays_away(void)
{
    struct both both;
    begin_running(&both, WITH, WITHOUT, WITH);
    CHECK_TEXT(both.lines, "");
    end(&both);
    begin_running(&both, WITH, WITHOUT, WITH "PersistentKeepalive = 5\n");
    CHECK_TEXT(both.lines, "tunnel office: peer BAQEBAQE…: added\n");
    CHECK_EQUAL(both.difference.changes.count, 1);
    const struct change *change = both.difference.changes.list;
    CHECK_EQUAL(change->fields, CHANGE_PRESHARED_KEY | CHANGE_ENDPOINT | CHANGE_KEEPALIVE);
    CHECK_EQUAL(change->allowed_ips_count, 1);
    CHECK(!change->allowed_ips[0].is_removed);
    end(&both);
    begin_running(&both, WITH "AllowedIPs = 10.21.0.0/16\n", WITHOUT, WITH);
    CHECK_TEXT(both.lines, "tunnel office: peer BAQEBAQE…: added\n");
    CHECK_EQUAL(both.difference.changes.list[0].allowed_ips_count, 1);
    end(&both);
}

static void test_i2_no_secret_is_told(void)
{
    check_lines(NETWORK ENTRY DESK "PresharedKey = " KEY_1 "\n",
                "[Network]\nInterface = hop0\nPostUp = echo hunter2\n"
                "[Tunnel entry]\nPrivateKey = " KEY_2 "\nAddress = 10.64.0.2\n" DESK
                "PresharedKey = " KEY_3 "\n",
                "network: PostUp changes\n"
                "tunnel entry: PrivateKey changes\n"
                "tunnel entry: peer BAQEBAQE…: PresharedKey changes\n");
}

static void test_i2_allowed_ips_one_by_one(void)
{
    struct both both;
    begin(&both, NETWORK ENTRY RELAY "192.0.2.1:51820\n" DESK,
          NETWORK ENTRY "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 0.0.0.0/0, 10.20.0.0/16\n"
          "Endpoint = 192.0.2.1:51820\n"
          "[Peer]\nPublicKey = " KEY_4 "\nAllowedIPs = 10.30.0.0/16\n");
    CHECK_TEXT(both.lines, "tunnel entry: peer AgICAgIC…: AllowedIPs +10.20.0.0/16\n"
                           "tunnel entry: peer BAQEBAQE…: AllowedIPs -10.20.0.0/16, "
                           "+10.30.0.0/16\n");
    for (size_t i = 0; i < both.difference.changes.count; i++)
        CHECK_EQUAL(both.difference.changes.list[i].fields, 0);
    end(&both);
    /* What the last of two has is not the first one's, in whatever order its line is. */
    check_lines(NETWORK ENTRY "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 10.20.0.0/16\n" DESK,
                NETWORK ENTRY DESK "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 10.20.0.0/16\n",
                "tunnel entry: peer BAQEBAQE…: AllowedIPs -10.20.0.0/16\n"
                "tunnel entry: peer AgICAgIC…: AllowedIPs +10.20.0.0/16\n");
}

static void test_i2_tunnels_come_behind_their_carriers_and_go_before_them(void)
{
    struct both both;
    begin(&both, NETWORK ENTRY RELAY "192.0.2.1:51820\n" OFFICE "Via = entry\nNAT = off\n" DESK,
          NETWORK
          "[Tunnel inner]\nPrivateKey = " KEY_1 "\nAddress = 10.3.0.2\nVia = outer\n" DESK
          "[Tunnel outer]\nPrivateKey = " KEY_2 "\nAddress = 10.4.0.2\n" RELAY "192.0.2.9:1\n"
          "[Peer]\nPublicKey = " KEY_1 "\nAllowedIPs = 10.9.0.0/16\n");
    CHECK_TEXT(both.lines, "network: the interface's IPv4 address 10.64.0.2 → 10.3.0.2\n"
                           "tunnel outer: added, a root, with 2 peers\n"
                           "tunnel inner: added, inside outer, with 1 peer\n"
                           "tunnel office: removed\ntunnel entry: removed\n"
                           "network: the tunnels' order → inner, outer\n");
    CHECK(both.difference.changes.has_nat);
    CHECK_TEXT(both.difference.changes.list[1].carrier, "outer");
    CHECK(!both.difference.changes.list[0].carrier);
    end(&both);
}

static void test_i3_a_carrier_is_moved(void)
{
    struct both both;
    begin(&both, NETWORK ENTRY RELAY "192.0.2.1:51820\n" OFFICE "Via = entry\n" DESK,
          NETWORK ENTRY RELAY "192.0.2.1:51820\n" OFFICE
          "Via = third\nRoutes = none\nMTU = 1300\n" DESK
          "[Tunnel third]\nPrivateKey = " KEY_2 "\nAddress = 10.4.0.2\nVia = entry\n"
          "Routes = none\n[Peer]\nPublicKey = " KEY_1 "\nAllowedIPs = 0.0.0.0/0\n"
          "Endpoint = 192.0.2.9:1\n");
    CHECK_TEXT(both.lines, "tunnel third: added, inside entry, with 1 peer\n"
                           "tunnel office: Via entry → third\n"
                           "tunnel office: MTU computed → 1300\n"
                           "tunnel office: Routes the peers' AllowedIPs → none\n");
    CHECK_EQUAL(both.difference.changes.list[1].fields,
                CHANGE_CARRIER | CHANGE_MTU | CHANGE_ROUTES);
    CHECK_TEXT(both.difference.changes.list[1].carrier, "third");
    end(&both);
}

/* RULES A6, B2, G3: by the order of the file. */
static void test_i2_the_tunnels_order_is_the_files(void)
{
    struct both both;
    begin(&both, NETWORK ENTRY RELAY "192.0.2.1:1\n",
          NETWORK OFFICE DESK ENTRY RELAY "192.0.2.1:1\n");
    CHECK_TEXT(both.lines, "network: the interface's IPv4 address 10.64.0.2 → 10.2.0.2\n"
                           "tunnel office: added, a root, with 1 peer\n"
                           "network: the tunnels' order → office, entry\n");
    CHECK_EQUAL(both.difference.changes.order_count, 2);
    CHECK_TEXT(both.difference.changes.order[0], "office");
    end(&both);
    begin(&both, NETWORK ENTRY RELAY "192.0.2.1:1\n",
          NETWORK ENTRY RELAY "192.0.2.1:1\n" OFFICE DESK);
    CHECK_EQUAL(both.difference.changes.order_count, 0); /* it comes behind by itself */
    end(&both);
}

static void test_i2_what_the_host_has_to_follow(void)
{
    struct both both;
    begin(&both, NETWORK ENTRY RELAY "192.0.2.1:51820\n",
          NETWORK "KillSwitch = on\nAllowLAN = 10.9.0.0/16\nDNSGuard = off\n"
          "DNS = 10.64.0.1, lan.example\n"
          "MTU = 1300\nPreDown = true\n" ENTRY RELAY "192.0.2.1:51820\n");
    CHECK_TEXT(both.lines, "network: KillSwitch off → on\n"
                           "network: AllowLAN off → 10.9.0.0/16\n"
                           "network: DNS none → 10.64.0.1, lan.example\n"
                           "network: DNSGuard on → off\n"
                           "network: MTU computed → 1300\n"
                           "network: PreDown changes\n");
    CHECK(both.difference.has_hooks);
    CHECK_EQUAL(both.difference.changes.count, 0);
    end(&both);
    begin(&both, NETWORK "PreDown = true\n" ENTRY DESK,
          NETWORK "PreDown = true\nKillSwitch = on\n" ENTRY DESK);
    CHECK(!both.difference.has_hooks);
    end(&both);
}

static void test_i2_what_cannot_change_is_refused(void)
{
#define REPLACE " cannot change while the network runs; run: hopwire up --replace a.conf\n"
    check_refusal(NETWORK ENTRY DESK, "[Network]\nInterface = hop1\n" ENTRY DESK,
                  "a.conf:2: Interface:" REPLACE);
    check_refusal(NETWORK "Priority = 7\n" ENTRY DESK, NETWORK ENTRY DESK,
                  "a.conf:3: Priority:" REPLACE);
    check_refusal(NETWORK ENTRY DESK, NETWORK "Table = 99\nFwMark = 0x99\n" ENTRY DESK,
                  "a.conf:3: Table:" REPLACE "a.conf:4: FwMark:" REPLACE);
}

static void test_no_memory_is_told(void)
{
    struct both both;
    begin(&both, NETWORK ENTRY DESK, NETWORK ENTRY DESK "PersistentKeepalive = 9\n");
    both.arena.is_exhausted = true;
    CHECK(!difference_find(&both.difference, &both.arena, both.before, both.after,
                           &both.before->network, "a.conf", &both.messages));
    CHECK_TEXT(both.messages.items[0].text, "out of memory");
    end(&both);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_i2_the_same_text_is_no_change);
    TAP_RUN(argc, argv, test_i2_of_a_peer_only_what_its_text_changes);
    TAP_RUN(argc, argv,
            test_i2_a_peer_that_wg_removed_comes_back_whole_or_stays_away);
    TAP_RUN(argc, argv, test_i2_no_secret_is_told);
    TAP_RUN(argc, argv, test_i2_allowed_ips_one_by_one);
    TAP_RUN(argc, argv, test_i2_tunnels_come_behind_their_carriers_and_go_before_them);
    TAP_RUN(argc, argv, test_i3_a_carrier_is_moved);
    TAP_RUN(argc, argv, test_i2_the_tunnels_order_is_the_files);
    TAP_RUN(argc, argv, test_i2_what_the_host_has_to_follow);
    TAP_RUN(argc, argv, test_i2_what_cannot_change_is_refused);
    TAP_RUN(argc, argv, test_no_memory_is_told);
    return tap_done();
}
