/* SPDX-License-Identifier: MIT */
#include "daemon/settle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/interface.h"
#include "daemon/nat64_endpoints.h"
#include "daemon/own_link.h"
#include "daemon/own_routes.h"
#include "host/kernel_route.h"

/* Route and link events come in bursts: looked at once they have settled. */
#define SETTLE_NS (100 * NS_PER_MS)
/* A peer that roamed is answered by this time at the latest, under a kill switch. */
#define FOLLOW_NS (1 * NS_PER_S)
#define SLEEP_LEAST_NS (1 * NS_PER_S)
/* Whoever takes them again and again does not get all of the time: then every SETTLE_NS. */
#define RESTORING_NS (1 * NS_PER_S)
#define RESTORINGS_MOST 10
/* After settling that took so long, so many times as long passes before changes in a heap are
 * followed again: 10,000 `wg set` a second are no 10,000 times all routes. */
#define SETTLE_PART 4

/* Where it begins to be so: at the start to whoever started it, later to the log. */
static void tell_excess(struct daemon *daemon, size_t root, const struct root_way *last,
                        const struct root_way *way, bool is_first)
{
    const struct tunnel_description *described = &daemon->description.tunnels[root];
    char line[512], before[512];
    struct text text, unheard;
    text_init(&text, line, sizeof(line));
    text_init(&unheard, before, sizeof(before));
    if (!root_ways_tell_excess(described, way, &text) ||
        (last->mtu_bytes == way->mtu_bytes && root_ways_tell_excess(described, last, &unheard)))
        return;
    if (is_first)
        log_warn(&daemon->log, line);
    else
        log_notice(&daemon->log, line);
}

/* Of tunnels that are gone: their links are no uplinks any more. */
static void forget_ways(struct daemon *daemon, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        daemon->ways[i] = (struct root_way){0};
}

bool settle_roots(struct daemon *daemon, bool is_first, struct text *failed)
{
    struct engine *engine = network_engine(daemon->network);
    bool any_moved = false;
    size_t place = 0, next = 0;
    for (int n = -1; (n = engine_next_tunnel(engine, n)) >= 0; place++) {
        uint32_t i = (uint32_t)n;
        forget_ways(daemon, next, i);
        next = (size_t)i + 1;
        if (daemon->description.tunnels[place].carrier != TUNNEL_NO_CARRIER) {
            daemon->ways[i] = (struct root_way){0};
            continue;
        }
        struct endpoint *endpoints;
        size_t count = root_ways_endpoints(engine, (int)i, &endpoints);
        struct root_way way =
            root_ways_find(&daemon->netlink, daemon->state.routing.mark, endpoints, count);
        free(endpoints);
        struct root_way *last = &daemon->ways[i];
        if (way.error != 0 && !is_first) { /* it stays as it was */
            behind_add(failed, way.error, daemon->netlink.reason);
            continue;
        }
        bool moved = way.interface_index != last->interface_index ||
                     !address_is_equal(&way.source, &last->source);
        tell_excess(daemon, place, last, &way, is_first);
        *last = way;
        moved |= daemon->has_woken;
        any_moved |= moved;
        engine_set_root_mtu(engine, i, way.mtu_bytes);
        if (moved && !is_first)
            network_changed(daemon->network, i);
        else if (!is_first)
            root_ways_check_sources(&daemon->netlink, engine, i, daemon->state.routing.mark);
    }
    forget_ways(daemon, next, daemon->way_count);
    return any_moved;
}

/* When they are first found, and when that changes. */
static void tell_guests(struct daemon *daemon)
{
    struct guard *guard = &daemon->guard;
    char described[GUESTS_TEXT_BYTES], line[GUESTS_TEXT_BYTES + 128];
    struct text text;
    text_init(&text, described, sizeof(described));
    guests_describe(&guard->guests, &text);
    bool has_own_tables = !daemon->config->table_is_off && !daemon->config->table;
    if ((!guard->has_kill_switch && !has_own_tables) || strcmp(described, guard->told_guests) == 0)
        return;
    memcpy(guard->told_guests, described, sizeof(described));
    snprintf(line, sizeof(line), "guests of this host, reached past the tunnels: %s",
             described[0] ? described : "none any more");
    if (daemon->is_laid)
        log_notice(&daemon->log, line);
    else
        log_warn(&daemon->log, line);
}

