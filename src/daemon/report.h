/* SPDX-License-Identifier: MIT */
/* The daemon's answers as JSON: `status` and `route`. */
#ifndef DAEMON_REPORT_H
#define DAEMON_REPORT_H

#include "config/config.h"
#include "engine/engine.h"

struct beside;
struct names;
struct nat64_endpoints;
struct uapi;
struct network;

struct report {
    const struct config *config;
    const char *interface_name; /* the one that it has now */
    struct network *network;
    const char *aead_name;
    uint32_t interface_mtu_bytes;
    uint32_t mark;
    const struct names *names; /* NULL: no endpoint is one */
    const struct nat64_endpoints *translation; /* NULL: no root's endpoint is a literal IPv4 one */
    const struct beside *beside;
    const char *behind; /* "": it is not */
    const struct uapi *uapi;
    uint64_t log_lost; /* lines */
    instant_ns started;
};

/* A JSON text, malloc's, the caller frees it; NULL: no memory. No key but public ones. */
char *report_status(const struct report *report, instant_ns now);
/* Which tunnel and peer the address takes, and every hop on its way. */
char *report_route(const struct report *report, const struct address *destination);

#endif
