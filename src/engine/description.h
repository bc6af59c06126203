/* SPDX-License-Identifier: MIT */
/* What a network is, as plain data: config/ writes it from text, the engine builds its tree from
 * it. Everything pointed to belongs to whoever made the description and may go once the engine has
 * it. */
#ifndef ENGINE_DESCRIPTION_H
#define ENGINE_DESCRIPTION_H

#include "base/prefix.h"

#define NETWORK_DEPTH_MOST 8
#define NETWORK_MTU_MOST_BYTES 9216
/* The bits of a mark that say: a datagram of a tunnel's own, which no rule of ours catches (F3). */
#define NETWORK_MARK 0x48000000u
#define NETWORK_MARK_MASK 0xff000000u
/* What an earlier version had. */
#define NETWORK_OLD_MARK 0xca00u
#define NETWORK_OLD_MARK_MASK 0xff00u
#define TUNNEL_NAME_BYTES 64
#define TUNNEL_NO_CARRIER (-1)

struct peer_description {
    uint8_t public_key[32];
    uint8_t preshared_key[32]; /* all zero: none */
    struct prefix *allowed_ips;
    size_t allowed_ips_count;
    bool has_endpoint;        /* a literal: `endpoint` is whole */
    struct endpoint endpoint; /* with a name: only the port */
    char *endpoint_name;      /* to be resolved; NULL: none */
    uint16_t persistent_keepalive_s; /* 0: off */
};

struct tunnel_description {
    char name[TUNNEL_NAME_BYTES];
    int carrier; /* index of the carrier in the network's tunnels, or TUNNEL_NO_CARRIER: a root */
    uint8_t private_key[32];
    struct address *addresses; /* in file order */
    size_t address_count;
    /* Its name servers, in file order: each is a host route of its own (G3), and they are asked for
     * the names of what it carries (G1). */
    struct address *dns;
    size_t dns_count;
    uint16_t listen_port; /* 0: the engine (carried) or the kernel (root) chooses */
    uint32_t fwmark;      /* of a root's socket; 0: the daemon's own mark */
    uint32_t mtu_bytes;   /* 0: computed (E1) */
    bool mtu_is_upper_bound; /* `MTU =` of an included file */
    bool nat_is_off;         /* `NAT = off`; else auto (B2) */
    /* As a kernel's interface: the host alone decides how its datagrams leave, no peer rides
     * another (A8), and multicast goes where AllowedIPs say, also by a /0 (F6). Without NAT. */
    bool is_plain;
    bool routes_are_default; /* the union of the peers' AllowedIPs (minus route_exceptions) */
    struct prefix *routes;   /* else exactly these; none at all: it only carries others */
    size_t route_count;
    struct prefix *route_exceptions; /* `!PREFIX` */
    size_t route_exception_count;
    struct peer_description *peers;
    size_t peer_count;
};

struct network_description {
    struct tunnel_description *tunnels; /* file order */
    size_t tunnel_count;
    uint32_t link_mtu_bytes; /* the largest MTU that a root may get; 0: the Internet's common one */
    struct address nat_ipv4; /* B1; family FAMILY_NONE: nobody has an address of the family */
    struct address nat_ipv6;
};

/* The tunnels from this one down to its root, both counted; 0: the way never ends, or leaves the
 * array. */
static inline size_t description_depth_of(const struct network_description *network, size_t tunnel)
{
    size_t depth = 1;
    int at = network->tunnels[tunnel].carrier;
    for (; at != TUNNEL_NO_CARRIER && depth <= network->tunnel_count; depth++) {
        if (at < 0 || (size_t)at >= network->tunnel_count)
            return 0;
        at = network->tunnels[at].carrier;
    }
    return at == TUNNEL_NO_CARRIER ? depth : 0;
}

/* The first tunnel in file order without a carrier (RULES A6). */
static inline size_t description_first_root(const struct network_description *network)
{
    size_t root = 0;
    while (root + 1 < network->tunnel_count && network->tunnels[root].carrier != TUNNEL_NO_CARRIER)
        root++;
    return root;
}

/* RULES B2: `NAT = off` and the first root have none. */
static inline bool description_nat_is_on(const struct network_description *network, size_t tunnel)
{
    return !network->tunnels[tunnel].nat_is_off && tunnel != description_first_root(network);
}

/* `tunnel` is `carrier`, or carried by it, directly or further in. Only where its way ends. */
static inline bool description_rides(const struct network_description *network, size_t tunnel,
                                 size_t carrier)
{
    int at = (int)tunnel;
    while (at != TUNNEL_NO_CARRIER && at != (int)carrier)
        at = network->tunnels[at].carrier;
    return at == (int)carrier;
}

/* The deepest path, in tunnels, 1 to NETWORK_DEPTH_MOST; 0: a loop, a missing carrier, deeper. */
uint32_t description_depth(const struct network_description *network);

/* ---- one interface, several hops (RULES A8): see fellows.h ---- */

/* Hops that a path has within one tunnel, at most. */
#define NETWORK_LEVELS_MOST 8

enum {
    NETWORK_FELLOW_NONE = -1,  /* the endpoint is in nobody else's AllowedIPs, or only by a /0 */
    NETWORK_FELLOW_ITSELF = -2 /* another has it too, but the longest prefix is the peer's own */
};

/* The peer of the tunnel that would carry this peer's datagrams to the address, or one of these.
 * `peer` may be the peers' count: then anybody's. */
int description_fellow_of(const struct tunnel_description *tunnel, size_t peer,
                          const struct address *address);
/* The hops that a path may have within the tunnel: what the literal endpoints need, and one for
 * each name, whose address is not known yet. A peer beyond them is unroutable. */
uint32_t description_levels_of(const struct tunnel_description *tunnel);
/* The hops of the longest path, in all its tunnels; 0: one never ends. */
uint32_t description_longest_path(const struct network_description *network);

#endif
