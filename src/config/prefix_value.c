/* SPDX-License-Identifier: MIT */
#include "config/prefix_value.h"

bool prefix_value_append(struct loader *loader, const struct prefix *prefix, unsigned line,
                         struct prefix **prefixes, unsigned **lines, size_t *count)
{
    struct arena *arena = &loader->config->arena;
    struct prefix *more = arena_extend(arena, *prefixes, *count, sizeof(*more));
    unsigned *more_lines = arena_extend(arena, *lines, *count, sizeof(*more_lines));
    if (!more || !more_lines)
        return false;
    more[*count] = *prefix;
    more_lines[*count] = line;
    *prefixes = more;
    *lines = more_lines;
    (*count)++;
    return true;
}

bool prefix_value_read(struct loader *loader, const struct config_place *place, const char *text,
                       struct prefix *prefix)
{
    if (!prefix_parse(text, prefix)) {
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not a prefix: \"%.60s\"; write ADDRESS/LENGTH, with a length of at "
                            "most 32 (IPv4) or 128 (IPv6)",
                            text);
        return false;
    }
    if (prefix_mask(prefix)) {
        char masked[PREFIX_TEXT_BYTES];
        config_messages_add(loader->messages, CONFIG_WARNING, place,
                            "%.60s has host bits; taken as %s", text,
                            prefix_format(prefix, masked));
    }
    return true;
}
