/* SPDX-License-Identifier: MIT */
#include "config/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "config/settings.h"

/* One section, for sorting those of a key together in file order. */
struct part {
    const uint8_t *public_key;
    size_t index;
};

static int compare(const void *left, const void *right)
{
    const struct part *a = left, *b = right;
    int order = memcmp(a->public_key, b->public_key, 32);
    return order ? order : a->index < b->index ? -1 : a->index > b->index;
}

void peers_withdraw(struct peer_description *peer, struct config_peer *notes,
                    const struct prefix *prefix)
{
    size_t kept = 0;
    for (size_t i = 0; i < peer->allowed_ips_count; i++) {
        if (prefix_is_equal(&peer->allowed_ips[i], prefix))
            continue;
        peer->allowed_ips[kept] = peer->allowed_ips[i];
        notes->allowed_ip_lines[kept++] = notes->allowed_ip_lines[i];
    }
    peer->allowed_ips_count = kept;
}

static void join_allowed_ips(struct loader *loader, struct peer_description *peer,
                             struct config_peer *notes, const struct peer_description *later,
                             const struct config_peer *later_notes)
{
    if (!later_notes->changes_allowed_ips) {
        peer->allowed_ips = later->allowed_ips;
        peer->allowed_ips_count = later->allowed_ips_count;
        notes->allowed_ip_lines = later_notes->allowed_ip_lines;
        return;
    }
    for (size_t i = 0; i < later_notes->withdrawn_count; i++)
        peers_withdraw(peer, notes, &later_notes->withdrawn[i]);
    for (size_t i = 0; i < later->allowed_ips_count; i++)
        settings_append_prefix(loader, &later->allowed_ips[i], later_notes->allowed_ip_lines[i],
                               &peer->allowed_ips, &notes->allowed_ip_lines,
                               &peer->allowed_ips_count);
}

static void join(struct loader *loader, struct peer_description *peer, struct config_peer *notes,
                 const struct peer_description *later, const struct config_peer *later_notes)
{
    const struct config_place *given = later_notes->given;
    char where[CONFIG_PLACE_BYTES];
    config_messages_add(loader->messages, CONFIG_WARNING, &given[KEYWORD_PUBLIC_KEY],
                        "the same peer as in %s, joined with it as `wg setconf` does: the "
                        "AllowedIPs here %s those there",
                        config_messages_place(&notes->given[KEYWORD_PUBLIC_KEY], where),
                        later_notes->changes_allowed_ips ? "change" : "replace");
    join_allowed_ips(loader, peer, notes, later, later_notes);
    if (given[KEYWORD_PRESHARED_KEY].file || given[KEYWORD_PRESHARED_KEY_FILE].file)
        memcpy(peer->preshared_key, later->preshared_key, sizeof(peer->preshared_key));
    if (given[KEYWORD_ENDPOINT].file) {
        peer->has_endpoint = later->has_endpoint;
        peer->endpoint = later->endpoint;
        peer->endpoint_name = later->endpoint_name;
    }
    if (given[KEYWORD_PERSISTENT_KEEPALIVE].file)
        peer->persistent_keepalive_s = later->persistent_keepalive_s;
    for (unsigned i = 0; i < KEYWORD_PEER_COUNT; i++)
        if (given[i].file)
            notes->given[i] = given[i];
}

void peers_join(struct loader *loader, struct draft *draft)
{
    struct tunnel_description *tunnel = &draft->tunnel;
    struct config_peer *notes = draft->notes.peers;
    size_t keyed = 0, kept = 0;
    struct part *parts =
        arena_take(&loader->config->arena, (tunnel->peer_count + 1) * sizeof(*parts));
    bool *is_joined = arena_take(&loader->config->arena, tunnel->peer_count + 1);
    if (!parts || !is_joined)
        return;
    for (size_t i = 0; i < tunnel->peer_count; i++) {
        /* A key that was refused is all zero. */
        if (!bytes_are_zero(tunnel->peers[i].public_key, 32))
            parts[keyed++] = (struct part){tunnel->peers[i].public_key, i};
    }
    qsort(parts, keyed, sizeof(*parts), compare);
    for (size_t first = 0, i = 1; i < keyed; i++) {
        if (memcmp(parts[first].public_key, parts[i].public_key, 32) != 0) {
            first = i;
            continue;
        }
        size_t to = parts[first].index, from = parts[i].index;
        join(loader, &tunnel->peers[to], &notes[to], &tunnel->peers[from], &notes[from]);
        is_joined[from] = true;
    }
    for (size_t i = 0; i < tunnel->peer_count; i++) {
        if (is_joined[i])
            continue;
        if (kept != i) {
            tunnel->peers[kept] = tunnel->peers[i];
            notes[kept] = notes[i];
        }
        kept++;
    }
    tunnel->peer_count = kept;
}
