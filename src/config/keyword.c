/* SPDX-License-Identifier: MIT */
#include "config/keyword.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define IN_WG_QUICK (SECTION_INTERFACE | SECTION_TUNNEL)
#define IN_ALL_BUT_PEER (SECTION_NETWORK | SECTION_INTERFACE | SECTION_TUNNEL)
#define DISTANCE_CHARACTERS 40

static const struct {
    const char *name;
    unsigned char sections;
    bool may_repeat;
} keywords[KEYWORD_COUNT] = {
    [KEYWORD_PUBLIC_KEY] = {"PublicKey", SECTION_PEER, false},
    [KEYWORD_PRESHARED_KEY] = {"PresharedKey", SECTION_PEER, false},
    [KEYWORD_PRESHARED_KEY_FILE] = {"PresharedKeyFile", SECTION_PEER, false},
    [KEYWORD_ALLOWED_IPS] = {"AllowedIPs", SECTION_PEER, true},
    [KEYWORD_ENDPOINT] = {"Endpoint", SECTION_PEER, false},
    [KEYWORD_PERSISTENT_KEEPALIVE] = {"PersistentKeepalive", SECTION_PEER, false},
    [KEYWORD_PRIVATE_KEY] = {"PrivateKey", IN_WG_QUICK, false},
    [KEYWORD_PRIVATE_KEY_FILE] = {"PrivateKeyFile", IN_WG_QUICK, false},
    [KEYWORD_LISTEN_PORT] = {"ListenPort", IN_WG_QUICK, false},
    [KEYWORD_FWMARK] = {"FwMark", IN_ALL_BUT_PEER, false},
    [KEYWORD_ADDRESS] = {"Address", IN_ALL_BUT_PEER, true},
    [KEYWORD_DNS] = {"DNS", IN_ALL_BUT_PEER, true},
    [KEYWORD_MTU] = {"MTU", IN_ALL_BUT_PEER, false},
    [KEYWORD_TABLE] = {"Table", SECTION_NETWORK | SECTION_INTERFACE, false},
    [KEYWORD_PRE_UP] = {"PreUp", SECTION_NETWORK | SECTION_INTERFACE, true},
    [KEYWORD_POST_UP] = {"PostUp", SECTION_NETWORK | SECTION_INTERFACE, true},
    [KEYWORD_PRE_DOWN] = {"PreDown", SECTION_NETWORK | SECTION_INTERFACE, true},
    [KEYWORD_POST_DOWN] = {"PostDown", SECTION_NETWORK | SECTION_INTERFACE, true},
    [KEYWORD_SAVE_CONFIG] = {"SaveConfig", IN_WG_QUICK, false},
    [KEYWORD_VIA] = {"Via", SECTION_TUNNEL, false},
    [KEYWORD_CONFIG] = {"Config", SECTION_TUNNEL, false},
    [KEYWORD_ROUTES] = {"Routes", SECTION_TUNNEL, true},
    [KEYWORD_NAT] = {"NAT", SECTION_TUNNEL, false},
    [KEYWORD_INTERFACE] = {"Interface", SECTION_NETWORK, false},
    [KEYWORD_KILL_SWITCH] = {"KillSwitch", SECTION_NETWORK, false},
    [KEYWORD_ALLOW_LAN] = {"AllowLAN", SECTION_NETWORK, false},
    [KEYWORD_DNS_GUARD] = {"DNSGuard", SECTION_NETWORK, false},
    [KEYWORD_PRIORITY] = {"Priority", SECTION_NETWORK, false},
};

const char *keyword_name(enum keyword keyword)
{
    return keywords[keyword].name;
}

enum keyword keyword_find(const char *name)
{
    unsigned found = 0;
    while (found < KEYWORD_COUNT && strcasecmp(keywords[found].name, name) != 0)
        found++;
    return (enum keyword)found;
}

unsigned keyword_sections(enum keyword keyword)
{
    return keywords[keyword].sections;
}

bool keyword_is_of_wg(enum keyword keyword)
{
    bool is_file = keyword == KEYWORD_PRESHARED_KEY_FILE || keyword == KEYWORD_PRIVATE_KEY_FILE;
    return !is_file && (keywords[keyword].sections & (SECTION_INTERFACE | SECTION_PEER));
}

bool keyword_may_repeat(enum keyword keyword)
{
    return keywords[keyword].may_repeat;
}

const char *keyword_home(enum keyword keyword, bool is_plain)
{
    unsigned sections = keywords[keyword].sections;
    if (sections & SECTION_PEER)
        return "[Peer]";
    if (!is_plain && keyword == KEYWORD_SAVE_CONFIG)
        return "[Interface] of a plain wg-quick file, the only one that is ever written back";
    if (is_plain && (sections & SECTION_INTERFACE))
        return "[Interface]";
    if (is_plain)
        return sections & SECTION_TUNNEL
                   ? "[Tunnel NAME] of a file that has Config = THIS FILE there"
                   : "[Network] of a file that has [Tunnel NAME] with Config = THIS FILE";
    if (sections & SECTION_TUNNEL)
        return sections & SECTION_NETWORK ? "[Network] or [Tunnel NAME]" : "[Tunnel NAME]";
    return "[Network]";
}

static int folded(char character)
{
    return tolower((unsigned char)character);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t keyword_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, DISTANCE_CHARACTERS), b_len = strnlen(b, DISTANCE_CHARACTERS);
    size_t rows[DISTANCE_CHARACTERS + 1][DISTANCE_CHARACTERS + 1];
    for (size_t i = 0; i <= a_len; i++)
        rows[i][0] = i;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        for (size_t j = 1; j <= b_len; j++) {
            bool is_same = folded(a[i - 1]) == folded(b[j - 1]);
            size_t best = least(rows[i - 1][j], rows[i][j - 1]) + 1;
            best = least(best, rows[i - 1][j - 1] + !is_same);
            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]))
                best = least(best, rows[i - 2][j - 2] + 1);
            rows[i][j] = best;
        }
    }
    return rows[a_len][b_len];
}

enum keyword keyword_nearest(const char *name, enum section section)
{
    unsigned nearest = 0;
    size_t nearest_distance = SIZE_MAX;
    for (unsigned i = 0; i < KEYWORD_COUNT; i++) {
        /* Doubled, so that a key of this section wins a tie. */
        size_t distance = 2 * keyword_distance(name, keywords[i].name) +
                          !(keywords[i].sections & section);
        if (distance < nearest_distance) {
            nearest = i;
            nearest_distance = distance;
        }
    }
    return (enum keyword)nearest;
}
