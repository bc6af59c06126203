/* SPDX-License-Identifier: MIT */
#include "daemon/requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/interface.h"
#include "daemon/json_answer.h"
#include "daemon/own_hooks.h"
#include "daemon/readiness.h"
#include "daemon/reload.h"
#include "daemon/report.h"
#include "daemon/settle.h"
#include "daemon/uapi.h"

#define LOOK_NS (3 * NS_PER_S)

static void answer_request(void *context, char *line, struct control_answer *to)
{
    struct daemon *daemon = context;
    if (!line) {
        reload_forget(daemon, to);
        readiness_forget(daemon, to);
        return;
    }
    bool is_question = strcmp(line, "status") == 0 || strncmp(line, "route ", 6) == 0;
    if (is_question && !settle_describe(daemon)) {
        json_answer_give(to, NULL); /* no memory */
        return;
    }
    struct report report = {.config = daemon->config,
                            .interface_name = daemon->tun.name,
                            .network = daemon->network,
                            .aead_name = aead_name(daemon->aead),
                            .interface_mtu_bytes =
                                interface_mtu(daemon->config, network_engine(daemon->network)),
                            .mark = daemon->state.routing.mark,
                            .names = daemon->names,
                            .translation = daemon->translation,
                            .beside = &daemon->beside,
                            .behind = daemon->behind.said,
                            .uapi = daemon->uapi,
                            .log_lost = daemon->log.lost,
                            .started = daemon->started};
    struct address destination;
    if (strcmp(line, "status") == 0) {
        json_answer_give(to, report_status(&report, loop_now()));
    } else if (strncmp(line, "route ", 6) == 0 && address_parse(line + 6, &destination)) {
        json_answer_give(to, report_route(&report, &destination));
    } else if (strcmp(line, "reload") == 0 || strcmp(line, "reload dry-run") == 0) {
        reload_request(daemon, control_answer_take_passed(to), line[6] != '\0', to);
    } else if (strncmp(line, "wait ", 5) == 0) {
        readiness_request(daemon, READINESS_WAIT, line + 5, to);
    } else if (strncmp(line, "ping ", 5) == 0) {
        readiness_request(daemon, READINESS_PING, line + 5, to);
    } else if (strncmp(line, "doctor ", 7) == 0) {
        readiness_request(daemon, READINESS_DOCTOR, line + 7, to);
    } else if (strcmp(line, "attendant") == 0) {
        own_hooks_take_attendant(daemon, control_answer_take_passed(to));
        control_answer_format(to, "{}\n");
        control_answer_end(to);
    } else if (strcmp(line, "leave") == 0) {
        log_notice(&daemon->log,
                   "another run of this network takes over: ending, all that keeps its "
                   "destinations from leaving another way stays");
        control_answer_format(to, "{}\n");
        control_answer_end(to);
        daemon_state_step(daemon, STAGE_ABANDONED);
    } else if (strcmp(line, "down") == 0) {
        control_answer_format(to, "{}\n");
        control_answer_end(to);
        daemon_state_step(daemon, STAGE_ASKED_DOWN);
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

static int open_socket(struct daemon *daemon, struct text *why)
{
    char path[STATE_PATH_BYTES];
    const struct control_options options = {
        .request = answer_request,
        .context = daemon,
        .memory = io_memory_plain(),
        .unreadable = "{\"error\": \"this is no request: one line of text, with its end\"}\n"};
    int result = state_path(daemon->config->name, ".sock", path, why);
    if (result == 0)
        result = control_socket_open(path, &options, &daemon->control, why);
    if (result != 0)
        return result;
    daemon->control_source = (struct loop_source){.fd = control_socket_fd(daemon->control),
                                                  .events = EPOLLIN,
                                                  .ready = control_ready,
                                                  .context = daemon};
    return loop_add(daemon->loop, &daemon->control_source);
}

static void close_socket(struct daemon *daemon)
{
    if (!daemon->control)
        return;
    loop_remove(daemon->loop, &daemon->control_source);
    control_socket_close(daemon->control);
    daemon->control = NULL;
}

/* The socket leads to the daemon, and the state file to what a crash of it leaves behind. */
static bool files_stand(const struct daemon *daemon)
{
    char path[STATE_PATH_BYTES];
    return daemon->control && control_socket_stands(daemon->control) &&
           state_path(daemon->config->name, ".state", path, TEXT_UNHEARD) == 0 &&
           access(path, F_OK) == 0;
}

static int make_files(struct daemon *daemon, struct text *why)
{
    int result = state_make_directory(why);
    if (result == 0)
        result = state_write(daemon->config->name, &daemon->state, why);
    if (result != 0 || (daemon->control && control_socket_stands(daemon->control)))
        return result;
    close_socket(daemon);
    return open_socket(daemon, why);
}

/* Missing twice in a row: who moves them away for a moment puts them back himself. */
static void look_after_files(void *context, instant_ns now)
{
    struct daemon *daemon = context;
    bool was_missing = daemon->is_file_missing;
    struct text why = TEXT_ROOM(WHY_BYTES);
    loop_set_timer(&daemon->file_look, instant_add(now, LOOK_NS));
    uapi_look(daemon->uapi, &daemon->log);
    daemon->is_file_missing = !files_stand(daemon);
    if (!daemon->is_file_missing || !was_missing)
        return;
    log_notice(&daemon->log,
               make_files(daemon, &why) == 0
                   ? "somebody removed its control socket or its state file: made again"
                   : why.bytes);
    own_hooks_keep(daemon);
}

int requests_open(struct daemon *daemon)
{
    int result = open_socket(daemon, &daemon->why);
    if (result != 0)
        return result;
    daemon->file_look = (struct loop_timer){.deadline = instant_add(loop_now(), LOOK_NS),
                                              .ring = look_after_files,
                                              .context = daemon};
    loop_add_timer(daemon->loop, &daemon->file_look);
    return 0;
}

void requests_close(struct daemon *daemon)
{
    close_socket(daemon);
}
