/* SPDX-License-Identifier: MIT */
#include "engine/cutting.h"

#include "route/fragment.h"

/* Writes the entry's `pieces` to `out`, which nothing needs any more. */
static void cut(struct core *core, struct outbound_entry *out, size_t pieces,
                struct outbound_entry entry)
{
    struct packet *whole = entry.packet;
    struct node *carrier = node_of(entry.peer);
    uint32_t id = carrier->next_fragment_id++;
    for (size_t i = 0; i < pieces; i++) {
        struct packet *packet = pool_take_packet(core->pool);
        out[i] = (struct outbound_entry){.packet = packet, .peer = packet ? entry.peer : NULL};
        if (!packet) { /* without it the others are worth nothing */
            while (i > 0) {
                pool_give_packet(core->pool, out[--i].packet);
                out[i] = (struct outbound_entry){0};
            }
            for (; i < pieces; i++)
                out[i] = (struct outbound_entry){0};
            core_count(core, carrier, VERDICT_POOL_EMPTY);
            break;
        }
        packet->tos = whole->tos;
        packet->kind = whole->kind;
        fragment_ipv6_write(whole->data, whole->len_bytes, entry.cut_bytes, id, i, packet);
    }
    pool_give_packet(core->pool, whole);
}

static size_t pieces_of(const struct outbound_entry *entry)
{
    return entry->cut_bytes ? fragment_ipv6_pieces(entry->packet->len_bytes, entry->cut_bytes) : 1;
}

size_t cutting_cut_all(struct core *core, struct outbound_entry *entries, size_t count)
{
    size_t total = count;
    for (size_t i = 0; i < count; i++) {
        struct outbound_entry *entry = &entries[i];
        size_t more = pieces_of(entry) - 1;
        if (total + more > OUTBOUND_MOST) { /* more than a turn plans */
            core_drop(core, node_of(entry->peer), entry->packet, VERDICT_POOL_EMPTY);
            *entry = (struct outbound_entry){0};
            more = 0;
        }
        total += more;
    }
    size_t place = total;
    while (count-- > 0) {
        struct outbound_entry entry = entries[count];
        size_t pieces = pieces_of(&entry);
        place -= pieces;
        if (entry.cut_bytes)
            cut(core, &entries[place], pieces, entry);
        else
            entries[place] = entry;
    }
    return total;
}
