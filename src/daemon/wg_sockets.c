/* SPDX-License-Identifier: MIT */
#include "daemon/wg_sockets.h"

#include <stdio.h>

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
    char reason[WHY_BYTES], line[WHY_BYTES + 64];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    int result = changes_apply(daemon, changes, &why);
    if (result != 0) {
        snprintf(line, sizeof(line), "a change by wg was refused: %s", reason);
        log_notice(&daemon->log, line);
    }
    return result;
}

static void add_missing(struct daemon *daemon, void (*tell)(void *log, const char *line))
{
    const struct network_description *network = &daemon->config->network;
    for (size_t i = 0; daemon->uapi && i < network->tunnel_count; i++) {
        const char *tunnel = network->tunnels[i].name;
        char reason[WHY_BYTES], line[2 * WHY_BYTES];
        struct text why;
        text_init(&why, reason, sizeof(reason));
        if (uapi_name(daemon->uapi, tunnel) ||
            uapi_add(daemon->uapi, tunnel, daemon->state.wg[i], -1, &why) == 0)
            continue;
        snprintf(line, sizeof(line), "%s: going on without `wg` for it: %s", tunnel, reason);
        tell(&daemon->log, line);
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
    add_missing(daemon, log_warn);
}

void wg_sockets_follow(struct daemon *daemon)
{
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (!daemon->uapi)
        return;
    wg_sockets_note(daemon);
    if (state_write(daemon->config->name, &daemon->state, &why) != 0)
        log_notice(&daemon->log, reason);
    uapi_keep(daemon->uapi, &daemon->config->network, daemon->state.wg);
    add_missing(daemon, log_notice);
}

void wg_sockets_close(struct daemon *daemon)
{
    uapi_free(daemon->uapi);
    daemon->uapi = NULL;
}
