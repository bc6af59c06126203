/* SPDX-License-Identifier: MIT */
/* An interface with one tunnel and nothing else, as WireGuard's other programs for user space make
 * it: wg(8) gives it keys and peers, wg-quick(8) or the administrator addresses, routes and DNS. It
 * touches nothing of the host but the interface itself and its socket. */
#ifndef DAEMON_PLAIN_INTERFACE_H
#define DAEMON_PLAIN_INTERFACE_H

#include <stdbool.h>

#include "base/log_sink.h"

struct plain_interface_options {
    const char *name;         /* borrowed, as all strings */
    const char *aead_backend; /* NULL: the best */
    const char *name_file;    /* where the interface's name is written; NULL: nowhere */
    int tun;                  /* an open TUN, which it takes over; -1: it makes one */
    int listening;            /* a socket that listens for wg already; the same */
    bool is_foreground;       /* log to standard error, not to syslog */
    bool is_silent;           /* no log */
    enum log_level least;     /* lines that matter less are not logged */
    /* Called once, when interface and socket stand. False: who asked is gone, nobody wants it. */
    bool (*ready)(void *context);
    void *context;
};

/* Runs until the interface is deleted, the socket's file is removed, or SIGTERM or SIGINT (in the
 * foreground also SIGHUP) comes; leaves nothing. The process's exit status: 0, or 1 after a
 * sentence on standard error. */
int plain_interface_run(const struct plain_interface_options *options);

#endif
