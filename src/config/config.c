/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include <string.h>

#include "config/conflict.h"
#include "config/dialect.h"
#include "config/fellow_endpoints.h"
#include "config/include.h"
#include "config/name_servers.h"
#include "config/naming.h"
#include "config/peers.h"
#include "config/validate.h"

#define INTERFACE_NAMES_TRIED 16

void config_free(struct config *config)
{
    if (!config)
        return;
    const struct memory *memory = config->arena.memory;
    arena_wipe(&config->arena);
    memory_give(memory, config, sizeof(*config));
}

/* The tunnel of a plain file is called as the file. */
static char *tunnel_name(struct loader *loader, const char *path)
{
    char *name = arena_take(&loader->config->arena, TUNNEL_NAME_BYTES);
    if (name)
        naming_network(path, name);
    return name;
}

/* `hopwire up a.conf b.conf`: each file a tunnel, carried by the one before it. */
static void read_chain(struct loader *loader, const char *const *paths, size_t path_count)
{
    for (size_t i = 0; i < path_count; i++) {
        struct config_place whole = {.file = paths[i]};
        const char *name = tunnel_name(loader, paths[i]);
        struct draft *draft = name ? dialect_draft(loader, &whole, name, true) : NULL;
        if (!draft)
            return;
        draft->tunnel.carrier = i ? (int)i - 1 : TUNNEL_NO_CARRIER;
        draft->notes.is_plain = true;
        dialect_read(loader, paths[i], NULL, ROLE_PART, name, draft);
    }
}

static bool is_taken(const struct loader *loader, const char *interface_name)
{
    const struct config_reader *reader = loader->reader;
    return reader->is_taken &&
           reader->is_taken(reader->context, interface_name, loader->config->name);
}

/* One that is not the file's own avoids those that stand; a written one is what was asked for. */
static void choose_interface_name(struct loader *loader, const struct config_place *whole)
{
    struct config *config = loader->config;
    unsigned attempt = 0;
    if (config->given[KEYWORD_INTERFACE].file)
        return;
    naming_interface(config->name, attempt, config->interface_name);
    if (strcmp(config->interface_name, config->name) == 0)
        return;
    while (++attempt < INTERFACE_NAMES_TRIED && is_taken(loader, config->interface_name))
        naming_interface(config->name, attempt, config->interface_name);
    config_messages_add(loader->messages, CONFIG_NOTICE, whole,
                        "the interface is called %s: an interface's name has at most %d letters, "
                        "digits or _=+.-, and the kernel keeps lo, all and default for itself",
                        config->interface_name, INTERFACE_NAME_BYTES - 1);
}

/* The network is called as its last file, its interface likewise unless it says otherwise. */
static void choose_names(struct loader *loader, const char *path)
{
    struct config *config = loader->config;
    struct config_place whole = {.file = path};
    if (naming_network(path, config->name))
        config_messages_add(loader->messages, CONFIG_NOTICE, &whole,
                            "the network is called %s: a name has at most %d letters, digits or "
                            "_=+.- (`hopwire down` takes the file's name too)",
                            config->name, TUNNEL_NAME_BYTES - 1);
    choose_interface_name(loader, &whole);
}

/* The drafts become the arrays, in file order. */
static void assemble(struct loader *loader)
{
    struct config *config = loader->config;
    struct tunnel_description *tunnels =
        arena_take(&config->arena, loader->draft_count * sizeof(*tunnels));
    struct config_tunnel *notes = arena_take(&config->arena, loader->draft_count * sizeof(*notes));
    if (!tunnels || !notes)
        return;
    size_t count = 0;
    for (const struct draft *draft = loader->first; draft; draft = draft->next) {
        tunnels[count] = draft->tunnel;
        notes[count++] = draft->notes;
    }
    config->network.tunnels = tunnels;
    config->network.tunnel_count = count;
    config->tunnels = notes;
}

