/* SPDX-License-Identifier: MIT */
#include "config/value.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/description.h"

#define HOST_NAME_CHARACTERS 253
#define LABEL_CHARACTERS 63
#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

bool value_number(const char *text, uint32_t least, uint32_t most, uint32_t *number)
{
    while (text[0] == '0' && text[1] && strchr(DIGITS, text[1]))
        text++;
    size_t digits = strspn(text, DIGITS);
    if (digits == 0 || digits > 10 || text[digits])
        return false;
    unsigned long long parsed = strtoull(text, NULL, 10);
    if (parsed < least || parsed > most)
        return false;
    *number = (uint32_t)parsed;
    return true;
}

bool value_mark(const char *text, uint32_t *mark)
{
    if (strcasecmp(text, "off") == 0) {
        *mark = 0;
        return true;
    }
    if (strncasecmp(text, "0x", 2) != 0)
        return value_number(text, 0, UINT32_MAX, mark);
    size_t digits = strspn(text + 2, DIGITS "abcdefABCDEF");
    if (digits == 0 || digits > 8 || text[2 + digits])
        return false;
    *mark = (uint32_t)strtoul(text + 2, NULL, 16);
    return true;
}

bool value_mark_and_mask(const char *text, uint32_t *mark, uint32_t *mask)
{
    char value[24];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    uint32_t value_of_mark, value_of_mask;
    if (len >= sizeof(value))
        return false;
    memcpy(value, text, len);
    value[len] = '\0';
    if (!value_mark(value, &value_of_mark))
        return false;
    bool is_hopwires = (value_of_mark & NETWORK_MARK_MASK) == NETWORK_MARK;
    value_of_mask = is_hopwires ? NETWORK_MARK_MASK : UINT32_MAX;
    if (slash && !value_mark(slash + 1, &value_of_mask))
        return false;
    if ((value_of_mark & value_of_mask) == 0 && (slash || value_of_mark))
        return false;
    *mark = value_of_mark;
    *mask = value_of_mark ? value_of_mask : 0;
    return true;
}

bool value_switch(const char *text, bool *is_on)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *is_on = i % 2 == 1;
            return true;
        }
    }
    return false;
}

bool value_is_name(const char *text, size_t most)
{
    size_t len = strspn(text, DIGITS LETTERS "_=+.-");
    return len > 0 && len <= most && !text[len] && text[0] != '.' && text[0] != '-';
}

bool value_is_interface_name(const char *text)
{
    return value_is_name(text, INTERFACE_NAME_BYTES - 1) && strcmp(text, "lo") != 0 &&
           strcmp(text, "all") != 0 && strcmp(text, "default") != 0;
}

bool value_is_host_name(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > HOST_NAME_CHARACTERS)
        return false;
    bool is_number = true;
    while (*text) {
        size_t label = strspn(text, DIGITS LETTERS "-_");
        if (label == 0 || label > LABEL_CHARACTERS || text[0] == '-' || text[label - 1] == '-')
            return false;
        is_number = strspn(text, DIGITS) == label;
        text += label;
        if (*text && *text++ != '.')
            return false;
    }
    return !is_number;
}

bool value_is_host_address(const struct address *address)
{
    return !address_is_unspecified(address) && !address_is_multicast(address) &&
           !address_is_broadcast(address);
}
