/* SPDX-License-Identifier: MIT */
#include "daemon/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keytext.h"
#include "config/naming.h"
#include "daemon/beside.h"
#include "daemon/root_ways.h"
#include "daemon/system_dns.h"
#include "engine/engine.h"
#include "engine/mtu.h"
#include "host/dns_way.h"
#include "host/routing.h"
#include "host/sysctl.h"
#include "io/loop.h"
#include "route/routes.h"

#define COMMON_ROOT_MTU_BYTES 1420
#define REFUSAL_BYTES 65536

/* What is asked is an engine that no packet meets: it has the tunnels in the configuration's
 * order. */
struct check {
    const struct config *config;
    struct engine *engine;
    struct text *text;
};

static const char *name_of(const struct check *check, int tunnel)
{
    return check->config->network.tunnels[tunnel].name;
}

static struct status_peer read_peer(const struct check *check, int tunnel, int peer)
{
    struct status_peer read;
    status_read_peer(check->engine, (uint32_t)tunnel, (uint32_t)peer, 0, &read);
    return read;
}

/* As `up` would find it: the smallest over the peers (RULES E1). */
static struct root_way root_way(const struct check *check, struct netlink *netlink, int root)
{
    struct endpoint *endpoints;
    uint32_t mark = check->config->mark ? check->config->mark : NETWORK_MARK;
    size_t count = root_ways_endpoints(check->engine, root, &endpoints);
    struct root_way way = root_ways_find(netlink, mark, endpoints, count);
    free(endpoints);
    return way;
}

/* The host has a way to none of the root's endpoints. */
static void append_wayless(const struct check *check, int root)
{
    for (int i = -1; (i = engine_next_peer(check->engine, (uint32_t)root, i)) >= 0;) {
        const struct status_peer peer = read_peer(check, root, i);
        const struct address *to = &peer.endpoint.address;
        char address[ADDRESS_TEXT_BYTES];
        if (to->family && peer.carrier < 0)
            text_append(check->text, "warning: %s: this host has no way to %s now%s\n",
                        name_of(check, root), address_format(to, address),
                        to->family == FAMILY_IPV4
                            ? "; on a network of IPv6 alone up asks for its NAT64 prefix"
                            : "");
    }
}

/* Reads the kernel's routes to the endpoints; where that is not possible the common MTU stands. */
static void find_mtus(const struct check *check)
{
    const struct network_description *network = &check->config->network;
    struct netlink netlink = {0};
    bool is_open = netlink_open(&netlink, TEXT_UNHEARD) == 0;
    for (int i = -1; (i = engine_next_tunnel(check->engine, i)) >= 0;) {
        struct root_way way = {.mtu_bytes = COMMON_ROOT_MTU_BYTES};
        struct text excess = TEXT_ROOM(512);
        if (network->tunnels[i].carrier != TUNNEL_NO_CARRIER)
            continue;
        if (is_open)
            way = root_way(check, &netlink, i);
        engine_set_root_mtu(check->engine, (uint32_t)i, way.mtu_bytes);
        if (root_ways_tell_excess(&network->tunnels[i], &way, &excess))
            text_append(check->text, "warning: %s\n", excess.bytes);
        if (is_open && !way.link_mtu_bytes)
            append_wayless(check, i);
    }
    netlink_close(&netlink);
}

static void append_hop(const struct check *check, const struct status_peer *peer, int number)
{
    char key[KEYTEXT_CHARACTERS + 1], endpoint[ENDPOINT_TEXT_BYTES];
    keytext_format(peer->public_key, key);
    text_append(check->text, "%*shop %d: peer %s at %s, MTU %u\n", 2 * number, "", number, key,
                peer->endpoint.address.family ? endpoint_format(&peer->endpoint, endpoint)
                                              : "an address that is not known yet",
                peer->mtu_bytes);
}

