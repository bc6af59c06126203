/* SPDX-License-Identifier: MIT */
#include "config/uapi_get.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "config/keytext.h"

#define LINE_BYTES 96 /* allowed_ip=, or the end */

static size_t room(const struct text *text)
{
    return text->capacity_bytes - text->len;
}

static void append_key(struct text *text, const char *name, const uint8_t key[KEY_BYTES])
{
    char hex[KEYTEXT_HEX_CHARACTERS + 1];
    text_append(text, "%s=%s\n", name, keytext_format_hex(key, hex));
    bytes_wipe(hex, sizeof(hex));
}

static void append_device(const struct uapi_get *get, struct text *text)
{
    const struct tunnel_description *tunnel = get->tunnel;
    if (!bytes_are_zero(tunnel->private_key, KEY_BYTES))
        append_key(text, "private_key", tunnel->private_key);
    if (get->listen_port)
        text_append(text, "listen_port=%u\n", get->listen_port);
    if (get->mark)
        text_append(text, "fwmark=%u\n", get->mark);
}

static void append_peer(const struct peer_description *peer, const struct status_peer *status,
                        struct text *text)
{
    char endpoint[ENDPOINT_TEXT_BYTES];
    append_key(text, "public_key", peer->public_key);
    append_key(text, "preshared_key", peer->preshared_key);
    text_append(text, "protocol_version=1\n");
    if (status->endpoint.address.family)
        text_append(text, "endpoint=%s\n", endpoint_format(&status->endpoint, endpoint));
    uint64_t seconds = status->last_handshake_wall_ns / NS_PER_S;
    uint64_t rest_ns = status->last_handshake_wall_ns % NS_PER_S;
    text_append(text,
                "last_handshake_time_sec=%" PRIu64 "\nlast_handshake_time_nsec=%" PRIu64 "\n",
                seconds, rest_ns);
    text_append(text, "tx_bytes=%" PRIu64 "\nrx_bytes=%" PRIu64 "\n", status->sent_bytes,
                status->received_bytes);
    text_append(text, "persistent_keepalive_interval=%u\n", peer->persistent_keepalive_s);
}

/* As far as there is room; true: to the end. */
static bool append_allowed_ips(struct uapi_get *get, const struct peer_description *peer,
                               struct text *text)
{
    for (; get->allowed_ip < peer->allowed_ips_count && room(text) > LINE_BYTES;
         get->allowed_ip++) {
        char prefix[PREFIX_TEXT_BYTES];
        text_append(text, "allowed_ip=%s\n",
                    prefix_format(&peer->allowed_ips[get->allowed_ip], prefix));
    }
    return get->allowed_ip == peer->allowed_ips_count;
}

bool uapi_get_piece(struct uapi_get *get, struct text *text)
{
    const struct tunnel_description *tunnel = get->tunnel;
    if (!get->has_begun)
        append_device(get, text);
    get->has_begun = true;
    for (; get->peer < tunnel->peer_count; get->peer++) {
        const struct peer_description *peer = &tunnel->peers[get->peer];
        if (!get->has_peer && room(text) < UAPI_GET_PIECE_BYTES / 2)
            return true;
        if (!get->has_peer)
            append_peer(peer, &get->status[get->peer], text);
        get->has_peer = true;
        if (!append_allowed_ips(get, peer, text))
            return true;
        get->has_peer = false;
        get->allowed_ip = 0;
    }
    if (room(text) < LINE_BYTES)
        return true;
    text_append(text, "errno=0\n\n");
    return false;
}
