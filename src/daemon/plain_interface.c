/* SPDX-License-Identifier: MIT */
#include "daemon/plain_interface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/obstacles.h"
#include "daemon/root_ways.h"
#include "daemon/signals.h"
#include "daemon/uapi.h"
#include "host/directory.h"
#include "host/link.h"
#include "host/tun_place.h"
#include "host/watch.h"
#include "io/io_memory.h"
#include "io/network.h"

#define WHY_BYTES 1024
#define MTU_BYTES 1420 /* what is over 1500 bytes of IPv6 leaves, as everywhere */
#define LOG_NS (1 * NS_PER_S)
#define WAYS_NS (1 * NS_PER_S) /* a routing program changes thousands at once */

struct plain_interface {
    const struct plain_interface_options *options;
    struct log log;
    struct netlink netlink;
    struct watch watch;
    struct tun tun;
    struct tun_place place;
    struct loop *loop;
    struct io_memory *memory;
    struct aead *aead;
    struct network *network;
    struct uapi *uapi;
    struct link link; /* as it was when we looked last */
    bool has_event;   /* of some interface */
    bool has_way;     /* a route or a rule came or went */
    instant_ns looked; /* at the ways, last */
    struct loop_source watch_source, signal_source, file_source;
    struct loop_timer log_timer, way_timer;
    char reason[WHY_BYTES];
    struct text why;
};

static void log_event(void *context, enum log_level level, const char *line)
{
    struct plain_interface *plain = context;
    if (plain->options->is_silent || level > plain->options->least)
        return;
    log_line(&plain->log, level, line);
    loop_set_timer(&plain->log_timer, instant_add(loop_now(), LOG_NS));
}

static void end(struct plain_interface *plain, const char *cause)
{
    log_event(plain, LOG_LEVEL_NOTICE, cause);
    loop_stop(plain->loop);
}

/* ---- while it runs ---- */

/* The administrator sets it up and down and gives it its MTU, wherever he has moved it. */
static void follow_link(struct plain_interface *plain)
{
    struct engine *engine = network_engine(plain->network);
    char line[128];
    struct text why = TEXT_ROOM(256);
    struct link link;
    if (tun_place_link(&plain->place, &plain->netlink, plain->tun.fds[0], &link, &why) != 0) {
        log_event(plain, LOG_LEVEL_INFO, why.bytes); /* on its way, or gone: the TUN tells */
        return;
    }
    engine_set_root_mtu(engine, 0, link.mtu_bytes);
    engine_set_up(engine, link.is_up, loop_now());
    if (link.is_up == plain->link.is_up && link.mtu_bytes == plain->link.mtu_bytes)
        return;
    plain->link = link;
    snprintf(line, sizeof(line), "the interface %s is %s, its MTU %u", link.name,
             link.is_up ? "up" : "down", link.mtu_bytes);
    log_event(plain, LOG_LEVEL_INFO, line);
}

/* As the kernel's own WireGuard does: where a peer was spoken to is where it is answered from, as
 * long as the way to it leads there. */
static void look_at_ways(void *context, instant_ns now)
{
    struct plain_interface *plain = context;
    plain->looked = now;
    root_ways_check_sources(&plain->netlink, network_engine(plain->network), 0,
                            network_mark(plain->network, 0));
}

static void follow_ways(struct plain_interface *plain)
{
    instant_ns now = loop_now(), next = instant_add(plain->looked, WAYS_NS);
    if (instant_is_reached(next, now))
        look_at_ways(plain, now);
    else
        loop_set_timer(&plain->way_timer, next);
}

static void tell_event(void *context, const struct watch_event *event)
{
    struct plain_interface *plain = context;
    bool is_lost = event->kind == WATCH_LOST;
    plain->has_event |= event->kind == WATCH_LINK || is_lost;
    plain->has_way |= event->kind == WATCH_ROUTE || event->kind == WATCH_RULE || is_lost;
}

static void watch_ready(void *context, uint32_t events)
{
    struct plain_interface *plain = context;
    (void)events;
    plain->has_event = plain->has_way = false;
    watch_read(&plain->watch, tell_event, plain);
    if (plain->has_event)
        follow_link(plain);
    if (plain->has_way)
        follow_ways(plain);
}

static void interface_ended(void *context)
{
    end(context, "the interface was deleted: ending");
}

static void signal_ready(void *context, uint32_t events)
{
    (void)events;
    end(context, "ending, as a signal says");
}

