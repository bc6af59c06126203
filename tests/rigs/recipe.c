/* SPDX-License-Identifier: MIT */
#include "rigs/recipe.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "rigs/sample.h"
#include "tap.h"

/* An extension header of 8 or 16 bytes of padding. */
static size_t write_extension(uint8_t *out, uint8_t next, size_t len)
{
    memset(out, 0, len);
    out[0] = next;
    out[1] = (uint8_t)(len / 8 - 1);
    out[2] = 1; /* PadN */
    out[3] = (uint8_t)(len - 4);
    return len;
}

/* In bytes; IPv4 writes an eighth of it. */
static uint32_t fragment_place(const struct recipe *recipe)
{
    return recipe->fragment == RECIPE_LATER ? recipe->fragment_at : 0;
}

static bool is_followed(const struct recipe *recipe)
{
    return recipe->fragment != RECIPE_WHOLE && !recipe->is_last;
}

static size_t write_ipv4_header(const struct recipe *recipe, uint8_t *out)
{
    size_t len = IPV4_HEADER_BYTES + recipe->options_len;
    memset(out, 0, IPV4_HEADER_BYTES);
    out[0] = (uint8_t)(0x40 | len / 4);
    out[1] = recipe->tos;
    store_be16(out + 4, (uint16_t)recipe->id);
    store_be16(out + 6, (uint16_t)(fragment_place(recipe) / 8 | is_followed(recipe) << 13));
    out[8] = 63;
    out[9] = recipe->protocol;
    memcpy(out + 12, recipe->source.bytes, 4);
    memcpy(out + 16, recipe->destination.bytes, 4);
    memcpy(out + 20, recipe->options, recipe->options_len);
    return len;
}

static size_t write_ipv6_header(const struct recipe *recipe, uint8_t *out)
{
    bool is_fragment = recipe->fragment != RECIPE_WHOLE;
    uint8_t after_hop = is_fragment                       ? IP_PROTOCOL_FRAGMENT
                        : recipe->has_destination_options ? IP_PROTOCOL_DSTOPTS
                                                          : recipe->protocol;
    uint8_t after_fragment = recipe->has_destination_options && recipe->fragment != RECIPE_LATER
                                 ? IP_PROTOCOL_DSTOPTS
                                 : recipe->protocol;
    size_t len = IPV6_HEADER_BYTES;
    memset(out, 0, IPV6_HEADER_BYTES);
    store_be32(out, 6u << 28 | (uint32_t)recipe->tos << 20);
    out[6] = recipe->has_hop_by_hop ? IP_PROTOCOL_HOPOPTS : after_hop;
    out[7] = 63;
    memcpy(out + 8, recipe->source.bytes, 16);
    memcpy(out + 24, recipe->destination.bytes, 16);
    if (recipe->has_hop_by_hop)
        len += write_extension(out + len, after_hop, 8);
    if (is_fragment) {
        memset(out + len, 0, 8);
        out[len] = after_fragment;
        store_be16(out + len + 2, (uint16_t)(fragment_place(recipe) | is_followed(recipe)));
        store_be32(out + len + 4, recipe->id);
        len += 8;
    }
    if (recipe->has_destination_options && recipe->fragment != RECIPE_LATER)
        len += write_extension(out + len, recipe->protocol, 16);
    return len;
}

/* The header, its checksum field zero; returns its length. */
static size_t write_transport(const struct recipe *recipe, uint8_t *out, size_t *checksum_offset)
{
    size_t len = 8;
    switch (recipe->protocol) {
    case IP_PROTOCOL_TCP:
        len = TCP_HEADER_BYTES + recipe->tcp_options_len;
        *checksum_offset = 16;
        break;
    case IP_PROTOCOL_UDP:
        *checksum_offset = 6;
        break;
    case IP_PROTOCOL_ICMP:
    case IP_PROTOCOL_ICMPV6:
        *checksum_offset = 2;
        break;
    default:
        *checksum_offset = 0;
        return 0;
    }
    memset(out, 0x11, len);
    store_be16(out + *checksum_offset, 0);
    if (recipe->protocol == IP_PROTOCOL_TCP) {
        out[12] = (uint8_t)(len / 4 << 4);
        out[13] = recipe->tcp_flags;
        memcpy(out + TCP_HEADER_BYTES, recipe->tcp_options, recipe->tcp_options_len);
    } else if (recipe->protocol != IP_PROTOCOL_UDP) {
        out[0] = recipe->icmp_type;
        out[1] = 0;
    }
    return len;
}

static size_t write_payload(const struct recipe *recipe, uint8_t *out)
{
    if (!recipe->quoted) {
        memcpy(out, recipe->payload, recipe->payload_len);
        return recipe->payload_len;
    }
    uint8_t quoted[RECIPE_MOST_BYTES];
    size_t len = recipe_write(recipe->quoted, quoted);
    len = len < recipe->quote_most ? len : recipe->quote_most;
    memcpy(out, quoted, len);
    return len;
}

