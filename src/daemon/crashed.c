/* SPDX-License-Identifier: MIT */
/* A start writes its state, with the crashed run's routing as `previous`, then lays its rules,
 * notes that they are laid, and then undoes the previous. Wherever it is killed, its file names
 * both, and tells which one keeps the prefixes: its own once that is laid, the previous until
 * then. */
#include "daemon/crashed.h"

#include <errno.h>
#include <unistd.h>

#include "daemon/files_record.h"
#include "daemon/guard.h"
#include "daemon/uapi.h"
#include "host/dns.h"
#include "host/life.h"
#include "host/netns.h"
#include "host/routing.h"

/* -EXDEV when its rules lie where they can still be undone, but not from here. */
static int refuse_elsewhere(const char *network, const struct state *state, struct text *why)
{
    char path[NETNS_PATH_BYTES];
    if (state_is_of_this_namespace(state) || !netns_find(state->network_namespace, path))
        return 0;
    text_append(why, "it was up in another network namespace, where its rules still lie: `nsenter "
                     "--net=");
    text_append_word(why, path);
    text_append(why, " hopwire down %s` removes them", network);
    return -EXDEV;
}

int crashed_refuse_elsewhere(const char *network, struct text *why)
{
    struct state state;
    char path[NETNS_PATH_BYTES];
    if (state_read(network, &state, TEXT_UNHEARD) != 0 || state_is_of_this_namespace(&state))
        return 0;
    if (!life_goes_on(network))
        return refuse_elsewhere(network, &state, why);
    text_append(why, "it is up in another network namespace, where its hooks belong: ");
    if (netns_find(state.network_namespace, path)) {
        text_append(why, "`nsenter --net=");
        text_append_word(why, path);
        text_append(why, " hopwire down %s` ends it", network);
    } else {
        text_append(why, "end it from there");
    }
    return -EXDEV;
}

int crashed_read(const char *network, struct state *crashed, bool *has_crashed, struct text *why)
{
    int result = state_read(network, crashed, why);
    *has_crashed = false;
    if (result == -ENOENT) {
        text_init(why, why->bytes, why->capacity_bytes); /* as it should be: nothing to tell */
        return 0;
    }
    if (result != 0)
        return result;
    *has_crashed = state_is_of_this_namespace(crashed);
    return refuse_elsewhere(network, crashed, why);
}

int crashed_reduce(struct netlink *netlink, const char *network, struct state *crashed,
                   struct text *why)
{
    if (!crashed->has_previous)
        return 0;
    const struct routing *gone = crashed->is_laid ? &crashed->previous : &crashed->routing;
    int result = routing_undo(netlink, gone, why);
    if (result != 0)
        return result;
    if (!crashed->is_laid)
        crashed->routing = crashed->previous;
    crashed->has_previous = false;
    crashed->previous = (struct routing){0};
    return state_write(network, crashed, why);
}

int crashed_undo_routing(struct netlink *netlink, const struct state *state, struct text *why)
{
    int result = routing_undo(netlink, &state->routing, why);
    int previous = state->has_previous
                       ? routing_undo(netlink, &state->previous, result ? TEXT_UNHEARD : why)
                       : 0;
    return result ? result : previous;
}

/* Rules, routes and the firewall's table, where they lie here. */
static int undo_host(const char *network, const struct state *state, struct text *why)
{
    struct netlink netlink = {0};
    int result = netlink_open(&netlink, why);
    if (result == 0)
        result = crashed_undo_routing(&netlink, state, why);
    if (result == 0)
        result = guard_undo(network, state, why);
    netlink_close(&netlink);
    return result;
}

int crashed_clean_up(const char *network, struct text *why)
{
    struct state state;
    char path[STATE_PATH_BYTES];
    int result = state_read(network, &state, why);
    bool has_state = result == 0;
    if (result == -ENOENT)
        text_init(why, why->bytes, why->capacity_bytes); /* as it should be: nothing to tell */
    if (has_state)
        result = refuse_elsewhere(network, &state, why);
    if (result == -EXDEV)
        return result;
    bool is_here = has_state && state_is_of_this_namespace(&state);
    if (is_here)
        result = undo_host(network, &state, why);
    /* Also if that failed, and without a state: each is put back that can be. */
    bool may_forget = has_state && !is_here; /* the namespaces of what it set are gone */
    int dns = dns_undo(network, may_forget, result && result != -ENOENT ? TEXT_UNHEARD : why);
    if (result == -ENOENT && !has_state)
        return dns ? dns : result;
    result = result ? result : dns;
    int sockets = has_state ? uapi_clean_up(&state, result ? TEXT_UNHEARD : why) : 0;
    result = result ? result : sockets;
    if (result == 0)
        result = state_remove(network, why);
    if (result == 0)
        files_record_remove(network);
    if (result == 0 && state_path(network, ".sock", path, why) == 0)
        unlink(path);
    return result;
}
