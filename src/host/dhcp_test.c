/* SPDX-License-Identifier: MIT */
#include "host/dhcp.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static const char networkd_lease[] = "# This is private data. Do not parse.\nADDRESS=192.0.2.2\n"
                                     "SERVER_ADDRESS=192.0.2.1\nROUTER=192.0.2.9\n";
static const char dhclient_leases[] =
    "lease {\n  interface \"eth0\";\n  fixed-address 192.0.2.2;\n"
    "  option dhcp-server-identifier 192.0.2.8;\n}\n"
    "lease {\n  interface \"eth01\";\n  option dhcp-server-identifier 192.0.2.3;\n}\n"
    "lease {\n  interface \"eth0\";\n  option dhcp-server-identifier 192.0.2.1;\n}\n";

static const char *networkd(const char *text)
{
    static char found[ADDRESS_TEXT_BYTES];
    struct address server;
    char *copy = strdup(text);
    bool is_found = dhcp_server_in_networkd(copy, &server);
    free(copy);
    return is_found ? address_format(&server, found) : "none";
}

static const char *dhclient(const char *text, const char *link)
{
    static char found[ADDRESS_TEXT_BYTES];
    struct address server;
    char *copy = strdup(text);
    bool is_found = dhcp_server_in_dhclient(copy, link, &server);
    free(copy);
    return is_found ? address_format(&server, found) : "none";
}

static void test_f1_the_server_is_found_in_a_lease(void)
{
    CHECK_TEXT(networkd(networkd_lease), "192.0.2.1");
    CHECK_TEXT(dhclient(dhclient_leases, "eth0"), "192.0.2.1"); /* the last of its own link */
    CHECK_TEXT(dhclient(dhclient_leases, "eth01"), "192.0.2.3");
    CHECK_TEXT(dhclient(dhclient_leases, "eth"), "none");
}

static void test_what_is_no_lease_names_no_server(void)
{
    static const char *const rubbish[] = {"", "\n", "SERVER_ADDRESS=\n", "SERVER_ADDRESS=::1",
                                          "SERVER_ADDRESS=0.0.0.0", "SERVER_ADDRESS=1.2.3.4.5",
                                          "XSERVER_ADDRESS=192.0.2.1"};
    for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++)
        CHECK_TEXT(networkd(rubbish[i]), "none");
    for (size_t cut = 0; cut < sizeof(dhclient_leases); cut++) {
        char text[sizeof(dhclient_leases)] = "";
        memcpy(text, dhclient_leases, cut);
        const char *found = dhclient(text, "eth0");
        CHECK(strcmp(found, "none") == 0 || strncmp(found, "192.0.2.", 8) == 0);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f1_the_server_is_found_in_a_lease);
    TAP_RUN(argc, argv, test_what_is_no_lease_names_no_server);
    return tap_done();
}
