/* SPDX-License-Identifier: MIT */
#include "daemon/system_dns.h"

#include <string.h>

#include "config/config.h"
#include "io/io_memory.h"
#include "rigs/config_text.h"
#include "tap.h"

#define KEYS "PrivateKey = QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA=\nAddress = 10.64.0.2\n"
#define MORE_KEYS "PrivateKey = UAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFA=\nAddress = 10.20.0.2\n"
#define PEER                                                                                       \
    "[Peer]\nPublicKey = L+V9o0fNYkMVKNqsX7spBzD/9oSvxM/C7ZCZX1jLO3Q=\nEndpoint = "                \
    "198.51.100.7:51820\n"
#define NOT_PRIVATE                                                                                \
    "AllowedIPs = 0.0.0.0/5, 8.0.0.0/7, 11.0.0.0/8, 12.0.0.0/6, 16.0.0.0/4, 32.0.0.0/3, "          \
    "64.0.0.0/2, 128.0.0.0/3, 160.0.0.0/5, 168.0.0.0/6, 172.0.0.0/12, 172.32.0.0/11, "             \
    "172.64.0.0/10, 172.128.0.0/9, 173.0.0.0/8, 174.0.0.0/7, 176.0.0.0/4, 192.0.0.0/9, "           \
    "192.128.0.0/11, 192.160.0.0/13, 192.169.0.0/16, 192.170.0.0/15, 192.172.0.0/14, "             \
    "192.176.0.0/12, 192.192.0.0/10, 193.0.0.0/8, 194.0.0.0/7, 196.0.0.0/6, 200.0.0.0/5, "         \
    "208.0.0.0/4\n"
#define ENTRY(dns, ips) "[Tunnel entry]\n" KEYS "DNS = " dns "\n" PEER ips
#define SILENT_ENTRY(ips) "[Tunnel entry]\n" KEYS PEER ips
#define OFFICE(dns, ips) "[Tunnel office]\n" MORE_KEYS "Via = entry\nDNS = " dns "\n" PEER ips
#define ALL "AllowedIPs = 0.0.0.0/0\n"
#define SPLIT "AllowedIPs = 10.20.0.0/16\n"
#define NOBODY 99 /* or [Network] */

static char told[1024];

static void tell(void *context, enum log_level level, const char *line)
{
    (void)context;
    (void)level;
    strcat(strcat(told, line), "\n");
}

static bool is_in_ten(void *context, const struct address *server)
{
    (void)context;
    return server->bytes[0] == 10;
}

/* The first server, and whose it is. */
static void check_choice(const char *text, const char *server, size_t tunnel)
{
    char found[ADDRESS_TEXT_BYTES] = "none";
    struct config *config = config_text_load(text);
    if (!config)
        return;
    struct system_dns dns = system_dns_choose(config);
    if (dns.server_count)
        address_format(&dns.servers[0], found);
    CHECK_TEXT(found, server);
    CHECK_EQUAL(dns.tunnel, tunnel == NOBODY ? config->network.tunnel_count : tunnel);
    told[0] = '\0';
    system_dns_tell(config, false, is_in_ten, NULL, (struct log_sink){tell, NULL});
    config_free(config);
}

static void test_g3_a_plain_file_s_own_always(void)
{
    check_choice("[Interface]\n" KEYS "DNS = 10.64.0.1\n" PEER ALL, "10.64.0.1", 0);
    check_choice("[Interface]\n" KEYS "DNS = 10.64.0.1\n" PEER NOT_PRIVATE, "10.64.0.1", 0);
    check_choice("[Interface]\n" KEYS "DNS = 10.20.0.53\n" PEER SPLIT, "10.20.0.53", 0);
    check_choice("[Interface]\n" KEYS "DNS = ::1, 10.64.0.1\n" PEER ALL, "::1", 0);
    check_choice("[Interface]\n" KEYS "DNS = 127.0.0.1\n" PEER ALL, "127.0.0.1", NOBODY);
    check_choice("[Interface]\n" KEYS PEER ALL, "none", NOBODY);
    CHECK_TEXT(told, "");
}

