/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/bytes.h"
#include "library/library.h"

/* What the configuration's reader is told: the text in hand, and where files come from. */
struct reading {
    const struct hopwire_options *options;
    const char *name;
    const char *text;
    size_t text_bytes;
};

const char *hopwire_version(void)
{
    return HOPWIRE_VERSION;
}

static bool refuse_file(struct config_file *file, const char *reason)
{
    snprintf(file->reason, sizeof(file->reason), "%s", reason);
    return false;
}

static bool take_file(struct config_file *file, const struct memory *memory, uint64_t len)
{
    if (len > CONFIG_FILE_MOST_BYTES)
        return refuse_file(file, "it is too large for a configuration");
    file->capacity_bytes = len ? (size_t)len : 1;
    file->bytes = memory_take(memory, file->capacity_bytes);
    return file->bytes || refuse_file(file, "no memory");
}

static bool read_file(void *context, const struct memory *memory, const char *path,
                      struct config_file *file)
{
    const struct reading *reading = context;
    const struct hopwire_options *options = reading->options;
    if (strcmp(path, reading->name) == 0) {
        if (!take_file(file, memory, reading->text_bytes))
            return false;
        file->len = reading->text_bytes;
        if (file->len)
            memcpy(file->bytes, reading->text, file->len);
        return true;
    }
    if (!options->read)
        return refuse_file(file, "there are no files here");
    int64_t len = options->read(options->read_context, path, NULL, 0);
    if (len < 0)
        return refuse_file(file, "it was refused");
    if (!take_file(file, memory, (uint64_t)len))
        return false;
    int64_t again = options->read(options->read_context, path, file->bytes, file->capacity_bytes);
    if (again < 0 || (uint64_t)again > file->capacity_bytes) {
        bytes_wipe(file->bytes, file->capacity_bytes);
        memory_give(memory, file->bytes, file->capacity_bytes);
        file->bytes = NULL;
        return refuse_file(file, "it changed while it was read");
    }
    file->len = (size_t)again;
    return true;
}

static void tell(const struct hopwire_options *options, enum hopwire_message_kind kind,
                 const char *line)
{
    if (options->message)
        options->message(options->message_context, kind, line);
}

static void tell_event(void *context, enum log_level level, const char *line)
{
    const struct hopwire_engine *engine = context;
    (void)level;
    tell(&engine->options, HOPWIRE_MESSAGE_EVENT, line);
}

static enum hopwire_status load(struct hopwire_engine *engine, struct reading *reading,
                                struct config **config)
{
    static const enum hopwire_message_kind kinds[] = {[CONFIG_ERROR] = HOPWIRE_MESSAGE_ERROR,
                                                      [CONFIG_WARNING] = HOPWIRE_MESSAGE_WARNING,
                                                      [CONFIG_NOTICE] = HOPWIRE_MESSAGE_NOTICE};
    struct config_reader reader = {.read = read_file, .context = reading};
    struct config_messages messages;
    config_messages_init(&messages, &engine->secrets);
    bool is_loaded = config_load(config, &engine->secrets, &reader, &reading->name, 1, &messages);
    for (size_t i = 0; i < messages.count; i++)
        tell(&engine->options, kinds[messages.items[i].kind], messages.items[i].text);
    config_messages_wipe(&messages);
    return is_loaded ? HOPWIRE_OK : HOPWIRE_REFUSED;
}

/* Keys that the engine itself does what they say; a new one is told of until it stands here. */
static bool is_done_here(enum keyword keyword)
{
    switch (keyword) {
    case KEYWORD_PRIVATE_KEY:
    case KEYWORD_PRIVATE_KEY_FILE:
    case KEYWORD_LISTEN_PORT: /* hopwire_tunnel tells it */
    case KEYWORD_ADDRESS:     /* hopwire_interface, as the next and Interface */
    case KEYWORD_MTU:
    case KEYWORD_VIA:
    case KEYWORD_CONFIG:
    case KEYWORD_ROUTES:
    case KEYWORD_NAT:
    case KEYWORD_INTERFACE:
        return true;
    default:
        return keyword < KEYWORD_PEER_COUNT;
    }
}

/* Written out, it asks for nothing. */
static bool asks_for_nothing(const struct config *config, enum keyword keyword)
{
    switch (keyword) {
    case KEYWORD_KILL_SWITCH:
        return !config->has_kill_switch;
    case KEYWORD_ALLOW_LAN:
        return !config->allows_lan && config->lan_count == 0;
    case KEYWORD_DNS_GUARD:
        return config->dns_guard_is_off;
    default:
        return false;
    }
}

static void tell_keys(const struct hopwire_options *options, const struct config *config,
                      const struct config_place given[KEYWORD_COUNT])
{
    for (int i = 0; i < KEYWORD_COUNT; i++) {
        enum keyword keyword = (enum keyword)i;
        const struct config_place *place = &given[i];
        char line[512];
        if (!place->file || is_done_here(keyword) || asks_for_nothing(config, keyword))
            continue;
        snprintf(line, sizeof(line),
                 "%.200s:%u: %s: the library does nothing with it but %s: your program has to",
                 place->file, place->line, keyword_name(keyword),
                 keyword == KEYWORD_DNS ? "route the servers' addresses" : "telling you this");
        tell(options, HOPWIRE_MESSAGE_WARNING, line);
    }
}

