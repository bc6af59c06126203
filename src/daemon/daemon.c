/* SPDX-License-Identifier: MIT */
/* Theory of operation. Order is what keeps this from leaking: the state file is written before the
 * first rule, so a crash at any point can be undone; the firewall's table stands before the first
 * route and goes after the last (RULES F4); `unreachable` twins stand before the routes to the
 * interface and go after them (F2); a crashed run's rules go only when the new ones stand (A7).
 * Everything that a step did is undone in reverse when a later one fails. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/crashed.h"
#include "daemon/files_record.h"
#include "daemon/firewall_repair.h"
#include "daemon/host_dns.h"
#include "daemon/interface.h"
#include "daemon/nat64_endpoints.h"
#include "daemon/obstacles.h"
#include "daemon/own_hooks.h"
#include "daemon/own_link.h"
#include "daemon/own_routes.h"
#include "daemon/reload.h"
#include "daemon/requests.h"
#include "daemon/settle.h"
#include "daemon/signals.h"
#include "daemon/succession.h"
#include "daemon/wg_sockets.h"
#include "host/state_lock.h"

static void tell_event(void *context, const struct watch_event *event)
{
    struct daemon *daemon = context;
    bool is_own = event->interface_index == daemon->state.routing.interface_index;
    daemon->has_loss |=
        event->kind == WATCH_RULE ||
        (event->kind == WATCH_ROUTE && event->is_gone && event->is_hopwires);
    if (event->kind == WATCH_RULE && event->is_hopwires && !event->is_gone)
        return; /* another network's, or our own doing: the host's ways are as they were */
    bool was_down = daemon->is_interface_down;
    if (is_own && event->kind == WATCH_LINK)
        daemon->is_interface_down = !event->is_up;
    /* Our own interface's changes are our own doing, but for its name and what somebody took
     * away: its addresses, its routes, or, by setting it down, both (the kernel does not bring them
     * back with it). A route of the kernel's to it is all that tells that its IPv6, switched off
     * meanwhile, is on again. */
    bool is_taken = event->kind == WATCH_LINK
                        ? (was_down && event->is_up) || own_link_is_changed(daemon, event)
                        : event->is_gone || event->kind == WATCH_ROUTE;
    own_routes_hear(daemon, event, is_own && is_taken);
    if (is_own && !is_taken)
        return;
    if (guests_have_bridge(&daemon->guard.guests, event->master_index))
        settle_now(daemon); /* with this port it may lead elsewhere */
    else
        settle_soon(daemon);
}

static void watch_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    (void)events;
    watch_read(&daemon->watch, tell_event, daemon);
    settle_losses(daemon);
}

/* ---- what ends it ---- */

/* Nobody said `down`: what keeps traffic from leaking stays until somebody does (RULES F2). */
static void interface_ended(void *context)
{
    struct daemon *daemon = context;
    char line[TUNNEL_NAME_BYTES + 128];
    snprintf(line, sizeof(line), "the interface was deleted: ending; its prefixes stay unreachable "
                                 "until `hopwire down %s`", daemon->config->name);
    log_notice(&daemon->log, line);
    daemon_state_step(daemon, STAGE_ABANDONED);
}

static void signal_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    struct signalfd_siginfo info;
    (void)events;
    if (read(daemon->signal_source.fd, &info, sizeof(info)) == sizeof(info))
        own_hooks_end(daemon);
}

/* ---- starting ---- */

static int add_source(struct daemon *daemon, struct loop_source *source, int fd,
                      void (*ready)(void *, uint32_t))
{
    *source =
        (struct loop_source){.fd = fd, .events = EPOLLIN, .ready = ready, .context = daemon};
    return loop_add(daemon->loop, source);
}

