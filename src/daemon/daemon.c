/* SPDX-License-Identifier: MIT */
/* Theory of operation. Order is what keeps this from leaking: the state file is written before the
 * first rule, so a crash at any point can be undone; `unreachable` twins stand before the routes to
 * the interface and go after them (RULES F2); a crashed run's rules go only when the new ones stand
 * (A7). Everything that a step did is undone in reverse when a later one fails. */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/interface.h"
#include "daemon/names.h"
#include "daemon/ports.h"
#include "daemon/report.h"
#include "daemon/roots.h"
#include "host/control_socket.h"
#include "host/state.h"
#include "host/watch.h"
#include "io/io_memory.h"
#include "io/network.h"

/* Route and link events come in bursts: looked at once they have settled. */
#define SETTLE_NS (100 * NS_PER_MS)
#define WHY_BYTES 1024

struct daemon {
    const struct daemon_options *options;
    const struct config *config;
    struct network_description description; /* the config's, with what the host adds */

    struct netlink netlink;
    struct watch watch;
    struct tun tun;
    struct loop *loop;
    struct io_memory *memory;
    struct aead *aead;
    struct network *network;
    struct names *names;
    struct ports ports;
    struct control_socket *control;
    struct root_way *ways; /* by tunnel; roots only */

    struct state state;
    struct state crashed; /* an earlier run's, to be undone once ours stands */
    bool has_crashed;
    bool is_laid;
    bool is_orphaned; /* the interface was taken from us: rules and twins stay, as after a crash */
    instant_ns started;

    struct loop_source watch_source, control_source, signal_source;
    struct loop_timer settle;
    char reason[WHY_BYTES];
    struct text why;
};

static void log_line(void *context, const char *line)
{
    const struct daemon *daemon = context;
    if (daemon->options->is_foreground)
        fprintf(stderr, "hopwire: %s: %s\n", daemon->config->name, line);
    else
        syslog(LOG_INFO, "%s: %s", daemon->config->name, line);
}

/* ---- roots and routes ---- */

static size_t root_endpoints(const struct daemon *daemon, uint32_t root,
                             struct endpoint **endpoints)
{
    struct engine *engine = network_engine(daemon->network);
    size_t count = daemon->description.tunnels[root].peer_count;
    *endpoints = calloc(count ? count : 1, sizeof(**endpoints));
    for (uint32_t i = 0; *endpoints && i < count; i++) {
        struct status_peer peer;
        status_read_peer(engine, root, i, 0, &peer);
        (*endpoints)[i] = peer.endpoint;
    }
    return *endpoints ? count : 0;
}

/* Reads every root's way again; true when an MTU changed. */
static bool update_roots(struct daemon *daemon, bool is_first)
{
    struct engine *engine = network_engine(daemon->network);
    bool changed = false;
    for (uint32_t i = 0; i < daemon->description.tunnel_count; i++) {
        if (daemon->description.tunnels[i].carrier != TUNNEL_NO_CARRIER)
            continue;
        struct endpoint *endpoints;
        size_t count = root_endpoints(daemon, i, &endpoints);
        struct root_way way =
            roots_find(&daemon->netlink, daemon->state.routing.mark, endpoints, count);
        free(endpoints);
        struct root_way *last = &daemon->ways[i];
        bool moved = way.interface_index != last->interface_index ||
                     !address_is_equal(&way.source, &last->source);
        changed |= way.mtu_bytes != last->mtu_bytes;
        *last = way;
        engine_set_root_mtu(engine, i, way.mtu_bytes);
        if (moved && !is_first)
            network_changed(daemon->network, i);
    }
    return changed;
}

static int apply_routes(struct daemon *daemon)
{
    struct routing_entry *entries;
    size_t count;
    int result = interface_routes(daemon->config, network_engine(daemon->network), &entries, &count);
    if (result != 0)
        return result;
    if (daemon->is_laid)
        result = routing_update(&daemon->netlink, &daemon->state.routing, entries, count,
                                &daemon->why);
    else
        result =
            routing_lay(&daemon->netlink, &daemon->state.routing, entries, count, &daemon->why);
    daemon->is_laid |= result == 0;
    free(entries);
    return result;
}

