/* SPDX-License-Identifier: MIT */
#include "config/uapi_set.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "config/keytext.h"
#include "config/value.h"
#include "crypto/x25519.h"

/* What a key's line does; 0 or -errno. */
typedef int (*take_value)(struct uapi_set *set, char *value);

struct uapi_key {
    const char *name;
    take_value take;
};

void uapi_set_init(struct uapi_set *set, const struct memory *memory, const char *tunnel,
                   uapi_find_interface find_interface, void *context)
{
    *set = (struct uapi_set){
        .tunnel = tunnel, .find_interface = find_interface, .context = context};
    arena_init(&set->arena, memory);
}

static struct change *append(struct uapi_set *set, enum change_kind kind)
{
    struct change *list = arena_extend(&set->arena, set->list, set->count, sizeof(*list));
    if (!list)
        return NULL;
    set->list = list;
    list[set->count] = (struct change){.kind = kind, .tunnel = set->tunnel};
    return &list[set->count++];
}

static int take_true(const char *value)
{
    return strcmp(value, "true") == 0 ? 0 : -EINVAL;
}

static int take_key(const char *value, uint8_t key[KEY_BYTES])
{
    return keytext_parse_hex(value, strlen(value), key) ? 0 : -EINVAL;
}

/* ---- the device ---- */

static int change_device(struct uapi_set *set, unsigned field)
{
    if (!set->device) {
        struct tunnel_description *device = arena_take(&set->arena, sizeof(*device));
        struct change *change = device ? append(set, CHANGE_TUNNEL_SET) : NULL;
        if (!change)
            return -ENOMEM;
        change->description = set->device = device;
        set->device_at = set->count - 1;
    }
    set->list[set->device_at].fields |= field;
    return 0;
}

static int take_private_key(struct uapi_set *set, char *value)
{
    int result = change_device(set, CHANGE_PRIVATE_KEY);
    return result ? result : take_key(value, set->device->private_key);
}

static int take_listen_port(struct uapi_set *set, char *value)
{
    uint32_t port;
    if (!value_number(value, 0, UINT16_MAX, &port))
        return -EINVAL;
    int result = change_device(set, CHANGE_LISTEN_PORT);
    if (result == 0)
        set->device->listen_port = (uint16_t)port;
    return result;
}

static int take_fwmark(struct uapi_set *set, char *value)
{
    uint32_t mark;
    if (!value_number(value, 0, UINT32_MAX, &mark))
        return -EINVAL;
    int result = change_device(set, CHANGE_FWMARK);
    if (result == 0)
        set->device->fwmark = mark;
    return result;
}

static int take_replace_peers(struct uapi_set *set, char *value)
{
    int result = take_true(value);
    if (result == 0 && !append(set, CHANGE_PEERS_REMOVE))
        result = -ENOMEM;
    return result;
}

static int take_public_key(struct uapi_set *set, char *value)
{
    struct peer_description *peer = arena_take(&set->arena, sizeof(*peer));
    struct change *change = peer ? append(set, CHANGE_PEER_SET) : NULL;
    if (!change)
        return -ENOMEM;
    change->peer = set->peer = peer;
    set->has_peer = true;
    return take_key(value, peer->public_key);
}

/* ---- the peer that the last public_key named ---- */

static struct change *peer_change(struct uapi_set *set)
{
    return &set->list[set->count - 1];
}

static int take_update_only(struct uapi_set *set, char *value)
{
    peer_change(set)->fields |= CHANGE_ONLY_UPDATE;
    return take_true(value);
}

static int take_remove(struct uapi_set *set, char *value)
{
    peer_change(set)->kind = CHANGE_PEER_REMOVE;
    return take_true(value);
}

static int take_preshared_key(struct uapi_set *set, char *value)
{
    peer_change(set)->fields |= CHANGE_PRESHARED_KEY;
    return take_key(value, set->peer->preshared_key);
}

static int take_zone(const struct uapi_set *set, const char *zone, uint32_t *scope_id)
{
    if (value_number(zone, 1, INT32_MAX, scope_id))
        return 0;
    if (!value_is_name(zone, INTERFACE_NAME_BYTES - 1))
        return -EINVAL;
    *scope_id = set->find_interface ? set->find_interface(set->context, zone) : 0;
    return *scope_id ? 0 : -ENODEV;
}

/* IPV4:PORT or [IPV6]:PORT or [IPV6%ZONE]:PORT, and something can be sent there. */
static int take_endpoint(struct uapi_set *set, char *value)
{
    struct endpoint endpoint = {0};
    bool has_bracket = value[0] == '[';
    char *end = has_bracket ? strchr(value, ']') : strrchr(value, ':');
    if (!end || (has_bracket && end[1] != ':'))
        return -EINVAL;
    *end = '\0';
    uint32_t port;
    char *zone = has_bracket ? strchr(value, '%') : NULL;
    if (zone)
        *zone++ = '\0';
    if (!value_number(end + 1 + has_bracket, 1, UINT16_MAX, &port) ||
        !address_parse(value + has_bracket, &endpoint.address) ||
        (endpoint.address.family == FAMILY_IPV6) != has_bracket)
        return -EINVAL;
    int result = zone ? take_zone(set, zone, &endpoint.scope_id) : 0;
    if (result != 0)
        return result;
    address_unmap(&endpoint.address);
    bool needs_zone =
        endpoint.address.family == FAMILY_IPV6 && address_is_link_local(&endpoint.address);
    if (!needs_zone)
        endpoint.scope_id = 0;
    if (!value_is_host_address(&endpoint.address) || (needs_zone && !endpoint.scope_id))
        return -EINVAL;
    endpoint.port = (uint16_t)port;
    set->peer->endpoint = endpoint;
    set->peer->has_endpoint = true;
    peer_change(set)->fields |= CHANGE_ENDPOINT;
    return 0;
}

