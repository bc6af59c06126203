/* SPDX-License-Identifier: MIT */
#include "daemon/own_hooks.h"

#include "daemon/attendant.h"
#include "daemon/hooks_record.h"

int own_hooks_end_earlier(void *context)
{
    struct daemon *daemon = context;
    return attendant_end_earlier(daemon->attendant, &daemon->why);
}

int own_hooks_pre_up(struct daemon *daemon)
{
    return attendant_pre_up(daemon->attendant, &daemon->why);
}

static enum stage_event failure(const struct daemon *daemon)
{
    return daemon->has_crashed ? STAGE_HOOKS_FAILED_AFTER_CRASH : STAGE_HOOKS_FAILED;
}

static void let_attendant_go(struct daemon *daemon)
{
    loop_remove(daemon->loop, &daemon->attendant_source);
    attendant_end(daemon->attendant);
}

static void attendant_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    struct text why = TEXT_ROOM(WHY_BYTES);
    (void)events;
    enum attendant_heard heard = attendant_hear(daemon->attendant, &why);
    if (heard == ATTENDANT_ENDED) {
        text_append(&why, "; `hopwire down` runs those of its end");
        let_attendant_go(daemon);
    }
    if (heard != ATTENDANT_WELL)
        log_notice(&daemon->log, why.bytes);
    /* It answers to PostUp and PreDown, and says that `up` has gone; that it ends is no answer. */
    if (heard != ATTENDANT_TOLD && (heard != ATTENDANT_ENDED || daemon->stage != STAGE_UP))
        daemon_state_step(daemon, heard == ATTENDANT_WELL ? STAGE_HOOKS_WELL : failure(daemon));
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
    daemon_state_step(daemon, STAGE_HAS_STARTED);
    if (daemon->attendant->socket < 0) {
        daemon_state_step(daemon, STAGE_HOOKS_WELL);
        return 0;
    }
    attendant_post_up(daemon->attendant, daemon->has_crashed);
    int result = hear_attendant(daemon);
    if (result != 0)
        daemon_state_step(daemon, failure(daemon));
    return result;
}

void own_hooks_take_attendant(struct daemon *daemon, int socket)
{
    struct attendant later = {.socket = socket};
    bool has_one = daemon->attendant->socket >= 0;
    if (has_one && daemon->stage != STAGE_UP)
        attendant_end(&later);
    if (later.socket < 0)
        return;
    if (has_one)
        let_attendant_go(daemon);
    *daemon->attendant = later;
    if (hear_attendant(daemon) != 0)
        attendant_end(daemon->attendant);
}

static bool has_end(const struct config *config)
{
    bool has = config->saves_itself;
    for (size_t i = 0; i < config->hook_count; i++)
        has |= config->hooks[i].kind == HOOK_PRE_DOWN || config->hooks[i].kind == HOOK_POST_DOWN;
    return has;
}

void own_hooks_keep(struct daemon *daemon)
{
    if (!has_end(daemon->file))
        return;
    if (daemon->attendant->socket >= 0)
        attendant_keep_record(daemon->attendant);
    else
        log_notice(&daemon->log, "its PreDown and PostDown are lost with them: `hopwire up "
                                 "--replace` with its file, or run by hand what they say");
}

void own_hooks_end(struct daemon *daemon)
{
    bool was_up = daemon->stage == STAGE_UP;
    daemon_state_step(daemon, STAGE_SIGNAL);
    if (was_up && daemon->attendant->socket >= 0)
        attendant_pre_down(daemon->attendant);
    else if (was_up)
        daemon_state_step(daemon, STAGE_HOOKS_WELL);
}

void own_hooks_post_down(struct daemon *daemon)
{
    struct text why = TEXT_ROOM(WHY_BYTES);
    if (stage_has_failed(daemon->stage)) /* also where the attendant was ended with us */
        hooks_record_drop(daemon->config->name, -1);
    if (daemon->stage == STAGE_SIGNALLED && daemon->attendant->socket >= 0 &&
        !attendant_post_down(daemon->attendant, &daemon->log, &why))
        log_notice(&daemon->log, why.bytes);
}
