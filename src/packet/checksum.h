/* SPDX-License-Identifier: MIT */
/* The Internet checksum: RFC 1071 sums, RFC 1624 updates. A `sum` is an unfolded ones'-complement
 * accumulator over bytes in network order; checksum_fold makes 16 bits of it (host byte order value of
 * the big-endian field), checksum_finish complements them. */
#ifndef PACKET_CHECKSUM_H
#define PACKET_CHECKSUM_H

#include "base/address.h"

/* Adds `len` bytes that start at an even offset of what is summed. */
uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, size_t len);
/* Copies and adds in one pass. */
uint64_t checksum_copy(uint64_t sum, uint8_t *out, const uint8_t *in, size_t len);
uint16_t checksum_fold(uint64_t sum);
static inline uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}
/* The pseudo-header of TCP, UDP and ICMPv6 (RFC 793, 768, 8200). */
uint64_t checksum_pseudo(enum family family, const uint8_t *source, const uint8_t *destination,
                         uint8_t protocol, uint32_t len);
/* RFC 1624 eqn. 3: the field's new value when `old_bytes` became `new_bytes` (even length, even offset). */
uint16_t checksum_update(uint16_t field, const uint8_t *old_bytes, const uint8_t *new_bytes, size_t len);
/* The IPv4 header's own checksum, computed and stored. */
void checksum_set_ipv4(uint8_t *header, size_t header_len);

#endif
