/* SPDX-License-Identifier: MIT */
/* Order: what protects more stands first (the kill switch, the guard of names, unreachable routes
 * to name servers that have no tunnel yet). Then the system is shown its name servers, by another
 * process, while packets move; this may fail and is put back. Then the engine changes, which may
 * still refuse, and the host follows it; last goes what protected. Whatever fails, what was done
 * until then is undone in reverse. */
#include "daemon/switching.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/changes.h"
#include "daemon/firewall_repair.h"
#include "daemon/host_dns.h"
#include "daemon/interface.h"
#include "daemon/own_routes.h"
#include "daemon/settle.h"
#include "daemon/system_dns.h"
#include "daemon/wg_sockets.h"

/* The settings are the new file's, the network is the engine's; notes stand beside it. */
static bool make_living(const struct switching *switching, struct config *living)
{
    const struct network_description *network = &switching->daemon->description;
    struct config *from = switching->to;
    /* Also as many as there are when the changes stand. */
    size_t most = network->tunnel_count + from->network.tunnel_count;
    struct config_tunnel *notes = arena_take(&from->arena, (most + 1) * sizeof(*notes));
    for (size_t i = 0; notes && i < network->tunnel_count; i++)
        for (size_t t = 0; t < from->network.tunnel_count; t++)
            if (strcmp(network->tunnels[i].name, from->network.tunnels[t].name) == 0)
                notes[i] = from->tunnels[t];
    *living = *from;
    living->network = *network;
    living->tunnels = notes;
    return notes != NULL;
}

/* ---- the kill switch ---- */

/* Nobody else takes it away until end(): settle.h does, where the configuration has none. */
static int lay_kill_switch(struct daemon *daemon, struct text *why)
{
    struct state *state = &daemon->state;
    const struct state before = *state;
    state->has_kill_switch = state->routing.has_kill_switch = state->has_firewall = true;
    daemon->guard.has_kill_switch = true;
    guard_find_lan(&daemon->guard, daemon->ways, daemon->way_count);
    int result = state_write(daemon->config->name, state, why);
    if (result == 0)
        result = guard_lay(&daemon->guard, why);
    if (result == 0 && (result = own_routes_lay(daemon)) != 0)
        text_append(why, "%s", daemon->reason);
    /* Where there was no table at the start nobody watches it yet. */
    if (result == 0 && daemon->table_source.fd <= 0)
        result = firewall_repair_start(daemon);
    if (result == 0)
        return 0;
    *state = before;
    daemon->guard.has_kill_switch = false;
    struct text again = TEXT_ROOM(WHY_BYTES);
    if ((state_write(daemon->config->name, state, &again) != 0) |
        (state->has_firewall && guard_lay(&daemon->guard, &again) != 0) |
        (own_routes_lay(daemon) != 0))
        log_notice(&daemon->log, again.bytes);
    return result;
}

/* ---- what is held while the name servers change ---- */

/* Servers inside of tunnels that do not stand yet: asked now, they would be asked in clear. */
static int hold_servers(struct switching *switching, struct guard_hold *hold)
{
    struct engine *now = network_engine(switching->daemon->network);
    const struct config *to = switching->to;
    struct system_dns dns = system_dns_choose(to);
    if (dns.server_count == 0)
        return 0;
    struct engine *then =
        engine_foresee(to->arena.memory, loop_random(), &to->network, TEXT_UNHEARD);
    for (size_t i = 0; then && i < dns.server_count; i++) {
        const struct address *server = &dns.servers[i];
        bool is_coming = !system_dns_is_local(server) && !system_dns_engine_has(now, server) &&
                         system_dns_engine_has(then, server);
        if (is_coming && hold->server_count < GUARD_SERVERS_MOST)
            hold->servers[hold->server_count++] = prefix_host(server);
    }
    engine_free(then);
    return then ? 0 : -EINVAL;
}

static void release(struct daemon *daemon)
{
    struct guard_hold *hold = &daemon->guard.hold;
    bool has_guard = hold->has_dns_guard, has_servers = hold->server_count > 0;
    *hold = (struct guard_hold){.has_kill_switch = true};
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    if ((has_guard && daemon->state.has_firewall &&
         guard_lay(&daemon->guard, &daemon->why) != 0) |
        (has_servers && own_routes_lay(daemon) != 0))
        log_notice(&daemon->log, daemon->reason);
}

