/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/udp_state.h"

/* A train is up to 64 KiB: four of them fill the cache, and 32 lone datagrams pay for the call. */
#define TRAINS_MOST 4
#define RECEIVE_BUFFER_BYTES (8 << 20) /* 10 ms at 6 Gbit/s: what a busy machine lets us sleep */
#define SEND_BUFFER_BYTES (4 << 20)
#define PORT_ATTEMPTS 100
#define DISCARD_MOST 128

static void set_buffers(int fd)
{
    int receive = RECEIVE_BUFFER_BYTES, send = SEND_BUFFER_BYTES;
    /* Beyond net.core.rmem_max where we may, else up to it. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof(receive)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof(send)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof(send));
}

static int set_options(int fd, enum family family, const struct udp_options *options)
{
    const int on = 1;
    int error;
    if (options->mark &&
        setsockopt(fd, SOL_SOCKET, SO_MARK, &options->mark, sizeof(options->mark)) < 0)
        return -errno;
    if (options->protect && (error = options->protect(options->context, fd)) < 0)
        return error;
    if (family == FAMILY_IPV4) {
        /* One forged frag-needed would make UDP_SEGMENT fail in any other mode (RULES E3). */
        const int omit = IP_PMTUDISC_OMIT;
        if (setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof(omit)) < 0 ||
            setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
            setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) < 0)
            return -errno;
    } else if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
               setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 ||
               setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) < 0) {
        return -errno;
    }
    if (!options->no_gro)
        setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)); /* since Linux 5.0 */
    set_buffers(fd);
    return 0;
}

/* A bound socket, or -errno. *port: wanted (0: any) in, had out. */
static int open_socket(enum family family, const struct udp_options *options, uint16_t *port)
{
    int fd = socket(family == FAMILY_IPV4 ? AF_INET : AF_INET6,
                    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int error = set_options(fd, family, options);
    if (error)
        goto close_fd;
    union udp_name name = {0};
    socklen_t len = family == FAMILY_IPV4 ? sizeof(name.ipv4) : sizeof(name.ipv6);
    name.any.sa_family = family == FAMILY_IPV4 ? AF_INET : AF_INET6;
    name.ipv4.sin_port = htons(*port); /* at the same place in both */
    if (bind(fd, &name.any, len) < 0 || getsockname(fd, &name.any, &len) < 0) {
        error = -errno;
        goto close_fd;
    }
    *port = ntohs(name.ipv4.sin_port);
    return fd;

close_fd:
    close(fd);
    return error;
}

static bool is_missing(int error)
{
    return error == -EAFNOSUPPORT || error == -EPROTONOSUPPORT || error == -EADDRNOTAVAIL;
}

/* Linux before 4.18 passes over the control message: a run would leave as one datagram. */
static bool knows_segments(int fd)
{
    int segment_bytes;
    socklen_t len = sizeof(segment_bytes);
    return getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes, &len) == 0;
}

/* Both sockets on one port, or what the kernel has of them. */
static int open_pair(struct udp *udp)
{
    uint16_t port = udp->options.port;
    int ipv4 = open_socket(FAMILY_IPV4, &udp->options, &port);
    if (ipv4 < 0 && !is_missing(ipv4))
        return ipv4;
    int ipv6 = open_socket(FAMILY_IPV6, &udp->options, &port);
    if (ipv6 < 0 && (!is_missing(ipv6) || ipv4 < 0)) {
        if (ipv4 >= 0)
            close(ipv4);
        return ipv6;
    }
    const int fds[2] = {ipv4 < 0 ? -1 : ipv4, ipv6 < 0 ? -1 : ipv6};
    for (int i = 0; i < 2; i++)
        udp->sockets[i] = (struct udp_socket){fds[i], .no_segments = !knows_segments(fds[i])};
    udp->port = port;
    return 0;
}

