/* SPDX-License-Identifier: MIT */
#include "cli/lookups.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "host/state.h"
#include "host/table_names.h"

#define SERVICE_BYTES 1024

bool lookups_find_port(void *context, const char *name, uint16_t *port)
{
    char bytes[SERVICE_BYTES];
    struct servent service, *found = NULL;
    (void)context;
    if (getservbyname_r(name, "udp", &service, bytes, sizeof(bytes), &found) != 0 || !found)
        return false;
    *port = ntohs((uint16_t)service.s_port);
    return true;
}

bool lookups_find_table(void *context, const char *name, uint32_t *table)
{
    (void)context;
    return table_names_find("", name, table);
}

uint32_t lookups_find_interface(void *context, const char *name)
{
    (void)context;
    return if_nametoindex(name);
}

bool lookups_is_taken(void *context, const char *interface_name, const char *network)
{
    struct state state;
    (void)context;
    unsigned index = if_nametoindex(interface_name);
    if (index == 0)
        return false;
    return state_read(network, &state, TEXT_UNHEARD) != 0 || !state_is_of_this_namespace(&state) ||
           (unsigned)state.routing.interface_index != index;
}
