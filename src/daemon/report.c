/* SPDX-License-Identifier: MIT */
#include "daemon/report.h"

#include <jansson.h>
#include <stdlib.h>

#include "config/keytext.h"
#include "daemon/beside.h"
#include "daemon/described.h"
#include "daemon/names.h"
#include "daemon/nat64_endpoints.h"
#include "daemon/uapi.h"
#include "engine/status.h"
#include "io/loop.h"
#include "io/network.h"

static json_t *address_json(const struct address *address)
{
    char text[ADDRESS_TEXT_BYTES];
    return address->family ? json_string(address_format(address, text)) : json_null();
}

static json_t *endpoint_json(const struct endpoint *endpoint)
{
    char text[ENDPOINT_TEXT_BYTES];
    return endpoint->address.family ? json_string(endpoint_format(endpoint, text)) : json_null();
}

static json_t *key_json(const uint8_t key[32])
{
    char text[KEYTEXT_CHARACTERS + 1];
    keytext_format(key, text);
    return json_string(text);
}

static json_t *drops_json(const uint64_t drops[VERDICT_COUNT])
{
    json_t *object = json_object();
    for (int verdict = VERDICT_OK + 1; verdict < VERDICT_COUNT; verdict++) {
        if (drops[verdict])
            json_object_set_new(object, verdict_name((enum verdict)verdict),
                                json_integer((json_int_t)drops[verdict]));
    }
    return object;
}

/* Whoever carries the peer's datagrams, where that does not answer: a tunnel, or (RULES A8) the
 * fellow by its key; else null. */
static json_t *carrier_that_fails(const struct engine *engine, uint32_t tunnel,
                                  const struct status_peer *peer, instant_ns now)
{
    struct status_tunnel carrier;
    struct status_peer carrying;
    if (peer->carrier_peer < 0)
        return json_null();
    status_read_peer(engine, (uint32_t)peer->carrier, (uint32_t)peer->carrier_peer, now, &carrying);
    if (carrying.state == STATUS_PEER_UP)
        return json_null();
    status_read_tunnel(engine, (uint32_t)peer->carrier, &carrier);
    return peer->carrier == (int)tunnel ? key_json(carrying.public_key) : json_string(carrier.name);
}

/* The peer of the same tunnel that carries this one's datagrams, by its key (RULES A8). */
static json_t *fellow_json(const struct engine *engine, uint32_t tunnel,
                           const struct status_peer *peer, instant_ns now)
{
    struct status_peer fellow;
    if (peer->carrier != (int)tunnel || peer->carrier_peer < 0)
        return json_null();
    status_read_peer(engine, tunnel, (uint32_t)peer->carrier_peer, now, &fellow);
    return key_json(fellow.public_key);
}

/* As configured, with its port. */
static json_t *endpoint_name_json(const struct peer_description *peer)
{
    return peer && peer->endpoint_name
               ? json_sprintf("%s:%u", peer->endpoint_name, peer->endpoint.port)
               : json_null();
}

/* Where the peer is, and whether it answers. */
static json_t *state_json(const struct report *report, uint32_t tunnel, uint32_t index,
                          const struct peer_description *described,
                          const struct status_peer *peer, instant_ns now)
{
    const struct engine *engine = network_engine(report->network);
    const char *cause = names_cause(report->names, tunnel, index);
    if (!cause)
        cause = nat64_endpoints_cause(report->translation, tunnel, index);
    json_t *object = json_object();
    json_object_set_new(object, "endpoint", endpoint_json(&peer->endpoint));
    json_object_set_new(object, "endpoint_name", endpoint_name_json(described));
    json_object_set_new(object, "endpoint_error", cause ? json_string(cause) : json_null());
    json_object_set_new(object, "mtu", json_integer(peer->mtu_bytes));
    json_object_set_new(object, "path_mtu", json_integer(peer->path_mtu_bytes));
    json_object_set_new(object, "error", peer->error ? json_string(peer->error) : json_null());
    if (peer->error) {
        json_object_set_new(object, "error_from", address_json(&peer->error_source));
        json_object_set_new(object, "error_s",
                            json_integer((json_int_t)(peer->error_ns / NS_PER_S)));
    }
    json_object_set_new(object, "state", json_string(status_peer_word(peer)));
    json_object_set_new(object, "since_s", json_integer((json_int_t)(peer->since_ns / NS_PER_S)));
    json_object_set_new(object, "attempts", json_integer(peer->attempts));
    json_object_set_new(object, "unanswered_s",
                        json_integer((json_int_t)(peer->unanswered_ns / NS_PER_S)));
    json_object_set_new(object, "waits_for", carrier_that_fails(engine, tunnel, peer, now));
    json_object_set_new(object, "rides", fellow_json(engine, tunnel, peer, now));
    json_object_set_new(object, "obstacle",
                        peer->state == STATUS_PEER_UNROUTABLE
                            ? json_string(status_peer_obstacle(tunnel, peer))
                            : json_null());
    return object;
}

