/* SPDX-License-Identifier: MIT */
/* Order: all is looked at, then what protects more stands (the kill switch), then the engine
 * changes, which may still refuse, and the host follows it; last goes what protected. Until the
 * engine has said yes, a refusal puts the daemon's own data back, and nothing else has changed. */
#include "daemon/reload.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "config/difference.h"
#include "config/recording.h"
#include "daemon/changes.h"
#include "daemon/interface.h"
#include "daemon/restore.h"
#include "daemon/settle.h"
#include "daemon/system_dns.h"
#include "daemon/wg_sockets.h"

#define FILES_BYTES 2048
#define PATHS_MOST 16

struct reload {
    struct daemon *daemon;
    char *bytes; /* the recording */
    size_t capacity;
    const char *paths[PATHS_MOST]; /* in it */
    size_t path_count;
    char files[FILES_BYTES]; /* as a shell would read them */
    struct config *config;
    struct config_messages messages;
    struct arena arena;
    struct difference difference;
};

static void refuse(struct reload *reload, const char *sentence)
{
    config_messages_add(&reload->messages, CONFIG_ERROR, NULL, "%s", sentence);
}

static void refuse_by_replace(struct reload *reload, const char *what)
{
    config_messages_add(&reload->messages, CONFIG_ERROR, NULL,
                        "%s cannot change while the network runs; run: hopwire up --replace %.250s",
                        what, reload->files);
}

/* ---- what it is to become ---- */