static void test_g3_the_deepest_that_takes_most_goes_before(void)
{
    check_choice(ENTRY("10.64.0.1", ALL) OFFICE("10.20.0.53", SPLIT), "10.64.0.1", 0);
    CHECK_TEXT(told, "the system does not use the DNS of office: that of entry goes before\n");
    check_choice(ENTRY("10.64.0.1", NOT_PRIVATE) OFFICE("10.20.0.53", SPLIT), "10.64.0.1", 0);
    check_choice(ENTRY("10.64.0.1", ALL) OFFICE("10.20.0.53", ALL), "10.20.0.53", 1);
    CHECK_TEXT(told, "the system does not use the DNS of entry: that of office goes before\n");
    check_choice(ENTRY("10.64.0.1", ALL)
                     OFFICE("10.20.0.53", ALL "[Tunnel third]\n" MORE_KEYS "DNS = 192.0.2.53\n" PEER
                                              "AllowedIPs = 192.0.2.0/24\n"),
                 "10.20.0.53", 1);
    check_choice("[Network]\nDNS = 192.0.2.1\n" ENTRY("10.64.0.1", ALL), "192.0.2.1", NOBODY);
    CHECK_TEXT(told, "the system does not use the DNS of entry: that of [Network] goes before\n");
}

static void test_g3_else_the_only_one_that_names_any(void)
{
    check_choice(SILENT_ENTRY("AllowedIPs = 198.51.100.0/24\n") OFFICE("10.20.0.53", SPLIT),
                 "10.20.0.53", 1);
    CHECK_TEXT(told, "");
    check_choice(ENTRY("10.64.0.1", "AllowedIPs = 10.64.0.0/24, 198.51.100.0/24\n")
                     OFFICE("10.20.0.53", SPLIT), "none", NOBODY);
    CHECK(strstr(told, "DNS of entry: several") && strstr(told, "DNS of office: several"));
}

static bool wants_guard(const char *text)
{
    struct config *config = config_text_load(text);
    bool is_wanted = config && system_dns_wants_guard(config, is_in_ten, NULL);
    config_free(config);
    return is_wanted;
}

static void test_g3_a_guard_where_the_servers_are_inside_of_most_addresses(void)
{
    CHECK(wants_guard("[Interface]\n" KEYS "DNS = 10.64.0.1\n" PEER ALL));
    CHECK(wants_guard("[Interface]\n" KEYS "DNS = 10.64.0.1\n" PEER NOT_PRIVATE));
    CHECK(wants_guard("[Network]\nDNS = 192.0.2.1, 10.0.0.1\n" ENTRY("10.64.0.1", ALL)));
    CHECK(wants_guard(SILENT_ENTRY(ALL) OFFICE("10.20.0.53", SPLIT)));
    CHECK(!wants_guard("[Interface]\n" KEYS "DNS = 10.20.0.53\n" PEER SPLIT));
    CHECK(!wants_guard("[Interface]\n" KEYS PEER ALL));
    CHECK(!wants_guard("[Interface]\n" KEYS "Table = off\nDNS = 10.64.0.1\n" PEER ALL));
    CHECK(!wants_guard("[Network]\nDNSGuard = off\n" ENTRY("10.64.0.1", ALL)));
    CHECK(wants_guard("[Network]\nDNSGuard = on\n" ENTRY("10.64.0.1", ALL)));
    CHECK(!wants_guard("[Network]\nDNS = 192.0.2.1\n" ENTRY("10.64.0.1", ALL)));
    /* Nobody allows it: "everything but private prefixes" and a provider's 10.64.0.1. */
    CHECK(wants_guard("[Interface]\n" KEYS "DNS = 172.16.0.1\n" PEER NOT_PRIVATE));
    CHECK(!wants_guard("[Interface]\n" KEYS "DNS = 172.16.0.1\n" PEER SPLIT));
}

