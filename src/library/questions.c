/* SPDX-License-Identifier: MIT */
#include "library/library.h"

_Static_assert((int)HOPWIRE_PEER_IDLE == (int)STATUS_PEER_IDLE, "cast below");
_Static_assert((int)HOPWIRE_PEER_NO_ENDPOINT == (int)STATUS_PEER_NO_ENDPOINT, "cast below");
_Static_assert((int)HOPWIRE_PEER_UNROUTABLE == (int)STATUS_PEER_UNROUTABLE, "cast below");
_Static_assert((int)HOPWIRE_PEER_HANDSHAKE == (int)STATUS_PEER_HANDSHAKE, "cast below");
_Static_assert((int)HOPWIRE_PEER_UP == (int)STATUS_PEER_UP, "cast below");

void hopwire_engine_interface(const struct hopwire_engine *engine,
                              struct hopwire_interface *interface)
{
    uint32_t mtu_bytes = engine->interface_mtu_bytes ? engine->interface_mtu_bytes
                                                     : engine_widest_mtu(engine->engine);
    *interface = (struct hopwire_interface){.name = engine->interface_name,
                                            .ipv4 = library_address(&engine->interface_ipv4),
                                            .ipv6 = library_address(&engine->interface_ipv6),
                                            .mtu_bytes = mtu_bytes};
}

struct route_visitor {
    void (*visit)(void *context, const struct hopwire_address *address, unsigned prefix_bits,
                  int tunnel);
    void *context;
};

static void visit_route(void *context, const struct prefix *prefix, int tunnel)
{
    const struct route_visitor *visitor = context;
    struct hopwire_address address = library_address(&prefix->address);
    visitor->visit(visitor->context, &address, prefix->len_bits, tunnel < 0 ? -1 : tunnel);
}

void hopwire_engine_walk_routes(const struct hopwire_engine *engine,
                                void (*visit)(void *context, const struct hopwire_address *address,
                                              unsigned prefix_bits, int tunnel),
                                void *context)
{
    struct route_visitor visitor = {visit, context};
    engine_walk_routes(engine->engine, visit_route, &visitor);
}

uint32_t hopwire_engine_tunnel_count(const struct hopwire_engine *engine)
{
    return (uint32_t)status_tunnel_count(engine->engine);
}

enum hopwire_status hopwire_engine_read_tunnel(const struct hopwire_engine *engine,
                                               uint32_t tunnel, struct hopwire_tunnel *out)
{
    if (tunnel >= hopwire_engine_tunnel_count(engine))
        return HOPWIRE_INVALID;
    struct status_tunnel status;
    status_read_tunnel(engine->engine, tunnel, &status);
    *out = (struct hopwire_tunnel){
        .name = status.name,
        .carrier = status.carrier,
        .mtu_bytes = status.mtu_bytes,
        .listen_port = engine->tunnels[tunnel].is_root ? engine->tunnels[tunnel].listen_port
                                                       : status.listen_port,
        .nat_is_on = status.nat_is_on,
        .peer_count = status.peer_count,
        .outbound_packets = status.outbound_packets,
        .inbound_packets = status.inbound_packets,
    };
    memcpy(out->public_key, status.public_key, sizeof(out->public_key));
    for (int i = VERDICT_OK + 1; i < VERDICT_COUNT; i++)
        out->dropped_packets += status.drops[i];
    return HOPWIRE_OK;
}

enum hopwire_status hopwire_engine_read_peer(const struct hopwire_engine *engine, uint32_t tunnel,
                                             uint32_t peer, uint64_t now_ns,
                                             struct hopwire_peer *out)
{
    struct hopwire_tunnel shown;
    if (hopwire_engine_read_tunnel(engine, tunnel, &shown) != HOPWIRE_OK ||
        peer >= shown.peer_count)
        return HOPWIRE_INVALID;
    const struct library_peer *notes = &engine->tunnels[tunnel].peers[peer];
    struct status_peer status;
    status_read_peer(engine->engine, tunnel, peer, now_ns, &status);
    *out = (struct hopwire_peer){
        .endpoint = library_endpoint(&status.endpoint),
        .endpoint_name = notes->endpoint_name,
        .endpoint_name_port = notes->endpoint_name_port,
        .state = (enum hopwire_peer_state)status.state,
        .since_ns = status.since_ns,
        .attempts = status.attempts,
        .sent_bytes = status.sent_bytes,
        .received_bytes = status.received_bytes,
        .last_handshake_wall_ns = status.last_handshake_wall_ns,
        .persistent_keepalive_s = status.persistent_keepalive_s,
        .waiting_packets = status.staged_packets,
    };
    memcpy(out->public_key, status.public_key, sizeof(out->public_key));
    return HOPWIRE_OK;
}

enum hopwire_status hopwire_engine_walk_drops(
    const struct hopwire_engine *engine, int tunnel,
    void (*visit)(void *context, const char *reason, const char *meaning, uint64_t packets),
    void *context)
{
    if (tunnel < -1 || (tunnel >= 0 && (uint32_t)tunnel >= hopwire_engine_tunnel_count(engine)))
        return HOPWIRE_INVALID;
    struct status_tunnel status;
    if (tunnel >= 0)
        status_read_tunnel(engine->engine, (uint32_t)tunnel, &status);
    else
        status_read_network_drops(engine->engine, status.drops);
    for (int i = VERDICT_OK + 1; i < VERDICT_COUNT; i++)
        if (status.drops[i])
            visit(context, verdict_name((enum verdict)i), verdict_meaning((enum verdict)i),
                  status.drops[i]);
    return HOPWIRE_OK;
}
