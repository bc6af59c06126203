/* SPDX-License-Identifier: MIT */
/* The event loop: descriptors, deadlines and the end of each round, on one thread; and what only
 * the kernel can give: the time and random bytes. The storage of sources, timers and hooks is the
 * caller's and stays in place while it is in the loop. Errors are -errno. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <sys/epoll.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/random.h"

struct loop;

/* A descriptor, watched level-triggered. `ready` may add and remove any source, itself included. */
struct loop_source {
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT; EPOLLERR and EPOLLHUP are always told */
    void (*ready)(void *context, uint32_t events);
    void *context;
};

/* A deadline; off (INSTANT_NEVER) before `ring` is called, which may set it again. */
struct loop_timer {
    instant_ns deadline;
    void (*ring)(void *context, instant_ns now);
    void *context;
    struct list link;
};

/* Called at the end of each round (after descriptors and timers, and once before the first wait).
 * True: there is more to do, so the next round does not wait for anything. */
struct loop_hook {
    bool (*end_round)(void *context);
    void *context;
    struct list link;
};

/* 0, or -errno. */
int loop_new(struct loop **loop);
void loop_free(struct loop *loop); /* NULL does nothing; closes no source */

int loop_add(struct loop *loop, struct loop_source *source);
/* Changes source->events; no system call when they are the same. */
int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events);
/* Before the descriptor is closed. It is not called again, not even in this round. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* deadline, ring, context set by the caller. */
void loop_add_timer(struct loop *loop, struct loop_timer *timer);
/* Sets the deadline (CLOCK_BOOTTIME; INSTANT_NEVER: off): a store, no system call. */
void loop_set_timer(struct loop_timer *timer, instant_ns deadline);
void loop_remove_timer(struct loop *loop, struct loop_timer *timer);

void loop_add_hook(struct loop *loop, struct loop_hook *hook);
void loop_remove_hook(struct loop *loop, struct loop_hook *hook);

/* One round: waits for something to happen, but not beyond `until` (INSTANT_NEVER: as long as it
 * takes; 0: not at all). 0, or -errno of the wait. */
int loop_step(struct loop *loop, instant_ns until);
/* Rounds until loop_stop is called. 0, or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

instant_ns loop_now(void);   /* CLOCK_BOOTTIME: time in suspend counts (RULES H1) */
uint64_t loop_wall_ns(void); /* CLOCK_REALTIME since 1970 */
duration_ns loop_slept(void); /* how long the machine has been suspended, in all, since it booted */
/* getrandom(2); ends the process when the kernel refuses. */
const struct random_source *loop_random(void);

#endif
