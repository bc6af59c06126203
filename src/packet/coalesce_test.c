/* SPDX-License-Identifier: MIT */
#include "packet/coalesce.h"

#include "base/bytes.h"
#include "rigs/coalescer.h"

/* Two segments of which `second` follows `first` in everything that is not said otherwise. */
static void check_pair(const struct sample *first, const struct sample *second, const char *frames)
{
    struct coalescer coalescer;
    coalescer_start(&coalescer);
    coalescer_add_sample(&coalescer, first);
    coalescer_add_sample(&coalescer, second);
    coalesce_flush(&coalescer.coalesce, &coalescer.sink);
    coalescer_check_frames(&coalescer, frames);
    coalescer_stop(&coalescer);
}

static void test_a_lone_packet_passes_untouched(void)
{
    uint8_t bytes[2000];
    static const struct vnet_header none;
    for (unsigned i = 0; i < 4; i++) {
        struct coalescer coalescer;
        struct sample sample = coalescer_plain;
        sample.is_ipv6 = i & 1;
        sample.protocol = i & 2 ? IP_PROTOCOL_UDP : 0;
        uint32_t len = sample_write_random(&sample, bytes);
        coalescer_start(&coalescer);
        memset(bytes + len, 0, 16); /* the padding of WireGuard is cut off */
        coalescer_add(&coalescer, bytes, len + 15);
        CHECK(coalesce_is_holding(&coalescer.coalesce));
        coalesce_flush(&coalescer.coalesce, &coalescer.sink);
        CHECK_EQUAL(coalescer.count, 1);
        CHECK_EQUAL(coalescer.outcomes[0].len, len);
        CHECK_BYTES(coalescer.outcomes[0].bytes, bytes, len);
        CHECK_BYTES(&coalescer.outcomes[0].vnet, &none, sizeof(none));
        coalescer_stop(&coalescer);
    }
}

/* TRAPS 36: each field that differs keeps two segments apart. */
static void test_trap_36_what_differs_is_not_merged(void)
{
    for (unsigned family = 0; family < 2; family++) {
        for (unsigned is_udp = 0; is_udp < 2; is_udp++) {
            struct sample first = coalescer_plain;
            first.is_ipv6 = family;
            first.protocol = is_udp ? IP_PROTOCOL_UDP : 0;
            const struct sample good = coalescer_following(&first);
            struct sample next = good;
            check_pair(&first, &next, "2");
            next.tos = 1;
            check_pair(&first, &next, "1 1");
            next = good;
            next.ttl++;
            check_pair(&first, &next, "1 1");
            next = good;
            next.payload_bytes++;
            check_pair(&first, &next, "1 1");
            next = good;
            next.payload_bytes--;
            check_pair(&first, &next, "2");
            next.payload_bytes = 0;
            check_pair(&first, &next, "1 1");
            next = good;
            next.source_port++;
            check_pair(&first, &next, "1 1");
        }
    }
}

static void test_trap_36_tcp_fields(void)
{
    const struct sample good = coalescer_following(&coalescer_plain);
    struct sample next = good;
    next.sequence++;
    check_pair(&coalescer_plain, &next, "1 1");
    next.sequence -= 2;
    check_pair(&coalescer_plain, &next, "1 1");
    next = coalescer_plain; /* sent again */
    check_pair(&coalescer_plain, &next, "1 1");
    next = good;
    next.acknowledgment++;
    check_pair(&coalescer_plain, &next, "1 1");
    next = good;
    next.window++;
    check_pair(&coalescer_plain, &next, "1 1");
    next = good;
    next.tcp_options = 4;
    check_pair(&coalescer_plain, &next, "1 1");
    struct sample with_options = coalescer_plain;
    with_options.tcp_options = 12; /* random: they differ */
    next = coalescer_following(&with_options);
    check_pair(&with_options, &next, "1 1");
    for (unsigned flags = 0; flags < 256; flags++) {
        next = good;
        next.tcp_flags = (uint8_t)flags;
        check_pair(&coalescer_plain, &next, flags == 0x10 || flags == 0x18 ? "2" : "1 1");
        struct sample first = coalescer_plain;
        first.tcp_flags = (uint8_t)flags;
        check_pair(&first, &good, flags == 0x10 ? "2" : "1 1");
    }
}

/* RFC 9293 3.1: nobody knows what the bits beside the data offset will mean. */
static void test_trap_36_reserved_bits_are_not_merged(void)
{
    for (unsigned bit = 1; bit < 16; bit *= 2) {
        uint8_t bytes[2000];
        struct coalescer coalescer;
        struct sample next = coalescer_following(&coalescer_plain);
        coalescer_start(&coalescer);
        coalescer_add_sample(&coalescer, &coalescer_plain);
        uint32_t len = sample_write_random(&next, bytes);
        bytes[32] |= (uint8_t)bit;
        sample_seal(bytes, len);
        coalescer_add(&coalescer, bytes, len);
        coalescer_check_frames(&coalescer, "1 1");
        coalescer_stop(&coalescer);
    }
}

