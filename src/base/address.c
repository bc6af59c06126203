/* SPDX-License-Identifier: MIT */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/bytes.h"

bool address_is_unspecified(const struct address *address)
{
    return bytes_are_zero(address->bytes, sizeof(address->bytes));
}

bool address_is_loopback(const struct address *address)
{
    if (address->family == FAMILY_IPV4)
        return address->bytes[0] == 127;
    return bytes_are_zero(address->bytes, 15) && address->bytes[15] == 1;
}

static bool is_mapped(const struct address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    return address->family == FAMILY_IPV6 && memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

bool address_is_inside_a_host(const struct address *address)
{
    if (address->family == FAMILY_IPV4)
        return address->bytes[0] == 127 || address->bytes[0] == 0;
    return address_is_loopback(address) || address_is_unspecified(address) ||
           is_mapped(address);
}

void address_unmap(struct address *address)
{
    if (is_mapped(address))
        *address = address_from_bytes(FAMILY_IPV4, address->bytes + 12);
}

bool address_is_link_local(const struct address *address)
{
    if (address->family == FAMILY_IPV4)
        return address->bytes[0] == 169 && address->bytes[1] == 254;
    return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

bool address_is_multicast(const struct address *address)
{
    if (address->family == FAMILY_IPV4)
        return (address->bytes[0] & 0xf0) == 0xe0;
    return address->bytes[0] == 0xff;
}

bool address_is_broadcast(const struct address *address)
{
    return address->family == FAMILY_IPV4 && load_be32(address->bytes) == 0xffffffff;
}

bool address_parse(const char *text, struct address *address)
{
    struct address parsed = {0};
    if (inet_pton(AF_INET, text, parsed.bytes) == 1)
        parsed.family = FAMILY_IPV4;
    else if (inet_pton(AF_INET6, text, parsed.bytes) == 1)
        parsed.family = FAMILY_IPV6;
    else
        return false;
    *address = parsed;
    return true;
}

char *address_format(const struct address *address, char text[ADDRESS_TEXT_BYTES])
{
    int family = address->family == FAMILY_IPV4 ? AF_INET : AF_INET6;
    if (address->family == FAMILY_NONE)
        snprintf(text, ADDRESS_TEXT_BYTES, "none");
    else
        inet_ntop(family, address->bytes, text, ADDRESS_TEXT_BYTES);
    return text;
}

char *endpoint_format(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_BYTES])
{
    char address[ADDRESS_TEXT_BYTES];
    address_format(&endpoint->address, address);
    if (endpoint->address.family != FAMILY_IPV6)
        snprintf(text, ENDPOINT_TEXT_BYTES, "%s:%u", address, endpoint->port);
    else if (endpoint->scope_id)
        snprintf(text, ENDPOINT_TEXT_BYTES, "[%s%%%u]:%u", address, endpoint->scope_id,
                 endpoint->port);
    else
        snprintf(text, ENDPOINT_TEXT_BYTES, "[%s]:%u", address, endpoint->port);
    return text;
}
