/* SPDX-License-Identifier: MIT */
#include "host/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/directory.h"
#include "host/kernel_route.h"
#include "host/netns.h"
#include "host/small_file.h"

#define RUN_DIRECTORY "/run/hopwire"
#define STATE_BYTES_MOST 16383
#define STAT_BYTES_MOST 4096
#define STATE_VERSION 3
#define STATE_VERSION_OLDEST 2 /* with 0xca00's marks and tables; a crash may have left it */

static const char *const mode_names[] = {
    [ROUTING_AUTO] = "auto", [ROUTING_OFF] = "off", [ROUTING_TABLE] = "table"};
static const char *const ipv6_names[] = {[SYSCTL_IPV6_USABLE] = "usable",
                                         [SYSCTL_IPV6_DISABLED] = "disabled",
                                         [SYSCTL_IPV6_ABSENT] = "absent"};

const char *state_directory(void)
{
    const char *chosen = getenv("HOPWIRE_RUN_DIR");
    return chosen && *chosen ? chosen : RUN_DIRECTORY;
}

/* The daemon leaves the directory that it was started in. */
static int refuse_relative_directory(struct text *why)
{
    if (state_directory()[0] == '/')
        return 0;
    text_append(why, "HOPWIRE_RUN_DIR is \"%.80s\": write the whole path, starting with /",
                state_directory());
    return -EINVAL;
}

bool state_name_is_valid(const char *network)
{
    size_t len = strspn(network, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789_=+.-");
    return len > 0 && len < STATE_NAME_BYTES && network[len] == '\0' && network[0] != '.';
}

int state_path(const char *network, const char *suffix, char path[STATE_PATH_BYTES],
               struct text *why)
{
    if (!state_name_is_valid(network)) {
        text_append(why,
                    "\"%.80s\" cannot be a network's name: use 1 to %d letters, digits and _=+.-, "
                    "not starting with a dot",
                    network, STATE_NAME_BYTES - 1);
        return -EINVAL;
    }
    int result = refuse_relative_directory(why);
    if (result < 0)
        return result;
    int len = snprintf(path, STATE_PATH_BYTES, "%s/%s%s", state_directory(), network, suffix);
    if (len < 0 || len >= STATE_PATH_BYTES) {
        text_append(why, "the directory %.80s… has too long a path: set HOPWIRE_RUN_DIR shorter",
                    state_directory());
        return -ENAMETOOLONG;
    }
    return 0;
}

int state_make_directory(struct text *why)
{
    int result = refuse_relative_directory(why);
    return result < 0 ? result : directory_make(state_directory(), 0755, why);
}

static int tell_read_only(const char *what, const char *path, struct text *why)
{
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 || errno != EROFS)
        return 0;
    text_append(why, "cannot %s: %s", what, strerror(EROFS));
    return -EROFS;
}

int state_look_at_directory(struct text *why)
{
    char parent[STATE_PATH_BYTES], what[STATE_PATH_BYTES + 32];
    const char *directory = state_directory();
    int result = refuse_relative_directory(why);
    if (result < 0)
        return result;
    if (access(directory, F_OK) == 0) {
        result = directory_make(directory, 0755, why); /* it stands: that only judges it */
        snprintf(what, sizeof(what), "open the lock %s/.lock", directory);
        if (result < 0)
            return -EINVAL; /* whoever asks: it is the directory's rights that are wrong */
        return tell_read_only(what, directory, why);
    }
    snprintf(parent, sizeof(parent), "%s", directory);
    *(strrchr(parent, '/') + 1) = '\0';
    snprintf(what, sizeof(what), "make the directory %s", directory);
    return tell_read_only(what, parent, why);
}

/* Field 22 of /proc/PID/stat; the name in field 2 may hold anything, also ") ". */
static int read_start_ticks(uint32_t pid, uint64_t *ticks)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
    char *text = small_file_read(path, STAT_BYTES_MOST);
    if (!text)
        return -errno;
    char *at = strrchr(text, ')');
    int result = at ? 0 : -EBADMSG;
    for (unsigned field = 2; at && result == 0 && field < 22; field++) {
        at = strchr(at + 1, ' ');
        /* A dead process that nobody has waited for yet does nothing any more. */
        if (!at)
            result = -EBADMSG;
        else if (field == 2 && at[1] == 'Z')
            result = -ESRCH;
    }
    if (result == 0)
        *ticks = strtoull(at + 1, NULL, 10);
    free(text);
    return result;
}

