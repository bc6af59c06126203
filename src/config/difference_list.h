/* SPDX-License-Identifier: MIT */
/* A difference while it is found: what was found so far. Private to this room. */
#ifndef CONFIG_DIFFERENCE_LIST_H
#define CONFIG_DIFFERENCE_LIST_H

#include "config/difference_data.h"

struct difference_list {
    struct arena *arena; /* which tells when there was no memory */
    struct difference *difference;
    struct change *changes; /* the difference's */
};

/* For refusals, in the arena; NULL: nowhere, or no memory. */
const char *difference_list_where(struct difference_list *list, const struct config_place *where);
/* The change is to be filled in; NULL: no memory. */
struct change *difference_list_add(struct difference_list *list, enum change_kind kind,
                                   const char *tunnel, const struct config_place *where);
/* A line for people; a long one ends in "…". */
void difference_list_tell(struct difference_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
