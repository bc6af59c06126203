/* SPDX-License-Identifier: MIT */
#ifndef HOST_ROUTING_DATA_H
#define HOST_ROUTING_DATA_H

#include <stdint.h>

#include "host/sysctl.h"

enum routing_mode {
    ROUTING_AUTO, /* two tables and rules of our own */
    ROUTING_OFF,  /* `Table = off`: no route, no rule */
    ROUTING_TABLE /* `Table = N`: all routes there, no rule */
};

/* What was laid out: plain data, enough to undo it; the state file keeps it. */
struct routing {
    enum routing_mode mode;
    uint32_t mark;        /* for our sockets */
    uint32_t mask;        /* under which it keeps packets out of the tables, other networks' too */
    uint32_t tables[2];   /* the first is even; ROUTING_TABLE: only the first, the user's */
    uint32_t priority;    /* `Priority = N`; 0: behind the local table's rule */
    uint32_t twin_metric; /* of unreachable and throw routes */
    int interface_index;
    char interface_name[16];
    enum sysctl_ipv6 ipv6; /* ABSENT: IPv6 entries are passed over; DISABLED: made unreachable */
    bool has_kill_switch;  /* no rule for main: its longer prefixes do not go before our /0 */
    bool has_default[2];   /* of IPv4, of IPv6: as last laid; the state file does not keep it */
};

#endif
