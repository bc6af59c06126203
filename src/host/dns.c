/* SPDX-License-Identifier: MIT */
#include "host/dns.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "host/dns_file.h"
#include "host/dns_record.h"
#include "host/dns_shown.h"
#include "host/dns_way.h"
#include "host/program.h"

#define DEBIAN_ORDER "/etc/resolvconf/interface-order"
#define SET_TIMEOUT_MS 10000
#define UNDO_TIMEOUT_MS 5000 /* `down` waits for it, perhaps twice */
#define SET_PURPOSE "set the system's DNS"
#define UNDO_PURPOSE "put the system's DNS back"
#define ITEMS_MOST 40
#define SERVER_BYTES (ADDRESS_TEXT_BYTES + IFNAMSIZ)

/* resolvconf orders by interface; Debian's knows tunnels as "tun.*". */
static void name_for_resolvconf(const char *interface, char name[DNS_RECORD_NAME_BYTES])
{
    snprintf(name, DNS_RECORD_NAME_BYTES, "%s%.30s", access(DEBIAN_ORDER, F_OK) == 0 ? "tun." : "",
             interface);
}

static const char *format_server(const struct dns_wish *wish, size_t i, char text[SERVER_BYTES])
{
    const char *zone = wish->zones ? wish->zones[i] : NULL;
    address_format(&wish->servers[i], text);
    if (zone)
        snprintf(text + strlen(text), SERVER_BYTES - strlen(text), "%%%s", zone);
    return text;
}

/* As resolv.conf lists them. Which names to ask them for, it cannot say. */
static int format_list(const struct dns_wish *wish, char list[DNS_RECORD_LIST_BYTES],
                       struct text *why)
{
    struct text text;
    bool has_search = false;
    text_init(&text, list, DNS_RECORD_LIST_BYTES);
    for (size_t i = 0; i < wish->server_count; i++) {
        char server[SERVER_BYTES];
        text_append(&text, "nameserver %s\n", format_server(wish, i, server));
    }
    for (size_t i = 0; i < wish->domain_count; i++) {
        if (wish->domains[i][0] == '~')
            continue;
        text_append(&text, "%s%s", has_search ? " " : "search ", wish->domains[i]);
        has_search = true;
    }
    if (has_search)
        text_append(&text, "\n");
    if (!text.is_cut)
        return 0;
    text_append(why, "too many name servers and search domains; remove some from DNS");
    return -E2BIG;
}

/* ---- telling others ---- */

static int tell_resolved(const struct dns_wish *wish, struct text *why)
{
    char texts[ITEMS_MOST][SERVER_BYTES];
    const char *arguments[ITEMS_MOST + 4] = {"resolvectl", "dns", wish->interface};
    size_t count = 3;
    for (size_t i = 0; i < wish->server_count && i < ITEMS_MOST; i++)
        arguments[count++] = format_server(wish, i, texts[i]);
    int result = program_run(arguments, "", SET_TIMEOUT_MS, SET_PURPOSE, why);
    const char *domains[ITEMS_MOST + 5] = {"resolvectl", "domain", wish->interface, "~."};
    for (size_t i = 0, at = 4; i < wish->domain_count && i < ITEMS_MOST; i++)
        if (strcmp(wish->domains[i], "~.") != 0) /* stands there */
            domains[at++] = wish->domains[i];
    return result ? result : program_run(domains, "", SET_TIMEOUT_MS, SET_PURPOSE, why);
}

/* Of an interface that stays. */
static int untell_resolved(const char *interface, struct text *why)
{
    const char *domains[] = {"resolvectl", "domain", interface, "", NULL};
    const char *servers[] = {"resolvectl", "dns", interface, "", NULL};
    int first = program_run(domains, "", UNDO_TIMEOUT_MS, UNDO_PURPOSE, why);
    int result = program_run(servers, "", UNDO_TIMEOUT_MS, UNDO_PURPOSE,
                             first ? TEXT_UNHEARD : why);
    return first ? first : result;
}

static int tell_resolvconf(const char *name, const char *list, struct text *why)
{
    const char *arguments[] = {"resolvconf", "-a", name, "-m", "0", "-x", NULL};
    return program_run(arguments, list, SET_TIMEOUT_MS, SET_PURPOSE, why);
}

