/* SPDX-License-Identifier: MIT */
/* A run is a train of segments that Linux's GRO would merge too: same headers but for what the
 * kernel can compute again when it cuts the train (lengths, ID, sequence, checksums, PSH of the
 * last). Only proven bytes are merged: the super-packet's checksum is made anew by the kernel, so a
 * broken segment in it would become a valid one. The first packet's headers stay as they came until
 * the run is emitted: a run that stayed alone passes untouched. */
#include "packet/coalesce.h"

#include "base/bytes.h"
#include "packet/checksum.h"

enum {
    TCP_SEQUENCE = 4,
    TCP_ACKNOWLEDGMENT = 8,
    TCP_OFFSET = 12,
    TCP_FLAGS = 13,
    TCP_CHECKSUM = 16,
    TCP_URGENT = 18,
    UDP_LENGTH = 4,
    UDP_CHECKSUM = 6,
};
enum { TCP_PSH = 0x08, TCP_ACK = 0x10 };

#define NO_RUN COALESCE_FLOWS

/* A packet that may be merged. */
struct segment {
    const uint8_t *bytes;
    uint32_t header_bytes;
    uint32_t payload_bytes;
    uint32_t sequence;
    bool has_push;
};

void coalesce_init(struct coalesce *coalesce, bool tcp4, bool tcp6, bool udp)
{
    *coalesce = (struct coalesce){.tcp4 = tcp4, .tcp6 = tcp6, .udp = udp};
}

/* Writes into the first packet's headers what the kernel wants to see in front of a super-packet:
 * the transport checksum is the pseudo-header's sum only, uncomplemented. */
static void write_super_headers(const struct coalesce_run *run, struct vnet_header *vnet)
{
    const struct ip_view *view = &run->view;
    uint8_t *ip = run->first->data, *transport = ip + view->transport_offset;
    uint32_t transport_bytes = run->len_bytes - view->transport_offset;
    bool is_tcp = view->protocol == IP_PROTOCOL_TCP;
    if (view->family == FAMILY_IPV4) {
        store_be16(ip + 2, (uint16_t)run->len_bytes);
        checksum_set_ipv4(ip, IPV4_HEADER_BYTES);
    } else {
        store_be16(ip + 4, (uint16_t)transport_bytes);
    }
    if (is_tcp && run->has_push)
        transport[TCP_FLAGS] |= TCP_PSH;
    if (!is_tcp)
        store_be16(transport + UDP_LENGTH, (uint16_t)transport_bytes);
    uint16_t checksum_offset = is_tcp ? TCP_CHECKSUM : UDP_CHECKSUM;
    uint64_t sum = checksum_pseudo((enum family)view->family, ip + view->source_offset,
                                   ip + view->destination_offset, view->protocol, transport_bytes);
    store_be16(transport + checksum_offset, checksum_fold(sum));
    *vnet = (struct vnet_header){
        .flags = VNET_NEEDS_CSUM,
        .gso_type = !is_tcp                       ? VNET_GSO_UDP_L4
                    : view->family == FAMILY_IPV4 ? VNET_GSO_TCPV4
                                                  : VNET_GSO_TCPV6,
        .hdr_len = (uint16_t)run->header_bytes,
        .gso_size = (uint16_t)run->segment_bytes,
        .csum_start = view->transport_offset,
        .csum_offset = checksum_offset,
    };
}

static void emit_run(struct coalesce *coalesce, unsigned index, const struct coalesce_sink *sink)
{
    struct coalesce_run *run = &coalesce->runs[index];
    struct tun_frame frame = {
        .first = run->first, .packets = run->packets, .len_bytes = run->len_bytes};
    if (run->packets > 1)
        write_super_headers(run, &frame.vnet);
    run->packets = 0;
    coalesce->held--;
    sink->emit(sink->context, &frame);
}

static void emit_alone(struct packet *packet, const struct coalesce_sink *sink)
{
    struct tun_frame frame = {.first = packet, .packets = 1, .len_bytes = packet->len_bytes};
    packet->next = NULL;
    sink->emit(sink->context, &frame);
}

static bool has_ports(const struct ip_view *view)
{
    return (view->protocol == IP_PROTOCOL_TCP || view->protocol == IP_PROTOCOL_UDP) &&
           !view->is_later_fragment && view->len_bytes - view->transport_offset >= 4;
}

/* Source and destination stand side by side in both families, as do the ports. */
static uint64_t flow_key(const uint8_t *bytes, const struct ip_view *view)
{
    const uint8_t *addresses = bytes + view->source_offset;
    uint64_t key = load_le64(addresses);
    if (view->family == FAMILY_IPV6)
        key += load_le64(addresses + 8) * 3 + load_le64(addresses + 16) * 5 +
               load_le64(addresses + 24) * 7;
    key += (uint64_t)load_le32(bytes + view->transport_offset) * 0x9e3779b97f4a7c15;
    return key + view->protocol + view->family;
}

