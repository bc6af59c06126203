/* SPDX-License-Identifier: MIT */
#include "config/include.h"

#include <string.h>

#include "config/dialect.h"
#include "config/peers.h"

/* Takes over the place; true when the inline key is missing and the included one there. */
static bool takes(struct config_place *inline_places, const struct config_place *included_places,
                  enum keyword keyword)
{
    if (inline_places[keyword].file || !included_places[keyword].file)
        return false;
    inline_places[keyword] = included_places[keyword];
    return true;
}

/* The same for a key that may also be named by a file. */
static bool takes_key(struct config_place *inline_places,
                      const struct config_place *included_places, enum keyword key,
                      enum keyword key_file)
{
    if (inline_places[key].file || inline_places[key_file].file)
        return false;
    return takes(inline_places, included_places, key) ||
           takes(inline_places, included_places, key_file);
}

static void merge_peer(struct peer_description *peer, struct config_peer *notes,
                       const struct peer_description *included,
                       const struct config_peer *included_notes)
{
    struct config_place *given = notes->given;
    const struct config_place *there = included_notes->given;
    if (takes_key(given, there, KEYWORD_PRESHARED_KEY, KEYWORD_PRESHARED_KEY_FILE))
        memcpy(peer->preshared_key, included->preshared_key, sizeof(peer->preshared_key));
    if (takes(given, there, KEYWORD_ALLOWED_IPS)) {
        peer->allowed_ips = included->allowed_ips;
        peer->allowed_ips_count = included->allowed_ips_count;
        notes->allowed_ip_lines = included_notes->allowed_ip_lines;
    }
    if (takes(given, there, KEYWORD_ENDPOINT)) {
        peer->has_endpoint = included->has_endpoint;
        peer->endpoint = included->endpoint;
        peer->endpoint_name = included->endpoint_name;
    }
    if (takes(given, there, KEYWORD_PERSISTENT_KEEPALIVE))
        peer->persistent_keepalive_s = included->persistent_keepalive_s;
}

static void add_peer(struct loader *loader, struct draft *draft,
                     const struct peer_description *included,
                     const struct config_peer *included_notes)
{
    struct arena *arena = &loader->config->arena;
    size_t count = draft->tunnel.peer_count;
    struct peer_description *peers =
        arena_extend(arena, draft->tunnel.peers, count, sizeof(*peers));
    struct config_peer *notes = arena_extend(arena, draft->notes.peers, count, sizeof(*notes));
    if (!peers || !notes)
        return;
    peers[count] = *included;
    notes[count] = *included_notes;
    draft->tunnel.peers = peers;
    draft->notes.peers = notes;
    draft->tunnel.peer_count++;
}

static void merge_peers(struct loader *loader, struct draft *draft, const struct draft *included)
{
    size_t inline_count = draft->tunnel.peer_count;
    for (size_t i = 0; i < included->tunnel.peer_count; i++) {
        const struct peer_description *peer = &included->tunnel.peers[i];
        const struct config_peer *notes = &included->notes.peers[i];
        size_t same = 0;
        while (same < inline_count && memcmp(draft->tunnel.peers[same].public_key, peer->public_key,
                                             sizeof(peer->public_key)) != 0)
            same++;
        if (same < inline_count && notes->given[KEYWORD_PUBLIC_KEY].file)
            merge_peer(&draft->tunnel.peers[same], &draft->notes.peers[same], peer, notes);
        else
            add_peer(loader, draft, peer, notes);
    }
}

void include_read(struct loader *loader, struct draft *draft)
{
    struct config_place whole = {.file = draft->notes.included};
    struct draft *included = dialect_draft(loader, &whole, draft->tunnel.name, false);
    if (!included)
        return;
    dialect_read(loader, draft->notes.included, &draft->notes.given[KEYWORD_CONFIG], ROLE_PART,
                 draft->tunnel.name, included);
    struct config_place *given = draft->notes.given;
    const struct config_place *there = included->notes.given;
    struct tunnel_description *tunnel = &draft->tunnel;
    if (takes_key(given, there, KEYWORD_PRIVATE_KEY, KEYWORD_PRIVATE_KEY_FILE))
        memcpy(tunnel->private_key, included->tunnel.private_key, sizeof(tunnel->private_key));
    peers_join(loader, draft, tunnel->private_key);
    peers_join(loader, included, tunnel->private_key);
    if (takes(given, there, KEYWORD_ADDRESS)) {
        tunnel->addresses = included->tunnel.addresses;
        tunnel->address_count = included->tunnel.address_count;
    }
    if (takes(given, there, KEYWORD_LISTEN_PORT))
        tunnel->listen_port = included->tunnel.listen_port;
    if (takes(given, there, KEYWORD_MTU)) {
        tunnel->mtu_bytes = included->tunnel.mtu_bytes;
        tunnel->mtu_is_upper_bound = true;
    }
    if (takes(given, there, KEYWORD_DNS)) {
        tunnel->dns = included->tunnel.dns;
        tunnel->dns_count = included->tunnel.dns_count;
        draft->notes.domains = included->notes.domains;
        draft->notes.domain_count = included->notes.domain_count;
    }
    merge_peers(loader, draft, included);
}