/* Below each peer those that it carries (RULES A8). `fellow` -1: what leaves the tunnel itself. */
static void append_hops_inside(const struct check *check, int tunnel, int fellow, int number)
{
    for (int i = -1; (i = engine_next_peer(check->engine, (uint32_t)tunnel, i)) >= 0;) {
        const struct status_peer peer = read_peer(check, tunnel, i);
        bool is_inside = peer.carrier == tunnel;
        if ((is_inside ? peer.carrier_peer : -1) != fellow || (fellow < 0 && is_inside))
            continue;
        append_hop(check, &peer, number);
        append_hops_inside(check, tunnel, i, number + 1);
    }
}

static void append_fellows(const struct check *check)
{
    for (int i = -1; (i = engine_next_tunnel(check->engine, i)) >= 0;) {
        bool has_any = false;
        for (int p = -1; (p = engine_next_peer(check->engine, (uint32_t)i, p)) >= 0 && !has_any;)
            has_any = read_peer(check, i, p).carrier == i;
        if (has_any) {
            text_append(check->text, "%s: several hops, by AllowedIPs:\n", name_of(check, i));
            append_hops_inside(check, i, -1, 1);
        }
    }
}

/* A carrier that carries no IPv6 (RULES E4) has no way to an IPv6 endpoint. */
static bool is_out_of_reach(const struct check *check, int tunnel)
{
    for (int i = -1; (i = engine_next_peer(check->engine, (uint32_t)tunnel, i)) >= 0;) {
        const struct status_peer peer = read_peer(check, tunnel, i);
        if (peer.carrier_peer >= 0 && peer.mtu_bytes == 0 &&
            peer.endpoint.address.family == FAMILY_IPV6)
            return true;
    }
    return false;
}

static bool has_ipv6(const struct tunnel_description *tunnel)
{
    for (size_t i = 0; i < tunnel->address_count; i++)
        if (tunnel->addresses[i].family == FAMILY_IPV6)
            return true;
    return false;
}

static void append_mtus(const struct check *check)
{
    for (int i = -1; (i = engine_next_tunnel(check->engine, i)) >= 0;) {
        uint32_t mtu = engine_mtu(check->engine, (uint32_t)i);
        text_append(check->text, "%s: MTU %u\n", name_of(check, i), mtu);
        if (is_out_of_reach(check, i))
            text_append(check->text,
                        "warning: %s: the path through its carrier is narrower than IPv6 needs "
                        "(1280), so that no datagram gets to its IPv6 endpoint: give it an IPv4 "
                        "endpoint, or a wider path\n",
                        name_of(check, i));
        else if (mtu < IPV6_LEAST_MTU_BYTES && has_ipv6(&check->config->network.tunnels[i]))
            text_append(check->text,
                        "warning: %s: its path is narrower than IPv6 needs (1280): IPv6 into it is "
                        "refused\n",
                        name_of(check, i));
    }
}

static void append_route(void *context, const struct prefix *prefix, int winner)
{
    const struct check *check = context;
    char text[PREFIX_TEXT_BYTES];
    text_append(check->text, "route %s: %s\n", prefix_format(prefix, text),
                winner < 0 ? "left to the host" : name_of(check, winner));
}

static void append_loss(void *context, const struct routes_loss *loss)
{
    const struct check *check = context;
    char text[PREFIX_TEXT_BYTES];
    text_append(check->text, "%s: %s loses %s to %s, which it carries\n",
                loss->was_longest ? "warning" : "note", name_of(check, loss->loser),
                prefix_format(&loss->prefix, text), name_of(check, loss->winner));
}

static void append_dns_warning(void *context, enum log_level level, const char *line)
{
    const struct check *check = context;
    (void)level;
    text_append(check->text, "warning: %s\n", line);
}

