/* SPDX-License-Identifier: MIT */
#include "daemon/host_dns.h"

#include <errno.h>

#include "daemon/system_dns.h"
#include "host/dns.h"
#include "host/dns_way.h"

static void keeper_ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    struct dns_keeper *keeper = daemon->keeper;
    struct text why = TEXT_ROOM(WHY_BYTES);
    int result = -EPIPE;
    (void)events;
    enum dns_keeper_heard heard = dns_keeper_hear(keeper, &daemon->log, &result, &why);
    if (heard == DNS_KEEPER_TOLD)
        return;
    if (heard == DNS_KEEPER_ENDED) {
        text_append(&why, "the process that keeps the system's DNS has ended; the network goes "
                          "on, and `hopwire down` puts the DNS back");
        loop_remove(daemon->loop, &daemon->keeper_source);
        dns_keeper_end(keeper);
        log_notice(&daemon->log, why.bytes);
    }
    if (daemon->dns_answered)
        daemon->dns_answered(daemon, result, why.bytes);
}

/* What an earlier run left, with other settings or because it could not be undone then, is no
 * reason to have no network now. */
static void undo_earlier_dns(struct daemon *daemon)
{
    struct text why = TEXT_ROOM(WHY_BYTES);
    if (dns_undo(daemon->config->name, true, &why) != 0)
        log_warn(&daemon->log, why.bytes);
}

void host_dns_tell(struct daemon *daemon, struct log_sink log)
{
    system_dns_tell(daemon->config, dns_way_find().is_resolved, system_dns_engine_has,
                    network_engine(daemon->network), log);
}

int host_dns_look(const struct config *config, struct text *why)
{
    struct system_dns dns = system_dns_choose(config);
    const struct dns_wish wish = {.network = config->name,
                                  .interface = config->interface_name,
                                  .servers = dns.servers,
                                  .zones = dns.zones,
                                  .server_count = dns.server_count,
                                  .domains = dns.domains,
                                  .domain_count = dns.domain_count};
    return dns.server_count ? dns_look(&wish, why) : 0;
}

int host_dns_start(struct daemon *daemon)
{
    struct dns_keeper *keeper = daemon->keeper;
    host_dns_tell(daemon, log_as_sink_aloud(&daemon->log));
    bool has_servers = system_dns_choose(daemon->config).server_count > 0;
    int result = 0;
    if (has_servers)
        result = dns_keeper_set(keeper, daemon->config, &daemon->log, &daemon->why);
    else
        undo_earlier_dns(daemon);
    daemon->has_dns = has_servers && result == 0;
    daemon->keeper_source = (struct loop_source){
        .fd = keeper->socket, .events = EPOLLIN, .ready = keeper_ready, .context = daemon};
    return result ? result : loop_add(daemon->loop, &daemon->keeper_source);
}

int host_dns_change(struct daemon *daemon, const struct config *config, struct text *why)
{
    int result = dns_keeper_change(daemon->keeper, config, why);
    daemon->has_dns |= result == 0;
    return result;
}

void host_dns_undo(struct daemon *daemon)
{
    struct text why = TEXT_ROOM(WHY_BYTES);
    daemon->is_dns_left = dns_keeper_undo(daemon->keeper, &daemon->log, &why) != 0;
    if (daemon->is_dns_left)
        log_notice(&daemon->log, why.bytes);
}
