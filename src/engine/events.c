/* SPDX-License-Identifier: MIT */
#include "engine/events.h"

#include <stdio.h>

#include "engine/core.h"

#define EVENTS_WINDOW_S 600
#define KEY_START_CHARACTERS 8
#define KEY_START_BYTES 6

static const uint32_t lines_most[EVENT_KINDS] = {
    [EVENT_MOVED] = 4, [EVENT_READY] = 10, [EVENT_GAVE_UP] = 4, [EVENT_OUTAGE] = 10,
    [EVENT_LOOP] = 4,  [EVENT_NARROW] = 4};

/* As much of the key's base64 as tells peers apart. */
static void format_key_start(const struct peer *peer, char text[KEY_START_CHARACTERS + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t bits = 0;
    for (unsigned i = 0; i < KEY_START_BYTES; i++)
        bits = bits << 8 | peer->noise.public_key[i];
    for (unsigned i = KEY_START_CHARACTERS; i-- > 0; bits >>= 6)
        text[i] = digits[bits & 63];
    text[KEY_START_CHARACTERS] = '\0';
}

static bool may_say(struct core *core, struct peer *peer, enum event_kind kind, instant_ns now)
{
    struct event_limit *limit = &hop_of(peer)->events.limits[kind];
    if (!core->log.take)
        return false;
    uint64_t now_s = now / NS_PER_S;
    if (limit->said == 0 || now_s >= (uint64_t)limit->since_s + EVENTS_WINDOW_S) {
        limit->since_s = (uint32_t)now_s;
        limit->said = 0;
    }
    if (limit->said >= lines_most[kind]) {
        limit->unsaid += limit->unsaid < UINT16_MAX;
        return false;
    }
    limit->said++;
    return true;
}

static void say(struct core *core, struct peer *peer, enum event_kind kind, enum log_level level,
                const char *event)
{
    struct event_limit *limit = &hop_of(peer)->events.limits[kind];
    char line[384], unsaid[48] = "", endpoint[ENDPOINT_TEXT_BYTES], key[KEY_START_CHARACTERS + 1];
    format_key_start(peer, key);
    if (limit->unsaid)
        snprintf(unsaid, sizeof(unsaid), " (%u times more since the last line)", limit->unsaid);
    limit->unsaid = 0;
    snprintf(line, sizeof(line), "%s: peer %s… (%s): %s%s", node_of(peer)->name, key,
             peer->endpoint.address.family ? endpoint_format(&peer->endpoint, endpoint)
                                           : "no endpoint",
             event, unsaid);
    log_sink_say(&core->log, level, line);
}

void events_moved(struct core *core, struct peer *peer, instant_ns now)
{
    if (may_say(core, peer, EVENT_MOVED, now))
        say(core, peer, EVENT_MOVED, LOG_LEVEL_NOTICE, "is here now");
}

void events_gave_up(struct core *core, struct peer *peer, instant_ns now)
{
    if (may_say(core, peer, EVENT_GAVE_UP, now))
        say(core, peer, EVENT_GAVE_UP, LOG_LEVEL_NOTICE, "gave up: no answer to its handshakes");
}

void events_loop(struct core *core, struct peer *peer, instant_ns now)
{
    if (may_say(core, peer, EVENT_LOOP, now))
        say(core, peer, EVENT_LOOP, LOG_LEVEL_WARNING,
            "the host routes its datagrams into the interface again; they are dropped: give its "
            "endpoint a route past the interface");
}

static void fail(struct core *core, struct peer *peer, instant_ns since, const char *event,
                 instant_ns now)
{
    struct events *events = &hop_of(peer)->events;
    events->is_failing = true;
    events->failing_since = since;
    events->is_told = may_say(core, peer, EVENT_OUTAGE, now);
    if (events->is_told)
        say(core, peer, EVENT_OUTAGE, LOG_LEVEL_WARNING, event);
}

void events_no_answer(struct core *core, struct peer *peer, instant_ns since, instant_ns now)
{
    const struct peer *carrier = hop_of(peer)->carrier_peer;
    char event[TUNNEL_NAME_BYTES + 64];
    if (hop_of(peer)->events.is_failing)
        return;
    int len = snprintf(event, sizeof(event), "no answer for %u s",
                       (unsigned)(instant_since(since, now) / NS_PER_S));
    bool is_carriers = carrier && hop_is_unanswered(hop_of(carrier));
    if (is_carriers && hop_of(peer)->carrier == node_of(peer))
        snprintf(event + len, sizeof(event) - (size_t)len,
                 ": peer %u, which carries it, does not work", carrier->index);
    else if (is_carriers)
        snprintf(event + len, sizeof(event) - (size_t)len, ": its carrier %s does not work",
                 node_of(carrier)->name);
    fail(core, peer, since, event, now);
}

void events_no_way(struct core *core, struct peer *peer, const char *reason, instant_ns now)
{
    if (!hop_of(peer)->events.is_failing)
        fail(core, peer, now, reason, now);
}

void events_ready(struct core *core, struct peer *peer, instant_ns now)
{
    struct events *events = &hop_of(peer)->events;
    char event[64];
    if (!events->is_failing) {
        if (may_say(core, peer, EVENT_READY, now))
            say(core, peer, EVENT_READY, LOG_LEVEL_INFO, "session is ready");
        return;
    }
    snprintf(event, sizeof(event), "back after %u s",
             (unsigned)(instant_since(events->failing_since, now) / NS_PER_S));
    if (events->is_told)
        say(core, peer, EVENT_OUTAGE, LOG_LEVEL_NOTICE, event);
    events->is_failing = events->is_told = false;
}

void events_forget(struct peer *peer)
{
    hop_of(peer)->events.is_failing = hop_of(peer)->events.is_told = false;
}

void events_narrow(struct core *core, struct peer *peer, instant_ns now)
{
    char event[120];
    if (!may_say(core, peer, EVENT_NARROW, now))
        return;
    snprintf(event, sizeof(event), "its datagrams' way takes %u bytes: MTU %u inside",
             hop_of(peer)->path_mtu.mtu_bytes, hop_of(peer)->mtu_bytes);
    say(core, peer, EVENT_NARROW, LOG_LEVEL_NOTICE, event);
}
