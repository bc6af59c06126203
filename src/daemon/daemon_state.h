/* SPDX-License-Identifier: MIT */
/* One network's process: what daemon.c starts and ends, and settle.c keeps up with. */
#ifndef DAEMON_DAEMON_STATE_H
#define DAEMON_DAEMON_STATE_H

#include "config/config.h"
#include "daemon/behind.h"
#include "daemon/beside.h"
#include "daemon/dns_keeper.h"
#include "daemon/guard.h"
#include "daemon/interface.h"
#include "daemon/log.h"
#include "daemon/names.h"
#include "daemon/ports.h"
#include "daemon/root_ways.h"
#include "daemon/spare_descriptors.h"
#include "daemon/stage.h"
#include "host/control_socket.h"
#include "host/routes_standing.h"
#include "host/state.h"
#include "host/watch.h"
#include "io/io_memory.h"
#include "io/network.h"

#define WHY_BYTES 1024

struct daemon_options;
struct readiness;
struct reload;
struct uapi;

struct daemon {
    const struct daemon_options *options;
    struct log log;
    struct dns_keeper *keeper;   /* of the system's DNS; the options' */
    struct attendant *attendant; /* the same, of its hooks */
    bool replaces;
    const struct config *config; /* `living`, whose network is what the engine has now */
    struct config living;
    const struct config *file;    /* what was read last: a reload compares with it */
    struct config *reloaded;      /* the same, where a reload read it; ours */
    struct reload *reloads; /* the first one waits for the keeper, the others for it */
    struct readiness *waiting; /* who waits until it works, and no longer than they like */
    void (*dns_answered)(struct daemon *daemon, int result, const char *why); /* or NULL */
    struct arena described;                 /* of that; empty: it is still as it was read */
    bool is_description_old;                /* the engine has another one by now */
    bool is_unfollowed; /* those who look after endpoints have not heard of it */
    struct network_description description; /* the config's, with what the host adds */

    struct netlink netlink;
    struct watch watch, table_watch;
    struct tun tun;
    struct loop *loop;
    struct io_memory *memory;
    struct aead *aead;
    struct network *network;
    struct names *names;
    struct nat64_endpoints *translation;
    struct ports ports;
    struct guard guard;
    struct beside beside;
    struct behind behind;
    struct interface_leaving leaving;
    struct control_socket *control;
    struct uapi *uapi;
    bool is_file_missing;   /* the socket's or the state's, when they were looked for last */
    struct spare_descriptors reserve;
    int life; /* a lock, until the process ends; below 0: not yet */
    struct root_way *ways; /* by the engine's number; roots only */
    size_t way_count;

    struct routes_standing standing;
    struct state state;
    struct state crashed; /* an earlier run's, to be undone once ours stands */
    bool has_crashed;
    bool has_replaced; /* the crashed run is one that we made leave */
    bool is_laid;
    bool has_dns;     /* the system uses our name servers */
    bool is_dns_left; /* and could not be given back its own */
    enum stage stage; /* by daemon_state_step alone */
    instant_ns started;

    struct loop_source watch_source, table_source, control_source, signal_source, keeper_source,
        attendant_source;
    instant_ns settle_again; /* changes in a heap, not before that */
    struct loop_timer settle, follow, restore, file_look;
    bool is_interface_down;
    bool has_event; /* the host told of a change since the last settling */
    bool has_loss;  /* rules changed, or a Hopwire network's route was taken: it may be ours */
    instant_ns restoring_since; /* of these restorings */
    unsigned restorings;
    uint32_t mtu_changes; /* of the engine, when the routes were last laid (RULES E2) */
    instant_ns restore_again; /* the firewall's table, not before that */
    bool has_woken; /* the machine was suspended since then */
    duration_ns slept; /* in all, when it was looked at last */
    char reason[WHY_BYTES];
    struct text why;
};

/* Its life goes on, to its end maybe, or stays where it is. */
static inline void daemon_state_step(struct daemon *daemon, enum stage_event event)
{
    daemon->stage = stage_after(daemon->stage, event);
    if (stage_is_end(daemon->stage) && daemon->loop)
        loop_stop(daemon->loop);
}

#endif
