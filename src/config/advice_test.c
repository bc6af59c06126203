/* SPDX-License-Identifier: MIT */
/* RULES I1: advice can be followed. Each row is a mistake, the remedy in the sentence about it, and
 * the same file with the remedy applied: it must load, and the sentence be gone. */
#include "config/config.h"

#include "rigs/config_files.h"
#include "tap.h"

#define OWN "PrivateKey = " KEY_1 "\nAddress = 10.0.0.1\n"
#define PEER "[Peer]\nPublicKey = " KEY_2 "\n"
#define PLAIN "[Interface]\n" OWN
#define ROOT "[Tunnel a]\n" OWN
#define RIDER "[Tunnel b]\nVia = a\nPrivateKey = " KEY_3 "\nAddress = 10.1.0.1\n"
#define BIG "AllowedIPs = 10.0.0.0/8, 192.0.2.0/24\n"

struct row {
    const char *text;   /* of n.conf */
    const char *advice; /* a part of the sentence */
    const char *from;   /* what to change in the text, once; NULL: all of it */
    const char *to;
};

static const struct row values[] = {
    {PLAIN PEER "AllowedIPs = 10.0.0.0/33\n", "write ADDRESS/LENGTH", "/33", "/32"},
    {PLAIN PEER "Endpoint = 192.0.2.1\n", "write IPV4:PORT", "192.0.2.1", "192.0.2.1:51820"},
    {PLAIN PEER "Endpoint = [2001:db8::1]\n", "[IPV6]:PORT", "::1]", "::1]:51820"},
    {PLAIN PEER "Endpoint = relay\n", "NAME:PORT", "relay", "relay:51820"},
    {PLAIN PEER "Endpoint = 192.0.2.1:http\n", "write a number from 1 to 65535", "http", "80"},
    {PLAIN PEER "Endpoint = 0.0.0.0:1\n", "write a host's address", "0.0.0.0", "192.0.2.1"},
    {PLAIN PEER "Endpoint = [fe80::1]:1\n", "write it behind a %", "::1]", "::1%1]"},
    {PLAIN PEER "Endpoint = [fe80::1%x]:1\n", "or the number of one", "%x", "%1"},
    {PLAIN PEER "PersistentKeepalive = yes\n", "write off or 1 to 65535", "yes", "25"},
    {PLAIN "MTU = 99999\n" PEER, "write a number from 576 to 9216", "99999", "9216"},
    {PLAIN "MTU = 100\n" PEER, "or remove the line", "MTU = 100\n", ""},
    {PLAIN "ListenPort = 65536\n" PEER, "write a number from 0 to 65535", "65536", "65535"},
    {PLAIN "FwMark = blue\n" PEER, "write off", "blue", "off"},
    {PLAIN "Address = 10.0.0.256\n" PEER, "write one as 10.64.0.2/32", "10.0.0.256",
     "10.64.0.2/32"},
    {PLAIN "DNS = 10.0.0.256\n" PEER, "neither a name server's address", "10.0.0.256", "10.0.0.5"},
    {"[Network]\nKillSwitch = 1\n" ROOT PEER, "neither on nor off: \"1\"; write one of them", "= 1",
     "= on"},
    {"[Network]\nAllowLAN = lan\n" ROOT PEER, "write one of the two words", "lan", "yes"},
    {"[Network]\nAllowLAN = lan\n" ROOT PEER, "prefixes as 192.168.0.0/16", "lan",
     "192.168.0.0/16"},
    {"[Network]\nAllowLAN = on, off\n" ROOT PEER, "take it out", ", off", ""},
    {"[Network]\nAllowLAN = ::/0\n" ROOT PEER, "write the LAN's own prefixes, or on", "::/0", "on"},
    {"[Network]\nInterface = sixteen-letters-\n" ROOT PEER, "write 1 to 15 letters",
     "sixteen-letters-", "fifteen-letters"},
    {ROOT "NAT = on\n" PEER, "neither auto nor off: \"on\"; write one of them", "= on", "= auto"},
    {ROOT "Routes = none, 10.0.0.0/8\n" PEER BIG, "none stands alone", "none, ", ""},
    {ROOT "Routes = 10.0.0.0/8, !10.0.0.0/8\n" PEER BIG, "remove one of them", ", !10.0.0.0/8", ""},
    {ROOT "Via =\n" PEER, "write one or remove the line", "Via =\n", ""},
    {PLAIN "SaveConfig = maybe\n" PEER, "write one of them", "= maybe", "= false"},
    {ROOT "SaveConfig = true\n" PEER, "remove the line", "SaveConfig = true\n", ""},
};

