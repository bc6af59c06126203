/* SPDX-License-Identifier: MIT */
/* Each request has a c-ares channel of its own, made with the servers that the files name at that
 * moment: the uplink's DNS may change between two requests, and one request is forgotten by
 * destroying its channel. c-ares may finish while it is being called, so an answer is kept and told
 * from resolve_dispatch, when nothing of c-ares is on the stack. */
#include "host/resolve.h"

#include <ares.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "host/resolve_inside.h"
#include "host/uplink_dns.h"

#define NAME_BYTES 256
#define TIMEOUT_MS 2000
#define TRIES 3
/* What an answer inside a carrier is given room for: no path of IPv6 fragments it. Only one that
 * would say nothing so comes in fragments. */
#define INSIDE_ANSWER_BYTES 1232
#define EVENTS_MOST 32

struct request {
    struct resolver *resolver; /* NULL: this place is free */
    ares_channel channel;
    struct resolve_sockets *inside; /* the channel uses these; NULL: sockets of the host */
    struct engine *engine;          /* it is asked inside this tunnel; NULL: outside */
    struct tunnel_handle tunnel;
    struct uplink_dns servers;
    bool has_most_room;
    resolve_done done;
    void *context;
    bool is_finished;
    int status; /* of c-ares */
    size_t count;
    struct address addresses[RESOLVE_ADDRESSES_MOST];
    char name[NAME_BYTES];
};

struct resolver {
    int epoll, timer;
    struct resolve_options options;
    struct request requests[RESOLVE_REQUESTS_MOST];
};

int resolve_open(const struct resolve_options *options, struct resolver **made, struct text *why)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (!resolver || status != ARES_SUCCESS) {
        free(resolver);
        text_append(why, "cannot start the resolver: %s", ares_strerror(status));
        return -ENOMEM;
    }
    resolver->options = *options;
    resolver->epoll = epoll_create1(EPOLL_CLOEXEC);
    resolver->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = resolver->timer};
    if (resolver->epoll < 0 || resolver->timer < 0 ||
        epoll_ctl(resolver->epoll, EPOLL_CTL_ADD, resolver->timer, &event) < 0) {
        int error = errno;
        text_append(why, "cannot start the resolver: %s", strerror(error));
        resolve_close(resolver);
        return -error;
    }
    *made = resolver;
    return 0;
}

int resolve_fd(const struct resolver *resolver)
{
    return resolver->epoll;
}

/* The sockets leave the epoll as they are closed. */
static void close_channel(struct request *request)
{
    if (request->channel)
        ares_destroy(request->channel);
    resolve_inside_free(request->inside);
    request->channel = NULL;
    request->inside = NULL;
}

static void release(struct request *request)
{
    close_channel(request);
    memset(request, 0, sizeof(*request));
}

void resolve_close(struct resolver *resolver)
{
    if (!resolver)
        return;
    for (unsigned i = 0; i < RESOLVE_REQUESTS_MOST; i++)
        release(&resolver->requests[i]);
    if (resolver->timer >= 0)
        close(resolver->timer);
    if (resolver->epoll >= 0)
        close(resolver->epoll);
    free(resolver);
    ares_library_cleanup();
}

/* Before the socket is connected: no query leaves without our mark. */
static int mark_socket(ares_socket_t fd, int type, void *data)
{
    const struct request *request = data;
    uint32_t mark = request->resolver->options.mark;
    (void)type;
    if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
        return -1;
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void follow_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    const struct request *request = data;
    int epoll = request->resolver->epoll;
    struct epoll_event event = {
        .events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u),
        .data.fd = fd,
    };
    if (!event.events)
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) < 0)
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static bool take_address(const struct sockaddr *from, struct address *address)
{
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const void *)from;
        *address = address_from_bytes(FAMILY_IPV4, (const void *)&ipv4->sin_addr);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const void *)from;
        *address = address_from_bytes(FAMILY_IPV6, (const void *)&ipv6->sin6_addr);
        return true;
    }
    return false;
}

static void keep_answer(void *data, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct request *request = data;
    (void)timeouts;
    request->is_finished = true;
    request->status = status;
    struct ares_addrinfo_node *node = status == ARES_SUCCESS && answer ? answer->nodes : NULL;
    for (; node && request->count < RESOLVE_ADDRESSES_MOST; node = node->ai_next) {
        struct address address;
        bool is_new = take_address(node->ai_addr, &address);
        for (size_t i = 0; i < request->count && is_new; i++)
            is_new = !address_is_equal(&request->addresses[i], &address);
        if (is_new)
            request->addresses[request->count++] = address;
    }
    if (answer)
        ares_freeaddrinfo(answer);
}