/* Strictest of both: what either configuration would not let out does not leave in between. */
static int hold(struct switching *switching)
{
    struct daemon *daemon = switching->daemon;
    struct guard *guard = &daemon->guard;
    struct guard_hold wanted = {.has_kill_switch = true,
                                .has_dns_guard =
                                    guard_wants_dns_guard(guard, daemon->config) ||
                                    guard_wants_dns_guard(guard, switching->to)};
    int result = hold_servers(switching, &wanted);
    if (result != 0)
        return result;
    guard->hold = wanted;
    if (wanted.has_dns_guard && daemon->state.has_firewall)
        result = guard_lay(guard, &switching->why);
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    if (result == 0 && wanted.server_count && own_routes_lay(daemon) != 0) {
        text_append(&switching->why, "%s", daemon->reason);
        result = -EIO;
    }
    if (result != 0)
        release(daemon);
    return result;
}

/* ---- the engine, and the host behind it ---- */

/* The tunnels may be others now, and in another order. */
static void follow(struct switching *switching)
{
    struct daemon *daemon = switching->daemon;
    struct config living;
    if (settle_describe(daemon) && make_living(switching, &living))
        daemon->living.tunnels = living.tunnels;
    changes_follow(daemon, switching->changes);
    wg_sockets_follow(daemon);
}

static int take_over(struct switching *switching)
{
    struct daemon *daemon = switching->daemon;
    const struct changes *changes = switching->changes;
    const struct config before = daemon->living;
    const struct guard_hold held = daemon->guard.hold;
    struct config living;
    int result = 0;
    if (!settle_describe(daemon) || !make_living(switching, &living) ||
        !interface_note_leaving(&daemon->leaving, daemon->config))
        return -ENOMEM;
    daemon->living = living;
    if (switching->changes_dns) /* what is held goes with what the changes lay */
        daemon->guard.hold = (struct guard_hold){.has_kill_switch = true};
    if (changes_are_any(changes))
        result = changes_take(daemon, changes, &switching->why);
    if (result == 0) {
        follow(switching);
        return 0;
    }
    daemon->living = before;
    daemon->guard.hold = held;
    return result;
}

/* ---- the whole ---- */

/* Nobody knows what servers are shown: what keeps names inside stays until somebody does. */
static bool is_dns_unknown(const struct switching *switching)
{
    return switching->changes_dns && switching->result == -EPIPE;
}

static bool end(struct switching *switching)
{
    struct daemon *daemon = switching->daemon;
    if (is_dns_unknown(switching))
        return false;
    if (switching->result != 0 && switching->changes_dns)
        release(daemon);
    daemon->guard.hold.has_kill_switch = false;
    if (daemon->state.has_kill_switch && !daemon->config->has_kill_switch)
        settle_at_once(daemon);
    return false;
}

static bool finish(struct switching *switching)
{
    struct daemon *daemon = switching->daemon;
    switching->result = take_over(switching);
    if (switching->result == 0 || !switching->changes_dns)
        return end(switching);
    switching->goes_back = host_dns_change(daemon, daemon->file, TEXT_UNHEARD) == 0;
    return switching->goes_back || end(switching);
}

bool switching_begin(struct switching *switching)
{
    struct daemon *daemon = switching->daemon;
    int result = 0;
    text_init(&switching->why, switching->reason, sizeof(switching->reason));
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    daemon->guard.hold.has_kill_switch = true;
    /* What is refused is refused before any server changes. */
    if (switching->changes_dns)
        result = changes_try(daemon, switching->changes, &switching->why);
    if (result == 0 && switching->to->has_kill_switch && !daemon->guard.has_kill_switch)
        result = lay_kill_switch(daemon, &switching->why);
    if (result == 0 && switching->changes_dns)
        result = hold(switching);
    if (result == 0 && !switching->changes_dns)
        return finish(switching);
    if (result == 0)
        result = host_dns_change(daemon, switching->to, &switching->why);
    switching->result = result;
    return result == 0 || end(switching);
}

bool switching_go_on(struct switching *switching, int result, const char *why)
{
    struct daemon *daemon = switching->daemon;
    if (switching->goes_back) {
        if (result != 0)
            log_notice(&daemon->log, why);
        switching->result = result == -EPIPE ? result : switching->result;
        return end(switching);
    }
    switching->result = result;
    if (result == 0)
        return finish(switching);
    text_append(&switching->why, "%s", why);
    return end(switching);
}