static void set_checksum(const struct recipe *recipe, const uint8_t *packet, uint8_t *transport,
                         size_t len, size_t checksum_offset)
{
    bool is_udp = recipe->protocol == IP_PROTOCOL_UDP;
    if (checksum_offset == 0 || (is_udp && recipe->has_no_udp_checksum))
        return;
    uint32_t sum = 0;
    if (recipe->protocol != IP_PROTOCOL_ICMP)
        sum = sample_pseudo(packet, recipe->protocol, len);
    uint16_t field = (uint16_t)(recipe->is_partial ? sum : ~sample_sum(sum, transport, len));
    if (is_udp && field == 0)
        field = 0xffff;
    store_be16(transport + checksum_offset, field);
}

size_t recipe_write(const struct recipe *recipe, uint8_t out[RECIPE_MOST_BYTES])
{
    bool is_ipv4 = recipe->family == FAMILY_IPV4;
    size_t header = is_ipv4 ? write_ipv4_header(recipe, out) : write_ipv6_header(recipe, out);
    size_t len = header, checksum_offset = 0;
    if (recipe->fragment != RECIPE_LATER)
        len += write_transport(recipe, out + len, &checksum_offset);
    len += write_payload(recipe, out + len);
    assert(len <= RECIPE_MOST_BYTES);
    if (recipe->fragment != RECIPE_LATER)
        set_checksum(recipe, out, out + header, len - header, checksum_offset);
    if (is_ipv4) {
        store_be16(out + 2, (uint16_t)len);
        store_be16(out + 10, (uint16_t)~sample_sum(0, out, header));
    } else {
        store_be16(out + 4, (uint16_t)(len - IPV6_HEADER_BYTES));
    }
    return len;
}

uint8_t *recipe_write_new(const struct recipe *recipe, size_t *len)
{
    uint8_t packet[RECIPE_MOST_BYTES];
    *len = recipe_write(recipe, packet);
    uint8_t *bytes = malloc(*len);
    assert(bytes);
    return memcpy(bytes, packet, *len);
}

struct address recipe_address(enum family family)
{
    struct address address = {.family = (uint8_t)family};
    tap_random_bytes(address.bytes, family_bytes(family));
    address.bytes[0] = family == FAMILY_IPV4 ? 10 : 0x20;
    /* words of all ones and of zeros are where ones'-complement has two faces */
    if (tap_random_below(4) == 0)
        memset(address.bytes + 2, tap_random_below(2) ? 0xff : 0, 2);
    return address;
}

void recipe_random(struct recipe *recipe, enum family family)
{
    static const uint8_t protocols[] = {IP_PROTOCOL_TCP, IP_PROTOCOL_UDP,  IP_PROTOCOL_ICMP,
                                        IP_PROTOCOL_TCP, IP_PROTOCOL_UDP,  IP_PROTOCOL_ICMP,
                                        IP_PROTOCOL_ESP, IP_PROTOCOL_SCTP, IP_PROTOCOL_GRE};
    *recipe = (struct recipe){
        .family = family,
        .protocol = protocols[tap_random_below(sizeof(protocols))],
        .source = recipe_address(family),
        .destination = recipe_address(family),
        .fragment = tap_random_below(4) ? RECIPE_WHOLE : tap_random_below(2) + RECIPE_FIRST,
        .id = 0xbeef,
        .fragment_at = 37 * 8,
        .options_len = tap_random_below(3) ? 0 : 4 * tap_random_below(11),
        .has_hop_by_hop = tap_random_below(4) == 0,
        .has_destination_options = tap_random_below(4) == 0,
        .tcp_flags = (uint8_t)tap_random(),
        .tcp_options_len = 4 * tap_random_below(11),
        .has_no_udp_checksum = tap_random_below(8) == 0,
        .icmp_type = family == FAMILY_IPV4 ? 8 : 128,
        .payload_len = tap_random_below(tap_random_below(2) ? 40 : 1400),
    };
    if (family == FAMILY_IPV6 && recipe->protocol == IP_PROTOCOL_ICMP)
        recipe->protocol = IP_PROTOCOL_ICMPV6;
    memset(recipe->options, 1, sizeof(recipe->options)); /* NOP */
    memset(recipe->tcp_options, 1, sizeof(recipe->tcp_options));
    tap_random_bytes(recipe->payload, recipe->payload_len);
}

void recipe_error(struct recipe *recipe, const struct recipe *quoted)
{
    static const uint8_t types4[] = {3, 4, 5, 11, 12};
    recipe->fragment = RECIPE_WHOLE;
    recipe->quoted = quoted;
    recipe->quote_most = tap_random_below(2) ? 1400 : 28 + tap_random_below(100);
    if (quoted->family == FAMILY_IPV4) {
        recipe->protocol = IP_PROTOCOL_ICMP;
        recipe->icmp_type = types4[tap_random_below(sizeof(types4))];
        if (recipe->quote_most < IPV4_HEADER_BYTES + quoted->options_len)
            recipe->quote_most = IPV4_HEADER_BYTES + quoted->options_len;
    } else {
        recipe->protocol = IP_PROTOCOL_ICMPV6;
        recipe->icmp_type = (uint8_t)(1 + tap_random_below(4));
        if (recipe->quote_most < 80) /* all extension headers that a recipe can have */
            recipe->quote_most = 80;
    }
}
