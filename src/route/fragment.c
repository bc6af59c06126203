/* SPDX-License-Identifier: MIT */
#include "route/fragment.h"

#include "base/bytes.h"
#include "packet/checksum.h"

#define MORE_FRAGMENTS 0x2000
#define OFFSET_MASK 0x1fff
#define OPTION_COPIED 0x80
#define LEN_MOST 65535u

enum { OPTION_END = 0, OPTION_NOP = 1 };

/* The header of all fragments but the first: only options with the copied flag (RFC 791 3.1). What
 * follows a malformed option is left out. */
static void make_later_header(struct fragment *fragment)
{
    const uint8_t *bytes = fragment->bytes;
    uint8_t *header = fragment->later_header;
    uint32_t end = fragment->view.transport_offset, len = IPV4_HEADER_BYTES;
    memcpy(header, bytes, len);
    for (uint32_t at = len; at < end && bytes[at] != OPTION_END;) {
        if (bytes[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (at + 2 > end || bytes[at + 1] < 2 || at + bytes[at + 1] > end)
            break;
        if (bytes[at] & OPTION_COPIED) {
            memcpy(header + len, bytes + at, bytes[at + 1]);
            len += bytes[at + 1];
        }
        at += bytes[at + 1];
    }
    while (len % 4)
        header[len++] = OPTION_END;
    header[0] = (uint8_t)(0x40 | len / 4);
    fragment->later_header_bytes = (uint8_t)len;
}

enum verdict fragment_init(struct fragment *fragment, const uint8_t *bytes,
                           const struct ip_view *view, uint32_t mtu_bytes)
{
    if (view->family != FAMILY_IPV4 || view->has_dont_fragment ||
        mtu_bytes < (uint32_t)view->transport_offset + 8)
        return VERDICT_TOO_BIG;
    uint32_t payload = view->len_bytes - view->transport_offset;
    if (view->len_bytes > LEN_MOST || view->fragment_offset_bytes + payload > LEN_MOST)
        return VERDICT_MALFORMED;
    *fragment = (struct fragment){
        .bytes = bytes,
        .view = *view,
        .mtu_bytes = mtu_bytes < LEN_MOST ? mtu_bytes : LEN_MOST,
    };
    make_later_header(fragment);
    return VERDICT_OK;
}

void fragment_next(struct fragment *fragment, struct packet *packet)
{
    assert(!fragment->is_finished);
    const struct ip_view *view = &fragment->view;
    bool is_first = fragment->next_payload == 0;
    uint32_t header_bytes = is_first ? view->transport_offset : fragment->later_header_bytes;
    uint32_t left = view->len_bytes - view->transport_offset - fragment->next_payload;
    uint32_t room = fragment->mtu_bytes - header_bytes;
    bool is_last = left <= room;
    uint32_t len = is_last ? left : room & ~7u;

    uint8_t *out = packet_put(packet, header_bytes + len);
    memcpy(out, is_first ? fragment->bytes : fragment->later_header, header_bytes);
    memcpy(out + header_bytes, fragment->bytes + view->transport_offset + fragment->next_payload,
           len);
    uint32_t offset = view->fragment_offset_bytes + fragment->next_payload;
    uint16_t flags = (uint16_t)(load_be16(out + 6) & ~(OFFSET_MASK | MORE_FRAGMENTS));
    if (!is_last || view->has_more_fragments)
        flags |= MORE_FRAGMENTS;
    store_be16(out + 2, (uint16_t)(header_bytes + len));
    store_be16(out + 6, (uint16_t)(flags | offset / 8));
    checksum_set_ipv4(out, header_bytes);
    fragment->next_payload += len;
    fragment->is_finished = is_last;
}

static size_t ipv6_room(uint32_t mtu_bytes)
{
    return (mtu_bytes - IPV6_HEADER_BYTES - IPV6_FRAGMENT_BYTES) & ~7u;
}

size_t fragment_ipv6_pieces(size_t len, uint32_t mtu_bytes)
{
    size_t room = ipv6_room(mtu_bytes);
    return len <= mtu_bytes ? 1 : (len - IPV6_HEADER_BYTES + room - 1) / room;
}

void fragment_ipv6_write(const uint8_t *bytes, size_t len, uint32_t mtu_bytes, uint32_t id,
                         size_t piece, struct packet *packet)
{
    size_t room = ipv6_room(mtu_bytes), at = piece * room, left = len - IPV6_HEADER_BYTES - at;
    bool is_last = left <= room;
    size_t piece_bytes = is_last ? left : room;
    uint8_t *out =
        packet_put(packet, IPV6_HEADER_BYTES + IPV6_FRAGMENT_BYTES + piece_bytes);
    uint8_t *header = out + IPV6_HEADER_BYTES;
    memcpy(out, bytes, IPV6_HEADER_BYTES);
    store_be16(out + 4, (uint16_t)(IPV6_FRAGMENT_BYTES + piece_bytes));
    out[6] = IP_PROTOCOL_FRAGMENT;
    header[0] = bytes[6];
    header[1] = 0;
    store_be16(header + 2, (uint16_t)(at | (is_last ? 0 : 1)));
    store_be32(header + 4, id);
    memcpy(header + IPV6_FRAGMENT_BYTES, bytes + IPV6_HEADER_BYTES + at, piece_bytes);
}
