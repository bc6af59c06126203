/* SPDX-License-Identifier: MIT */
/* A difference of two configurations, as data. */
#ifndef CONFIG_DIFFERENCE_DATA_H
#define CONFIG_DIFFERENCE_DATA_H

#include "config/config_data.h"
#include "engine/change.h"

struct difference {
    /* In an order in which each holds: what is added behind its carrier, what is removed behind
     * what it carried, and between them what moves, when where it goes is where it will be. */
    struct changes changes;
    bool has_hooks; /* hooks or SaveConfig are others: what ends the network is to follow */
    /* For people: one a change, without a secret. */
    char **lines;
    size_t line_count;
};

#endif