/* How long it has been the present one; null: there is none. */
static json_t *preshared_key_json(const struct report *report, const struct status_peer *peer,
                                  instant_ns now)
{
    instant_ns since = peer->preshared_key_since ? peer->preshared_key_since : report->started;
    return peer->has_preshared_key
               ? json_integer((json_int_t)(instant_since(since, now) / NS_PER_S))
               : json_null();
}

static json_t *peer_json(const struct report *report, const struct described *at, instant_ns now)
{
    struct status_peer peer;
    uint32_t tunnel = (uint32_t)at->tunnel, index = (uint32_t)at->peer;
    status_read_peer(at->engine, tunnel, index, now, &peer);
    json_t *object = json_object();
    json_t *state = state_json(report, tunnel, index, described_peer(at), &peer, now);
    json_object_set_new(object, "public_key", key_json(peer.public_key));
    json_object_set_new(object, "preshared_key_s", preshared_key_json(report, &peer, now));
    json_object_set_new(object, "preshared_key_used", json_boolean(peer.is_preshared_key_used));
    json_object_update(object, state);
    json_decref(state);
    json_object_set_new(object, "latest_handshake",
                        json_integer((json_int_t)(peer.last_handshake_wall_ns / NS_PER_S)));
    json_object_set_new(object, "handshake_rtt_us",
                        peer.handshake_rtt_ns
                            ? json_integer((json_int_t)(peer.handshake_rtt_ns / 1000))
                            : json_null());
    json_object_set_new(object, "sent_bytes", json_integer((json_int_t)peer.sent_bytes));
    json_object_set_new(object, "received_bytes", json_integer((json_int_t)peer.received_bytes));
    json_object_set_new(object, "persistent_keepalive_s",
                        json_integer(peer.persistent_keepalive_s));
    json_object_set_new(object, "staged_packets", json_integer(peer.staged_packets));
    return object;
}

/* `at` stands before the tunnel's first peer. */
static json_t *tunnel_json(const struct report *report, struct described *at, instant_ns now)
{
    const struct tunnel_description *described = described_tunnel(at);
    uint32_t index = (uint32_t)at->tunnel;
    struct status_tunnel tunnel, carrier = {0};
    status_read_tunnel(at->engine, index, &tunnel);
    if (tunnel.carrier >= 0)
        status_read_tunnel(at->engine, (uint32_t)tunnel.carrier, &carrier);
    bool is_root = tunnel.carrier < 0;
    json_t *object = json_object(), *addresses = json_array(), *peers = json_array();
    for (size_t i = 0; i < described->address_count; i++)
        json_array_append_new(addresses, address_json(&described->addresses[i]));
    while (described_next_peer(at))
        json_array_append_new(peers, peer_json(report, at, now));
    json_object_set_new(object, "name", json_string(tunnel.name));
    json_object_set_new(object, "via", is_root ? json_null() : json_string(carrier.name));
    const char *wg = uapi_name(report->uapi, tunnel.name);
    json_object_set_new(object, "wg", wg ? json_string(wg) : json_null());
    json_object_set_new(object, "depth", json_integer(tunnel.depth));
    json_object_set_new(object, "public_key", key_json(tunnel.public_key));
    json_object_set_new(object, "listen_port",
                        json_integer(is_root ? network_port(report->network, index)
                                             : tunnel.listen_port));
    json_object_set_new(object, "addresses", addresses);
    json_object_set_new(object, "nat", json_boolean(tunnel.nat_is_on));
    json_object_set_new(object, "mtu", json_integer(tunnel.mtu_bytes));
    json_object_set_new(object, "outbound_packets",
                        json_integer((json_int_t)tunnel.outbound_packets));
    json_object_set_new(object, "inbound_packets",
                        json_integer((json_int_t)tunnel.inbound_packets));
    json_object_set_new(object, "keepalives", json_integer((json_int_t)tunnel.keepalives));
    json_object_set_new(object, "drops", drops_json(tunnel.drops));
    json_object_set_new(object, "peers", peers);
    return object;
}

static char *print(json_t *object)
{
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(object);
    return text;
}

/* Others' rules that decide before the network's (RULES F1). */
static json_t *in_front_json(const struct beside *beside)
{
    json_t *rules = json_array();
    for (size_t i = 0; i < beside->count; i++) {
        const struct kernel_rule *rule = &beside->rules[i].rule;
        json_t *object = json_object();
        json_object_set_new(object, "family", json_integer(rule->family));
        json_object_set_new(object, "priority", json_integer(rule->priority));
        json_object_set_new(object, "rule", json_string(rule->text));
        json_object_set_new(object, "came_later", json_boolean(beside->are_new[i]));
        json_array_append_new(rules, object);
    }
    return rules;
}

