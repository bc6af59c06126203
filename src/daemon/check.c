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
#include "engine/mtu.h"
#include "engine/tree.h"
#include "engine/tree_routes.h"
#include "host/dns_way.h"
#include "host/routing.h"
#include "host/sysctl.h"
#include "io/loop.h"

#define COMMON_ROOT_MTU_BYTES 1420
#define BESIDE_BYTES 16384
#define REFUSAL_BYTES 65536

struct check {
    const struct tree *tree;
    struct text *text;
};

/* As `up` would find it: the smallest over the peers (RULES E1). */
static struct root_way root_way(struct netlink *netlink, const struct config *config,
                                const struct node *root)
{
    struct endpoint *endpoints = calloc(root->tunnel.peer_count + 1, sizeof(*endpoints));
    size_t count = 0;
    const struct peer *peer = NULL;
    while (endpoints && (peer = node_next_peer(root, peer))) {
        if (!hop_of(peer)->carrier)
            endpoints[count++] = peer->endpoint;
    }
    struct root_way way =
        root_ways_find(netlink, config->mark ? config->mark : NETWORK_MARK, endpoints, count);
    free(endpoints);
    return way;
}

/* The host has a way to none of the root's endpoints. */
static void append_wayless(const struct node *root, struct text *text)
{
    for (const struct peer *peer = NULL; (peer = node_next_peer(root, peer));) {
        const struct address *to = &peer->endpoint.address;
        char address[ADDRESS_TEXT_BYTES];
        if (to->family && !hop_of(peer)->carrier)
            text_append(text, "warning: %s: this host has no way to %s now%s\n", root->name,
                        address_format(to, address),
                        to->family == FAMILY_IPV4
                            ? "; on a network of IPv6 alone up asks for its NAT64 prefix"
                            : "");
    }
}

/* Reads the kernel's routes to the endpoints; where that is not possible the common MTU stands. */
static void find_mtus(const struct config *config, struct tree *tree, struct text *text)
{
    struct netlink netlink = {0};
    char reason[256];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    bool is_open = netlink_open(&netlink, &why) == 0;
    for (struct node *node = NULL; (node = tree_next(tree, node));) {
        struct root_way way = {.mtu_bytes = COMMON_ROOT_MTU_BYTES};
        char excess[512];
        struct text warning;
        if (node->carrier)
            continue;
        if (is_open)
            way = root_way(&netlink, config, node);
        tree_set_root_mtu(tree, node, way.mtu_bytes);
        text_init(&warning, excess, sizeof(excess));
        if (root_ways_tell_excess(&config->network.tunnels[node->index], &way, &warning))
            text_append(text, "warning: %s\n", excess);
        if (is_open && !way.link_mtu_bytes)
            append_wayless(node, text);
    }
    netlink_close(&netlink);
}

static void append_hop(const struct check *check, const struct hop *hop, int number)
{
    const struct peer *peer = hop->peer;
    char key[KEYTEXT_CHARACTERS + 1], endpoint[ENDPOINT_TEXT_BYTES];
    keytext_format(peer->noise.public_key, key);
    text_append(check->text, "%*shop %d: peer %s at %s, MTU %u\n", 2 * number, "", number, key,
                peer->endpoint.address.family ? endpoint_format(&peer->endpoint, endpoint)
                                              : "an address that is not known yet",
                hop->mtu_bytes);
}

/* Below each peer those that it carries (RULES A8). `fellow` NULL: what leaves the tunnel
 * itself. */
static void append_hops_inside(const struct check *check, const struct node *node,
                               const struct peer *fellow, int number)
{
    for (const struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
        const struct hop *hop = hop_of(peer);
        const struct peer *carrying = hop->carrier == node ? hop->carrier_peer : NULL;
        if (carrying != fellow || (!fellow && hop->carrier == node))
            continue;
        append_hop(check, hop, number);
        append_hops_inside(check, node, hop->peer, number + 1);
    }
}