/* B1: per family the first address of the first tunnel that has it, unless [Network] gave one. */
static void choose_nat_addresses(struct network_description *network)
{
    for (size_t i = 0; i < network->tunnel_count; i++) {
        for (size_t a = 0; a < network->tunnels[i].address_count; a++) {
            const struct address *address = &network->tunnels[i].addresses[a];
            struct address *nat =
                address->family == FAMILY_IPV4 ? &network->nat_ipv4 : &network->nat_ipv6;
            if (nat->family == FAMILY_NONE)
                *nat = *address;
        }
    }
}

/* B1: with NAT on a tunnel uses its first address of each family. */
static void tell_unused_addresses(struct loader *loader)
{
    const struct config *config = loader->config;
    for (size_t i = 0; i < config->network.tunnel_count; i++) {
        const struct tunnel_description *tunnel = &config->network.tunnels[i];
        bool has_ipv4 = false, has_ipv6 = false;
        bool has_nat = description_nat_is_on(&config->network, i);
        for (size_t a = 0; a < tunnel->address_count && has_nat; a++) {
            char text[ADDRESS_TEXT_BYTES];
            const struct address *address = &tunnel->addresses[a];
            bool *has = address->family == FAMILY_IPV4 ? &has_ipv4 : &has_ipv6;
            if (*has)
                config_messages_add(loader->messages, CONFIG_NOTICE,
                                    &config->tunnels[i].given[KEYWORD_ADDRESS],
                                    "%s is unused: \"%s\" has NAT and needs one address of a "
                                    "family",
                                    address_format(address, text), tunnel->name);
            *has = true;
        }
    }
}

static void check_network(struct loader *loader, const char *last_path)
{
    struct config_place whole = {.file = last_path};
    if (loader->draft_count == 0) {
        if (loader->messages->errors == 0)
            config_messages_add(loader->messages, CONFIG_ERROR, &whole,
                                "no tunnel; write [Tunnel NAME] with PrivateKey, Address and a "
                                "[Peer]");
        return;
    }
    if (loader->draft_count > CONFIG_TUNNELS_MOST) {
        config_messages_add(loader->messages, CONFIG_ERROR, &whole,
                            "%zu tunnels are too many; at most %d can run in a network",
                            loader->draft_count, CONFIG_TUNNELS_MOST);
        return;
    }
    for (struct draft *draft = loader->first; draft; draft = draft->next) {
        if (draft->notes.included)
            include_read(loader, draft);
        else
            peers_join(loader, draft, draft->tunnel.private_key);
    }
    assemble(loader);
    if (loader->config->arena.is_exhausted)
        return;
    choose_names(loader, last_path);
    choose_nat_addresses(&loader->config->network);
    if (!validate_tree(loader))
        return;
    validate_tunnels(loader);
    conflict_check_prefixes(loader);
    conflict_check_reach(loader);
    fellow_endpoints_check(loader);
    name_servers_check(loader);
    tell_unused_addresses(loader);
}

bool config_load(struct config **config, const struct memory *memory,
                 const struct config_reader *reader, const char *const *paths, size_t path_count,
                 struct config_messages *messages)
{
    if (path_count == 0) {
        config_messages_add(messages, CONFIG_ERROR, NULL, "no configuration file is named");
        return false;
    }
    struct config *loaded = memory_take(memory, sizeof(*loaded));
    if (!loaded) {
        config_messages_add(messages, CONFIG_ERROR, NULL, "out of memory");
        return false;
    }
    struct loader loader = {
        .config = loaded, .memory = memory, .reader = reader, .messages = messages};
    loader.last = &loader.first;
    arena_init(&loaded->arena, memory);
    const char *last_path = paths[path_count - 1];
    if (path_count == 1)
        dialect_read(&loader, last_path, NULL, ROLE_UNKNOWN, tunnel_name(&loader, last_path),
                     NULL);
    else
        read_chain(&loader, paths, path_count);
    check_network(&loader, last_path);
    if (loaded->arena.is_exhausted)
        config_messages_add(messages, CONFIG_ERROR, NULL, "out of memory");
    if (messages->errors) {
        config_free(loaded);
        return false;
    }
    *config = loaded;
    return true;
}