/* Those that are not `kept` (or NULL). What it does not take stays in the record. The first
 * failure. */
static int untell_resolvconf(const char *network, struct dns_record *record, const char *kept,
                             struct text *why)
{
    size_t left = 0;
    int first = 0;
    for (size_t i = 0; i < record->resolvconf_count; i++) {
        char *name = record->resolvconf[i];
        const char *arguments[] = {"resolvconf", "-d", name, "-f", NULL};
        bool is_kept = kept && strcmp(name, kept) == 0;
        int result = is_kept ? 0
                             : program_run(arguments, "", UNDO_TIMEOUT_MS, UNDO_PURPOSE,
                                           first ? TEXT_UNHEARD : why);
        bool is_last = !kept && i + 1 == record->resolvconf_count;
        if (result == 0 && !is_kept)
            result = dns_shown_is_gone(network, record, name, is_last && left == 0,
                                       first ? TEXT_UNHEARD : why);
        first = first ? first : result;
        if ((is_kept || result) && left++ < i)
            memcpy(record->resolvconf[left - 1], name, DNS_RECORD_NAME_BYTES);
    }
    record->resolvconf_count = left;
    return first;
}

/* ---- setting ---- */

static void note_order(void *context, const char *network, const struct dns_record *record)
{
    unsigned *highest = context;
    (void)network;
    if (record->order > *highest)
        *highest = record->order;
}

/* What will have been done, with what the earlier run left. */
static void plan(const struct dns_way *way, const char *name, const struct dns_record *earlier,
                 bool keeps_place, struct dns_record *record)
{
    unsigned highest = 0;
    dns_record_walk(note_order, &highest);
    record->order = keeps_place && earlier->order && !earlier->is_leaving ? earlier->order
                                                                          : highest + 1;
    record->is_resolved = way->is_resolved || way->tells_resolved;
    if (way->is_file)
        dns_file_key(record->file);
    if (way->is_resolvconf)
        strcpy(record->resolvconf[record->resolvconf_count++], name);
    for (size_t i = 0; i < earlier->resolvconf_count; i++)
        if (record->resolvconf_count < DNS_RECORD_NAMES_MOST &&
            !(way->is_resolvconf && strcmp(earlier->resolvconf[i], name) == 0))
            strcpy(record->resolvconf[record->resolvconf_count++], earlier->resolvconf[i]);
    if (record->resolvconf_count && earlier->before)
        record->before = strdup(earlier->before);
    else if (way->is_resolvconf)
        record->before = dns_record_read_text(DNS_FILE);
}

/* resolvconf was told, and the file is as it was: it does not keep this one. */
static bool is_unmoved(const char *before)
{
    char *now = dns_record_read_text(DNS_FILE);
    bool is_same = now ? before && strcmp(now, before) == 0 : !before;
    free(now);
    return is_same;
}

static int act(const struct dns_wish *wish, const struct dns_way *way, const char *name,
               struct dns_record *record, struct text *why)
{
    int result = 0;
    if (way->tells_resolved)
        tell_resolved(wish, TEXT_UNHEARD); /* the file is what counts */
    if (way->is_resolved)
        result = tell_resolved(wish, why);
    if (result == 0 && way->is_resolvconf)
        result = tell_resolvconf(name, record->list, why);
    bool is_kept = result != 0 || !way->is_resolvconf ||
                   (!(way->is_unsure && is_unmoved(record->before)) && dns_shown_is_set(record));
    if (!is_kept) { /* it says that it does: names would go to the servers of before */
        dns_file_key(record->file);
        result = dns_record_write(wish->network, record, why);
    }
    if (result == 0 && record->file[0])
        result = dns_file_settle(record->file, NULL, why);
    return result < 0 ? result : 0;
}

static void forget_name(struct dns_record *record, const char *name)
{
    size_t left = 0;
    for (size_t i = 0; i < record->resolvconf_count; i++)
        if (strcmp(record->resolvconf[i], name) != 0 && left++ < i)
            memcpy(record->resolvconf[left - 1], record->resolvconf[i], DNS_RECORD_NAME_BYTES);
    record->resolvconf_count = left;
}

