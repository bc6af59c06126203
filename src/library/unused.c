/* SPDX-License-Identifier: MIT */
/* What a configuration asks of the host is the embedding program's business: told, never passed
 * over without a word. */
#include <stdio.h>

#include "library/library.h"

/* Keys that the engine itself does what they say; a new one is told of until it stands here. */
static bool is_done_here(enum keyword keyword)
{
    switch (keyword) {
    case KEYWORD_PRIVATE_KEY:
    case KEYWORD_PRIVATE_KEY_FILE:
    case KEYWORD_LISTEN_PORT: /* hopwire_tunnel tells it */
    case KEYWORD_ADDRESS:     /* hopwire_interface, as the next and Interface */
    case KEYWORD_MTU:
    case KEYWORD_VIA:
    case KEYWORD_CONFIG:
    case KEYWORD_ROUTES:
    case KEYWORD_NAT:
    case KEYWORD_INTERFACE:
        return true;
    default:
        return keyword < KEYWORD_PEER_COUNT;
    }
}

/* Written out, it asks for nothing. */
static bool asks_for_nothing(const struct config *config, enum keyword keyword)
{
    switch (keyword) {
    case KEYWORD_KILL_SWITCH:
        return !config->has_kill_switch;
    case KEYWORD_ALLOW_LAN:
        return !config->allows_lan && config->lan_count == 0;
    case KEYWORD_DNS_GUARD:
        return config->dns_guard_is_off;
    default:
        return false;
    }
}

static void tell(const struct hopwire_options *options, const struct config *config,
                 const struct config_place given[KEYWORD_COUNT])
{
    for (int i = 0; i < KEYWORD_COUNT; i++) {
        enum keyword keyword = (enum keyword)i;
        const struct config_place *place = &given[i];
        char line[512];
        if (!place->file || is_done_here(keyword) || asks_for_nothing(config, keyword))
            continue;
        snprintf(line, sizeof(line),
                 "%.200s:%u: %s: the library does nothing with it but %s: your program has to",
                 place->file, place->line, keyword_name(keyword),
                 keyword == KEYWORD_DNS ? "route the servers' addresses" : "telling you this");
        options->message(options->message_context, HOPWIRE_MESSAGE_WARNING, line);
    }
}

void library_tell_unused(const struct hopwire_options *options, const struct config *config)
{
    if (!options->message)
        return;
    tell(options, config, config->given);
    for (size_t i = 0; i < config->network.tunnel_count; i++)
        tell(options, config, config->tunnels[i].given);
}
