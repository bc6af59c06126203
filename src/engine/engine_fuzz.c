/* SPDX-License-Identifier: MIT */
/* The first byte is a shape, the others are events: two engines, between them a tunnel inside a
 * tunnel, a peer that rides its fellow (RULES A8), or such peers inside a carrier; and an enemy in
 * the middle who may also write to both TUNs. Whatever happened, all buffers come back, nothing
 * exceeds the link, nothing goes straight to an endpoint inside, and once the enemy is gone the two
 * speak again. */
#include <stdlib.h>

#include "simulation/simulation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EVENTS_MOST 200
#define LINK_MTU 1500

/* The client's innermost peer is always at 10.0.0.1:51821, and 10.1.0.1 is behind it. */
enum shape { NESTED, FELLOWS, FELLOWS_INSIDE, SHAPES };

struct play {
    const uint8_t *data;
    size_t left;
    enum shape shape;
    struct sim *sim;
    struct sim_host *hosts[2]; /* client, server */
    struct sim_datagram *kept; /* the enemy's copy */
    uint32_t serial;
    uint64_t random_state;
    uint8_t bytes[SAMPLE_MOST_BYTES];
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void fill(void *context, uint8_t *bytes, size_t len)
{
    struct play *play = context;
    for (size_t i = 0; i < len; i++) {
        play->random_state = play->random_state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(play->random_state >> 56);
    }
}

static unsigned take(struct play *play)
{
    if (play->left == 0)
        return 0;
    play->left--;
    return *play->data++;
}

static unsigned take16(struct play *play)
{
    unsigned high = take(play);
    return high << 8 | take(play);
}

/* Up to `most` bytes of the input. */
static size_t take_bytes(struct play *play, size_t most)
{
    size_t len = take16(play) % (most + 1);
    len = len < play->left ? len : play->left;
    memcpy(play->bytes, play->data, len);
    play->data += len;
    play->left -= len;
    return len;
}

/* The entry, and as its tunnel's second peer the exit, whose endpoint the entry has. That the exit
 * has 10.3.0.0/24 lets them ride each other, if the entry moves there. */
static void add_fellows(struct sim_network *network, int carrier, const char *entry)
{
    int tunnel = sim_add_tunnel(network, "fellows", carrier, 1, "10.0.0.2 fd00::2");
    sim_add_peer(network, tunnel, 3, "10.0.0.0/24 fd00::/64", entry);
    sim_add_peer(network, tunnel, 4, "0.0.0.0/0 ::/0 10.3.0.0/24", "10.0.0.1:51821")
        ->persistent_keepalive_s = 25;
}

static void describe_client(enum shape shape, struct sim_network *network)
{
    sim_network_init(network);
    switch (shape) {
    case FELLOWS:
        add_fellows(network, TUNNEL_NO_CARRIER, "192.0.2.2:51820");
        break;
    case FELLOWS_INSIDE:
        sim_add_tunnel(network, "carrier", TUNNEL_NO_CARRIER, 5, "10.0.0.2 fd00::2");
        sim_add_peer(network, 0, 6, "10.0.0.0/8 fd00::/8", "192.0.2.2:51820");
        add_fellows(network, 0, "10.2.0.1:51822");
        break;
    default:
        sim_add_tunnel(network, "outer", TUNNEL_NO_CARRIER, 1, "10.0.0.2 fd00::2");
        sim_add_peer(network, 0, 3, "0.0.0.0/0 ::/0", "192.0.2.2:51820");
        sim_add_tunnel(network, "inner", 0, 2, "10.1.0.2 fd01::2");
        sim_add_peer(network, 1, 4, "10.1.0.0/24 fd01::/64", "10.0.0.1:51821")
            ->persistent_keepalive_s = 25;
        break;
    }
}

/* To it, tunnels inside tunnels in any shape. */
static void describe_server(enum shape shape, struct sim_network *network)
{
    int carrier = TUNNEL_NO_CARRIER, inner;
    sim_network_init(network);
    if (shape == FELLOWS_INSIDE) {
        carrier = sim_add_tunnel(network, "carrier", TUNNEL_NO_CARRIER, 6, "10.2.0.1 fd02::1");
        sim_add_peer(network, carrier, 5, "10.0.0.0/24 fd00::/64", NULL);
    }
    carrier = sim_add_tunnel(network, "outer", carrier, 3, "10.0.0.1 fd00::1");
    sim_add_peer(network, carrier, 1, "10.0.0.0/24 fd00::/64", NULL);
    if (shape == FELLOWS_INSIDE)
        network->tunnels[carrier].listen_port = 51822;
    inner = sim_add_tunnel(network, "inner", carrier, 4, "10.1.0.1 fd01::1");
    network->tunnels[inner].listen_port = 51821;
    if (shape == NESTED)
        sim_add_peer(network, inner, 2, "10.1.0.0/24 fd01::/64", NULL);
    else
        sim_add_peer(network, inner, 1, "10.0.0.0/24 fd00::/64", NULL);
}

/* RULES A7, A8: the exit's address is nobody's outside. */
static bool is_not_straight(void *context, struct sim_datagram *datagram)
{
    const struct play *play = context;
    const struct address *to = &datagram->destination.address;
    const struct address exit4 = sample_address("10.0.0.1"), exit6 = sample_address("fd00::1");
    require(datagram->is_raw || datagram->sender != play->hosts[0] ||
            !(address_is_equal(to, &exit4) || address_is_equal(to, &exit6)));
    return true;
}

static void add_hosts(struct play *play)
{
    struct sim_network network;
    describe_client(play->shape, &network);
    play->hosts[0] = sim_add_host(play->sim, "client", "192.0.2.1 2001:db8::1", &network, LINK_MTU);
    describe_server(play->shape, &network);
    play->hosts[1] = sim_add_host(play->sim, "server", "192.0.2.2 2001:db8::2", &network, LINK_MTU);
    play->sim->hook = is_not_straight;
    play->sim->hook_context = play;
}

static void set_exit(struct play *play, const struct endpoint *endpoint)
{
    sim_set_endpoint(play->hosts[0], play->shape != FELLOWS, play->shape != NESTED, endpoint);
}

static void set_entry(struct play *play, const char *text)
{
    const struct endpoint endpoint = sample_endpoint(text);
    sim_set_endpoint(play->hosts[0], play->shape == FELLOWS_INSIDE, 0, &endpoint);
}

/* ---- events ---- */

static struct sample make_sample(struct play *play, bool is_server, unsigned bits)
{
    static const char *const ends[4][2] = {{"10.0.0.2", "10.1.0.1"},
                                           {"10.0.0.2", "10.0.0.1"},
                                           {"fd00::2", "fd01::1"},
                                           {"fd00::2", "fd00::1"}};
    static const char *const inside_ends[4][2] = {{"10.2.0.1", "10.1.0.2"},
                                                  {"10.2.0.1", "10.0.0.2"},
                                                  {"fd02::1", "fd01::2"},
                                                  {"fd02::1", "fd00::2"}};
    static const char *const server_ends[4][2] = {{"10.0.0.1", "10.1.0.2"},
                                                  {"10.0.0.1", "10.0.0.2"},
                                                  {"fd00::1", "fd01::2"},
                                                  {"fd00::1", "fd00::2"}};
    static const uint8_t protocols[] = {IP_PROTOCOL_UDP, IP_PROTOCOL_TCP, IP_PROTOCOL_ICMP, 47};
    const char *const(*servers)[2] = play->shape == FELLOWS_INSIDE ? inside_ends : server_ends;
    const char *const *pair = is_server ? servers[bits & 3] : ends[bits & 3];
    return (struct sample){.source = pair[0],
                           .destination = pair[1],
                           .protocol = protocols[bits >> 2 & 3],
                           .tcp_flags = 0x10,
                           .mss = bits & 16 ? 9000 : 0,
                           .may_fragment = bits & 32,
                           .tos = (uint8_t)(bits >> 6),
                           .source_port = (uint16_t)(bits & 64 ? 51821 : 7),
                           .destination_port = 51821,
                           .serial = play->serial++};
}

static void send_packet(struct play *play)
{
    unsigned bits = take(play);
    bool is_server = take(play) & 1;
    struct sample sample = make_sample(play, is_server, bits);
    sample.len_bytes = take16(play) % 1600;
    sim_send(play->hosts[is_server], &sample);
}

static void send_super(struct play *play)
{
    unsigned bits = take(play);
    bool is_server = take(play) & 1;
    struct sample sample = make_sample(play, is_server, bits & ~8u); /* TCP or UDP */
    sample.len_bytes = take16(play) % 65500;
    size_t len = sample_write(&sample, play->bytes);
    struct vnet_header vnet =
        sample_to_super(play->bytes, len, (uint16_t)(64 + take16(play) % 2000));
    if (take(play) > 200)
        vnet.csum_start = (uint16_t)take16(play);
    sim_send_bytes(play->hosts[is_server], play->bytes, len, &vnet);
}

static void write_rubbish(struct play *play)
{
    struct vnet_header vnet = {.flags = (uint8_t)(take(play) & 3),
                               .gso_type = (uint8_t)(take(play) % 6)};
    vnet.gso_size = (uint16_t)take16(play);
    vnet.csum_start = (uint16_t)take(play);
    vnet.csum_offset = (uint16_t)take(play);
    bool is_server = take(play) & 1;
    size_t len = take_bytes(play, 1500);
    sim_send_bytes(play->hosts[is_server], play->bytes, len ? len : 1, &vnet);
}

static void throw_rubbish(struct play *play)
{
    static const char *const sources[] = {"192.0.2.2:51820", "192.0.2.1:51820", "203.0.113.9:9",
                                          "[2001:db8::9]:9"};
    const char *source = sources[take(play) & 3];
    const char *destination = take(play) & 1 ? "192.0.2.2:51820" : "192.0.2.1:51820";
    size_t len = take_bytes(play, 1500);
    sim_throw(play->sim, source, destination, play->bytes, len);
}

/* The enemy between them: the next datagram is changed, kept, thrown away, delayed or sent
 * again. */
static void meddle(struct play *play)
{
    struct sim *sim = play->sim;
    unsigned what = take(play), where = take16(play);
    if (play->kept && what & 8) {
        struct sim_datagram *kept = play->kept;
        if (what & 16)
            kept->source.port = (uint16_t)where;
        char source[ENDPOINT_TEXT_BYTES], destination[ENDPOINT_TEXT_BYTES];
        sim_throw(sim, endpoint_format(&kept->source, source),
                  endpoint_format(&kept->destination, destination), kept->bytes, kept->len_bytes);
        return;
    }
    if (sim->flying_count == 0)
        return;
    struct sim_datagram *next = sim->flying[0];
    if (what & 1 && next->len_bytes)
        next->bytes[where % next->len_bytes] ^= (uint8_t)(what >> 5 | 1);
    if (what & 2)
        next->source.port = (uint16_t)(where | 1);
    if (what & 4) {
        free(play->kept);
        play->kept = malloc(sizeof(*next) + next->len_bytes);
        require(play->kept != NULL);
        memcpy(play->kept, next, sizeof(*next) + next->len_bytes);
        if (next->len_bytes)
            next->bytes[next->len_bytes - 1] ^= 1; /* the original does not get through */
    }
}

static void command(struct play *play)
{
    static const char *const places[] = {"192.0.2.1", "198.51.100.1", "198.51.100.2"};
    unsigned what = take(play), which = take(play);
    struct sim_host *host = play->hosts[which & 1];
    instant_ns now = play->sim->now;
    struct endpoint endpoint = sample_endpoint(which & 2 ? "10.0.0.1:51821" : "[fd00::1]:51821");
    switch (what % 7) {
    case 0:
        engine_set_up(host->engine, which & 2, now);
        break;
    case 1:
        engine_network_changed(host->engine, 0, now);
        break;
    case 2: /* a caller never names more than its link takes (RULES E1) */
        engine_set_root_mtu(host->engine, 0, which * 6 % (LINK_MTU - 60 + 1));
        break;
    case 3:
        if (which & 4)
            set_entry(play, "10.3.0.1:51820"); /* inside the exit: a circle, until it moves */
        else
            set_exit(play, &endpoint);
        break;
    case 4:
        sim_move(play->hosts[0], places[which % 3]);
        break;
    case 5:
        play->sim->now += which * SIM_S;
        break; /* everything is late */
    default:
        sim_flush(host);
        break;
    }
}

static void play_one(struct play *play)
{
    switch (take(play) % 8) {
    case 0:
        sim_run(play->sim, take(play) * NS_PER_MS);
        break;
    case 1:
        sim_run(play->sim, take(play) * SIM_S / 2);
        break;
    case 2:
        send_packet(play);
        break;
    case 3:
        send_super(play);
        break;
    case 4:
        write_rubbish(play);
        break;
    case 5:
        throw_rubbish(play);
        break;
    case 6:
        meddle(play);
        break;
    default:
        command(play);
        break;
    }
}

/* ---- and afterwards ---- */

static void make_peace(struct play *play)
{
    struct sim *sim = play->sim;
    const struct endpoint outer = sample_endpoint("192.0.2.2:51820");
    const struct endpoint exit = sample_endpoint("10.0.0.1:51821");
    sim_run(sim, SIM_S);
    for (unsigned i = 0; i < 2; i++) {
        engine_set_up(play->hosts[i]->engine, true, sim->now);
        engine_set_root_mtu(play->hosts[i]->engine, 0, LINK_MTU - 60);
    }
    sim_set_endpoint(play->hosts[0], 0, 0, &outer);
    if (play->shape == FELLOWS_INSIDE)
        set_entry(play, "10.2.0.1:51822");
    set_exit(play, &exit);
    sim_forget_inbox(play->hosts[1]);
    for (unsigned i = 0; i < 60 && play->hosts[1]->inbox_count == 0; i++) {
        const struct sample sample = {.source = "10.0.0.2",
                                      .destination = "10.1.0.1",
                                      .protocol = IP_PROTOCOL_ICMP,
                                      .len_bytes = 60};
        sim_send(play->hosts[0], &sample);
        sim_run(sim, SIM_S);
    }
    require(play->hosts[1]->inbox_count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct play play;
    const struct random_source random = {.fill = fill, .context = &play};
    play = (struct play){.data = data, .left = size, .sim = sim_new()};
    play.sim->random = &random;
    play.sim->is_fed_rubbish = true;
    play.shape = (enum shape)(take(&play) % SHAPES);
    add_hosts(&play);
    for (unsigned i = 0; i < EVENTS_MOST && play.left; i++)
        play_one(&play);
    make_peace(&play);
    for (unsigned i = 0; i < 2; i++) {
        require(play.hosts[i]->datagram_most_bytes <= LINK_MTU);
        sim_flush(play.hosts[i]);
        require(pool_free_blocks(play.hosts[i]->pool) ==
                pool_shape(play.hosts[i]->pool)->receive_blocks);
    }
    free(play.kept);
    sim_free(play.sim);
    require(tap_memory_balance_bytes() == 0);
    return 0;
}
