/* SPDX-License-Identifier: MIT */
/* The Internet checksum: RFC 1071 sums, RFC 1624 updates. A `sum` is an unfolded ones'-complement
 * accumulator of 16-bit words in network order: single fields (as load_be16 gives them) may be
 * added to it by hand. checksum_fold makes 16 bits of it, checksum_finish complements them: the
 * value of the big-endian field. UDP sends a result of 0 as 0xffff (checksum_finish_udp). */
#ifndef PACKET_CHECKSUM_H
#define PACKET_CHECKSUM_H

#include "base/address.h"
#include "base/bytes.h"

/* Adds `len` bytes that start at an even offset of what is summed. */
uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, size_t len);
/* Copies and adds in one pass; the two do not overlap. */
uint64_t checksum_copy(uint64_t sum, uint8_t *restrict out, const uint8_t *restrict in, size_t len);

static inline uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum >> 32) + (uint32_t)sum; /* 33 bits */
    sum = (sum >> 32) + (uint32_t)sum; /* 32 bits */
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)((sum >> 16) + sum);
}

static inline uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}

/* RFC 768: 0 would mean "no checksum". */
static inline uint16_t checksum_finish_udp(uint64_t sum)
{
    uint16_t checksum = checksum_finish(sum);
    return checksum ? checksum : 0xffff;
}

/* checksum_add for the few words of a header: a multiple of 4 bytes. */
static inline uint64_t checksum_add_header(uint64_t sum, const uint8_t *header, size_t len)
{
    for (size_t at = 0; at < len; at += 4)
        sum += load_be32(header + at); /* 2^16 ≡ 1: 32 bits at once are their two halves */
    return sum;
}

/* The pseudo-header of TCP, UDP and ICMPv6 (RFC 793, 768, 8200). */
static inline uint64_t checksum_pseudo(enum family family, const uint8_t *source,
                                       const uint8_t *destination, uint8_t protocol, uint32_t len)
{
    uint64_t sum = (uint64_t)protocol + len;
    if (family == FAMILY_IPV4)
        return sum + load_be32(source) + load_be32(destination);
    return checksum_add_header(checksum_add_header(sum, source, 16), destination, 16);
}

/* RFC 1624 eqn. 3: the field's new value when `old_bytes` became `new_bytes` (even length, even
 * offset). */
uint16_t checksum_update(uint16_t field, const uint8_t *old_bytes, const uint8_t *new_bytes,
                         size_t len);
/* The IPv4 header's own checksum, computed and stored. */
static inline void checksum_set_ipv4(uint8_t *header, size_t header_len)
{
    store_be16(header + 10, 0);
    store_be16(header + 10, checksum_finish(checksum_add_header(0, header, header_len)));
}

#endif
