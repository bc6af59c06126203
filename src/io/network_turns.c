/* SPDX-License-Identifier: MIT */
/* Theory: descriptors only say that they are ready; the work is done at the end of the round, one
 * turn a source, so that none starves another (RULES H2). A turn ends with a flush: what it read
 * leaves before anything else is read, and no timer holds a packet. Held runs leave when a poll
 * found nothing at the sockets (RULES H4): after a turn that received, the next round does not
 * wait. */
#include "io/network_state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define TURN_PACKETS 128          /* RULES H2 */
#define REST_NS (100 * NS_PER_MS) /* after an error that a retry at once would only repeat */
#define LOG_INTERVAL_NS (5 * NS_PER_S)

static void log_error(struct network *network, const char *what, int error)
{
    instant_ns now = loop_now();
    if (network->last_log && now < network->last_log + LOG_INTERVAL_NS)
        return;
    network->last_log = now;
    char line[160];
    snprintf(line, sizeof(line), "%s: %s", what, strerror(-error));
    network_log(network, LOG_LEVEL_WARNING, line);
}

static void watch_socket(struct socket_source *socket)
{
    if (socket->is_resting || socket->source.fd < 0)
        return;
    uint32_t events = EPOLLIN;
    if (udp_waits_for(socket->root->udp) == socket->family)
        events |= EPOLLOUT;
    int error = loop_modify(socket->root->network->options.loop, &socket->source, events);
    if (error)
        log_error(socket->root->network, "a UDP socket cannot be watched", error);
}

/* Nobody's packets: the first root's counters take them. */
static void count_tun_error(struct network *network, uint64_t packets)
{
    network->counters.tun_errors++;
    engine_count(network->engine, (uint32_t)engine_first_root(network->engine), VERDICT_TUN_ERROR,
                 packets);
}

static void write_frame(struct network *network, const struct tun_frame *frame)
{
    int error = tun_write(network->options.tun, frame);
    struct packet_queue packets = {.first = frame->first, .count = frame->packets};
    pool_give_queue(network->pool, &packets);
    if (!error)
        return;
    count_tun_error(network, frame->packets);
    if (error == -EBADFD)
        network->is_gone = true;
    else if (error != -EIO) /* the link is down: every packet would say so */
        log_error(network, "a packet cannot be written to the interface", error);
}

static void perform(struct network *network, instant_ns now)
{
    struct actions *actions = &network->actions;
    for (size_t done = 0, end; done < actions->send_count; done = end) {
        uint32_t index = actions->sends[done].path->root;
        for (end = done + 1; end < actions->send_count; end++)
            if (actions->sends[end].path->root != index)
                break;
        assert(index < network->tunnel_count && network->roots[index]);
        struct root *root = network->roots[index];
        udp_send(root->udp, actions->sends + done, end - done, now);
        watch_socket(&root->sockets[0]);
        watch_socket(&root->sockets[1]);
    }
    for (size_t i = 0; i < actions->write_count; i++)
        write_frame(network, &actions->writes[i]);
    actions->send_count = 0;
    actions->write_count = 0;
    actions->reply_path_count = 0;
}

/* Before each door: it may add as much as ACTIONS_PER_DOOR. */
static struct actions *make_room(struct network *network, instant_ns now)
{
    if (!actions_have_room(&network->actions))
        perform(network, now);
    return &network->actions;
}

static void end_turn(struct network *network, instant_ns now, uint64_t wall_ns)
{
    engine_flush(network->engine, now, wall_ns, make_room(network, now));
    perform(network, now);
    network->counters.turns++;
}

static void idle(struct network *network, instant_ns now)
{
    engine_idle(network->engine, make_room(network, now));
    perform(network, now);
    network->may_hold = false;
    network->counters.idles++;
}