static void settle(void *context, instant_ns now)
{
    struct daemon *daemon = context;
    (void)now;
    update_roots(daemon, false);
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    int result = interface_update(&daemon->netlink, daemon->state.routing.interface_index,
                                  daemon->config, network_engine(daemon->network),
                                  daemon->state.routing.ipv6, &daemon->why);
    if (result == 0)
        result = apply_routes(daemon);
    if (result != 0)
        log_line(daemon, daemon->reason);
}

static void tell_event(void *context, const struct watch_event *event)
{
    struct daemon *daemon = context;
    /* Our own interface's changes are our own doing, but for its addresses going away. */
    if (event->interface_index == daemon->state.routing.interface_index &&
        !(event->kind == WATCH_ADDRESS && event->is_gone))
        return;
    if (daemon->settle.deadline == INSTANT_NEVER)
        loop_set_timer(&daemon->settle, instant_add(loop_now(), SETTLE_NS));
}

static void watch_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    (void)events;
    watch_read(&daemon->watch, tell_event, daemon);
}

static void endpoint_changed(void *context)
{
    struct daemon *daemon = context;
    loop_set_timer(&daemon->settle, loop_now());
}

/* ---- commands and signals ---- */

/* Nobody said `down`: what keeps traffic from leaking stays until somebody does (RULES F2). */
static void interface_ended(void *context)
{
    struct daemon *daemon = context;
    log_line(daemon, "the interface was deleted: ending; its prefixes stay unreachable until "
                     "`hopwire down`");
    daemon->is_orphaned = true;
    loop_stop(daemon->loop);
}

static void signal_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    struct signalfd_siginfo info;
    (void)events;
    if (read(daemon->signal_source.fd, &info, sizeof(info)) == sizeof(info))
        loop_stop(daemon->loop);
}

static void answer(struct control_answer *to, char *json)
{
    control_answer_format(to, "%s\n", json ? json : "{\"error\": \"no memory\"}");
    control_answer_end(to);
    free(json);
}

static void answer_request(void *context, const char *line, struct control_answer *to)
{
    struct daemon *daemon = context;
    if (!line)
        return;
    struct report report = {.config = daemon->config,
                            .network = daemon->network,
                            .aead_name = aead_name(daemon->aead),
                            .interface_mtu_bytes =
                                interface_mtu(daemon->config, network_engine(daemon->network)),
                            .mark = daemon->state.routing.mark,
                            .started = daemon->started};
    struct address destination;
    if (strcmp(line, "status") == 0) {
        answer(to, report_status(&report, loop_now()));
    } else if (strncmp(line, "route ", 6) == 0 && address_parse(line + 6, &destination)) {
        answer(to, report_route(&report, &destination));
    } else if (strcmp(line, "down") == 0) {
        control_answer_format(to, "{}\n");
        control_answer_end(to);
        loop_stop(daemon->loop);
    } else {
        control_answer_format(to, "{\"error\": \"unknown request\"}\n");
        control_answer_end(to);
    }
}

static void control_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    (void)events;
    control_socket_dispatch(daemon->control);
}

/* ---- starting ---- */

static int add_source(struct daemon *daemon, struct loop_source *source, int fd,
                      void (*ready)(void *, uint32_t))
{
    *source =
        (struct loop_source){.fd = fd, .events = EPOLLIN, .ready = ready, .context = daemon};
    return loop_add(daemon->loop, source);
}

/* An earlier run's state: refused while it lives, remembered when it crashed. */
static int read_earlier_state(struct daemon *daemon)
{
    int result = state_read(daemon->config->name, &daemon->crashed, &daemon->why);
    if (result == -ENOENT)
        return 0;
    if (result != 0)
        return result;
    if (state_process_is_alive(&daemon->crashed)) {
        text_append(&daemon->why, "%s is up already (process %u): `hopwire down %s` ends it",
                    daemon->config->name, daemon->crashed.pid, daemon->config->name);
        return -EEXIST;
    }
    daemon->has_crashed = state_is_of_this_namespace(&daemon->crashed);
    return 0;
}

