/* SPDX-License-Identifier: MIT */
/* Theory: a round is poll, callbacks, timers, hooks. Deadlines move with nearly every packet and
 * mostly away, so the timerfd is touched only when the earliest one comes before what it is armed
 * for: one that fires early costs a round, one that is set costs a system call per packet. The
 * timerfd runs on CLOCK_BOOTTIME, which epoll's own timeout cannot. */
#include "io/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MOST 64

struct loop {
    int epoll_fd;
    int timer_fd;
    instant_ns armed; /* what the timerfd is set to; INSTANT_NEVER: off */
    struct list timers;
    struct list hooks;
    struct list *next_timer; /* of the walk under way, kept right by removals */
    struct list *next_hook;
    bool is_busy; /* a hook wants another round at once */
    bool is_stopped;
    int event_count; /* of the round under way */
    struct epoll_event events[EVENTS_MOST];
};

instant_ns loop_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (instant_ns)now.tv_sec * NS_PER_S + (instant_ns)now.tv_nsec;
}

duration_ns loop_slept(void)
{
    struct timespec awake;
    clock_gettime(CLOCK_MONOTONIC, &awake);
    return loop_now() - ((instant_ns)awake.tv_sec * NS_PER_S + (instant_ns)awake.tv_nsec);
}

uint64_t loop_wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void fill_random(void *context, uint8_t *bytes, size_t len)
{
    (void)context;
    while (len > 0) {
        ssize_t got = getrandom(bytes, len, 0);
        if (got < 0 && errno != EINTR) {
            perror("getrandom");
            abort(); /* a key that is not random is worse than no tunnel */
        }
        if (got > 0) {
            bytes += got;
            len -= (size_t)got;
        }
    }
}

const struct random_source *loop_random(void)
{
    static const struct random_source source = {.fill = fill_random};
    return &source;
}

int loop_new(struct loop **out)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    int error;
    loop->armed = INSTANT_NEVER;
    list_init(&loop->timers);
    list_init(&loop->hooks);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        error = -errno;
        goto free_loop;
    }
    loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0) {
        error = -errno;
        goto close_epoll;
    }
    struct epoll_event event = {.events = EPOLLIN}; /* no source: the timerfd */
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0) {
        error = -errno;
        goto close_timer;
    }
    loop->is_busy = true; /* hooks run once before the first wait */
    *out = loop;
    return 0;

close_timer:
    close(loop->timer_fd);
close_epoll:
    close(loop->epoll_fd);
free_loop:
    free(loop);
    return error;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    close(loop->timer_fd);
    close(loop->epoll_fd);
    free(loop);
}

int loop_add(struct loop *loop, struct loop_source *source)
{
    struct epoll_event event = {.events = source->events, .data.ptr = source};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
    if (source->events == events)
        return 0;
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
        return -errno;
    source->events = events;
    return 0;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    for (int i = 0; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == source)
            loop->events[i].events = 0; /* told, but not yet called */
}

void loop_add_timer(struct loop *loop, struct loop_timer *timer)
{
    list_append(&loop->timers, &timer->link);
}

void loop_set_timer(struct loop_timer *timer, instant_ns deadline)
{
    timer->deadline = deadline;
}

void loop_remove_timer(struct loop *loop, struct loop_timer *timer)
{
    if (loop->next_timer == &timer->link)
        loop->next_timer = timer->link.next;
    list_remove(&timer->link);
}

void loop_add_hook(struct loop *loop, struct loop_hook *hook)
{
    list_append(&loop->hooks, &hook->link);
}

void loop_remove_hook(struct loop *loop, struct loop_hook *hook)
{
    if (loop->next_hook == &hook->link)
        loop->next_hook = hook->link.next;
    list_remove(&hook->link);
}

static instant_ns earliest(const struct loop *loop)
{
    instant_ns next = INSTANT_NEVER;
    for (const struct list *link = loop->timers.next; link != &loop->timers; link = link->next)
        next = instant_min(next, CONTAINER_OF(link, struct loop_timer, link)->deadline);
    return next;
}

static int arm(struct loop *loop, instant_ns deadline)
{
    if (deadline >= loop->armed)
        return 0; /* it may fire early: then the round finds nothing due */
    struct itimerspec when = {
        .it_value.tv_sec = (time_t)(deadline / NS_PER_S),
        .it_value.tv_nsec = (long)(deadline % NS_PER_S),
    };
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        return -errno;
    loop->armed = deadline;
    return 0;
}

static void ring_timers(struct loop *loop)
{
    instant_ns now = loop_now();
    for (struct list *link = loop->timers.next; link != &loop->timers; link = loop->next_timer) {
        struct loop_timer *timer = CONTAINER_OF(link, struct loop_timer, link);
        loop->next_timer = link->next;
        if (!instant_is_reached(timer->deadline, now))
            continue;
        timer->deadline = INSTANT_NEVER;
        timer->ring(timer->context, now);
    }
    loop->next_timer = NULL;
}

static bool end_round(struct loop *loop)
{
    bool is_busy = false;
    for (struct list *link = loop->hooks.next; link != &loop->hooks; link = loop->next_hook) {
        struct loop_hook *hook = CONTAINER_OF(link, struct loop_hook, link);
        loop->next_hook = link->next;
        if (hook->end_round(hook->context))
            is_busy = true;
    }
    loop->next_hook = NULL;
    return is_busy;
}

static void call_sources(struct loop *loop)
{
    for (int i = 0; i < loop->event_count; i++) {
        const struct epoll_event *event = &loop->events[i];
        struct loop_source *source = event->data.ptr;
        if (!source) {
            uint64_t expirations;
            if (read(loop->timer_fd, &expirations, sizeof(expirations)) > 0)
                loop->armed = INSTANT_NEVER;
        } else if (event->events) {
            source->ready(source->context, event->events);
        }
    }
    loop->event_count = 0;
}

int loop_step(struct loop *loop, instant_ns until)
{
    instant_ns deadline = instant_min(earliest(loop), until);
    bool may_wait = !loop->is_busy && deadline != 0;
    if (may_wait && deadline != INSTANT_NEVER) {
        may_wait = !instant_is_reached(deadline, loop_now());
        int error = may_wait ? arm(loop, deadline) : 0;
        if (error)
            return error;
    }
    int count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_MOST, may_wait ? -1 : 0);
    if (count < 0 && errno != EINTR)
        return -errno;
    loop->event_count = count < 0 ? 0 : count;
    call_sources(loop);
    ring_timers(loop);
    loop->is_busy = end_round(loop);
    return 0;
}

int loop_run(struct loop *loop)
{
    int error = 0;
    loop->is_stopped = false;
    while (!loop->is_stopped && !error)
        error = loop_step(loop, INSTANT_NEVER);
    return error;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
}
