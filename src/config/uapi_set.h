/* SPDX-License-Identifier: MIT */
/* A `set=1` request of WireGuard's userspace protocol (https://www.wireguard.com/xplatform/), line
 * by line, as changes of one tunnel. Nothing is applied here: a request is whole or it is an
 * errno. */
#ifndef CONFIG_UAPI_SET_H
#define CONFIG_UAPI_SET_H

#include "config/arena.h"
#include "engine/change.h"

/* What only the host knows: an interface's index, 0: there is none. */
typedef uint32_t (*uapi_find_interface)(void *context, const char *name);

struct uapi_set {
    struct arena arena; /* all below; what its memory does not give is ENOMEM */
    const char *tunnel;
    uapi_find_interface find_interface;
    void *context;
    int error; /* of the first line that was refused; 0: none yet */
    bool has_peer; /* the device's own keys are over */
    struct tunnel_description *device; /* NULL: nothing of the device itself yet */
    size_t device_at; /* its change */
    struct peer_description *peer;
    struct change *list;
    size_t count;
};

/* `tunnel` and `memory` are borrowed until uapi_set_wipe. `find_interface` may be NULL. */
void uapi_set_init(struct uapi_set *set, const struct memory *memory, const char *tunnel,
                   uapi_find_interface find_interface, void *context);
/* One line behind `set=1`, not the empty one that ends the request; it is cut in place. After a
 * refused line the others are passed over. */
void uapi_set_line(struct uapi_set *set, char *line);
/* The request is over. 0, or -errno: -EPROTO a line without '=', -EINVAL a key or value that is
 * none, -ENODEV a zone that names no interface, -ENOMEM. `public_key` is the tunnel's now; a peer
 * with it, or with the one that the request gives it, is passed over, as the kernel does. The
 * changes are the request's, until it is wiped. */
int uapi_set_finish(struct uapi_set *set, const uint8_t public_key[32], struct changes *changes);
/* Forgets every key. */
void uapi_set_wipe(struct uapi_set *set);

#endif