static void set_timer(struct resolver *resolver)
{
    struct timeval next = {.tv_sec = 3600};
    bool has_any = false;
    for (unsigned i = 0; i < RESOLVE_REQUESTS_MOST; i++) {
        struct request *request = &resolver->requests[i];
        struct timeval space;
        if (!request->resolver)
            continue;
        has_any = true;
        if (request->is_finished)
            next = (struct timeval){0};
        else
            next = *ares_timeout(request->channel, &next, &space);
    }
    struct itimerspec time = {
        .it_value = {.tv_sec = next.tv_sec, .tv_nsec = next.tv_usec * 1000},
    };
    if (!has_any)
        time = (struct itimerspec){0};
    else if (next.tv_sec == 0 && next.tv_usec == 0)
        time.it_value.tv_nsec = 1; /* 0 would stop it */
    timerfd_settime(resolver->timer, 0, &time, NULL);
}

static void append_servers(const struct uplink_dns *servers, const char *between, struct text *text)
{
    for (size_t i = 0; i < servers->count; i++) {
        char address[ADDRESS_TEXT_BYTES];
        text_append(text, "%s%s", i ? between : "",
                    address_format(&servers->addresses[i], address));
    }
}

static int open_channel(struct request *request)
{
    const struct resolve_options *options = &request->resolver->options;
    struct ares_options wanted = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = (int)(options->timeout_ms ? options->timeout_ms : TIMEOUT_MS),
        .tries = TRIES,
        .ndots = 1,
        .lookups = (char[]){"fb"},
        .sock_state_cb = follow_socket,
        .sock_state_cb_data = request,
        .resolvconf_path =
            (char *)(options->resolv_conf ? options->resolv_conf : UPLINK_DNS_RESOLV_CONF),
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
    if (request->engine) {
        wanted.flags |= ARES_FLAG_IGNTC | ARES_FLAG_EDNS;
        wanted.ednspsz =
            request->has_most_room ? RESOLVE_INSIDE_ROOM_MOST_BYTES : INSIDE_ANSWER_BYTES;
        mask |= ARES_OPT_EDNSPSZ;
    }
    int status = ares_init_options(&request->channel, &wanted, mask);
    if (status != ARES_SUCCESS) {
        request->channel = NULL;
        return status;
    }
    if (!request->engine)
        ares_set_socket_configure_callback(request->channel, mark_socket, request);
    else if (!(request->inside =
                   resolve_inside_use(request->channel, request->engine, request->tunnel)))
        return ARES_ENOMEM;
    struct text text = TEXT_ROOM(UPLINK_DNS_MOST * ADDRESS_TEXT_BYTES);
    append_servers(&request->servers, ",", &text);
    return ares_set_servers_csv(request->channel, text.bytes);
}

/* ARES_SUCCESS: the answer comes, or has come already. */
static int ask_servers(struct request *request)
{
    int status = open_channel(request);
    if (status != ARES_SUCCESS)
        return status;
    /* Unsorted: sorting would try the addresses with sockets that carry no mark. */
    struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC};
    ares_getaddrinfo(request->channel, request->name, NULL, &hints, keep_answer, request);
    return ARES_SUCCESS;
}

static struct request *free_place(struct resolver *resolver)
{
    for (unsigned i = 0; i < RESOLVE_REQUESTS_MOST; i++)
        if (!resolver->requests[i].resolver)
            return &resolver->requests[i];
    return NULL;
}

static int ask(struct request *request, const struct resolve_inside *inside, struct text *why)
{
    struct uplink_dns *servers = &request->servers;
    if (inside) {
        request->engine = inside->engine;
        request->tunnel = inside->tunnel;
    }
    for (size_t i = 0; inside && i < inside->server_count && servers->count < UPLINK_DNS_MOST; i++)
        servers->addresses[servers->count++] = inside->servers[i];
    const struct resolve_options *options = &request->resolver->options;
    const struct uplink_dns_files files = {.resolv_conf = options->resolv_conf,
                                           .systemd_resolv_conf = options->systemd_resolv_conf};
    int result = inside ? 0 : uplink_dns_find(&files, servers, why);
    if (result < 0)
        return result;
    int status = ask_servers(request);
    if (status == ARES_SUCCESS)
        return 0;
    text_append(why, "cannot look up %s: %s", request->name, ares_strerror(status));
    return -ENOMEM;
}

