/* SPDX-License-Identifier: MIT */
#include "daemon/firewall_repair.h"

/* Whoever changes it again and again does not get all of the time. */
#define REST_NS (100 * NS_PER_MS)
#define RETRY_NS (1 * NS_PER_S)

/* Our own laying is told too: that the table stands as it was laid tells it from what others do. */
static void restore(void *context, instant_ns now)
{
    struct daemon *daemon = context;
    struct text why = TEXT_ROOM(WHY_BYTES);
    enum firewall_state found;
    int result = guard_restore(&daemon->guard, &found, &why);
    if (result == 0 && found == FIREWALL_STANDS)
        return;
    if (result == 0 && found == FIREWALL_GONE)
        text_append(&why, "somebody deleted its nftables table, as `nft flush ruleset` does when "
                          "another firewall is loaded: laid again");
    else if (result == 0)
        text_append(&why, "somebody emptied or changed its nftables table: laid again");
    log_notice(&daemon->log, why.bytes);
    daemon->restore_again = instant_add(now, result == 0 ? REST_NS : RETRY_NS);
    if (result < 0)
        loop_set_timer(&daemon->restore, daemon->restore_again);
}

/* A timer that is set will see what this is about. */
static void restore_soon(struct daemon *daemon)
{
    instant_ns now = loop_now();
    if (daemon->restore.deadline != INSTANT_NEVER)
        return;
    if (instant_is_reached(daemon->restore_again, now))
        restore(daemon, now);
    else
        loop_set_timer(&daemon->restore, daemon->restore_again);
}

static void tell(void *context, const struct watch_event *event)
{
    bool *is_told = context;
    (void)event; /* our table changed, or another network's, or more was to tell than fits */
    *is_told = true;
}

/* Nothing is settled as after other events: laying the table then would be told here again. */
static void ready(void *context, uint32_t events)
{
    struct daemon *daemon = context;
    bool is_told = false;
    (void)events;
    watch_read(&daemon->table_watch, tell, &is_told);
    if (is_told)
        restore_soon(daemon);
}

int firewall_repair_start(struct daemon *daemon)
{
    struct text why = TEXT_ROOM(WHY_BYTES);
    daemon->restore =
        (struct loop_timer){.deadline = INSTANT_NEVER, .ring = restore, .context = daemon};
    if (!daemon->guard.is_laid)
        return 0;
    if (watch_open_tables(&daemon->table_watch, &why) != 0) {
        text_append(&why, "; going on without: if others delete the network's table, it is laid "
                          "again only with the next change of routes or endpoints");
        log_warn(&daemon->log, why.bytes);
        return 0;
    }
    daemon->table_source = (struct loop_source){
        .fd = watch_fd(&daemon->table_watch), .events = EPOLLIN, .ready = ready, .context = daemon};
    loop_add_timer(daemon->loop, &daemon->restore);
    restore_soon(daemon); /* it may be gone already */
    return loop_add(daemon->loop, &daemon->table_source);
}
