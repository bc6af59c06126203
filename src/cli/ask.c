/* SPDX-License-Identifier: MIT */
#include "cli/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load.h"
#include "host/control_client.h"
#include "host/life.h"
#include "host/state.h"

#define TIMEOUT_MS 5000
#define PROCESS_BYTES 32

/* Where it can be seen from here. */
static const char *describe_process(const struct state *state, char text[PROCESS_BYTES])
{
    text[0] = '\0';
    if (state_process_is_alive(state))
        snprintf(text, PROCESS_BYTES, " (process %u)", state->pid);
    return text;
}

/* After a crash its state stands, and with it what must not leak. */
const char *ask_say_not_up(const char *network)
{
    char process[PROCESS_BYTES], up[LOAD_ADVICE_BYTES];
    struct state state;
    struct text why = TEXT_ROOM(1024);
    int result = state_read(network, &state, &why);
    if (life_goes_on(network)) {
        fprintf(stderr,
                "hopwire: %s runs%s, but does not listen: it is starting or ending, or "
                "its socket was removed; try again, or `hopwire down %s` ends it\n",
                network, result == 0 ? describe_process(&state, process) : "", network);
        return "not listening";
    }
    if (result == 0 || result == -EBADMSG) {
        fprintf(stderr,
                "hopwire: %s ended without putting the host back, its destinations are "
                "unreachable: %s starts it again, `hopwire down %s` cleans up\n",
                network, load_advise_up(network, up), network);
        return "crashed";
    }
    if (result == -ENOENT)
        fprintf(stderr, "hopwire: %s is not up; %s starts it\n", network,
                load_advise_up(network, up));
    else
        fprintf(stderr, "hopwire: %s: %s\n", network, why.bytes);
    return NULL;
}

static json_t *ask(const char *network, const char *request, int passed, unsigned timeout_ms,
                   bool *is_up)
{
    char path[STATE_PATH_BYTES], reason[512], *answer = NULL;
    size_t len = 0;
    struct text why;
    bool listens = true;
    text_init(&why, reason, sizeof(reason));
    int result = state_path(network, ".sock", path, &why);
    if (result == 0)
        result = control_client_ask(path, request, passed, timeout_ms, &answer, &len, &why);
    if (result == -ENOENT || result == -ECONNREFUSED || result == -ECONNRESET || result == -EPIPE ||
        (result == 0 && len == 0)) {
        free(answer);
        listens = false;
        if (!is_up)
            ask_say_not_up(network);
    }
    if (is_up)
        *is_up = listens;
    if (!listens)
        return NULL;
    if (result != 0) {
        fprintf(stderr, "hopwire: %s: %s%s\n", network, why.len ? reason : strerror(-result),
                result == -EACCES ? "; run it as root, for example with sudo" : "");
        return NULL;
    }
    json_error_t error;
    json_t *object = json_loadb(answer, len, 0, &error);
    free(answer);
    const char *refusal = object ? json_string_value(json_object_get(object, "error")) : error.text;
    if (refusal) {
        fprintf(stderr, "hopwire: %s: %s\n", network, refusal);
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *ask_daemon(const char *network, const char *request, bool *is_up)
{
    return ask(network, request, -1, TIMEOUT_MS, is_up);
}

json_t *ask_patiently(const char *network, const char *request, unsigned timeout_ms, bool *is_up)
{
    return ask(network, request, -1, timeout_ms, is_up);
}

json_t *ask_with_file(const char *network, const char *request, int passed, unsigned timeout_ms)
{
    return ask(network, request, passed, timeout_ms, NULL);
}

pid_t ask_process(const char *network)
{
    char path[STATE_PATH_BYTES];
    bool is_path = state_path(network, ".sock", path, TEXT_UNHEARD) == 0;
    pid_t listener = is_path ? control_client_listener(path) : 0;
    return listener > 0 ? listener : 0;
}

const char *ask_text(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

long long ask_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}