/* Not even where the tunnel takes whatever is not another's. */
static bool is_any(void *context, const struct address *server)
{
    (void)context;
    return server->family != FAMILY_NONE;
}

static void test_g3_a_server_of_this_host_is_inside_of_nothing(void)
{
    static const struct {
        const char *text;
        bool is_guarded;
    } shapes[] = {{"[Interface]\n" KEYS "DNS = 127.0.0.1, fe80::1%eth0\n" PEER ALL, false},
                  {"[Interface]\n" KEYS "DNS = 127.0.0.1, 10.0.0.1\n" PEER ALL, true},
                  {"[Network]\nDNS = 127.0.0.1\n" SILENT_ENTRY(ALL), false}};
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        struct config *config = config_text_load(shapes[i].text);
        CHECK(config && system_dns_wants_guard(config, is_any, NULL) == shapes[i].is_guarded);
        config_free(config);
    }
}

static const char *what_is_told(const char *text, bool is_resolved)
{
    struct config *config = config_text_load(text);
    told[0] = '\0';
    if (config)
        system_dns_tell(config, is_resolved, is_in_ten, NULL, (struct log_sink){tell, NULL});
    config_free(config);
    return told;
}

static void test_g3_a_server_outside_that_nobody_can_ask_is_told(void)
{
    static const char split[] = "[Interface]\n" KEYS "DNS = 1.1.1.1\n" PEER SPLIT;
    CHECK_TEXT(what_is_told(split, false), ""); /* as the host routes; config/ has told it */
    CHECK(strstr(what_is_told(split, true),
                 "1.1.1.1 is outside of the tunnels, but systemd-resolved"));
    CHECK(strstr(what_is_told("[Network]\nKillSwitch = on\nDNS = 1.1.1.1, 10.0.0.1\n"
                              SILENT_ENTRY(SPLIT), false),
                 "1.1.1.1 is outside of the tunnels, and KillSwitch lets no query out"));
    CHECK(strstr(told, "add 1.1.1.1/32 to the AllowedIPs") && !strstr(told, "10.0.0.1"));
    CHECK_TEXT(what_is_told("[Network]\nKillSwitch = on\nAllowLAN = 1.1.1.0/24\nDNS = 1.1.1.1\n"
                            SILENT_ENTRY(SPLIT), false), "");
    CHECK_TEXT(what_is_told("[Network]\nKillSwitch = on\nAllowLAN = on\nDNS = 192.0.2.1\n"
                            SILENT_ENTRY(SPLIT), false), "");
    CHECK(strstr(what_is_told("[Network]\nDNS = 10.0.0.1, fc00::1\n" SILENT_ENTRY(ALL), false),
                 "fc00::1 is outside of the tunnels, and DNSGuard"));
    CHECK(strstr(
        what_is_told("[Interface]\n" KEYS "DNS = 172.16.0.1\n" PEER NOT_PRIVATE, false),
        "172.16.0.1 is outside of the tunnels, and DNSGuard lets no query out to it: no name "
        "is answered by it; add 172.16.0.1/32 to the AllowedIPs of a tunnel, or write "
        "DNSGuard = off in [Network]"));
    CHECK_TEXT(what_is_told("[Network]\nDNS = 192.0.2.1\n" SILENT_ENTRY(ALL), false), "");
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_g3_a_plain_file_s_own_always);
    TAP_RUN(argc, argv, test_g3_the_deepest_that_takes_most_goes_before);
    TAP_RUN(argc, argv, test_g3_else_the_only_one_that_names_any);
    TAP_RUN(argc, argv, test_g3_a_guard_where_the_servers_are_inside_of_most_addresses);
    TAP_RUN(argc, argv, test_g3_a_server_of_this_host_is_inside_of_nothing);
    TAP_RUN(argc, argv, test_g3_a_server_outside_that_nobody_can_ask_is_told);
    return tap_done();
}