/* There is no TCP inside a carrier: what was cut to nothing may come in fragments. What the first
 * answers had (of the other family) stays. */
static bool ask_with_most_room(struct request *request)
{
    if (request->has_most_room || !resolve_inside_was_cut_to_nothing(request->inside))
        return false;
    close_channel(request);
    request->has_most_room = true;
    request->is_finished = false;
    return ask_servers(request) == ARES_SUCCESS;
}

int resolve_start_inside(struct resolver *resolver, const struct resolve_inside *inside,
                         const char *name, resolve_done done, void *context, struct text *why)
{
    struct address literal = {0};
    size_t len = strlen(name);
    bool is_literal = len > 0 && address_parse(name, &literal);
    if (len == 0 || len >= NAME_BYTES || (!is_literal && name[strcspn(name, " \t\r\n/@:")])) {
        text_append(why, "\"%.64s\" cannot be a host's name: see Endpoint in the configuration",
                    name);
        return -EINVAL;
    }
    struct request *request = free_place(resolver);
    if (!request) {
        text_append(why, "cannot look up %s: %d names are being looked up already", name,
                    RESOLVE_REQUESTS_MOST);
        return -EBUSY;
    }
    *request = (struct request){.resolver = resolver, .done = done, .context = context};
    memcpy(request->name, name, len + 1);
    int result = 0;
    if (is_literal) { /* c-ares would ask the servers for its name */
        request->addresses[0] = literal;
        request->count = 1;
        request->is_finished = true;
    } else {
        result = ask(request, inside, why);
    }
    if (result < 0)
        release(request);
    set_timer(resolver);
    return result;
}

int resolve_start(struct resolver *resolver, const char *name, resolve_done done, void *context,
                  struct text *why)
{
    return resolve_start_inside(resolver, NULL, name, done, context, why);
}

/* The request is gone before it is told: `done` may start the next one or cancel others. */
static void finish(struct request *request)
{
    struct request told = *request;
    char sentence[NAME_BYTES + 160];
    release(request);
    if (told.count > 0) {
        told.done(told.context, told.addresses, told.count, NULL);
        return;
    }
    int status = told.status == ARES_SUCCESS ? ARES_ENODATA : told.status;
    snprintf(sentence, sizeof(sentence),
             "cannot resolve %s: %s; check the name and the DNS servers", told.name,
             told.has_most_room ? "the servers' answers do not fit into UDP"
                                : ares_strerror(status));
    told.done(told.context, NULL, 0, sentence);
}

void resolve_dispatch(struct resolver *resolver)
{
    struct epoll_event events[EVENTS_MOST];
    int count = epoll_wait(resolver->epoll, events, EVENTS_MOST, 0);
    uint64_t ticks;
    if (read(resolver->timer, &ticks, sizeof(ticks)) < 0)
        ticks = 0;
    for (unsigned r = 0; r < RESOLVE_REQUESTS_MOST; r++) {
        struct request *request = &resolver->requests[r];
        if (!request->resolver || request->is_finished)
            continue;
        /* A descriptor that is not this channel's does nothing there. */
        for (int i = 0; i < count && !request->is_finished; i++) {
            int fd = events[i].data.fd;
            bool is_readable = events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP);
            if (fd != resolver->timer)
                ares_process_fd(request->channel, is_readable ? fd : ARES_SOCKET_BAD,
                                events[i].events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
        }
        if (!request->is_finished)
            ares_process_fd(request->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    for (unsigned r = 0; r < RESOLVE_REQUESTS_MOST; r++)
        if (resolver->requests[r].resolver && resolver->requests[r].is_finished &&
            !ask_with_most_room(&resolver->requests[r]))
            finish(&resolver->requests[r]);
    set_timer(resolver);
}

void resolve_append_servers(const struct resolver *resolver, const void *context, struct text *text)
{
    for (unsigned i = 0; i < RESOLVE_REQUESTS_MOST; i++) {
        const struct request *request = &resolver->requests[i];
        if (request->resolver && request->context == context && !request->is_finished)
            append_servers(&request->servers, ", ", text);
    }
}

void resolve_cancel(struct resolver *resolver, const void *context)
{
    for (unsigned i = 0; i < RESOLVE_REQUESTS_MOST; i++)
        if (resolver->requests[i].resolver && resolver->requests[i].context == context)
            release(&resolver->requests[i]);
    set_timer(resolver);
}
