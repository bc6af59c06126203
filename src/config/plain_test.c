/* SPDX-License-Identifier: MIT */
/* What `wg-quick` and `wg setconf` accept, with the meaning that it has there (RULES I1). */
#include "config/config.h"

#include "rigs/config_files.h"
#include "tap.h"

#define HEAD "[Interface]\nPrivateKey = " KEY_1 "\n" /* lines 1 and 2 */
#define PEER "[Peer]\nPublicKey = " KEY_2 "\n"       /* 3 and 4 */
#define OTHER "[Peer]\nPublicKey = " KEY_3 "\n"

static struct config_messages messages;

static bool find_port(void *context, const char *name, uint16_t *port)
{
    (void)context;
    *port = 53;
    return strcmp(name, "domain") == 0;
}

static uint32_t find_interface(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "eth0") == 0 ? 7 : 0;
}

static const char *taken; /* an interface's name */

static bool is_taken(void *context, const char *interface_name, const char *network)
{
    (void)context;
    (void)network;
    return taken && strcmp(interface_name, taken) == 0;
}

static struct config *load_path(const char *path, const char *text)
{
    struct config_files files = {{{path, text, false}}};
    struct config_reader reader = {.read = config_files_read,
                                   .find_port = find_port,
                                   .find_interface = find_interface,
                                   .is_taken = is_taken,
                                   .context = &files};
    struct config *config = NULL;
    config_messages_init(&messages, tap_memory());
    bool is_loaded = config_load(&config, tap_memory(), &reader, &path, 1, &messages);
    for (size_t i = 0; i < messages.count && !is_loaded; i++)
        printf("# %s\n", messages.items[i].text);
    CHECK(is_loaded);
    return config;
}

static struct config *load(const char *text)
{
    return load_path("n.conf", text);
}

static void done(struct config *config)
{
    config_free(config);
    config_messages_wipe(&messages);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static bool said(enum config_message_kind kind, const char *part)
{
    for (size_t i = 0; i < messages.count; i++)
        if (messages.items[i].kind == kind && strstr(messages.items[i].text, part))
            return true;
    for (size_t i = 0; i < messages.count; i++)
        printf("# said: %s\n", messages.items[i].text);
    return false;
}

/* "10.0.0.0/8 fd00::/8" */
static const char *allowed(const struct config *config, size_t peer)
{
    static char text[512];
    const struct peer_description *from = &config->network.tunnels[0].peers[peer];
    text[0] = '\0';
    for (size_t i = 0; i < from->allowed_ips_count; i++) {
        char prefix[PREFIX_TEXT_BYTES + 1];
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
                 prefix_format(&from->allowed_ips[i], prefix));
    }
    return text;
}

/* "" without one; a name's port behind it. */
static const char *endpoint(const struct config *config)
{
    static char text[300];
    const struct peer_description *from = &config->network.tunnels[0].peers[0];
    text[0] = '\0';
    if (from->endpoint_name)
        snprintf(text, sizeof(text), "%s:%u", from->endpoint_name, from->endpoint.port);
    else if (from->has_endpoint)
        endpoint_format(&from->endpoint, text);
    return text;
}

static const char *addresses(const struct config *config)
{
    static char text[512];
    const struct tunnel_description *from = &config->network.tunnels[0];
    text[0] = '\0';
    for (size_t i = 0; i < from->address_count; i++) {
        char address[ADDRESS_TEXT_BYTES];
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
                 address_format(&from->addresses[i], address));
    }
    return text;
}

