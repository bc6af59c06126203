/* SPDX-License-Identifier: MIT */
/* Theory: the engine's actions give packets away, the library's only show them. So a door begins
 * with giving back the packets of the door before, and after each call of the engine its actions
 * are copied to where they stay until then. */
#include <assert.h>

#include "library/library.h"

#define DATAGRAM_MOST_BYTES 65535

static void begin(struct hopwire_engine *engine)
{
    pool_give_queue(engine->pool, &engine->packets);
    engine->packets = (struct packet_queue){0};
    engine->send_count = 0;
    engine->write_count = 0;
}

static void collect(struct hopwire_engine *engine)
{
    struct actions *actions = &engine->actions;
    assert(engine->send_count + actions->send_count <= LIBRARY_ACTIONS_MOST);
    assert(engine->write_count + actions->write_count <= LIBRARY_ACTIONS_MOST);
    for (size_t i = 0; i < actions->send_count; i++) {
        struct packet *packet = actions->sends[i].packet;
        const struct udp_path *path = actions->sends[i].path;
        engine->sends[engine->send_count++] =
            (struct hopwire_send){.root = path->root,
                                  .bytes = packet->data,
                                  .len_bytes = packet->len_bytes,
                                  .tos = packet->tos,
                                  .destination = library_endpoint(&path->destination),
                                  .source = library_address(&path->source),
                                  .source_interface = path->source_interface};
        packet_queue_append(&engine->packets, packet);
    }
    for (size_t i = 0; i < actions->write_count; i++) {
        struct packet *packet = actions->writes[i].first;
        /* Nothing is coalesced: the engine was told that the TUN takes no super-packets. */
        assert(actions->writes[i].packets == 1);
        engine->writes[engine->write_count++] =
            (struct hopwire_write){.bytes = packet->data, .len_bytes = packet->len_bytes};
        packet_queue_append(&engine->packets, packet);
    }
    actions->send_count = 0;
    actions->write_count = 0;
    actions->reply_path_count = 0;
}

static void end(struct hopwire_engine *engine, struct hopwire_actions *actions)
{
    collect(engine);
    *actions = (struct hopwire_actions){.sends = engine->sends,
                                        .send_count = engine->send_count,
                                        .writes = engine->writes,
                                        .write_count = engine->write_count};
}

void hopwire_engine_from_tun(struct hopwire_engine *engine, uint8_t *bytes, size_t len_bytes,
                             uint64_t now_ns, uint64_t wall_ns, struct hopwire_actions *actions)
{
    static const struct vnet_header plain = {0};
    begin(engine);
    if (!engine_from_tun(engine->engine, &plain, bytes, len_bytes, now_ns, &engine->actions)) {
        /* The turn's batch is full; an empty one takes any single packet. */
        collect(engine);
        engine_flush(engine->engine, now_ns, wall_ns, &engine->actions);
        collect(engine);
        bool is_taken = engine_from_tun(engine->engine, &plain, bytes, len_bytes, now_ns,
                                        &engine->actions);
        assert(is_taken);
        (void)is_taken;
    }
    end(engine, actions);
}

static bool is_root(const struct hopwire_engine *engine, uint32_t tunnel)
{
    return tunnel < hopwire_engine_tunnel_count(engine) && engine->tunnels[tunnel].is_root;
}

enum hopwire_status hopwire_engine_from_udp(struct hopwire_engine *engine, uint32_t root,
                                            const struct hopwire_datagram *datagram,
                                            uint64_t now_ns, struct hopwire_actions *actions)
{
    struct udp_train train = {.interface = datagram->interface, .tos = datagram->tos};
    begin(engine);
    end(engine, actions);
    if (!is_root(engine, root) || !library_read_endpoint(&datagram->source, &train.source))
        return HOPWIRE_INVALID;
    library_read_address(&datagram->destination, &train.destination);
    if (datagram->len_bytes > DATAGRAM_MOST_BYTES) {
        engine_count(engine->engine, root, VERDICT_BAD_MESSAGE, 1);
        return HOPWIRE_OK;
    }
    train.block = pool_take_block(engine->pool);
    if (!train.block) {
        engine_count(engine->engine, root, VERDICT_POOL_EMPTY, 1);
        return HOPWIRE_OK;
    }
    train.len_bytes = (uint32_t)datagram->len_bytes;
    if (datagram->segment_bytes < datagram->len_bytes)
        train.segment_bytes = (uint32_t)datagram->segment_bytes;
    if (train.len_bytes)
        memcpy(train.block->bytes, datagram->bytes, train.len_bytes);
    engine_from_udp(engine->engine, root, &train, now_ns, &engine->actions);
    end(engine, actions);
    return HOPWIRE_OK;
}

void hopwire_engine_flush(struct hopwire_engine *engine, uint64_t now_ns, uint64_t wall_ns,
                          struct hopwire_actions *actions)
{
    begin(engine);
    engine_flush(engine->engine, now_ns, wall_ns, &engine->actions);
    end(engine, actions);
}

void hopwire_engine_idle(struct hopwire_engine *engine, struct hopwire_actions *actions)
{
    begin(engine);
    engine_idle(engine->engine, &engine->actions);
    end(engine, actions);
}

void hopwire_engine_tick(struct hopwire_engine *engine, uint64_t now_ns, uint64_t wall_ns,
                         struct hopwire_actions *actions)
{
    begin(engine);
    engine_tick(engine->engine, now_ns, wall_ns, &engine->actions);
    end(engine, actions);
}

uint64_t hopwire_engine_deadline(const struct hopwire_engine *engine)
{
    return engine_deadline(engine->engine);
}

void hopwire_engine_set_up(struct hopwire_engine *engine, bool is_up, uint64_t now_ns)
{
    engine_set_up(engine->engine, is_up, now_ns);
}

enum hopwire_status hopwire_engine_set_root_mtu(struct hopwire_engine *engine, uint32_t root,
                                                uint32_t mtu_bytes)
{
    if (!is_root(engine, root) || mtu_bytes > NETWORK_MTU_MOST_BYTES)
        return HOPWIRE_INVALID;
    engine_set_root_mtu(engine->engine, root, mtu_bytes);
    return HOPWIRE_OK;
}

enum hopwire_status hopwire_engine_set_endpoint(struct hopwire_engine *engine, uint32_t tunnel,
                                                uint32_t peer,
                                                const struct hopwire_endpoint *endpoint,
                                                uint64_t now_ns)
{
    struct hopwire_tunnel shown;
    struct endpoint read = {0};
    if (hopwire_engine_read_tunnel(engine, tunnel, &shown) != HOPWIRE_OK ||
        peer >= shown.peer_count || !library_read_endpoint(endpoint, &read))
        return HOPWIRE_INVALID;
    engine_set_endpoint(engine->engine, engine_peer_handle(engine->engine, tunnel, peer), &read,
                        now_ns);
    return HOPWIRE_OK;
}

enum hopwire_status hopwire_engine_network_changed(struct hopwire_engine *engine, uint32_t root,
                                                   uint64_t now_ns)
{
    if (!is_root(engine, root))
        return HOPWIRE_INVALID;
    engine_network_changed(engine->engine, root, now_ns);
    return HOPWIRE_OK;
}
