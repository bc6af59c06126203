/* SPDX-License-Identifier: MIT */
#include "rigs/sample.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tap.h"

enum { ECHO4 = 8, ECHO6 = 128 };

struct address sample_address(const char *text)
{
    struct address address = {0};
    CHECK(address_parse(text, &address));
    return address;
}

struct endpoint sample_endpoint(const char *text)
{
    struct endpoint endpoint = {0};
    char host[ENDPOINT_TEXT_BYTES] = "";
    CHECK(sscanf(text, "%47[0-9.]:%hu", host, &endpoint.port) == 2 ||
          sscanf(text, "[%47[^]%%]%%%u]:%hu", host, &endpoint.scope_id, &endpoint.port) == 3 ||
          sscanf(text, "[%47[^]]]:%hu", host, &endpoint.port) == 2);
    endpoint.address = sample_address(host);
    return endpoint;
}

uint32_t sample_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static bool is_ipv6(const uint8_t *packet)
{
    return packet[0] >> 4 == 6;
}

static size_t ip_bytes(const uint8_t *packet)
{
    return is_ipv6(packet) ? IPV6_HEADER_BYTES : (size_t)(packet[0] & 15) * 4;
}

static uint8_t protocol_of(const uint8_t *packet)
{
    return is_ipv6(packet) ? packet[6] : packet[9];
}

uint32_t sample_pseudo(const uint8_t *packet, uint8_t protocol, size_t transport_len)
{
    uint8_t rest[8] = {0};
    uint32_t sum = is_ipv6(packet) ? sample_sum(0, packet + 8, 32) : sample_sum(0, packet + 12, 8);
    store_be32(rest, (uint32_t)transport_len);
    rest[7] = protocol;
    return sample_sum(sum, rest, sizeof(rest));
}

/* Where in the transport header its checksum stands; 0: it has none that we know. */
static size_t checksum_place(uint8_t protocol)
{
    switch (protocol) {
    case IP_PROTOCOL_TCP:
        return 16;
    case IP_PROTOCOL_UDP:
        return 6;
    case IP_PROTOCOL_ICMP:
    case IP_PROTOCOL_ICMPV6:
        return 2;
    default:
        return 0;
    }
}

static size_t transport_bytes(const uint8_t *packet)
{
    size_t at = ip_bytes(packet);
    switch (protocol_of(packet)) {
    case IP_PROTOCOL_TCP:
        return (size_t)(packet[at + 12] >> 4) * 4;
    case IP_PROTOCOL_UDP:
    case IP_PROTOCOL_ICMP:
    case IP_PROTOCOL_ICMPV6:
        return 8;
    default:
        return 0;
    }
}

uint8_t *sample_seal(uint8_t *packet, size_t len)
{
    size_t at = ip_bytes(packet);
    uint8_t protocol = protocol_of(packet), *transport = packet + at;
    size_t place = checksum_place(protocol);
    if (is_ipv6(packet)) {
        store_be16(packet + 4, (uint16_t)(len - at));
    } else {
        store_be16(packet + 2, (uint16_t)len);
        store_be16(packet + 10, 0);
        store_be16(packet + 10, (uint16_t)~sample_sum(0, packet, at));
    }
    if (protocol == IP_PROTOCOL_UDP)
        store_be16(transport + 4, (uint16_t)(len - at));
    if (!place)
        return NULL;
    store_be16(transport + place, 0);
    uint32_t sum = protocol == IP_PROTOCOL_ICMP ? 0 : sample_pseudo(packet, protocol, len - at);
    uint16_t field = (uint16_t)~sample_sum(sum, transport, len - at);
    store_be16(transport + place, field == 0 && protocol == IP_PROTOCOL_UDP ? 0xffff : field);
    return transport + place;
}

static bool wants_ipv6(const struct sample *sample)
{
    const char *one = sample->source ? sample->source : sample->destination;
    return one ? strchr(one, ':') != NULL : sample->is_ipv6;
}

static uint8_t protocol_for(const struct sample *sample)
{
    if (sample->protocol == IP_PROTOCOL_ICMP && wants_ipv6(sample))
        return IP_PROTOCOL_ICMPV6;
    return sample->protocol ? sample->protocol : IP_PROTOCOL_TCP;
}

