/* SPDX-License-Identifier: MIT */
/* Bridges that lead to nobody but guests of this host: containers and virtual machines. */
#ifndef HOST_BRIDGE_H
#define HOST_BRIDGE_H

#include <net/if.h>

#include "host/netlink.h"

struct bridge {
    int index;
    char name[IF_NAMESIZE];
};

/* Those whose ports all are virtual (veth, TAP, dummy), and those without a port, as docker0 is
 * when nothing runs. A port that is the near end of a cable to another bridge counts as what is
 * behind that one. *bridges is malloc's, the caller frees it. 0, or -errno and a sentence. */
int bridge_list_guests(struct netlink *netlink, struct bridge **bridges, size_t *count,
                       struct text *why);

#endif
