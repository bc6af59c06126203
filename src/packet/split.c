/* SPDX-License-Identifier: MIT */
/* The lengths of headers are read from the headers, never from hdr_len. All segments share their
 * headers but for a few fields, so these are summed once; a segment costs a copy of the headers,
 * the stores of those fields, and one pass over its payload that copies and sums. */
#include "packet/split.h"

#include "base/bytes.h"
#include "packet/checksum.h"

enum {
    TCP_SEQUENCE = 4,
    TCP_OFFSET = 12,
    TCP_FLAGS = 13,
    TCP_CHECKSUM = 16,
    UDP_LENGTH = 4,
    UDP_CHECKSUM = 6,
};
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

/* Segmented: the transport header is whole and the one that the kernel means. */
static enum verdict init_segmented(struct split *split)
{
    const struct vnet_header *vnet = &split->vnet;
    const struct ip_view *view = &split->view;
    bool is_udp = vnet->gso_type == VNET_GSO_UDP_L4;
    uint8_t family = vnet->gso_type == VNET_GSO_TCPV4   ? FAMILY_IPV4
                     : vnet->gso_type == VNET_GSO_TCPV6 ? FAMILY_IPV6
                     : is_udp                           ? view->family
                                                        : FAMILY_NONE; /* UFO, or unknown */
    if (view->family != family || view->protocol != (is_udp ? IP_PROTOCOL_UDP : IP_PROTOCOL_TCP) ||
        view->is_fragment || view->has_jumbo || vnet->gso_size == 0)
        return VERDICT_MALFORMED;
    uint32_t transport = view->transport_offset;
    /* With a destination that is not the final one the pseudo-header's is not in sight. */
    if (!(vnet->flags & VNET_NEEDS_CSUM) || vnet->csum_start != transport ||
        vnet->csum_offset != (is_udp ? UDP_CHECKSUM : TCP_CHECKSUM) || view->has_routing_segments)
        return VERDICT_NAT_UNSUPPORTED;
    uint32_t transport_bytes = UDP_HEADER_BYTES;
    if (split->len_bytes - transport < (is_udp ? UDP_HEADER_BYTES : TCP_HEADER_BYTES))
        return VERDICT_MALFORMED;
    if (!is_udp)
        transport_bytes = (uint32_t)(split->bytes[transport + TCP_OFFSET] >> 4) * 4;
    if (transport_bytes < (is_udp ? UDP_HEADER_BYTES : TCP_HEADER_BYTES) ||
        transport_bytes > split->len_bytes - transport)
        return VERDICT_MALFORMED;
    split->header_bytes = transport + transport_bytes;
    split->next_payload = split->header_bytes;
    uint32_t payload_bytes = split->len_bytes - split->header_bytes;
    split->segment_bytes = payload_bytes < vnet->gso_size ? payload_bytes : vnet->gso_size;
    uint32_t counted_bytes = split->header_bytes + split->segment_bytes;
    if (view->family == FAMILY_IPV6)
        counted_bytes -= IPV6_HEADER_BYTES;
    return counted_bytes <= UINT16_MAX ? VERDICT_OK : VERDICT_MALFORMED;
}

static uint64_t take_out(uint64_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at < len; at += 2)
        sum += (uint16_t)~load_be16(bytes + at);
    return sum;
}

/* Adding the complement of a field takes it out again (RFC 1624). */
static void sum_headers(struct split *split)
{
    const uint8_t *bytes = split->bytes;
    const struct ip_view *view = &split->view;
    const uint8_t *transport = bytes + view->transport_offset;
    size_t transport_bytes = split->header_bytes - view->transport_offset;
    if (view->family == FAMILY_IPV4) {
        uint64_t sum = checksum_add(0, bytes, view->transport_offset);
        sum = take_out(sum, bytes + 2, 4);                /* length and ID */
        split->header_sum = take_out(sum, bytes + 10, 2); /* checksum */
    }
    uint64_t sum = checksum_pseudo((enum family)view->family, bytes + view->source_offset,
                                   bytes + view->destination_offset, view->protocol, 0);
    sum = checksum_add(sum, transport, transport_bytes);
    if (view->protocol == IP_PROTOCOL_TCP) {
        sum = take_out(sum, transport + TCP_SEQUENCE, 4);
        sum = take_out(sum, transport + TCP_OFFSET, 2);
        split->transport_sum = take_out(sum, transport + TCP_CHECKSUM, 2);
    } else {
        split->transport_sum = take_out(sum, transport + UDP_LENGTH, 4);
    }
}