int settle_firewall(struct daemon *daemon)
{
    struct names_options options = settle_names_options(daemon);
    daemon->guard.is_translation_wanted = nat64_endpoints_is_wanted(&options);
    guard_find_lan(&daemon->guard, daemon->ways, daemon->way_count);
    tell_guests(daemon);
    int result = daemon->state.has_firewall ? guard_lay(&daemon->guard, &daemon->why) : 0;
    if (result == 0 || daemon->guard.is_laid)
        return result;
    daemon->state.has_firewall = daemon->has_crashed && daemon->crashed.has_firewall;
    if (daemon->guard.has_kill_switch) {
        text_append(&daemon->why,
                    "; without it there is no kill switch: remove KillSwitch = on, or "
                    "use a kernel with nftables and its ct and reject expressions");
        return result;
    }
    char line[WHY_BYTES + 256];
    snprintf(line, sizeof(line),
             "%s; going on without: nothing keeps packets for the tunnels' addresses from coming "
             "in elsewhere, names from being asked past the tunnels, nor a strict rp_filter from "
             "dropping the relays' answers",
             daemon->reason);
    log_warn(&daemon->log, line);
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    return state_write(daemon->config->name, &daemon->state, &daemon->why);
}

void settle_tell_beside(struct daemon *daemon)
{
    char lines[BESIDE_BYTES];
    struct text text;
    char *rest = lines;
    text_init(&text, lines, sizeof(lines));
    beside_append(daemon->config, &daemon->state.routing, &daemon->netlink, &text);
    for (char *line; (line = strsep(&rest, "\n")) && *line;)
        log_warn(&daemon->log, line);
}

/* Others set filters too, after us: a sysctl service that hears late of a new interface, or
 * somebody who reads /etc/sysctl.conf again (RULES F5). */
static void settle_switches(struct daemon *daemon)
{
    struct state *state = &daemon->state;
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (daemon->guard.has_told_of_switches)
        return;
    bool was_noted = state->restores_src_valid_mark;
    guard_note_switch(daemon->config, network_engine(daemon->network), state);
    bool is_noted = state->restores_src_valid_mark == was_noted ||
                    state_write(daemon->config->name, state, &why) == 0;
    if (!is_noted)
        state->restores_src_valid_mark = was_noted; /* what nobody would undo is not done */
    if (is_noted && guard_switch_on(state, &why) &&
        sysctl_loosen_rp_filter(daemon->tun.name, &why))
        return;
    daemon->guard.has_told_of_switches = true;
    log_notice(&daemon->log, reason);
}

/* Others switch it off and on while the network stands: without it neither an address nor a route
 * to the interface can be laid, and with the first of those that failed everything after it
 * would. */
static void look_for_ipv6(struct daemon *daemon)
{
    if (daemon->state.routing.ipv6 != SYSCTL_IPV6_ABSENT)
        daemon->state.routing.ipv6 = sysctl_ipv6(daemon->tun.name);
}

static int settle_interface(struct daemon *daemon)
{
    return interface_update(&daemon->netlink, daemon->state.routing.interface_index,
                            daemon->config, network_engine(daemon->network),
                            daemon->state.routing.ipv6, &daemon->why);
}

static int settle_leaving(struct daemon *daemon)
{
    return interface_leave(&daemon->netlink, daemon->state.routing.interface_index,
                           daemon->config, &daemon->leaving, &daemon->why);
}

static void try_step(struct daemon *daemon, int (*step)(struct daemon *), struct text *failed)
{
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    int result = step(daemon);
    if (result != 0)
        behind_add(failed, result, daemon->reason);
}

static void settle_within(struct daemon *daemon, duration_ns time_ns)
{
    instant_ns deadline = instant_add(loop_now(), time_ns);
    if (daemon->settle.deadline > deadline)
        loop_set_timer(&daemon->settle, deadline);
}

void settle_soon(struct daemon *daemon)
{
    daemon->has_event = true;
    settle_within(daemon, SETTLE_NS);
}

void settle_now(struct daemon *daemon)
{
    daemon->has_event = true;
    loop_set_timer(&daemon->settle, loop_now());
}