size_t sample_ip_bytes(const struct sample *sample)
{
    return wants_ipv6(sample) ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES + sample->ip_options;
}

size_t sample_header_bytes(const struct sample *sample)
{
    size_t transport = 0;
    switch (protocol_for(sample)) {
    case IP_PROTOCOL_TCP:
        transport = TCP_HEADER_BYTES + (sample->mss ? 4 : sample->tcp_options);
        break;
    case IP_PROTOCOL_UDP:
    case IP_PROTOCOL_ICMP:
    case IP_PROTOCOL_ICMPV6:
        transport = 8;
        break;
    }
    return sample_ip_bytes(sample) + transport;
}

static void write_ip(const struct sample *sample, uint8_t *out)
{
    bool is_wide = wants_ipv6(sample);
    struct address from = sample_address(sample->source ? sample->source
                                         : is_wide      ? "fdfd::2"
                                                        : "10.64.0.2");
    struct address to = sample_address(sample->destination ? sample->destination
                                       : is_wide           ? "fcfc::1"
                                                           : "10.20.0.1");
    CHECK_EQUAL(from.family, to.family);
    uint8_t protocol = protocol_for(sample), ttl = sample->ttl ? sample->ttl : 64;
    if (is_wide) {
        store_be32(out, 6u << 28 | (uint32_t)sample->tos << 20 | sample->flow_label);
        out[6] = protocol;
        out[7] = ttl;
        memcpy(out + 8, from.bytes, 16);
        memcpy(out + 24, to.bytes, 16);
        return;
    }
    out[0] = (uint8_t)(0x40 | sample_ip_bytes(sample) / 4);
    out[1] = sample->tos;
    store_be16(out + 4, sample->id);
    out[6] = sample->may_fragment ? 0 : 0x40;
    out[8] = ttl;
    out[9] = protocol;
    memcpy(out + 12, from.bytes, 4);
    memcpy(out + 16, to.bytes, 4);
    memset(out + 20, 1, sample->ip_options); /* NOP */
}

static void write_tcp(const struct sample *sample, size_t options_len, uint8_t *transport)
{
    store_be32(transport + 4, sample->sequence);
    store_be32(transport + 8, sample->acknowledgment);
    transport[12] = (uint8_t)((TCP_HEADER_BYTES + options_len) / 4 << 4);
    transport[13] = sample->tcp_flags;
    store_be16(transport + 14, sample->window ? sample->window : 512);
    if (sample->mss) {
        transport[20] = 2; /* MSS */
        transport[21] = 4;
        store_be16(transport + 22, sample->mss);
    }
}

size_t sample_write(const struct sample *sample, uint8_t *out)
{
    size_t at = sample_ip_bytes(sample), header = sample_header_bytes(sample);
    size_t len = header + sample->payload_bytes;
    uint8_t protocol = protocol_for(sample), *transport = out + at;
    memset(out, 0, header);
    write_ip(sample, out);
    if (header > at) {
        store_be16(transport, sample->source_port);
        store_be16(transport + 2, sample->destination_port);
    }
    if (protocol == IP_PROTOCOL_TCP) {
        write_tcp(sample, header - at - TCP_HEADER_BYTES, transport);
    } else if (protocol == IP_PROTOCOL_ICMP || protocol == IP_PROTOCOL_ICMPV6) {
        transport[0] = protocol == IP_PROTOCOL_ICMP ? ECHO4 : ECHO6;
        transport[1] = 0;
    }
    len = sample->len_bytes > len ? sample->len_bytes : len;
    for (size_t i = header; i < len; i++)
        out[i] = (uint8_t)(i * 7 + sample->serial);
    if (len >= header + 4)
        store_be32(out + header, sample->serial);
    sample_seal(out, len);
    return len;
}

size_t sample_write_random(const struct sample *sample, uint8_t *out)
{
    size_t len = sample_write(sample, out), header = sample_header_bytes(sample);
    size_t from = header - (protocol_for(sample) == IP_PROTOCOL_TCP ? sample->tcp_options : 0);
    tap_random_bytes(out + from, len - from);
    sample_seal(out, len);
    return len;
}