static const struct row words[] = {
    {PLAIN PEER "AllowedIP = 10.0.0.0/8\n", "the nearest known one is AllowedIPs", "AllowedIP ",
     "AllowedIPs "},
    {PLAIN "KillSwitch = on\n" PEER,
     "belongs in [Network] of a file that has [Tunnel NAME] with Config = THIS FILE", NULL,
     "[Network]\nKillSwitch = on\n[Tunnel x]\nConfig = this.conf\n"},
    {PLAIN "Routes = 10.0.0.0/8\n" PEER,
     "belongs in [Tunnel NAME] of a file that has Config = THIS FILE there", NULL,
     "[Tunnel x]\nConfig = this.conf\nRoutes = 10.0.0.0/8\n"},
    {ROOT "Endpoint = 192.0.2.1:1\n" PEER, "it belongs in [Peer]", "Endpoint = 192.0.2.1:1\n" PEER,
     PEER "Endpoint = 192.0.2.1:1\n"},
    {ROOT "Table = off\n" PEER, "it belongs in [Network]", NULL,
     "[Network]\nTable = off\n" ROOT PEER},
    {PLAIN PEER "Table = off\n", "it belongs in [Interface]", PEER "Table = off\n",
     "Table = off\n" PEER},
    {PLAIN "[Pear]\n" PEER, "the nearest known one is [Peer]", "[Pear]\n", ""},
    {"[Network]\n[Peer]\n" ROOT PEER, "put it below its [Tunnel NAME]", "[Peer]\n", ""},
    {ROOT PEER "[Interface]\n" OWN, "write [Tunnel NAME] here", "[Interface]", "[Tunnel c]"},
    {PLAIN PEER BIG "[Network]\n", "write [Tunnel NAME] for [Interface]", NULL,
     ROOT PEER BIG "[Network]\n"},
    {PLAIN "; a comment\n" PEER, "put # before a comment", ";", "#"},
    {"", "write [Tunnel NAME] with PrivateKey, Address and a [Peer]", NULL, ROOT PEER},
    {PLAIN "Frobnicate = 7\n" PEER, "none is like it; remove the line", "Frobnicate = 7\n", ""},
    {PLAIN "Jc = 4\n" PEER, "AmneziaWG's", "Jc = 4\n", ""},
    {PLAIN PEER "AdvancedSecurity = on\n", "AmneziaWG's", "AdvancedSecurity = on\n", ""},
    {PLAIN PEER "DisallowedIPs = 192.168.0.0/16\n",
     "WireSock's; remove the line, and write Routes = !PREFIX in [Tunnel NAME] of a file with",
     NULL, "[Tunnel x]\nConfig = this.conf\nRoutes = !192.168.0.0/16\n"},
    {PLAIN "BypassLanTraffic = true\n" PEER, "write AllowLAN = on into [Network] of a file with",
     NULL, "[Network]\nAllowLAN = on\n[Tunnel x]\nConfig = this.conf\n"},
    {PLAIN PEER "AllowedApps = chrome\n", "WireSock's", "AllowedApps = chrome\n", ""},
    {PLAIN PEER "DisallowedApps = chrome\n", "WireSock's", "DisallowedApps = chrome\n", ""},
    {PLAIN PEER "Socks5Proxy = 192.0.2.9:1080\n", "WireSock's", "Socks5Proxy = 192.0.2.9:1080\n",
     ""},
    {PLAIN PEER "Reserved = 1,2,3\n", "WARP's", "Reserved = 1,2,3\n", ""},
    {PLAIN "ExcludedApplications = com.example\n" PEER, "Android's",
     "ExcludedApplications = com.example\n", ""},
    {PLAIN PEER "[Socks5]\nBindAddress = 127.0.0.1:1\n", "remove the section",
     "[Socks5]\nBindAddress = 127.0.0.1:1\n", ""},
    {PLAIN "BlockInternet = on\n" PEER, "write KillSwitch = on into [Network] of a file", NULL,
     "[Network]\nKillSwitch = on\n[Tunnel x]\nConfig = this.conf\n"},
};

