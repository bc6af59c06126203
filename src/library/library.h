/* SPDX-License-Identifier: MIT */
/* What stands behind the public struct hopwire_engine. Private to this room, which only translates
 * between include/hopwire/hopwire.h and the floors below. */
#ifndef LIBRARY_LIBRARY_H
#define LIBRARY_LIBRARY_H

#include <hopwire/hopwire.h>

#include "config/config.h"
#include "engine/engine.h"

/* The calls of the engine's doors that one door of the library may need: see doors.c. */
#define LIBRARY_DOORS_MOST 3
#define LIBRARY_ACTIONS_MOST (LIBRARY_DOORS_MOST * ACTIONS_PER_DOOR)

/* What the configuration said and the engine has no use for. */
struct library_peer {
    char *endpoint_name; /* in the notes; NULL: none */
    uint16_t endpoint_name_port;
};

struct library_tunnel {
    bool is_root;
    uint16_t listen_port;
    struct library_peer *peers; /* in the notes */
};

/* The program's allocator, and whether it has given NULL: the floors below tell some of that as a
 * refusal. */
struct library_source {
    struct hopwire_memory from;
    bool has_failed;
};

struct hopwire_engine {
    struct hopwire_options options;
    struct library_source secret_source;
    struct library_source buffer_source;
    struct memory secrets;
    struct memory buffers;
    struct random_source random;
    struct pool *pool;
    struct aead *aead;
    struct engine *engine;

    struct arena notes; /* owns what is in it; no secrets */
    struct library_tunnel *tunnels; /* in the notes, file order */
    char interface_name[INTERFACE_NAME_BYTES];
    struct address interface_ipv4;
    struct address interface_ipv6;
    uint32_t interface_mtu_bytes; /* 0: computed */

    /* The last door's actions. */
    struct actions actions;
    struct packet_queue packets; /* whose bytes they show */
    size_t send_count;
    size_t write_count;
    struct hopwire_send sends[LIBRARY_ACTIONS_MOST];
    struct hopwire_write writes[LIBRARY_ACTIONS_MOST];
};

static inline struct hopwire_address library_address(const struct address *address)
{
    struct hopwire_address public_address = {.family = address->family};
    memcpy(public_address.bytes, address->bytes, sizeof(public_address.bytes));
    return public_address;
}

static inline struct hopwire_endpoint library_endpoint(const struct endpoint *endpoint)
{
    return (struct hopwire_endpoint){.address = library_address(&endpoint->address),
                                     .port = endpoint->port,
                                     .scope_id = endpoint->scope_id};
}

/* False: no address. */
static inline bool library_read_address(const struct hopwire_address *from, struct address *to)
{
    if (from->family != FAMILY_IPV4 && from->family != FAMILY_IPV6)
        return false;
    *to = address_from_bytes((enum family)from->family, from->bytes);
    return true;
}

/* False: no address or no port. */
static inline bool library_read_endpoint(const struct hopwire_endpoint *from, struct endpoint *to)
{
    if (from->port == 0 || !library_read_address(&from->address, &to->address))
        return false;
    to->port = from->port;
    to->scope_id = from->scope_id;
    return true;
}

#endif
