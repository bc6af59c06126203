/* SPDX-License-Identifier: MIT */
/* Which of the configuration's name servers the system gets (RULES G3). */
#ifndef DAEMON_SYSTEM_DNS_H
#define DAEMON_SYSTEM_DNS_H

#include "base/log_sink.h"
#include "config/config.h"

/* All borrowed from the configuration. */
struct system_dns {
    const struct address *servers;
    char *const *zones;  /* beside them: of one on a link of the host, that one; or NULL */
    size_t server_count; /* 0: the system keeps its own */
    char *const *domains;
    size_t domain_count;
    size_t tunnel; /* that names one inside; the number of tunnels: none, or [Network] does */
};

/* A plain wg-quick file's own; else [Network]'s; else those of the deepest tunnel that takes most
 * of a family's addresses, the first of them in the file; else, where a single tunnel names any,
 * its. */
struct system_dns system_dns_choose(const struct config *config);

/* True: a query that leaves past the tunnels is a leak: tunnels take most of a family's addresses,
 * by routes of ours, and the system's servers are a tunnel's, who may have forgotten to allow them,
 * or `is_inside` says of one of [Network]'s that a tunnel has it. */
bool system_dns_wants_guard(const struct config *config,
                            bool (*is_inside)(void *context, const struct address *server),
                            void *context);

/* `is_inside` by what a struct engine, the context, says. */
bool system_dns_engine_has(void *engine, const struct address *server);

/* On this host or a link of it, whatever the tunnels take. */
bool system_dns_is_local(const struct address *server);

/* Says a sentence for each tunnel whose servers the system does not use, and for each server that
 * the system gets and cannot ask: it is outside, and what is asked there is rejected, or, by
 * systemd-resolved (`is_resolved`), sent into the interface all the same. */
void system_dns_tell(const struct config *config, bool is_resolved,
                     bool (*is_inside)(void *context, const struct address *server), void *context,
                     struct log_sink log);

#endif
