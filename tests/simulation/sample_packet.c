/* SPDX-License-Identifier: MIT */
#include "simulation/sample_packet.h"

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
    CHECK(endpoint_parse(text, &endpoint));
    return endpoint;
}

static uint32_t add(uint32_t sum, const uint8_t *bytes, size_t len)
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

static uint32_t pseudo(const uint8_t *packet, size_t transport_len)
{
    uint32_t sum = is_ipv6(packet) ? add(0, packet + 8, 32) : add(0, packet + 12, 8);
    uint8_t rest[8] = {(uint8_t)(transport_len >> 24),
                       (uint8_t)(transport_len >> 16),
                       (uint8_t)(transport_len >> 8),
                       (uint8_t)transport_len,
                       0,
                       0,
                       0,
                       protocol_of(packet)};
    return add(sum, rest, sizeof(rest));
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

static void seal(uint8_t *packet, size_t len)
{
    size_t at = ip_bytes(packet);
    uint8_t protocol = protocol_of(packet), *transport = packet + at;
    size_t place = checksum_place(protocol);
    if (is_ipv6(packet)) {
        store_be16(packet + 4, (uint16_t)(len - at));
    } else {
        store_be16(packet + 2, (uint16_t)len);
        store_be16(packet + 10, 0);
        store_be16(packet + 10, (uint16_t)~add(0, packet, at));
    }
    if (protocol == IP_PROTOCOL_UDP)
        store_be16(transport + 4, (uint16_t)(len - at));
    if (!place)
        return;
    store_be16(transport + place, 0);
    uint32_t sum = protocol == IP_PROTOCOL_ICMP ? 0 : pseudo(packet, len - at);
    uint16_t field = (uint16_t)~add(sum, transport, len - at);
    store_be16(transport + place, field == 0 && protocol == IP_PROTOCOL_UDP ? 0xffff : field);
}

static size_t write_ip(const char *source, const char *destination, uint8_t protocol, uint8_t tos,
                       uint8_t *out)
{
    struct address from = sample_address(source), to = sample_address(destination);
    CHECK_EQUAL(from.family, to.family);
    if (from.family == FAMILY_IPV6) {
        memset(out, 0, IPV6_HEADER_BYTES);
        store_be32(out, 6u << 28 | (uint32_t)tos << 20);
        out[6] = protocol;
        out[7] = 64;
        memcpy(out + 8, from.bytes, 16);
        memcpy(out + 24, to.bytes, 16);
        return IPV6_HEADER_BYTES;
    }
    memset(out, 0, IPV4_HEADER_BYTES);
    out[0] = 0x45;
    out[1] = tos;
    out[6] = 0x40;
    out[8] = 64;
    out[9] = protocol;
    memcpy(out + 12, from.bytes, 4);
    memcpy(out + 16, to.bytes, 4);
    return IPV4_HEADER_BYTES;
}

size_t sample_write(const struct sample *sample, uint8_t *out)
{
    bool wants_ipv6 = sample_address(sample->destination).family == FAMILY_IPV6;
    uint8_t protocol =
        sample->protocol == IP_PROTOCOL_ICMP && wants_ipv6 ? IP_PROTOCOL_ICMPV6 : sample->protocol;
    size_t at = write_ip(sample->source, sample->destination, protocol, sample->tos, out);
    uint8_t *transport = out + at;
    if (sample->may_fragment && !wants_ipv6)
        out[6] = 0;
    memset(transport, 0, 24);
    store_be16(transport, sample->source_port);
    store_be16(transport + 2, sample->destination_port);
    if (protocol == IP_PROTOCOL_TCP) {
        store_be32(transport + 4, 0x01020304);
        transport[12] = sample->mss ? 0x60 : 0x50;
        transport[13] = sample->tcp_flags;
        store_be16(transport + 14, 512);
        transport[20] = 2; /* MSS */
        transport[21] = 4;
        store_be16(transport + 22, sample->mss);
    } else if (protocol == IP_PROTOCOL_ICMP || protocol == IP_PROTOCOL_ICMPV6) {
        transport[0] = wants_ipv6 ? ECHO6 : ECHO4;
        transport[1] = 0;
    }
    size_t header = at + transport_bytes(out);
    size_t len = sample->len_bytes > header ? sample->len_bytes : header;
    for (size_t i = header; i < len; i++)
        out[i] = (uint8_t)(i * 7 + sample->serial);
    if (len >= header + 4)
        store_be32(out + header, sample->serial);
    seal(out, len);
    return len;
}

struct vnet_header sample_to_super(uint8_t *packet, size_t len, uint16_t gso_size)
{
    size_t at = ip_bytes(packet);
    bool is_udp = protocol_of(packet) == IP_PROTOCOL_UDP;
    uint16_t place = (uint16_t)checksum_place(protocol_of(packet));
    store_be16(packet + at + place, (uint16_t)pseudo(packet, len - at));
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
    bool wants_ipv6 = sample_address(destination).family == FAMILY_IPV6;
    uint8_t protocol = wants_ipv6 ? IP_PROTOCOL_ICMPV6 : IP_PROTOCOL_ICMP;
    size_t at = write_ip(source, destination, protocol, 0, out);
    out[at] = type;
    out[at + 1] = code;
    store_be32(out + at + 4, rest);
    memcpy(out + at + 8, quoted, quoted_len);
    seal(out, at + 8 + quoted_len);
    return at + 8 + quoted_len;
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
    if (!is_ipv6(packet) && add(0, packet, at) != 0xffff)
        return false;
    if (!is_ipv6(packet) && (load_be16(packet + 6) & 0x3fff))
        return true; /* a fragment */
    if (!place || (protocol_of(packet) == IP_PROTOCOL_UDP && !load_be16(packet + at + place)))
        return true;
    uint32_t sum = protocol_of(packet) == IP_PROTOCOL_ICMP ? 0 : pseudo(packet, len - at);
    return add(sum, packet + at, len - at) == 0xffff;
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
