/* SPDX-License-Identifier: MIT */
/* WireGuard's userspace protocol, so that `wg` works on a network's tunnels (RULES I4): a socket
 * for each in /var/run/wireguard. */
#ifndef DAEMON_UAPI_H
#define DAEMON_UAPI_H

#include "base/memory.h"
#include "base/text.h"
#include "config/value.h"
#include "daemon/log.h"
#include "host/state.h"
#include "io/network.h"

#define UAPI_DIRECTORY "/var/run/wireguard"

struct uapi;
struct changes;

/* All of it borrowed for as long as the sockets stand. */
struct uapi_options {
    struct loop *loop;
    struct network *network;
    const struct memory *memory; /* for requests and answers: keys are in them */
    /* 0; or -errno, and nothing is changed. */
    int (*apply)(void *context, const struct changes *changes);
    void *context;
};

/* NULL: no memory. */
struct uapi *uapi_new(const struct uapi_options *options);
/* Makes the tunnel's socket, which `wg` knows by `name`. `listening`: one that listens there
 * already and is ours from now on; -1: none. 0, or -errno and a sentence: the tunnel has none
 * then. */
int uapi_add(struct uapi *uapi, const char *tunnel, const char *name, int listening,
             struct text *why);
/* A socket with this name stands. */
bool uapi_has(const struct uapi *uapi, const char *name);
/* Closes those of tunnels that are none of these, or called otherwise, or that could not be
 * made. */
void uapi_keep(struct uapi *uapi, const struct network_description *network,
               char (*names)[INTERFACE_NAME_BYTES]);
void uapi_free(struct uapi *uapi); /* removes the sockets; NULL does nothing */

/* False: somebody removed one of those that could be made. */
bool uapi_stands(const struct uapi *uapi);
/* Now and then: makes again what somebody removed. NULL does nothing. */
void uapi_look(struct uapi *uapi, struct log *log);
/* What the tunnel is called in `wg`; NULL: it has no socket. */
const char *uapi_name(const struct uapi *uapi, const char *tunnel);

/* Removes the sockets that a crashed run left; what somebody listens on, or cannot be reached,
 * stays. 0, or -errno and a sentence. */
int uapi_clean_up(const struct state *crashed, struct text *why);

#endif
