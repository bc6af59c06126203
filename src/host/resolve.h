/* SPDX-License-Identifier: MIT */
/* Names of endpoints (RULES G1). Those of roots are asked over sockets that carry our mark, so no
 * query enters a tunnel that it is needed for, of the uplink's DNS servers: systemd-resolved's when
 * resolv.conf names its stub, else resolv.conf's, read anew for each request. Those inside a
 * carrier are asked inside it, of the carrier's servers, as packets that the engine makes. Never
 * blocks; /etc/hosts comes first. It owns one epoll descriptor, to be put into the caller's loop
 * for EPOLLIN. One thread. */
#ifndef HOST_RESOLVE_H
#define HOST_RESOLVE_H

#include "base/address.h"
#include "base/text.h"
#include "engine/handle.h"

struct engine;

#define RESOLVE_ADDRESSES_MOST 16
#define RESOLVE_REQUESTS_MOST 64

struct resolver;

struct resolve_options {
    uint32_t mark;                   /* SO_MARK of every query */
    const char *resolv_conf;         /* NULL: /etc/resolv.conf */
    const char *systemd_resolv_conf; /* NULL: /run/systemd/resolve/resolv.conf */
    unsigned timeout_ms;             /* of the first try, doubled for the next; 0: 2000 */
};

/* count > 0 and why NULL, or count 0 and why a sentence; all borrowed during the call. Only ever
 * called from resolve_dispatch. */
typedef void (*resolve_done)(void *context, const struct address *addresses, size_t count,
                             const char *why);

/* 0, or -errno and a sentence. The options' texts must live as long as the resolver. */
int resolve_open(const struct resolve_options *options, struct resolver **made, struct text *why);
int resolve_fd(const struct resolver *resolver);
void resolve_dispatch(struct resolver *resolver);
/* Asks for both families. A refusal is at once and `done` is not called: no server, only a local
 * one (-EPERM: 127.0.0.0/8, ::1: its own queries would be unmarked), a name that is none
 * (-EINVAL), too many. */
int resolve_start(struct resolver *resolver, const char *name, resolve_done done, void *context,
                  struct text *why);
/* Where a name inside a carrier is asked. */
struct resolve_inside {
    struct engine *engine; /* borrowed as long as the request */
    struct tunnel_handle tunnel; /* the carrier */
    const struct address *servers; /* the carrier's; the first 8 count */
    size_t server_count;
};
/* The same inside a carrier, over UDP alone; the host's own DNS settings do not matter. */
int resolve_start_inside(struct resolver *resolver, const struct resolve_inside *inside,
                         const char *name, resolve_done done, void *context, struct text *why);
/* Appends the servers that are asked for the context's name just now: "192.0.2.1, 192.0.2.2";
 * nothing: it is not being asked. */
void resolve_append_servers(const struct resolver *resolver, const void *context,
                            struct text *text);
/* Forgets all requests of that context without calling `done`. */
void resolve_cancel(struct resolver *resolver, const void *context);
/* Forgets all. NULL does nothing. */
void resolve_close(struct resolver *resolver);

#endif
