/* SPDX-License-Identifier: MIT */
#include "config/foreign.h"

#include <string.h>
#include <strings.h>

#define OBFUSCATES                                                                                 \
    "AmneziaWG's obfuscation: a server with this value answers no plain WireGuard; get a plain "   \
    "WireGuard file for it"
#define ADDS_JUNK                                                                                  \
    "AmneziaWG's, for packets that hide the handshake, and there are none of these here; remove "  \
    "the line to send plain WireGuard, which the server answers if S1 and S2 are 0 and H1 to H4 "  \
    "1 to 4"
#define CHOOSES_APPS                                                                               \
    "Android's, to choose programs, and here all use the tunnels; remove the line, and choose "    \
    "destinations by AllowedIPs"
#define WARP                                                                                       \
    "WARP's, for bytes that plain WireGuard sends as 0; remove the line to do that, which most "   \
    "accounts allow"
#define WIRESOCK_APPS                                                                              \
    "WireSock's, to choose programs, and here all use the tunnels; remove the line, and choose "   \
    "destinations by AllowedIPs"
#define WIRESOCK_PROXY                                                                             \
    "WireSock's, to reach the server through a proxy, and here datagrams go to it straight; "      \
    "remove the line where that can be"
#define TUNSAFE_BLOCKS                                                                             \
    "TunSafe's kill switch; remove the line, and write KillSwitch = on into [Network] of a file "  \
    "with [Tunnel NAME] and Config = THIS FILE"

static const struct {
    const char *name;
    const char *neutral; /* a value that is plain WireGuard's; "*": any; NULL: none */
    const char *says;
} keys[] = {
    {"Jc", "0", ADDS_JUNK},    {"Jmin", "*", ADDS_JUNK},  {"Jmax", "*", ADDS_JUNK},
    {"S1", "0", OBFUSCATES},   {"S2", "0", OBFUSCATES},   {"S3", "0", OBFUSCATES},
    {"S4", "0", OBFUSCATES},   {"H1", "1", OBFUSCATES},   {"H2", "2", OBFUSCATES},
    {"H3", "3", OBFUSCATES},   {"H4", "4", OBFUSCATES},   {"I1", NULL, ADDS_JUNK},
    {"I2", NULL, ADDS_JUNK},   {"I3", NULL, ADDS_JUNK},   {"I4", NULL, ADDS_JUNK},
    {"I5", NULL, ADDS_JUNK},   {"J1", NULL, ADDS_JUNK},   {"J2", NULL, ADDS_JUNK},
    {"J3", NULL, ADDS_JUNK},   {"Itime", "*", ADDS_JUNK},
    {"AdvancedSecurity", "off", OBFUSCATES},
    {"DisallowedIPs", NULL,
     "WireSock's; remove the line, and write Routes = !PREFIX in [Tunnel NAME] of a file with "
     "Config = THIS FILE"},
    {"AllowedApps", NULL, WIRESOCK_APPS},
    {"DisallowedApps", NULL, WIRESOCK_APPS},
    {"BypassLanTraffic", "false",
     "WireSock's; remove the line, and write AllowLAN = on into [Network] of a file with [Tunnel "
     "NAME] and Config = THIS FILE"},
    {"VirtualAdapterMode", "*", "WireSock's, to make an interface, as there always is one here"},
    {"Socks5Proxy", NULL, WIRESOCK_PROXY},
    {"Socks5ProxyUsername", NULL, WIRESOCK_PROXY},
    {"Socks5ProxyPassword", NULL, WIRESOCK_PROXY},
    {"Socks5ProxyAllTraffic", "false", WIRESOCK_PROXY},
    {"Reserved", "0,0,0", WARP}, {"ClientId", "AAAA", WARP},
    {"IncludedApplications", NULL, CHOOSES_APPS},
    {"ExcludedApplications", NULL, CHOOSES_APPS},
    {"HttpProxy", NULL,
     "Android's, for its browsers' proxy, which is not set here; remove the line"},
    {"BlockInternet", "off", TUNSAFE_BLOCKS},
    {"BlockDNS", "false", TUNSAFE_BLOCKS},
    {"ExcludedIPs", NULL,
     "TunSafe's; remove the line, and write Routes = !PREFIX in [Tunnel NAME] of a file with "
     "Config = THIS FILE"},
    {"HeaderObfuscation", NULL,
     "TunSafe's obfuscation: a server with it answers no plain WireGuard; get a plain WireGuard "
     "file for it"},
    {"WGConfig", NULL, "wireproxy's; give hopwire the file that it names"},
};

