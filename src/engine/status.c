/* SPDX-License-Identifier: MIT */
#include "engine/status.h"

#include "engine/lanes.h"

/* What a router said before then says nothing about now. */
#define ERROR_SHOWN_NS (180 * NS_PER_S)

static const char *const state_words[] = {
    [STATUS_PEER_IDLE] = "idle",
    [STATUS_PEER_NO_ENDPOINT] = "no endpoint",
    [STATUS_PEER_UNROUTABLE] = "unroutable",
    [STATUS_PEER_HANDSHAKE] = "no answer",
    [STATUS_PEER_UP] = "up",
};

size_t status_tunnel_count(const struct engine *engine)
{
    return engine->core.tree.count;
}

void status_read_network_drops(const struct engine *engine, uint64_t drops[VERDICT_COUNT])
{
    memcpy(drops, engine->core.drops, sizeof(engine->core.drops));
}

void status_read_tunnel(const struct engine *engine, uint32_t tunnel, struct status_tunnel *out)
{
    const struct node *node = engine->core.tree.nodes[tunnel];
    *out = (struct status_tunnel){.name = node->name,
                                  .carrier = node->carrier ? (int)node->carrier->index : -1,
                                  .depth = node->depth,
                                  .mtu_bytes = node->mtu_bytes,
                                  .listen_port = node->listen_port,
                                  .inner_port = node->inner_port,
                                  .nat_is_on = node->nat_is_on,
                                  .peer_count = (uint32_t)node->tunnel.peer_count,
                                  .outbound_packets = node->outbound_packets,
                                  .inbound_packets = node->inbound_packets,
                                  .keepalives = node->keepalives};
    memcpy(out->public_key, node->tunnel.identity.public_key, sizeof(out->public_key));
    memcpy(out->drops, node->drops, sizeof(out->drops));
}

static enum status_peer_state state_of(const struct peer *peer, instant_ns now)
{
    if (!peer->endpoint.address.family)
        return STATUS_PEER_NO_ENDPOINT;
    if (hop_of(peer)->carrier && (!hop_of(peer)->carrier_peer || !hop_of(peer)->mtu_bytes))
        return STATUS_PEER_UNROUTABLE;
    if (peer_sending_session(peer, now) && !hop_is_unanswered(hop_of(peer)))
        return STATUS_PEER_UP;
    return peer->timers.retransmit != INSTANT_NEVER ? STATUS_PEER_HANDSHAKE : STATUS_PEER_IDLE;
}

void status_read_peer(const struct engine *engine, uint32_t tunnel, uint32_t index, instant_ns now,
                      struct status_peer *out)
{
    const struct peer *peer = engine->core.tree.nodes[tunnel]->peers[index];
    const struct hop *hop = hop_of(peer);
    *out = (struct status_peer){
        .endpoint = peer->endpoint,
        .source = hop->path.source,
        .source_interface = hop->path.source_interface,
        .state = state_of(peer, now),
        .carrier = hop->carrier ? (int)hop->carrier->index : -1,
        .carrier_peer = hop->carrier_peer ? (int)hop->carrier_peer->index : -1,
        .mtu_bytes = hop->mtu_bytes,
        .path_mtu_bytes = hop->path_mtu.mtu_bytes,
        .attempts = hop->attempts,
        .sent_bytes = peer->sent_bytes,
        .received_bytes = peer->received_bytes,
        .last_handshake_wall_ns = peer->last_handshake_wall_ns,
        .handshake_rtt_ns = peer->handshake_rtt_ns,
        .last_received = peer->last_received,
        .last_data = peer->last_data,
        .has_session = peer_sending_session(peer, now) != NULL,
        .misfits = hop->attempts ? hop->misfits : 0,
        .persistent_keepalive_s = (uint16_t)(peer->timers.persistent_interval / NS_PER_S),
        .staged_packets = (uint32_t)peer->stage.count,
    };
    memcpy(out->public_key, peer->noise.public_key, sizeof(out->public_key));
    out->has_preshared_key = !bytes_are_zero(peer->noise.preshared_key, 32);
    out->preshared_key_since = hop->preshared_key_since;
    out->is_preshared_key_used = out->has_preshared_key && peer->current &&
                                 instant_is_reached(hop->preshared_key_since, peer->current->born);
    const struct path_error *heard = &hop->path_error;
    if (heard->words && instant_since(heard->at, now) < ERROR_SHOWN_NS) {
        out->error = heard->words;
        out->error_source = heard->source;
        out->error_ns = instant_since(heard->at, now);
    }
    if (out->attempts)
        out->unanswered_ns = instant_since(hop->attempting_since, now);
    out->since_ns = out->state == STATUS_PEER_UP ? instant_since(peer->current->born, now)
                                                 : out->unanswered_ns;
}

const char *status_peer_word(const struct status_peer *peer)
{
    return peer->state == STATUS_PEER_IDLE && peer->attempts ? "gave up" : state_words[peer->state];
}

const char *status_peer_obstacle(uint32_t tunnel, const struct status_peer *peer)
{
    if (peer->carrier_peer >= 0)
        return "its endpoint does not fit the carrier's path, which is too narrow";
    return peer->carrier == (int)tunnel
               ? "its endpoint is in the AllowedIPs of a peer that would ride it in turn, or the "
                 "tunnel has no address of that family"
               : "its endpoint is outside the carrier's AllowedIPs, or the carrier has no address "
                 "of that family";
}