static bool is_between_same_hosts(const struct coalesce_run *run, const uint8_t *bytes,
                                  const struct ip_view *view)
{
    if (run->view.family != view->family)
        return false;
    const uint8_t *a = run->first->data + view->source_offset, *b = bytes + view->source_offset;
    return view->family == FAMILY_IPV4 ? memcmp(a, b, 8) == 0 : memcmp(a, b, 32) == 0;
}

/* The newest first: most often it is the one. */
static unsigned find_run(const struct coalesce *coalesce, uint64_t key, const uint8_t *bytes,
                         const struct ip_view *view)
{
    for (unsigned age = 1; age <= COALESCE_FLOWS; age++) {
        unsigned i = (coalesce->opened - age) % COALESCE_FLOWS;
        const struct coalesce_run *run = &coalesce->runs[i];
        if (coalesce->keys[i] == key && run->packets && run->view.protocol == view->protocol &&
            is_between_same_hosts(run, bytes, view) &&
            memcmp(run->first->data + run->view.transport_offset, bytes + view->transport_offset,
                   4) == 0)
            return i;
    }
    return NO_RUN;
}

static bool read_tcp(const uint8_t *tcp, uint32_t transport_bytes, struct segment *segment)
{
    if (transport_bytes < TCP_HEADER_BYTES)
        return false;
    uint32_t tcp_bytes = (uint32_t)(tcp[TCP_OFFSET] >> 4) * 4;
    if (tcp_bytes < TCP_HEADER_BYTES || tcp_bytes >= transport_bytes || tcp[TCP_OFFSET] & 0x0f ||
        (tcp[TCP_FLAGS] & ~TCP_PSH) != TCP_ACK)
        return false;
    segment->header_bytes += tcp_bytes;
    segment->payload_bytes = transport_bytes - tcp_bytes;
    segment->sequence = load_be32(tcp + TCP_SEQUENCE);
    segment->has_push = tcp[TCP_FLAGS] & TCP_PSH;
    return true;
}

static bool read_udp(const uint8_t *udp, uint32_t transport_bytes, struct segment *segment)
{
    if (transport_bytes <= UDP_HEADER_BYTES || load_be16(udp + UDP_LENGTH) != transport_bytes ||
        load_be16(udp + UDP_CHECKSUM) == 0)
        return false;
    segment->header_bytes += UDP_HEADER_BYTES;
    segment->payload_bytes = transport_bytes - UDP_HEADER_BYTES;
    return true;
}

static bool is_proven(const uint8_t *bytes, const struct ip_view *view, uint32_t transport_bytes)
{
    if (view->family == FAMILY_IPV4 &&
        checksum_finish(checksum_add_header(0, bytes, IPV4_HEADER_BYTES)) != 0)
        return false;
    uint64_t sum =
        checksum_pseudo((enum family)view->family, bytes + view->source_offset,
                        bytes + view->destination_offset, view->protocol, transport_bytes);
    return checksum_finish(checksum_add(sum, bytes + view->transport_offset, transport_bytes)) == 0;
}

/* A plain segment with proven checksums, of a kind that the TUN takes as a super-packet. */
static bool read_segment(const struct coalesce *coalesce, const uint8_t *bytes,
                         const struct ip_view *view, struct segment *segment)
{
    uint32_t transport_bytes = view->len_bytes - view->transport_offset;
    bool is_ipv4 = view->family == FAMILY_IPV4;
    if (view->transport_offset != (is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES) ||
        view->is_fragment)
        return false;
    *segment = (struct segment){.bytes = bytes, .header_bytes = view->transport_offset};
    if (view->protocol == IP_PROTOCOL_TCP) {
        if (!(is_ipv4 ? coalesce->tcp4 : coalesce->tcp6) ||
            !read_tcp(bytes + view->transport_offset, transport_bytes, segment))
            return false;
    } else if (view->protocol != IP_PROTOCOL_UDP || !coalesce->udp ||
               !read_udp(bytes + view->transport_offset, transport_bytes, segment)) {
        return false;
    }
    return is_proven(bytes, view, transport_bytes);
}

/* The headers must be such that cutting the super-packet gives them back (TRAPS 36). The ID of a
 * packet that must not be fragmented means nothing (RFC 6864). */
static bool ip_joins(const struct coalesce_run *run, const uint8_t *ip, const struct ip_view *view)
{
    const uint8_t *first = run->first->data;
    if (view->family == FAMILY_IPV6)
        return memcmp(first, ip, 4) == 0 && view->ttl == run->view.ttl;
    /* version, length and TOS; flags, offset, TTL and protocol */
    return memcmp(first, ip, 2) == 0 && memcmp(first + 6, ip + 6, 4) == 0 &&
           (view->has_dont_fragment ||
            load_be16(ip + 4) == (uint16_t)(load_be16(first + 4) + run->packets));
}

