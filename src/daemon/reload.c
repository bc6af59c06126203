/* SPDX-License-Identifier: MIT */
/* All is looked at, then switching.h does it. One reload at a time: while one waits for the
 * system's name servers, those that come after it wait for it. */
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
#include "daemon/beside.h"
#include "daemon/changes.h"
#include "daemon/daemon_options.h"
#include "daemon/host_dns.h"
#include "daemon/json_answer.h"
#include "daemon/obstacles.h"
#include "daemon/settle.h"
#include "daemon/switching.h"
#include "daemon/system_dns.h"

#define FILES_BYTES 2048
#define PATHS_MOST 16
#define WAITING_MOST 8 /* and room for others at the socket */

struct reload {
    struct reload *next;
    struct daemon *daemon;
    struct control_answer *to; /* NULL: whoever asked is gone */
    int passed;
    bool is_dry, is_held;
    json_t *described; /* what changes */
    struct switching switching;
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
    reload->switching.changes_dns = !is_same_dns(daemon->file, reload->config);
    if (reload->switching.changes_dns && daemon->keeper->socket < 0)
        config_messages_add(&reload->messages, CONFIG_ERROR, NULL,
                            "the process that keeps the system's name servers has ended, so they "
                            "cannot change while the network runs; run: hopwire up --replace "
                            "%.250s",
                            reload->files);
    return reload->messages.errors == 0;
}

static bool may_begin(struct reload *reload)
{
    enum stage stage = reload->daemon->stage;
    if (stage == STAGE_PRE_DOWN)
        refuse(reload, "it is ending: its PreDown runs; `hopwire up` starts it with the new file");
    if (stage_is_end(stage))
        refuse(reload, "it is ending; `hopwire up` starts it with the new file");
    if (stage == STAGE_POST_UP)
        refuse(reload, "it is starting: its PostUp runs; try again when `hopwire up` has ended");
    return stage == STAGE_UP;
}

/* ---- doing it ---- */

/* The next reload compares with this file. */
static void note_done(struct reload *reload)
{
    struct daemon *daemon = reload->daemon;
    char line[64];
    struct config *old = daemon->reloaded;
    daemon->file = daemon->reloaded = reload->config;
    reload->config = NULL;
    if (old)
        config_free(old);
    else if (!daemon->is_description_old) /* of which the first one's could still be a part */
        daemon->options->forget(daemon->options->config);
    snprintf(line, sizeof(line), "reloaded: %zu changes", reload->difference.line_count);
    log_notice(&daemon->log, line);
}

/* What `up` would be refused on this host is refused before anything changes. */
static bool foresee(struct reload *reload)
{
    struct daemon *daemon = reload->daemon;
    char lines[4 * WHY_BYTES], *rest = lines;
    struct text text;
    text_init(&text, lines, sizeof(lines));
    bool is_free = obstacles_inside(reload->config, reload->switching.changes_dns,
                                    &daemon->netlink, &daemon->state.routing, &text);
    for (char *line; !is_free && (line = strsep(&rest, "\n")) && *line;)
        refuse(reload, line);
    return is_free;
}

static void refuse_with(struct reload *reload, const char *sentence, int result)
{
    refuse(reload, *sentence ? sentence : strerror(-result));
}

