/* SPDX-License-Identifier: MIT */
#include "daemon/nat64_endpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/described.h"
#include "host/nat64.h"

#define RETRY_NS (10 * NS_PER_S)

/* A peer with a literal IPv4 endpoint, and where we sent it last. */
struct entry {
    size_t place; /* of its tunnel in the description */
    struct peer_handle peer; /* once that is gone, the entry is nobody's */
    struct endpoint literal;
    struct endpoint chosen;
};

struct nat64_endpoints {
    struct names_options options;
    struct resolver *resolver;
    struct loop_source source;
    struct loop_timer timer;
    bool is_asking;
    bool has_prefix;
    char cause[NAMES_CAUSE_BYTES]; /* of there being none; "": told nobody yet */
    struct prefix prefix;
    size_t count;
    struct entry *entries;
};

/* The next root's peer with a literal IPv4 endpoint that its socket sends to. */
static bool next_literal(struct described *at)
{
    while (described_next(at)) {
        const struct peer_description *peer = described_peer(at);
        const struct address *address = &peer->endpoint.address;
        if (described_tunnel(at)->carrier == TUNNEL_NO_CARRIER && peer->has_endpoint &&
            address->family == FAMILY_IPV4 &&
            engine_way(at->engine, (uint32_t)at->tunnel, (uint32_t)at->peer, address) ==
                ENGINE_WAY_SOCKET)
            return true;
    }
    return false;
}

static struct entry make_entry(const struct described *at)
{
    const struct endpoint *endpoint = &described_peer(at)->endpoint;
    return (struct entry){.peer = described_handle(at),
                          .literal = *endpoint,
                          .chosen = *endpoint,
                          .place = at->tunnel_place};
}

/* Of the description as it is now; *entries is malloc's. -ENOMEM. */
static int list_entries(const struct names_options *options, struct entry **entries, size_t *count)
{
    struct described at = described_all(options->network, options->engine);
    size_t most = 0;
    while (next_literal(&at))
        most++;
    *count = 0;
    *entries = calloc(most + 1, sizeof(**entries));
    for (at = described_all(options->network, options->engine); *entries && next_literal(&at);)
        (*entries)[(*count)++] = make_entry(&at);
    return *entries ? 0 : -ENOMEM;
}

static bool is_gone(const struct nat64_endpoints *translation, const struct entry *entry)
{
    return !engine_has_peer(translation->options.engine, entry->peer);
}

static bool has_route(const struct names_options *options, const struct endpoint *endpoint)
{
    return options->has_route(options->context, &endpoint->address);
}

bool nat64_endpoints_is_wanted(const struct names_options *options)
{
    struct described at = described_all(options->network, options->engine);
    while (next_literal(&at))
        if (!has_route(options, &described_peer(&at)->endpoint))
            return true;
    return false;
}

static void log_entry(const struct nat64_endpoints *translation, const struct entry *entry,
                      enum log_level level, const char *event)
{
    char line[512], literal[ENDPOINT_TEXT_BYTES];
    const struct names_options *options = &translation->options;
    snprintf(line, sizeof(line), "%s: endpoint %s: %s",
             options->network->tunnels[entry->place].name,
             endpoint_format(&entry->literal, literal), event);
    log_sink_say(&options->log, level, line);
}

/* One that roamed since is let be. */
static void move(struct nat64_endpoints *translation, struct entry *entry,
                 const struct endpoint *endpoint)
{
    const struct names_options *options = &translation->options;
    struct status_peer peer;
    char event[160], shown[ENDPOINT_TEXT_BYTES];
    instant_ns now = loop_now();
    status_read_peer(options->engine, entry->peer.tunnel, entry->peer.peer, now, &peer);
    if (endpoint_is_equal(&peer.endpoint, &entry->literal)) /* as `wg set` puts it, too */
        entry->chosen = entry->literal;
    if (endpoint_is_equal(&entry->chosen, endpoint) ||
        !endpoint_is_equal(&peer.endpoint, &entry->chosen))
        return;
    snprintf(event, sizeof(event),
             endpoint->address.family == FAMILY_IPV4
                 ? "the host has a way to it again"
                 : "this network translates (NAT64): it is at %s",
             endpoint_format(endpoint, shown));
    log_entry(translation, entry, LOG_LEVEL_NOTICE, event);
    entry->chosen = *endpoint;
    engine_set_endpoint(options->engine, entry->peer, endpoint, now);
    options->changed(options->context);
}

static void ask(struct nat64_endpoints *translation);

/* Each goes straight where it can, inside the prefix where it cannot. */
static void look(struct nat64_endpoints *translation)
{
    const struct names_options *options = &translation->options;
    bool is_wanted = false;
    for (size_t i = 0; i < translation->count; i++) {
        struct entry *entry = &translation->entries[i];
        struct endpoint inside = entry->literal;
        if (is_gone(translation, entry))
            continue;
        if (has_route(options, &entry->literal)) {
            move(translation, entry, &entry->literal);
            continue;
        }
        is_wanted = true;
        if (!translation->has_prefix)
            continue;
        inside.address = nat64_synthesize(&translation->prefix, &entry->literal.address);
        move(translation, entry, &inside);
    }
    if (!is_wanted || translation->has_prefix)
        translation->cause[0] = '\0';
    if (is_wanted && !translation->has_prefix)
        ask(translation);
}