size_t sample_segment(const struct sample *sample, const uint8_t *super, size_t gso_size,
                      size_t index, uint8_t *out)
{
    size_t header = sample_header_bytes(sample), from = index * gso_size;
    size_t left = sample->payload_bytes - from, take = left < gso_size ? left : gso_size;
    uint8_t *transport = out + sample_ip_bytes(sample);
    memcpy(out, super, header);
    memcpy(out + header, super + header + from, take);
    if (!is_ipv6(out))
        store_be16(out + 4, (uint16_t)(sample->id + index));
    if (protocol_of(out) == IP_PROTOCOL_TCP) {
        store_be32(transport + 4, (uint32_t)(sample->sequence + from));
        if (take < left)
            transport[13] &= 0xf6; /* FIN, PSH */
        if (index > 0)
            transport[13] &= 0x7f; /* CWR */
    }
    sample_seal(out, header + take);
    return header + take;
}

struct vnet_header sample_to_super(uint8_t *packet, size_t len, uint16_t gso_size)
{
    size_t at = ip_bytes(packet);
    bool is_udp = protocol_of(packet) == IP_PROTOCOL_UDP;
    uint16_t place = (uint16_t)checksum_place(protocol_of(packet));
    store_be16(packet + at + place, (uint16_t)sample_pseudo(packet, protocol_of(packet), len - at));
    return (struct vnet_header){
        .flags = VNET_NEEDS_CSUM,
        .gso_type = is_udp            ? VNET_GSO_UDP_L4
                    : is_ipv6(packet) ? VNET_GSO_TCPV6
                                      : VNET_GSO_TCPV4,
        .gso_size = gso_size,
        .csum_start = (uint16_t)at,
        .csum_offset = place,
    };
}

size_t sample_write_error(const char *source, const char *destination, uint8_t type, uint8_t code,
                          uint32_t rest, const uint8_t *quoted, size_t quoted_len, uint8_t *out)
{
    const struct sample error = {
        .source = source, .destination = destination, .protocol = IP_PROTOCOL_ICMP};
    size_t len = sample_write(&error, out), at = sample_ip_bytes(&error);
    out[at] = type;
    out[at + 1] = code;
    store_be32(out + at + 4, rest);
    memcpy(out + len, quoted, quoted_len);
    sample_seal(out, len + quoted_len);
    return len + quoted_len;
}

void sample_turn_around(uint8_t *packet)
{
    size_t len = is_ipv6(packet) ? 16 : 4, at = ip_bytes(packet);
    uint8_t *source = packet + (is_ipv6(packet) ? 8 : 12), other[16];
    memcpy(other, source, len);
    memmove(source, source + len, len);
    memcpy(source + len, other, len);
    if (protocol_of(packet) != IP_PROTOCOL_TCP && protocol_of(packet) != IP_PROTOCOL_UDP)
        return;
    memcpy(other, packet + at, 2);
    memcpy(packet + at, packet + at + 2, 2);
    memcpy(packet + at + 2, other, 2);
}

bool sample_sums_are_right(const uint8_t *packet, size_t len)
{
    size_t at = ip_bytes(packet), place = checksum_place(protocol_of(packet));
    if (!is_ipv6(packet) && sample_sum(0, packet, at) != 0xffff)
        return false;
    if (!is_ipv6(packet) && (load_be16(packet + 6) & 0x3fff))
        return true; /* a fragment */
    if (!place || (protocol_of(packet) == IP_PROTOCOL_UDP && !load_be16(packet + at + place)))
        return true;
    uint32_t sum = protocol_of(packet) == IP_PROTOCOL_ICMP
                       ? 0
                       : sample_pseudo(packet, protocol_of(packet), len - at);
    return sample_sum(sum, packet + at, len - at) == 0xffff;
}

uint32_t sample_serial(const uint8_t *packet, size_t len)
{
    size_t header = ip_bytes(packet) + transport_bytes(packet);
    return len >= header + 4 ? load_be32(packet + header) : UINT32_MAX;
}

bool sample_is_between(const uint8_t *packet, const char *source, const char *destination)
{
    struct address from = sample_address(source), to = sample_address(destination);
    if (is_ipv6(packet) != (from.family == FAMILY_IPV6))
        return false;
    size_t len = is_ipv6(packet) ? 16 : 4;
    const uint8_t *at = packet + (is_ipv6(packet) ? 8 : 12);
    return memcmp(at, from.bytes, len) == 0 && memcmp(at + len, to.bytes, len) == 0;
}
