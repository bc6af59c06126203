/* SPDX-License-Identifier: MIT */
#include "daemon/succession.h"

#include <errno.h>

#include "daemon/attendant.h"
#include "daemon/check.h"
#include "daemon/crashed.h"
#include "daemon/own_hooks.h"
#include "daemon/replace.h"
#include "daemon/settle.h"
#include "daemon/uapi.h"
#include "host/life.h"

/* 0; -EEXIST, which a replacement takes for a run that is to leave; or another -errno. With a
 * sentence. */
static int take_life(struct daemon *daemon)
{
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    daemon->life = life_begin(daemon->config->name, &daemon->why);
    if (daemon->life < 0)
        return daemon->life;
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    return 0;
}

int succession_look(struct daemon *daemon, const char *aead_backend)
{
    const struct config *config = daemon->config;
    if (daemon->replaces && life_goes_on(config->name))
        return replace_check(config, aead_backend, &daemon->why);
    int result = take_life(daemon);
    if (result == 0)
        result = crashed_read(config->name, &daemon->crashed, &daemon->has_crashed, &daemon->why);
    if (result == 0 && daemon->attendant->socket >= 0) /* else it is looked at once, later on */
        result = check_refuse(config, aead_backend, &(struct obstacles_held){0}, &daemon->why);
    return result;
}

int succession_take_over(struct daemon *daemon)
{
    while (daemon->life < 0) {
        int result = replace_end(daemon->config->name, own_hooks_end_earlier, daemon,
                                 &daemon->has_replaced, &daemon->why);
        if (result == 0)
            result = take_life(daemon);
        if (result != 0 && result != -EEXIST) /* another replacement was quicker: it leaves, too */
            return result;
    }
    return own_hooks_pre_up(daemon);
}

int succession_begin(struct daemon *daemon)
{
    const char *name = daemon->config->name;
    int result = crashed_read(name, &daemon->crashed, &daemon->has_crashed, &daemon->why);
    if (result == 0 && daemon->has_crashed)
        result = crashed_reduce(&daemon->netlink, name, &daemon->crashed, &daemon->why);
    return result;
}

int succession_end(struct daemon *daemon)
{
    struct state *state = &daemon->state;
    daemon->guard.has_kill_switch = daemon->config->has_kill_switch;
    int result = state->has_kill_switch && !daemon->config->has_kill_switch
                     ? settle_firewall(daemon)
                     : 0;
    if (result != 0)
        return result;
    state->has_kill_switch = daemon->config->has_kill_switch;
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (uapi_clean_up(&daemon->crashed, &why) != 0)
        log_notice(&daemon->log, reason);
    text_init(&why, reason, sizeof(reason));
    state->has_previous = routing_undo(&daemon->netlink, &state->previous, &why) != 0;
    if (state->has_previous)
        log_notice(&daemon->log, reason);
    else
        state->previous = (struct routing){0};
    if (state_write(daemon->config->name, state, &why) != 0)
        log_notice(&daemon->log, reason);
    return 0;
}

int succession_restore(struct daemon *daemon, struct text *why)
{
    const char *name = daemon->config->name;
    struct state *crashed = &daemon->crashed, *state = &daemon->state;
    crashed->has_firewall |= state->has_firewall;
    crashed->has_kill_switch |= state->has_kill_switch;
    crashed->restores_src_valid_mark |= state->restores_src_valid_mark;
    state->is_laid = false; /* if it is killed now, the crashed run's is the one to keep */
    int result = state_write(name, state, why);
    if (result == 0 && daemon->is_laid)
        result = routing_undo(&daemon->netlink, &state->routing, why);
    return result ? result : state_write(name, crashed, why);
}