static int take_keepalive(struct uapi_set *set, char *value)
{
    uint32_t seconds;
    if (!value_number(value, 0, UINT16_MAX, &seconds))
        return -EINVAL;
    set->peer->persistent_keepalive_s = (uint16_t)seconds;
    peer_change(set)->fields |= CHANGE_KEEPALIVE;
    return 0;
}

static int take_replace_allowed_ips(struct uapi_set *set, char *value)
{
    struct change *change = peer_change(set);
    change->fields |= CHANGE_REPLACE_ALLOWED_IPS;
    change->allowed_ips_count = 0; /* what stood above this line goes too */
    return take_true(value);
}

/* `+`: as without; `-`: the peer's no longer. */
static int take_allowed_ip(struct uapi_set *set, char *value)
{
    struct change *change = peer_change(set);
    struct change_allowed_ip allowed = {.is_removed = value[0] == '-'};
    value += value[0] == '-' || value[0] == '+';
    if (!strchr(value, '/') || !prefix_parse(value, &allowed.prefix))
        return -EINVAL;
    prefix_mask(&allowed.prefix);
    struct change_allowed_ip *list = arena_extend(
        &set->arena, (void *)change->allowed_ips, change->allowed_ips_count, sizeof(*list));
    if (!list)
        return -ENOMEM;
    list[change->allowed_ips_count++] = allowed;
    change->allowed_ips = list;
    return 0;
}

static int take_protocol_version(struct uapi_set *set, char *value)
{
    (void)set;
    return strcmp(value, "1") == 0 ? 0 : -EINVAL;
}

static const struct uapi_key device_keys[] = {
    {"private_key", take_private_key},
    {"listen_port", take_listen_port},
    {"fwmark", take_fwmark},
    {"replace_peers", take_replace_peers},
    {"public_key", take_public_key},
    {0},
};

static const struct uapi_key peer_keys[] = {
    {"allowed_ip", take_allowed_ip}, /* the most frequent one first */
    {"public_key", take_public_key},
    {"update_only", take_update_only},
    {"remove", take_remove},
    {"preshared_key", take_preshared_key},
    {"endpoint", take_endpoint},
    {"persistent_keepalive_interval", take_keepalive},
    {"replace_allowed_ips", take_replace_allowed_ips},
    {"protocol_version", take_protocol_version},
    {0},
};

void uapi_set_line(struct uapi_set *set, char *line)
{
    char *value = strchr(line, '=');
    if (set->error != 0)
        return;
    set->error = value ? -EINVAL : -EPROTO;
    if (!value)
        return;
    *value++ = '\0';
    const struct uapi_key *key = set->has_peer ? peer_keys : device_keys;
    while (key->name && strcmp(key->name, line) != 0)
        key++;
    if (key->name)
        set->error = key->take(set, value);
}

/* ---- all of it ---- */

/* Such a peer is no fault: meshes hand one list to all of their nodes. */
static void pass_over(struct uapi_set *set, const uint8_t own_key[32])
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct peer_description *peer = set->list[i].peer;
        if (!peer || memcmp(peer->public_key, own_key, KEY_BYTES) != 0)
            set->list[kept++] = set->list[i];
    }
    set->count = kept;
}

/* A key that was a peer's until now becomes the tunnel's own: that peer goes. */
static bool remove_own(struct uapi_set *set, const uint8_t own_key[32])
{
    struct peer_description *peer = arena_take(&set->arena, sizeof(*peer));
    struct change *change = peer ? append(set, CHANGE_PEER_REMOVE) : NULL;
    if (!change)
        return false;
    memcpy(peer->public_key, own_key, KEY_BYTES);
    change->peer = peer;
    return true;
}

int uapi_set_finish(struct uapi_set *set, const uint8_t public_key[32], struct changes *changes)
{
    uint8_t own_key[KEY_BYTES];
    if (set->error != 0)
        return set->error;
    memcpy(own_key, public_key, KEY_BYTES);
    bool is_new = set->device && (set->list[set->device_at].fields & CHANGE_PRIVATE_KEY);
    if (is_new) {
        memset(own_key, 0, KEY_BYTES);
        if (!bytes_are_zero(set->device->private_key, KEY_BYTES))
            x25519_public(own_key, set->device->private_key);
    }
    bool has_own = !bytes_are_zero(own_key, KEY_BYTES);
    if (has_own)
        pass_over(set, own_key);
    if (has_own && is_new && !remove_own(set, own_key))
        set->error = -ENOMEM;
    *changes = (struct changes){.list = set->list, .count = set->count};
    return set->error;
}

void uapi_set_wipe(struct uapi_set *set)
{
    arena_wipe(&set->arena);
    bytes_wipe(set, sizeof(*set));
}
