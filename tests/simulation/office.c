/* SPDX-License-Identifier: MIT */
#include "simulation/office.h"

#include "simulation/chain.h"

static struct sim_host *add_server(struct sim *sim, const char *name, const char *at, unsigned key,
                                   unsigned client_key, const char *own)
{
    struct sim_network network;
    sim_network_init(&network);
    sim_add_tunnel(&network, name, TUNNEL_NO_CARRIER, key, own);
    sim_add_peer(&network, 0, client_key, "0.0.0.0/0 ::/0", NULL);
    return sim_add_host(sim, name, at, &network, 1500);
}

void office_init(struct office *office)
{
    struct sim_network network;
    struct sim *sim = office->sim = sim_new();
    sim_network_init(&network);
    sim_add_tunnel(&network, "entry", TUNNEL_NO_CARRIER, 1, OFFICE_CLIENT4 " " OFFICE_CLIENT6);
    sim_add_tunnel(&network, "office", OFFICE_ENTRY, 2, "10.9.0.2");
    sim_add_tunnel(&network, "lab", OFFICE_ENTRY, 3, "10.30.0.2 fd30::2");
    sim_add_tunnel(&network, "home", TUNNEL_NO_CARRIER, 4, "172.16.0.2");
    network.tunnels[OFFICE_OFFICE].listen_port = OFFICE_PORT;
    sim_add_peer(&network, OFFICE_ENTRY, 11, "0.0.0.0/0 ::/0", "203.0.113.1:51820");
    sim_add_peer(&network, OFFICE_OFFICE, 12, "10.20.0.0/16 fd20::/32", "203.0.113.2:51820");
    sim_add_peer(&network, OFFICE_LAB, 13, "10.31.0.0/16 10.99.0.0/16 fd31::/32",
                 "203.0.113.3:51820");
    sim_add_peer(&network, OFFICE_LAB, 14, "10.31.5.0/24", "203.0.113.4:51820");
    sim_add_peer(&network, OFFICE_HOME, 15, "192.168.0.0/16", "203.0.113.5:51820");
    sim_set_routes(&network, OFFICE_LAB, "10.31.0.0/16 fd31::/32");
    sim_set_routes(&network, OFFICE_HOME, "192.168.0.0/16 172.20.0.0/16");
    office->client = sim_add_host(sim, "client", "192.0.2.1 2001:db8:c::1", &network, 1500);

    office->entry = add_server(sim, "entry", "203.0.113.1", 11, 1, "10.64.0.1 fc00:bbbb::1");
    office->entry->forwards = true;
    sim_route(office->entry, OFFICE_CLIENT4 "/32");
    office->office = add_server(sim, "office", "203.0.113.2", 12, 2, "10.9.0.1");
    office->lab[0] = add_server(sim, "lab 0", "203.0.113.3", 13, 3, "10.30.0.1 fd30::1");
    office->lab[1] = add_server(sim, "lab 1", "203.0.113.4", 14, 3, "10.30.0.1");
    office->home = add_server(sim, "home", "203.0.113.5", 15, 4, "172.16.0.1");
}

struct sample office_sample(const char *destination, size_t len, uint32_t serial)
{
    bool is_ipv6 = sample_address(destination).family == FAMILY_IPV6;
    return (struct sample){.source = is_ipv6 ? OFFICE_CLIENT6 : OFFICE_CLIENT4,
                           .destination = destination,
                           .protocol = IP_PROTOCOL_UDP,
                           .source_port = 4000,
                           .destination_port = 53,
                           .len_bytes = len,
                           .serial = serial};
}

void office_init_connected(struct office *office)
{
    static const char *const destinations[] = {"9.9.9.9", "10.20.0.1", "10.31.0.1", "10.31.5.1",
                                               "192.168.0.1"};
    office_init(office);
    for (size_t i = 0; i < 5; i++) {
        const struct sample sample = office_sample(destinations[i], 40, 0);
        sim_send(office->client, &sample);
    }
    sim_run(office->sim, 2 * SIM_S);
    struct sim_host *const hosts[] = {office->entry, office->office, office->lab[0], office->lab[1],
                                      office->home};
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQUAL(hosts[i]->inbox_count, 1);
        CHECK_EQUAL(sim_peer_state(hosts[i], 0, 0), STATUS_PEER_UP);
        sim_forget_inbox(hosts[i]);
    }
    office_expect_nothing(office->client);
    CHECK(sim_is_undisturbed(office->client));
}

void office_wipe(struct office *office)
{
    sim_free(office->sim);
}

void office_expect(struct sim_host *host, const struct sample *sample, const char *source)
{
    chain_expect(host, sample, source, sample->destination);
}

void office_expect_nothing(struct sim_host *host)
{
    CHECK_EQUAL(host->inbox_count, 0);
    sim_forget_inbox(host);
}