static int open_tun(struct daemon *daemon)
{
    struct network_offloads offloads = {0};
    network_offloads_from_environment(&offloads);
    struct tun_options options = {.no_tso = offloads.no_tun_tso,
                                  .no_uso = offloads.no_tun_uso,
                                  .no_queues = offloads.no_tun_queues};
    struct link link;
    struct state_numbers taken;
    int result = tun_open(&daemon->tun, daemon->config->interface_name, &options, &daemon->why);
    if (result == -EEXIST)
        text_append(&daemon->why, ": remove it, or choose another name, with Interface = in "
                                  "[Network] or, of a plain file, by its own");
    if (result == 0)
        result = link_by_name(&daemon->netlink, daemon->tun.name, &link, &daemon->why);
    if (result != 0)
        return result;
    state_list_numbers(&taken);
    struct routing_choice choice =
        interface_choice(daemon->config, daemon->tun.name, link.index, &taken);
    return routing_choose(&daemon->netlink, &choice, &daemon->state.routing, &daemon->why);
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
        .log = log_as_sink(&daemon->log),
        .ended = interface_ended,
        .context = daemon,
    };
    network_offloads_from_environment(&options.offloads);
    struct root_way way = root_ways_find(&daemon->netlink, options.mark, NULL, 0);
    daemon->description.link_mtu_bytes = way.mtu_bytes;
    for (size_t i = 0; i < daemon->description.tunnel_count; i++) {
        const struct tunnel_description *tunnel = &daemon->description.tunnels[i];
        for (size_t p = 0; tunnel->carrier == TUNNEL_NO_CARRIER && p < tunnel->peer_count; p++) {
            way = root_ways_find(&daemon->netlink, options.mark, &tunnel->peers[p].endpoint, 1);
            if (way.mtu_bytes > daemon->description.link_mtu_bytes)
                daemon->description.link_mtu_bytes = way.mtu_bytes;
        }
    }
    return network_start(&daemon->network, &options, &daemon->why);
}

/* All that can fail without the host. */
static int prepare(struct daemon *daemon)
{
    int result = netlink_open(&daemon->netlink, &daemon->why);
    if (result == 0)
        result = watch_open(&daemon->watch, &daemon->why);
    if (result == 0)
        result = loop_new(&daemon->loop);
    if (result != 0)
        return result;
    daemon->memory = io_memory_new(log_as_sink(&daemon->log));
    daemon->way_count = daemon->description.tunnel_count;
    daemon->ways = calloc(daemon->way_count, sizeof(*daemon->ways));
    if (!daemon->memory || !daemon->ways)
        return -ENOMEM;
    daemon->aead = aead_new(io_memory_secrets(daemon->memory), daemon->options->aead_backend);
    if (!daemon->aead) {
        obstacles_tell_aead(daemon->options->aead_backend ? daemon->options->aead_backend : "",
                            &daemon->why);
        return -EINVAL;
    }
    return 0;
}

/* What there is to undo from now on. */
static void note_state(struct daemon *daemon)
{
    struct state *state = &daemon->state;
    const struct state *crashed = &daemon->crashed;
    bool has_crashed = daemon->has_crashed;
    state->routing.has_kill_switch = daemon->config->has_kill_switch;
    state->has_kill_switch =
        daemon->config->has_kill_switch || (has_crashed && crashed->has_kill_switch);
    state->has_previous = has_crashed;
    if (has_crashed)
        state->previous = crashed->routing;
    state->has_firewall = true;
    wg_sockets_note(daemon);
    state->restores_src_valid_mark = has_crashed && crashed->restores_src_valid_mark;
    guard_note_switch(daemon->config, network_engine(daemon->network), state);
}

