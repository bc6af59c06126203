/* SPDX-License-Identifier: MIT */
#include "daemon/own_hooks.h"

#include "daemon/attendant.h"
#include "daemon/hooks_record.h"
#include "daemon/settle.h"
#include "host/life.h"

int own_hooks_pre_up(struct daemon *daemon)
{
    if (!daemon->replaces && life_goes_on(daemon->config->name))
        return 0;
    return attendant_pre_up(daemon->attendant, &daemon->why);
}

static void attendant_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    char reason[WHY_BYTES];
    struct text why;
    (void)events;
    text_init(&why, reason, sizeof(reason));
    int heard = attendant_hear(daemon->attendant, &why);
    if (heard < 0)
        loop_remove(daemon->loop, &daemon->attendant_source);
    if (heard != 1)
        settle_log(daemon, reason);
    if (daemon->hooks == HOOKS_POST_UP && heard != 1)
        daemon->has_failed = true;
    if (daemon->hooks == HOOKS_PRE_DOWN || daemon->has_failed)
        loop_stop(daemon->loop);
    else
        daemon->hooks = heard < 0 ? HOOKS_NONE : HOOKS_STAND;
}

static int hear_attendant(struct daemon *daemon)
{
    daemon->attendant_source = (struct loop_source){.fd = daemon->attendant->socket,
                                                    .events = EPOLLIN,
                                                    .ready = attendant_ready,
                                                    .context = daemon};
    return loop_add(daemon->loop, &daemon->attendant_source);
}

int own_hooks_post_up(struct daemon *daemon)
{
    if (daemon->attendant->socket < 0)
        return 0;
    daemon->hooks = HOOKS_POST_UP;
    attendant_post_up(daemon->attendant);
    return hear_attendant(daemon);
}

void own_hooks_take_attendant(struct daemon *daemon, int socket)
{
    if (daemon->hooks != HOOKS_NONE || socket < 0) {
        attendant_end(&(struct attendant){.socket = socket});
        return;
    }
    attendant_end(daemon->attendant); /* one that has ended */
    daemon->attendant->socket = socket;
    daemon->hooks = hear_attendant(daemon) == 0 ? HOOKS_STAND : HOOKS_NONE;
}

void own_hooks_end(struct daemon *daemon)
{
    daemon->has_failed |= daemon->hooks == HOOKS_POST_UP;
    if (daemon->hooks != HOOKS_STAND) {
        loop_stop(daemon->loop);
        return;
    }
    daemon->hooks = HOOKS_PRE_DOWN;
    attendant_pre_down(daemon->attendant);
}

void own_hooks_post_down(struct daemon *daemon)
{
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (daemon->has_failed) /* also where the attendant was ended with us */
        hooks_record_drop(daemon->config->name);
    if (daemon->hooks == HOOKS_PRE_DOWN && !daemon->is_orphaned &&
        !attendant_post_down(daemon->attendant, &why))
        settle_log(daemon, reason);
}