static int open_tun(struct daemon *daemon)
{
    struct network_offloads offloads = {0};
    network_offloads_from_environment(&offloads);
    struct tun_options options = {.no_tso = offloads.no_tun_tso, .no_uso = offloads.no_tun_uso};
    struct link link;
    int result = tun_open(&daemon->tun, daemon->config->interface_name, &options, &daemon->why);
    if (result == 0)
        result = link_by_name(&daemon->netlink, daemon->tun.name, &link, &daemon->why);
    if (result != 0)
        return result;
    enum routing_mode mode = daemon->config->table_is_off ? ROUTING_OFF
                             : daemon->config->table      ? ROUTING_TABLE
                                                          : ROUTING_AUTO;
    return routing_choose(&daemon->netlink, mode, daemon->config->table, daemon->tun.name,
                          link.index, &daemon->state.routing, &daemon->why);
}

static int start_network(struct daemon *daemon)
{
    struct network_options options = {
        .loop = daemon->loop,
        .description = &daemon->description,
        .tun = &daemon->tun,
        .secrets = io_memory_secrets(daemon->memory),
        .plain = io_memory_plain(),
        .random = loop_random(),
        .aead = daemon->aead,
        .mark = daemon->state.routing.mark,
        .log = log_line,
        .ended = interface_ended,
        .context = daemon,
    };
    network_offloads_from_environment(&options.offloads);
    struct root_way way = roots_find(&daemon->netlink, options.mark, NULL, 0);
    daemon->description.link_mtu_bytes = way.mtu_bytes;
    for (size_t i = 0; i < daemon->description.tunnel_count; i++) {
        const struct tunnel_description *tunnel = &daemon->description.tunnels[i];
        for (size_t p = 0; tunnel->carrier == TUNNEL_NO_CARRIER && p < tunnel->peer_count; p++) {
            way = roots_find(&daemon->netlink, options.mark, &tunnel->peers[p].endpoint, 1);
            if (way.mtu_bytes > daemon->description.link_mtu_bytes)
                daemon->description.link_mtu_bytes = way.mtu_bytes;
        }
    }
    return network_start(&daemon->network, &options, &daemon->why);
}

static int prepare(struct daemon *daemon)
{
    int result = state_make_directory(&daemon->why);
    if (result == 0)
        result = read_earlier_state(daemon);
    if (result == 0)
        result = netlink_open(&daemon->netlink, &daemon->why);
    if (result == 0)
        result = watch_open(&daemon->watch, &daemon->why);
    if (result == 0)
        result = loop_new(&daemon->loop);
    if (result != 0)
        return result;
    daemon->memory = io_memory_new(log_line, daemon);
    daemon->ways = calloc(daemon->description.tunnel_count, sizeof(*daemon->ways));
    if (!daemon->memory || !daemon->ways)
        return -ENOMEM;
    daemon->aead = aead_new(io_memory_secrets(daemon->memory), daemon->options->aead_backend);
    if (!daemon->aead) {
        text_append(&daemon->why, "AEAD backend %s: unknown or not usable on this machine; unset "
                                  "HOPWIRE_AEAD",
                    daemon->options->aead_backend ? daemon->options->aead_backend : "");
        return -EINVAL;
    }
    return open_tun(daemon);
}

/* The host learns of the network; from the state file on, all can be undone. */
static int lay(struct daemon *daemon)
{
    struct routing *routing = &daemon->state.routing;
    int result = state_set_process(&daemon->state, &daemon->why);
    if (result == 0)
        result = state_write(daemon->config->name, &daemon->state, &daemon->why);
    if (result == 0)
        result = interface_configure(&daemon->netlink, routing->interface_index, daemon->config,
                                     network_engine(daemon->network), routing->ipv6, &daemon->why);
    if (result == 0)
        result = apply_routes(daemon);
    if (result != 0)
        return result;
    char reason[256];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (!sysctl_loosen_rp_filter(daemon->tun.name, &why))
        log_line(daemon, reason);
    if (daemon->has_crashed)
        routing_undo(&daemon->netlink, &daemon->crashed.routing, &why);
    const char *notice = sysctl_ipv6_notice(routing->ipv6);
    if (notice)
        fprintf(stderr, "hopwire: %s: %s\n", daemon->config->name, notice);
    return 0;
}