/* The host learns of the network; from the state file on, all can be undone. */
static int lay(struct daemon *daemon)
{
    struct routing *routing = &daemon->state.routing;
    note_state(daemon);
    daemon->guard = (struct guard){.config = daemon->config,
                                   .engine = network_engine(daemon->network),
                                   .netlink = &daemon->netlink,
                                   .mark = routing->mark,
                                   .interface_index = routing->interface_index,
                                   .has_kill_switch = daemon->state.has_kill_switch};
    int result = state_set_process(&daemon->state, &daemon->why);
    if (result == 0)
        result = state_write(daemon->config->name, &daemon->state, &daemon->why);
    if (result == 0)
        result = settle_firewall(daemon);
    if (result == 0)
        result = interface_configure(&daemon->netlink, routing->interface_index, daemon->config,
                                     network_engine(daemon->network), routing->ipv6, &daemon->why);
    if (result == 0) {
        own_link_tell_host(daemon);
        result = own_routes_lay(daemon);
    }
    if (result != 0)
        return result;
    char reason[256];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (!sysctl_loosen_rp_filter(daemon->tun.name, &why))
        log_warn(&daemon->log, reason);
    text_init(&why, reason, sizeof(reason));
    if (!guard_switch_on(&daemon->state, &why))
        log_warn(&daemon->log, reason);
    settle_tell_beside(daemon);
    const char *notice = sysctl_ipv6_notice(routing->ipv6);
    if (notice)
        log_warn(&daemon->log, notice);
    text_init(&why, reason, sizeof(reason));
    if (files_record_write(daemon->config->name, daemon->options->paths,
                           daemon->options->path_count, &why) != 0)
        log_warn(&daemon->log, reason);
    daemon->state.is_laid = true;
    return state_write(daemon->config->name, &daemon->state, &daemon->why);
}

static int open_doors(struct daemon *daemon)
{
    int result = requests_open(daemon);
    int fd = signals_open();
    if (result == 0 && fd < 0)
        result = fd;
    if (result == 0)
        result = add_source(daemon, &daemon->signal_source, fd, signal_ready);
    if (result == 0)
        result = add_source(daemon, &daemon->watch_source, watch_fd(&daemon->watch), watch_ready);
    settle_start(daemon);
    if (result == 0)
        result = firewall_repair_start(daemon);
    struct names_options options = settle_names_options(daemon);
    if (result == 0)
        result = names_start(&daemon->names, &options, &daemon->why);
    if (result == 0)
        result = nat64_endpoints_start(&daemon->translation, &options, &daemon->why);
    if (result == 0)
        result = host_dns_start(daemon);
    if (result == 0)
        wg_sockets_open(daemon);
    return result;
}

/* `down` means: the host as before. Rules and twins go before the interface does. What was never
 * laid may be another network's. */
static int undo_host(struct daemon *daemon, struct text *why)
{
    const char *name = daemon->config->name;
    if (daemon->has_crashed && daemon->stage == STAGE_REFUSED)
        return succession_restore(daemon, why);
    int result = daemon->is_laid ? crashed_undo_routing(&daemon->netlink, &daemon->state, why) : 0;
    if (result == 0)
        result = guard_undo(name, &daemon->state, why);
    return result || daemon->is_dns_left ? result : state_remove(name, why);
}

/* In reverse. What failed half-way is passed over by each. */
static void undo(struct daemon *daemon)
{
    struct text why = TEXT_ROOM(WHY_BYTES);
    spare_descriptors_give(&daemon->reserve);
    names_stop(daemon->names);
    nat64_endpoints_stop(daemon->translation);
    bool keeps_host = stage_keeps_host(daemon->stage);
    if (daemon->has_dns && !keeps_host)
        host_dns_undo(daemon);
    wg_sockets_close(daemon);
    requests_close(daemon);
    if (daemon->state.pid && !keeps_host) {
        files_record_remove(daemon->config->name);
        if (undo_host(daemon, &why) != 0)
            log_notice(&daemon->log, why.bytes); /* and `down` may try again */
    }
    ports_release(&daemon->ports);
    guard_wipe(&daemon->guard);
    beside_wipe(&daemon->beside);
    routes_standing_forget(&daemon->standing);
    free(daemon->leaving.addresses);
    network_stop(daemon->network);
    tun_close(&daemon->tun);
    aead_free(daemon->aead);
    loop_free(daemon->loop);
    watch_close(&daemon->watch);
    watch_close(&daemon->table_watch);
    netlink_close(&daemon->netlink);
    arena_wipe(&daemon->described);
    reload_wipe(daemon);
    io_memory_free(daemon->memory);
    free(daemon->ways);
    if (daemon->signal_source.fd > 0)
        close(daemon->signal_source.fd);
}

