/* SPDX-License-Identifier: MIT */
/* Theory: consecutive datagrams with one path, one TOS and one length are a run: one message whose
 * segments the kernel cuts late or leaves to the device; up to 64 messages share a system call.
 * sendmmsg tells an error only for its first message, so each error is about a known run: it is
 * remembered (RULES E5) and the batch built again from there, which now comes out otherwise.
 * Nothing is given back to the pool before the kernel has it or it is counted as dropped. */
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>

#include "io/udp_state.h"

#define LOST_SOURCE_NS (10 * NS_PER_S) /* until the engine has learned the new one */
#define NO_MEMORY_NS NS_PER_S           /* for a run, which needs more in one piece than a packet */
#define LOG_INTERVAL_NS (5 * NS_PER_S)
#define IPV4_PAYLOAD_MOST_BYTES 65507
#define IPV6_PAYLOAD_MOST_BYTES 65527

enum outcome {
    OUTCOME_SENT,    /* the run left after all */
    OUTCOME_DROPPED, /* it cannot be sent */
    OUTCOME_AGAIN,   /* something was learned: build the batch again */
    OUTCOME_BLOCKED, /* no room: it waits */
};

static bool is_same_path(const struct udp_path *a, const struct udp_path *b)
{
    return a == b || (endpoint_is_equal(&a->destination, &b->destination) &&
                      address_is_equal(&a->source, &b->source));
}

static enum family send_family(const struct udp_send *send)
{
    return (enum family)send->path->destination.address.family;
}

/* How many of the sends go as one message. */
static size_t run_length(struct udp *udp, const struct udp_send *sends, size_t count,
                         instant_ns now)
{
    const struct packet *first = sends[0].packet;
    enum family family = send_family(&sends[0]);
    size_t room = family == FAMILY_IPV4 ? IPV4_PAYLOAD_MOST_BYTES : IPV6_PAYLOAD_MOST_BYTES;
    size_t total = first->len_bytes, length = 1;
    if (count == 1 || total == 0 || udp->options.no_gso || udp_socket_of(udp, family)->no_segments)
        return 1;
    if (count > UDP_SEGMENTS_MOST)
        count = UDP_SEGMENTS_MOST;
    while (length < count) {
        const struct packet *packet = sends[length].packet;
        total += packet->len_bytes;
        if (packet->len_bytes > first->len_bytes || packet->len_bytes == 0 || total > room ||
            packet->tos != first->tos || !is_same_path(sends[length].path, sends[0].path))
            break;
        length++;
        if (packet->len_bytes < first->len_bytes)
            break; /* the kernel cuts equal pieces: only the last may be shorter */
    }
    if (length > 1 && udp_refusals_has(&udp->no_segments, &sends[0].path->destination, now))
        return 1;
    return length;
}

static struct endpoint source_key(const struct udp_path *path)
{
    return (struct endpoint){.address = path->source};
}

static bool has_source(const struct udp *udp, const struct udp_path *path, instant_ns now)
{
    if (path->source.family != path->destination.address.family)
        return false;
    struct endpoint key = source_key(path);
    return !udp_refusals_has(&udp->lost_sources, &key, now);
}

static void put_control(struct msghdr *header, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *control =
        (struct cmsghdr *)((uint8_t *)header->msg_control + header->msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(control), data, len);
    header->msg_controllen += CMSG_SPACE(len);
}

/* Only the address: bound to the interface of long ago, a datagram could not follow its route. A
 * link-local address means nothing without its interface. */
static void put_source(struct msghdr *header, const struct udp_path *path)
{
    if (path->source.family == FAMILY_IPV4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, path->source.bytes, 4);
        put_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    } else {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, path->source.bytes, 16);
        if (address_is_link_local(&path->source))
            info.ipi6_ifindex = path->source_interface;
        put_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    }
}

static socklen_t put_name(union udp_name *name, const struct endpoint *destination)
{
    if (destination->address.family == FAMILY_IPV4) {
        name->ipv4 =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(destination->port)};
        memcpy(&name->ipv4.sin_addr, destination->address.bytes, 4);
        return sizeof(name->ipv4);
    }
    name->ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                       .sin6_port = htons(destination->port),
                                       .sin6_scope_id = destination->scope_id};
    memcpy(&name->ipv6.sin6_addr, destination->address.bytes, 16);
    return sizeof(name->ipv6);
}

