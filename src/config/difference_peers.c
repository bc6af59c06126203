/* SPDX-License-Identifier: MIT */
/* AllowedIPs are compared as what holds: of a prefix that two peers have, the last one's counts.
 * Each prefix that is new, or another peer's now, is given, and each that is gone is taken; what a
 * peer has besides (`wg set`) is no affair of the file's. */
#include "config/difference_peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/keytext.h"

#define NOBODY SIZE_MAX
#define PREFIXES_SHOWN 8
#define LIST_BYTES 900

/* A peer's place among its tunnel's, by its key. */
struct keyed {
    const uint8_t *key;
    size_t place;
};

/* Whose a prefix is. */
struct claim {
    struct prefix prefix;
    size_t place;
};

struct move {
    size_t place; /* of the peer, in `after` */
    struct change_allowed_ip prefix;
};

struct peers {
    struct difference_list *list;
    const struct difference_tunnel *tunnel;
    size_t *match_before; /* by place in `after`: that in `before`, or NOBODY */
    size_t *match_after;  /* the other way */
    bool *is_absent;      /* by place in `after`: changed, but `wg` has removed it: comes anew */
    struct move *moves;   /* by place in `after`, then in the prefixes' order */
    size_t move_count;
};

static int compare_keyed(const void *left, const void *right)
{
    return memcmp(((const struct keyed *)left)->key, ((const struct keyed *)right)->key, 32);
}

static int compare_prefixes(const struct prefix *a, const struct prefix *b)
{
    if (a->address.family != b->address.family)
        return a->address.family < b->address.family ? -1 : 1;
    int order = memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));
    return order ? order : (int)a->len_bits - (int)b->len_bits;
}