static int open_doors(struct daemon *daemon)
{
    char path[STATE_PATH_BYTES];
    sigset_t signals;
    int result = state_path(daemon->config->name, ".sock", path, &daemon->why);
    if (result == 0)
        result = control_socket_open(path, answer_request, daemon, &daemon->control, &daemon->why);
    if (result == 0)
        result = add_source(daemon, &daemon->control_source,
                            control_socket_fd(daemon->control), control_ready);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (result == 0 && (fd < 0 || sigprocmask(SIG_BLOCK, &signals, NULL) != 0))
        result = -errno;
    if (result == 0)
        result = add_source(daemon, &daemon->signal_source, fd, signal_ready);
    if (result == 0)
        result = add_source(daemon, &daemon->watch_source, watch_fd(&daemon->watch), watch_ready);
    daemon->settle =
        (struct loop_timer){.deadline = INSTANT_NEVER, .ring = settle, .context = daemon};
    loop_add_timer(daemon->loop, &daemon->settle);
    struct names_options options = {.loop = daemon->loop,
                                    .network = &daemon->description,
                                    .engine = network_engine(daemon->network),
                                    .mark = daemon->state.routing.mark,
                                    .changed = endpoint_changed,
                                    .log = log_line,
                                    .context = daemon};
    if (result == 0)
        result = names_start(&daemon->names, &options, &daemon->why);
    return result;
}

/* In reverse. What failed half-way is passed over by each. */
static void undo(struct daemon *daemon, bool keep_state_of_crash)
{
    struct text why;
    char reason[WHY_BYTES];
    text_init(&why, reason, sizeof(reason));
    names_stop(daemon->names);
    control_socket_close(daemon->control);
    if (daemon->state.pid && !daemon->is_orphaned) {
        /* `down` means: the host as before. Rules and twins go before the interface does. */
        if (routing_undo(&daemon->netlink, &daemon->state.routing, &why) != 0)
            log_line(daemon, reason);
        if (daemon->has_crashed && keep_state_of_crash)
            state_write(daemon->config->name, &daemon->crashed, &why);
        else
            state_remove(daemon->config->name, &why);
    }
    ports_release(&daemon->ports);
    network_stop(daemon->network);
    tun_close(&daemon->tun);
    aead_free(daemon->aead);
    loop_free(daemon->loop);
    watch_close(&daemon->watch);
    netlink_close(&daemon->netlink);
    io_memory_free(daemon->memory);
    free(daemon->ways);
    if (daemon->signal_source.fd > 0)
        close(daemon->signal_source.fd);
}

static int start(struct daemon *daemon)
{
    int lock = -1, result = prepare(daemon);
    if (result == 0)
        result = start_network(daemon);
    if (result == 0) {
        update_roots(daemon, true);
        lock = state_lock(&daemon->why);
        result = lock < 0 ? lock : lay(daemon);
        if (lock >= 0)
            close(lock);
    }
    if (result == 0)
        result = ports_reserve(&daemon->ports, daemon->config, network_engine(daemon->network),
                               log_line, daemon);
    if (result == 0)
        result = open_doors(daemon);
    return result;
}

int daemon_run(const struct daemon_options *options)
{
    struct daemon daemon = {.options = options, .config = options->config,
                            .description = options->config->network, .tun = {.fd = -1}};
    text_init(&daemon.why, daemon.reason, sizeof(daemon.reason));
    daemon.started = loop_now();
    int result = start(&daemon);
    if (result != 0) {
        fprintf(stderr, "hopwire: %s: %s\n", daemon.config->name,
                daemon.why.len ? daemon.reason : strerror(-result));
        undo(&daemon, true);
        return 1;
    }
    engine_set_up(network_engine(daemon.network), true, loop_now());
    options->ready(options->context);
    result = loop_run(daemon.loop);
    if (result != 0)
        log_line(&daemon, strerror(-result));
    undo(&daemon, false);
    return result == 0 ? 0 : 1;
}

int daemon_clean_up(const char *network, struct text *why)
{
    struct state state;
    struct netlink netlink = {0};
    int result = state_read(network, &state, why);
    if (result != 0)
        return result;
    if (state_is_of_this_namespace(&state)) {
        result = netlink_open(&netlink, why);
        if (result == 0)
            result = routing_undo(&netlink, &state.routing, why);
        netlink_close(&netlink);
    }
    if (result == 0)
        result = state_remove(network, why);
    char path[STATE_PATH_BYTES];
    if (result == 0 && state_path(network, ".sock", path, why) == 0)
        unlink(path);
    return result;
}