void settle_losses(struct daemon *daemon)
{
    instant_ns now = loop_now();
    if (!daemon->has_loss)
        return;
    daemon->has_loss = false;
    if (instant_is_reached(instant_add(daemon->restoring_since, RESTORING_NS), now)) {
        daemon->restoring_since = now;
        daemon->restorings = 0;
    }
    if (daemon->restorings >= RESTORINGS_MOST) {
        settle_soon(daemon);
        return;
    }
    daemon->restorings++;
    look_for_ipv6(daemon);
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    if (own_routes_lay(daemon) != 0)
        settle_within(daemon, SETTLE_NS); /* which tells what it cannot do either */
}

static void look_at_own_link(struct daemon *daemon)
{
    char said[WHY_BYTES];
    struct text to;
    text_init(&to, said, sizeof(said));
    own_link_follow(daemon, &to);
    if (to.len)
        log_notice(&daemon->log, said);
}

bool settle_describe(struct daemon *daemon)
{
    struct arena arena;
    struct network_description now;
    if (!daemon->is_description_old)
        return true;
    arena_init(&arena, io_memory_secrets(daemon->memory));
    const struct memory memory = arena_memory(&arena);
    if (!engine_describe(network_engine(daemon->network), &memory, &now)) {
        log_notice(&daemon->log, "no memory to follow what is configured now: trying again");
        arena_wipe(&arena);
        return false;
    }
    daemon->living.network = daemon->description = now;
    arena_wipe(&daemon->described);
    daemon->described = arena;
    daemon->is_description_old = false;
    return true;
}

static int followed(struct daemon *daemon, int result, const char *reason)
{
    const char *line = reason[0] ? reason : "no memory to follow endpoints: trying again";
    if (result != 0)
        log_notice(&daemon->log, line);
    return result;
}

/* Those who look after endpoints hear of other ones, a bit later where there is no memory for it.
 * False: none to know them. */
static bool follow_configured(struct daemon *daemon)
{
    if (!settle_describe(daemon))
        return false;
    if (!daemon->is_unfollowed)
        return true;
    const struct names_options options = settle_names_options(daemon);
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    int of_names = followed(daemon, names_follow(&daemon->names, &options, &why), reason);
    text_init(&why, reason, sizeof(reason));
    int of_literals =
        followed(daemon, nat64_endpoints_follow(&daemon->translation, &options, &why), reason);
    daemon->is_unfollowed = of_names == -ENOMEM || of_literals == -ENOMEM;
    if (daemon->is_unfollowed)
        settle_within(daemon, NS_PER_S);
    return true;
}

/* Once no reload needs it: the table and the rules follow, and when they stand the state. */
static bool opens_kill_switch(struct daemon *daemon)
{
    bool opens = daemon->state.has_kill_switch && !daemon->config->has_kill_switch &&
                 !daemon->guard.hold.has_kill_switch;
    if (opens)
        daemon->guard.has_kill_switch = daemon->state.routing.has_kill_switch = false;
    return opens;
}

static int note_open(struct daemon *daemon)
{
    daemon->state.has_kill_switch = false;
    return state_write(daemon->config->name, &daemon->state, &daemon->why);
}

static void end_round(struct daemon *daemon, const struct text *failed)
{
    duration_ns pause_ns = behind_end(&daemon->behind, failed, &daemon->log);
    if (pause_ns)
        settle_within(daemon, pause_ns);
}

static void lay_host(struct daemon *daemon, bool is_event, bool has_moved, struct text *failed)
{
    look_for_ipv6(daemon);
    try_step(daemon, settle_interface, failed);
    try_step(daemon, settle_firewall, failed);
    if (is_event) /* whose question the table lets out by now */
        nat64_endpoints_routes_changed(daemon->translation, has_moved);
    try_step(daemon, own_routes_lay, failed);
    try_step(daemon, settle_leaving, failed);
    settle_switches(daemon);
}

