/* SPDX-License-Identifier: MIT */
/* A network's life in its daemon: what may follow what, and what each end leaves. */
#ifndef DAEMON_STAGE_H
#define DAEMON_STAGE_H

#include <stdbool.h>

enum stage {
    STAGE_STARTING,
    STAGE_POST_UP,  /* packets flow, and its PostUp runs */
    STAGE_UP,
    STAGE_PRE_DOWN, /* after a signal: its PreDown runs */
    /* Ends: the loop stops, and nothing follows. */
    STAGE_REFUSED,   /* the start failed: the host is as before it, a crash's rest included */
    STAGE_FAILED,    /* its PostUp did: it was never up, and no hook of the end runs */
    STAGE_RELAPSED,  /* the same after a crash, or in another run's place: what keeps from leaking
                        stays */
    STAGE_DOWN,      /* `down` asked, and runs the hooks itself */
    STAGE_SIGNALLED, /* its PreDown is over, if it had one: PostDown follows */
    STAGE_ORPHANED,  /* nobody asked for an end, or another run takes over: what keeps from leaking
                        stays, as after a crash */
};

enum stage_event {
    STAGE_HAS_STARTED,
    STAGE_IS_REFUSED,
    STAGE_HOOKS_WELL, /* those that run, or there were none */
    STAGE_HOOKS_FAILED,
    STAGE_HOOKS_FAILED_AFTER_CRASH,
    STAGE_SIGNAL,
    STAGE_ASKED_DOWN,
    STAGE_ABANDONED, /* the interface was deleted, the loop failed, another run takes over */
    STAGE_EVENTS
};

enum stage stage_after(enum stage stage, enum stage_event event);
bool stage_is_end(enum stage stage);
/* Its hooks had begun and the network was never up. */
bool stage_has_failed(enum stage stage);
/* What keeps packets from leaving another way is not undone. */
bool stage_keeps_host(enum stage stage);

#endif