static const struct row trees[] = {
    {"[Tunnel a]\nAddress = 10.0.0.1\n" PEER, "add PrivateKey = KEY", "Address",
     "PrivateKey = " KEY_1 "\nAddress"},
    {PLAIN "[Peer]\nAllowedIPs = 10.0.0.0/8\n", "add PublicKey = KEY", "[Peer]\n", PEER},
    {ROOT "Via = b\n" PEER RIDER PEER, "one tunnel of the loop must have no Via", "Via = b\n", ""},
    {ROOT PEER BIG "[Tunnel b]\nVia = aa\n" OWN PEER, "the nearest one is a", "= aa", "= a"},
    {ROOT PEER ROOT PEER, "rename one", "[Tunnel a]", "[Tunnel c]"},
    {ROOT PEER BIG RIDER PEER "Endpoint = 198.51.100.1:1\n", "add it there", "192.0.2.0/24",
     "192.0.2.0/24, 198.51.100.1"},
    {ROOT PEER BIG RIDER PEER "Endpoint = [2001:db8::1]:1\n", "an endpoint of the other family",
     "[2001:db8::1]", "192.0.2.1"},
    {ROOT PEER BIG RIDER PEER "Endpoint = relay.example:1\n", "write DNS = ADDRESS there",
     "Address = 10.0.0.1\n", "Address = 10.0.0.1\nDNS = 10.0.0.53\n"},
    {ROOT "DNS = 9.9.9.9\n" PEER BIG RIDER PEER "Endpoint = relay.example:1\n",
     "of one that it reaches", "9.9.9.9", "10.0.0.53"},
    {ROOT "DNS = 9.9.9.9\n" PEER BIG RIDER PEER "Endpoint = relay.example:1\n",
     "add 9.9.9.9/32 to AllowedIPs", "192.0.2.0/24", "192.0.2.0/24, 9.9.9.9/32"},
    {PLAIN "DNS = fd00::1\n" PEER, "add its Address", "= 10.0.0.1", "= 10.0.0.1, fd00::2"},
    {PLAIN "DNS = fd00::1\n" PEER, "or remove the server", "DNS = fd00::1\n", ""},
    {ROOT PEER BIG RIDER PEER "Endpoint = relay.example:1\n", "or the endpoint's address here",
     "relay.example", "192.0.2.1"},
    {ROOT PEER BIG "[Tunnel c]\nPrivateKey = " KEY_3 "\n" PEER "AllowedIPs = 10.0.0.0/8\n",
     "give one of them Routes without it", "[Tunnel c]\n", "[Tunnel c]\nRoutes = none\n"},
    {ROOT "ListenPort = 7\n" PEER "[Tunnel c]\nListenPort = 7\n" OWN PEER, "write another one",
     "[Tunnel c]\nListenPort = 7", "[Tunnel c]\nListenPort = 8"},
    {ROOT "MTU = 1420\n" PEER RIDER "MTU = 1400\n" PEER, "write at most 1360", "1400", "1360"},
    {ROOT "MTU = 600\n" PEER RIDER "MTU = 576\n" PEER, "write at least 636 there", "600", "636"},
    {"[Network]\nMTU = 1279\n" ROOT "Address = fd00::1\n" PEER, "write at least 1280", "1279",
     "1280"},
    {ROOT "MTU = 1339\nRoutes = none\n" PEER RIDER "Address = fd00::1\n" PEER,
     "write at least 1340", "1339", "1340"},
    {PLAIN PEER "AllowedIPs = ::/0\n", "leave it so, or add the IPv6 address to Address",
     "Address = 10.0.0.1", "Address = 10.0.0.1, fd00::1"},
    {PLAIN PEER "AllowedIPs = 10.0.0.0/8, fd00::/8\n", "remove it from AllowedIPs", ", fd00::/8",
     ""},
    {ROOT PEER "AllowedIPs = 10.0.0.0/8, fd00::/8\n", "write Routes without it", "Address",
     "Routes = 10.0.0.0/8\nAddress"},
    {PLAIN PEER "DNS = 10.0.0.1\n", "it belongs in [Interface]", PEER "DNS = 10.0.0.1\n",
     "DNS = 10.0.0.1\n" PEER "AllowedIPs = 10.0.0.0/8\n"},
    {ROOT "DNS = 127.0.0.1\n" PEER, "write DNS = 127.0.0.1 into [Network], and not here", NULL,
     "[Network]\nDNS = 127.0.0.1\n" ROOT PEER},
    {PLAIN "DNS = fe80::1\n" PEER, "write it behind a %, as in fe80::1%eth0", "::1", "::1%eth0"},
    {PLAIN "DNS = lan\n" PEER, "add the server's address", "DNS = lan", "DNS = lan, 10.0.0.53"},
};

