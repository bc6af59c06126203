/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "rigs/config_files.h"
#include "tap.h"

static struct config_messages messages;

static struct config *load(struct config_files *files, size_t path_count)
{
    struct config *config = NULL;
    CHECK(config_files_load(files, path_count, tap_memory(), &config, &messages));
    for (size_t i = 0; i < messages.count && !config; i++)
        printf("# %s\n", messages.items[i].text);
    return config;
}

static void done(struct config *config)
{
    config_free(config);
    config_messages_wipe(&messages);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static bool said(enum config_message_kind kind, const char *text)
{
    for (size_t i = 0; i < messages.count; i++)
        if (messages.items[i].kind == kind && strcmp(messages.items[i].text, text) == 0)
            return true;
    for (size_t i = 0; i < messages.count; i++)
        printf("# said: %s\n", messages.items[i].text);
    return false;
}

static void check_prefix(const struct prefix *prefix, const char *expected)
{
    char text[PREFIX_TEXT_BYTES];
    CHECK_TEXT(prefix_format(prefix, text), expected);
}

static void check_address(const struct address *address, const char *expected)
{
    char text[ADDRESS_TEXT_BYTES];
    CHECK_TEXT(address_format(address, text), expected);
}

static void test_i1_the_example_with_an_included_file(void)
{
    struct config_files files = {{{"/etc/hopwire/work.conf", EXAMPLE_CONF, false},
                                  {"/etc/hopwire/office.conf", OFFICE_CONF, false}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    CHECK_TEXT(config->name, "work");
    CHECK_TEXT(config->interface_name, "hop0");
    check_address(&config->network.nat_ipv4, "10.64.0.2");
    check_address(&config->network.nat_ipv6, "fc00:bbbb::2");
    CHECK_EQUAL(config->network.tunnel_count, 2);
    const struct tunnel_description *entry = &config->network.tunnels[0];
    CHECK_TEXT(entry->name, "entry");
    CHECK_EQUAL(entry->carrier, TUNNEL_NO_CARRIER);
    CHECK_EQUAL(entry->private_key[31], 1);
    CHECK(entry->routes_are_default);
    CHECK_TEXT(entry->peers[0].endpoint_name, "relay.example.net");
    CHECK(!entry->peers[0].has_endpoint);
    CHECK_EQUAL(entry->peers[0].endpoint.port, 51820);
    CHECK_EQUAL(entry->peers[0].allowed_ips_count, 2);
    check_prefix(&entry->peers[0].allowed_ips[1], "::/0");

    const struct tunnel_description *office = &config->network.tunnels[1];
    CHECK_TEXT(office->name, "office");
    CHECK_EQUAL(office->carrier, 0);
    CHECK_EQUAL(office->private_key[0], 3);
    CHECK_EQUAL(office->address_count, 1);
    check_address(&office->addresses[0], "10.2.0.2");
    CHECK_EQUAL(office->mtu_bytes, 1400);
    CHECK(office->mtu_is_upper_bound);
    CHECK_EQUAL(office->fwmark, 0);
    CHECK(!config->table_is_off);
    CHECK(!office->routes_are_default);
    CHECK_EQUAL(office->route_count, 1);
    check_prefix(&office->routes[0], "10.20.0.0/16");
    CHECK_EQUAL(office->peer_count, 1);
    CHECK_EQUAL(office->peers[0].public_key[0], 4);
    CHECK_EQUAL(office->peers[0].preshared_key[0], 1);
    CHECK_EQUAL(office->peers[0].allowed_ips_count, 2);
    check_prefix(&office->peers[0].allowed_ips[1], "10.30.0.0/16");
    CHECK(office->peers[0].has_endpoint);
    CHECK_EQUAL(office->peers[0].endpoint.port, 443);
    CHECK_EQUAL(office->peers[0].persistent_keepalive_s, 25);
    CHECK_EQUAL(config->tunnels[1].peers[0].allowed_ip_lines[1], 16);
    CHECK_EQUAL(config->tunnels[0].place.line, 5);
    done(config);
}

static bool is_address(const struct address *address, const char *text)
{
    struct address expected;
    return address_parse(text, &expected) && address_is_equal(address, &expected);
}

static void test_g3_name_servers_and_search_domains(void)
{
    struct config_files files = {
        {{"work.conf",
          "[Network]\nDNS = 127.0.0.1, corp.example\n"
          "[Tunnel a]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.2, fd00::2\n"
          "DNS = 10.0.0.1\nDNS = lan, fd00::1,10.0.0.1\n"
          "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 10.0.0.0/8, 198.51.100.0/24\n"
          "[Tunnel b]\nVia = a\nConfig = office.conf\n",
          false},
         {"office.conf", OFFICE_CONF, false}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    CHECK(config->dns_count == 1 && is_address(&config->dns[0], "127.0.0.1"));
    CHECK(config->domain_count == 1);
    CHECK_TEXT(config->domains[0], "corp.example");
    const struct tunnel_description *a = &config->network.tunnels[0], *b = a + 1;
    CHECK(a->dns_count == 2 && is_address(&a->dns[0], "10.0.0.1") &&
          is_address(&a->dns[1], "fd00::1"));
    CHECK(config->tunnels[0].domain_count == 1);
    CHECK_TEXT(config->tunnels[0].domains[0], "lan");
    CHECK(b->dns_count == 1 && is_address(&b->dns[0], "10.2.0.1")); /* I1 */
    CHECK(said(
        CONFIG_WARNING,
        "work.conf:6: DNS: \"a\" cannot ask fd00::1: no peer has it in AllowedIPs, so that "
        "queries to it do not enter the tunnel; to ask inside, add fd00::1/128 to AllowedIPs"));
    CHECK(said(
        CONFIG_WARNING,
        "office.conf:5: DNS: \"b\" cannot ask 10.2.0.1: no peer has it in AllowedIPs, so that "
        "queries to it do not enter the tunnel; to ask inside, add 10.2.0.1/32 to AllowedIPs"));
    done(config);
}

static void test_g3_search_domains_alone_are_told(void)
{
    struct config_files files = {{{"n.conf",
                                   "[Network]\nDNS = corp.example\n"
                                   "[Tunnel a]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.2\n"
                                   "DNS = lan\n[Peer]\nPublicKey = " KEY_2 "\n",
                                   false}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    CHECK(said(CONFIG_WARNING, "n.conf:2: DNS: search domains without a name server have no "
                               "effect; add the server's address or remove them"));
    CHECK(said(CONFIG_WARNING, "n.conf:6: DNS: search domains without a name server have no "
                               "effect; add the server's address or remove them"));
    done(config);
}

static void test_g1_a_name_inside_a_carrier_that_has_a_name_server(void)
{
    struct config_files files = {
        {{"work.conf",
          "[Tunnel a]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.2\nDNS = 10.0.0.1\n"
          "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 10.0.0.0/8, 198.51.100.0/24\n"
          "[Tunnel b]\nVia = a\nPrivateKey = " KEY_3 "\nAddress = 10.0.0.3\n"
          "[Peer]\nPublicKey = " KEY_4 "\nEndpoint = exit.example:51820\n",
          false}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    CHECK_TEXT(config->network.tunnels[1].peers[0].endpoint_name, "exit.example");
    done(config);
}

static void test_i1_what_an_included_file_loses_is_named(void)
{
    struct config_files files = {
        {{"work.conf", EXAMPLE_CONF, false}, {"office.conf", OFFICE_CONF, false}}};
    struct config *config = load(&files, 1);
    CHECK(said(CONFIG_NOTICE,
               "office.conf:6: FwMark: ignored: only a single wg-quick file's FwMark "
               "is honoured"));
    CHECK(said(CONFIG_NOTICE, "office.conf:7: Table: ignored: only a single wg-quick file's Table "
                              "is honoured"));
    CHECK(said(CONFIG_NOTICE,
               "office.conf:8: PostUp: ignored: only a single wg-quick file's PostUp is "
               "honoured"));
    CHECK(said(CONFIG_NOTICE, "office.conf:9: SaveConfig: ignored: only a single wg-quick file's "
                              "SaveConfig is honoured"));
    CHECK_EQUAL(messages.count, 5);
    done(config);
}

static void test_i1_inline_keys_beat_the_included_ones(void)
{
    struct config_files files = {{{"a.conf",
                                   "[Tunnel entry]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\n"
                                   "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 0.0.0.0/0\n"
                                   "[Tunnel office]\nVia = entry\nConfig = sub/office.conf\n"
                                   "PrivateKeyFile = office.key\nAddress = 10.9.0.1\nMTU = 1300\n"
                                   "ListenPort = 7\n"
                                   "[Peer]\nPublicKey = " KEY_4 "\nEndpoint = 192.0.2.9:99\n"
                                   "[Peer]\nPublicKey = " KEY_3 "\n",
                                   false},
                                  {"sub/office.conf", OFFICE_CONF, false},
                                  {"office.key", KEY_2 "\r\n\n", true}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    const struct tunnel_description *office = &config->network.tunnels[1];
    CHECK_EQUAL(office->private_key[0], 2);
    CHECK_EQUAL(office->address_count, 1);
    check_address(&office->addresses[0], "10.9.0.1");
    CHECK_EQUAL(office->mtu_bytes, 1300);
    CHECK(!office->mtu_is_upper_bound);
    CHECK_EQUAL(office->listen_port, 7);
    CHECK_EQUAL(office->peer_count, 2);
    char text[ENDPOINT_TEXT_BYTES];
    CHECK_TEXT(endpoint_format(&office->peers[0].endpoint, text), "192.0.2.9:99");
    CHECK_EQUAL(office->peers[0].allowed_ips_count, 2);
    CHECK_EQUAL(office->peers[0].preshared_key[0], 1);
    CHECK_EQUAL(office->peers[0].persistent_keepalive_s, 25);
    CHECK_EQUAL(office->peers[1].allowed_ips_count, 0);
    CHECK(said(CONFIG_WARNING, "a.conf:10: PrivateKeyFile: others can read the key file; run: "
                               "chmod 600 office.key"));
    done(config);
}

static void test_i1_files_chained_leftmost_outermost(void)
{
    struct config_files files = {
        {{"x/entry.conf",
          "[Interface]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1/24, fd00::1/64\nTable = off\n"
          "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = a.example:1\n",
          false},
         {"y/middle.conf",
          "[Interface]\nPrivateKey = " KEY_1 "\nAddress = 10.0.1.1/24, fd00:1::1/64\n"
          "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 0.0.0.0/0, ::/0\n"
          "Endpoint = [2001:db8::1]:1\n",
          false},
         {"exit.conf",
          "[Interface]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1/24\n"
          "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 0.0.0.0/0\nEndpoint = 192.0.2.1:1\n",
          false}}};
    struct config *config = load(&files, 3);
    if (!config)
        return;
    CHECK_TEXT(config->name, "exit");
    CHECK_TEXT(config->interface_name, "exit");
    CHECK_EQUAL(config->network.tunnel_count, 3);
    CHECK_TEXT(config->network.tunnels[0].name, "entry");
    CHECK_EQUAL(config->network.tunnels[0].carrier, TUNNEL_NO_CARRIER);
    CHECK_EQUAL(config->network.tunnels[1].carrier, 0);
    CHECK_EQUAL(config->network.tunnels[2].carrier, 1);
    CHECK(!config->table_is_off);
    struct text text = TEXT_ROOM(1000);
    config_outline(config, &text);
    CHECK_TEXT(text.bytes, "exit: interface exit 10.0.0.1 fd00::1\n"
                           "  entry: 10.0.0.1 fd00::1, routes 0.0.0.0/0 ::/0\n"
                           "    peer AgICAgIC… at a.example:1, directly\n"
                           "    middle: 10.0.1.1 fd00:1::1 (NAT), routes 0.0.0.0/0 ::/0\n"
                           "      peer AgICAgIC… at [2001:db8::1]:1, inside entry\n"
                           "      exit: 10.0.0.1 (NAT), routes 0.0.0.0/0\n"
                           "        peer AgICAgIC… at 192.0.2.1:1, inside middle\n"
                           "  KillSwitch off, AllowLAN off\n");
    done(config);
}

static void test_f4_the_kill_switch_and_what_the_lan_may(void)
{
    static const char *const values[] = {"off", "On", "10.1.2.3/8, fd00::/64",
                                         "10.1.2.3/8 on, fd00::/64"};
    for (size_t i = 0; i < 4; i++) {
        char text[256];
        snprintf(text, sizeof(text), "[Network]\nKillSwitch = %s\nAllowLAN = %s\n%s"
                                     "[Tunnel a]\nPrivateKey = " KEY_1 "\n",
                 i ? "on" : "off", values[i],
                 i == 1 ? "DNSGuard = off\n" : i >= 2 ? "DNSGuard = on\n" : "");
        struct config_files files = {{{"n.conf", text, false}}};
        struct config *config = load(&files, 1);
        if (!config)
            return;
        CHECK_EQUAL(config->has_kill_switch, i > 0);
        CHECK_EQUAL(config->dns_guard_is_off, i == 1);
        CHECK_EQUAL(config->allows_lan, i % 2);
        CHECK_EQUAL(config->lan_count, i >= 2 ? 2 : 0);
        if (i >= 2 && config->lan_count == 2) {
            check_prefix(&config->lan[0], "10.0.0.0/8");
            check_prefix(&config->lan[1], "fd00::/64");
            CHECK(said(CONFIG_WARNING, "n.conf:3: AllowLAN: 10.1.2.3/8 has host bits; taken as "
                                       "10.0.0.0/8"));
        }
        done(config);
    }
}

static void test_a_single_wg_quick_file_is_a_network(void)
{
    struct config_files files = {
        {{"wg0.conf",
          "[Interface]\nPRIVATEKEY=" KEY_1 "\nListenPort=51820\nFwMark=0xca70\nTable=1234\n"
          "Address=10.0.0.1/24,10.0.0.2/24\nMTU=9000\nSaveConfig=false\n"
          "[Peer]\nPublicKey=" KEY_2 "\nAllowedIPs=10.1.2.3/8\nPersistentKeepalive=off\n"
          "[Peer]\nPublicKey=" KEY_3 "\nAllowedIPs=10.0.0.0/8\n",
          true}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    const struct tunnel_description *tunnel = &config->network.tunnels[0];
    CHECK_TEXT(config->name, "wg0");
    CHECK_TEXT(tunnel->name, "wg0");
    CHECK_EQUAL(tunnel->listen_port, 51820);
    CHECK_EQUAL(config->mark, 0xca70);
    CHECK_EQUAL(config->mark_mask, 0xffffffff);
    CHECK_EQUAL(config->table, 1234);
    CHECK_EQUAL(tunnel->mtu_bytes, 9000);
    CHECK(!tunnel->mtu_is_upper_bound);
    CHECK_EQUAL(tunnel->address_count, 2);
    CHECK_EQUAL(config->network.nat_ipv6.family, FAMILY_NONE);
    check_prefix(&tunnel->peers[0].allowed_ips[0], "10.0.0.0/8");
    CHECK(said(CONFIG_WARNING, "wg0.conf:11: AllowedIPs: 10.1.2.3/8 has host bits; taken as "
                               "10.0.0.0/8"));
    CHECK(said(CONFIG_WARNING, "wg0.conf: others can read this file, which holds keys; run: chmod "
                               "600 wg0.conf"));
    CHECK(said(CONFIG_WARNING, "wg0.conf:15: AllowedIPs: 10.0.0.0/8 is allowed to the peer of "
                               "wg0.conf:11 already; this later peer takes it"));
    done(config);
}

#define TWO_ROOTS(first, second)                                                                   \
    "[Tunnel a]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1, fd00::1\n" first "\n"                 \
    "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 10.0.0.0/8\n"                                     \
    "[Tunnel b]\nPrivateKey = " KEY_1 "\nAddress = 10.1.0.1, 10.1.0.2\n" second "\n"               \
    "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 10.0.0.0/8, 192.168.0.0/16\n"

static void test_a1_routes(void)
{
    struct config_files files = {
        {{"n.conf", TWO_ROOTS("Routes = none", "Routes = !10.1.0.0/16"), false}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    const struct tunnel_description *a = &config->network.tunnels[0];
    const struct tunnel_description *b = &config->network.tunnels[1];
    CHECK(!a->routes_are_default && a->route_count == 0);
    CHECK(b->routes_are_default && b->route_exception_count == 1);
    check_prefix(&b->route_exceptions[0], "10.1.0.0/16");
    done(config);
}

static void test_a1_an_exception_of_the_whole_prefix_ends_the_conflict(void)
{
    struct config_files files = {{{"n.conf", TWO_ROOTS("", "Routes = !10.0.0.0/8"), false}}};
    done(load(&files, 1));
}

static void test_a4_routes_outside_the_allowed_ips_are_warned_about(void)
{
    struct config_files files = {
        {{"n.conf", TWO_ROOTS("", "Routes = 192.168.0.0/15, 192.168.3.0/24\nRoutes = ::/0"),
          false}}};
    struct config *config = load(&files, 1);
    CHECK(said(CONFIG_WARNING, "n.conf:11: Routes: 192.168.0.0/15 is not wholly in the peers' "
                               "AllowedIPs; what lies outside is refused"));
    CHECK(said(CONFIG_WARNING, "n.conf:12: Routes: ::/0 is not wholly in the peers' AllowedIPs; "
                               "what lies outside is refused"));
    done(config);
}

static void test_b1_nat_addresses(void)
{
    struct config_files files = {
        {{"n.conf", "[Network]\nAddress = 172.16.0.1\n" TWO_ROOTS("", "Routes = 192.168.0.0/16"),
          false}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    check_address(&config->network.nat_ipv4, "172.16.0.1");
    check_address(&config->network.nat_ipv6, "fd00::1");
    CHECK(said(CONFIG_NOTICE, "n.conf:12: Address: 10.1.0.2 is unused: \"b\" has NAT and needs one "
                              "address of a family"));
    CHECK(!description_nat_is_on(&config->network, 0));
    CHECK(description_nat_is_on(&config->network, 1));
    done(config);
}

static void test_b2_the_first_root_need_not_be_the_first_tunnel(void)
{
    struct config_files files = {
        {{"n.conf",
          "[Tunnel inner]\nVia = outer\nPrivateKey = " KEY_1 "\nAddress = 10.1.0.1\n"
          "[Tunnel outer]\nPrivateKey = " KEY_1 "\nAddress = 10.2.0.1\n",
          false}}};
    struct config *config = load(&files, 1);
    if (!config)
        return;
    CHECK_EQUAL(description_first_root(&config->network), 1);
    CHECK(description_nat_is_on(&config->network, 0));
    CHECK(!description_nat_is_on(&config->network, 1));
    check_address(&config->network.nat_ipv4, "10.1.0.1");
    done(config);
}

static void test_very_long_lines_are_read(void)
{
    static char text[400000];
    struct text writer;
    text_init(&writer, text, sizeof(text));
    text_append(&writer, "[Interface]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\n[Peer]\n"
                         "PublicKey = " KEY_2 "\nAllowedIPs = ");
    for (unsigned i = 0; i < 20000; i++)
        text_append(&writer, "10.%u.%u.%u/32, ", i >> 12, i >> 4 & 255, i & 15);
    CHECK(!writer.is_cut);
    struct config_files files = {{{"long.conf", text, false}}};
    struct config *config = load(&files, 1);
    if (config)
        CHECK_EQUAL(config->network.tunnels[0].peers[0].allowed_ips_count, 20000);
    CHECK_EQUAL(messages.count, 0);
    done(config);
}

/* Memory that ends after a number of takes. */
struct short_memory {
    size_t takes_left;
};

static void *take_some(void *context, size_t bytes)
{
    struct short_memory *memory = context;
    if (memory->takes_left == 0)
        return NULL;
    memory->takes_left--;
    return memory_take(tap_memory(), bytes);
}

static void give_some(void *context, void *pointer, size_t bytes)
{
    (void)context;
    memory_give(tap_memory(), pointer, bytes);
}

static void test_memory_may_end_at_any_place(void)
{
    static char text[200000];
    struct text writer;
    text_init(&writer, text, sizeof(text));
    text_append(&writer, EXAMPLE_CONF);
    for (unsigned i = 0; i < 100; i++)
        text_append(&writer,
                    "[Tunnel t%u]\nVia = entry\nPrivateKeyFile = k\nAddress = 10.%u.0.1\n"
                    "Routes = 10.%u.0.0/24, 10.%u.1.0/24\n",
                    i, i, i + 100, i + 100);
    struct config_files files = {
        {{"work.conf", text, false}, {"office.conf", OFFICE_CONF, false}, {"k", KEY_1, false}}};
    bool is_loaded = false;
    for (size_t takes = 0; takes < 1000 && !is_loaded; takes++) {
        struct short_memory short_memory = {takes};
        struct memory memory = {take_some, give_some, &short_memory};
        struct config *config = NULL;
        is_loaded = config_files_load(&files, 1, &memory, &config, &messages);
        CHECK(is_loaded == (messages.errors == 0));
        done(config);
    }
    CHECK(is_loaded);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_i1_the_example_with_an_included_file);
    TAP_RUN(argc, argv, test_g3_name_servers_and_search_domains);
    TAP_RUN(argc, argv, test_g3_search_domains_alone_are_told);
    TAP_RUN(argc, argv, test_g1_a_name_inside_a_carrier_that_has_a_name_server);
    TAP_RUN(argc, argv, test_i1_what_an_included_file_loses_is_named);
    TAP_RUN(argc, argv, test_i1_inline_keys_beat_the_included_ones);
    TAP_RUN(argc, argv, test_i1_files_chained_leftmost_outermost);
    TAP_RUN(argc, argv, test_f4_the_kill_switch_and_what_the_lan_may);
    TAP_RUN(argc, argv, test_a_single_wg_quick_file_is_a_network);
    TAP_RUN(argc, argv, test_a1_routes);
    TAP_RUN(argc, argv, test_a1_an_exception_of_the_whole_prefix_ends_the_conflict);
    TAP_RUN(argc, argv, test_a4_routes_outside_the_allowed_ips_are_warned_about);
    TAP_RUN(argc, argv, test_b1_nat_addresses);
    TAP_RUN(argc, argv, test_b2_the_first_root_need_not_be_the_first_tunnel);
    TAP_RUN(argc, argv, test_very_long_lines_are_read);
    TAP_RUN(argc, argv, test_memory_may_end_at_any_place);
    return tap_done();
}