static void rest(struct network *network, struct loop_source *source, bool *is_resting)
{
    if (!*is_resting)
        loop_remove(network->options.loop, source);
    *is_resting = true;
    loop_set_timer(&network->wake, instant_add(loop_now(), REST_NS));
}

/* False: there is none. */
static bool read_queue(struct network *network, unsigned index)
{
    struct tun_source *queue = &network->tun_sources[index];
    ssize_t len;
    do
        len = tun_read(network->options.tun, index, &network->tun_vnet, network->tun_bytes,
                       sizeof(network->tun_bytes));
    while (len == -EINTR);
    if (len >= 0) {
        network->tun_len = (size_t)len;
        return true;
    }
    queue->is_ready = false;
    if (len == -EAGAIN)
        return false;
    count_tun_error(network, 1);
    if (len == -EBADFD) { /* and nothing else ends the network (RULES H5) */
        network->is_gone = true;
    } else {
        log_error(network, "a packet cannot be read from the interface", (int)len);
        rest(network, &queue->source, &queue->is_resting);
    }
    return false;
}

/* One from each queue in turn: a super-packet counts as a packet, so a flood of small ones gets the
 * least. False: there is none. */
static bool read_tun(struct network *network)
{
    unsigned count = network->options.tun->queue_count;
    for (unsigned tried = 0; tried < count; tried++) {
        unsigned index = network->next_queue;
        network->next_queue = (index + 1) % count;
        if (network->tun_sources[index].is_ready && read_queue(network, index))
            return true;
    }
    return false;
}

static bool tun_is_ready(const struct network *network)
{
    bool is_ready = false;
    for (unsigned i = 0; i < network->options.tun->queue_count; i++)
        is_ready = is_ready || network->tun_sources[i].is_ready;
    return is_ready;
}

static size_t pieces(size_t len, size_t piece_bytes)
{
    return piece_bytes ? (len + piece_bytes - 1) / piece_bytes : 1;
}

static void take_tun_turn(struct network *network)
{
    instant_ns now = loop_now();
    size_t packets = 0;
    while (packets < TURN_PACKETS) {
        if (!network->is_unfinished) {
            if (!read_tun(network))
                break;
            const struct vnet_header *vnet = &network->tun_vnet;
            packets += pieces(network->tun_len, vnet->gso_type ? vnet->gso_size : 0);
        }
        network->is_unfinished =
            !engine_from_tun(network->engine, &network->tun_vnet, network->tun_bytes,
                             network->tun_len, now, make_room(network, now));
        if (network->is_unfinished)
            break; /* the batch is full: on in the next turn */
    }
    for (unsigned i = 0; i < network->options.tun->queue_count; i++)
        network->tun_sources[i].is_ready = false; /* epoll knows it better */
    network->counters.tun_packets += packets;
    end_turn(network, now, loop_wall_ns());
}

/* More trains into the socket's array; false: there are none. */
static bool receive_trains(struct socket_source *socket, bool *has_more, instant_ns now)
{
    struct network *network = socket->root->network;
    struct udp *udp = socket->root->udp;
    int count = udp_receive(udp, socket->family, socket->trains, has_more);
    if (count == -ENOBUFS) {
        /* Held runs may have all the blocks. If not they, then somebody who will not give them back
         * before more is read: what waits is lost, or the poll would never be empty again. */
        engine_flush(network->engine, now, loop_wall_ns(), make_room(network, now));
        idle(network, now);
        count = udp_receive(udp, socket->family, socket->trains, has_more);
        if (count == -ENOBUFS) {
            udp_discard(udp, socket->family);
            return false;
        }
    }
    if (count < 0 && count != -EAGAIN) {
        log_error(network, "nothing can be received from a UDP socket", count);
        rest(network, &socket->source, &socket->is_resting);
    }
    socket->next_train = 0;
    socket->train_count = count < 0 ? 0 : (unsigned)count;
    return count > 0;
}

static bool has_trains(const struct socket_source *socket)
{
    return socket->next_train < socket->train_count;
}