/* What a configuration asks of the host is the embedding program's business: told, never passed
 * over without a word. */
static void tell_unused(const struct hopwire_options *options, const struct config *config)
{
    tell_keys(options, config, config->given);
    for (size_t i = 0; i < config->network.tunnel_count; i++)
        tell_keys(options, config, config->tunnels[i].given);
}

/* Keeps what is needed when the configuration, which holds keys, is gone. False: no memory. */
static bool take_notes(struct hopwire_engine *engine, const struct config *config)
{
    const struct network_description *network = &config->network;
    memcpy(engine->interface_name, config->interface_name, sizeof(engine->interface_name));
    engine->interface_ipv4 = network->nat_ipv4;
    engine->interface_ipv6 = network->nat_ipv6;
    engine->interface_mtu_bytes = config->mtu_bytes;
    engine->tunnels = arena_take(&engine->notes, network->tunnel_count * sizeof(*engine->tunnels));
    for (size_t i = 0; engine->tunnels && i < network->tunnel_count; i++) {
        const struct tunnel_description *from = &network->tunnels[i];
        struct library_tunnel *tunnel = &engine->tunnels[i];
        tunnel->is_root = from->carrier == TUNNEL_NO_CARRIER;
        tunnel->listen_port = from->listen_port;
        tunnel->peers = arena_take(&engine->notes, from->peer_count * sizeof(*tunnel->peers) + 1);
        for (size_t p = 0; tunnel->peers && p < from->peer_count; p++) {
            const char *name = from->peers[p].endpoint_name;
            if (!name)
                continue;
            tunnel->peers[p].endpoint_name = arena_copy(&engine->notes, name, strlen(name));
            tunnel->peers[p].endpoint_name_port = from->peers[p].endpoint.port;
        }
    }
    return !engine->notes.is_exhausted;
}

static enum hopwire_status start(struct hopwire_engine *engine, const struct config *config)
{
    struct pool_shape shape;
    engine_pool_shape(&config->network, &shape);
    engine->pool = pool_new(&engine->buffers, &shape);
    engine->aead = aead_new(&engine->secrets, NULL);
    if (!take_notes(engine, config) || !engine->pool || !engine->aead)
        return HOPWIRE_NO_MEMORY;
    struct engine_options options = {.secrets = &engine->secrets,
                                     .pool = engine->pool,
                                     .aead = engine->aead,
                                     .random = &engine->random,
                                     .log = {tell_event, engine}};
    struct text why = TEXT_ROOM(512);
    engine->engine = engine_new(&options, &config->network, &why);
    if (engine->engine)
        return HOPWIRE_OK;
    tell(&engine->options, HOPWIRE_MESSAGE_ERROR, why.bytes);
    return HOPWIRE_REFUSED;
}

static void *take(void *context, size_t bytes)
{
    struct library_source *source = context;
    void *taken = source->from.take(source->from.context, bytes);
    source->has_failed |= !taken;
    return taken;
}

static void give(void *context, void *pointer, size_t bytes)
{
    const struct library_source *source = context;
    source->from.give(source->from.context, pointer, bytes);
}

static struct memory memory_of(struct library_source *source, const struct hopwire_memory *from)
{
    source->from = *from;
    return (struct memory){.take = take, .give = give, .context = source};
}

enum hopwire_status hopwire_engine_new(struct hopwire_engine **out,
                                       const struct hopwire_options *options, const char *name,
                                       const char *text, size_t text_bytes)
{
    const struct hopwire_memory *buffers =
        options->buffers.take ? &options->buffers : &options->secrets;
    if (!options->secrets.take || !options->secrets.give || !buffers->give || !options->random)
        return HOPWIRE_INVALID;
    struct hopwire_engine *engine = buffers->take(buffers->context, sizeof(*engine));
    if (!engine)
        return HOPWIRE_NO_MEMORY;
    engine->options = *options;
    engine->secrets = memory_of(&engine->secret_source, &options->secrets);
    engine->buffers = memory_of(&engine->buffer_source, buffers);
    engine->random = (struct random_source){options->random, options->random_context};
    arena_init(&engine->notes, &engine->buffers);

    struct reading reading = {options, name, text, text_bytes};
    struct config *config = NULL;
    enum hopwire_status status = load(engine, &reading, &config);
    if (status == HOPWIRE_OK) {
        tell_unused(options, config);
        status = start(engine, config);
    }
    config_free(config);
    if (status == HOPWIRE_REFUSED &&
        (engine->secret_source.has_failed || engine->buffer_source.has_failed))
        status = HOPWIRE_NO_MEMORY;
    if (status == HOPWIRE_OK)
        *out = engine;
    else
        hopwire_engine_free(engine);
    return status;
}

void hopwire_engine_free(struct hopwire_engine *engine)
{
    if (!engine)
        return;
    if (engine->pool)
        pool_give_queue(engine->pool, &engine->packets);
    engine_free(engine->engine);
    aead_free(engine->aead);
    pool_free(engine->pool);
    arena_wipe(&engine->notes);
    struct hopwire_memory from = engine->buffer_source.from;
    from.give(from.context, engine, sizeof(*engine));
}
