/* SPDX-License-Identifier: MIT */
#include "daemon/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/described.h"
#include "daemon/name_choice.h"

#define RETRY_FIRST_NS (1 * NS_PER_S)
#define RETRY_MOST_NS (10 * NS_PER_S)
/* A peer with an address is looked at this often; one that does not answer is asked for anew, once
 * in a while. */
#define WATCH_NS (2 * NS_PER_S)
#define ASK_AGAIN_NS (10 * NS_PER_S)
/* While one of several addresses does not answer. The next one's turn comes before a handshake is
 * repeated, so that the repetition goes there (RULES G2). */
#define WATCH_CLOSELY_NS (NS_PER_S / 2)
#define PATIENCE_NS (4 * NS_PER_S)
/* Longer than a resolver waits before it asks again; it gives up after 14 s. */
#define SLOW_NS (3 * NS_PER_S)
#define LOG_AGAIN_NS (600 * NS_PER_S)

struct name {
    struct names *names;
    char *text; /* its own */
    size_t place; /* of its tunnel in the description */
    struct peer_handle peer; /* once that is gone, the name is nobody's */
    /* Of generation 0: a root. In another carrier it is asked anew, in that one (G1). */
    struct tunnel_handle carrier;
    uint16_t port;
    duration_ns retry_ns;
    bool is_asking;
    instant_ns asked;
    bool was_failing; /* when it was looked at last */
    instant_ns answered;
    instant_ns chosen; /* the address that is used */
    struct name_addresses addresses; /* of the last answer, those with a way */
    char cause[NAMES_CAUSE_BYTES]; /* of there being no answer; "" */
    instant_ns cause_logged;
    struct loop_timer timer;
};

struct names {
    struct names_options options;
    struct resolver *resolver;
    struct loop_source source;
    size_t count;
    struct name **list;
};

static void log_name(struct name *name, enum log_level level, const char *event)
{
    char line[512];
    snprintf(line, sizeof(line), "%s: endpoint %s: %s",
             name->names->options.network->tunnels[name->place].name, name->text, event);
    log_sink_say(&name->names->options.log, level, line);
}

/* The same cause again is no news, while it is asked again and again. */
static void fail(struct name *name, const char *cause)
{
    char shown[NAMES_CAUSE_BYTES];
    instant_ns now = loop_now();
    snprintf(shown, sizeof(shown), "%s", cause);
    bool is_news = strcmp(name->cause, shown) != 0 ||
                   instant_is_reached(instant_add(name->cause_logged, LOG_AGAIN_NS), now);
    if (is_news) {
        name->cause_logged = now;
        log_name(name, LOG_LEVEL_WARNING, cause);
    }
    memcpy(name->cause, shown, sizeof(shown));
}

static void retry_later(struct name *name)
{
    name->retry_ns = name->retry_ns ? name->retry_ns * 2 : RETRY_FIRST_NS;
    if (name->retry_ns > RETRY_MOST_NS)
        name->retry_ns = RETRY_MOST_NS;
    loop_set_timer(&name->timer, instant_add(loop_now(), name->retry_ns));
}

static bool is_gone(const struct name *name)
{
    return !engine_has_peer(name->names->options.engine, name->peer);
}

/* Of one that is not gone. */
static void read_peer(const struct name *name, struct status_peer *peer)
{
    status_read_peer(name->names->options.engine, name->peer.tunnel, name->peer.peer, loop_now(),
                     peer);
}

/* The peer has an address, and no answer comes from it. An idle one that was given up is let be. */
static bool is_failing(const struct status_peer *peer)
{
    if (peer->state == STATUS_PEER_UNROUTABLE) /* another of the name's addresses may have a way */
        return true;
    return peer->attempts > 0 &&
           (peer->state == STATUS_PEER_HANDSHAKE || peer->state == STATUS_PEER_UP);
}