static bool tcp_joins(const struct coalesce_run *run, const struct segment *segment)
{
    const uint8_t *a = run->first->data + run->view.transport_offset;
    const uint8_t *b = segment->bytes + run->view.transport_offset;
    /* acknowledgment, offset, flags and window: only PSH may differ */
    const uint64_t push = (uint64_t)TCP_PSH << 8 * (TCP_FLAGS - TCP_ACKNOWLEDGMENT);
    uint64_t differs = load_le64(a + TCP_ACKNOWLEDGMENT) ^ load_le64(b + TCP_ACKNOWLEDGMENT);
    return segment->sequence == run->next_sequence && (differs & ~push) == 0 &&
           memcmp(a + TCP_URGENT, b + TCP_URGENT,
                  run->header_bytes - run->view.transport_offset - TCP_URGENT) == 0;
}

static bool joins(const struct coalesce_run *run, const struct segment *segment,
                  const struct ip_view *view)
{
    return segment->header_bytes == run->header_bytes &&
           segment->payload_bytes <= run->segment_bytes &&
           run->len_bytes + segment->payload_bytes <= OFFLOAD_SUPER_MOST_BYTES &&
           ip_joins(run, segment->bytes, view) &&
           (view->protocol == IP_PROTOCOL_UDP || tcp_joins(run, segment));
}

static void append(struct coalesce_run *run, struct packet *packet, const struct segment *segment)
{
    packet_pull(packet, segment->header_bytes);
    packet->next = NULL;
    run->last->next = packet;
    run->last = packet;
    run->packets++;
    run->len_bytes += segment->payload_bytes;
    run->next_sequence += segment->payload_bytes;
    run->has_push = segment->has_push;
}

static bool is_closed(const struct coalesce_run *run, const struct segment *segment)
{
    return segment->has_push || segment->payload_bytes < run->segment_bytes ||
           run->packets == COALESCE_SEGMENTS_MOST;
}

static void open_run(struct coalesce *coalesce, uint64_t key, struct packet *packet,
                     const struct segment *segment, const struct ip_view *view,
                     const struct coalesce_sink *sink)
{
    unsigned index = coalesce->opened++ % COALESCE_FLOWS;
    if (coalesce->runs[index].packets)
        emit_run(coalesce, index, sink);
    packet->next = NULL;
    coalesce->keys[index] = key;
    coalesce->runs[index] = (struct coalesce_run){
        .first = packet,
        .last = packet,
        .view = *view,
        .packets = 1,
        .header_bytes = segment->header_bytes,
        .segment_bytes = segment->payload_bytes,
        .len_bytes = view->len_bytes,
        .next_sequence = segment->sequence + segment->payload_bytes,
    };
    coalesce->held++;
}

/* Nobody knows which flow a later fragment belongs to: all between its hosts go first. */
static void flush_hosts(struct coalesce *coalesce, const uint8_t *bytes, const struct ip_view *view,
                        const struct coalesce_sink *sink)
{
    for (unsigned i = 0; i < COALESCE_FLOWS; i++)
        if (coalesce->runs[i].packets && is_between_same_hosts(&coalesce->runs[i], bytes, view))
            emit_run(coalesce, i, sink);
}

void coalesce_add(struct coalesce *coalesce, struct packet *packet, const struct ip_view *view,
                  const struct coalesce_sink *sink)
{
    packet_trim(packet, view->len_bytes);
    if (!has_ports(view)) {
        if (view->is_later_fragment)
            flush_hosts(coalesce, packet->data, view, sink);
        emit_alone(packet, sink);
        return;
    }
    struct segment segment;
    uint64_t key = flow_key(packet->data, view);
    unsigned index = coalesce->held ? find_run(coalesce, key, packet->data, view) : NO_RUN;
    bool is_mergeable = read_segment(coalesce, packet->data, view, &segment);
    if (index != NO_RUN && is_mergeable && joins(&coalesce->runs[index], &segment, view)) {
        append(&coalesce->runs[index], packet, &segment);
        if (is_closed(&coalesce->runs[index], &segment))
            emit_run(coalesce, index, sink);
        return;
    }
    if (index != NO_RUN)
        emit_run(coalesce, index, sink);
    if (is_mergeable && !segment.has_push)
        open_run(coalesce, key, packet, &segment, view, sink);
    else
        emit_alone(packet, sink);
}

void coalesce_end_receive(struct coalesce *coalesce, const struct coalesce_sink *sink)
{
    for (unsigned i = 0; coalesce->held && i < COALESCE_FLOWS; i++) {
        struct coalesce_run *run = &coalesce->runs[i];
        if (run->packets && ++run->receives_held >= COALESCE_RECEIVES_MOST)
            emit_run(coalesce, i, sink);
    }
}

void coalesce_flush(struct coalesce *coalesce, const struct coalesce_sink *sink)
{
    for (unsigned i = coalesce->opened; coalesce->held; i++)
        if (coalesce->runs[i % COALESCE_FLOWS].packets)
            emit_run(coalesce, i % COALESCE_FLOWS, sink);
}