/* Message `index` of the room: the run's first `count` sends, their bytes at `parts`. */
static void build_message(struct udp_send_room *room, size_t index, struct iovec *parts,
                          const struct udp_send *sends, size_t count, bool with_source)
{
    const struct udp_path *path = sends[0].path;
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct iovec){sends[i].packet->data, sends[i].packet->len_bytes};
    struct msghdr *header = &room->headers[index].msg_hdr;
    *header = (struct msghdr){
        .msg_name = &room->names[index],
        .msg_namelen = put_name(&room->names[index], &path->destination),
        .msg_iov = parts,
        .msg_iovlen = count,
        .msg_control = &room->controls[index],
    };
    if (with_source)
        put_source(header, path);
    const int tos = sends[0].packet->tos;
    if (tos && path->destination.address.family == FAMILY_IPV4)
        put_control(header, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
    else if (tos)
        put_control(header, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
    if (count > 1) {
        const uint16_t segment_bytes = (uint16_t)sends[0].packet->len_bytes;
        put_control(header, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes, sizeof(segment_bytes));
    }
    if (header->msg_controllen == 0)
        header->msg_control = NULL;
}

/* As many runs of the first send's family as the room holds. Returns the messages; runs[] their
 * sends. */
static size_t build_batch(struct udp *udp, const struct udp_send *sends, size_t count,
                          uint8_t runs[UDP_MESSAGES_MOST], instant_ns now)
{
    enum family family = send_family(&sends[0]);
    size_t messages = 0, taken = 0;
    while (taken < count && messages < UDP_MESSAGES_MOST &&
           taken + UDP_SEGMENTS_MOST <= UDP_PARTS_MOST && send_family(&sends[taken]) == family) {
        size_t run = run_length(udp, sends + taken, count - taken, now);
        build_message(&udp->send, messages, udp->send.parts + taken, sends + taken, run,
                      has_source(udp, sends[taken].path, now));
        runs[messages++] = (uint8_t)run;
        taken += run;
    }
    return messages;
}

static void count_sent(struct udp *udp, const struct udp_send *sends, size_t count)
{
    udp->counters.sent_messages++;
    udp->counters.sent_packets += count;
    for (size_t i = 0; i < count; i++) {
        udp->counters.sent_bytes += sends[i].packet->len_bytes;
        pool_give_packet(udp->options.pool, sends[i].packet);
    }
}

static void drop(struct udp *udp, const struct udp_send *sends, size_t count, enum verdict verdict)
{
    for (size_t i = 0; i < count; i++)
        pool_give_packet(udp->options.pool, sends[i].packet);
    udp_count_drop(udp, verdict, count);
}

static void log_error(struct udp *udp, const struct udp_send *send, int error, instant_ns now)
{
    if (udp->last_log && now < udp->last_log + LOG_INTERVAL_NS)
        return;
    udp->last_log = now;
    char to[ENDPOINT_TEXT_BYTES], line[160];
    snprintf(line, sizeof(line), "%u bytes to %s cannot be sent: %s", send->packet->len_bytes,
             endpoint_format(&send->path->destination, to), strerror(error));
    log_sink_say(&udp->options.log, LOG_LEVEL_WARNING, line);
}

static bool is_without_memory(int error)
{
    return error == ENOBUFS || error == ENOMEM;
}

static bool may_be_the_source(int error)
{
    return error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH ||
           error == EHOSTUNREACH || error == ENODEV;
}

/* The run's message, which failed with `error`: what to do. */
static enum outcome recover(struct udp *udp, const struct udp_send *sends, size_t count, int error,
                            instant_ns now)
{
    const struct udp_path *path = sends[0].path;
    struct udp_socket *socket = udp_socket_of(udp, send_family(&sends[0]));
    if (error == EAGAIN || (count == 1 && is_without_memory(error)))
        return OUTCOME_BLOCKED;
    if (may_be_the_source(error) && has_source(udp, path, now)) {
        /* Tried at once: that it works without is the only proof that the source was to blame. */
        build_message(&udp->send, 0, udp->send.parts, sends, count, false);
        ssize_t sent = sendmsg(socket->fd, &udp->send.headers[0].msg_hdr, MSG_DONTWAIT);
        if (sent >= 0) {
            struct endpoint key = source_key(path);
            udp_refusals_add(&udp->lost_sources, &key, instant_add(now, LOST_SOURCE_NS));
            udp->counters.lost_sources++;
            return OUTCOME_SENT;
        }
        if (errno == EAGAIN || is_without_memory(errno))
            return OUTCOME_BLOCKED;
    }
    if (count > 1 && error == EIO) {
        socket->no_segments = true;
        udp->counters.unsegmented++;
        return OUTCOME_AGAIN;
    }
    if (count > 1 && (error == EMSGSIZE || error == EINVAL || is_without_memory(error))) {
        duration_ns pause = is_without_memory(error) ? NO_MEMORY_NS : UDP_NO_SEGMENTS_NS;
        udp_refusals_add(&udp->no_segments, &path->destination, instant_add(now, pause));
        udp->counters.unsegmented++;
        return OUTCOME_AGAIN;
    }
    log_error(udp, &sends[0], error, now);
    return OUTCOME_DROPPED;
}

/* Sends in order; returns how many were taken care of: fewer than `count` when the socket is full.
 */
static size_t send_until_full(struct udp *udp, const struct udp_send *sends, size_t count,
                              instant_ns now)
{
    uint8_t runs[UDP_MESSAGES_MOST];
    size_t done = 0;
    while (done < count) {
        int fd = udp_socket_of(udp, send_family(&sends[done]))->fd;
        if (fd < 0) {
            drop(udp, &sends[done++], 1, VERDICT_SOCKET_ERROR);
            continue;
        }
        size_t messages = build_batch(udp, sends + done, count - done, runs, now);
        int sent = sendmmsg(fd, udp->send.headers, (unsigned)messages, MSG_DONTWAIT);
        udp->counters.send_calls++;
        for (int i = 0; i < sent; i++) {
            count_sent(udp, sends + done, runs[i]);
            done += runs[i];
        }
        if (sent >= 0 || errno == EINTR)
            continue;
        switch (recover(udp, sends + done, runs[0], errno, now)) {
        case OUTCOME_BLOCKED:
            return done;
        case OUTCOME_AGAIN:
            break;
        case OUTCOME_SENT:
            count_sent(udp, sends + done, runs[0]);
            done += runs[0];
            break;
        case OUTCOME_DROPPED:
            drop(udp, sends + done, runs[0], VERDICT_SOCKET_ERROR);
            done += runs[0];
            break;
        }
    }
    return done;
}

static void queue(struct udp *udp, const struct udp_send *sends, size_t count)
{
    size_t room = udp->queue_most - udp->queue_count;
    size_t kept = count < room ? count : room;
    for (size_t i = 0; i < kept; i++) {
        size_t at = (udp->queue_first + udp->queue_count++) % UDP_QUEUE_PACKETS;
        udp->queue[at] = (struct udp_waiting){sends[i].packet, *sends[i].path};
    }
    udp->counters.queued_packets += kept;
    if (kept < count)
        drop(udp, sends + kept, count - kept, VERDICT_SOCKET_FULL);
}

void udp_send(struct udp *udp, const struct udp_send *sends, size_t count, instant_ns now)
{
    /* What already waits goes first. */
    size_t sent = udp->queue_count > 0 ? 0 : send_until_full(udp, sends, count, now);
    if (sent < count)
        queue(udp, sends + sent, count - sent);
}

enum family udp_waits_for(const struct udp *udp)
{
    if (udp->queue_count == 0)
        return FAMILY_NONE;
    return (enum family)udp->queue[udp->queue_first].path.destination.address.family;
}

bool udp_resume(struct udp *udp, instant_ns now)
{
    struct udp_send sends[UDP_PARTS_MOST];
    size_t count, sent, before = udp->queue_count;
    do {
        for (count = 0; count < udp->queue_count && count < UDP_PARTS_MOST; count++) {
            struct udp_waiting *waiting =
                &udp->queue[(udp->queue_first + count) % UDP_QUEUE_PACKETS];
            sends[count] = (struct udp_send){waiting->packet, &waiting->path};
        }
        sent = send_until_full(udp, sends, count, now);
        udp->queue_first = (udp->queue_first + sent) % UDP_QUEUE_PACKETS;
        udp->queue_count -= sent;
    } while (sent == count && udp->queue_count > 0);
    return udp->queue_count < before;
}