char *report_status(const struct report *report, instant_ns now)
{
    const struct engine *engine = network_engine(report->network);
    uint64_t drops[VERDICT_COUNT];
    status_read_network_drops(engine, drops);
    json_t *object = json_object(), *tunnels = json_array();
    struct described at = described_all(&report->config->network, engine);
    for (; (at.tunnel = engine_next_tunnel(engine, at.tunnel)) >= 0; at.tunnel_place++) {
        at.peer = -1;
        json_array_append_new(tunnels, tunnel_json(report, &at, now));
    }
    json_object_set_new(object, "name", json_string(report->config->name));
    json_object_set_new(object, "state", json_string("up"));
    json_object_set_new(object, "interface", json_string(report->interface_name));
    json_object_set_new(object, "mtu", json_integer(report->interface_mtu_bytes));
    json_object_set_new(object, "up_s",
                        json_integer((json_int_t)(instant_since(report->started, now) / NS_PER_S)));
    json_object_set_new(object, "aead", json_string(report->aead_name));
    json_object_set_new(object, "fwmark", json_integer(report->mark));
    json_object_set_new(object, "lost_log_lines", json_integer((json_int_t)report->log_lost));
    json_object_set_new(object, "behind",
                        *report->behind ? json_string(report->behind) : json_null());
    json_object_set_new(object, "rules_in_front", in_front_json(report->beside));
    json_object_set_new(object, "drops", drops_json(drops));
    json_object_set_new(object, "tunnels", tunnels);
    return print(object);
}

/* NULL: it is not described. */
static const struct peer_description *find_described(const struct report *report, int tunnel,
                                                     int peer)
{
    struct described at = described_all(&report->config->network, network_engine(report->network));
    while (described_next(&at))
        if (at.tunnel == tunnel && at.peer == peer)
            return described_peer(&at);
    return NULL;
}

/* From the innermost to the socket. What follows one whose way is not known is not told, but it
 * counts: as the tunnels below it, one hop each. */
static json_t *hops_json(const struct report *report, int tunnel, int peer, instant_ns now)
{
    const struct engine *engine = network_engine(report->network);
    json_t *hops = json_array(), *object;
    uint32_t below = 0;
    size_t index;
    while (tunnel >= 0 && peer >= 0) {
        struct status_tunnel shown;
        struct status_peer hop;
        status_read_tunnel(engine, (uint32_t)tunnel, &shown);
        status_read_peer(engine, (uint32_t)tunnel, (uint32_t)peer, now, &hop);
        object = state_json(report, (uint32_t)tunnel, (uint32_t)peer,
                            find_described(report, tunnel, peer), &hop, now);
        json_object_set_new(object, "tunnel", json_string(shown.name));
        json_array_append_new(hops, object);
        below = shown.depth - 1;
        tunnel = hop.carrier;
        peer = hop.carrier_peer;
    }
    below = tunnel >= 0 ? below : 0;
    json_array_foreach(hops, index, object)
        json_object_set_new(object, "depth",
                            json_integer((json_int_t)(json_array_size(hops) - index + below)));
    return hops;
}

char *report_route(const struct report *report, const struct address *destination)
{
    const struct engine *engine = network_engine(report->network);
    instant_ns now = loop_now();
    struct engine_route route;
    engine_route(engine, destination, &route);
    uint32_t mtu_bytes = route.mtu_bytes < report->interface_mtu_bytes
                             ? route.mtu_bytes
                             : report->interface_mtu_bytes;
    json_t *object = json_object();
    json_object_set_new(object, "destination", address_json(destination));
    json_object_set_new(object, "interface", json_string(report->interface_name));
    json_object_set_new(object, "verdict", json_string(verdict_name(route.verdict)));
    json_object_set_new(object, "meaning", json_string(verdict_meaning(route.verdict)));
    struct status_tunnel tunnel;
    if (route.tunnel >= 0)
        status_read_tunnel(engine, (uint32_t)route.tunnel, &tunnel);
    json_object_set_new(object, "tunnel",
                        route.tunnel < 0 ? json_null() : json_string(tunnel.name));
    json_object_set_new(object, "source", address_json(&route.source));
    json_object_set_new(object, "mtu", json_integer(mtu_bytes));
    if (route.peer >= 0) {
        struct status_peer peer;
        status_read_peer(engine, (uint32_t)route.tunnel, (uint32_t)route.peer, now, &peer);
        json_object_set_new(object, "peer", key_json(peer.public_key));
    }
    json_object_set_new(object, "hops", hops_json(report, route.tunnel, route.peer, now));
    return print(object);
}
