/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "simulation/simulation.h"

/* Small pools show a leak soon and cost little to make. */
#define SLOTS 1024
#define BLOCKS 192
#define BLOCK_BYTES 16384
#define WALL_NS (1700000000 * NS_PER_S)

struct sim *sim_new(void)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    if (!sim)
        abort();
    sim->now = SIM_START_NS;
    sim->wall_ns = WALL_NS;
    sim->link.delay_ns = 10 * NS_PER_MS;
    sim->random = tap_random_source();
    sim->aead = aead_new(tap_memory(), NULL);
    CHECK(sim->aead != NULL);
    return sim;
}

static void keep_line(void *context, enum log_level level, const char *line)
{
    static const char *const levels[] = {[LOG_LEVEL_WARNING] = "warning",
                                         [LOG_LEVEL_NOTICE] = "notice",
                                         [LOG_LEVEL_INFO] = "info"};
    struct sim_host *host = context;
    size_t len = strlen(host->log);
    snprintf(host->log + len, sizeof(host->log) - len, "%s %s\n", levels[level], line);
}

unsigned sim_logged(const struct sim_host *host, const char *part, const char *other_part)
{
    unsigned count = 0;
    const char *end;
    for (const char *line = host->log; (end = strchr(line, '\n')); line = end + 1) {
        char copy[512];
        snprintf(copy, sizeof(copy), "%.*s", (int)(end - line), line);
        count += strstr(copy, part) && strstr(copy, other_part);
    }
    return count;
}

struct sim_host *sim_add_host(struct sim *sim, const char *name, const char *addresses,
                              const struct sim_network *network, uint32_t link_mtu_bytes)
{
    struct sim_host *host = &sim->hosts[sim->host_count++];
    struct network_description description = network->description;
    struct pool_shape shape;
    struct text why = TEXT_ROOM(512);
    char word[64];
    *host = (struct sim_host){.sim = sim, .name = name, .link_mtu_bytes = link_mtu_bytes};
    for (size_t len; *addresses; addresses += len + (addresses[len] == ' ')) {
        len = strcspn(addresses, " ");
        memcpy(word, addresses, len);
        word[len] = '\0';
        sim_move(host, word);
    }
    description.link_mtu_bytes = link_mtu_bytes;
    engine_pool_shape(&description, &shape);
    shape.slots = SLOTS;
    shape.receive_blocks = BLOCKS;
    shape.receive_block_bytes = BLOCK_BYTES;
    host->pool = pool_new(tap_memory(), &shape);
    host->actions = calloc(1, sizeof(*host->actions));
    const struct engine_options options = {.secrets = tap_memory(),
                                           .pool = host->pool,
                                           .aead = sim->aead,
                                           .random = sim->random,
                                           .tun_takes_tcp4 = true,
                                           .tun_takes_tcp6 = true,
                                           .tun_takes_udp = true,
                                           .log = {keep_line, host}};
    host->engine = engine_new(&options, &description, &why);
    CHECK_TEXT(why.bytes, "");
    host->tunnel_count = description.tunnel_count;
    for (uint32_t i = 0; i < host->tunnel_count; i++) {
        const struct tunnel_description *tunnel = &description.tunnels[i];
        if (tunnel->carrier != TUNNEL_NO_CARRIER)
            continue;
        host->ports[i] = (uint16_t)(51820 + i);
        bool is_ipv6 = false;
        for (size_t p = 0; p < tunnel->peer_count; p++)
            is_ipv6 |= tunnel->peers[p].endpoint.address.family != FAMILY_IPV4;
        engine_set_root_mtu(host->engine, i, link_mtu_bytes - (is_ipv6 ? 80 : 60));
    }
    engine_set_up(host->engine, true, sim->now);
    return host;
}

void sim_route(struct sim_host *host, const char *prefix)
{
    CHECK(prefix_parse(prefix, &host->routed[host->routed_count++]));
}

void sim_move(struct sim_host *host, const char *text)
{
    struct address address = sample_address(text);
    *(address.family == FAMILY_IPV4 ? &host->ipv4 : &host->ipv6) = address;
}

struct sim_packet *sim_take(struct sim_host *host)
{
    struct sim_packet *packet = host->first;
    if (!packet)
        return NULL;
    host->first = packet->next;
    if (!host->first)
        host->last = NULL;
    host->inbox_count--;
    return packet;
}

void sim_forget_inbox(struct sim_host *host)
{
    while (host->first)
        free(sim_take(host));
}

uint64_t sim_drops(const struct sim_host *host, enum verdict verdict)
{
    uint64_t drops[VERDICT_COUNT];
    status_read_network_drops(host->engine, drops);
    uint64_t count = drops[verdict];
    for (int i = -1; (i = engine_next_tunnel(host->engine, i)) >= 0;) {
        struct status_tunnel tunnel;
        status_read_tunnel(host->engine, (uint32_t)i, &tunnel);
        count += tunnel.drops[verdict];
    }
    return count;
}

bool sim_is_undisturbed(const struct sim_host *host)
{
    bool is_undisturbed = true;
    for (int verdict = VERDICT_OK + 1; verdict < VERDICT_COUNT; verdict++)
        is_undisturbed &= CHECK_TEXT(
            sim_drops(host, (enum verdict)verdict) ? verdict_name((enum verdict)verdict) : "", "");
    return is_undisturbed;
}

void sim_set_endpoint(struct sim_host *host, uint32_t tunnel, uint32_t peer,
                      const struct endpoint *endpoint)
{
    CHECK(engine_set_endpoint(host->engine, engine_peer_handle(host->engine, tunnel, peer),
                              endpoint, host->sim->now));
}

enum status_peer_state sim_peer_state(const struct sim_host *host, uint32_t tunnel, uint32_t peer)
{
    struct status_peer status;
    status_read_peer(host->engine, tunnel, peer, host->sim->now, &status);
    return status.state;
}

void sim_free(struct sim *sim)
{
    for (size_t i = 0; i < sim->flying_count; i++)
        free(sim->flying[i]);
    free(sim->flying);
    for (unsigned i = 0; i < SIM_JOINING_MOST; i++)
        free(sim->joining[i].packet);
    for (size_t i = 0; i < sim->host_count; i++) {
        struct sim_host *host = &sim->hosts[i];
        size_t staged = 0;
        for (int t = -1; (t = engine_next_tunnel(host->engine, t)) >= 0;) {
            for (int p = -1; (p = engine_next_peer(host->engine, (uint32_t)t, p)) >= 0;) {
                struct status_peer peer;
                status_read_peer(host->engine, (uint32_t)t, (uint32_t)p, sim->now, &peer);
                staged += peer.staged_packets;
            }
        }
        CHECK(pool_free_slots(host->pool) + staged >= SLOTS); /* more: of slots of another shape */
        CHECK_EQUAL(pool_free_blocks(host->pool), BLOCKS);
        engine_free(host->engine);
        CHECK_EQUAL(pool_free_slots(host->pool), SLOTS);
        pool_free(host->pool);
        free(host->actions);
        sim_forget_inbox(host);
    }
    aead_free(sim->aead);
    bool is_one_of_many = sim->is_one_of_many;
    free(sim);
    if (!is_one_of_many)
        CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}
