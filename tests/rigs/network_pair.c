/* SPDX-License-Identifier: MIT */
#include "rigs/network_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/x25519.h"
#include "io/io_memory.h"
#include "rigs/own_netns.h"
#include "tap.h"

const char *const network_pair_addresses[2] = {"10.9.0.1", "10.9.0.2"};

static void count_end(void *context)
{
    ((struct network_end *)context)->ended++;
}

static void print_line(void *context, enum log_level level, const char *line)
{
    (void)level;
    ((struct network_end *)context)->lines++;
    printf("# %s: %s\n", ((struct network_end *)context)->tun.name, line);
}

static bool make_tun(struct network_end *end, int index, struct tun_options options)
{
    char name[16];
    struct text why = TEXT_ROOM(200);
    snprintf(name, sizeof(name), "hop%d", index);
    if (!own_netns_enter() || tun_open(&end->tun, name, &options, &why) < 0)
        return CHECK(false);
    end->namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CHECK(address_parse(network_pair_addresses[index], &end->address));
    return CHECK(own_netns_set_up(name, true) && own_netns_set_mtu(name, 1420) &&
                 own_netns_add_address(name, network_pair_addresses[index], 24));
}

/* One tunnel with one peer: the other end. */
static bool start(struct network_pair *pair, int index, const struct network_offloads *offloads)
{
    struct network_end *end = &pair->ends[index], *other = &pair->ends[1 - index];
    struct prefix everything = prefix_host(&other->address);
    struct peer_description peer = {.allowed_ips = &everything,
                                    .allowed_ips_count = 1,
                                    .has_endpoint = true,
                                    .endpoint = {.port = other->port}};
    CHECK(address_parse("127.0.0.1", &peer.endpoint.address));
    memcpy(peer.public_key, other->public_key, 32);
    struct tunnel_description tunnel = {.name = "only",
                                        .carrier = TUNNEL_NO_CARRIER,
                                        .addresses = &end->address,
                                        .address_count = 1,
                                        .listen_port = end->port,
                                        .mtu_bytes = 1420,
                                        .routes_are_default = true,
                                        .peers = &peer,
                                        .peer_count = 1};
    memcpy(tunnel.private_key, end->private_key, 32);
    const struct network_description description = {
        .tunnels = &tunnel, .tunnel_count = 1, .nat_ipv4 = end->address};
    end->aead = aead_new(io_memory_plain(), NULL);
    const struct network_options options = {.loop = pair->loop,
                                            .description = &description,
                                            .tun = &end->tun,
                                            .secrets = io_memory_secrets(pair->secrets),
                                            .plain = io_memory_plain(),
                                            .random = loop_random(),
                                            .aead = end->aead,
                                            .offloads = *offloads,
                                            .log = {print_line, end},
                                            .ended = count_end,
                                            .context = end};
    struct text why = TEXT_ROOM(200);
    if (!CHECK_EQUAL(network_start(&end->network, &options, &why), 0)) {
        printf("# %s\n", why.bytes);
        return false;
    }
    CHECK_EQUAL(network_port(end->network, 0), end->port);
    engine_set_root_mtu(network_engine(end->network), 0, 1420);
    engine_set_up(network_engine(end->network), true, loop_now());
    return true;
}

bool network_pair_make(struct network_pair *pair, struct tun_options tun_options)
{
    *pair = (struct network_pair){.world = -1};
    pair->secrets = io_memory_new((struct log_sink){0});
    CHECK_EQUAL(loop_new(&pair->loop), 0);
    if (!own_netns_enter())
        return CHECK(false);
    pair->world = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        struct network_end *end = &pair->ends[i];
        random_fill(loop_random(), end->private_key, 32);
        x25519_clamp(end->private_key);
        x25519_public(end->public_key, end->private_key);
        end->port = (uint16_t)(20001 + i);
        if (!make_tun(end, i, tun_options))
            return false;
    }
    return CHECK_EQUAL(setns(pair->world, CLONE_NEWNET), 0);
}