static bool take_recording(struct reload *reload, int passed)
{
    const struct memory *memory = io_memory_secrets(reload->daemon->memory);
    struct stat status;
    if (passed < 0 || fstat(passed, &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_size <= 0 || status.st_size > RECORDING_MOST_BYTES)
        return false;
    reload->capacity = (size_t)status.st_size;
    reload->bytes = memory_take(memory, reload->capacity);
    size_t len = 0;
    for (ssize_t got = 1; reload->bytes && got > 0 && len < reload->capacity;
         len += got > 0 ? (size_t)got : 0)
        got = pread(passed, reload->bytes + len, reload->capacity - len, (off_t)len);
    return reload->bytes && len == reload->capacity;
}

/* Only the errors: whoever sends it has read and heard the rest. */
static bool parse(struct reload *reload)
{
    struct recording_replay replay = {reload->bytes, reload->capacity};
    const struct config_reader reader = recording_reader(&replay);
    if (!recording_paths(&replay, reload->paths, PATHS_MOST, &reload->path_count)) {
        refuse(reload, "what came with the request is no configuration; is it another version's "
                       "`hopwire reload`?");
        return false;
    }
    struct text text;
    text_init(&text, reload->files, sizeof(reload->files));
    for (size_t i = 0; i < reload->path_count; i++) {
        text_append(&text, "%s", i ? " " : "");
        text_append_word(&text, reload->paths[i]);
    }
    config_load(&reload->config, io_memory_secrets(reload->daemon->memory), &reader, reload->paths,
                reload->path_count, &reload->messages);
    if (!reload->config)
        return false;
    const char *name = reload->daemon->config->name;
    if (strcmp(reload->config->name, name) == 0)
        return true;
    config_messages_add(&reload->messages, CONFIG_ERROR, NULL,
                        "%.200s is the file of a network %s, not of %s", reload->files,
                        reload->config->name, name);
    return false;
}

/* ---- what cannot be done ---- */

static bool is_same_dns(const struct config *before, const struct config *after)
{
    struct system_dns a = system_dns_choose(before), b = system_dns_choose(after);
    bool is_same = a.server_count == b.server_count && a.domain_count == b.domain_count;
    for (size_t i = 0; is_same && i < a.server_count; i++) {
        const char *one = a.zones ? a.zones[i] : NULL, *other = b.zones ? b.zones[i] : NULL;
        is_same = address_is_equal(&a.servers[i], &b.servers[i]) &&
                  strcmp(one ? one : "", other ? other : "") == 0;
    }
    for (size_t i = 0; is_same && i < a.domain_count; i++)
        is_same = strcmp(a.domains[i], b.domains[i]) == 0;
    return is_same;
}

/* False: there is something to say. */
static bool find_difference(struct reload *reload)
{
    struct daemon *daemon = reload->daemon;
    if (!settle_describe(daemon)) {
        refuse(reload, "no memory to know what runs");
        return false;
    }
    if (!difference_find(&reload->difference, &reload->arena, daemon->file, reload->config,
                         &daemon->description, reload->files, &reload->messages))
        return false;
    if (!is_same_dns(daemon->file, reload->config))
        refuse_by_replace(reload, "the system's name servers and search domains");
    return reload->messages.errors == 0;
}

static bool may_begin(struct reload *reload)
{
    enum hooks_stage stage = reload->daemon->hooks;
    if (stage == HOOKS_PRE_DOWN)
        refuse(reload, "it is ending: its PreDown runs; `hopwire up` starts it with the new file");
    if (stage == HOOKS_POST_UP)
        refuse(reload, "it is starting: its PostUp runs; try again when `hopwire up` has ended");
    return stage == HOOKS_NONE || stage == HOOKS_STAND;
}

/* ---- doing it ---- */

/* The settings are the new file's, the network is the engine's; notes stand beside it. */
static bool make_living(struct reload *reload, struct config *living)
{
    const struct network_description *network = &reload->daemon->description;
    struct config *from = reload->config;
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

/* What the table and the rules hold, in the state before in the kernel. 0, or -errno and a
 * sentence. */
static int set_kill_switch(struct daemon *daemon, bool is_on, struct text *why)
{
    struct state *state = &daemon->state;
    const struct state before = *state;
    bool was_on = daemon->guard.has_kill_switch;
    state->has_kill_switch = state->routing.has_kill_switch = is_on;
    state->has_firewall |= is_on;
    daemon->guard.has_kill_switch = is_on;
    guard_find_lan(&daemon->guard, daemon->ways, daemon->way_count);
    int result = is_on ? state_write(daemon->config->name, state, why) : 0;
    if (result == 0)
        result = guard_lay(&daemon->guard, why);
    if (result == 0 && settle_routes(daemon) != 0) {
        text_append(why, "%s", daemon->reason);
        result = -EIO;
    }
    /* Where there was no table at the start nobody watches it yet. */
    if (result == 0 && is_on && daemon->table_source.fd <= 0)
        result = restore_start(daemon);
    if (result == 0)
        return is_on ? 0 : state_write(daemon->config->name, state, why);
    *state = before;
    daemon->guard.has_kill_switch = was_on;
    char reason[WHY_BYTES];
    struct text again;
    text_init(&again, reason, sizeof(reason));
    if ((state_write(daemon->config->name, state, &again) != 0) |
        (state->has_firewall && guard_lay(&daemon->guard, &again) != 0) |
        (settle_routes(daemon) != 0))
        settle_log(daemon, reason);
    return result;
}

/* The tunnels may be others now, and in another order. */
static void follow(struct reload *reload)
{
    struct daemon *daemon = reload->daemon;
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    struct config living;
    if (settle_describe(daemon) && make_living(reload, &living))
        daemon->living.tunnels = living.tunnels;
    daemon->settle_again = loop_now();
    settle_configured(daemon, true, true);
    wg_sockets_follow(daemon);
    if (interface_leave(&daemon->netlink, daemon->state.routing.interface_index, daemon->file,
                        daemon->config, &why) != 0)
        settle_log(daemon, reason);
}

static int switch_over(struct reload *reload, struct text *why)
{
    struct daemon *daemon = reload->daemon;
    const struct config before = daemon->living;
    bool has_switch = reload->config->has_kill_switch, had_switch = before.has_kill_switch;
    struct config living;
    if (!make_living(reload, &living))
        return -ENOMEM;
    text_init(&daemon->why, daemon->reason, sizeof(daemon->reason));
    int result = has_switch && !had_switch ? set_kill_switch(daemon, true, why) : 0;
    if (result != 0)
        return result;
    daemon->living = living;
    const struct changes *changes = &reload->difference.changes;
    daemon->settle_again = loop_now(); /* at once, whatever `wg` made of it before */
    if (changes->count || changes->has_nat)
        result = changes_apply(daemon, changes, why);
    if (result == 0)
        follow(reload);
    else
        daemon->living = before;
    bool goes = result == 0 ? had_switch && !has_switch : has_switch && !had_switch;
    char reason[WHY_BYTES];
    struct text left;
    text_init(&left, reason, sizeof(reason));
    if (goes && set_kill_switch(daemon, false, &left) != 0)
        settle_log(daemon, reason);
    return result;
}

static bool apply(struct reload *reload)
{
    struct daemon *daemon = reload->daemon;
    char reason[WHY_BYTES], line[64];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    int result = switch_over(reload, &why);
    if (result != 0) {
        refuse(reload, why.len ? reason : strerror(-result));
        return false;
    }
    struct config *old = daemon->reloaded;
    daemon->file = daemon->reloaded = reload->config;
    reload->config = NULL;
    config_free(old);
    snprintf(line, sizeof(line), "reloaded: %zu changes", reload->difference.line_count);
    settle_log(daemon, line);
    return true;
}

/* ---- the answer ---- */

static char *print(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

/* Also of what is no UTF-8: a path may be anything. NULL: no memory. */
static json_t *line_of(const char *text)
{
    json_t *line = json_string(text);
    char *copy = line ? NULL : strdup(text);
    for (char *at = copy; at && *at; at++)
        *at = *at & 0x80 ? '?' : *at;
    line = copy ? json_string(copy) : line;
    free(copy);
    return line;
}

static char *print_refusals(const struct reload *reload)
{
    json_t *list = json_array();
    for (size_t i = 0; i < reload->messages.count; i++)
        if (reload->messages.items[i].kind == CONFIG_ERROR)
            json_array_append_new(list, line_of(reload->messages.items[i].text));
    return print(json_pack("{s:o}", "refusals", list));
}

static bool has_hook(const struct config *config, const struct config_hook *hook)
{
    for (size_t i = 0; i < config->hook_count; i++)
        if (config->hooks[i].kind == hook->kind &&
            strcmp(config->hooks[i].command, hook->command) == 0)
            return true;
    return false;
}

/* What a network that came up with the old file has not run yet. */
static json_t *list_new_post_up(const struct config *before, const struct config *after)
{
    json_t *list = json_array();
    for (size_t i = 0; i < after->hook_count; i++)
        if (after->hooks[i].kind == HOOK_POST_UP && !has_hook(before, &after->hooks[i]))
            json_array_append_new(list, json_integer((json_int_t)i));
    return list;
}

static json_t *describe(const struct reload *reload)
{
    const struct difference *difference = &reload->difference;
    json_t *lines = json_array();
    for (size_t i = 0; i < difference->line_count; i++)
        json_array_append_new(lines, line_of(difference->lines[i]));
    return json_pack("{s:o, s:b, s:o}", "changes", lines, "hooks",
                     difference->has_hooks, "post_up",
                     list_new_post_up(reload->daemon->file, reload->config));
}

char *reload_answer(struct daemon *daemon, int passed, bool is_dry)
{
    const struct memory *memory = io_memory_secrets(daemon->memory);
    struct reload reload = {.daemon = daemon};
    json_t *described = NULL;
    config_messages_init(&reload.messages, io_memory_plain());
    arena_init(&reload.arena, io_memory_plain());
    bool is_taken = take_recording(&reload, passed);
    if (!is_taken)
        refuse(&reload, "no configuration came with the request, or no memory is left for it");
    bool is_well = is_taken && may_begin(&reload) && parse(&reload) && find_difference(&reload);
    if (is_well)
        described = describe(&reload);
    is_well = is_well && (is_dry || apply(&reload));
    char *answer = NULL;
    if (is_well) {
        answer = print(described);
    } else {
        json_decref(described);
        answer = print_refusals(&reload);
    }
    config_free(reload.config);
    arena_wipe(&reload.arena);
    config_messages_wipe(&reload.messages);
    if (reload.bytes)
        bytes_wipe(reload.bytes, reload.capacity);
    memory_give(memory, reload.bytes, reload.capacity);
    if (passed >= 0)
        close(passed);
    return answer;
}

void reload_wipe(struct daemon *daemon)
{
    config_free(daemon->reloaded);
    daemon->reloaded = NULL;
}