int state_set_process(struct state *state, struct text *why)
{
    uint64_t ticks;
    int result = read_start_ticks((uint32_t)getpid(), &ticks);
    if (result < 0) {
        text_append(why, "cannot read /proc/self/stat: %s: mount /proc", strerror(-result));
        return result;
    }
    state->pid = (uint32_t)getpid();
    state->process_start_ticks = ticks;
    state->network_namespace = netns_of_self();
    return 0;
}

bool state_process_is_alive(const struct state *state)
{
    uint64_t ticks;
    return state->pid && read_start_ticks(state->pid, &ticks) == 0 &&
           ticks == state->process_start_ticks;
}

bool state_is_of_this_namespace(const struct state *state)
{
    return state->network_namespace == netns_of_self();
}

static json_t *routing_to_json(const struct routing *routing)
{
    return json_pack("{s:s, s:i, s:s, s:I, s:I, s:[I,I], s:I, s:I, s:s, s:b}", "interface",
                     routing->interface_name, "interface_index", routing->interface_index, "mode",
                     mode_names[routing->mode], "mark", (json_int_t)routing->mark, "mask",
                     (json_int_t)routing->mask, "tables", (json_int_t)routing->tables[0],
                     (json_int_t)routing->tables[1], "priority", (json_int_t)routing->priority,
                     "twin_metric", (json_int_t)routing->twin_metric, "ipv6",
                     ipv6_names[routing->ipv6], "kill_switch", routing->has_kill_switch);
}

static json_t *wg_to_json(const struct state *state)
{
    json_t *names = state->wg_count ? json_array() : NULL;
    for (size_t i = 0; i < state->wg_count; i++)
        json_array_append_new(names, json_string(state->wg[i]));
    return names;
}

/* "previous" and "wg" are left out where there is none. */
static json_t *to_json(const struct state *state)
{
    json_t *previous = state->has_previous ? routing_to_json(&state->previous) : NULL;
    return json_pack("{s:i, s:I, s:I, s:I, s:o, s:b, s:o*, s:b, s:b, s:b, s:o*}", "version",
                     STATE_VERSION, "pid", (json_int_t)state->pid, "start_ticks",
                     (json_int_t)state->process_start_ticks, "network_namespace",
                     (json_int_t)state->network_namespace, "routing",
                     routing_to_json(&state->routing), "laid", state->is_laid, "previous", previous,
                     "firewall", state->has_firewall, "kill_switch", state->has_kill_switch,
                     "restores_src_valid_mark", state->restores_src_valid_mark, "wg",
                     wg_to_json(state));
}

int state_write(const char *network, const struct state *state, struct text *why)
{
    char path[STATE_PATH_BYTES];
    int result = state_path(network, ".state", path, why);
    if (result < 0)
        return result;
    json_t *object = to_json(state);
    char *bytes = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
    json_decref(object);
    result = bytes ? small_file_replace(path, bytes, strlen(bytes)) : -ENOMEM;
    free(bytes);
    if (result < 0) {
        const char *advice = result == -ENOSPC ? ": make room there, then try again" : "";
        text_append(why, "cannot write %s, without which nothing could be undone: %s%s", path,
                    strerror(-result), advice);
    }
    return result;
}

/* 0; -EBADMSG: it cannot be one that hopwire wrote; or -errno. */
static int read_file(const char *path, char **bytes, size_t *len)
{
    struct stat found;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0)
        return -errno;
    int result = 0;
    if (fstat(file, &found) < 0)
        result = -errno;
    else if (!S_ISREG(found.st_mode) || (found.st_uid != 0 && found.st_uid != geteuid()))
        result = -EBADMSG;
    else if (!(*bytes = small_file_take(file, STATE_BYTES_MOST, len)))
        result = errno == EFBIG ? -EBADMSG : -errno;
    close(file);
    return result;
}

static bool take_number(const json_t *value, json_int_t least, json_int_t most, json_int_t *number)
{
    if (!json_is_integer(value))
        return false;
    *number = json_integer_value(value);
    return *number >= least && *number <= most;
}

static bool take_u32(const json_t *value, uint32_t least, uint32_t most, uint32_t *number)
{
    json_int_t wide;
    if (!take_number(value, least, most, &wide))
        return false;
    *number = (uint32_t)wide;
    return true;
}