static enum engine_way way_to(void *context, const struct address *address)
{
    const struct name *name = context;
    return engine_way(name->names->options.engine, name->peer.tunnel, name->peer.peer, address);
}

static const char *why_unreachable(const struct name *name)
{
    return name->names->options.network->tunnels[name->place].carrier == TUNNEL_NO_CARRIER
               ? "none of its addresses can be a host's, or is reached inside the peer that has it"
               : "its carrier reaches none of the name's addresses";
}

static bool has_route(void *context, const struct address *address)
{
    const struct name *name = context;
    const struct names_options *options = &name->names->options;
    return way_to(context, address) != ENGINE_WAY_SOCKET ||
           options->has_route(options->context, address);
}

/* Moves the peer where it should be; `is_failing`: where it is, nothing answers. */
static void choose(struct name *name, const struct status_peer *peer, bool is_failing)
{
    struct names *names = name->names;
    const struct address *choice =
        name_choice(&name->addresses, &peer->endpoint.address, is_failing, has_route, name);
    if (!choice)
        return;
    struct endpoint endpoint = {.address = *choice, .port = name->port};
    char text[ENDPOINT_TEXT_BYTES];
    log_name(name, LOG_LEVEL_NOTICE, endpoint_format(&endpoint, text));
    name->chosen = loop_now();
    engine_set_endpoint(names->options.engine, name->peer, &endpoint, name->chosen);
    names->options.changed(names->options.context);
}

static void done(void *context, const struct address *answer, size_t answer_count, const char *why)
{
    struct name *name = context;
    struct status_peer peer;
    struct name_addresses addresses;
    name->is_asking = false;
    if (is_gone(name))
        return;
    name_choice_keep(&addresses, answer, answer_count, way_to, name);
    if (addresses.count == 0) {
        fail(name, answer_count ? why_unreachable(name) : why);
        retry_later(name);
        return;
    }
    name->retry_ns = 0;
    name->cause[0] = '\0';
    name->answered = loop_now();
    name->addresses = addresses;
    loop_set_timer(&name->timer,
                   instant_add(loop_now(), addresses.count > 1 ? WATCH_CLOSELY_NS : WATCH_NS));
    read_peer(name, &peer);
    /* Asked for another reason, or well again meanwhile: then it stays where it is. */
    bool is_of_use = !name->was_failing || (peer.state == STATUS_PEER_UP && !is_failing(&peer));
    choose(name, &peer, name_choice_has(&name->addresses, &peer.endpoint.address) && !is_of_use);
}

/* Of a root: generation 0. */
static struct tunnel_handle carrier_of(const struct engine *engine, uint32_t tunnel)
{
    struct status_tunnel status;
    status_read_tunnel(engine, tunnel, &status);
    return status.carrier < 0 ? (struct tunnel_handle){0}
                              : engine_tunnel_handle(engine, (uint32_t)status.carrier);
}

/* 0, also when it is asked again later; -EPERM, -EINVAL: it would never be answered. */
static int ask(struct name *name, struct text *why)
{
    const struct names_options *options = &name->names->options;
    int result, carrier = options->network->tunnels[name->place].carrier;
    if (name->is_asking || is_gone(name))
        return 0;
    struct tunnel_handle inside_of = carrier_of(options->engine, name->peer.tunnel);
    if ((carrier == TUNNEL_NO_CARRIER) != !inside_of.generation)
        return 0; /* the description is not of now */
    if (carrier == TUNNEL_NO_CARRIER) {
        result = resolve_start(name->names->resolver, name->text, done, name, why);
    } else {
        const struct tunnel_description *from = &options->network->tunnels[carrier];
        struct resolve_inside inside = {
            .engine = options->engine,
            .tunnel = inside_of,
            .servers = from->dns,
            .server_count = from->dns_count};
        result = resolve_start_inside(name->names->resolver, &inside, name->text, done, name, why);
    }
    if (result == 0) {
        name->is_asking = true;
        name->asked = loop_now();
        instant_ns slow = instant_add(name->asked, SLOW_NS);
        if (name->timer.deadline > slow) /* else it is looked at before */
            loop_set_timer(&name->timer, slow);
        return 0;
    }
    fail(name, why->bytes);
    retry_later(name);
    if (result == -EPERM || result == -EINVAL)
        return result;
    text_init(why, why->bytes, why->capacity_bytes); /* it was told */
    return 0;
}