static void append_dns(struct check *check)
{
    const struct config *config = check->config;
    struct system_dns dns = system_dns_choose(config);
    struct dns_way way = dns_way_find();
    char address[ADDRESS_TEXT_BYTES];
    text_append(check->text, "the system's DNS: ");
    for (size_t i = 0; i < dns.server_count; i++) {
        const struct address *server = &dns.servers[i];
        bool is_past = system_dns_is_local(server) || !system_dns_engine_has(check->engine, server);
        const char *zone = dns.zones ? dns.zones[i] : NULL;
        text_append(check->text, "%s%s%s%s%s", i ? ", " : "", address_format(server, address),
                    zone ? "%" : "", zone ? zone : "",
                    address_is_loopback(server) ? " (this host)"
                    : is_past                   ? " (past the tunnels)"
                                                : "");
    }
    if (dns.server_count == 0)
        text_append(check->text, "its own, as it is\n");
    else
        text_append(check->text, ", of %s, by %s%s\n",
                    dns.tunnel < config->network.tunnel_count
                        ? config->network.tunnels[dns.tunnel].name
                    : config->is_plain ? config->name
                                       : "[Network]",
                    way.is_resolved     ? "systemd-resolved"
                    : way.is_resolvconf ? "resolvconf"
                                        : "/etc/resolv.conf",
                    system_dns_wants_guard(config, system_dns_engine_has, check->engine)
                        ? "; queries past the tunnels are rejected (DNSGuard)"
                        : "");
    system_dns_tell(config, way.is_resolved, system_dns_engine_has, check->engine,
                    (struct log_sink){append_dns_warning, check});
}

/* Where it is not INTERFACE.TUNNEL. */
static void append_short_names(const struct config *config, struct text *text)
{
    const struct network_description *network = &config->network;
    char (*names)[INTERFACE_NAME_BYTES] = calloc(network->tunnel_count, sizeof(*names));
    if (!names)
        return;
    naming_wg(config->interface_name, network, names);
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const char *tunnel = network->tunnels[i].name;
        char whole[INTERFACE_NAME_BYTES + TUNNEL_NAME_BYTES];
        snprintf(whole, sizeof(whole), "%s.%s", config->interface_name, tunnel);
        if (i != description_first_root(network) && strcmp(names[i], whole) != 0)
            text_append(text,
                        "note: %s: `wg` takes names of 15 letters, so it is %s there, not %s; a "
                        "shorter name of the tunnel or of the interface is kept whole\n",
                        tunnel, names[i], whole);
    }
    free(names);
}

static void append_beside(const struct config *config, struct text *text)
{
    struct netlink netlink = {0};
    char lines[BESIDE_BYTES], *rest = lines;
    struct text beside;
    text_init(&beside, lines, sizeof(lines));
    if (netlink_open(&netlink, &beside) == 0)
        beside_append(config, NULL, &netlink, &beside);
    netlink_close(&netlink);
    for (char *line; (line = strsep(&rest, "\n")) && *line;)
        text_append(text, "warning: %s\n", line);
}

bool check_append(const struct config *config, struct text *text)
{
    struct text why = TEXT_ROOM(512);
    struct check check = {.config = config, .text = text};
    check.engine = engine_foresee(config->arena.memory, loop_random(), &config->network, &why);
    if (!check.engine) {
        text_append(text, "%s\n", why.bytes);
        return false;
    }
    config_outline(config, text);
    find_mtus(&check);
    append_mtus(&check);
    append_fellows(&check);
    engine_walk_routes(check.engine, append_route, &check);
    engine_walk_losses(check.engine, append_loss, &check);
    append_dns(&check);
    append_short_names(config, text);
    append_beside(config, text);
    const char *notice = sysctl_ipv6_notice(sysctl_ipv6(NULL));
    if (notice)
        text_append(text, "note: %s\n", notice);
    engine_free(check.engine);
    return true;
}

int check_refuse(const struct config *config, const char *aead_backend,
                 const struct obstacles_held *held, struct text *why)
{
    char *bytes = malloc(REFUSAL_BYTES);
    struct text text;
    if (!bytes)
        return -ENOMEM;
    text_init(&text, bytes, REFUSAL_BYTES);
    bool is_fine = check_append(config, &text);
    if (!is_fine)
        text_append(why, "%.*s", (int)strcspn(bytes, "\n"), bytes);
    free(bytes);
    return is_fine ? obstacles_refuse(config, aead_backend, held, why) : -EINVAL;
}
