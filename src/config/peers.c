/* SPDX-License-Identifier: MIT */
#include "config/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "config/prefix_value.h"
#include "crypto/x25519.h"

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
        prefix_value_append(loader, &later->allowed_ips[i], later_notes->allowed_ip_lines[i],
                            &peer->allowed_ips, &notes->allowed_ip_lines, &peer->allowed_ips_count);
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

/* For each of `prefixes`: the peers from `first` up to `end` lose it to the peer whose section
 * names it later, or who had it until a section of its own takes its AllowedIPs away. */
static void take_from(struct loader *loader, struct draft *draft, size_t first, size_t end,
                      const struct prefix *prefixes, size_t count,
                      const struct config_place *taker)
{
    for (size_t p = first; p < end; p++) {
        struct peer_description *peer = &draft->tunnel.peers[p];
        struct config_peer *notes = &draft->notes.peers[p];
        for (size_t i = 0; i < count; i++) {
            size_t before = peer->allowed_ips_count;
            char text[PREFIX_TEXT_BYTES], where[CONFIG_PLACE_BYTES];
            peers_withdraw(peer, notes, &prefixes[i]);
            if (peer->allowed_ips_count < before)
                config_messages_add(
                    loader->messages, CONFIG_WARNING, taker,
                    "%s is allowed to the peer of %s already; this later peer takes it",
                    prefix_format(&prefixes[i], text),
                    config_messages_place(&notes->given[KEYWORD_PUBLIC_KEY], where));
        }
    }
}

/* The section `from` into the one of the same peer, `to`; those of other peers stand between. As an
 * interface takes them in turn: of two peers with one prefix the one of the later section has
 * it. */
static void join_in_turn(struct loader *loader, struct draft *draft, size_t to, size_t from)
{
    struct peer_description *peers = draft->tunnel.peers;
    struct config_peer *notes = draft->notes.peers;
    const struct config_place taker = notes[to].given[KEYWORD_PUBLIC_KEY];
    take_from(loader, draft, 0, to, peers[to].allowed_ips, peers[to].allowed_ips_count, &taker);
    join(loader, &peers[to], &notes[to], &peers[from], &notes[from]);
    take_from(loader, draft, to + 1, from, peers[from].allowed_ips, peers[from].allowed_ips_count,
              &notes[from].given[KEYWORD_PUBLIC_KEY]);
    peers[from].allowed_ips_count = 0;
}

/* For each section the first one of its peer: itself, if there is none before. NULL: no memory. */
static size_t *find_first_sections(struct loader *loader, const struct tunnel_description *tunnel)
{
    struct arena *arena = &loader->config->arena;
    struct part *parts = arena_take(arena, (tunnel->peer_count + 1) * sizeof(*parts));
    size_t *first_of = arena_take(arena, (tunnel->peer_count + 1) * sizeof(*first_of)), keyed = 0;
    if (!parts || !first_of)
        return NULL;
    for (size_t i = 0; i < tunnel->peer_count; i++) {
        first_of[i] = i;
        /* A key that was refused is all zero. */
        if (!bytes_are_zero(tunnel->peers[i].public_key, 32))
            parts[keyed++] = (struct part){tunnel->peers[i].public_key, i};
    }
    qsort(parts, keyed, sizeof(*parts), compare);
    for (size_t first = 0, i = 1; i < keyed; i++) {
        if (memcmp(parts[first].public_key, parts[i].public_key, 32) == 0)
            first_of[parts[i].index] = parts[first].index;
        else
            first = i;
    }
    return first_of;
}

/* An interface passes over a peer with its own key, as it stands in files that list each node of a
 * mesh, this one too. Before anything is joined: such a peer takes no prefix from another. */
static void leave_out_own(struct loader *loader, struct draft *draft, const uint8_t private_key[32])
{
    struct tunnel_description *tunnel = &draft->tunnel;
    struct config_peer *notes = draft->notes.peers;
    uint8_t own[32];
    size_t kept = 0;
    if (tunnel->peer_count == 0 || bytes_are_zero(private_key, sizeof(own)))
        return;
    x25519_public(own, private_key);
    for (size_t i = 0; i < tunnel->peer_count; i++) {
        if (notes[i].given[KEYWORD_PUBLIC_KEY].file &&
            memcmp(tunnel->peers[i].public_key, own, sizeof(own)) == 0) {
            config_messages_add(
                loader->messages, CONFIG_WARNING, &notes[i].given[KEYWORD_PUBLIC_KEY],
                "belongs to the tunnel's own PrivateKey: this [Peer] is passed over, "
                "as `wg` does; if it is to be another, write the key that the other "
                "end has");
            continue;
        }
        tunnel->peers[kept] = tunnel->peers[i];
        notes[kept++] = notes[i];
    }
    tunnel->peer_count = kept;
}

void peers_join(struct loader *loader, struct draft *draft, const uint8_t private_key[32])
{
    struct tunnel_description *tunnel = &draft->tunnel;
    struct config_peer *notes = draft->notes.peers;
    size_t kept = 0;
    leave_out_own(loader, draft, private_key);
    const size_t *first_of = find_first_sections(loader, tunnel);
    if (!first_of)
        return;
    for (size_t i = 0; i < tunnel->peer_count; i++) {
        if (first_of[i] != i)
            join_in_turn(loader, draft, first_of[i], i);
    }
    for (size_t i = 0; i < tunnel->peer_count; i++) {
        if (first_of[i] != i)
            continue;
        if (kept != i) {
            tunnel->peers[kept] = tunnel->peers[i];
            notes[kept] = notes[i];
        }
        kept++;
    }
    tunnel->peer_count = kept;
}
