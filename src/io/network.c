/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "io/network_state.h"

void network_offloads_from_environment(struct network_offloads *offloads)
{
    static const char *const names[] = {"HOPWIRE_NO_TUN_TSO", "HOPWIRE_NO_TUN_USO",
                                        "HOPWIRE_NO_TUN_QUEUES", "HOPWIRE_NO_UDP_GSO",
                                        "HOPWIRE_NO_UDP_GRO"};
    bool *const switches[] = {&offloads->no_tun_tso, &offloads->no_tun_uso,
                              &offloads->no_tun_queues, &offloads->no_udp_gso,
                              &offloads->no_udp_gro};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value && strcmp(value, "0") != 0)
            *switches[i] = true;
    }
}

void network_leave_loop(struct network *network)
{
    struct loop *loop = network->options.loop;
    if (!network->is_in_loop)
        return;
    network->is_in_loop = false;
    loop_remove_hook(loop, &network->hook);
    loop_remove_timer(loop, &network->tick);
    loop_remove_timer(loop, &network->wake);
    for (unsigned i = 0; i < network->options.tun->queue_count; i++)
        if (network->tun_sources[i].network && !network->tun_sources[i].is_resting)
            loop_remove(loop, &network->tun_sources[i].source);
    for (size_t i = 0; i < network->tunnel_count; i++)
        for (int j = 0; network->roots[i] && j < 2; j++) {
            struct socket_source *socket = &network->roots[i]->sockets[j];
            if (socket->source.fd >= 0 && !socket->is_resting)
                loop_remove(loop, &socket->source);
        }
}

static void count_drop(void *context, enum verdict verdict, uint64_t packets)
{
    struct root *root = context;
    engine_count(root->network->engine, root->tunnel, verdict, packets);
}

void network_log(const struct network *network, enum log_level level, const char *line)
{
    log_sink_say(&network->options.log, level, line);
}

static void pass_log(void *context, enum log_level level, const char *line)
{
    struct root *root = context;
    struct status_tunnel tunnel;
    char named[512];
    status_read_tunnel(root->network->engine, root->tunnel, &tunnel);
    snprintf(named, sizeof(named), "%s: %s", tunnel.name, line);
    network_log(root->network, level, named);
}

static int pass_protect(void *context, int fd)
{
    struct root *root = context;
    if (!root->network->options.protect)
        return 0;
    return root->network->options.protect(root->network->options.context, fd);
}

static int open_udp(struct root *root, uint16_t port, uint32_t mark, struct udp **udp,
                    struct text *why)
{
    const struct udp_options options = {
        .port = port,
        .mark = mark,
        .no_gso = root->network->options.offloads.no_udp_gso,
        .no_gro = root->network->options.offloads.no_udp_gro,
        .pool = root->network->pool,
        .dropped = count_drop,
        .log = {pass_log, root},
        .protect = pass_protect,
        .context = root,
    };
    return udp_open(udp, &options, why);
}

static int watch_sockets(struct root *root)
{
    for (int i = 0; i < 2; i++) {
        struct socket_source *socket = &root->sockets[i];
        socket->root = root;
        socket->family = i == 0 ? FAMILY_IPV4 : FAMILY_IPV6;
        socket->is_ready = socket->is_resting = false;
        socket->source = (struct loop_source){
            .fd = udp_fd(root->udp, socket->family),
            .events = EPOLLIN,
            .ready = network_turns_socket_ready,
            .context = socket,
        };
        int error =
            socket->source.fd < 0 ? 0 : loop_add(root->network->options.loop, &socket->source);
        if (error) {
            if (i == 1 && root->sockets[0].source.fd >= 0)
                loop_remove(root->network->options.loop, &root->sockets[0].source);
            return error;
        }
    }
    return 0;
}

int network_prepare_root(struct network *network, uint16_t port, uint32_t mark,
                         struct root **prepared, struct text *why)
{
    struct root *root = calloc(1, sizeof(*root));
    if (!root)
        return -ENOMEM;
    root->network = network;
    int error = open_udp(root, port, mark ? mark : network->options.mark, &root->udp, why);
    if (!error && (error = watch_sockets(root)) != 0)
        udp_close(root->udp);
    if (error) {
        free(root);
        return error;
    }
    *prepared = root;
    return 0;
}

void network_add_root(struct network *network, struct root *prepared, uint32_t tunnel)
{
    assert(tunnel < network->tunnel_count && !network->roots[tunnel]);
    prepared->tunnel = tunnel;
    network->roots[tunnel] = prepared;
}

static int add_described_root(struct network *network,
                              const struct network_description *description, uint32_t tunnel,
                              struct text *why)
{
    const struct tunnel_description *described = &description->tunnels[tunnel];
    struct text said = TEXT_ROOM(256);
    struct root *root;
    int error =
        network_prepare_root(network, described->listen_port, described->fwmark, &root, &said);
    if (!error)
        network_add_root(network, root, tunnel);
    else if (said.len)
        text_append(why, "tunnel %s: %s", described->name, said.bytes);
    return error;
}

static void free_root(struct root *root)
{
    if (!root)
        return;
    for (int i = 0; i < 2; i++) {
        struct socket_source *socket = &root->sockets[i];
        while (socket->next_train < socket->train_count)
            pool_give_block(root->network->pool, socket->trains[socket->next_train++].block);
    }
    udp_close(root->udp);
    free(root);
}

static void leave_loop(struct root *root)
{
    for (int i = 0; i < 2; i++)
        if (root->sockets[i].source.fd >= 0 && !root->sockets[i].is_resting)
            loop_remove(root->network->options.loop, &root->sockets[i].source);
}

