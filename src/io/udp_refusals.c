/* SPDX-License-Identifier: MIT */
#include "io/udp_refusals.h"

void udp_refusals_add(struct udp_refusals *refusals, const struct endpoint *endpoint,
                      instant_ns until)
{
    for (size_t i = 0; i < refusals->count; i++) {
        if (endpoint_is_equal(&refusals->entries[i].endpoint, endpoint)) {
            refusals->entries[i].until = until;
            return;
        }
    }
    refusals->entries[refusals->next].endpoint = *endpoint;
    refusals->entries[refusals->next].until = until;
    refusals->next = (refusals->next + 1) % UDP_REFUSALS_MOST;
    if (refusals->count < UDP_REFUSALS_MOST)
        refusals->count++;
}

bool udp_refusals_has(const struct udp_refusals *refusals, const struct endpoint *endpoint,
                      instant_ns now)
{
    for (size_t i = 0; i < refusals->count; i++)
        if (now < refusals->entries[i].until &&
            endpoint_is_equal(&refusals->entries[i].endpoint, endpoint))
            return true;
    return false;
}

void udp_refusals_forget(struct udp_refusals *refusals, const struct endpoint *endpoint)
{
    for (size_t i = 0; i < refusals->count; i++)
        if (endpoint_is_equal(&refusals->entries[i].endpoint, endpoint))
            refusals->entries[i].until = 0;
}