static bool take_bool(const json_t *value, bool *is_true)
{
    *is_true = json_is_true(value);
    return json_is_boolean(value);
}

static bool take_word(const json_t *value, const char *const *words, unsigned count,
                      unsigned *place)
{
    const char *text = json_string_value(value);
    for (unsigned i = 0; text && i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *place = i;
            return true;
        }
    }
    return false;
}

static bool take_interface(const json_t *value, char name[16])
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) == 0 || strlen(text) > 15 || strchr(text, '/'))
        return false;
    memcpy(name, text, strlen(text) + 1);
    return true;
}

/* An earlier version's mark was its first table's number, and a mask was not named. */
static bool take_numbers(const json_t *object, struct routing *routing)
{
    const json_t *tables = json_object_get(object, "tables"),
                 *mask = json_object_get(object, "mask");
    bool is_old = !mask;
    if (json_array_size(tables) != 2 ||
        !take_u32(json_object_get(object, "mark"), is_old ? ROUTING_OLD_FIRST : 1,
                  is_old ? ROUTING_OLD_LAST : UINT32_MAX, &routing->mark) ||
        !take_u32(json_array_get(tables, 0), 0, UINT32_MAX, &routing->tables[0]) ||
        !take_u32(json_array_get(tables, 1), 0, UINT32_MAX, &routing->tables[1]))
        return false;
    if (!is_old)
        return take_u32(mask, 1, UINT32_MAX, &routing->mask) &&
               (routing->mark & routing->mask) != 0 &&
               take_u32(json_object_get(object, "priority"), 0, UINT32_MAX, &routing->priority);
    routing->mask = NETWORK_OLD_MARK_MASK;
    routing->priority = 0;
    return true;
}

/* Those that routing_choose gives, now or earlier. */
static bool are_tables_ours(const struct routing *routing)
{
    uint32_t first = routing->tables[0];
    bool is_old = routing->mask == NETWORK_OLD_MARK_MASK && first == routing->mark;
    bool is_new = first >= ROUTING_TABLE_FIRST && first < ROUTING_TABLE_LAST && first % 2 == 0;
    return routing->tables[1] == first + 1 && (is_old || is_new);
}

/* Undoing flushes tables and removes rules: only such numbers as routing_choose gives are taken. */
static bool take_routing(const json_t *object, struct routing *routing)
{
    unsigned mode, ipv6;
    uint32_t index;
    if (!take_word(json_object_get(object, "mode"), mode_names, 3, &mode) ||
        !take_word(json_object_get(object, "ipv6"), ipv6_names, 3, &ipv6) ||
        !take_interface(json_object_get(object, "interface"), routing->interface_name) ||
        !take_u32(json_object_get(object, "interface_index"), 1, INT32_MAX, &index) ||
        !take_u32(json_object_get(object, "twin_metric"), 1, UINT32_MAX, &routing->twin_metric) ||
        !take_bool(json_object_get(object, "kill_switch"), &routing->has_kill_switch) ||
        !take_numbers(object, routing))
        return false;
    routing->mode = (enum routing_mode)mode;
    routing->ipv6 = (enum sysctl_ipv6)ipv6;
    routing->interface_index = (int)index;
    if (routing->mode == ROUTING_AUTO)
        return are_tables_ours(routing) && routing->twin_metric == KERNEL_ROUTE_METRIC_LAST;
    return routing->mode == ROUTING_OFF ||
           (routing->tables[0] > 0 && routing->twin_metric == KERNEL_ROUTE_METRIC_LAST - index);
}

/* Files of these names are removed: nothing but names. */
static bool take_wg(const json_t *names, struct state *state)
{
    state->wg_count = json_array_size(names);
    if (names && (!json_is_array(names) || state->wg_count > STATE_WG_MOST))
        return false;
    for (size_t i = 0; i < state->wg_count; i++)
        if (!take_interface(json_array_get(names, i), state->wg[i]))
            return false;
    return true;
}