static void files_ready(void *context, uint32_t events)
{
    struct plain_interface *plain = context;
    char bytes[4096];
    (void)events;
    while (read(plain->file_source.fd, bytes, sizeof(bytes)) > 0)
        ; /* only that something went matters */
    if (!uapi_stands(plain->uapi))
        end(plain, "its socket was removed: ending");
}

static void retry_log(void *context, instant_ns now)
{
    struct plain_interface *plain = context;
    log_retry(&plain->log);
    if (plain->log.untold || plain->log.repeats) /* an idle interface wakes nobody */
        loop_set_timer(&plain->log_timer, instant_add(now, LOG_NS));
}

static int apply(void *context, const struct changes *changes)
{
    struct plain_interface *plain = context;
    char line[WHY_BYTES + 64];
    struct text why = TEXT_ROOM(WHY_BYTES);
    int result = network_apply(plain->network, changes, &why);
    if (result == 0) {
        follow_link(plain);
        follow_ways(plain); /* a mark may lead elsewhere */
        return 0;
    }
    snprintf(line, sizeof(line), "a change by wg was refused: %s", why.bytes);
    log_event(plain, LOG_LEVEL_WARNING, line);
    return result;
}

/* ---- starting ---- */

static int add_source(struct plain_interface *plain, struct loop_source *source, int fd,
                      void (*ready)(void *, uint32_t))
{
    *source = (struct loop_source){.fd = fd, .events = EPOLLIN, .ready = ready, .context = plain};
    return fd < 0 ? -errno : loop_add(plain->loop, source);
}

static int prepare(struct plain_interface *plain)
{
    const char *backend = plain->options->aead_backend;
    int result = netlink_open(&plain->netlink, &plain->why);
    if (result == 0)
        result = watch_open_ways(&plain->watch, &plain->why);
    if (result == 0)
        result = loop_new(&plain->loop);
    if (result != 0)
        return result;
    plain->memory = io_memory_new((struct log_sink){log_event, plain});
    if (!plain->memory)
        return -ENOMEM;
    plain->aead = aead_new(io_memory_secrets(plain->memory), backend);
    if (plain->aead)
        return 0;
    obstacles_tell_aead(backend ? backend : "", &plain->why);
    return -EINVAL;
}

static int open_tun(struct plain_interface *plain)
{
    struct network_offloads offloads = {0};
    network_offloads_from_environment(&offloads);
    struct tun_options options = {.no_tso = offloads.no_tun_tso,
                                  .no_uso = offloads.no_tun_uso,
                                  .no_queues = offloads.no_tun_queues};
    int given = plain->options->tun;
    int result = given >= 0
                     ? tun_adopt(&plain->tun, given, &options, &plain->why)
                     : tun_open(&plain->tun, plain->options->name, &options, &plain->why);
    if (result == -EEXIST)
        text_append(&plain->why, ": end the program that made it, or choose another name");
    tun_place_init(&plain->place);
    struct link link;
    if (result == 0)
        result = tun_place_link(&plain->place, &plain->netlink, plain->tun.fds[0], &link,
                                &plain->why);
    if (result == 0 && link.has_packet_info) {
        text_append(&plain->why, "%s has four bytes before each packet; open it with IFF_NO_PI",
                    link.name);
        result = -EINVAL;
    }
    if (result == 0 && given < 0)
        result = link_make_quiet(&plain->netlink, link.index, &plain->why);
    if (result == 0 && given < 0)
        result = link_set_mtu(&plain->netlink, link.index, MTU_BYTES, &plain->why);
    return result;
}

static int start_network(struct plain_interface *plain)
{
    struct tunnel_description tunnel = {
        .carrier = TUNNEL_NO_CARRIER, .routes_are_default = true, .is_plain = true};
    memcpy(tunnel.name, plain->tun.name, sizeof(plain->tun.name));
    const struct network_description description = {
        .tunnels = &tunnel, .tunnel_count = 1, .link_mtu_bytes = NETWORK_MTU_MOST_BYTES};
    struct network_options options = {
        .loop = plain->loop,
        .description = &description,
        .tun = &plain->tun,
        .secrets = io_memory_secrets(plain->memory),
        .plain = io_memory_plain(),
        .random = loop_random(),
        .aead = plain->aead,
        .log = {log_event, plain},
        .ended = interface_ended,
        .context = plain,
    };
    network_offloads_from_environment(&options.offloads);
    return network_start(&plain->network, &options, &plain->why);
}