static void test_trap_36_ipv4_fields(void)
{
    const struct sample good = coalescer_following(&coalescer_plain);
    struct sample first = coalescer_plain, next = good;
    next.id += 5; /* means nothing with DF (RFC 6864) */
    check_pair(&first, &next, "2");
    next.id = good.id;
    next.may_fragment = true;
    check_pair(&first, &next, "1 1");
    first.may_fragment = true;
    check_pair(&first, &next, "2");
    check_pair(&first, &good, "1 1");
    next.id = first.id;
    check_pair(&first, &next, "1 1");
    first.id = 0xffff;
    next.id = 0;
    check_pair(&first, &next, "2");
    next = good;
    next.ip_options = 4;
    check_pair(&coalescer_plain, &next, "1 1");
    first = coalescer_plain;
    first.ip_options = 4;
    check_pair(&first, &good, "1 1");
}

static void test_trap_36_fragments_are_not_merged(void)
{
    uint8_t bytes[2000];
    struct coalescer coalescer;
    for (unsigned fragment = 0; fragment < 2; fragment++) {
        coalescer_start(&coalescer);
        coalescer_add_sample(&coalescer, &coalescer_plain);
        struct sample next = coalescer_following(&coalescer_plain);
        uint32_t len = sample_write_random(&next, bytes);
        store_be16(bytes + 6, fragment ? 0x0004 : 0x2000);
        store_be16(bytes + 10, 0);
        store_be16(bytes + 10, ~sample_sum(0, bytes, 20));
        coalescer_add(&coalescer, bytes, len);
        CHECK_EQUAL(coalescer.count, 2); /* the run went first */
        coalescer_check_frames(&coalescer, "1 1");
        coalescer_stop(&coalescer);
    }
}

static void test_only_proven_segments_are_merged(void)
{
    uint8_t bytes[2000];
    for (unsigned i = 0; i < 200; i++) {
        struct coalescer coalescer;
        struct sample first = coalescer_plain, next;
        first.is_ipv6 = i & 1;
        first.protocol = i & 2 ? IP_PROTOCOL_UDP : 0;
        next = coalescer_following(&first);
        coalescer_start(&coalescer);
        coalescer_add_sample(&coalescer, &first);
        uint32_t len = sample_write_random(&next, bytes), header = sample_header_bytes(&next);
        bytes[header + tap_random_below(next.payload_bytes)] ^= (uint8_t)(1 << tap_random_below(8));
        coalescer_add(&coalescer, bytes, len);
        CHECK_EQUAL(coalescer.count, 2);
        CHECK_BYTES(coalescer.outcomes[1].bytes, bytes, len);
        coalescer_check_frames(&coalescer, "1 1");
        coalescer_stop(&coalescer);
    }
    /* The IPv4 header's own sum, and a UDP checksum that says nothing. */
    struct coalescer coalescer;
    struct sample next = coalescer_following(&coalescer_plain);
    coalescer_start(&coalescer);
    coalescer_add_sample(&coalescer, &coalescer_plain);
    uint32_t len = sample_write_random(&next, bytes);
    bytes[10] ^= 1;
    coalescer_add(&coalescer, bytes, len);
    coalescer_check_frames(&coalescer, "1 1");
    next.protocol = IP_PROTOCOL_UDP;
    len = sample_write_random(&next, bytes);
    store_be16(bytes + 26, 0);
    coalescer_add(&coalescer, bytes, len);
    coalescer_add(&coalescer, bytes, len);
    coalescer_check_frames(&coalescer, "1 1");
    coalescer_stop(&coalescer);
}

static void test_udp_lengths_must_agree(void)
{
    uint8_t bytes[2000];
    struct coalescer coalescer;
    struct sample sample = coalescer_plain;
    sample.protocol = IP_PROTOCOL_UDP;
    coalescer_start(&coalescer);
    uint32_t len = sample_write_random(&sample, bytes);
    store_be16(bytes + 24, len - 20 - 1);
    coalescer_add(&coalescer, bytes, len);
    coalescer_add(&coalescer, bytes, len);
    coalescer_check_frames(&coalescer, "1 1");
    coalescer_stop(&coalescer);
}

static void test_what_the_tun_does_not_take_passes_alone(void)
{
    for (unsigned i = 0; i < 4; i++) {
        struct coalescer coalescer;
        struct sample sample = coalescer_plain;
        sample.is_ipv6 = i & 1;
        sample.protocol = i & 2 ? IP_PROTOCOL_UDP : 0;
        coalescer_start(&coalescer);
        coalesce_init(&coalescer.coalesce, i != 0, i != 1, i < 2);
        for (unsigned j = 0; j < 3; j++) {
            coalescer_add_sample(&coalescer, &sample);
            sample = coalescer_following(&sample);
        }
        CHECK(!coalesce_is_holding(&coalescer.coalesce));
        coalescer_check_frames(&coalescer, "1 1 1");
        coalescer_stop(&coalescer);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_lone_packet_passes_untouched);
    TAP_RUN(argc, argv, test_trap_36_what_differs_is_not_merged);
    TAP_RUN(argc, argv, test_trap_36_tcp_fields);
    TAP_RUN(argc, argv, test_trap_36_reserved_bits_are_not_merged);
    TAP_RUN(argc, argv, test_trap_36_ipv4_fields);
    TAP_RUN(argc, argv, test_trap_36_fragments_are_not_merged);
    TAP_RUN(argc, argv, test_only_proven_segments_are_merged);
    TAP_RUN(argc, argv, test_udp_lengths_must_agree);
    TAP_RUN(argc, argv, test_what_the_tun_does_not_take_passes_alone);
    return tap_done();
}
