/* SPDX-License-Identifier: MIT */
#include "route/mss.h"

#include "base/bytes.h"
#include "packet/checksum.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, OPTION_MSS_BYTES = 4 };

uint16_t mss_of_mtu(enum family family, uint32_t mtu_bytes)
{
    uint32_t headers =
        TCP_HEADER_BYTES + (family == FAMILY_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES);
    uint32_t most = mtu_bytes > headers ? mtu_bytes - headers : 0;
    return most < UINT16_MAX ? (uint16_t)most : UINT16_MAX;
}

/* The length of the SYN's TCP header, 0: no SYN, or one that is cut off. */
static uint32_t find_syn(const uint8_t *bytes, const struct ip_view *view)
{
    if (!mss_is_negotiated(bytes, view))
        return 0;
    uint32_t header_bytes = (uint32_t)(bytes[view->transport_offset + 12] >> 4) * 4;
    bool is_whole = header_bytes >= TCP_HEADER_BYTES &&
                    view->len_bytes >= (uint32_t)view->transport_offset + header_bytes;
    return is_whole ? header_bytes : 0;
}

/* An option may start at an odd offset, where its number straddles two words of the sum: all the
 * words it touches count as changed. They lie inside the header, whose length is even. */
static void replace_mss(uint8_t *tcp, uint32_t at, uint16_t mss, bool checksum_is_partial)
{
    uint32_t first = at & ~1u, len = (at & 1) ? 4 : 2;
    uint8_t old[4];
    memcpy(old, tcp + first, len);
    store_be16(tcp + at, mss);
    if (!checksum_is_partial)
        store_be16(tcp + 16, checksum_update(load_be16(tcp + 16), old, tcp + first, len));
}

void mss_clamp(uint8_t *bytes, const struct ip_view *view, uint16_t most, bool checksum_is_partial)
{
    uint32_t header_bytes = find_syn(bytes, view);
    uint8_t *tcp = bytes + view->transport_offset;
    uint32_t at = TCP_HEADER_BYTES;
    while (at < header_bytes && tcp[at] != OPTION_END) {
        if (tcp[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (at + 2 > header_bytes || tcp[at + 1] < 2 || at + tcp[at + 1] > header_bytes)
            return;
        if (tcp[at] == OPTION_MSS && tcp[at + 1] == OPTION_MSS_BYTES &&
            load_be16(tcp + at + 2) > most)
            replace_mss(tcp, at + 2, most, checksum_is_partial);
        at += tcp[at + 1];
    }
}
