/* SPDX-License-Identifier: MIT */
/* IP packets for tests, made word by word from the RFCs and with none of the code under test. */
#ifndef TESTS_RIGS_SAMPLE_H
#define TESTS_RIGS_SAMPLE_H

#include "packet/ip.h"
#include "packet/vnet.h"

#define SAMPLE_MOST_BYTES 66000

/* What a packet shall be; its payload tells its serial number and its place. */
struct sample {
    const char *source; /* literals of one family; NULL: some, of IPv6 if it `is_ipv6` */
    const char *destination;
    bool is_ipv6;
    uint8_t protocol; /* UDP, TCP (or 0), or ICMP: an echo request of the family's; else raw */
    uint8_t tos;
    uint8_t ttl; /* 0: 64 */
    uint32_t flow_label;
    uint16_t id;       /* IPv4 */
    bool may_fragment; /* IPv4: DF clear */
    size_t ip_options; /* IPv4: so many NOPs, a multiple of 4 */
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t tcp_flags;
    uint16_t window; /* 0: 512 */
    uint32_t sequence;
    uint32_t acknowledgment;
    uint16_t mss;       /* TCP: the option, when not 0 */
    size_t tcp_options; /* else so many bytes, a multiple of 4 */
    uint32_t serial;
    size_t payload_bytes;
    size_t len_bytes; /* of the whole packet, if that is more */
};

size_t sample_ip_bytes(const struct sample *sample);
size_t sample_header_bytes(const struct sample *sample);
/* Writes the packet, every checksum right, and returns its length. */
size_t sample_write(const struct sample *sample, uint8_t *out);
/* The same with random bytes as payload and TCP options. */
size_t sample_write_random(const struct sample *sample, uint8_t *out);
/* An ICMP error (type and code of the family) that quotes the first `quoted_len` bytes. */
size_t sample_write_error(const char *source, const char *destination, uint8_t type, uint8_t code,
                          uint32_t rest, const uint8_t *quoted, size_t quoted_len, uint8_t *out);
/* Makes of a written TCP or UDP packet what the kernel hands out at a TUN as a super-packet: the
 * checksum is the pseudo-header's sum. Returns the header that stands in front. */
struct vnet_header sample_to_super(uint8_t *packet, size_t len, uint16_t gso_size);
/* Segment `index` of a super-packet, as RFC 9293, 768, 3168 and 6864 want it; returns its length.
 */
size_t sample_segment(const struct sample *sample, const uint8_t *super, size_t gso_size,
                      size_t index, uint8_t *out);
/* Sets the lengths and checksums of a packet whose headers are there; returns the place of the
 * transport's, NULL: it has none that we know. */
uint8_t *sample_seal(uint8_t *packet, size_t len);
/* Exchanges addresses and ports: the answer. All sums stay right. */
void sample_turn_around(uint8_t *packet);

/* Every checksum is right (TCP, UDP, ICMP, ICMPv6; none of a fragment's payload). */
bool sample_sums_are_right(const uint8_t *packet, size_t len);
/* RFC 1071 as it is written: 16 bits after 16 bits, each carry brought around at once. */
uint32_t sample_sum(uint32_t sum, const uint8_t *bytes, size_t len);
/* Of the pseudo-header. */
uint32_t sample_pseudo(const uint8_t *packet, uint8_t protocol, size_t transport_len);
/* The serial number in the payload, UINT32_MAX: no room for one. */
uint32_t sample_serial(const uint8_t *packet, size_t len);
bool sample_is_between(const uint8_t *packet, const char *source, const char *destination);
struct address sample_address(const char *text);
struct endpoint sample_endpoint(const char *text);

#endif