/* What the change would be refused for, by whoever is asked when it is made. */
static void try(struct reload *reload)
{
    struct daemon *daemon = reload->daemon;
    struct text why = TEXT_ROOM(WHY_BYTES);
    int result = changes_try(daemon, &reload->difference.changes, &why);
    if (result != 0)
        refuse_with(reload, why.bytes, result);
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

/* What `up` would say of what this host has beside the new file, but what it said of the old. */
static json_t *list_beside(const struct reload *reload)
{
    struct daemon *daemon = reload->daemon;
    char before[BESIDE_BYTES], after[BESIDE_BYTES], *rest = after;
    struct text said, text;
    text_init(&said, before, sizeof(before));
    text_init(&text, after, sizeof(after));
    beside_append(daemon->file, &daemon->state.routing, &daemon->netlink, &said);
    beside_append(reload->config, &daemon->state.routing, &daemon->netlink, &text);
    json_t *list = json_array();
    for (char *line; (line = strsep(&rest, "\n")) && *line;)
        if (!strstr(before, line))
            json_array_append_new(list, line_of(line));
    return list;
}

static json_t *describe(const struct reload *reload)
{
    const struct difference *difference = &reload->difference;
    json_t *lines = json_array();
    for (size_t i = 0; i < difference->line_count; i++)
        json_array_append_new(lines, line_of(difference->lines[i]));
    return json_pack("{s:o, s:b, s:o, s:o}", "changes", lines, "hooks",
                     difference->has_hooks, "post_up",
                     list_new_post_up(reload->daemon->file, reload->config), "notes",
                     list_beside(reload));
}

static void add_note(void *context, enum log_level level, const char *line)
{
    (void)level;
    json_array_append_new(context, json_string(line));
}

/* What the network does not say by itself: servers that nobody can ask. */
static void note_servers(struct reload *reload)
{
    const struct config *before = reload->daemon->file, *after = reload->config;
    json_t *notes = json_object_get(reload->described, "notes");
    if (reload->switching.changes_dns || before->has_kill_switch != after->has_kill_switch ||
        before->dns_guard_is_off != after->dns_guard_is_off)
        host_dns_tell(reload->daemon, (struct log_sink){add_note, notes});
}

static void wipe(struct reload *reload)
{
    const struct memory *memory = io_memory_secrets(reload->daemon->memory);
    json_decref(reload->described);
    config_free(reload->config);
    arena_wipe(&reload->arena);
    config_messages_wipe(&reload->messages);
    if (reload->bytes)
        bytes_wipe(reload->bytes, reload->capacity);
    memory_give(memory, reload->bytes, reload->capacity);
    if (reload->passed >= 0)
        close(reload->passed);
    free(reload);
}

static void give_answer(struct reload *reload)
{
    if (!reload->to)
        return;
    json_answer_give(reload->to, reload->messages.errors
                                     ? print_refusals(reload)
                                     : print(json_incref(reload->described)));
    if (reload->is_held)
        control_answer_release(reload->to);
}

/* The first one is over. */
static void end(struct daemon *daemon)
{
    struct reload *reload = daemon->reloads;
    daemon->reloads = reload->next;
    give_answer(reload);
    wipe(reload);
}

static void end_switch(struct reload *reload)
{
    struct switching *switching = &reload->switching;
    if (switching->result != 0) {
        refuse_with(reload, switching->reason, switching->result);
        return;
    }
    note_servers(reload);
    if (*reload->daemon->behind.said)
        json_object_set_new(reload->described, "behind", line_of(reload->daemon->behind.said));
    note_done(reload);
}

/* True: it waits for the keeper. */
static bool begin(struct reload *reload)
{
    struct switching *switching = &reload->switching;
    if (!take_recording(reload, reload->passed))
        refuse(reload, "no configuration came with the request, or no memory is left for it");
    else if (may_begin(reload) && parse(reload) && find_difference(reload) && foresee(reload))
        reload->described = describe(reload);
    if (!reload->described)
        return false;
    if (reload->is_dry) {
        try(reload);
        return false;
    }
    switching->daemon = reload->daemon;
    switching->to = reload->config;
    switching->changes = &reload->difference.changes;
    if (switching_begin(switching))
        return true;
    end_switch(reload);
    return false;
}

static void hold_answer(struct reload *reload)
{
    if (reload->to && !reload->is_held)
        control_answer_hold(reload->to);
    reload->is_held = true;
}

static void run(struct daemon *daemon)
{
    while (daemon->reloads) {
        if (begin(daemon->reloads)) {
            hold_answer(daemon->reloads);
            return;
        }
        end(daemon);
    }
}

static void dns_answered(struct daemon *daemon, int result, const char *why)
{
    if (!daemon->reloads || switching_go_on(&daemon->reloads->switching, result, why))
        return;
    end_switch(daemon->reloads);
    end(daemon);
    run(daemon);
}

void reload_request(struct daemon *daemon, int passed, bool is_dry, struct control_answer *to)
{
    struct reload *reload = calloc(1, sizeof(*reload)), **last = &daemon->reloads;
    size_t waiting = 0;
    for (; *last; last = &(*last)->next)
        waiting++;
    if (!reload) {
        if (passed >= 0)
            close(passed);
        json_answer_give(to, NULL);
        return;
    }
    *reload = (struct reload){.daemon = daemon, .to = to, .passed = passed, .is_dry = is_dry};
    config_messages_init(&reload->messages, io_memory_plain());
    arena_init(&reload->arena, io_memory_plain());
    daemon->dns_answered = dns_answered;
    if (waiting < WAITING_MOST) {
        *last = reload;
    } else {
        refuse(reload, "other reloads wait for one that changes the system's name servers; try "
                       "again");
        give_answer(reload);
        wipe(reload);
    }
    if (waiting == 0)
        run(daemon);
    else if (waiting < WAITING_MOST)
        hold_answer(reload);
}

void reload_forget(struct daemon *daemon, const struct control_answer *to)
{
    for (struct reload *reload = daemon->reloads; reload; reload = reload->next)
        if (reload->to == to)
            reload->to = NULL;
}

void reload_wipe(struct daemon *daemon)
{
    while (daemon->reloads) {
        struct reload *reload = daemon->reloads;
        daemon->reloads = reload->next;
        wipe(reload);
    }
    config_free(daemon->reloaded);
    daemon->reloaded = NULL;
}
