/* SPDX-License-Identifier: MIT */
#include "simulation/chain.h"

#include <stdio.h>
#include <stdlib.h>

const char *chain_address(bool is_ipv6, unsigned level, unsigned host, char text[48])
{
    snprintf(text, 48, is_ipv6 ? "fd00:%u::%u" : "10.%u.0.%u", 100 + level, host);
    return text;
}

/* Where relay `level` is on the network. */
static void relay_address(bool is_ipv6, unsigned level, char text[48])
{
    snprintf(text, 48, is_ipv6 ? "2001:db8:%u::1" : "203.0.113.%u", level + 1);
}

static void both_addresses(unsigned level, unsigned host, const char *suffix4, const char *suffix6,
                           char text[120])
{
    char ipv4[48], ipv6[48];
    snprintf(text, 120, "%s%s %s%s", chain_address(false, level, host, ipv4), suffix4,
             chain_address(true, level, host, ipv6), suffix6);
}

static struct sim_host *add_relay(struct chain *chain, unsigned level,
                                  const struct chain_shape *shape)
{
    static const char *const names[] = {"relay 0", "relay 1", "relay 2", "relay 3",
                                        "relay 4", "relay 5", "relay 6", "relay 7"};
    struct sim_network network;
    char own[120], client[120], at[120], ipv4[48], ipv6[48], prefix[64];
    sim_network_init(&network);
    both_addresses(level, 1, "", "", own);
    both_addresses(level, 2, "/32", "/128", client);
    sim_add_tunnel(&network, "relay", TUNNEL_NO_CARRIER, CHAIN_RELAY_KEY + level, own);
    sim_add_peer(&network, 0, CHAIN_CLIENT_KEY + level, client, NULL);
    relay_address(false, level, ipv4);
    relay_address(true, level, ipv6);
    snprintf(at, sizeof(at), "%s %s", ipv4, ipv6);
    struct sim_host *relay =
        sim_add_host(chain->sim, names[level], at, &network, shape->link_mtu_bytes);
    relay->forwards = true;
    snprintf(prefix, sizeof(prefix), "%s/32", chain_address(false, level, 2, ipv4));
    sim_route(relay, prefix);
    snprintf(prefix, sizeof(prefix), "%s/128", chain_address(true, level, 2, ipv6));
    sim_route(relay, prefix);
    return relay;
}

void chain_init(struct chain *chain, const struct chain_shape *shape)
{
    struct sim_network network;
    *chain = (struct chain){.sim = sim_new(), .depth = shape->depth};
    sim_network_init(&network);
    for (unsigned i = 0; i < shape->depth; i++) {
        char name[16], addresses[120], at[48], endpoint[64];
        bool is_ipv6 = shape->families >> i & 1;
        snprintf(name, sizeof(name), "t%u", i);
        both_addresses(i, 2, "", "", addresses);
        relay_address(is_ipv6, i, at);
        snprintf(endpoint, sizeof(endpoint), is_ipv6 ? "[%s]:51820" : "%s:51820", at);
        sim_add_tunnel(&network, name, (int)i - 1, CHAIN_CLIENT_KEY + i, addresses);
        sim_add_peer(&network, (int)i, CHAIN_RELAY_KEY + i, "0.0.0.0/0 ::/0", endpoint)
            ->persistent_keepalive_s = shape->keepalive_s;
    }
    chain->client = sim_add_host(chain->sim, "client", "192.0.2.1 2001:db8:c::1", &network,
                                 shape->link_mtu_bytes);
    for (unsigned i = 0; i < shape->depth; i++) {
        chain->relays[i] = add_relay(chain, i, shape);
        /* TRAPS 39: a relay does not send what the way back to its client cannot take. */
        engine_set_root_mtu(chain->relays[i]->engine, 0, engine_mtu(chain->client->engine, i));
    }
    chain->exit = chain->relays[shape->depth - 1];
}

void chain_wipe(struct chain *chain)
{
    sim_free(chain->sim);
}

struct sample chain_to_world(bool is_ipv6, size_t len_bytes, uint32_t serial)
{
    return (struct sample){.source = is_ipv6 ? "fd00:100::2" : "10.100.0.2",
                           .destination = is_ipv6 ? "2001:db8:aaaa::9" : "198.51.100.9",
                           .protocol = IP_PROTOCOL_UDP,
                           .source_port = 4000,
                           .destination_port = 53,
                           .len_bytes = len_bytes,
                           .serial = serial};
}

void chain_expect(struct sim_host *host, const struct sample *sample, const char *source,
                  const char *destination)
{
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    struct sample expected = *sample;
    expected.source = source;
    expected.destination = destination;
    size_t len = sample_write(&expected, bytes);
    struct sim_packet *packet = sim_take(host);
    if (!CHECK(packet != NULL))
        return;
    CHECK_EQUAL(packet->len_bytes, len);
    if (packet->len_bytes == len)
        CHECK_BYTES(packet->bytes, bytes, len);
    free(packet);
}
