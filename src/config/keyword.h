/* SPDX-License-Identifier: MIT */
/* The keys of the dialect: wg-quick's and Hopwire's own, and where each may stand. */
#ifndef CONFIG_KEYWORD_H
#define CONFIG_KEYWORD_H

#include <stdbool.h>
#include <stddef.h>

enum section {
    SECTION_NONE = 0, /* before the first one, or a refused one */
    SECTION_NETWORK = 1,
    SECTION_TUNNEL = 2,
    SECTION_INTERFACE = 4,
    SECTION_PEER = 8,
};

enum keyword {
    /* A peer's come first: it keeps a place for each. */
    KEYWORD_PUBLIC_KEY,
    KEYWORD_PRESHARED_KEY,
    KEYWORD_PRESHARED_KEY_FILE,
    KEYWORD_ALLOWED_IPS,
    KEYWORD_ENDPOINT,
    KEYWORD_PERSISTENT_KEEPALIVE,
    KEYWORD_PEER_COUNT,
    KEYWORD_PRIVATE_KEY = KEYWORD_PEER_COUNT,
    KEYWORD_PRIVATE_KEY_FILE,
    KEYWORD_LISTEN_PORT,
    KEYWORD_FWMARK,
    KEYWORD_ADDRESS,
    KEYWORD_DNS,
    KEYWORD_MTU,
    KEYWORD_TABLE,
    KEYWORD_PRE_UP,
    KEYWORD_POST_UP,
    KEYWORD_PRE_DOWN,
    KEYWORD_POST_DOWN,
    KEYWORD_SAVE_CONFIG,
    KEYWORD_VIA,
    KEYWORD_CONFIG,
    KEYWORD_ROUTES,
    KEYWORD_NAT,
    KEYWORD_INTERFACE,
    KEYWORD_KILL_SWITCH,
    KEYWORD_ALLOW_LAN,
    KEYWORD_DNS_GUARD,
    KEYWORD_PRIORITY,
    KEYWORD_COUNT
};

/* As people write it: "AllowedIPs". */
const char *keyword_name(enum keyword keyword);
/* The key of that name in any case, or KEYWORD_COUNT. */
enum keyword keyword_find(const char *name);
/* The bits of enum section where the key may stand. */
unsigned keyword_sections(enum keyword keyword);
/* wg-quick's or `wg`'s own: it may be empty, and the last of several counts. */
bool keyword_is_of_wg(enum keyword keyword);
/* May stand several times in a section; the values are joined. */
bool keyword_may_repeat(enum keyword keyword);
/* The nearest key by edit distance; of equally near ones, one of that section. */
enum keyword keyword_nearest(const char *name, enum section section);
/* "[Peer]", "[Tunnel NAME]": where the key belongs, for someone who writes a plain wg-quick file,
 * or a network's. */
const char *keyword_home(enum keyword keyword, bool is_plain);
/* Letters that differ between two texts: insertions, deletions, changes and swaps of neighbours,
 * case aside. Of each at most 40 characters count. */
size_t keyword_distance(const char *a, const char *b);

#endif