/* As it was before dns_set: also a crashed run's servers, which keep names from leaking. */
static void take_back(const struct dns_wish *wish, struct dns_record *record,
                      const struct dns_record *earlier, bool has_earlier)
{
    const char *network = wish->network;
    if (record->is_resolved && !has_earlier)
        untell_resolved(wish->interface, TEXT_UNHEARD);
    for (size_t i = 0; i < earlier->resolvconf_count; i++)
        forget_name(record, earlier->resolvconf[i]); /* theirs stays told */
    untell_resolvconf(network, record, NULL, TEXT_UNHEARD);
    record->is_leaving = true;
    if (has_earlier)
        dns_record_write(network, earlier, TEXT_UNHEARD);
    else if (record->resolvconf_count)
        dns_record_write(network, record, TEXT_UNHEARD);
    else
        dns_record_remove(network, TEXT_UNHEARD);
    if (record->file[0])
        dns_file_settle(record->file, has_earlier ? NULL : network, TEXT_UNHEARD);
}

static int set(const struct dns_wish *wish, struct dns_record *record,
               const struct dns_record *earlier, bool has_earlier, bool keeps_place,
               struct text *why)
{
    char name[DNS_RECORD_NAME_BYTES];
    struct dns_way way = dns_way_find();
    name_for_resolvconf(wish->interface, name);
    plan(&way, name, earlier, keeps_place, record);
    int result = format_list(wish, record->list, why);
    if (result == 0)
        result = dns_record_write(wish->network, record, why);
    if (result < 0)
        return result;
    result = act(wish, &way, name, record, why);
    if (result < 0) {
        take_back(wish, record, earlier, has_earlier);
        return result;
    }
    /* What the earlier run did elsewhere; what does not go stays noted, for `down`. */
    untell_resolvconf(wish->network, record, way.is_resolvconf ? name : NULL, TEXT_UNHEARD);
    if (earlier->file[0] && strcmp(earlier->file, record->file) != 0 &&
        dns_file_settle(earlier->file, NULL, TEXT_UNHEARD) == -EXDEV)
        dns_file_forget(earlier->file);
    dns_record_write(wish->network, record, TEXT_UNHEARD);
    return 0;
}

int dns_look(const struct dns_wish *wish, struct text *why)
{
    char list[DNS_RECORD_LIST_BYTES];
    struct dns_way way = dns_way_find();
    int result = format_list(wish, list, why);
    return result == 0 && way.is_file ? dns_file_look(why) : result;
}

static int set_locked(const struct dns_wish *wish, bool keeps_place, struct text *why)
{
    struct dns_record record = {0}, earlier;
    int lock = dns_record_lock(why);
    if (lock < 0)
        return lock;
    /* A damaged one must not keep the network down; its like is written anew. */
    bool has_earlier = dns_record_read(wish->network, &earlier, TEXT_UNHEARD) == 0;
    int result = set(wish, &record, &earlier, has_earlier, keeps_place, why);
    dns_record_wipe(&record);
    dns_record_wipe(&earlier);
    close(lock);
    return result;
}

int dns_set(const struct dns_wish *wish, struct text *why)
{
    return set_locked(wish, false, why);
}

int dns_change(const struct dns_wish *wish, struct text *why)
{
    return set_locked(wish, true, why);
}

/* ---- undoing ---- */

static int undo(const char *network, struct dns_record *record, bool may_forget, struct text *why)
{
    int first = untell_resolvconf(network, record, NULL, why);
    int result =
        record->file[0] ? dns_file_settle(record->file, network, first ? TEXT_UNHEARD : why) : 0;
    bool is_forgotten = result == -EXDEV && may_forget;
    if (is_forgotten) {
        char key[DNS_RECORD_KEY_BYTES];
        strcpy(key, record->file);
        record->file[0] = '\0';
        dns_record_write(network, record, TEXT_UNHEARD);
        dns_file_forget(key);
        result = 0;
    } else if (result >= 0) {
        record->file[0] = '\0';
    }
    first = first ? first : result;
    if (!record->file[0] && !record->resolvconf_count)
        return dns_record_remove(network, why);
    record->is_leaving = true;
    dns_record_write(network, record, TEXT_UNHEARD);
    return first < 0 ? first : 0;
}