static void ask_again(struct name *name)
{
    struct text why = TEXT_ROOM(256);
    ask(name, &why);
}

/* Whoever waits for the peer wants to know for what, long before it is given up. */
static void tell_wait(struct name *name)
{
    const struct network_description *network = name->names->options.network;
    int carrier = network->tunnels[name->place].carrier;
    char cause[NAMES_CAUSE_BYTES];
    struct text servers = TEXT_ROOM(NAMES_CAUSE_BYTES / 2);
    resolve_append_servers(name->names->resolver, name, &servers);
    snprintf(cause, sizeof(cause), "no answer yet from %s%s%s; the name is asked again",
             servers.bytes, carrier == TUNNEL_NO_CARRIER ? "" : " inside ",
             carrier == TUNNEL_NO_CARRIER ? "" : network->tunnels[carrier].name);
    fail(name, cause);
}

static void ring(void *context, instant_ns now)
{
    struct name *name = context;
    struct status_peer peer;
    if (is_gone(name))
        return;
    if (name->is_asking && !name->cause[0] && now >= instant_add(name->asked, SLOW_NS))
        tell_wait(name);
    read_peer(name, &peer);
    /* Twice in a row: a handshake that is under way just now is no failure. */
    bool was_failing = name->was_failing;
    name->was_failing = is_failing(&peer);
    if (peer.endpoint.address.family &&
        (!was_failing || !name->was_failing || now < instant_add(name->answered, ASK_AGAIN_NS))) {
        bool is_close = name->was_failing && name->addresses.count > 1;
        loop_set_timer(&name->timer, instant_add(now, is_close ? WATCH_CLOSELY_NS : WATCH_NS));
        /* A session that works is no reason to leave: its renewal may only be late. */
        if (is_close && peer.state != STATUS_PEER_UP &&
            name_choice_has(&name->addresses, &peer.endpoint.address) &&
            (peer.state == STATUS_PEER_UNROUTABLE || peer.unanswered_ns >= PATIENCE_NS) &&
            now >= instant_add(name->chosen, PATIENCE_NS))
            choose(name, &peer, true);
        return;
    }
    ask_again(name);
}

static void ready(void *context, uint32_t events)
{
    struct names *names = context;
    (void)events;
    resolve_dispatch(names->resolver);
}

/* The next peer whose endpoint is a name. */
static bool next_named(struct described *at)
{
    while (described_next(at))
        if (described_peer(at)->endpoint_name)
            return true;
    return false;
}

static bool is_of(const struct name *name, const struct described *at)
{
    const struct peer_description *peer = described_peer(at);
    return name->peer.generation == described_handle(at).generation &&
           name->carrier.generation == carrier_of(at->engine, name->peer.tunnel).generation &&
           name->port == peer->endpoint.port && strcmp(name->text, peer->endpoint_name) == 0;
}

/* NULL: no memory. */
static struct name *make_name(struct names *names, const struct described *at)
{
    const struct peer_description *peer = described_peer(at);
    struct name *name = calloc(1, sizeof(*name));
    if (!name)
        return NULL;
    *name = (struct name){.names = names, .text = strdup(peer->endpoint_name),
                          .peer = described_handle(at),
                          .carrier = carrier_of(at->engine, (uint32_t)at->tunnel),
                          .port = peer->endpoint.port};
    if (!name->text) {
        free(name);
        return NULL;
    }
    name->timer = (struct loop_timer){.deadline = INSTANT_NEVER, .ring = ring, .context = name};
    loop_add_timer(names->options.loop, &name->timer);
    return name;
}

