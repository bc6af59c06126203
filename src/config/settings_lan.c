/* SPDX-License-Identifier: MIT */
#include "config/prefix_value.h"
#include "config/settings.h"
#include "config/syntax.h"

#define LAN_PREFIXES_MOST 256

void settings_lan(struct loader *loader, const struct config_place *place, char *rest)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    struct config *config = loader->config;
    if (value_switch(rest, &config->allows_lan))
        return;
    for (char *item; (item = syntax_item(&rest));) {
        struct prefix prefix;
        bool is_on;
        if (value_switch(item, &is_on)) {
            config->allows_lan |= is_on;
            if (!is_on)
                config_messages_add(loader->messages, CONFIG_ERROR, place,
                                    "off in a list of what is allowed: take it out, or the rest");
            continue;
        }
        if (!prefix_parse(item, &prefix)) {
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "neither on, off nor a prefix: \"%.60s\"; write one of the two "
                                "words, or a list of prefixes as 192.168.0.0/16",
                                item);
            continue;
        }
        prefix_value_read(loader, place, item, &prefix); /* again, for its warning */
        if (prefix.len_bits == 0) {
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "%.60s would let everything pass the tunnels by; write the LAN's "
                                "own prefixes, or on",
                                item);
            continue;
        }
        if (config->lan_count == LAN_PREFIXES_MOST) {
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "more than %d prefixes; join some", LAN_PREFIXES_MOST);
            return;
        }
        struct prefix *more =
            arena_extend(&config->arena, config->lan, config->lan_count, sizeof(*more));
        if (!more)
            return;
        more[config->lan_count++] = prefix;
        config->lan = more;
    }
    for (unsigned f = 0; f < 2; f++) {
        if (prefix_list_has_default(config->lan, config->lan_count, families[f]))
            config_messages_add(loader->messages, CONFIG_ERROR, place,
                                "both halves of IPv%d would let everything pass the tunnels by; "
                                "write the LAN's own prefixes, or on",
                                families[f]);
    }
}
