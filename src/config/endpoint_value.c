/* SPDX-License-Identifier: MIT */
#include "config/endpoint_value.h"

#include <arpa/inet.h>
#include <string.h>

static void refuse(struct loader *loader, const struct config_place *place, const char *text)
{
    config_messages_add(loader->messages, CONFIG_ERROR, place,
                        "not an endpoint: \"%.72s\"; write IPV4:PORT, [IPV6]:PORT or NAME:PORT",
                        text);
}

bool endpoint_value_port(const struct loader *loader, const char *text, uint16_t *port)
{
    uint32_t number;
    const struct config_reader *reader = loader->reader;
    if (value_number(text, 0, UINT16_MAX, &number)) {
        *port = (uint16_t)number;
        return true;
    }
    bool is_name = text[strspn(text, "0123456789")] != '\0';
    return is_name && reader->find_port && reader->find_port(reader->context, text, port);
}

/* "[HOST]:PORT" or "HOST:PORT" in two; false: neither. */
static bool split(char *text, char **host, char **port)
{
    bool has_bracket = text[0] == '[';
    char *end = has_bracket ? strchr(text, ']') : strrchr(text, ':');
    if (!end || (has_bracket && end[1] != ':'))
        return false;
    *host = text + has_bracket;
    *port = end + 1 + has_bracket;
    *end = '\0';
    return **host && **port;
}

/* ADDRESS%ZONE, the zone a number or an interface's name; false: it was told. */
static bool read_zone(struct loader *loader, const struct config_place *place, char *host,
                      uint32_t *scope_id)
{
    const struct config_reader *reader = loader->reader;
    char *zone = strchr(host, '%');
    if (!zone)
        return true;
    *zone++ = '\0';
    if (value_number(zone, 1, INT32_MAX, scope_id))
        return true;
    if (!value_is_name(zone, INTERFACE_NAME_BYTES - 1)) {
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "\"%.40s\" behind the %% is no interface's name; write one, as in "
                            "[fe80::1%%eth0]:51820",
                            zone);
        return false;
    }
    *scope_id = reader->find_interface ? reader->find_interface(reader->context, zone) : 0;
    if (!*scope_id)
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "no interface %.40s is known here; write the name or the number of one "
                            "behind the %%",
                            zone);
    return *scope_id != 0;
}

/* The forms of the C library: 192.0.2, 0xc0000201 or 192.0.2.010, which is 192.0.2.8. */
static bool parse_old_ipv4(const char *text, struct address *address)
{
    struct in_addr parsed;
    if (text[strspn(text, "0123456789abcdefABCDEFxX.")] || !inet_aton(text, &parsed))
        return false;
    *address = address_from_bytes(FAMILY_IPV4, (const uint8_t *)&parsed);
    return true;
}

static void take_address(struct loader *loader, const struct config_place *place,
                         struct endpoint *endpoint, struct peer_description *peer)
{
    const struct address *address = &endpoint->address;
    char text[ENDPOINT_TEXT_BYTES];
    bool needs_zone = address->family == FAMILY_IPV6 && address_is_link_local(address);
    if (!needs_zone)
        endpoint->scope_id = 0;
    if (endpoint->port == 0 || !value_is_host_address(address)) {
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "nothing can be sent to %s; write a host's address and a port",
                            endpoint_format(endpoint, text));
    } else if (needs_zone && !endpoint->scope_id) {
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "%s is on some link, and which one is not said; write it behind a "
                            "%%, as in [fe80::1%%eth0]:51820",
                            endpoint_format(endpoint, text));
    } else {
        peer->endpoint = *endpoint;
        peer->has_endpoint = true;
    }
}

void endpoint_value_read(struct loader *loader, const struct config_place *place, char *value,
                         struct peer_description *peer)
{
    struct endpoint endpoint = {0};
    char *whole = arena_copy(&loader->config->arena, value, strlen(value)), *host, *port;
    if (!whole)
        return;
    if (!split(value, &host, &port)) {
        refuse(loader, place, whole);
        return;
    }
    if (!endpoint_value_port(loader, port, &endpoint.port)) {
        config_messages_add(loader->messages, CONFIG_ERROR, place,
                            "not a port: \"%.40s\"; write a number from 1 to 65535", port);
        return;
    }
    if (!read_zone(loader, place, host, &endpoint.scope_id))
        return;
    if (address_parse(host, &endpoint.address)) {
        address_unmap(&endpoint.address);
        take_address(loader, place, &endpoint, peer);
    } else if (parse_old_ipv4(host, &endpoint.address)) {
        char text[ADDRESS_TEXT_BYTES];
        config_messages_add(loader->messages, CONFIG_WARNING, place, "%.40s is read as %s", host,
                            address_format(&endpoint.address, text));
        take_address(loader, place, &endpoint, peer);
    } else if (value_is_host_name(host) && endpoint.port) {
        peer->endpoint.port = endpoint.port;
        peer->endpoint_name = host;
    } else {
        refuse(loader, place, whole);
    }
}
