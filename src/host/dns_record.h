/* SPDX-License-Identifier: MIT */
/* What a network has done to the system's DNS, and so what is to be undone:
 * "/run/hopwire/NAME.dns", lines of a keyword and a value, written before anything is done (RULES
 * F7). */
#ifndef HOST_DNS_RECORD_H
#define HOST_DNS_RECORD_H

#include "base/text.h"
#include "host/state.h"

#define DNS_RECORD_LIST_BYTES 2048
#define DNS_RECORD_KEY_BYTES 64
#define DNS_RECORD_NAME_BYTES 40 /* of an interface, as resolvconf is told it */
#define DNS_RECORD_NAMES_MOST 4

struct dns_record {
    unsigned order; /* 1 and up: the highest was set last, and the system uses its servers */
    bool is_leaving; /* it is over, and only could not be undone: its servers are nobody's */
    char list[DNS_RECORD_LIST_BYTES]; /* its servers and search domains, as
                                         resolv.conf lists them */
    char file[DNS_RECORD_KEY_BYTES];                            /* which resolv.conf shows the list;
                                                                   "": none (see dns_file.h) */
    char resolvconf[DNS_RECORD_NAMES_MOST][DNS_RECORD_NAME_BYTES]; /* what resolvconf was told of */
    size_t resolvconf_count;
    bool is_resolved; /* systemd-resolved was told; it forgets with the link */
    char *before;     /* resolv.conf before resolvconf was told; malloc's, or NULL */
};

int dns_record_path(const char *network, char path[STATE_PATH_BYTES], struct text *why);
/* 0, to be wiped; -ENOENT: there is none; -EBADMSG, with a sentence. */
int dns_record_read(const char *network, struct dns_record *record, struct text *why);
/* As a whole or not at all, wherever it is killed. 0, or -errno and a sentence. */
int dns_record_write(const char *network, const struct dns_record *record, struct text *why);
/* One that does not exist is fine. */
int dns_record_remove(const char *network, struct text *why);
void dns_record_wipe(struct dns_record *record);

/* Calls `visit` for the readable records of all networks; the record is the visitor's for the
 * call. */
void dns_record_walk(void (*visit)(void *context, const char *network,
                                   const struct dns_record *record),
                     void *context);

/* Whole files, for whoever keeps records. The text (NUL-terminated, malloc's), or NULL: errno. */
char *dns_record_read_text(const char *path);
/* As a whole or not at all; 0 or -errno. */
int dns_record_replace_text(const char *path, const char *text);

/* One at a time: held around whatever changes the system's DNS or a record; waits up to 8 s for
 * another. A descriptor to be closed when done, or -errno and a sentence. */
int dns_record_lock(struct text *why);

#endif
