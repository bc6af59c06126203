/* SPDX-License-Identifier: MIT */
/* Packets for tests, made word by word from the RFCs and with none of the code under test. */
#ifndef PACKET_SAMPLE_TEST_H
#define PACKET_SAMPLE_TEST_H

#include <string.h>

#include "packet/ip.h"
#include "packet/vnet.h"
#include "tap.h"

#define SAMPLE_MOST_BYTES 66000

/* What a packet shall be. Options count in bytes, a multiple of 4. */
struct sample {
    bool is_ipv6;
    bool is_udp;
    bool may_fragment; /* IPv4 DF clear */
    uint8_t tos, ttl, tcp_flags;
    uint16_t id, window, source_port, ip_options, tcp_options;
    uint32_t sequence, acknowledgment, payload_bytes;
};

static inline void sample_put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void sample_put32(uint8_t *at, uint32_t value)
{
    sample_put16(at, value >> 16);
    sample_put16(at + 2, value & 0xffff);
}

static inline uint32_t sample_get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t sample_get32(const uint8_t *at)
{
    return sample_get16(at) << 16 | sample_get16(at + 2);
}

/* RFC 1071 as it is written: 16 bits after 16 bits, each carry brought around at once. */
static inline uint32_t sample_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static inline uint32_t sample_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t len)
{
    uint8_t pseudo[40] = {0};
    bool is_ipv6 = ip[0] >> 4 == 6;
    memcpy(pseudo, ip + (is_ipv6 ? 8 : 12), is_ipv6 ? 32 : 8);
    uint8_t *end = pseudo + (is_ipv6 ? 32 : 8);
    sample_put32(end, len);
    sample_put32(end + 4, protocol);
    return sample_sum(0, pseudo, is_ipv6 ? 40 : 16);
}

static inline uint32_t sample_ip_bytes(const struct sample *sample)
{
    return sample->is_ipv6 ? 40u : 20u + sample->ip_options;
}

static inline uint32_t sample_header_bytes(const struct sample *sample)
{
    return sample_ip_bytes(sample) + (sample->is_udp ? 8u : 20u + sample->tcp_options);
}

/* Sets the lengths and checksums of a packet of `len` bytes whose headers are there; returns the
 * place of the transport checksum. */
static inline uint8_t *sample_seal(const struct sample *sample, uint8_t *out, uint32_t len)
{
    uint32_t ip_bytes = sample_ip_bytes(sample), transport_bytes = len - ip_bytes;
    uint8_t *transport = out + ip_bytes, *checksum = transport + (sample->is_udp ? 6 : 16);
    if (sample->is_ipv6) {
        sample_put16(out + 4, len - 40);
    } else {
        sample_put16(out + 2, len);
        sample_put16(out + 10, 0);
        sample_put16(out + 10, ~sample_sum(0, out, ip_bytes));
    }
    if (sample->is_udp)
        sample_put16(transport + 4, transport_bytes);
    sample_put16(checksum, 0);
    uint32_t sum = sample_pseudo(out, sample->is_udp ? 17 : 6, transport_bytes);
    sum = ~sample_sum(sum, transport, transport_bytes) & 0xffff;
    sample_put16(checksum, sample->is_udp && sum == 0 ? 0xffff : sum);
    return checksum;
}

/* A whole packet with random payload and options (NOPs in IPv4) and right checksums; returns its
 * length. */
static inline uint32_t sample_make(const struct sample *sample, uint8_t *out)
{
    uint32_t header_bytes = sample_header_bytes(sample), ip_bytes = sample_ip_bytes(sample);
    uint32_t len = header_bytes + sample->payload_bytes;
    memset(out, 0, header_bytes);
    tap_random_bytes(out + header_bytes, sample->payload_bytes);
    uint8_t protocol = sample->is_udp ? 17 : 6, *transport = out + ip_bytes;
    if (sample->is_ipv6) {
        sample_put32(out, 6u << 28 | (uint32_t)sample->tos << 20 | 0x12345);
        out[6] = protocol;
        out[7] = sample->ttl;
        memset(out + 8, 0xfd, 16);
        memset(out + 24, 0xfc, 16);
    } else {
        out[0] = (uint8_t)(0x40 | ip_bytes / 4);
        out[1] = sample->tos;
        sample_put16(out + 4, sample->id);
        out[6] = sample->may_fragment ? 0 : 0x40;
        out[8] = sample->ttl;
        out[9] = protocol;
        sample_put32(out + 12, 0x0a400002);
        sample_put32(out + 16, 0x0a140001);
        memset(out + 20, 1, sample->ip_options);
    }
    sample_put16(transport, sample->source_port);
    sample_put16(transport + 2, 443);
    if (!sample->is_udp) {
        sample_put32(transport + 4, sample->sequence);
        sample_put32(transport + 8, sample->acknowledgment);
        transport[12] = (uint8_t)((20 + sample->tcp_options) / 4 << 4);
        transport[13] = sample->tcp_flags;
        sample_put16(transport + 14, sample->window);
        tap_random_bytes(transport + 20, sample->tcp_options);
    }
    sample_seal(sample, out, len);
    return len;
}

/* Makes of a sealed packet what the kernel hands out at a TUN: the transport checksum is the
 * pseudo-header's sum. Returns the header that stands in front. */
static inline struct vnet_header sample_to_super(const struct sample *sample, uint8_t *out,
                                                 uint32_t len, uint16_t gso_size)
{
    uint32_t ip_bytes = sample_ip_bytes(sample);
    uint8_t protocol = sample->is_udp ? 17 : 6;
    uint16_t checksum_offset = sample->is_udp ? 6 : 16;
    sample_put16(out + ip_bytes + checksum_offset, sample_pseudo(out, protocol, len - ip_bytes));
    return (struct vnet_header){
        .flags = VNET_NEEDS_CSUM,
        .gso_type = sample->is_udp    ? VNET_GSO_UDP_L4
                    : sample->is_ipv6 ? VNET_GSO_TCPV6
                                      : VNET_GSO_TCPV4,
        .gso_size = gso_size,
        .csum_start = (uint16_t)ip_bytes,
        .csum_offset = checksum_offset,
    };
}

/* Segment `index` of a super-packet, as RFC 9293, 768, 3168 and 6864 want it; returns its length.
 */
static inline uint32_t sample_segment(const struct sample *sample, const uint8_t *super,
                                      uint32_t gso_size, uint32_t index, uint8_t *out)
{
    uint32_t header_bytes = sample_header_bytes(sample), from = index * gso_size;
    uint32_t left = sample->payload_bytes - from, take = left < gso_size ? left : gso_size;
    uint8_t *transport = out + sample_ip_bytes(sample);
    memcpy(out, super, header_bytes);
    memcpy(out + header_bytes, super + header_bytes + from, take);
    if (!sample->is_ipv6)
        sample_put16(out + 4, sample->id + index);
    if (!sample->is_udp) {
        sample_put32(transport + 4, sample->sequence + from);
        if (take < left)
            transport[13] &= 0xf6; /* FIN, PSH */
        if (index > 0)
            transport[13] &= 0x7f; /* CWR */
    }
    sample_seal(sample, out, header_bytes + take);
    return header_bytes + take;
}

#endif
