/* SPDX-License-Identifier: MIT */
/* Several engines under one virtual clock. Each is a host with UDP sockets on the simulated network
 * and a TUN; a host may forward what leaves its TUN, as a relay does. Datagrams travel on links
 * that delay, lose, duplicate and reorder; a test may look at each and change it. */
#ifndef TESTS_SIMULATION_SIMULATION_H
#define TESTS_SIMULATION_SIMULATION_H

#include "engine/engine.h"
#include "rigs/sample.h"
#include "tap.h"

#define SIM_TUNNELS_MOST 10
#define SIM_PEERS_MOST 6
#define SIM_HOSTS_MOST 12
#define SIM_JOINING_MOST 16
#define SIM_S NS_PER_S
#define SIM_START_NS (1000 * NS_PER_S)

/* ---- a network's description, written by hand ---- */

struct sim_network {
    struct network_description description;
    struct tunnel_description tunnels[SIM_TUNNELS_MOST];
    struct peer_description peers[SIM_TUNNELS_MOST][SIM_PEERS_MOST];
    struct prefix prefixes[256];
    size_t prefix_count;
    struct address addresses[64];
    size_t address_count;
};

void sim_private_key(unsigned number, uint8_t key[32]);
void sim_public_key(unsigned number, uint8_t key[32]);
void sim_network_init(struct sim_network *network);
/* Lists are separated by spaces. Returns the tunnel's index. `carrier`: -1 for a root. */
int sim_add_tunnel(struct sim_network *network, const char *name, int carrier, unsigned key,
                   const char *addresses);
struct peer_description *sim_add_peer(struct sim_network *network, int tunnel, unsigned key,
                                      const char *allowed_ips, const char *endpoint);
/* Instead of the default. A prefix with `!` in front is an exception. */
void sim_set_routes(struct sim_network *network, int tunnel, const char *routes);
void sim_set_nat_off(struct sim_network *network, int tunnel);

/* ---- the world ---- */

struct sim_packet {
    struct sim_packet *next;
    size_t len_bytes;
    struct vnet_header vnet;
    uint8_t bytes[];
};

/* On its way to a socket (`is_raw` false: the bytes are a UDP payload) or to a TUN. */
struct sim_datagram {
    instant_ns due;
    uint64_t order;
    bool is_raw;
    struct vnet_header vnet;
    struct sim_host *sender;
    struct endpoint source;
    struct endpoint destination;
    uint8_t tos;
    size_t len_bytes;
    uint8_t bytes[];
};

struct sim_link {
    duration_ns delay_ns;
    duration_ns jitter_ns; /* reorders */
    unsigned lose_permille;
    unsigned duplicate_permille;
};

struct sim_host {
    struct sim *sim;
    const char *name;
    struct engine *engine;
    struct pool *pool;
    struct actions *actions;
    struct address ipv4; /* on the network */
    struct address ipv6;
    uint16_t ports[SIM_TUNNELS_MOST]; /* of its roots; 0: a carried tunnel */
    size_t tunnel_count;
    bool forwards;           /* what leaves the TUN goes on through the network */
    struct prefix routed[8]; /* what the network sends into its TUN */
    size_t routed_count;
    uint32_t link_mtu_bytes;
    uint32_t way_mtu_bytes; /* of the network behind its TUN (way.h); 0: any */
    unsigned way_refused;   /* packets too big for it */
    unsigned way_cut;       /* into fragments, on it */
    unsigned fragments;     /* IPv6 fragments that it forwarded */
    bool is_dirty; /* a flush is due */

    struct sim_packet *first; /* what came out of the TUN and was not forwarded */
    struct sim_packet *last;
    size_t inbox_count;
    uint64_t datagrams_sent;
    uint64_t sent_of_type[5];   /* by message type; 0: none of these */
    size_t datagram_most_bytes; /* the longest IP packet that it sent */
    size_t forwarded_most_bytes;
    char log[16384]; /* what the engine said: "LEVEL line\n" each; the rest is not kept */
};

/* Fragments on their way to become a packet again. */
struct sim_joining {
    uint32_t id;
    size_t come_bytes;
    size_t all_bytes; /* 0: the last one has not come */
    struct sim_packet *packet;
};

struct sim {
    instant_ns now;
    uint64_t wall_ns; /* at instant 0 */
    struct sim_link link;
    struct sim_host hosts[SIM_HOSTS_MOST];
    size_t host_count;
    struct aead *aead;
    const struct random_source *random; /* the engines': before they are added */
    bool is_fed_rubbish;                /* what comes out of a TUN need not have right checksums */
    bool is_one_of_many; /* others have memory, too, when it is freed */
    /* Sees every datagram as it leaves; false: lost. May change the bytes. */
    bool (*hook)(void *context, struct sim_datagram *datagram);
    void *hook_context;
    struct sim_datagram **flying; /* a heap by due, order */
    size_t flying_count;
    size_t flying_capacity;
    uint64_t order;
    uint64_t lost;
    struct sim_joining joining[SIM_JOINING_MOST];
    unsigned next_joining;
};

struct sim *sim_new(void);
/* Checks that all buffers came back, and that nothing leaked. */
void sim_free(struct sim *sim);

/* The engine is up. `addresses`: on the network. Roots get port 51820 and up in file order and MTUs
 * for their link of `link_mtu_bytes`. */
struct sim_host *sim_add_host(struct sim *sim, const char *name, const char *addresses,
                              const struct sim_network *network, uint32_t link_mtu_bytes);
void sim_route(struct sim_host *host, const char *prefix);
/* The host has another address on the network now. */
void sim_move(struct sim_host *host, const char *address);
/* As engine_set_endpoint, of whoever has the number now. */
void sim_set_endpoint(struct sim_host *host, uint32_t tunnel, uint32_t peer,
                      const struct endpoint *endpoint);

/* A packet at the host's TUN; the turn ends with it. */
void sim_send(struct sim_host *host, const struct sample *sample);
void sim_send_bytes(struct sim_host *host, const uint8_t *bytes, size_t len,
                    const struct vnet_header *vnet);
/* The same without an end of the turn (unless the batch is full). */
void sim_write(struct sim_host *host, const uint8_t *bytes, size_t len,
               const struct vnet_header *vnet);
/* A datagram out of nowhere for a socket or a TUN. */
void sim_throw(struct sim *sim, const char *source, const char *destination, const uint8_t *bytes,
               size_t len);
/* The same for a TUN alone: an IP packet as it is. */
void sim_throw_packet(struct sim *sim, const uint8_t *bytes, size_t len);
void sim_flush(struct sim_host *host);
void sim_run_until(struct sim *sim, instant_ns until);
void sim_run(struct sim *sim, duration_ns duration);

/* The oldest packet that came out of the TUN, or NULL; the caller frees it. */
struct sim_packet *sim_take(struct sim_host *host);
void sim_forget_inbox(struct sim_host *host);
/* Drops of all tunnels and the network together. */
uint64_t sim_drops(const struct sim_host *host, enum verdict verdict);
/* No verdict but OK was counted at the host. */
bool sim_is_undisturbed(const struct sim_host *host);
/* How many lines of the host's log have both parts in them. */
unsigned sim_logged(const struct sim_host *host, const char *part, const char *other_part);
enum status_peer_state sim_peer_state(const struct sim_host *host, uint32_t tunnel, uint32_t peer);

#endif
