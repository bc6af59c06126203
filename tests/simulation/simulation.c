/* SPDX-License-Identifier: MIT */
#include "simulation/simulation.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "simulation/way.h"
#include "wireguard/message.h"

#define TRAIN_MOST 64

/* ---- what flies ---- */

static bool is_before(const struct sim_datagram *a, const struct sim_datagram *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void swap(struct sim *sim, size_t a, size_t b)
{
    struct sim_datagram *other = sim->flying[a];
    sim->flying[a] = sim->flying[b];
    sim->flying[b] = other;
}

static void launch(struct sim *sim, struct sim_datagram *datagram)
{
    if (sim->flying_count == sim->flying_capacity) {
        sim->flying_capacity = sim->flying_capacity ? 2 * sim->flying_capacity : 256;
        sim->flying = realloc(sim->flying, sim->flying_capacity * sizeof(struct sim_datagram *));
        if (!sim->flying)
            abort();
    }
    size_t at = sim->flying_count++;
    sim->flying[at] = datagram;
    for (; at && is_before(sim->flying[at], sim->flying[(at - 1) / 2]); at = (at - 1) / 2)
        swap(sim, at, (at - 1) / 2);
}

static struct sim_datagram *land(struct sim *sim)
{
    struct sim_datagram *first = sim->flying[0];
    sim->flying[0] = sim->flying[--sim->flying_count];
    for (size_t at = 0, child; (child = 2 * at + 1) < sim->flying_count; at = child) {
        if (child + 1 < sim->flying_count && is_before(sim->flying[child + 1], sim->flying[child]))
            child++;
        if (!is_before(sim->flying[child], sim->flying[at]))
            break;
        swap(sim, at, child);
    }
    return first;
}

static struct sim_datagram *make_datagram(const uint8_t *bytes, size_t len)
{
    struct sim_datagram *datagram = calloc(1, sizeof(*datagram) + len);
    if (!datagram)
        abort();
    datagram->len_bytes = len;
    if (len)
        memcpy(datagram->bytes, bytes, len);
    return datagram;
}

/* Takes the datagram. */
static void travel(struct sim *sim, struct sim_datagram *datagram)
{
    const struct sim_link *link = &sim->link;
    if ((sim->hook && !sim->hook(sim->hook_context, datagram)) ||
        (link->lose_permille && tap_random_below(1000) < link->lose_permille)) {
        sim->lost++;
        free(datagram);
        return;
    }
    datagram->due = sim->now + link->delay_ns;
    if (link->jitter_ns)
        datagram->due += tap_random_below(link->jitter_ns);
    datagram->order = sim->order++;
    if (link->duplicate_permille && tap_random_below(1000) < link->duplicate_permille) {
        struct sim_datagram *twin = make_datagram(datagram->bytes, datagram->len_bytes);
        memcpy(twin, datagram, sizeof(*datagram));
        twin->due += link->jitter_ns ? tap_random_below(link->jitter_ns) : 0;
        twin->order = sim->order++;
        launch(sim, twin);
    }
    launch(sim, datagram);
}

/* ---- one host ---- */

static struct sim_host *socket_of(struct sim *sim, const struct endpoint *to, uint32_t *root)
{
    for (size_t i = 0; i < sim->host_count; i++) {
        struct sim_host *host = &sim->hosts[i];
        if (!address_is_equal(&host->ipv4, &to->address) &&
            !address_is_equal(&host->ipv6, &to->address))
            continue;
        for (*root = 0; *root < host->tunnel_count; ++*root)
            if (host->ports[*root] && host->ports[*root] == to->port)
                return host;
    }
    return NULL;
}

static bool is_somebody(const struct sim *sim, const uint8_t *ipv6)
{
    for (size_t i = 0; i < sim->host_count; i++)
        if (address_has_bytes(&sim->hosts[i].ipv6, FAMILY_IPV6, ipv6))
            return true;
    return false;
}

static struct sim_host *tun_for(struct sim *sim, const struct address *to)
{
    for (size_t i = 0; i < sim->host_count; i++)
        for (size_t p = 0; p < sim->hosts[i].routed_count; p++)
            if (prefix_contains(&sim->hosts[i].routed[p], to))
                return &sim->hosts[i];
    return NULL;
}

static void keep(struct sim_host *host, const uint8_t *bytes, size_t len,
                 const struct vnet_header *vnet)
{
    struct sim_packet *packet = malloc(sizeof(*packet) + len);
    if (!packet)
        abort();
    *packet = (struct sim_packet){.len_bytes = len, .vnet = *vnet};
    memcpy(packet->bytes, bytes, len);
    if (host->last)
        host->last->next = packet;
    else
        host->first = packet;
    host->last = packet;
    host->inbox_count++;
}

/* On through the network, if somebody there wants it. */
static void pass_on(struct sim_host *host, const uint8_t *bytes, size_t len,
                    const struct vnet_header *vnet)
{
    struct ip_view view;
    uint32_t root;
    CHECK_EQUAL(ip_parse_quoted(bytes, len, &view), VERDICT_OK);
    struct endpoint to = {.address = ip_destination(bytes, &view)};
    struct endpoint from = {.address = ip_source(bytes, &view)};
    bool is_udp = view.protocol == IP_PROTOCOL_UDP && !view.is_fragment &&
                  len >= view.transport_offset + (size_t)UDP_HEADER_BYTES;
    if (is_udp) {
        from.port = load_be16(bytes + view.transport_offset);
        to.port = load_be16(bytes + view.transport_offset + 2);
    }
    if (host->forwards && is_udp && socket_of(host->sim, &to, &root)) {
        size_t at = view.transport_offset + (size_t)UDP_HEADER_BYTES;
        size_t piece = vnet->gso_type ? vnet->gso_size : len - at;
        do {
            size_t take = len - at < piece ? len - at : piece;
            struct sim_datagram *datagram = make_datagram(bytes + at, take);
            datagram->sender = host;
            datagram->source = from;
            datagram->destination = to;
            datagram->tos = view.tos;
            if (take + view.transport_offset + UDP_HEADER_BYTES > host->forwarded_most_bytes)
                host->forwarded_most_bytes = take + view.transport_offset + UDP_HEADER_BYTES;
            travel(host->sim, datagram);
            at += take;
        } while (at < len);
    } else if (host->forwards && tun_for(host->sim, &to.address)) {
        struct sim_datagram *datagram = make_datagram(bytes, len);
        datagram->sender = host;
        datagram->is_raw = true;
        datagram->vnet = *vnet;
        datagram->source = from;
        datagram->destination = to;
        travel(host->sim, datagram);
    } else {
        keep(host, bytes, len, vnet);
    }
}

/* A packet came out of the TUN. */
static void forward(struct sim_host *host, const uint8_t *bytes, size_t len,
                    const struct vnet_header *vnet)
{
    struct ip_view view;
    CHECK_EQUAL(ip_parse_quoted(bytes, len, &view), VERDICT_OK);
    if (host->forwards && !way_passes(host, bytes, len, vnet->gso_type ? vnet->gso_size : 0))
        return;
    if (!host->forwards || !view.is_fragment || view.family != FAMILY_IPV6 ||
        !is_somebody(host->sim, bytes + view.destination_offset)) {
        pass_on(host, bytes, len, vnet);
        return;
    }
    struct sim_packet *whole = way_join(host->sim, bytes, len);
    host->fragments++;
    if (whole)
        pass_on(host, whole->bytes, whole->len_bytes, vnet);
    free(whole);
}

static void perform_write(struct sim_host *host, const struct tun_frame *frame)
{
    uint8_t *bytes = malloc(frame->len_bytes);
    size_t at = 0;
    uint32_t packets = 0;
    if (!bytes)
        abort();
    for (struct packet *packet = frame->first, *next; packet; packet = next, packets++) {
        next = packet->next;
        memcpy(bytes + at, packet->data, packet->len_bytes);
        at += packet->len_bytes;
        pool_give_packet(host->pool, packet);
    }
    CHECK_EQUAL(at, frame->len_bytes);
    CHECK_EQUAL(packets, frame->packets);
    CHECK_EQUAL(frame->vnet.gso_type != VNET_GSO_NONE, frame->packets > 1);
    if (frame->vnet.gso_type == VNET_GSO_NONE && !host->sim->is_fed_rubbish)
        CHECK(sample_sums_are_right(bytes, at));
    forward(host, bytes, at, &frame->vnet);
    free(bytes);
}

static void perform_send(struct sim_host *host, const struct udp_send *send)
{
    const struct udp_path *path = send->path;
    struct packet *packet = send->packet;
    bool is_ipv6 = path->destination.address.family == FAMILY_IPV6;
    size_t ip_len = packet->len_bytes + (is_ipv6 ? 48u : 28u);
    CHECK(path->root < host->tunnel_count && host->ports[path->root]);
    CHECK(ip_len <= host->link_mtu_bytes);
    if (ip_len > host->datagram_most_bytes)
        host->datagram_most_bytes = ip_len;
    host->datagrams_sent++;
    host->sent_of_type[message_type(packet->data, packet->len_bytes)]++;

    struct sim_datagram *datagram = make_datagram(packet->data, packet->len_bytes);
    datagram->sender = host;
    datagram->source.address = is_ipv6 ? host->ipv6 : host->ipv4;
    datagram->source.port = host->ports[path->root];
    datagram->destination = path->destination;
    datagram->tos = packet->tos;
    pool_give_packet(host->pool, packet);
    travel(host->sim, datagram);
}

static void perform(struct sim_host *host)
{
    struct actions *actions = host->actions;
    for (size_t i = 0; i < actions->send_count; i++)
        perform_send(host, &actions->sends[i]);
    for (size_t i = 0; i < actions->write_count; i++)
        perform_write(host, &actions->writes[i]);
    actions->send_count = actions->write_count = actions->reply_path_count = 0;
}

static struct actions *make_room(struct sim_host *host)
{
    if (!actions_have_room(host->actions))
        perform(host);
    return host->actions;
}

void sim_flush(struct sim_host *host)
{
    struct sim *sim = host->sim;
    engine_flush(host->engine, sim->now, sim->wall_ns + sim->now, make_room(host));
    perform(host);
    engine_idle(host->engine, make_room(host));
    perform(host);
    host->is_dirty = false;
}

void sim_write(struct sim_host *host, const uint8_t *bytes, size_t len,
               const struct vnet_header *vnet)
{
    static const struct vnet_header plain;
    uint8_t *copy = malloc(len); /* exactly as long: a byte too far is seen */
    if (!copy)
        abort();
    memcpy(copy, bytes, len);
    while (!engine_from_tun(host->engine, vnet ? vnet : &plain, copy, len, host->sim->now,
                            make_room(host)))
        sim_flush(host);
    free(copy);
    host->is_dirty = true;
}

void sim_send_bytes(struct sim_host *host, const uint8_t *bytes, size_t len,
                    const struct vnet_header *vnet)
{
    sim_write(host, bytes, len, vnet);
    sim_flush(host);
}

void sim_send(struct sim_host *host, const struct sample *sample)
{
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    sim_send_bytes(host, bytes, sample_write(sample, bytes), NULL);
}

void sim_throw(struct sim *sim, const char *source, const char *destination, const uint8_t *bytes,
               size_t len)
{
    struct sim_datagram *datagram = make_datagram(bytes, len);
    datagram->source = sample_endpoint(source);
    datagram->destination = sample_endpoint(destination);
    datagram->due = sim->now;
    datagram->order = sim->order++;
    launch(sim, datagram);
}

void sim_throw_packet(struct sim *sim, const uint8_t *bytes, size_t len)
{
    struct ip_view view;
    struct sim_datagram *datagram = make_datagram(bytes, len);
    CHECK_EQUAL(ip_parse(bytes, len, &view), VERDICT_OK);
    datagram->is_raw = true;
    datagram->source.address = ip_source(bytes, &view);
    datagram->destination.address = ip_destination(bytes, &view);
    datagram->due = sim->now;
    datagram->order = sim->order++;
    launch(sim, datagram);
}

/* ---- the clock ---- */

/* A datagram for which no socket listens: into the TUN that has its address, as a packet. */
static void deliver_to_tun(struct sim *sim, const struct sim_datagram *datagram)
{
    struct sim_host *host = tun_for(sim, &datagram->destination.address);
    if (!host)
        return;
    if (datagram->is_raw) {
        sim_write(host, datagram->bytes, datagram->len_bytes, &datagram->vnet);
        return;
    }
    static uint8_t bytes[SAMPLE_MOST_BYTES];
    char source[ADDRESS_TEXT_BYTES], destination[ADDRESS_TEXT_BYTES];
    bool is_ipv6 = datagram->destination.address.family == FAMILY_IPV6;
    size_t header = is_ipv6 ? 48 : 28;
    const struct sample sample = {
        .source = address_format(&datagram->source.address, source),
        .destination = address_format(&datagram->destination.address, destination),
        .protocol = IP_PROTOCOL_UDP,
        .source_port = datagram->source.port,
        .destination_port = datagram->destination.port,
        .tos = datagram->tos,
        .may_fragment = true,
        .len_bytes = header + datagram->len_bytes,
    };
    size_t len = sample_write(&sample, bytes);
    memcpy(bytes + header, datagram->bytes, datagram->len_bytes);
    store_be16(bytes + header - 2, 0); /* IPv4 allows none, and nobody may look at it here */
    sim_write(host, bytes, len, NULL);
}

/* As UDP GRO would: what stands behind it and differs only in its bytes travels along. */
static void deliver_to_socket(struct sim *sim, struct sim_host *host, uint32_t root,
                              const struct sim_datagram *first)
{
    struct block *block = pool_take_block(host->pool);
    if (!block) {
        sim_flush(host);
        block = pool_take_block(host->pool);
    }
    if (!CHECK(block != NULL) || !CHECK(first->len_bytes <= block->capacity_bytes))
        return;
    struct udp_train train = {.block = block,
                              .source = first->source,
                              .destination = first->destination.address,
                              .tos = first->tos,
                              .len_bytes = (uint32_t)first->len_bytes};
    memcpy(block->bytes, first->bytes, first->len_bytes);
    for (unsigned count = 1; count < TRAIN_MOST && sim->flying_count && first->len_bytes; count++) {
        const struct sim_datagram *next = sim->flying[0];
        if (next->is_raw || next->due > sim->now || next->tos != first->tos ||
            next->len_bytes > first->len_bytes || next->len_bytes == 0 ||
            !endpoint_is_equal(&next->source, &first->source) ||
            !endpoint_is_equal(&next->destination, &first->destination) ||
            train.len_bytes + next->len_bytes > block->capacity_bytes)
            break;
        memcpy(block->bytes + train.len_bytes, next->bytes, next->len_bytes);
        train.len_bytes += (uint32_t)next->len_bytes;
        train.segment_bytes = (uint32_t)first->len_bytes;
        bool is_last = next->len_bytes < first->len_bytes;
        free(land(sim));
        if (is_last)
            break;
    }
    engine_from_udp(host->engine, root, &train, sim->now, make_room(host));
    host->is_dirty = true;
}

static void deliver(struct sim *sim)
{
    struct sim_datagram *datagram = land(sim);
    uint32_t root;
    struct sim_host *host = datagram->is_raw ? NULL : socket_of(sim, &datagram->destination, &root);
    if (host)
        deliver_to_socket(sim, host, root, datagram);
    else
        deliver_to_tun(sim, datagram);
    free(datagram);
}

static void tick(struct sim *sim, struct sim_host *host)
{
    unsigned ticks = 0;
    while (engine_deadline(host->engine) <= sim->now) {
        engine_tick(host->engine, sim->now, sim->wall_ns + sim->now, make_room(host));
        perform(host);
        if (!CHECK(++ticks < 5000))
            abort(); /* the clock would stand still for ever */
    }
}

void sim_run_until(struct sim *sim, instant_ns until)
{
    for (;;) {
        instant_ns next = sim->flying_count ? sim->flying[0]->due : INSTANT_NEVER;
        for (size_t i = 0; i < sim->host_count; i++)
            next = instant_min(next, engine_deadline(sim->hosts[i].engine));
        if (next > until)
            break;
        if (next > sim->now)
            sim->now = next;
        while (sim->flying_count && sim->flying[0]->due <= sim->now)
            deliver(sim);
        for (size_t i = 0; i < sim->host_count; i++) {
            if (sim->hosts[i].is_dirty)
                sim_flush(&sim->hosts[i]);
            tick(sim, &sim->hosts[i]);
        }
    }
    sim->now = until;
}

void sim_run(struct sim *sim, duration_ns duration)
{
    sim_run_until(sim, sim->now + duration);
}
