/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <strings.h>

#include "config/endpoint_value.h"
#include "config/peers.h"
#include "config/prefix_value.h"
#include "config/settings.h"
#include "config/syntax.h"

/* Takes back what stands before it in this section, and in earlier ones of the peer. */
static void withdraw(struct loader *loader, const struct prefix *prefix,
                     struct peer_description *peer, struct config_peer *notes)
{
    peers_withdraw(peer, notes, prefix);
    struct prefix *more = arena_extend(&loader->config->arena, notes->withdrawn,
                                       notes->withdrawn_count, sizeof(*more));
    if (!more)
        return;
    more[notes->withdrawn_count++] = *prefix;
    notes->withdrawn = more;
}

static void read_allowed_ip(struct loader *loader, const struct config_place *place,
                            const char *item, struct peer_description *peer,
                            struct config_peer *notes)
{
    struct prefix prefix;
    bool is_withdrawn = item[0] == '-', is_added = item[0] == '+';
    notes->changes_allowed_ips |= is_withdrawn || is_added;
    if (!prefix_value_read(loader, place, item + (is_withdrawn || is_added), &prefix))
        return;
    if (is_withdrawn)
        withdraw(loader, &prefix, peer, notes);
    else
        prefix_value_append(loader, &prefix, place->line, &peer->allowed_ips,
                            &notes->allowed_ip_lines, &peer->allowed_ips_count);
}

/* To `wg` blanks are nothing: "10.0.0.0 /8" is a prefix. What is none that way, like
 * "10.0.0.0/8 10.1.0.0/16", is a list. */
static bool is_one_prefix(const char *part, char joined[PREFIX_TEXT_BYTES + 1])
{
    struct prefix prefix;
    size_t len = 0;
    for (; *part && len < PREFIX_TEXT_BYTES; part++)
        if (!strchr(" \t\r\v\f", *part))
            joined[len++] = *part;
    joined[len] = '\0';
    return !*part && prefix_parse(joined + (joined[0] == '+' || joined[0] == '-'), &prefix);
}

static void read_allowed_ips(struct loader *loader, const struct config_place *place, char *rest,
                             struct peer_description *peer, struct config_peer *notes)
{
    notes->changes_allowed_ips = false; /* each line anew, as with `wg` */
    for (char *part; (part = syntax_part(&rest));) {
        char joined[PREFIX_TEXT_BYTES + 1];
        if (is_one_prefix(part, joined)) {
            read_allowed_ip(loader, place, joined, peer, notes);
            continue;
        }
        for (char *item; (item = syntax_item(&part));)
            read_allowed_ip(loader, place, item, peer, notes);
    }
}

static void read_keepalive(struct loader *loader, const struct config_place *place,
                           const char *value, struct peer_description *peer)
{
    uint32_t interval_s = 0;
    if (strcasecmp(value, "off") != 0 && !value_number(value, 0, UINT16_MAX, &interval_s))
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not an interval: \"%.20s\"; write off or 1 to 65535 seconds", value);
    peer->persistent_keepalive_s = (uint16_t)interval_s;
}

void settings_peer(struct loader *loader, const struct config_place *place, enum keyword keyword,
                   char *value, struct draft *draft)
{
    size_t last = draft->tunnel.peer_count - 1;
    struct peer_description *peer = &draft->tunnel.peers[last];
    struct config_peer *notes = &draft->notes.peers[last];
    switch (keyword) {
    case KEYWORD_PUBLIC_KEY:
        settings_read_key(loader, place, keyword, value, peer->public_key);
        break;
    case KEYWORD_PRESHARED_KEY:
    case KEYWORD_PRESHARED_KEY_FILE:
        settings_read_key(loader, place, keyword, value, peer->preshared_key);
        break;
    case KEYWORD_ALLOWED_IPS:
        read_allowed_ips(loader, place, value, peer, notes);
        break;
    case KEYWORD_ENDPOINT:
        peer->has_endpoint = false; /* the last of several counts */
        peer->endpoint_name = NULL;
        endpoint_value_read(loader, place, syntax_squeeze(value), peer);
        break;
    default: /* PersistentKeepalive */
        read_keepalive(loader, place, syntax_squeeze(value), peer);
    }
}