/* systemd-networkd's and NetworkManager's have the same keys under other names. */
static const struct {
    const char *name;
    const char *says;
} sections[] = {
    {"Socks5", "wireproxy's, a proxy for programs, and here they need none: their packets are "
               "routed; remove the section"},
    {"http", "wireproxy's, a proxy for programs, and here they need none: their packets are "
             "routed; remove the section"},
    {"TCPClientTunnel", "wireproxy's, for one port; remove the section, packets are routed here"},
    {"TCPServerTunnel", "wireproxy's, for one port; remove the section, packets are routed here"},
    {"UDPProxyTunnel", "wireproxy's, for one port; remove the section, packets are routed here"},
    {"STDIOTunnel", "wireproxy's, for one port; remove the section, packets are routed here"},
    {"Resolve", "wireproxy's; remove the section, and write DNS in [Interface]"},
    {"NetDev", "systemd-networkd's form; write PrivateKey, Address and DNS into [Interface], and "
               "the peers into [Peer]"},
    {"WireGuard", "systemd-networkd's or NetworkManager's form; write PrivateKey, Address and DNS "
                  "into [Interface], and the peers into [Peer]"},
    {"WireGuardPeer", "systemd-networkd's form; write [Peer]"},
    {"connection", "NetworkManager's form; write PrivateKey, Address and DNS into [Interface], and "
                   "the peers into [Peer]"},
    {"wireguard-peer.", "NetworkManager's form; write [Peer] with PublicKey = what stands behind "
                        "the point"},
};

/* "[0, 0, 0]" and "0,0,0" are one. */
static bool is_neutral(const char *value, const char *neutral)
{
    if (!value[0])
        return true;
    if (!neutral || strcmp(neutral, "*") == 0)
        return neutral != NULL;
    for (; *value; value++) {
        if (strchr("[]\" \t", *value))
            continue;
        if (strncasecmp(value, neutral, 1) != 0)
            return false;
        neutral++;
    }
    return *neutral == '\0';
}

/* "AmneziaWG's", with which each sentence begins. */
static size_t whose_len(const char *says)
{
    return (size_t)(strstr(says, "'s") - says) + 2;
}

bool foreign_key(struct loader *loader, struct config_place *place, const char *key,
                 const char *value)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (strcasecmp(key, keys[i].name) != 0)
            continue;
        place->key = keys[i].name;
        if (is_neutral(value, keys[i].neutral))
            config_messages_add(loader->messages, CONFIG_NOTICE, place,
                                "%.*s, no key of WireGuard's, and without effect as it stands here",
                                (int)whose_len(keys[i].says), keys[i].says);
        else
            config_messages_add(loader->messages, CONFIG_ERROR, place, "%s", keys[i].says);
        return true;
    }
    return false;
}

bool foreign_section(struct loader *loader, const struct config_place *place, const char *name)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
        size_t len = strlen(sections[i].name);
        bool is_prefix = sections[i].name[len - 1] == '.';
        if (is_prefix ? strncasecmp(name, sections[i].name, len) != 0
                      : strcasecmp(name, sections[i].name) != 0)
            continue;
        config_messages_add(loader->messages, CONFIG_ERROR, place, "[%.40s]: %s",
                            is_prefix ? "wireguard-peer…" : sections[i].name, sections[i].says);
        return true;
    }
    return false;
}

bool foreign_line(struct loader *loader, const struct config_place *place, const char *line)
{
    if (line[0] != '{')
        return false;
    config_messages_add(loader->messages, CONFIG_ERROR, place,
                        "JSON, as sing-box and Xray have it, and no wg-quick file; write "
                        "PrivateKey, Address and DNS into [Interface], and the peers into [Peer]");
    return true;
}
