/* SPDX-License-Identifier: MIT */
#include "daemon/changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/settle.h"

static bool is_set(const struct change *change, unsigned field)
{
    return change->kind == CHANGE_TUNNEL_SET && (change->fields & field);
}

/* Marked otherwise, its own datagrams would be taken into the tunnels by the rules (RULES F3). */
static bool is_known_to_rules(const struct daemon *daemon, uint32_t mark)
{
    const struct routing *routing = &daemon->state.routing;
    return mark == 0 || routing->mode != ROUTING_AUTO ||
           (mark & routing->mask) == (routing->mark & routing->mask);
}

static int check_mark(const struct daemon *daemon, const struct change *change, int tunnel,
                      struct text *why)
{
    struct status_tunnel status;
    uint32_t mark = change->description->fwmark;
    status_read_tunnel(network_engine(daemon->network), (uint32_t)tunnel, &status);
    bool is_carried = change->fields & CHANGE_CARRIER ? change->carrier != NULL
                                                      : status.carrier >= 0;
    if (mark && is_carried) {
        change_begin_refusal(why, change->where, change->tunnel);
        text_append(why, "a carried tunnel has no socket to mark; leave its mark out");
        return -EOPNOTSUPP;
    }
    if (is_known_to_rules(daemon, mark))
        return 0;
    change_begin_refusal(why, change->where, change->tunnel);
    text_append(why,
                "with a mark of 0x%x the rules would take its own datagrams into the tunnels: "
                "FwMark in [Network] gives the rules and all roots another one",
                mark);
    return -EINVAL;
}

/* What the engine cannot know. */
static int check_marks(const struct daemon *daemon, const struct changes *changes, struct text *why)
{
    int result = 0;
    for (size_t i = 0; i < changes->count && result == 0; i++) {
        const struct change *change = &changes->list[i];
        int tunnel = engine_find_tunnel(network_engine(daemon->network), change->tunnel);
        if (tunnel >= 0 && is_set(change, CHANGE_FWMARK))
            result = check_mark(daemon, change, tunnel, why);
    }
    return result;
}

/* The host has nothing to do with keys and keepalives. */
static bool concerns_host(const struct change *change)
{
    const unsigned keys = CHANGE_PRESHARED_KEY | CHANGE_KEEPALIVE | CHANGE_ONLY_UPDATE;
    bool is_known = change->kind == CHANGE_PEER_SET && change->allowed_ips_count == 0 &&
                    !(change->fields & ~keys);
    return !is_known &&
           !(change->kind == CHANGE_TUNNEL_SET && change->fields == CHANGE_PRIVATE_KEY);
}

static bool has_field(const struct changes *changes, enum change_kind kind, unsigned fields)
{
    bool has = false;
    for (size_t i = 0; i < changes->count; i++)
        has |= changes->list[i].kind == kind && (changes->list[i].fields & fields);
    return has;
}

static bool moves_ports(const struct changes *changes)
{
    bool has = has_field(changes, CHANGE_TUNNEL_SET,
                         CHANGE_LISTEN_PORT | CHANGE_CARRIER | CHANGE_ADDRESSES);
    for (size_t i = 0; i < changes->count; i++)
        has |= changes->list[i].kind == CHANGE_TUNNEL_ADD ||
               changes->list[i].kind == CHANGE_TUNNEL_REMOVE;
    return has;
}

static void reserve_ports(struct daemon *daemon)
{
    ports_release(&daemon->ports);
    if (ports_reserve(&daemon->ports, daemon->config, network_engine(daemon->network),
                      &daemon->log) != 0)
        log_notice(&daemon->log, "no memory to reserve the carried tunnels' ports");
}

static void follow(struct daemon *daemon, const struct changes *changes, bool is_concerned,
                   bool is_urgent)
{
    for (size_t i = 0; i < changes->count; i++) {
        is_concerned |= concerns_host(&changes->list[i]);
        is_urgent |= changes->list[i].kind < CHANGE_PEER_SET; /* of tunnels */
    }
    /* A name that is no more may not move its peer. */
    is_urgent |= has_field(changes, CHANGE_PEER_SET, CHANGE_ENDPOINT);
    settle_configured(daemon, is_concerned, is_urgent);
    if (moves_ports(changes) && settle_describe(daemon))
        reserve_ports(daemon);
}

/* A number may be any that was free, or the next ones. */
static bool reserve_ways(struct daemon *daemon, const struct changes *changes)
{
    const struct engine *engine = network_engine(daemon->network);
    size_t count = 0;
    for (int i = -1; (i = engine_next_tunnel(engine, i)) >= 0;)
        count = (size_t)i + 1 > count ? (size_t)i + 1 : count;
    for (size_t i = 0; i < changes->count; i++)
        count += changes->list[i].kind == CHANGE_TUNNEL_ADD;
    if (count <= daemon->way_count)
        return true;
    struct root_way *ways = realloc(daemon->ways, count * sizeof(*ways));
    if (!ways)
        return false;
    memset(ways + daemon->way_count, 0, (count - daemon->way_count) * sizeof(*ways));
    daemon->ways = ways;
    daemon->way_count = count;
    return true;
}

static void tell_who_may(int result, struct text *why)
{
    if (result == -EACCES) /* the right to it was given up (RULES I5) */
        text_append(why, "; a port below 1024 is opened by `hopwire up` alone, also with "
                         "--replace");
}

int changes_try(struct daemon *daemon, const struct changes *changes, struct text *why)
{
    int result = check_marks(daemon, changes, why);
    if (result == 0)
        result = network_apply_try(daemon->network, changes, why);
    tell_who_may(result, why);
    return result;
}

int changes_take(struct daemon *daemon, const struct changes *changes, struct text *why)
{
    int result = check_marks(daemon, changes, why);
    if (result == 0 && !reserve_ways(daemon, changes)) {
        text_append(why, "no memory; nothing was changed");
        result = -ENOMEM;
    }
    if (result == 0)
        result = network_apply(daemon->network, changes, why);
    tell_who_may(result, why);
    daemon->is_description_old |= result == 0;
    return result;
}

void changes_follow(struct daemon *daemon, const struct changes *changes)
{
    daemon->settle_again = loop_now(); /* whatever `wg` made of it before */
    follow(daemon, changes, true, true);
}

int changes_apply(struct daemon *daemon, const struct changes *changes, struct text *why)
{
    int result = changes_take(daemon, changes, why);
    if (result == 0)
        follow(daemon, changes, false, false);
    return result;
}
