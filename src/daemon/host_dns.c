/* SPDX-License-Identifier: MIT */
#include "daemon/host_dns.h"

#include "daemon/settle.h"
#include "daemon/system_dns.h"
#include "host/dns.h"
#include "host/dns_way.h"

static void tell_line(void *context, const char *line)
{
    settle_tell(context, line);
}

static bool is_inside(void *context, const struct address *server)
{
    const struct daemon *daemon = context;
    struct engine_route route;
    engine_route(network_engine(daemon->network), server, &route);
    return route.tunnel >= 0;
}

static void keeper_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    struct keeper *keeper = daemon->keeper;
    (void)events;
    if (keeper_hear(keeper, settle_log, daemon))
        return;
    loop_remove(daemon->loop, &daemon->keeper_source);
    keeper_end(keeper);
    settle_log(daemon,
               "the process that keeps the system's DNS has ended; the network goes on, and "
               "`hopwire down` puts the DNS back");
}

/* What an earlier run left, with other settings or because it could not be undone then, is no
 * reason to have no network now. */
static void undo_earlier_dns(struct daemon *daemon)
{
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (dns_undo(daemon->config->name, true, &why) != 0)
        settle_tell(daemon, reason);
}

int host_dns_start(struct daemon *daemon)
{
    struct keeper *keeper = daemon->keeper;
    system_dns_tell(daemon->config, dns_way_find().is_resolved, is_inside, tell_line, daemon);
    if (keeper->socket < 0) {
        undo_earlier_dns(daemon);
        return 0;
    }
    int result = keeper_set(keeper, settle_log, daemon, &daemon->why);
    daemon->has_dns = result == 0;
    daemon->keeper_source = (struct loop_source){
        .fd = keeper->socket, .events = EPOLLIN, .ready = keeper_ready, .context = daemon};
    return result ? result : loop_add(daemon->loop, &daemon->keeper_source);
}

void host_dns_undo(struct daemon *daemon)
{
    char reason[WHY_BYTES];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    daemon->is_dns_left = keeper_undo(daemon->keeper, settle_log, daemon, &why) != 0;
    if (daemon->is_dns_left)
        settle_log(daemon, reason);
}