static void take_udp_turn(struct socket_source *socket)
{
    struct network *network = socket->root->network;
    instant_ns now = loop_now();
    size_t packets = 0;
    bool has_more = socket->is_ready;
    while (packets < TURN_PACKETS) {
        /* A receive that came back short is not repeated: epoll knows it better. */
        if (!has_trains(socket) && (!has_more || !receive_trains(socket, &has_more, now)))
            break;
        const struct udp_train *train = &socket->trains[socket->next_train++];
        packets += pieces(train->len_bytes, train->segment_bytes);
        engine_from_udp(network->engine, socket->root->tunnel, train, now,
                        make_room(network, now));
    }
    if (packets == 0)
        return;
    network->has_received = true;
    network->may_hold = true;
    network->counters.udp_packets += packets;
    end_turn(network, now, loop_wall_ns());
}

static bool take_root_turns(struct root *root)
{
    bool is_busy = false;
    for (int i = 0; i < 2; i++) {
        struct socket_source *socket = &root->sockets[i];
        if (socket->is_ready || has_trains(socket))
            take_udp_turn(socket);
        socket->is_ready = false;
        is_busy = is_busy || has_trains(socket);
    }
    return is_busy;
}

bool network_turns_end_round(void *context)
{
    struct network *network = context;
    bool is_busy = false;
    network->has_received = false;
    for (size_t i = 0; i < network->tunnel_count; i++)
        if (network->roots[i])
            is_busy = take_root_turns(network->roots[i]) || is_busy;
    if (network->is_unfinished || tun_is_ready(network))
        take_tun_turn(network);
    if (network->may_hold && !network->has_received)
        idle(network, loop_now());
    if (network->is_gone) {
        network_leave_loop(network);
        if (network->options.ended)
            network->options.ended(network->options.context); /* which may free the network */
        return false;
    }
    loop_set_timer(&network->tick, engine_deadline(network->engine));
    return is_busy || network->is_unfinished || network->may_hold;
}

void network_turns_tun_ready(void *context, uint32_t events)
{
    struct tun_source *queue = context;
    (void)events; /* an error is told by the read */
    queue->is_ready = true;
}

void network_turns_socket_ready(void *context, uint32_t events)
{
    struct socket_source *socket = context;
    if (events & EPOLLOUT) {
        struct root *root = socket->root;
        if (!udp_resume(root->udp, loop_now()) && udp_waits_for(root->udp) == socket->family)
            rest(root->network, &socket->source, &socket->is_resting);
        watch_socket(&root->sockets[0]);
        watch_socket(&root->sockets[1]);
    }
    if (events & ~(uint32_t)EPOLLOUT)
        socket->is_ready = true;
}

void network_turns_tick(void *context, instant_ns now)
{
    struct network *network = context;
    engine_tick(network->engine, now, loop_wall_ns(), make_room(network, now));
    perform(network, now);
    network->counters.ticks++;
}

/* The kernel may refuse to watch it, for want of memory: then it rests again. */
static void end_rest(struct network *network, struct loop_source *source, bool *is_resting)
{
    if (*is_resting && loop_add(network->options.loop, source) == 0)
        *is_resting = false;
    if (*is_resting)
        rest(network, source, is_resting);
}

void network_turns_wake(void *context, instant_ns now)
{
    struct network *network = context;
    (void)now;
    for (unsigned i = 0; i < network->options.tun->queue_count; i++) {
        struct tun_source *queue = &network->tun_sources[i];
        end_rest(network, &queue->source, &queue->is_resting);
    }
    for (size_t i = 0; i < network->tunnel_count; i++)
        for (int j = 0; network->roots[i] && j < 2; j++) {
            struct socket_source *socket = &network->roots[i]->sockets[j];
            end_rest(network, &socket->source, &socket->is_resting);
            watch_socket(socket); /* datagrams may have begun to wait for it meanwhile */
        }
}
