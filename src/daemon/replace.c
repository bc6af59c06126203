/* SPDX-License-Identifier: MIT */
#include "daemon/replace.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/check.h"
#include "daemon/hook_caller.h"
#include "daemon/obstacles.h"
#include "host/control_client.h"
#include "host/control_socket.h"
#include "host/life.h"
#include "host/state.h"
#include "io/loop.h"

#define ANSWER_TIMEOUT_MS 5000
#define END_TIMEOUT_NS (15 * NS_PER_S)
#define PAUSE_NS 5000000

/* The answer as JSON, to be given back with json_decref; NULL: none, or a refusal. *result: as of
 * control_client_ask, and -EBADMSG. */
static json_t *ask(const char *network, const char *request, int *result, struct text *why)
{
    char path[STATE_PATH_BYTES], *answer = NULL;
    size_t len = 0;
    *result = state_path(network, ".sock", path, why);
    if (*result == 0)
        *result = control_client_ask(path, request, -1, ANSWER_TIMEOUT_MS, &answer, &len, why);
    if (*result != 0)
        return NULL;
    json_t *object = len ? json_loadb(answer, len, 0, NULL) : NULL;
    free(answer);
    if (len == 0)
        *result = -ECONNREFUSED; /* it ended before it answered */
    else if (!object || json_object_get(object, "error"))
        *result = -EBADMSG;
    if (*result == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* The ports of the running network's roots. */
static void read_ports(const json_t *status, struct obstacles_held *held)
{
    size_t i;
    json_t *tunnel;
    json_array_foreach(json_object_get(status, "tunnels"), i, tunnel) {
        if (json_is_null(json_object_get(tunnel, "via")) &&
            held->port_count < OBSTACLES_PORTS_MOST)
            held->ports[held->port_count++] =
                (uint16_t)json_integer_value(json_object_get(tunnel, "listen_port"));
    }
}

/* 0; 1: it does not listen, as it is starting or ending; or -errno and a sentence. */
static int look_whether_it_may(const char *network, struct text *why)
{
    struct state running;
    char path[STATE_PATH_BYTES];
    int result = state_path(network, ".sock", path, why);
    pid_t listener = result == 0 ? control_client_listener(path) : 0;
    if (result < 0 || listener < 0)
        return result < 0 ? result : 1;
    if (listener == 0) {
        text_append(why, "%s is up in another PID namespace, a container's: replace it from there",
                    network);
        return -EXDEV;
    }
    if (state_read(network, &running, TEXT_UNHEARD) != 0) {
        text_append(why, "%s is up, but its state is gone: `hopwire down %s` ends it", network,
                    network);
        return -ENOENT;
    }
    if (!state_is_of_this_namespace(&running)) {
        text_append(why, "%s is up in another network namespace: replace it from there", network);
        return -EXDEV;
    }
    return 0;
}

int replace_check(const struct config *config, const char *aead_backend, struct text *why)
{
    struct state running;
    if (!life_goes_on(config->name))
        return 0;
    int asked, result = look_whether_it_may(config->name, why);
    if (result < 0 || state_read(config->name, &running, TEXT_UNHEARD) != 0)
        return result < 0 ? result : 0;
    struct obstacles_held held = {.interface_index = running.routing.interface_index};
    json_t *status = ask(config->name, "status", &asked, TEXT_UNHEARD);
    held.is_unknown = !status; /* no right to ask, say: that is no obstacle */
    read_ports(status, &held);
    json_decref(status);
    return check_refuse(config, aead_backend, &held, why);
}

static int refuse_leaving(const char *network, int asked, const char *said, struct text *why)
{
    if (asked == -EBADMSG)
        text_append(why, "%s is run by a hopwire that cannot hand over: `hopwire down %s` and "
                         "`hopwire up` replace it, with a gap",
                    network, network);
    else
        text_append(why, "%s cannot be asked to leave: %s", network, said);
    return asked;
}

/* As look_whether_it_may. */
static int ask_to_leave(const char *network, struct text *why)
{
    struct text answer = TEXT_ROOM(512);
    int asked;
    json_t *left = ask(network, "leave", &asked, &answer);
    json_decref(left);
    if (left || asked == -ENOENT || asked == -ECONNREFUSED || asked == -ECONNRESET ||
        asked == -EPIPE)
        return left ? 0 : 1;
    return refuse_leaving(network, asked, answer.bytes, why);
}

int replace_end(const char *network, int (*before)(void *context), void *context, bool *has_ended,
                struct text *why)
{
    instant_ns deadline = instant_add(loop_now(), END_TIMEOUT_NS);
    bool is_asked = false;
    while (life_goes_on(network)) {
        int result = look_whether_it_may(network, why);
        bool listens = result == 0;
        if (listens)
            result = before(context);
        if (result == 0)
            result = ask_to_leave(network, why);
        if (result < 0)
            return result;
        if (listens) /* maybe another one, that was quicker than we: it leaves, too */
            deadline = instant_add(loop_now(), END_TIMEOUT_NS);
        is_asked |= result == 0;
        *has_ended |= is_asked;
        if (instant_is_reached(deadline, loop_now())) {
            text_append(why, "%s %s: ", network,
                        is_asked ? "was asked to leave, and does not end" : "does not listen");
            if (!hook_caller_tell(network, why))
                text_append(why, "look at what it waits for");
            text_append(why, ", then try again");
            return -ETIMEDOUT;
        }
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return 0;
}