/* Before the socket is there: whoever removes it at once is heard, too. */
static int watch_files(struct plain_interface *plain)
{
    int result = directory_make(UAPI_DIRECTORY, 0700, &plain->why);
    if (result != 0)
        return result;
    int files = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (files >= 0 && inotify_add_watch(files, UAPI_DIRECTORY, IN_DELETE | IN_MOVE |
                                                                   IN_DELETE_SELF |
                                                                   IN_MOVE_SELF) >= 0)
        return add_source(plain, &plain->file_source, files, files_ready);
    result = -errno;
    text_append(&plain->why, "cannot watch %s: %s%s", UAPI_DIRECTORY, strerror(-result),
                result == -EMFILE ? ": other programs watch as many files as one user may (sysctl "
                                    "fs.inotify.max_user_instances)"
                                  : "");
    if (files >= 0)
        close(files);
    return result;
}

static int open_socket(struct plain_interface *plain)
{
    const struct uapi_options options = {.loop = plain->loop,
                                         .network = plain->network,
                                         .memory = io_memory_secrets(plain->memory),
                                         .apply = apply,
                                         .context = plain};
    plain->uapi = uapi_new(&options);
    if (!plain->uapi)
        return -ENOMEM;
    int result = watch_files(plain);
    if (result == 0)
        result = uapi_add(plain->uapi, plain->tun.name, plain->tun.name, plain->options->listening,
                          &plain->why);
    return result;
}

static int write_name(struct plain_interface *plain)
{
    const char *path = plain->options->name_file;
    FILE *file = path ? fopen(path, "we") : NULL;
    if (!path)
        return 0;
    bool is_written = file && fprintf(file, "%s\n", plain->tun.name) > 0;
    if (file && fclose(file) == 0 && is_written)
        return 0;
    text_append(&plain->why, "%s: the interface's name cannot be written there: %s", path,
                strerror(errno));
    return -EIO;
}

static int start(struct plain_interface *plain)
{
    int result = prepare(plain);
    if (result == 0)
        result = open_tun(plain);
    if (result == 0)
        result = start_network(plain);
    if (result == 0)
        result = open_socket(plain);
    if (result == 0)
        result = add_source(plain, &plain->watch_source, watch_fd(&plain->watch), watch_ready);
    if (result == 0)
        result = add_source(plain, &plain->signal_source, signals_open(), signal_ready);
    if (result == 0)
        result = write_name(plain);
    if (result != 0)
        return result;
    plain->log_timer = (struct loop_timer){
        .deadline = instant_add(loop_now(), LOG_NS), .ring = retry_log, .context = plain};
    loop_add_timer(plain->loop, &plain->log_timer);
    plain->way_timer = (struct loop_timer){
        .deadline = INSTANT_NEVER, .ring = look_at_ways, .context = plain};
    loop_add_timer(plain->loop, &plain->way_timer);
    follow_link(plain);
    if (plain->options->ready(plain->options->context)) {
        log_started(&plain->log);
        return 0;
    }
    text_append(&plain->why, "the command that should start it was ended while it waited");
    return -EPIPE;
}

static void close_source(struct loop_source *source)
{
    if (source->fd > 0)
        close(source->fd);
}

static void stop(struct plain_interface *plain)
{
    uapi_free(plain->uapi);
    network_stop(plain->network);
    tun_close(&plain->tun);
    aead_free(plain->aead);
    loop_free(plain->loop);
    close_source(&plain->signal_source);
    close_source(&plain->file_source);
    watch_close(&plain->watch);
    netlink_close(&plain->netlink);
    io_memory_free(plain->memory);
    log_close(&plain->log);
}

int plain_interface_run(const struct plain_interface_options *options)
{
    struct plain_interface plain = {.options = options};
    text_init(&plain.why, plain.reason, sizeof(plain.reason));
    signals_hold(options->is_foreground);
    log_open(&plain.log, options->name, options->is_foreground, NULL);
    int result = start(&plain);
    if (result != 0)
        fprintf(stderr, "hopwire: %s\n", plain.why.len ? plain.reason : strerror(-result));
    else if ((result = loop_run(plain.loop)) != 0)
        log_event(&plain, LOG_LEVEL_WARNING, strerror(-result));
    stop(&plain);
    return result == 0 ? 0 : 1;
}