/* One packet as it is; its checksum field may lie anywhere behind the IP headers (RULES B5). */
static enum verdict init_single(struct split *split)
{
    const struct vnet_header *vnet = &split->vnet;
    const struct ip_view *view = &split->view;
    uint32_t len = view->family == FAMILY_IPV4
                       ? load_be16(split->bytes + 2)
                       : IPV6_HEADER_BYTES + (uint32_t)load_be16(split->bytes + 4);
    if (view->has_jumbo || len > split->len_bytes || len < view->transport_offset)
        return VERDICT_MALFORMED;
    split->len_bytes = len;
    split->segment_bytes = len;
    /* In front of csum_start the packet has been judged and translated: nothing changes there. */
    if (vnet->flags & VNET_NEEDS_CSUM && (vnet->csum_start < view->transport_offset ||
                                          (uint32_t)vnet->csum_start + vnet->csum_offset + 2 > len))
        return VERDICT_MALFORMED;
    return VERDICT_OK;
}

enum verdict split_init(struct split *split, const struct vnet_header *vnet, const uint8_t *bytes,
                        size_t len, const struct ip_view *view)
{
    if (len > UINT32_MAX || view->len_bytes > len || view->transport_offset > len)
        return VERDICT_MALFORMED;
    *split = (struct split){.bytes = bytes,
                            .len_bytes = (uint32_t)len,
                            .vnet = *vnet,
                            .view = *view,
                            .is_segmented = vnet->gso_type != VNET_GSO_NONE};
    split->vnet.gso_type &= (uint8_t)~VNET_GSO_ECN;
    return split->is_segmented ? init_segmented(split) : init_single(split);
}

static void copy_single(struct split *split, struct packet *packet)
{
    uint8_t *out = packet_put(packet, split->len_bytes);
    uint32_t start = split->len_bytes;
    if (split->vnet.flags & VNET_NEEDS_CSUM)
        start = split->vnet.csum_start;
    memcpy(out, split->bytes, start);
    if (split->vnet.flags & VNET_NEEDS_CSUM) {
        uint64_t sum =
            checksum_copy(0, out + start, split->bytes + start, split->len_bytes - start);
        /* 0xffff for 0 is right for UDP and the same for all others. */
        store_be16(out + start + split->vnet.csum_offset, checksum_finish_udp(sum));
    }
    split->next_payload = split->len_bytes;
}

static void write_ip(const struct split *split, uint8_t *out, uint32_t packet_bytes)
{
    if (split->view.family == FAMILY_IPV6) {
        store_be16(out + 4, (uint16_t)(packet_bytes - IPV6_HEADER_BYTES));
        return;
    }
    uint16_t id = (uint16_t)(load_be16(split->bytes + 4) + split->segment_index);
    store_be16(out + 2, (uint16_t)packet_bytes);
    store_be16(out + 4, id);
    store_be16(out + 10, checksum_finish(split->header_sum + packet_bytes + id));
}

/* Returns the sum of what it wrote. */
static uint64_t write_tcp(const struct split *split, uint8_t *tcp, bool is_last)
{
    uint32_t sequence = load_be32(tcp + TCP_SEQUENCE) + split->next_payload - split->header_bytes;
    store_be32(tcp + TCP_SEQUENCE, sequence);
    uint16_t flags = load_be16(tcp + TCP_OFFSET);
    if (!is_last)
        flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
    if (split->segment_index > 0)
        flags &= (uint16_t)~TCP_CWR;
    store_be16(tcp + TCP_OFFSET, flags);
    return (uint64_t)sequence + flags;
}

void split_next(struct split *split, struct packet *packet)
{
    assert(!split_is_finished(split));
    if (!split->is_segmented) {
        copy_single(split, packet);
        split->segment_index++;
        return;
    }
    if (split->segment_index == 0)
        sum_headers(split);
    uint32_t left = split->len_bytes - split->next_payload;
    bool is_last = left <= split->segment_bytes;
    uint32_t payload_bytes = is_last ? left : split->segment_bytes;
    uint32_t packet_bytes = split->header_bytes + payload_bytes;
    uint32_t transport_bytes = packet_bytes - split->view.transport_offset;
    uint8_t *out = packet_put(packet, packet_bytes);
    memcpy(out, split->bytes, split->header_bytes);
    write_ip(split, out, packet_bytes);
    uint8_t *transport = out + split->view.transport_offset;
    uint64_t sum = split->transport_sum + transport_bytes; /* the pseudo-header's length */
    if (split->view.protocol == IP_PROTOCOL_TCP) {
        sum += write_tcp(split, transport, is_last);
    } else {
        store_be16(transport + UDP_LENGTH, (uint16_t)transport_bytes);
        sum += transport_bytes;
    }
    sum = checksum_copy(sum, out + split->header_bytes, split->bytes + split->next_payload,
                        payload_bytes);
    if (split->view.protocol == IP_PROTOCOL_TCP)
        store_be16(transport + TCP_CHECKSUM, checksum_finish(sum));
    else
        store_be16(transport + UDP_CHECKSUM, checksum_finish_udp(sum));
    split->next_payload += payload_bytes;
    split->segment_index++;
}
