/* SPDX-License-Identifier: MIT */
#include "host/dns_shown.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "host/dns_file.h"
#include "host/dns_way.h"

#define LOOKS 40
#define PAUSE_NS 50000000
#define SERVER_BYTES 64
#define PATH_BYTES 320 /* of one in `keeps` */

/* A file for each interface, by its name: Debian's; openresolv's, and those from 3.13 on. */
static const char *const keeps[] = {"/run/resolvconf/interface", "/run/resolvconf/interfaces",
                                    "/run/resolvconf/keys"};

/* The next line of the text that names a server, which is then behind it. */
static const char *next_server(const char *text, char server[SERVER_BYTES])
{
    while (text && *text) {
        int is_one = sscanf(text, " nameserver %63[0-9A-Fa-f.:]", server);
        const char *end = strchr(text, '\n');
        text = end ? end + 1 : text + strlen(text);
        if (is_one == 1)
            return text;
    }
    return NULL;
}

static bool names(const char *text, const char *server)
{
    char one[SERVER_BYTES];
    while ((text = next_server(text, one)))
        if (strcmp(one, server) == 0)
            return true;
    return false;
}

static bool file_names(const char *directory, const char *name, const char *server)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    char *text = name[0] == '.' ? NULL : dns_record_read_text(path);
    bool is_named = text && names(text, server);
    free(text);
    return is_named;
}

/* resolvconf was told of it by somebody, since or before. */
static bool is_kept(const char *server)
{
    bool is_named = false;
    for (size_t i = 0; i < sizeof(keeps) / sizeof(*keeps); i++) {
        DIR *directory = opendir(keeps[i]);
        for (struct dirent *entry; directory && (entry = readdir(directory));)
            is_named |= file_names(keeps[i], entry->d_name, server);
        if (directory)
            closedir(directory);
    }
    return is_named;
}

static bool keeps_name(const char *name)
{
    bool is_there = false;
    for (size_t i = 0; i < sizeof(keeps) / sizeof(*keeps); i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%s/%s", keeps[i], name);
        is_there |= access(path, F_OK) == 0;
    }
    return is_there;
}

struct others {
    const char *network, *server;
    bool name_it;
};

static void ask_other(void *context, const char *network, const struct dns_record *record)
{
    struct others *others = context;
    if (strcmp(network, others->network) != 0 && !record->is_leaving)
        others->name_it |= names(record->list, others->server);
}

static bool is_others(const char *network, const struct dns_record *record, const char *server)
{
    struct others others = {.network = network, .server = server};
    dns_record_walk(ask_other, &others);
    return others.name_it || (record->before && names(record->before, server)) || is_kept(server);
}

static bool may_be_told(const char *server)
{
    struct address address;
    return address_parse(server, &address) && address_is_loopback(&address);
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

bool dns_shown_is_set(const struct dns_record *record)
{
    bool is_shown = false;
    for (unsigned look = 0; look < LOOKS && !is_shown; look++) {
        if (look)
            pause_briefly();
        char *text = dns_record_read_text(DNS_FILE), server[SERVER_BYTES];
        for (const char *at = text; (at = next_server(at, server));)
            is_shown |= names(record->list, server) || may_be_told(server);
        free(text);
    }
    return is_shown;
}

/* One of the record's that resolv.conf shows, as resolvconf wrote it, and nobody else names. */
static bool shows_ours(const char *network, const struct dns_record *record,
                       char shown[SERVER_BYTES])
{
    struct dns_way way = dns_way_find();
    char *text = way.is_resolvconf && !way.is_unsure ? dns_record_read_text(DNS_FILE) : NULL;
    bool is_shown = false;
    for (const char *at = text; !is_shown && (at = next_server(at, shown));)
        is_shown = names(record->list, shown) && !is_others(network, record, shown);
    free(text);
    return is_shown;
}

int dns_shown_is_gone(const char *network, const struct dns_record *record, const char *name,
                      bool are_ours, struct text *why)
{
    char shown[SERVER_BYTES] = "";
    bool is_named = true, is_shown = false;
    for (unsigned look = 0; look < LOOKS; look++) {
        if (look)
            pause_briefly();
        is_named = keeps_name(name);
        is_shown = are_ours && shows_ours(network, record, shown);
        if (!is_named && !is_shown)
            return 0;
    }
    text_append(why, "resolvconf -d did not put the system's DNS back: it says that it did, and ");
    if (is_shown)
        text_append(why, DNS_FILE " still shows %s", shown);
    else
        text_append(why, "still keeps %s", name);
    return -EIO;
}