static void settle(void *context, instant_ns now)
{
    struct daemon *daemon = context;
    bool is_event = daemon->has_event;
    char said[BEHIND_BYTES];
    struct text failed;
    text_init(&failed, said, sizeof(said));
    if (!follow_configured(daemon)) { /* what is configured is not known: all stays as it is */
        behind_add(&failed, -ENOMEM, "no memory to follow what is configured now");
        end_round(daemon, &failed);
        return;
    }
    if (daemon->is_unfollowed)
        behind_add(&failed, -ENOMEM, "no memory to follow endpoints");
    daemon->has_event = false;
    look_at_own_link(daemon);
    /* Only when the host's network moved (F8): an endpoint that follows from an answer moves too,
     * and asking again then would never end. */
    bool has_moved = settle_roots(daemon, false, &failed);
    if (has_moved && is_event)
        names_ask_again(daemon->names);
    if (is_event) {
        names_routes_changed(daemon->names);
        own_link_tell_host(daemon);
    }
    daemon->has_woken = false;
    bool opens = opens_kill_switch(daemon);
    lay_host(daemon, is_event, has_moved, &failed);
    if (opens && failed.len == 0)
        try_step(daemon, note_open, &failed);
    daemon->mtu_changes = engine_mtu_changes(network_engine(daemon->network));
    duration_ns took = instant_since(now, loop_now());
    daemon->settle_again = instant_add(loop_now(), SETTLE_PART * took);
    end_round(daemon, &failed);
}

static void follow_endpoints(struct daemon *daemon)
{
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (guard_follow_endpoints(&daemon->guard, &why) != 0)
        log_notice(&daemon->log, reason);
}

/* RULES F8: it may wake up elsewhere, without any event of the kernel's. */
static void notice_sleep(struct daemon *daemon)
{
    duration_ns slept = loop_slept();
    if (slept > daemon->slept + SLEEP_LEAST_NS) {
        daemon->has_woken = true;
        settle_soon(daemon);
    }
    daemon->slept = slept;
}

static void follow(void *context, instant_ns now)
{
    struct daemon *daemon = context;
    notice_sleep(daemon);
    follow_endpoints(daemon);
    log_retry(&daemon->log);
    /* A way inside a carrier narrowed, or is tried again (RULES C6). */
    if (daemon->mtu_changes != engine_mtu_changes(network_engine(daemon->network)))
        loop_set_timer(&daemon->settle, now);
    /* The kernel tells of filters that change, but not of this switch. */
    if (daemon->state.restores_src_valid_mark && !sysctl_has_src_valid_mark())
        settle_switches(daemon);
    loop_set_timer(&daemon->follow, instant_add(now, FOLLOW_NS));
}

/* The tunnels' own datagrams have a route to it. */
static bool has_route(void *context, const struct address *address)
{
    struct daemon *daemon = context;
    struct kernel_route_way way;
    return kernel_route_towards(&daemon->netlink, address, daemon->state.routing.mark, &way,
                                TEXT_UNHEARD) == 0;
}

static void endpoint_changed(void *context)
{
    struct daemon *daemon = context;
    follow_endpoints(daemon); /* before the first datagram to it */
    loop_set_timer(&daemon->settle, loop_now());
}

struct names_options settle_names_options(struct daemon *daemon)
{
    return (struct names_options){.loop = daemon->loop,
                                  .network = &daemon->description,
                                  .engine = network_engine(daemon->network),
                                  .mark = daemon->state.routing.mark,
                                  .has_route = has_route,
                                  .changed = endpoint_changed,
                                  .log = log_as_sink(&daemon->log),
                                  .context = daemon};
}

void settle_configured(struct daemon *daemon, bool concerns_host, bool is_urgent)
{
    instant_ns now = loop_now();
    daemon->is_description_old = daemon->is_unfollowed = true;
    if (is_urgent)
        follow_configured(daemon);
    if (is_urgent && daemon->guard.has_kill_switch)
        follow_endpoints(daemon); /* before the first datagram to them */
    if (concerns_host && instant_is_reached(daemon->settle_again, now))
        settle(daemon, now);
    else if (concerns_host && daemon->settle.deadline > daemon->settle_again)
        loop_set_timer(&daemon->settle, daemon->settle_again);
}

void settle_at_once(struct daemon *daemon)
{
    settle(daemon, loop_now());
}

void settle_start(struct daemon *daemon)
{
    daemon->settle =
        (struct loop_timer){.deadline = INSTANT_NEVER, .ring = settle, .context = daemon};
    daemon->follow = (struct loop_timer){
        .deadline = instant_add(loop_now(), FOLLOW_NS), .ring = follow, .context = daemon};
    daemon->slept = loop_slept();
    loop_add_timer(daemon->loop, &daemon->settle);
    loop_add_timer(daemon->loop, &daemon->follow);
}
