/* SPDX-License-Identifier: MIT */
/* What a network's process is started with; all of it is borrowed. */
#ifndef DAEMON_DAEMON_OPTIONS_H
#define DAEMON_DAEMON_OPTIONS_H

#include "config/config.h"

struct attendant;
struct dns_keeper;

struct daemon_options {
    struct config *config; /* borrowed, at most until the network ends */
    /* Gives it back, with its keys, once a reload's has taken its place. */
    void (*forget)(struct config *config);
    const char *const *paths;    /* what it was read from, where another directory finds it too */
    size_t path_count;
    const char *aead_backend;    /* NULL: the best */
    bool is_foreground;          /* log to standard error, not to syslog */
    bool replaces;               /* the network of that name, if it runs; without a gap */
    struct dns_keeper *keeper;   /* started for the configuration; the caller ends it */
    struct attendant *attendant; /* the same */
    /* Called once, when the interface works and nothing can leak; then standard error is no longer
     * needed by a background process. False: who asked is gone, nobody wants the network. */
    bool (*ready)(void *context);
    void *context;
};

#endif
