/* SPDX-License-Identifier: MIT */
/* A difference of two configurations, as data. */
#ifndef CONFIG_DIFFERENCE_DATA_H
#define CONFIG_DIFFERENCE_DATA_H

#include "config/config_data.h"
#include "engine/change.h"

/* What changes beside the engine. */
enum difference_host {
    DIFFERENCE_KILL_SWITCH = 1 << 0,
    DIFFERENCE_ALLOW_LAN = 1 << 1,
    DIFFERENCE_DNS = 1 << 2, /* the network's own servers and domains, and the tunnels' */
    DIFFERENCE_DNS_GUARD = 1 << 3,
    DIFFERENCE_MTU = 1 << 4, /* of the interface */
    DIFFERENCE_HOOKS = 1 << 5, /* and SaveConfig */
};

struct difference {
    /* In an order in which each holds: what is added behind its carrier, what is removed behind
     * what it carried, and between them what moves, when where it goes is where it will be. */
    struct changes changes;
    unsigned host;
    /* For people: one a change, without a secret. */
    char **lines;
    size_t line_count;
};

#endif