static bool says(const struct config_messages *messages, const char *advice)
{
    for (size_t i = 0; i < messages->count; i++)
        if (strstr(messages->items[i].text, advice))
            return true;
    return false;
}

static void print(const char *what, const struct config_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++)
        printf("# %s: %s\n", what, messages->items[i].text);
}

/* The text with `from` replaced by `to`. */
static void mend(const struct row *row, char *text, size_t bytes)
{
    const char *at = row->from ? strstr(row->text, row->from) : NULL;
    if (!row->from) {
        snprintf(text, bytes, "%s", row->to);
        return;
    }
    if (!CHECK(at != NULL))
        return;
    snprintf(text, bytes, "%.*s%s%s", (int)(at - row->text), row->text, row->to,
             at + strlen(row->from));
}

static void check_row(const struct row *row)
{
    char text[2000] = "";
    struct config_messages messages;
    struct config *config = NULL;
    struct config_files files = {
        {{"n.conf", row->text, false}, {"this.conf", PLAIN PEER BIG, false}}};
    config_files_load(&files, 1, tap_memory(), &config, &messages);
    if (!CHECK(says(&messages, row->advice))) {
        printf("# advice: %s\n", row->advice);
        print("said", &messages);
    }
    config_free(config);
    config_messages_wipe(&messages);

    config = NULL;
    mend(row, text, sizeof(text));
    files.files[0].text = text;
    if (!CHECK(config_files_load(&files, 1, tap_memory(), &config, &messages) &&
               !says(&messages, row->advice))) {
        printf("# advice: %s\n", row->advice);
        print("still", &messages);
    }
    config_free(config);
    config_messages_wipe(&messages);
}

#define CHECK_ALL(rows)                                                                            \
    for (size_t i = 0; i < sizeof(rows) / sizeof(*(rows)); i++)                                    \
    check_row(&(rows)[i])

static void test_i1_advice_about_values_can_be_followed(void)
{
    CHECK_ALL(values);
}

static void test_i1_advice_about_words_can_be_followed(void)
{
    CHECK_ALL(words);
}

static void test_i1_advice_about_trees_can_be_followed(void)
{
    CHECK_ALL(trees);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_i1_advice_about_values_can_be_followed);
    TAP_RUN(argc, argv, test_i1_advice_about_words_can_be_followed);
    TAP_RUN(argc, argv, test_i1_advice_about_trees_can_be_followed);
    return tap_done();
}
