/* SPDX-License-Identifier: MIT */
#include "host/resolve_inside.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "engine/own_socket.h"

#define SOCKETS_MOST 8
#define DATAGRAM_MOST_BYTES RESOLVE_INSIDE_ROOM_MOST_BYTES
#define WAITING_MOST 4

struct waiting {
    struct endpoint source;
    size_t len;
    uint8_t bytes[DATAGRAM_MOST_BYTES];
};

struct inside_socket {
    int fd;     /* an eventfd; -1: this place is free */
    int number; /* the engine's */
    struct endpoint to;
    size_t first, count;
    struct waiting waiting[WAITING_MOST];
};

struct resolve_sockets {
    struct own_sockets *own;
    struct tunnel_handle tunnel;
    bool was_cut_to_nothing;
    struct inside_socket items[SOCKETS_MOST];
};

/* Called by the engine: keeps a copy, and lets the loop know. What is more than was asked for is
 * dropped. */
static void keep(void *context, const struct endpoint *source, const uint8_t *bytes, size_t len)
{
    struct inside_socket *socket = context;
    if (len == 0 || len > DATAGRAM_MOST_BYTES || socket->count == WAITING_MOST)
        return;
    struct waiting *waiting = &socket->waiting[(socket->first + socket->count++) % WAITING_MOST];
    waiting->source = *source;
    waiting->len = len;
    memcpy(waiting->bytes, bytes, len);
    eventfd_write(socket->fd, 1);
}

static struct inside_socket *find(struct resolve_sockets *sockets, int fd)
{
    for (unsigned i = 0; i < SOCKETS_MOST; i++) {
        if (sockets->items[i].fd == fd)
            return &sockets->items[i];
    }
    return NULL;
}

static ares_socket_t open_socket(int family, int type, int protocol, void *context)
{
    struct resolve_sockets *sockets = context;
    struct inside_socket *socket = find(sockets, -1);
    (void)family;
    (void)protocol;
    if (type != SOCK_DGRAM || !socket) {
        errno = type == SOCK_DGRAM ? EMFILE : EPROTONOSUPPORT;
        return ARES_SOCKET_BAD;
    }
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int number = fd < 0 ? -1 : own_socket_open(sockets->own, sockets->tunnel, keep, socket);
    if (number < 0) {
        if (fd >= 0)
            close(fd);
        errno = EMFILE;
        return ARES_SOCKET_BAD;
    }
    *socket = (struct inside_socket){.fd = fd, .number = number};
    return fd;
}

static int close_socket(ares_socket_t fd, void *context)
{
    struct resolve_sockets *sockets = context;
    struct inside_socket *socket = find(sockets, fd);
    if (!socket)
        return 0;
    own_socket_close(sockets->own, socket->number);
    socket->fd = -1;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len,
                          void *context)
{
    struct inside_socket *socket = find(context, fd);
    const struct sockaddr_in *ipv4 = (const void *)to;
    const struct sockaddr_in6 *ipv6 = (const void *)to;
    (void)len;
    bool is_ipv4 = to->sa_family == AF_INET;
    socket->to.address = is_ipv4
                             ? address_from_bytes(FAMILY_IPV4, (const void *)&ipv4->sin_addr)
                             : address_from_bytes(FAMILY_IPV6, (const void *)&ipv6->sin6_addr);
    socket->to.port = ntohs(is_ipv4 ? ipv4->sin_port : ipv6->sin6_port);
    return 0;
}

static void write_source(const struct endpoint *source, struct sockaddr *to, ares_socklen_t *len)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(source->port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(source->port)};
    bool is_ipv4 = source->address.family == FAMILY_IPV4;
    memcpy(&ipv4.sin_addr, source->address.bytes, sizeof(ipv4.sin_addr));
    memcpy(&ipv6.sin6_addr, source->address.bytes, sizeof(ipv6.sin6_addr));
    size_t size = is_ipv4 ? sizeof(ipv4) : sizeof(ipv6);
    if (*len < size)
        size = *len;
    memcpy(to, is_ipv4 ? (const void *)&ipv4 : (const void *)&ipv6, size);
    *len = (ares_socklen_t)size;
}

/* RFC 1035 4.1.1: TC, and ANCOUNT is 0. */
static bool is_cut_to_nothing(const uint8_t *answer, size_t len)
{
    return len >= 12 && (answer[2] & 0x02) && load_be16(answer + 6) == 0;
}

static ares_ssize_t receive_datagram(ares_socket_t fd, void *bytes, size_t capacity, int flags,
                                     struct sockaddr *from, ares_socklen_t *from_len, void *context)
{
    struct resolve_sockets *sockets = context;
    struct inside_socket *socket = find(sockets, fd);
    eventfd_t ignored;
    (void)flags;
    if (socket->count == 0) {
        eventfd_read(fd, &ignored);
        errno = EAGAIN;
        return -1;
    }
    const struct waiting *waiting = &socket->waiting[socket->first];
    size_t len = waiting->len < capacity ? waiting->len : capacity;
    memcpy(bytes, waiting->bytes, len);
    sockets->was_cut_to_nothing |= is_cut_to_nothing(waiting->bytes, waiting->len);
    if (from)
        write_source(&waiting->source, from, from_len);
    socket->first = (socket->first + 1) % WAITING_MOST;
    socket->count--;
    return (ares_ssize_t)len;
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int count,
                               void *context)
{
    struct resolve_sockets *sockets = context;
    struct inside_socket *socket = find(sockets, fd);
    uint8_t bytes[DATAGRAM_MOST_BYTES];
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > sizeof(bytes) - len) {
            errno = EMSGSIZE;
            return -1;
        }
        memcpy(bytes + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    if (own_socket_send(sockets->own, socket->number, &socket->to, bytes, len) != VERDICT_OK) {
        errno = ENETUNREACH;
        return -1;
    }
    return (ares_ssize_t)len;
}

struct resolve_sockets *resolve_inside_use(ares_channel channel, struct engine *engine,
                                           struct tunnel_handle tunnel)
{
    static const struct ares_socket_functions functions = {.asocket = open_socket,
                                                           .aclose = close_socket,
                                                           .aconnect = connect_socket,
                                                           .arecvfrom = receive_datagram,
                                                           .asendv = send_parts};
    struct resolve_sockets *sockets = calloc(1, sizeof(*sockets));
    if (!sockets)
        return NULL;
    sockets->own = engine_own_sockets(engine);
    sockets->tunnel = tunnel;
    for (unsigned i = 0; i < SOCKETS_MOST; i++)
        sockets->items[i].fd = -1;
    ares_set_socket_functions(channel, &functions, sockets);
    return sockets;
}

bool resolve_inside_was_cut_to_nothing(const struct resolve_sockets *sockets)
{
    return sockets && sockets->was_cut_to_nothing;
}

void resolve_inside_free(struct resolve_sockets *sockets)
{
    for (unsigned i = 0; sockets && i < SOCKETS_MOST; i++) {
        if (sockets->items[i].fd >= 0)
            close_socket(sockets->items[i].fd, sockets);
    }
    free(sockets);
}