/* From the look for free numbers until ours are taken, no other network may look. */
static int alone(struct daemon *daemon, int (*step)(struct daemon *daemon))
{
    int lock = state_lock(&daemon->why);
    if (lock < 0)
        return lock;
    int result = step(daemon);
    close(lock);
    return result;
}

static int look(struct daemon *daemon)
{
    return succession_look(daemon, daemon->options->aead_backend);
}

static int start_alone(struct daemon *daemon)
{
    int result = succession_begin(daemon);
    if (result == 0)
        result = obstacles_refuse(daemon->config, NULL, &(struct obstacles_held){0}, &daemon->why);
    if (result == 0)
        result = open_tun(daemon);
    if (result == 0)
        result = start_network(daemon);
    if (result != 0)
        return result;
    settle_roots(daemon, true, TEXT_UNHEARD);
    return lay(daemon);
}

static int start(struct daemon *daemon)
{
    int result = spare_descriptors_take(&daemon->reserve, &daemon->why);
    if (result == 0)
        result = state_make_directory(&daemon->why);
    if (result == 0)
        result = prepare(daemon);
    if (result == 0)
        result = alone(daemon, look);
    if (result == 0)
        result = succession_take_over(daemon);
    if (result == 0)
        result = alone(daemon, start_alone);
    if (result == 0)
        result = ports_reserve(&daemon->ports, daemon->config, network_engine(daemon->network),
                               &daemon->log);
    if (result == 0)
        result = open_doors(daemon);
    return result;
}

static int announce(struct daemon *daemon)
{
    if (signals_have_come()) {
        text_append(&daemon->why, "a signal ended it while it started");
        return -EINTR;
    }
    int result = daemon->has_crashed ? succession_end(daemon) : 0;
    if (result != 0)
        return result;
    engine_set_up(network_engine(daemon->network), true, loop_now());
    if (daemon->options->ready(daemon->options->context)) {
        log_started(&daemon->log);
        spare_descriptors_started(&daemon->reserve);
        return own_hooks_post_up(daemon);
    }
    text_append(&daemon->why, "`hopwire up` was ended while it waited");
    if (daemon->has_crashed) /* unreachable before, unreachable now */
        daemon_state_step(daemon, STAGE_ABANDONED);
    return -EPIPE;
}

static void tell_failure(struct daemon *daemon, int result)
{
    const char *name = daemon->config->name;
    if (daemon->why.len == 0)
        text_append(&daemon->why, "%s", strerror(-result));
    if (daemon->has_replaced)
        text_append(
            &daemon->why,
            "; the network that it should replace has ended, and " CRASHED_STANDS, name, name);
    else if (daemon->has_crashed)
        text_append(&daemon->why, "; as after the crash, " CRASHED_STANDS, name, name);
    log_warn(&daemon->log, daemon->reason);
}

int daemon_run(const struct daemon_options *options)
{
    struct daemon daemon = {.options = options, .keeper = options->keeper,
                            .attendant = options->attendant, .replaces = options->replaces,
                            .life = -1,
                            .config = &daemon.living,
                            .living = *options->config,
                            .file = options->config,
                            .description = options->config->network};
    text_init(&daemon.why, daemon.reason, sizeof(daemon.reason));
    daemon.started = loop_now();
    signals_hold(options->is_foreground);
    log_open(&daemon.log, daemon.living.name, options->is_foreground, NULL);
    int result = start(&daemon);
    if (result == 0)
        result = announce(&daemon);
    if (result != 0) {
        tell_failure(&daemon, result);
        daemon_state_step(&daemon, STAGE_IS_REFUSED);
    } else if ((result = loop_run(daemon.loop)) != 0) {
        log_notice(&daemon.log, strerror(-result));
        daemon_state_step(&daemon, STAGE_ABANDONED); /* so nothing may leak (RULES F2) */
    }
    undo(&daemon);
    own_hooks_post_down(&daemon);
    log_close(&daemon.log);
    return result == 0 && !stage_has_failed(daemon.stage) ? 0 : 1;
}
