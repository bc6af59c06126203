/* SPDX-License-Identifier: MIT */
#include "engine/roaming.h"

#include "engine/events.h"
#include "engine/ways.h"

bool roaming_is_astray(const struct peer *peer, const struct address *source,
                       const struct node *carrier)
{
    struct peer *fellow;
    return ways_carrier_for(peer, source, &fellow) != carrier;
}

bool roaming_move(struct core *core, struct peer *peer, const struct inbound_entry *entry,
                  instant_ns now)
{
    if (roaming_is_astray(peer, &entry->source.address, entry->carrier))
        return false;
    ways_set_endpoint(&core->tree, peer, &entry->source);
    events_moved(core, peer, now);
    return true;
}
