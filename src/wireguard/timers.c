/* SPDX-License-Identifier: MIT */
/* The events and deadlines are those of the kernel's timers, so that both ends of a path behave
 * alike. */
#include "wireguard/timers.h"

#define ATTEMPTS_MOST (REKEY_ATTEMPT_TIME_NS / REKEY_TIMEOUT_NS)
#define REKEY_JITTER_MOST_NS (333 * NS_PER_MS)
#define WIPE_AFTER_NS (3 * REJECT_AFTER_TIME_NS)

/* Two ends that lost each other at one instant must not call again at one instant. */
static uint32_t draw_jitter(const struct random_source *random)
{
    return random_u32(random) % (uint32_t)(REKEY_JITTER_MOST_NS + 1);
}

static bool take(instant_ns *deadline, instant_ns now)
{
    if (!instant_is_reached(*deadline, now))
        return false;
    *deadline = INSTANT_NEVER;
    return true;
}

/* One that is late slept: the machine's silence, not the peer's (RULES H1). */
static unsigned take_silence(struct timers *timers, instant_ns now)
{
    instant_ns since = timers->silent;
    return take(&timers->silent, now) && instant_since(since, now) < REKEY_TIMEOUT_NS
               ? TIMERS_DUE_SILENT
               : 0;
}

static void forget_passive_keepalive(struct timers *timers)
{
    timers->passive_keepalive = INSTANT_NEVER;
    timers->wants_another_keepalive = false;
}

void timers_init(struct timers *timers)
{
    *timers = (struct timers){.persistent_interval = 0};
    timers_stop(timers);
}

void timers_stop(struct timers *timers)
{
    forget_passive_keepalive(timers);
    timers->retransmit = INSTANT_NEVER;
    timers->new_handshake = INSTANT_NEVER;
    timers->silent = INSTANT_NEVER;
    timers->wipe = INSTANT_NEVER;
    timers->persistent_keepalive = INSTANT_NEVER;
    timers->last_initiation = INSTANT_NEVER;
    timers->attempts = 0;
}

void timers_set_persistent_keepalive(struct timers *timers, uint16_t interval_s, instant_ns now)
{
    timers->persistent_interval = interval_s * NS_PER_S;
    if (interval_s == 0)
        timers->persistent_keepalive = INSTANT_NEVER;
    else if (timers->persistent_keepalive == INSTANT_NEVER)
        timers->persistent_keepalive = now; /* just turned on: say hello at once */
    else
        timers->persistent_keepalive = instant_min(timers->persistent_keepalive,
                                                   instant_add(now, timers->persistent_interval));
}

instant_ns timers_next(const struct timers *timers)
{
    instant_ns next = instant_min(timers->retransmit, timers->passive_keepalive);
    next = instant_min(next, instant_min(timers->new_handshake, timers->wipe));
    return instant_min(next, timers->persistent_keepalive);
}

unsigned timers_take_due(struct timers *timers, instant_ns now)
{
    unsigned due = 0;
    if (take(&timers->wipe, now))
        due |= TIMERS_DUE_WIPE;
    if (take(&timers->retransmit, now)) {
        if (timers->attempts < ATTEMPTS_MOST) {
            due |= TIMERS_DUE_INITIATION;
        } else {
            due |= TIMERS_DUE_GIVE_UP;
            timers->attempts = 0;
            forget_passive_keepalive(timers);
            if (timers->wipe == INSTANT_NEVER)
                timers->wipe = instant_add(now, WIPE_AFTER_NS);
        }
    }
    if (take(&timers->new_handshake, now)) {
        due |= TIMERS_DUE_INITIATION;
        due |= take_silence(timers, now);
        timers->attempts = 0;
    }
    if (take(&timers->passive_keepalive, now)) {
        due |= TIMERS_DUE_KEEPALIVE;
        if (timers->wants_another_keepalive)
            timers->passive_keepalive = instant_add(now, KEEPALIVE_TIMEOUT_NS);
        timers->wants_another_keepalive = false;
    }
    if (take(&timers->persistent_keepalive, now)) {
        due |= TIMERS_DUE_KEEPALIVE;
        timers->persistent_keepalive = instant_add(now, timers->persistent_interval);
    }
    return due;
}

void timers_data_sent(struct timers *timers, instant_ns now)
{
    if (timers->new_handshake == INSTANT_NEVER)
        timers->new_handshake = timers->silent =
            instant_add(now, TIMERS_SILENT_NS + timers->jitter_ns);
}

void timers_data_received(struct timers *timers, instant_ns now)
{
    if (timers->passive_keepalive == INSTANT_NEVER)
        timers->passive_keepalive = instant_add(now, KEEPALIVE_TIMEOUT_NS);
    else
        timers->wants_another_keepalive = true;
}

void timers_any_authenticated_packet_sent(struct timers *timers)
{
    forget_passive_keepalive(timers);
}

void timers_any_authenticated_packet_received(struct timers *timers)
{
    timers->new_handshake = INSTANT_NEVER;
    timers->silent = INSTANT_NEVER;
}

void timers_any_authenticated_packet_traversal(struct timers *timers, instant_ns now)
{
    if (timers->persistent_interval)
        timers->persistent_keepalive = instant_add(now, timers->persistent_interval);
}

void timers_packet_staged(struct timers *timers)
{
    timers->attempts = 0;
}

void timers_handshake_initiated(struct timers *timers, const struct random_source *random,
                                instant_ns now)
{
    timers->attempts++;
    timers_initiation_leaves(timers, random, now);
}

void timers_initiation_leaves(struct timers *timers, const struct random_source *random,
                              instant_ns now)
{
    timers->last_initiation = now;
    timers->retransmit = instant_add(now, REKEY_TIMEOUT_NS + draw_jitter(random));
}

void timers_handshake_complete(struct timers *timers)
{
    timers->retransmit = INSTANT_NEVER;
    timers->attempts = 0;
}

void timers_session_derived(struct timers *timers, const struct random_source *random,
                            instant_ns now)
{
    timers->jitter_ns = draw_jitter(random);
    timers->wipe = instant_add(now, WIPE_AFTER_NS);
}

bool timers_may_initiate(const struct timers *timers, instant_ns now)
{
    return timers->last_initiation == INSTANT_NEVER ||
           instant_since(timers->last_initiation, now) >= REKEY_TIMEOUT_NS;
}
