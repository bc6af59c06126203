/* SPDX-License-Identifier: MIT */
#include "simulation/way.h"

#include <stdlib.h>

#include "base/bytes.h"

bool way_passes(struct sim_host *router, const uint8_t *bytes, size_t len, size_t gso_size)
{
    static uint8_t error[2000];
    struct ip_view view;
    CHECK_EQUAL(ip_parse_quoted(bytes, len, &view), VERDICT_OK);
    bool is_ipv6 = view.family == FAMILY_IPV6;
    size_t largest = gso_size ? view.transport_offset + (size_t)UDP_HEADER_BYTES + gso_size : len;
    if (!router->way_mtu_bytes || largest <= router->way_mtu_bytes)
        return true;
    if (!is_ipv6 && !view.has_dont_fragment) {
        router->way_cut++;
        return true; /* joined again where it goes */
    }
    router->way_refused++;
    char sender[ADDRESS_TEXT_BYTES];
    const struct address source = ip_source(bytes, &view);
    const char *from = is_ipv6 ? "2001:db8:ffff::1" : "203.0.113.254";
    size_t quoted = largest < 1232 ? largest : 1232;
    size_t error_len = sample_write_error(
        from, address_format(&source, sender), is_ipv6 ? 2 : 3, is_ipv6 ? 0 : 4,
        router->way_mtu_bytes, bytes, is_ipv6 ? quoted : 28, error);
    sim_throw_packet(router->sim, error, error_len);
    return false;
}

struct sim_packet *way_join(struct sim *sim, const uint8_t *bytes, size_t len)
{
    struct ip_view view;
    CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
    struct sim_joining *joining = NULL;
    for (unsigned i = 0; i < SIM_JOINING_MOST; i++) {
        if (sim->joining[i].packet && sim->joining[i].id == view.fragment_id)
            joining = &sim->joining[i];
    }
    if (!joining) {
        joining = &sim->joining[sim->next_joining++ % SIM_JOINING_MOST];
        free(joining->packet);
        *joining = (struct sim_joining){.id = view.fragment_id,
                                        .packet = calloc(1, sizeof(struct sim_packet) + 65575)};
        if (!joining->packet)
            abort();
    }
    size_t payload = len - view.transport_offset, at = 40 + view.fragment_offset_bytes;
    memcpy(joining->packet->bytes, bytes, 40);
    joining->packet->bytes[6] = bytes[40];
    memcpy(joining->packet->bytes + at, bytes + view.transport_offset, payload);
    joining->come_bytes += payload;
    CHECK(payload % 8 == 0 || !view.has_more_fragments);
    if (!view.has_more_fragments)
        joining->all_bytes = view.fragment_offset_bytes + payload;
    if (joining->come_bytes != joining->all_bytes)
        return NULL;
    struct sim_packet *whole = joining->packet;
    whole->len_bytes = 40 + joining->all_bytes;
    store_be16(whole->bytes + 4, (uint16_t)joining->all_bytes);
    joining->packet = NULL;
    return whole;
}
