/* SPDX-License-Identifier: MIT */
#include "config/naming.h"

#include <stdio.h>
#include <string.h>

#define NETWORK_DIGITS 6
#define INTERFACE_DIGITS 4
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+.-"

/* FNV-1a. */
static uint32_t digest(const char *text, size_t len, uint32_t start)
{
    uint32_t hash = 2166136261u ^ start;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return hash ^ hash >> 16;
}

/* The letters of `text` that a name may have, one '-' for any others; at most `most`. */
static size_t take_letters(const char *text, size_t len, size_t most, char *name)
{
    size_t used = 0;
    for (size_t i = 0; i < len && used < most; i++) {
        bool is_letter = strchr(LETTERS, text[i]) != NULL;
        bool may_begin = is_letter && text[i] != '-' && text[i] != '.';
        if (used ? is_letter || name[used - 1] != '-' : may_begin)
            name[used++] = is_letter ? text[i] : '-';
    }
    while (used && (name[used - 1] == '-' || name[used - 1] == '.'))
        used--;
    name[used] = '\0';
    return used;
}

bool naming_network(const char *path, char name[TUNNEL_NAME_BYTES])
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t len = strlen(base);
    if (len > 5 && strcmp(base + len - 5, ".conf") == 0)
        len -= 5;
    if (len < TUNNEL_NAME_BYTES) {
        memcpy(name, base, len);
        name[len] = '\0';
        if (value_is_name(name, TUNNEL_NAME_BYTES - 1))
            return false;
    }
    size_t most = TUNNEL_NAME_BYTES - 2 - NETWORK_DIGITS;
    size_t used = take_letters(base, len, most, name);
    snprintf(name + used, TUNNEL_NAME_BYTES - used, "%s%0*x", used ? "-" : "n", NETWORK_DIGITS,
             digest(base, len, 0) & 0xffffff);
    return true;
}

void naming_interface(const char *network, unsigned attempt, char name[INTERFACE_NAME_BYTES])
{
    if (attempt == 0 && value_is_interface_name(network)) {
        strcpy(name, network);
        return;
    }
    size_t most = INTERFACE_NAME_BYTES - 2 - INTERFACE_DIGITS;
    size_t used = take_letters(network, strlen(network), most, name);
    snprintf(name + used, INTERFACE_NAME_BYTES - used, "%s%0*x", used ? "-" : "n",
             INTERFACE_DIGITS, digest(network, strlen(network), attempt) & 0xffff);
}

static bool is_taken(char (*names)[INTERFACE_NAME_BYTES], size_t count, size_t but,
                     const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (i != but && strcmp(names[i], name) == 0)
            return true;
    return false;
}

void naming_wg(const char *interface_name, const struct network_description *network,
               char (*names)[INTERFACE_NAME_BYTES])
{
    size_t count = network->tunnel_count, first = description_first_root(network);
    memset(names, 0, count * sizeof(*names));
    snprintf(names[first], sizeof(*names), "%s", interface_name);
    /* Whoever has the name that was written gets it, wherever it stands among those cut alike. */
    for (unsigned attempt = 0, left = count > 1; left; attempt++) {
        left = 0;
        for (size_t i = 0; i < count; i++) {
            char whole[INTERFACE_NAME_BYTES + TUNNEL_NAME_BYTES], name[INTERFACE_NAME_BYTES];
            if (names[i][0])
                continue;
            snprintf(whole, sizeof(whole), "%s.%s", interface_name, network->tunnels[i].name);
            naming_interface(whole, attempt, name);
            if ((attempt == 0 && strcmp(name, whole) != 0) || is_taken(names, count, i, name))
                left++;
            else
                snprintf(names[i], sizeof(names[i]), "%s", name);
        }
    }
}
