/* SPDX-License-Identifier: MIT */
/* Any bytes as a configuration: alone, and as the middle of a chain. Only what holds for every
 * input is checked: nothing leaks, a refusal has a sentence, what is loaded can be walked. */
#include <stdlib.h>

#include "rigs/config_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
    size_t taken_bytes;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void *take(void *context, size_t bytes)
{
    struct input *input = context;
    void *pointer = aligned_alloc(64, ((bytes ? bytes : 1) + 63) & ~(size_t)63);
    require(pointer != NULL);
    memset(pointer, 0, bytes);
    input->taken_bytes += bytes;
    return pointer;
}

static void give(void *context, void *pointer, size_t bytes)
{
    struct input *input = context;
    /* Wiped before it is given back; a message may quote a path, which can be anything. */
    bool is_messages = bytes == CONFIG_MESSAGES_MOST * sizeof(struct config_message);
    require(is_messages || !memmem(pointer, bytes, KEY_3, 16));
    input->taken_bytes -= bytes;
    free(pointer);
}

static bool read_input(void *context, const struct memory *memory, const char *path,
                       struct config_file *file)
{
    const struct input *input = context;
    const void *bytes = input->data;
    file->len = input->size;
    if (strstr(path, "office")) {
        bytes = OFFICE_CONF;
        file->len = strlen(OFFICE_CONF);
    } else if (strstr(path, ".key")) {
        bytes = KEY_3 "\n";
        file->len = strlen(KEY_3) + 1;
    } else if (strstr(path, "gone")) {
        snprintf(file->reason, sizeof(file->reason), "No such file or directory");
        return false;
    }
    file->capacity_bytes = file->len;
    file->bytes = memory_take(memory, file->len);
    file->others_can_read = true;
    if (file->len)
        memcpy(file->bytes, bytes, file->len);
    return true;
}

static void check_prefixes(const struct prefix *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct prefix prefix = prefixes[i];
        require(prefix.address.family == FAMILY_IPV4 || prefix.address.family == FAMILY_IPV6);
        require(prefix.len_bits <= family_bits(prefix.address.family) && !prefix_mask(&prefix));
    }
}

static void check_loaded(const struct config *config)
{
    const struct network_description *network = &config->network;
    require(network->tunnel_count > 0 && network->tunnel_count <= CONFIG_TUNNELS_MOST);
    require(value_is_interface_name(config->interface_name));
    for (size_t i = 0; i < network->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &network->tunnels[i];
        unsigned depth = 0;
        for (int at = (int)i; at != TUNNEL_NO_CARRIER; at = network->tunnels[at].carrier)
            require(at >= 0 && at < (int)network->tunnel_count && ++depth <= NETWORK_DEPTH_MOST);
        require(tunnel->mtu_bytes <= NETWORK_MTU_MOST_BYTES);
        check_prefixes(tunnel->routes, tunnel->route_count);
        check_prefixes(tunnel->route_exceptions, tunnel->route_exception_count);
        for (size_t p = 0; p < tunnel->peer_count; p++) {
            const struct peer_description *peer = &tunnel->peers[p];
            check_prefixes(peer->allowed_ips, peer->allowed_ips_count);
            require(!peer->has_endpoint || !peer->endpoint_name);
            require(!peer->has_endpoint || peer->endpoint.port);
        }
    }
    struct text text = TEXT_ROOM(300);
    config_outline(config, &text);
}

static void load(struct input *input, const char *const *paths, size_t path_count)
{
    struct memory memory = {take, give, input};
    struct config_reader reader = {.read = read_input, .context = input};
    struct config_messages messages;
    struct config *config = NULL;
    config_messages_init(&messages, &memory);
    bool is_loaded = config_load(&config, &memory, &reader, paths, path_count, &messages);
    require(is_loaded == (config != NULL) && is_loaded == (messages.errors == 0));
    require(is_loaded || messages.count > 0);
    for (size_t i = 0; i < messages.count; i++)
        require(messages.items[i].text[0] && !strpbrk(messages.items[i].text, "\n\r\033"));
    if (is_loaded)
        check_loaded(config);
    config_free(config);
    config_messages_wipe(&messages);
    require(input->taken_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const alone[] = {"n.conf"}, *const chained[] = {"x/a.conf", "b", "office"};
    struct input input = {data, size, 0};
    load(&input, alone, 1);
    load(&input, chained, 3);
    return 0;
}
