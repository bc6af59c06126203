/* SPDX-License-Identifier: MIT */
#include "daemon/wg_sockets.h"

#include <stdio.h>
#include <string.h>

#include "config/naming.h"
#include "daemon/changes.h"
#include "daemon/uapi.h"

void wg_sockets_note(struct daemon *daemon)
{
    const struct network_description *network = &daemon->config->network;
    daemon->state.wg_count = network->tunnel_count;
    naming_wg(daemon->tun.name, network, daemon->state.wg);
}

/* `wg` shows an errno: the sentence is in the log. */
static int apply(void *context, const struct changes *changes)
{
    struct daemon *daemon = context;
    char line[WHY_BYTES + 64];
    struct text why = TEXT_ROOM(WHY_BYTES);
    int result = changes_apply(daemon, changes, &why);
    if (result != 0) {
        snprintf(line, sizeof(line), "a change by wg was refused: %s", why.bytes);
        log_notice(&daemon->log, line);
    }
    return result;
}

static void add_missing(struct daemon *daemon, struct log_sink log)
{
    const struct network_description *network = &daemon->config->network;
    for (size_t i = 0; daemon->uapi && i < network->tunnel_count; i++) {
        const char *tunnel = network->tunnels[i].name;
        char line[2 * WHY_BYTES];
        struct text why = TEXT_ROOM(WHY_BYTES);
        if (uapi_has(daemon->uapi, daemon->state.wg[i]) ||
            uapi_add(daemon->uapi, tunnel, daemon->state.wg[i], -1, &why) == 0)
            continue;
        snprintf(line, sizeof(line), "%s: going on without `wg` for it: %s", tunnel, why.bytes);
        log_sink_say(&log, LOG_LEVEL_NOTICE, line);
    }
}

void wg_sockets_open(struct daemon *daemon)
{
    const struct uapi_options options = {.loop = daemon->loop,
                                         .network = daemon->network,
                                         .memory = io_memory_secrets(daemon->memory),
                                         .apply = apply,
                                         .context = daemon};
    daemon->uapi = uapi_new(&options);
    add_missing(daemon, log_as_sink_aloud(&daemon->log));
}

static bool is_noted(const struct state *state, const char *name)
{
    for (size_t i = 0; i < state->wg_count; i++)
        if (strcmp(state->wg[i], name) == 0)
            return true;
    return false;
}

/* What is still there goes after a crash, too. */
static void note_old(struct state *state, const struct state *old)
{
    for (size_t i = 0; i < old->wg_count && state->wg_count < STATE_WG_MOST; i++)
        if (!is_noted(state, old->wg[i]))
            memcpy(state->wg[state->wg_count++], old->wg[i], sizeof(old->wg[i]));
}

static void write_state(struct daemon *daemon)
{
    struct text why = TEXT_ROOM(WHY_BYTES);
    if (state_write(daemon->config->name, &daemon->state, &why) != 0)
        log_notice(&daemon->log, why.bytes);
}

/* Those that come stand before the others go; but for one that gets the name of one of these. */
void wg_sockets_follow(struct daemon *daemon)
{
    const struct state old = daemon->state;
    const struct network_description *network = &daemon->config->network;
    if (!daemon->uapi)
        return;
    wg_sockets_note(daemon);
    note_old(&daemon->state, &old);
    write_state(daemon);
    add_missing(daemon, log_as_sink(&daemon->log));
    uapi_keep(daemon->uapi, network, daemon->state.wg);
    add_missing(daemon, log_as_sink(&daemon->log));
    if (daemon->state.wg_count == network->tunnel_count)
        return;
    wg_sockets_note(daemon);
    write_state(daemon);
}

void wg_sockets_close(struct daemon *daemon)
{
    uapi_free(daemon->uapi);
    daemon->uapi = NULL;
}