bool network_pair_start(struct network_pair *pair, struct network_offloads offloads)
{
    return start(pair, 0, &offloads) && start(pair, 1, &offloads);
}

bool network_pair_open(struct network_pair *pair, struct tun_options tun_options,
                       struct network_offloads offloads)
{
    return network_pair_make(pair, tun_options) && network_pair_start(pair, offloads);
}

void network_pair_close(struct network_pair *pair)
{
    for (int i = 0; i < 2; i++) {
        network_stop(pair->ends[i].network);
        aead_free(pair->ends[i].aead);
        tun_close(&pair->ends[i].tun);
        close(pair->ends[i].namespace);
    }
    loop_free(pair->loop);
    io_memory_free(pair->secrets);
    close(pair->world);
}

int network_pair_socket(const struct network_pair *pair, int index, int type)
{
    CHECK_EQUAL(setns(pair->ends[index].namespace, CLONE_NEWNET), 0);
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(setns(pair->world, CLONE_NEWNET), 0);
    return fd;
}

struct sockaddr_in network_pair_name(const char *text, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    CHECK_EQUAL(inet_pton(AF_INET, text, &name.sin_addr), 1);
    return name;
}

void network_pair_run(struct network_pair *pair, unsigned rounds)
{
    instant_ns until = loop_now() + 5 * NS_PER_MS;
    for (unsigned i = 0; i < rounds && loop_now() < until; i++)
        CHECK_EQUAL(loop_step(pair->loop, until), 0);
}

void network_pair_check_no_drops(const struct network_end *end)
{
    struct status_tunnel status;
    status_read_tunnel(network_engine(end->network), 0, &status);
    for (unsigned verdict = 1; verdict < VERDICT_COUNT; verdict++) {
        /* The kernel's own router solicitations and the like have no address here. */
        if (verdict != VERDICT_SCOPE && verdict != VERDICT_NO_ROUTE && status.drops[verdict])
            printf("# %s: %llu %s\n", end->tun.name, (unsigned long long)status.drops[verdict],
                   verdict_name(verdict));
        CHECK(verdict == VERDICT_SCOPE || verdict == VERDICT_NO_ROUTE || !status.drops[verdict]);
    }
}

size_t network_pair_converse(struct network_pair *pair)
{
    static uint8_t chunk[65536];
    struct sockaddr_in name = network_pair_name(network_pair_addresses[1], 7777);
    int client = network_pair_socket(pair, 0, SOCK_STREAM),
        server = network_pair_socket(pair, 1, SOCK_STREAM);
    int connection = -1, on = 1;
    size_t sent = 0, arrived = 0;
    CHECK_EQUAL(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    CHECK_EQUAL(bind(server, (struct sockaddr *)&name, sizeof(name)), 0);
    CHECK_EQUAL(listen(server, 1), 0);
    CHECK(connect(client, (struct sockaddr *)&name, sizeof(name)) < 0 && errno == EINPROGRESS);
    for (instant_ns end = loop_now() + 20 * NS_PER_S;
         arrived < NETWORK_PAIR_STREAM_BYTES && loop_now() < end;) {
        network_pair_run(pair, 3);
        if (connection < 0)
            connection = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        size_t ask = NETWORK_PAIR_STREAM_BYTES - sent < sizeof(chunk)
                         ? NETWORK_PAIR_STREAM_BYTES - sent
                         : sizeof(chunk);
        for (size_t i = 0; i < ask; i++)
            chunk[i] = (uint8_t)((sent + i) * 131 >> 7);
        ssize_t len = send(client, chunk, ask, MSG_NOSIGNAL);
        sent += len > 0 ? (size_t)len : 0;
        while ((len = recv(connection, chunk, sizeof(chunk), 0)) > 0)
            for (ssize_t i = 0; i < len; i++, arrived++)
                if (chunk[i] != (uint8_t)(arrived * 131 >> 7))
                    return arrived;
    }
    close(connection);
    close(client);
    close(server);
    return arrived;
}