static int compare_claims(const void *left, const void *right)
{
    const struct claim *a = left, *b = right;
    int order = compare_prefixes(&a->prefix, &b->prefix);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

static int compare_moves(const void *left, const void *right)
{
    const struct move *a = left, *b = right;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return compare_prefixes(&a->prefix.prefix, &b->prefix.prefix);
}

static struct keyed *sort_by_key(struct arena *arena, const struct tunnel_description *tunnel)
{
    struct keyed *keyed = arena_take(arena, (tunnel->peer_count + 1) * sizeof(*keyed));
    for (size_t i = 0; keyed && i < tunnel->peer_count; i++)
        keyed[i] = (struct keyed){tunnel->peers[i].public_key, i};
    if (keyed && tunnel->peer_count)
        qsort(keyed, tunnel->peer_count, sizeof(*keyed), compare_keyed);
    return keyed;
}

static size_t *all_nobody(struct arena *arena, size_t count)
{
    size_t *places = arena_take(arena, (count + 1) * sizeof(*places));
    for (size_t i = 0; places && i < count; i++)
        places[i] = NOBODY;
    return places;
}

static bool match(struct peers *peers)
{
    const struct tunnel_description *before = peers->tunnel->before, *after = peers->tunnel->after;
    struct arena *arena = peers->list->arena;
    struct keyed *old = sort_by_key(arena, before), *new = sort_by_key(arena, after);
    peers->match_before = all_nobody(arena, after->peer_count);
    peers->match_after = all_nobody(arena, before->peer_count);
    peers->is_absent = arena_take(arena, after->peer_count + 1);
    if (!old || !new || !peers->match_before || !peers->match_after || !peers->is_absent)
        return false;
    for (size_t i = 0, j = 0; i < before->peer_count && j < after->peer_count;) {
        int order = memcmp(old[i].key, new[j].key, 32);
        if (order == 0) {
            peers->match_before[new[j].place] = old[i].place;
            peers->match_after[old[i].place] = new[j].place;
        }
        i += order <= 0;
        j += order >= 0;
    }
    return true;
}

/* Sorted, each prefix once, as the last one's. */
static struct claim *list_claims(struct arena *arena, const struct tunnel_description *tunnel,
                                 size_t *count)
{
    size_t most = 0, kept = 0;
    for (size_t i = 0; i < tunnel->peer_count; i++)
        most += tunnel->peers[i].allowed_ips_count;
    struct claim *claims = arena_take(arena, (most + 1) * sizeof(*claims));
    if (!claims)
        return NULL;
    most = 0;
    for (size_t i = 0; i < tunnel->peer_count; i++)
        for (size_t p = 0; p < tunnel->peers[i].allowed_ips_count; p++)
            claims[most++] = (struct claim){tunnel->peers[i].allowed_ips[p], i};
    if (most)
        qsort(claims, most, sizeof(*claims), compare_claims);
    for (size_t i = 0; i < most; i++) {
        kept += kept == 0 || !prefix_is_equal(&claims[kept - 1].prefix, &claims[i].prefix);
        claims[kept - 1] = claims[i];
    }
    *count = kept;
    return claims;
}

static void note_move(struct peers *peers, size_t place, const struct prefix *prefix,
                      bool is_removed)
{
    if (place != NOBODY)
        peers->moves[peers->move_count++] = (struct move){place, {*prefix, is_removed}};
}

/* Both lists are in one order. */
static bool find_moves(struct peers *peers)
{
    size_t old_count, new_count;
    struct arena *arena = peers->list->arena;
    struct claim *old = list_claims(arena, peers->tunnel->before, &old_count);
    struct claim *new = list_claims(arena, peers->tunnel->after, &new_count);
    peers->moves =
        old && new ? arena_take(arena, (old_count + new_count + 1) * sizeof(*peers->moves)) : NULL;
    if (!peers->moves)
        return false;
    peers->move_count = 0;
    for (size_t i = 0, j = 0; i < old_count || j < new_count;) {
        int order = i == old_count   ? 1
                    : j == new_count ? -1
                                     : compare_prefixes(&old[i].prefix, &new[j].prefix);
        size_t had = order <= 0 ? peers->match_after[old[i].place] : NOBODY;
        size_t has = order >= 0 ? new[j].place : NOBODY;
        if (had != NOBODY && peers->is_absent[had])
            had = NOBODY;
        bool is_kept = order == 0 && had == has;
        if (!is_kept && order <= 0)
            note_move(peers, had, &old[i].prefix, true);
        if (!is_kept && order >= 0)
            note_move(peers, has, &new[j].prefix, false);
        i += order <= 0;
        j += order >= 0;
    }
    if (peers->move_count)
        qsort(peers->moves, peers->move_count, sizeof(*peers->moves), compare_moves);
    return true;
}

static bool is_same_endpoint(const struct peer_description *a, const struct peer_description *b)
{
    if (a->endpoint_name || b->endpoint_name)
        return a->endpoint_name && b->endpoint_name &&
               strcmp(a->endpoint_name, b->endpoint_name) == 0 &&
               a->endpoint.port == b->endpoint.port;
    return a->has_endpoint == b->has_endpoint &&
           (!a->has_endpoint || endpoint_is_equal(&a->endpoint, &b->endpoint));
}

static void append_endpoint(struct text *text, const struct peer_description *peer)
{
    char literal[ENDPOINT_TEXT_BYTES];
    if (peer->endpoint_name)
        text_append(text, "%s:%u", peer->endpoint_name, peer->endpoint.port);
    else
        text_append(text, "%s",
                    peer->has_endpoint ? endpoint_format(&peer->endpoint, literal) : "none");
}

static void append_keepalive(struct text *text, uint16_t seconds)
{
    if (seconds)
        text_append(text, "%u", seconds);
    else
        text_append(text, "off");
}

static void append_moves(struct text *text, const struct move *moves, size_t count)
{
    for (size_t i = 0; i < count && i < PREFIXES_SHOWN; i++) {
        char prefix[PREFIX_TEXT_BYTES];
        text_append(text, "%s%c%s", i ? ", " : "", moves[i].prefix.is_removed ? '-' : '+',
                    prefix_format(&moves[i].prefix.prefix, prefix));
    }
    if (count > PREFIXES_SHOWN)
        text_append(text, " and %zu more", count - PREFIXES_SHOWN);
}

static void tell(struct peers *peers, const struct peer_description *peer, const char *what)
{
    char key[KEYTEXT_CHARACTERS + 1];
    difference_list_tell(peers->list, "tunnel %s: peer %.8s…: %s", peers->tunnel->after->name,
                         keytext_format(peer->public_key, key), what);
}

/* What is new of a peer that was there. */
static unsigned changed_fields(const struct peer_description *old,
                               const struct peer_description *new)
{
    bool is_same_key = memcmp(old->preshared_key, new->preshared_key, 32) == 0;
    bool is_same_keepalive = old->persistent_keepalive_s == new->persistent_keepalive_s;
    return (is_same_key ? 0u : CHANGE_PRESHARED_KEY) |
           (is_same_endpoint(old, new) ? 0u : CHANGE_ENDPOINT) |
           (is_same_keepalive ? 0u : CHANGE_KEEPALIVE);
}

static void tell_fields(struct peers *peers, unsigned fields, const struct peer_description *old,
                        const struct peer_description *new)
{
    char what[LIST_BYTES];
    struct text text;
    if (fields & CHANGE_PRESHARED_KEY)
        tell(peers, new, "PresharedKey changes");
    if (fields & CHANGE_ENDPOINT) {
        text_init(&text, what, sizeof(what));
        text_append(&text, "Endpoint ");
        append_endpoint(&text, old);
        text_append(&text, " → ");
        append_endpoint(&text, new);
        tell(peers, new, what);
    }
    if (fields & CHANGE_KEEPALIVE) {
        text_init(&text, what, sizeof(what));
        text_append(&text, "PersistentKeepalive ");
        append_keepalive(&text, old->persistent_keepalive_s);
        text_append(&text, " → ");
        append_keepalive(&text, new->persistent_keepalive_s);
        tell(peers, new, what);
    }
}

/* Of a peer that was there, as the texts say it. */
static unsigned fields_of(const struct peers *peers, size_t place)
{
    return changed_fields(&peers->tunnel->before->peers[peers->match_before[place]],
                          &peers->tunnel->after->peers[place]);
}

/* Of a peer whose text stays, its removal by `wg` stays too; one whose text changes comes as the
 * text says it: the changes alone would make a peer without the rest. */
static bool find_absent(struct peers *peers)
{
    const struct tunnel_description *after = peers->tunnel->after;
    const struct tunnel_description *running = peers->tunnel->running;
    struct keyed *living = running ? sort_by_key(peers->list->arena, running) : NULL;
    bool has_absent = false;
    size_t at = 0;
    for (size_t place = 0; living && place < after->peer_count; place++) {
        const struct keyed wanted = {after->peers[place].public_key, 0};
        size_t first = at;
        while (at < peers->move_count && peers->moves[at].place == place)
            at++;
        if (peers->match_before[place] == NOBODY || (at == first && !fields_of(peers, place)) ||
            (running->peer_count && bsearch(&wanted, living, running->peer_count, sizeof(wanted),
                                            compare_keyed)))
            continue;
        has_absent = peers->is_absent[place] = true;
    }
    return (living || !running) && (!has_absent || find_moves(peers));
}

static void set_peer(struct peers *peers, size_t place, const struct move *moves, size_t count)
{
    const struct peer_description *new = &peers->tunnel->after->peers[place];
    size_t before = peers->match_before[place];
    bool is_new = before == NOBODY || peers->is_absent[place];
    unsigned fields = is_new ? CHANGE_PRESHARED_KEY | CHANGE_ENDPOINT | CHANGE_KEEPALIVE
                             : fields_of(peers, place);
    if (is_new)
        tell(peers, new, "added");
    else
        tell_fields(peers, fields, &peers->tunnel->before->peers[before], new);
    if (!is_new && count) {
        struct text text = TEXT_ROOM(LIST_BYTES);
        text_append(&text, "AllowedIPs ");
        append_moves(&text, moves, count);
        tell(peers, new, text.bytes);
    }
    if (!is_new && fields == 0 && count == 0)
        return;
    struct change *change =
        difference_list_add(peers->list, CHANGE_PEER_SET, peers->tunnel->after->name,
                            &peers->tunnel->notes->peers[place].place);
    struct change_allowed_ip *given =
        arena_take(peers->list->arena, (count + 1) * sizeof(*given));
    if (!change || !given)
        return;
    for (size_t i = 0; i < count; i++)
        given[i] = moves[i].prefix;
    change->fields = fields;
    change->peer = new;
    change->allowed_ips = given;
    change->allowed_ips_count = count;
}

static void remove_gone(struct peers *peers)
{
    const struct tunnel_description *before = peers->tunnel->before;
    for (size_t i = 0; i < before->peer_count; i++) {
        if (peers->match_after[i] != NOBODY)
            continue;
        tell(peers, &before->peers[i], "removed");
        struct change *change = difference_list_add(peers->list, CHANGE_PEER_REMOVE,
                                                    peers->tunnel->after->name,
                                                    &peers->tunnel->notes->place);
        if (change)
            change->peer = &before->peers[i];
    }
}

void difference_peers_find(struct difference_list *list, const struct difference_tunnel *tunnel)
{
    struct peers peers = {.list = list, .tunnel = tunnel};
    if (!match(&peers) || !find_moves(&peers) || !find_absent(&peers))
        return;
    remove_gone(&peers);
    for (size_t place = 0, at = 0; place < tunnel->after->peer_count; place++) {
        size_t end = at;
        while (end < peers.move_count && peers.moves[end].place == place)
            end++;
        set_peer(&peers, place, peers.moves + at, end - at);
        at = end;
    }
}