static void drop_name(struct name *name)
{
    resolve_cancel(name->names->resolver, name);
    loop_remove_timer(name->names->options.loop, &name->timer);
    free(name->text);
    free(name);
}

/* The name out of the list, from a place on: both are in the engine's order. NULL: it is new. */
static struct name *take_known(struct names *names, const struct described *at, size_t *from)
{
    for (size_t i = *from; i < names->count; i++) {
        struct name *name = names->list[i];
        if (!is_of(name, at))
            continue;
        names->list[i] = NULL;
        *from = i + 1;
        return name;
    }
    return NULL;
}

static void drop_all(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->list[i])
            drop_name(names->list[i]);
    free(names->list);
}

/* Those of the description as it is now: what is known of one that stays stays, new ones are asked
 * at once. -ENOMEM: some are missing, to be called again. -EPERM, -EINVAL: as things stand, a name
 * will never be answered. */
static int set_names(struct names *names, struct text *why)
{
    const struct names_options *options = &names->options;
    struct described at = described_all(options->network, options->engine);
    size_t most = 0, count = 0, from = 0;
    int result = 0;
    while (next_named(&at))
        most++;
    struct name **list = calloc(most + 1, sizeof(struct name *));
    if (!list) { /* where those that there are stand is not known any more */
        drop_all(names);
        names->list = NULL;
        names->count = 0;
        return -ENOMEM;
    }
    for (at = described_all(options->network, options->engine); next_named(&at);) {
        struct name *known = take_known(names, &at, &from);
        struct name *name = known ? known : make_name(names, &at);
        if (!name) {
            result = -ENOMEM;
            continue;
        }
        name->place = at.tunnel_place;
        list[count++] = name;
        if (!known && result == 0)
            result = ask(name, why);
    }
    drop_all(names);
    names->list = list;
    names->count = count;
    return result;
}

int names_start(struct names **made, const struct names_options *options, struct text *why)
{
    struct described at = described_all(options->network, options->engine);
    *made = NULL;
    if (!next_named(&at))
        return 0;
    struct names *names = calloc(1, sizeof(*names));
    if (!names)
        return -ENOMEM;
    names->options = *options;
    struct resolve_options resolve = {.mark = options->mark};
    int result = resolve_open(&resolve, &names->resolver, why);
    if (result == 0) {
        names->source = (struct loop_source){.fd = resolve_fd(names->resolver), .events = EPOLLIN,
                                             .ready = ready, .context = names};
        result = loop_add(options->loop, &names->source);
    }
    if (result != 0) {
        resolve_close(names->resolver);
        free(names);
        return result;
    }
    *made = names;
    return set_names(names, why);
}

void names_stop(struct names *names)
{
    if (!names)
        return;
    drop_all(names);
    loop_remove(names->options.loop, &names->source);
    resolve_close(names->resolver);
    free(names);
}

int names_follow(struct names **names, const struct names_options *options, struct text *why)
{
    return *names ? set_names(*names, why) : names_start(names, options, why);
}

const char *names_cause(const struct names *names, uint32_t tunnel, uint32_t peer)
{
    for (size_t i = 0; names && i < names->count; i++) {
        const struct name *name = names->list[i];
        if (name->peer.tunnel == tunnel && name->peer.peer == peer && name->cause[0] &&
            !is_gone(name))
            return name->cause;
    }
    return NULL;
}

void names_routes_changed(struct names *names)
{
    for (size_t i = 0; names && i < names->count; i++) {
        struct name *name = names->list[i];
        struct status_peer peer;
        if (is_gone(name))
            continue;
        read_peer(name, &peer);
        if (name_choice_has(&name->addresses, &peer.endpoint.address))
            choose(name, &peer, false);
    }
}

void names_ask_again(struct names *names)
{
    for (size_t i = 0; names && i < names->count; i++)
        ask_again(names->list[i]);
}
