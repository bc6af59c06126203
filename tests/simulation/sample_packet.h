/* SPDX-License-Identifier: MIT */
/* A tiny IP packet builder for the engine's tests, with none of the code under test. */
#ifndef TESTS_SIMULATION_SAMPLE_PACKET_H
#define TESTS_SIMULATION_SAMPLE_PACKET_H

#include "packet/ip.h"
#include "packet/vnet.h"

#define SAMPLE_MOST_BYTES 66000

/* What a packet shall be; its payload tells its serial number and its place. */
struct sample {
    const char *source; /* literals of one family */
    const char *destination;
    uint8_t protocol; /* UDP, TCP, or ICMP: an echo request of the family's; else raw */
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t tos;
    bool may_fragment; /* IPv4: DF clear */
    uint8_t tcp_flags;
    uint16_t mss; /* TCP: the option, when not 0 */
    uint32_t serial;
    size_t len_bytes; /* of the whole packet; less than its headers: just these */
};

/* Writes the packet, every checksum right, and returns its length. */
size_t sample_write(const struct sample *sample, uint8_t *out);
/* Makes of a written TCP or UDP packet what the kernel hands out at a TUN as a super-packet. */
struct vnet_header sample_to_super(uint8_t *packet, size_t len, uint16_t gso_size);
/* An ICMP error (type and code of the family) that quotes the first `quoted_len` bytes. */
size_t sample_write_error(const char *source, const char *destination, uint8_t type, uint8_t code,
                          uint32_t rest, const uint8_t *quoted, size_t quoted_len, uint8_t *out);
/* Exchanges addresses and ports: the answer. All sums stay right. */
void sample_turn_around(uint8_t *packet);
/* Every checksum is right (TCP, UDP, ICMP, ICMPv6; none of a fragment's payload). */
bool sample_sums_are_right(const uint8_t *packet, size_t len);
/* The serial number in the payload, UINT32_MAX: no room for one. */
uint32_t sample_serial(const uint8_t *packet, size_t len);
struct address sample_address(const char *text);
struct endpoint sample_endpoint(const char *text);
bool sample_is_between(const uint8_t *packet, const char *source, const char *destination);

#endif