static void explain(int error, const struct udp_options *options, struct text *why)
{
    if (error == -EADDRINUSE)
        text_append(why, "UDP port %u is taken by another program: choose another ListenPort",
                    options->port);
    else if (error == -EPERM && options->mark)
        text_append(why, "no right to mark packets (0x%x): CAP_NET_ADMIN is needed", options->mark);
    else
        text_append(why, "no UDP socket on port %u: %s", options->port, strerror(-error));
}

int udp_open(struct udp **out, const struct udp_options *options, struct text *why)
{
    struct udp *udp = calloc(1, sizeof(*udp));
    if (!udp) {
        text_append(why, "no memory for a UDP socket");
        return -ENOMEM;
    }
    udp->options = *options;
    size_t quarter = pool_slots(options->pool) / 4;
    udp->queue_most = quarter < UDP_QUEUE_PACKETS ? quarter : UDP_QUEUE_PACKETS;
    int error = -EADDRINUSE;
    /* A port that the kernel found free for IPv4 may be taken for IPv6 (TRAPS 31). */
    int attempts = options->port ? 1 : PORT_ATTEMPTS;
    while (error == -EADDRINUSE && attempts-- > 0)
        error = open_pair(udp);
    if (error) {
        explain(error, options, why);
        free(udp);
        return error;
    }
    *out = udp;
    return 0;
}

void udp_close(struct udp *udp)
{
    if (!udp)
        return;
    for (size_t i = 0; i < udp->queue_count; i++)
        pool_give_packet(udp->options.pool,
                         udp->queue[(udp->queue_first + i) % UDP_QUEUE_PACKETS].packet);
    for (int i = 0; i < 2; i++)
        if (udp->sockets[i].fd >= 0)
            close(udp->sockets[i].fd);
    free(udp);
}

int udp_fd(const struct udp *udp, enum family family)
{
    return udp->sockets[family == FAMILY_IPV6].fd;
}

uint16_t udp_port(const struct udp *udp)
{
    return udp->port;
}

uint32_t udp_mark(const struct udp *udp)
{
    return udp->options.mark;
}

const struct udp_counters *udp_counters(const struct udp *udp)
{
    return &udp->counters;
}

int udp_set_mark(struct udp *udp, uint32_t mark)
{
    for (int i = 0; i < 2; i++)
        if (udp->sockets[i].fd >= 0 &&
            setsockopt(udp->sockets[i].fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
            return -errno;
    udp->options.mark = mark;
    return 0;
}

void udp_forget(struct udp *udp)
{
    memset(&udp->no_segments, 0, sizeof(udp->no_segments));
    memset(&udp->lost_sources, 0, sizeof(udp->lost_sources));
}

static struct endpoint endpoint_from_name(const union udp_name *name)
{
    struct endpoint endpoint = {0};
    endpoint.port = ntohs(name->ipv4.sin_port);
    if (name->any.sa_family == AF_INET) {
        endpoint.address = address_from_bytes(FAMILY_IPV4, (const uint8_t *)&name->ipv4.sin_addr);
    } else {
        endpoint.address = address_from_bytes(FAMILY_IPV6, name->ipv6.sin6_addr.s6_addr);
        endpoint.scope_id = name->ipv6.sin6_scope_id;
    }
    return endpoint;
}

static void read_control(struct msghdr *header, struct udp_train *train)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
         control = CMSG_NXTHDR(header, control)) {
        const uint8_t *data = CMSG_DATA(control);
        size_t len = control->cmsg_len - CMSG_LEN(0);
        int level = control->cmsg_level, type = control->cmsg_type, value;
        if (level == IPPROTO_IP && type == IP_PKTINFO && len >= sizeof(struct in_pktinfo)) {
            struct in_pktinfo info;
            memcpy(&info, data, sizeof(info));
            train->destination =
                address_from_bytes(FAMILY_IPV4, (const uint8_t *)&info.ipi_spec_dst);
            train->interface = (uint32_t)info.ipi_ifindex;
        } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO &&
                   len >= sizeof(struct in6_pktinfo)) {
            struct in6_pktinfo info;
            memcpy(&info, data, sizeof(info));
            train->destination = address_from_bytes(FAMILY_IPV6, info.ipi6_addr.s6_addr);
            train->interface = info.ipi6_ifindex;
        } else if (level == IPPROTO_IP && type == IP_TOS && len >= 1) {
            train->tos = data[0];
        } else if (len >= sizeof(value)) {
            memcpy(&value, data, sizeof(value));
            if (level == IPPROTO_IPV6 && type == IPV6_TCLASS)
                train->tos = (uint8_t)value;
            else if (level == IPPROTO_UDP && type == UDP_GRO && value > 0 &&
                     (uint32_t)value < train->len_bytes)
                train->segment_bytes = (uint32_t)value;
        }
    }
}

