/* SPDX-License-Identifier: MIT */
/* The answer to `get=1` of WireGuard's userspace protocol, a piece at a time, from what one moment
 * was. It holds keys: so does the text that it is written to. */
#ifndef CONFIG_UAPI_GET_H
#define CONFIG_UAPI_GET_H

#include "base/text.h"
#include "engine/description.h"
#include "engine/status.h"

#define UAPI_GET_PIECE_BYTES 1024 /* at least, of a text: one peer without its AllowedIPs */

/* Borrowed, all of it, until the last piece. */
struct uapi_get {
    const struct tunnel_description *tunnel;
    uint16_t listen_port;             /* these two: the ones that its socket has */
    uint32_t mark;                    /* 0: none */
    const struct status_peer *status; /* beside tunnel->peers */
    /* How far it got; zero at first. */
    bool has_begun, has_peer;
    size_t peer, allowed_ip;
};

/* Fills the text with whole lines, as many as it takes. True: there are more; false: it ended with
 * errno=0 and the empty line. */
bool uapi_get_piece(struct uapi_get *get, struct text *text);

#endif