static bool take_state(const json_t *object, struct state *state)
{
    json_int_t version, ticks, inode;
    const json_t *previous = json_object_get(object, "previous");
    if (!take_number(json_object_get(object, "version"), STATE_VERSION_OLDEST, STATE_VERSION,
                     &version) ||
        !take_u32(json_object_get(object, "pid"), 1, INT32_MAX, &state->pid) ||
        !take_number(json_object_get(object, "start_ticks"), 0, INT64_MAX, &ticks) ||
        !take_number(json_object_get(object, "network_namespace"), 0, INT64_MAX, &inode) ||
        !take_bool(json_object_get(object, "laid"), &state->is_laid) ||
        !take_bool(json_object_get(object, "firewall"), &state->has_firewall) ||
        !take_bool(json_object_get(object, "kill_switch"), &state->has_kill_switch) ||
        !take_bool(json_object_get(object, "restores_src_valid_mark"),
                   &state->restores_src_valid_mark))
        return false;
    state->process_start_ticks = (uint64_t)ticks;
    state->network_namespace = (uint64_t)inode;
    state->has_previous = previous != NULL;
    return take_wg(json_object_get(object, "wg"), state) &&
           take_routing(json_object_get(object, "routing"), &state->routing) &&
           (!previous || take_routing(previous, &state->previous));
}

int state_read(const char *network, struct state *state, struct text *why)
{
    char path[STATE_PATH_BYTES], *bytes = NULL;
    size_t len = 0;
    int result = state_path(network, ".state", path, why);
    if (result < 0)
        return result;
    result = read_file(path, &bytes, &len);
    if (result == -ENOENT) {
        text_append(why, "the network %s is not up: there is no %s", network, path);
        return result;
    }
    if (result < 0 && result != -EBADMSG) {
        text_append(why, "cannot read %s: %s", path, strerror(-result));
        return result;
    }
    struct state parsed = {0};
    json_t *object = result < 0 ? NULL : json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
    free(bytes);
    bool is_good = json_is_object(object) && take_state(object, &parsed);
    json_decref(object);
    if (!is_good) {
        text_append(why,
                    "%s is not a state file that hopwire wrote: look at it, undo by hand what `ip "
                    "rule` shows with proto 202 or 203, then remove it",
                    path);
        return -EBADMSG;
    }
    *state = parsed;
    return 0;
}

/* Tells of what other networks' states say of this namespace; unreadable ones are passed over. */
static void tell_others(const char *network, void (*tell)(void *context, const struct state *state),
                        void *context)
{
    static const char suffix[] = ".state";
    DIR *run = opendir(state_directory());
    for (struct dirent *entry; run && (entry = readdir(run));) {
        char name[STATE_NAME_BYTES];
        struct state other;
        size_t len = strlen(entry->d_name);
        if (len < sizeof(suffix) || len - (sizeof(suffix) - 1) >= sizeof(name) ||
            strcmp(entry->d_name + len - (sizeof(suffix) - 1), suffix) != 0)
            continue;
        len -= sizeof(suffix) - 1;
        memcpy(name, entry->d_name, len);
        name[len] = '\0';
        if (strcmp(name, network) != 0 && state_read(name, &other, TEXT_UNHEARD) == 0 &&
            state_is_of_this_namespace(&other))
            tell(context, &other);
    }
    if (run)
        closedir(run);
}

static void note_need(void *context, const struct state *state)
{
    bool *is_needed = context;
    *is_needed |= state->restores_src_valid_mark;
}

bool state_others_need_src_valid_mark(const char *network)
{
    bool is_needed = false;
    tell_others(network, note_need, &is_needed);
    return is_needed;
}

static void note_numbers(struct state_numbers *numbers, const struct routing *routing)
{
    if (numbers->count + 2 > STATE_NUMBERS_MOST)
        return;
    numbers->numbers[numbers->count++] = routing->mark;
    if (routing->mode == ROUTING_AUTO)
        numbers->numbers[numbers->count++] = routing->tables[0];
}

static void note_state(void *context, const struct state *state)
{
    note_numbers(context, &state->routing);
    if (state->has_previous)
        note_numbers(context, &state->previous);
}

void state_list_numbers(struct state_numbers *numbers)
{
    numbers->count = 0;
    tell_others("", note_state, numbers);
}

int state_remove(const char *network, struct text *why)
{
    char path[STATE_PATH_BYTES], beside[STATE_PATH_BYTES + 4];
    int result = state_path(network, ".state", path, why);
    if (result < 0)
        return result;
    snprintf(beside, sizeof(beside), "%s.new", path);
    unlink(beside); /* of one that was killed while it wrote */
    if (unlink(path) < 0 && errno != ENOENT) {
        int error = errno;
        text_append(why, "cannot remove %s: %s", path, strerror(error));
        return -error;
    }
    return 0;
}