void network_drop_root(struct network *network, struct root *prepared)
{
    if (!prepared)
        return;
    /* What it still held is counted there. */
    prepared->tunnel = (uint32_t)engine_first_root(network->engine);
    leave_loop(prepared);
    free_root(prepared);
}

struct root *network_take_root(struct network *network, uint32_t tunnel)
{
    struct root *root = network->roots[tunnel];
    network->roots[tunnel] = NULL;
    return root;
}

bool network_reserve(struct network *network, size_t more)
{
    size_t count = more;
    for (int i = -1; (i = engine_next_tunnel(network->engine, i)) >= 0;)
        count = (size_t)i + 1 + more > count ? (size_t)i + 1 + more : count;
    if (count <= network->tunnel_count)
        return true;
    struct root **roots = realloc(network->roots, (count + 1) * sizeof(*roots));
    if (!roots)
        return false;
    memset(roots + network->tunnel_count, 0,
           (count + 1 - network->tunnel_count) * sizeof(*roots));
    network->roots = roots;
    network->tunnel_count = count;
    return true;
}

static int make_engine(struct network *network, const struct network_description *description,
                       struct text *why)
{
    struct pool_shape shape;
    engine_pool_shape(description, &shape);
    network->pool = pool_new(network->options.plain, &shape);
    if (!network->pool) {
        text_append(why, "no memory for the network's buffers");
        return -ENOMEM;
    }
    const struct tun *tun = network->options.tun;
    const struct engine_options options = {
        .secrets = network->options.secrets,
        .pool = network->pool,
        .aead = network->options.aead,
        .random = network->options.random,
        .tun_takes_tcp4 = tun->takes_tcp4,
        .tun_takes_tcp6 = tun->takes_tcp6,
        .tun_takes_udp = tun->takes_udp,
        .log = network->options.log,
    };
    network->engine = engine_new(&options, description, why);
    return network->engine ? 0 : -EINVAL;
}

static int watch_tun(struct network *network)
{
    const struct tun *tun = network->options.tun;
    for (unsigned i = 0; i < tun->queue_count; i++) {
        struct tun_source *queue = &network->tun_sources[i];
        queue->source = (struct loop_source){
            .fd = tun->fds[i],
            .events = EPOLLIN,
            .ready = network_turns_tun_ready,
            .context = queue,
        };
        int error = loop_add(network->options.loop, &queue->source);
        if (error)
            return error;
        queue->network = network;
    }
    return 0;
}

static int join_loop(struct network *network)
{
    struct loop *loop = network->options.loop;
    network->hook = (struct loop_hook){.end_round = network_turns_end_round, .context = network};
    network->tick = (struct loop_timer){
        .deadline = INSTANT_NEVER, .ring = network_turns_tick, .context = network};
    network->wake = (struct loop_timer){
        .deadline = INSTANT_NEVER, .ring = network_turns_wake, .context = network};
    loop_add_hook(loop, &network->hook);
    loop_add_timer(loop, &network->tick);
    loop_add_timer(loop, &network->wake);
    network->is_in_loop = true;
    return watch_tun(network);
}

int network_start(struct network **out, const struct network_options *options, struct text *why)
{
    const struct network_description *description = options->description;
    struct network *network = calloc(1, sizeof(*network));
    if (!network)
        return -ENOMEM;
    network->options = *options;
    network->options.description = NULL; /* it may go now */
    network->tunnel_count = description->tunnel_count;
    network->roots = calloc(network->tunnel_count + 1, sizeof(*network->roots));
    int error = network->roots ? make_engine(network, description, why) : -ENOMEM;
    if (!error)
        error = join_loop(network);
    for (size_t i = network->tunnel_count; !error && i-- > 0;)
        if (description->tunnels[i].carrier == TUNNEL_NO_CARRIER)
            error = add_described_root(network, description, (uint32_t)i, why);
    if (error) {
        if (why->len == 0)
            text_append(why, "the network cannot be started: %s", strerror(-error));
        network_stop(network);
        return error;
    }
    *out = network;
    return 0;
}

void network_stop(struct network *network)
{
    if (!network)
        return;
    network_leave_loop(network);
    for (size_t i = 0; network->roots && i < network->tunnel_count; i++)
        free_root(network->roots[i]);
    free(network->roots);
    engine_free(network->engine);
    if (network->pool)
        pool_free(network->pool);
    bytes_wipe(network, sizeof(*network)); /* plaintext in the read buffer */
    free(network);
}

struct engine *network_engine(const struct network *network)
{
    return network->engine;
}

static struct root *root_of(const struct network *network, uint32_t tunnel)
{
    return tunnel < network->tunnel_count ? network->roots[tunnel] : NULL;
}

const struct udp *network_udp(const struct network *network, uint32_t root)
{
    const struct root *found = root_of(network, root);
    return found ? found->udp : NULL;
}

uint16_t network_port(const struct network *network, uint32_t root)
{
    const struct root *found = root_of(network, root);
    return found ? udp_port(found->udp) : 0;
}

uint32_t network_mark(const struct network *network, uint32_t root)
{
    const struct root *found = root_of(network, root);
    return found ? udp_mark(found->udp) : 0;
}

int network_set_mark(struct network *network, uint32_t root, uint32_t mark)
{
    struct root *found = root_of(network, root);
    return found ? udp_set_mark(found->udp, mark ? mark : network->options.mark) : -EOPNOTSUPP;
}

void network_changed(struct network *network, uint32_t root)
{
    struct root *found = root_of(network, root);
    if (!found)
        return;
    udp_forget(found->udp);
    engine_network_changed(network->engine, root, loop_now());
}

void network_read_counters(const struct network *network, struct network_counters *counters)
{
    *counters = network->counters;
}