/* The lengths and flags of the last call are the kernel's: all is set anew (TRAPS 33). */
static unsigned prepare(struct udp *udp, unsigned most)
{
    struct udp_receive_room *room = &udp->receive;
    unsigned count = 0;
    while (count < most && (room->blocks[count] = pool_take_block(udp->options.pool))) {
        struct block *block = room->blocks[count];
        room->parts[count] = (struct iovec){block->bytes, block->capacity_bytes};
        room->headers[count].msg_hdr = (struct msghdr){
            .msg_name = &room->names[count],
            .msg_namelen = sizeof(room->names[count]),
            .msg_iov = &room->parts[count],
            .msg_iovlen = 1,
            .msg_control = &room->controls[count],
            .msg_controllen = sizeof(room->controls[count]),
        };
        count++;
    }
    return count;
}

int udp_receive(struct udp *udp, enum family family, struct udp_train trains[UDP_RECEIVE_MOST],
                bool *has_more)
{
    struct udp_socket *socket = udp_socket_of(udp, family);
    struct udp_receive_room *room = &udp->receive;
    unsigned most = prepare(udp, socket->has_trains ? TRAINS_MOST : UDP_RECEIVE_MOST);
    *has_more = false;
    if (most == 0)
        return -ENOBUFS;
    int received;
    do
        received = recvmmsg(socket->fd, room->headers, most, MSG_DONTWAIT, NULL);
    while (received < 0 && errno == EINTR);
    int error = received < 0 ? -errno : 0;
    unsigned count = received < 0 ? 0 : (unsigned)received, kept = 0;
    for (unsigned i = most; i > count; i--) /* the last taken goes back first */
        pool_give_block(udp->options.pool, room->blocks[i - 1]);
    if (error)
        return error;
    udp->counters.receive_calls++;
    *has_more = count == most;
    socket->has_trains = false;
    for (unsigned i = 0; i < count; i++) {
        struct msghdr *header = &room->headers[i].msg_hdr;
        if (header->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
            pool_give_block(udp->options.pool, room->blocks[i]);
            udp->counters.truncated++;
            udp_count_drop(udp, VERDICT_MALFORMED, 1);
            continue;
        }
        struct udp_train *train = &trains[kept++];
        *train = (struct udp_train){.block = room->blocks[i],
                                    .len_bytes = room->headers[i].msg_len,
                                    .source = endpoint_from_name(&room->names[i])};
        read_control(header, train);
        const struct endpoint own = {.address = train->destination};
        udp_refusals_forget(&udp->lost_sources, &own); /* spoken to, it is there again */
        udp->counters.received_bytes += train->len_bytes;
        if (train->segment_bytes)
            socket->has_trains = true;
    }
    udp->counters.received_trains += kept;
    return (int)kept;
}

void udp_discard(struct udp *udp, enum family family)
{
    int fd = udp_socket_of(udp, family)->fd;
    uint64_t discarded = 0;
    while (discarded < DISCARD_MOST && recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) >= 0)
        discarded++;
    if (discarded)
        udp_count_drop(udp, VERDICT_POOL_EMPTY, discarded);
}