static void append_fellows(const struct check *check)
{
    for (const struct node *node = NULL; (node = tree_next(check->tree, node));) {
        bool has_any = false;
        for (const struct peer *peer = NULL; (peer = node_next_peer(node, peer));)
            has_any |= hop_of(peer)->carrier == node;
        if (has_any) {
            text_append(check->text, "%s: several hops, by AllowedIPs:\n", node->name);
            append_hops_inside(check, node, NULL, 1);
        }
    }
}

/* A carrier that carries no IPv6 (RULES E4) has no way to an IPv6 endpoint. */
static bool is_out_of_reach(const struct node *node)
{
    for (const struct peer *peer = NULL; (peer = node_next_peer(node, peer));) {
        if (hop_of(peer)->carrier_peer && hop_of(peer)->mtu_bytes == 0 &&
            peer->endpoint.address.family == FAMILY_IPV6)
            return true;
    }
    return false;
}

static void append_mtus(const struct check *check)
{
    for (const struct node *node = NULL; (node = tree_next(check->tree, node));) {
        text_append(check->text, "%s: MTU %u\n", node->name, node->mtu_bytes);
        if (is_out_of_reach(node))
            text_append(check->text,
                        "warning: %s: the path through its carrier is narrower than IPv6 needs "
                        "(1280), so that no datagram gets to its IPv6 endpoint: give it an IPv4 "
                        "endpoint, or a wider path\n",
                        node->name);
        else if (node->mtu_bytes < IPV6_LEAST_MTU_BYTES && node->ipv6.family)
            text_append(check->text,
                        "warning: %s: its path is narrower than IPv6 needs (1280): IPv6 into it is "
                        "refused\n",
                        node->name);
    }
}

static void append_route(void *context, const struct prefix *prefix, int winner)
{
    const struct check *check = context;
    char text[PREFIX_TEXT_BYTES];
    text_append(check->text, "route %s: %s\n", prefix_format(prefix, text),
                winner < 0 ? "left to the host" : check->tree->nodes[winner]->name);
}

static void append_loss(void *context, const struct routes_loss *loss)
{
    const struct check *check = context;
    char text[PREFIX_TEXT_BYTES];
    text_append(check->text, "%s: %s loses %s to %s, which it carries\n",
                loss->was_longest ? "warning" : "note", check->tree->nodes[loss->loser]->name,
                prefix_format(&loss->prefix, text), check->tree->nodes[loss->winner]->name);
}

static void append_dns_warning(void *context, enum log_level level, const char *line)
{
    const struct check *check = context;
    (void)level;
    text_append(check->text, "warning: %s\n", line);
}

static bool is_inside(void *context, const struct address *server)
{
    const struct check *check = context;
    return routes_lookup(&check->tree->routes, server) >= 0;
}

static void append_dns(struct check *check, const struct config *config)
{
    struct system_dns dns = system_dns_choose(config);
    struct dns_way way = dns_way_find();
    char address[ADDRESS_TEXT_BYTES];
    text_append(check->text, "the system's DNS: ");
    for (size_t i = 0; i < dns.server_count; i++) {
        const struct address *server = &dns.servers[i];
        bool is_past = system_dns_is_local(server) || !is_inside(check, server);
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
                    system_dns_wants_guard(config, is_inside, check)
                        ? "; queries past the tunnels are rejected (DNSGuard)"
                        : "");
    system_dns_tell(config, way.is_resolved, is_inside, check,
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
    struct tree tree;
    /* The tree has the keys too. */
    if (!tree_init(&tree, config->arena.memory, loop_random(), &config->network,
                   NETWORK_MTU_MOST_BYTES, &why)) {
        text_append(text, "%s\n", why.bytes);
        return false;
    }
    struct check check = {.tree = &tree, .text = text};
    config_outline(config, text);
    find_mtus(config, &tree, text);
    append_mtus(&check);
    append_fellows(&check);
    routes_walk(&tree.routes, append_route, &check);
    tree_routes_walk_losses(&tree, append_loss, &check);
    append_dns(&check, config);
    append_short_names(config, text);
    append_beside(config, text);
    const char *notice = sysctl_ipv6_notice(sysctl_ipv6(NULL));
    if (notice)
        text_append(text, "note: %s\n", notice);
    tree_wipe(&tree);
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
