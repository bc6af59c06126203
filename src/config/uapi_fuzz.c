/* SPDX-License-Identifier: MIT */
/* Any bytes as the lines of a `set=1` request. What holds for every input: no byte beyond it is
 * read, it is an errno or changes that make sense, nothing stays taken, and no key stays
 * readable. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "config/uapi_set.h"

#define SCARCE_BYTES 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct budget {
    size_t taken_bytes, most_bytes;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void *take(void *context, size_t bytes)
{
    struct budget *budget = context;
    if (budget->taken_bytes + bytes > budget->most_bytes)
        return NULL;
    void *pointer = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    require(pointer != NULL);
    memset(pointer, 0, bytes);
    budget->taken_bytes += bytes;
    return pointer;
}

static void give(void *context, void *pointer, size_t bytes)
{
    struct budget *budget = context;
    require(bytes_are_zero(pointer, bytes)); /* wiped before it is given back */
    budget->taken_bytes -= bytes;
    free(pointer);
}

static uint32_t find_interface(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "eth0") == 0 ? 2 : 0;
}

static void check_peer(const struct change *change)
{
    const struct peer_description *peer = change->peer;
    require(peer != NULL);
    require(!(change->fields & CHANGE_ENDPOINT) ||
            (peer->has_endpoint && peer->endpoint.port && peer->endpoint.address.family));
    for (size_t i = 0; i < change->allowed_ips_count; i++) {
        struct prefix prefix = change->allowed_ips[i].prefix;
        require(prefix.address.family == FAMILY_IPV4 || prefix.address.family == FAMILY_IPV6);
        require(prefix.len_bits <= family_bits(prefix.address.family) && !prefix_mask(&prefix));
    }
}

/* The device first, then its peers; each of the tunnel that was asked for. */
static void check_changes(const struct changes *changes)
{
    bool has_peer = false;
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->list[i];
        bool is_peer =
            change->kind == CHANGE_PEER_SET || change->kind == CHANGE_PEER_REMOVE;
        require(strcmp(change->tunnel, "office") == 0);
        require(is_peer || change->kind == CHANGE_TUNNEL_SET ||
                change->kind == CHANGE_PEERS_REMOVE);
        if (is_peer)
            check_peer(change);
        require(is_peer || !has_peer);
        require(change->kind != CHANGE_TUNNEL_SET || (change->description && change->fields));
        has_peer |= is_peer;
    }
}

static void parse(const uint8_t *data, size_t size, size_t most_bytes)
{
    static const uint8_t own_key[32] = {[0 ... 31] = 0x11};
    struct budget budget = {.most_bytes = most_bytes};
    struct memory memory = {take, give, &budget};
    struct uapi_set set;
    struct changes changes = {0};
    uapi_set_init(&set, &memory, "office", find_interface, NULL);
    while (size) {
        const uint8_t *newline = memchr(data, '\n', size);
        size_t len = newline ? (size_t)(newline - data) : size;
        char *line = malloc(len + 1); /* of its own: a look beyond it is seen */
        require(line != NULL);
        memcpy(line, data, len);
        line[len] = '\0';
        uapi_set_line(&set, line);
        free(line);
        data += len + (newline != NULL);
        size -= len + (newline != NULL);
    }
    int result = uapi_set_finish(&set, own_key, &changes);
    require(result == 0 || result == -EINVAL || result == -EPROTO || result == -ENODEV ||
            result == -ENOMEM);
    require(result != -ENOMEM || most_bytes != SIZE_MAX);
    if (result == 0)
        check_changes(&changes);
    uapi_set_wipe(&set);
    require(budget.taken_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size, SIZE_MAX);
    parse(data, size, SCARCE_BYTES);
    return 0;
}