int dns_undo(const char *network, bool may_forget, struct text *why)
{
    struct dns_record record;
    char path[STATE_PATH_BYTES];
    int result = dns_record_path(network, path, why);
    if (result < 0)
        return result;
    bool has_record = access(path, F_OK) == 0;
    char *now = has_record ? NULL : dns_record_read_text(DNS_FILE);
    bool is_left = now && dns_file_is_ours(now); /* by one that a power cut took, with its record */
    free(now);
    if (!has_record && !is_left)
        return 0;
    int lock = dns_record_lock(why);
    if (lock < 0)
        return lock;
    result = dns_record_read(network, &record, why);
    if (result == 0)
        result = undo(network, &record, may_forget, why);
    else if (result == -ENOENT) {
        dns_file_key(record.file);
        result = dns_file_settle(record.file, NULL, why);
    }
    dns_record_wipe(&record);
    close(lock);
    return result < 0 ? result : 0;
}

int dns_leave(const struct dns_wish *wish, struct text *why)
{
    struct dns_record record;
    int result = 0;
    if (dns_record_read(wish->network, &record, TEXT_UNHEARD) == 0) {
        bool is_alone = !record.file[0] && !record.resolvconf_count; /* it keeps the DNS */
        if (record.is_resolved)
            result = untell_resolved(wish->interface, is_alone ? why : TEXT_UNHEARD);
        result = is_alone ? result : 0;
        dns_record_wipe(&record);
    }
    return result ? result : dns_undo(wish->network, false, why);
}

/* ---- keeping ---- */

int dns_lay_again(const char *network, struct text *why)
{
    struct dns_record record;
    int lock = dns_record_lock(why);
    if (lock < 0)
        return lock;
    int result = dns_record_read(network, &record, why);
    if (result == 0 && record.file[0])
        result = dns_file_settle(record.file, NULL, why);
    dns_record_wipe(&record);
    close(lock);
    return result;
}

int dns_watch(const char *network, struct text *why)
{
    struct dns_record record;
    if (dns_record_read(network, &record, TEXT_UNHEARD) != 0)
        return -1;
    bool is_written = record.file[0], is_plain = strcmp(record.file, "plain") == 0;
    dns_record_wipe(&record);
    if (!is_written)
        return -1;
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    const char *watched = is_plain ? "/etc" : DNS_FILE;
    uint32_t events = is_plain
                          ? IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE
                          : IN_CLOSE_WRITE;
    if (fd >= 0 && inotify_add_watch(fd, watched, events) >= 0)
        return fd;
    text_append(why, "cannot watch %s, so that what others write there is not noticed: %s",
                DNS_FILE, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- for queries outside of the tunnels ---- */

struct search {
    unsigned order;
    char *text;
    const struct address *server;
    bool is_told;
};

/* What resolvconf's first one found. */
static void note_before(void *context, const char *network, const struct dns_record *record)
{
    struct search *search = context;
    (void)network;
    if (!record->before || !record->resolvconf_count ||
        (search->text && record->order > search->order))
        return;
    free(search->text);
    search->text = strdup(record->before);
    search->order = record->order;
}

char *dns_text_before(const char *resolv_conf)
{
    char path[STATE_PATH_BYTES];
    struct search search = {0};
    char *now = dns_record_read_text(resolv_conf);
    bool is_ours = now && dns_file_is_ours(now);
    free(now);
    if (is_ours) {
        dns_file_before(path);
        return dns_record_read_text(path);
    }
    dns_record_walk(note_before, &search);
    return search.text;
}

static void note_told(void *context, const char *network, const struct dns_record *record)
{
    struct search *search = context;
    char line[ADDRESS_TEXT_BYTES + 16], address[ADDRESS_TEXT_BYTES];
    (void)network;
    snprintf(line, sizeof(line), "nameserver %s\n", address_format(search->server, address));
    search->is_told |= record->is_resolved && strstr(record->list, line);
}

bool dns_told_resolved(const struct address *server)
{
    struct search search = {.server = server};
    dns_record_walk(note_told, &search);
    return search.is_told;
}
