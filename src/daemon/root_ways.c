/* SPDX-License-Identifier: MIT */
#include "daemon/root_ways.h"

#include <stdlib.h>

#include "engine/mtu.h"
#include "host/kernel_route.h"
#include "host/link.h"

#define COMMON_MTU_BYTES 1500
#define LOOPBACK_MTU_LEAST_BYTES 16384

static uint32_t tunnel_mtu(uint32_t link_bytes, enum family family)
{
    uint32_t cost = mtu_cost_bytes(family);
    uint32_t mtu = link_bytes > cost ? link_bytes - cost : 0;
    return mtu < NETWORK_MTU_MOST_BYTES ? mtu : NETWORK_MTU_MOST_BYTES;
}

/* The default route's MTU, IPv4 first. */
static uint32_t default_mtu(struct netlink *netlink, uint32_t mark)
{
    struct kernel_route_way way;
    if (kernel_route_default(netlink, FAMILY_IPV4, mark, &way, TEXT_UNHEARD) == 0 ||
        kernel_route_default(netlink, FAMILY_IPV6, mark, &way, TEXT_UNHEARD) == 0)
        return way.mtu_bytes < LOOPBACK_MTU_LEAST_BYTES ? way.mtu_bytes : COMMON_MTU_BYTES;
    return COMMON_MTU_BYTES;
}

struct root_way root_ways_find(struct netlink *netlink, uint32_t mark,
                               const struct endpoint *endpoints, size_t count)
{
    struct root_way found = {0};
    char reason[256];
    struct text why;
    for (size_t i = 0; i < count; i++) {
        struct kernel_route_way way;
        enum family family = (enum family)endpoints[i].address.family;
        if (family == FAMILY_NONE)
            continue;
        text_init(&why, reason, sizeof(reason));
        int result = kernel_route_towards(netlink, &endpoints[i].address, mark, &way, &why);
        if (netlink_is_passing(result))
            return (struct root_way){.error = result,
                                     .mtu_bytes = tunnel_mtu(COMMON_MTU_BYTES, FAMILY_IPV6)};
        if (result != 0)
            continue;
        uint32_t link = way.is_local || way.mtu_bytes >= LOOPBACK_MTU_LEAST_BYTES
                            ? default_mtu(netlink, mark)
                            : way.mtu_bytes;
        uint32_t mtu = tunnel_mtu(link, family);
        if (!found.mtu_bytes || mtu < found.mtu_bytes)
            found = (struct root_way){.mtu_bytes = mtu,
                                      .link_mtu_bytes = link,
                                      .family = family,
                                      .interface_index = way.interface_index,
                                      .source = way.source};
    }
    if (!found.mtu_bytes)
        found.mtu_bytes = tunnel_mtu(default_mtu(netlink, mark), FAMILY_IPV6);
    return found;
}

static size_t list_endpoints(const struct engine *engine, uint32_t root, struct endpoint *list)
{
    size_t count = 0;
    for (int i = -1; (i = engine_next_peer(engine, root, i)) >= 0;) {
        struct status_peer peer;
        status_read_peer(engine, root, (uint32_t)i, 0, &peer);
        if (peer.carrier < 0)
            list[count++] = peer.endpoint;
    }
    return count;
}

size_t root_ways_endpoints(const struct engine *engine, int root, struct endpoint **endpoints)
{
    struct status_tunnel tunnel;
    size_t most = 0, count = 0;
    for (int i = -1; (i = engine_next_tunnel(engine, i)) >= 0;) {
        status_read_tunnel(engine, (uint32_t)i, &tunnel);
        most += tunnel.peer_count;
    }
    *endpoints = calloc(most + 1, sizeof(**endpoints));
    for (int i = -1; *endpoints && (i = engine_next_tunnel(engine, i)) >= 0;) {
        status_read_tunnel(engine, (uint32_t)i, &tunnel);
        if (tunnel.carrier < 0 && (root < 0 || root == i))
            count += list_endpoints(engine, (uint32_t)i, *endpoints + count);
    }
    return count;
}

void root_ways_check_sources(struct netlink *netlink, struct engine *engine, uint32_t root,
                             uint32_t mark)
{
    for (int i = -1; (i = engine_next_peer(engine, root, i)) >= 0;) {
        struct status_peer peer;
        status_read_peer(engine, root, (uint32_t)i, 0, &peer);
        if (peer.carrier < 0 && peer.source.family == peer.endpoint.address.family &&
            peer.source.family != FAMILY_NONE &&
            !kernel_route_leads(netlink, &peer.source, &peer.endpoint.address, mark,
                                peer.source_interface))
            engine_forget_source(engine, root, (uint32_t)i);
    }
}

/* As the kernel cuts a datagram: all pieces but the last hold a multiple of 8 bytes. */
static uint32_t pieces(uint32_t payload_bytes, const struct root_way *way)
{
    uint32_t header =
        way->family == FAMILY_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES + IPV6_FRAGMENT_BYTES;
    uint32_t last = way->link_mtu_bytes - header, room = last / 8 * 8;
    return payload_bytes > last ? 1 + (payload_bytes - last + room - 1) / room : 1;
}

bool root_ways_tell_excess(const struct tunnel_description *root, const struct root_way *way,
                           struct text *text)
{
    if (!root->mtu_bytes || root->mtu_is_upper_bound || !way->link_mtu_bytes ||
        root->mtu_bytes <= way->mtu_bytes)
        return false;
    uint32_t payload_bytes = root->mtu_bytes + mtu_cost_bytes(way->family) -
                             (uint32_t)ip_outer_bytes(way->family) + UDP_HEADER_BYTES;
    text_append(
        text,
        "%s: MTU = %u is more than its way takes: of the link's %u a hop leaves %u, so that "
        "each full datagram goes out in %u fragments; write MTU = %u, or leave the line "
        "out: it is computed",
        root->name, root->mtu_bytes, way->link_mtu_bytes, way->mtu_bytes,
        pieces(payload_bytes, way), way->mtu_bytes);
    return true;
}
