/* SPDX-License-Identifier: MIT */
/* The part of a difference that is about the network itself. Private to this room. */
#ifndef CONFIG_DIFFERENCE_NETWORK_H
#define CONFIG_DIFFERENCE_NETWORK_H

#include "config/difference_list.h"

/* What an interface and its rules are made with is the same; else told. */
bool difference_network_stays(const struct config *before, const struct config *after,
                              const char *file, struct config_messages *messages);
void difference_network_find(struct difference_list *list, const struct config *before,
                             const struct config *after);

#endif