static void fail(struct nat64_endpoints *translation, const char *why)
{
    bool is_news = !translation->cause[0];
    loop_set_timer(&translation->timer, instant_add(loop_now(), RETRY_NS));
    snprintf(translation->cause, sizeof(translation->cause),
             "the host has no way to it, and no NAT64 prefix is known: %s", why);
    for (size_t i = 0; i < translation->count && is_news; i++)
        if (!has_route(&translation->options, &translation->entries[i].literal))
            log_entry(translation, &translation->entries[i], LOG_LEVEL_WARNING, translation->cause);
}

static void done(void *context, const struct address *addresses, size_t count, const char *why)
{
    struct nat64_endpoints *translation = context;
    translation->is_asking = false;
    for (size_t i = 0; i < count && !translation->has_prefix; i++)
        translation->has_prefix = nat64_find_prefix(&addresses[i], &translation->prefix);
    if (translation->has_prefix)
        look(translation);
    else
        fail(translation, count ? "this network does not translate" : why);
}

static void ask(struct nat64_endpoints *translation)
{
    struct text why = TEXT_ROOM(256);
    if (translation->is_asking)
        return;
    translation->is_asking = true;
    if (resolve_start(translation->resolver, NAT64_QUESTION, done, translation, &why) != 0) {
        translation->is_asking = false;
        fail(translation, why.bytes);
    }
}

static void ring(void *context, instant_ns now)
{
    (void)now;
    look(context);
}

static void ready(void *context, uint32_t events)
{
    struct nat64_endpoints *translation = context;
    (void)events;
    resolve_dispatch(translation->resolver);
}

static int open_resolver(struct nat64_endpoints *translation, struct text *why)
{
    const struct names_options *options = &translation->options;
    struct resolve_options resolve = {.mark = options->mark};
    int result = resolve_open(&resolve, &translation->resolver, why);
    if (result != 0)
        return result;
    translation->source = (struct loop_source){.fd = resolve_fd(translation->resolver),
                                               .events = EPOLLIN,
                                               .ready = ready,
                                               .context = translation};
    return loop_add(options->loop, &translation->source);
}

int nat64_endpoints_start(struct nat64_endpoints **made, const struct names_options *options,
                          struct text *why)
{
    struct entry *entries;
    size_t count;
    *made = NULL;
    int result = list_entries(options, &entries, &count);
    if (result != 0 || count == 0) {
        free(entries);
        return result;
    }
    struct nat64_endpoints *translation = calloc(1, sizeof(*translation));
    if (!translation) {
        free(entries);
        return -ENOMEM;
    }
    *translation =
        (struct nat64_endpoints){.options = *options, .entries = entries, .count = count};
    result = open_resolver(translation, why);
    if (result != 0) {
        resolve_close(translation->resolver);
        free(entries);
        free(translation);
        return result;
    }
    translation->timer =
        (struct loop_timer){.deadline = INSTANT_NEVER, .ring = ring, .context = translation};
    loop_add_timer(options->loop, &translation->timer);
    *made = translation;
    look(translation);
    return 0;
}

void nat64_endpoints_stop(struct nat64_endpoints *translation)
{
    if (!translation)
        return;
    loop_remove_timer(translation->options.loop, &translation->timer);
    loop_remove(translation->options.loop, &translation->source);
    resolve_close(translation->resolver);
    free(translation->entries);
    free(translation);
}

/* Where we sent those that stay. Both lists are in the engine's order. */
static void take_over(const struct nat64_endpoints *translation, struct entry *entries,
                      size_t count)
{
    const struct entry *before = translation->entries;
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = from;
        while (at < translation->count &&
               before[at].peer.generation != entries[i].peer.generation)
            at++;
        bool is_known =
            at < translation->count && endpoint_is_equal(&before[at].literal, &entries[i].literal);
        if (is_known)
            entries[i].chosen = before[at].chosen;
        from = at < translation->count ? at + 1 : from;
    }
}

int nat64_endpoints_follow(struct nat64_endpoints **translation,
                           const struct names_options *options, struct text *why)
{
    struct entry *entries;
    size_t count;
    if (!*translation)
        return nat64_endpoints_start(translation, options, why);
    if (list_entries(options, &entries, &count) != 0)
        return -ENOMEM;
    take_over(*translation, entries, count);
    free((*translation)->entries);
    (*translation)->entries = entries;
    (*translation)->count = count;
    look(*translation);
    return 0;
}

const char *nat64_endpoints_cause(const struct nat64_endpoints *translation, uint32_t tunnel,
                                  uint32_t peer)
{
    for (size_t i = 0; translation && translation->cause[0] && i < translation->count; i++) {
        const struct entry *entry = &translation->entries[i];
        if (entry->peer.tunnel == tunnel && entry->peer.peer == peer &&
            !is_gone(translation, entry))
            return has_route(&translation->options, &entry->literal) ? NULL : translation->cause;
    }
    return NULL;
}

void nat64_endpoints_routes_changed(struct nat64_endpoints *translation, bool has_moved)
{
    if (!translation)
        return;
    translation->has_prefix &= !has_moved;
    look(translation);
}