static void test_i1_endpoints_as_wg_reads_them(void)
{
    static const char *const shapes[][2] = {
        {"192.0.2.1:51820", "192.0.2.1:51820"},
        {"[2001:db8::1]:51820", "[2001:db8::1]:51820"},
        {"2001:db8::1:51820", "[2001:db8::1]:51820"}, /* the last colon */
        {"2001:db8::1:2:3", "[2001:db8::1:2]:3"},
        {"[192.0.2.1]:51820", "192.0.2.1:51820"},
        {"[relay.example]:51820", "relay.example:51820"},
        {"192.0.2.1:domain", "192.0.2.1:53"},
        {"relay.example:domain", "relay.example:53"},
        {"[fe80::1%eth0]:51820", "[fe80::1%7]:51820"},
        {"[fe80::1%12]:51820", "[fe80::1%12]:51820"},
        {"fe80::1%eth0:51820", "[fe80::1%7]:51820"},
        {"[::ffff:192.0.2.1]:51820", "192.0.2.1:51820"},
        {" 192.0.2.1 : 51 820 ", "192.0.2.1:51820"},
        {"192.0.2.1:051820", "192.0.2.1:51820"},
        {"192.0.2.010:51820", "192.0.2.8:51820"}, /* octal */
        {"0xc0000201:51820", "192.0.2.1:51820"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        char text[400];
        snprintf(text, sizeof(text), HEAD PEER "Endpoint = %s\n", shapes[i][0]);
        struct config *config = load(text);
        if (config)
            CHECK_TEXT(endpoint(config), shapes[i][1]);
        done(config);
    }
}

static void test_i1_lists_by_commas_and_blanks(void)
{
    static const char *const shapes[][2] = {
        {"Address = 10.0.0.2/32, fd00::2/128", "10.0.0.2 fd00::2"},
        {"Address = 10.0.0.2/32 fd00::2/128", "10.0.0.2 fd00::2"},
        {"Address=10.0.0.2,fd00::2", "10.0.0.2 fd00::2"},
        {"Address = 10.0.0.2/24\nAddress =\nAddress = ,\naddress = fd00::2/64 ,",
         "10.0.0.2 fd00::2"},
        {"Address = 10.0.0.2/255.255.255.0", "10.0.0.2"},
        {"Address =", ""},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        char text[400];
        snprintf(text, sizeof(text), HEAD "%s\n" PEER, shapes[i][0]);
        struct config *config = load(text);
        if (config)
            CHECK_TEXT(addresses(config), shapes[i][1]);
        done(config);
    }
    struct config *config = load(HEAD "Address = 10.0.0.2\nDNS = 10.0.0.1 lan  10.0.0.3,\tcorp\n"
                                      "DNS =\n" PEER "AllowedIPs = 10.0.0.0/8\n");
    if (config) {
        CHECK_EQUAL(config->network.tunnels[0].dns_count, 2);
        CHECK_EQUAL(config->domain_count, 2);
    }
    done(config);
}

/* As wg-quick hands them to resolvconf: what is no address is a search domain. */
static void test_i1_servers_on_this_host_or_a_link_and_domains_that_route(void)
{
    struct config *config =
        load(HEAD "DNS = 127.0.0.1, fe80::1%eth0, ~corp.example, ~., 10.0.0.1, ::1,"
                  "fe80::1%eth1 fe80::1%eth0\n" PEER "AllowedIPs = 0.0.0.0/0\n");
    if (config && CHECK_EQUAL(config->dns_count, 5)) {
        char text[ADDRESS_TEXT_BYTES];
        CHECK_TEXT(address_format(&config->dns[0], text), "127.0.0.1");
        CHECK(!config->dns_zones[0] && !config->dns_zones[2]);
        CHECK_TEXT(config->dns_zones[1], "eth0");
        CHECK_TEXT(config->dns_zones[4], "eth1");
        CHECK_EQUAL(config->domain_count, 2);
        CHECK_TEXT(config->domains[0], "~corp.example");
        CHECK_TEXT(config->domains[1], "~.");
        /* Nobody routes the others into the tunnel, nor asks them there. */
        CHECK_EQUAL(config->network.tunnels[0].dns_count, 1);
        CHECK_TEXT(address_format(&config->network.tunnels[0].dns[0], text), "10.0.0.1");
        CHECK(said(CONFIG_NOTICE, "DNS: 127.0.0.1 is this host: names go to what answers there"));
        CHECK(said(CONFIG_WARNING,
                   "DNS: fe80::1 is on a link of this host: names go there in clear"));
    }
    done(config);
    config = load(HEAD "Address = 10.0.0.2\nDNS = fe80::1\n" PEER);
    CHECK(said(CONFIG_WARNING, "DNS: fe80::1 is on some link, and which one is not said"));
    done(config);
    config =
        load(HEAD "DNS = 2001:db8::1%eth0\n" PEER "AllowedIPs = ::/0\n"); /* as libc: no zone */
    if (config)
        CHECK(config->dns_count == 1 && !config->dns_zones[0]);
    done(config);
}

static void test_i1_allowed_ips_as_wg_reads_them(void)
{
    static const char *const shapes[][2] = {
        {"AllowedIPs = 10.0.0.0 /8 , fd00::/ 8", "10.0.0.0/8 fd00::/8"},
        {"AllowedIPs = 10.0.0.0/8 10.1.2.3/16 fd00::1", "10.0.0.0/8 10.1.0.0/16 fd00::1/128"},
        {"AllowedIPs = 10.1.2.3", "10.1.2.3/32"},
        {"AllowedIPs = 0.0.0.0", "0.0.0.0/32"},
        {"AllowedIPs = 10.1.1.1/08", "10.0.0.0/8"},
        {"AllowedIPs = ::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104"},
        {"AllowedIPs = 10.0.0.0/8\nAllowedIPs =\nAllowedIPs=10.1.0.0/16", "10.0.0.0/8 10.1.0.0/16"},
        {"AllowedIPs = 10.0.0.0/8, +10.1.0.0/16, -10.0.0.0/8", "10.1.0.0/16"},
        {"AllowedIPs =", ""},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        char text[400];
        snprintf(text, sizeof(text), HEAD "Address = 10.0.0.2, fd00::2\n" PEER "%s\n",
                 shapes[i][0]);
        struct config *config = load(text);
        if (config)
            CHECK_TEXT(allowed(config, 0), shapes[i][1]);
        done(config);
    }
}

static void test_i1_one_peer_in_two_sections_is_joined_as_wg_setconf_does(void)
{
    struct config *config =
        load(HEAD PEER "AllowedIPs = 10.0.0.0/8\nEndpoint = 192.0.2.1:1\nPresharedKey = " KEY_4
                       "\n" OTHER "AllowedIPs = 10.5.0.0/16\n" PEER
                       "AllowedIPs = 10.1.0.0/16\nPersistentKeepalive = 25\n");
    if (config) {
        const struct peer_description *peers = config->network.tunnels[0].peers;
        CHECK_EQUAL(config->network.tunnels[0].peer_count, 2);
        CHECK_TEXT(allowed(config, 0), "10.1.0.0/16"); /* the later ones replace */
        CHECK_TEXT(endpoint(config), "192.0.2.1:1");
        CHECK_EQUAL(peers[0].preshared_key[0], 4);
        CHECK_EQUAL(peers[0].persistent_keepalive_s, 25);
        CHECK_TEXT(allowed(config, 1), "10.5.0.0/16");
        CHECK(said(CONFIG_WARNING,
                   "n.conf:12: PublicKey: the same peer as in n.conf:4, joined with "
                   "it as `wg setconf` does: the AllowedIPs here replace those"));
    }
    done(config);
    config = load(HEAD PEER "AllowedIPs = 10.0.0.0/8, 10.1.0.0/16\n" PEER
                            "AllowedIPs = +10.2.0.0/16, -10.1.0.0/16\n" PEER
                            "AllowedIPs = +10.3.0.0/16\n");
    if (config)
        CHECK_TEXT(allowed(config, 0), "10.0.0.0/8 10.2.0.0/16 10.3.0.0/16");
    done(config);
    config = load(HEAD PEER "AllowedIPs = 10.0.0.0/8\n" PEER);
    if (config)
        CHECK_TEXT(allowed(config, 0), "");
    done(config);
}

static void test_i1_of_two_peers_with_one_prefix_that_of_the_later_section_has_it(void)
{
    struct config *config = load(HEAD PEER "AllowedIPs = 10.5.0.0/16\n" OTHER
                                           "AllowedIPs = 10.5.0.0/16, 10.6.0.0/16\n" PEER
                                           "AllowedIPs = 10.5.0.0/16\n");
    if (config) {
        CHECK_TEXT(allowed(config, 0), "10.5.0.0/16");
        CHECK_TEXT(allowed(config, 1), "10.6.0.0/16");
        CHECK(said(CONFIG_WARNING, "10.5.0.0/16 is allowed to the peer of n.conf:7 already; this "
                                   "later peer takes it"));
    }
    done(config);
    /* What a peer took from another does not go back with the section that takes it away. */
    config = load(HEAD PEER "AllowedIPs = 10.5.0.0/16, 10.6.0.0/16\n" OTHER
                            "AllowedIPs = 10.5.0.0/16\n" OTHER "AllowedIPs = 10.7.0.0/16\n");
    if (config) {
        CHECK_TEXT(allowed(config, 0), "10.6.0.0/16");
        CHECK_TEXT(allowed(config, 1), "10.7.0.0/16");
    }
    done(config);
}

static void test_i1_the_last_of_repeated_keys_counts(void)
{
    struct config *config =
        load("[Interface]\nPrivateKey = " KEY_3 "\nMTU = 1400\nListenPort = 1\nTable = off\n"
             "PrivateKey = " KEY_1 "\nMTU = 1300\nListenPort = domain\nTable = auto\n[Peer]\n"
             "PublicKey = " KEY_3 "\nPublicKey = " KEY_2 "\nEndpoint = relay.example:1\n"
             "Endpoint = 192.0.2.1:2\nPersistentKeepalive = 25\nPersistentKeepalive = off\n"
             "PresharedKey = " KEY_4 "\nPresharedKey = " KEY_ZERO "\n");
    if (config) {
        const struct tunnel_description *tunnel = &config->network.tunnels[0];
        CHECK_EQUAL(tunnel->private_key[0], 1);
        CHECK_EQUAL(tunnel->mtu_bytes, 1300);
        CHECK_EQUAL(tunnel->listen_port, 53);
        CHECK(!config->table_is_off && !config->table);
        CHECK_EQUAL(tunnel->peers[0].public_key[0], 2);
        CHECK_TEXT(endpoint(config), "192.0.2.1:2");
        CHECK_EQUAL(tunnel->peers[0].persistent_keepalive_s, 0);
        CHECK_EQUAL(tunnel->peers[0].preshared_key[0], 0);
        CHECK(said(CONFIG_WARNING, "n.conf:6: PrivateKey: given twice: this one counts, and "
                                   "PrivateKey on line 2 does not, as with wg-quick"));
    }
    done(config);
    config = load(HEAD PEER "Endpoint = 192.0.2.1:2\nEndpoint = relay.example:1\n");
    if (config)
        CHECK_TEXT(endpoint(config), "relay.example:1");
    done(config);
}

static void test_i1_an_empty_value_is_as_if_it_were_not_there(void)
{
    struct config *config =
        load(HEAD "Address =\nDNS =\nMTU = 1300\nMTU =\nTable = off\nTable =\nListenPort =\n"
                  "FwMark =\nPostUp =\nSaveConfig =\n" PEER
                  "PresharedKey =\nEndpoint =\nAllowedIPs =\nPersistentKeepalive =\n");
    if (config) {
        const struct tunnel_description *tunnel = &config->network.tunnels[0];
        CHECK_EQUAL(tunnel->address_count + tunnel->dns_count + tunnel->mtu_bytes, 0);
        CHECK_EQUAL(tunnel->listen_port + tunnel->fwmark, 0);
        CHECK(!config->table_is_off && !config->table);
        CHECK(!tunnel->peers[0].has_endpoint && !tunnel->peers[0].endpoint_name);
        CHECK(said(CONFIG_NOTICE, "n.conf:15: PresharedKey: has no value, and is as if it were not "
                                  "there"));
    }
    done(config);
    config = load(HEAD "MTU = 0\n" PEER);
    if (config)
        CHECK_EQUAL(config->network.tunnels[0].mtu_bytes, 0);
    done(config);
}

static void test_i1_the_shape_of_lines(void)
{
    static const char *const texts[] = {
        "\xef\xbb\xbf[Interface]\r\nPrivateKey=" KEY_1 "\r\nListenPort=7\r\n[Peer]\r\n"
        "PublicKey=" KEY_2 "\r\nAllowedIPs=10.0.0.0/8\r\nEndpoint=192.0.2.1:1",
        "[peer]\nPUBLICKEY=" KEY_2 "\nallowedips=10.0.0.0/8\nENDPOINT=192.0.2.1:1\n\n[INTERFACE]\n"
        "privatekey\t=\t" KEY_1 "\nLISTENPORT = 7 # seven\n",
        "#[Peer]\n[Interface]#\n\tPrivate Key = " KEY_1 "\n  Listen Port=  7\n\v\n[Peer]\n"
        "PublicKey=" KEY_2 "#a\nAllowedIPs =10.0.0.0/8#, ::/0\nEnd point= 192.0.2.1 : 1\n",
        "[Interface]\nListenPort=7\n[Peer]\nPublicKey = AgICAgICAgICAgICAgIC "
        "AgICAgICAgICAgICAgICAgI=\n"
        "AllowedIPs = 10.0.0.0/8\nEndpoint=192.0.2.1:1\n[Interface]\nPrivateKey=" KEY_1 "\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct config *config = load(texts[i]);
        if (config) {
            const struct tunnel_description *tunnel = &config->network.tunnels[0];
            CHECK_EQUAL(tunnel->private_key[31], 1);
            CHECK_EQUAL(tunnel->listen_port, 7);
            CHECK_EQUAL(tunnel->peer_count, 1);
            CHECK_EQUAL(tunnel->peers[0].public_key[31], 2);
            CHECK_TEXT(allowed(config, 0), "10.0.0.0/8");
            CHECK_TEXT(endpoint(config), "192.0.2.1:1");
        }
        done(config);
    }
}

static void test_i1_values_of_amneziawg_that_are_plain_wireguard_s_are_no_hindrance(void)
{
    struct config *config =
        load(HEAD "Jc = 0\nJmin = 40\nJmax = 70\nS1 = 0\nS2=0\nH1 = 1\nH2 = 2\nH3=3\nH4 = 4\n"
                  "I1 =\nDisallowedIPs =\nAdvancedSecurity = off\n" PEER "Reserved = [0, 0, 0]\n");
    CHECK(said(CONFIG_NOTICE,
               "n.conf:12: I1: AmneziaWG's, no key of WireGuard's, and without effect"));
    CHECK(said(CONFIG_NOTICE, "n.conf:13: DisallowedIPs: WireSock's, no key of WireGuard's"));
    CHECK(said(CONFIG_NOTICE,
               "n.conf:3: Jc: AmneziaWG's, no key of WireGuard's, and without effect"));
    CHECK(said(CONFIG_NOTICE,
               "n.conf:17: Reserved: WARP's, no key of WireGuard's, and without effect"));
    done(config);
}

static void test_i1_a_file_s_name_that_no_interface_can_have(void)
{
    char first[INTERFACE_NAME_BYTES];
    struct config *config = load_path("x/se-sto wireguard #1.conf", HEAD PEER);
    if (!config)
        return;
    CHECK(strncmp(config->name, "se-sto-wireguard-1-", 19) == 0);
    CHECK_TEXT(config->network.tunnels[0].name, config->name);
    CHECK(said(CONFIG_NOTICE, "x/se-sto wireguard #1.conf: the network is called se-sto-"));
    CHECK(said(CONFIG_NOTICE, "x/se-sto wireguard #1.conf: the interface is called se-sto-wir"));
    strcpy(first, config->interface_name);
    done(config);

    taken = first; /* by somebody else's interface */
    config = load_path("x/se-sto wireguard #1.conf", HEAD PEER);
    if (config)
        CHECK(strcmp(config->interface_name, first) != 0);
    done(config);
    taken = NULL;
    config = load_path("sixteen-letters-.conf", HEAD PEER);
    if (config) {
        CHECK_TEXT(config->name, "sixteen-letters-");
        CHECK(said(CONFIG_NOTICE, "sixteen-letters-.conf: the interface is called sixteen-le-"));
    }
    done(config);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_i1_endpoints_as_wg_reads_them);
    TAP_RUN(argc, argv, test_i1_lists_by_commas_and_blanks);
    TAP_RUN(argc, argv, test_i1_servers_on_this_host_or_a_link_and_domains_that_route);
    TAP_RUN(argc, argv, test_i1_allowed_ips_as_wg_reads_them);
    TAP_RUN(argc, argv, test_i1_one_peer_in_two_sections_is_joined_as_wg_setconf_does);
    TAP_RUN(argc, argv, test_i1_of_two_peers_with_one_prefix_that_of_the_later_section_has_it);
    TAP_RUN(argc, argv, test_i1_the_last_of_repeated_keys_counts);
    TAP_RUN(argc, argv, test_i1_an_empty_value_is_as_if_it_were_not_there);
    TAP_RUN(argc, argv, test_i1_the_shape_of_lines);
    TAP_RUN(argc, argv, test_i1_values_of_amneziawg_that_are_plain_wireguard_s_are_no_hindrance);
    TAP_RUN(argc, argv, test_i1_a_file_s_name_that_no_interface_can_have);
    return tap_done();
}
