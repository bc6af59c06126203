/* SPDX-License-Identifier: MIT */
#include "daemon/hop_asking.h"

#include "config/keytext.h"
#include "daemon/nat64_endpoints.h"
#include "engine/echo.h"

#define TARGETS_MOST 16
#define KEY_SHOWN 8
/* Shorter prefixes begin with addresses that are somebody's whom this is no affair of. */
#define PREFIX_LEAST_BITS 8
#define HOPS_MOST 64

/* ---- what to ask ---- */

struct targets {
    struct address list[TARGETS_MOST];
    size_t count;
};

static void add(struct targets *targets, const struct address *address, const struct address *own)
{
    bool is_host = !address_is_unspecified(address) && !address_is_multicast(address) &&
                   !address_is_link_local(address) && !address_is_inside_a_host(address);
    if (is_host && !address_is_equal(address, own) && targets->count < TARGETS_MOST)
        targets->list[targets->count++] = *address;
}

static uint8_t *last_byte(struct address *address)
{
    return &address->bytes[address->family == FAMILY_IPV4 ? 3 : 15];
}

static const struct address *own_address(const struct tunnel_description *tunnel,
                                         enum family family)
{
    for (size_t i = 0; i < tunnel->address_count; i++)
        if (tunnel->addresses[i].family == family)
            return &tunnel->addresses[i];
    return NULL;
}

/* Addresses of one family that the peer may have, those first that are most likely its own or near
 * it. */
static struct targets list_targets(const struct described *at, enum family family)
{
    const struct tunnel_description *tunnel = described_tunnel(at);
    const struct peer_description *peer = described_peer(at);
    const struct address *own = own_address(tunnel, family);
    struct targets targets = {.count = 0};
    if (!own)
        return targets;
    for (size_t i = 0; i < tunnel->dns_count; i++)
        if (tunnel->dns[i].family == family)
            add(&targets, &tunnel->dns[i], own);
    struct address near = *own; /* where most relays are, seen from their clients */
    *last_byte(&near) = *last_byte(&near) == 1 ? 2 : 1;
    add(&targets, &near, own);
    for (size_t i = 0; i < peer->allowed_ips_count; i++) {
        struct prefix prefix = peer->allowed_ips[i];
        if (prefix.address.family != family || prefix.len_bits < PREFIX_LEAST_BITS)
            continue;
        if (prefix.len_bits < (family == FAMILY_IPV4 ? 32 : 128))
            *last_byte(&prefix.address) |= 1;
        add(&targets, &prefix.address, own);
    }
    return targets;
}

/* ---- asking ---- */

static enum verdict send_echo(struct engine *engine, struct peer_handle peer,
                              const struct address *to, uint8_t hops, instant_ns now,
                              uint32_t *number)
{
    const struct echo_request request = {.peer = peer, .to = *to, .hops = hops};
    return echo_send(engine_echoes(engine), &request, now, number);
}

/* One of the targets, another one each time: first no further than whoever forwards it, which is
 * an answer, later as far as it goes. POOL_EMPTY: the batch is full; another refusal: there is
 * none. */
static enum verdict ask_inside(struct hop_asking *asking, const struct described *at,
                               enum family family, struct engine *engine, instant_ns now)
{
    const struct targets targets = list_targets(at, family);
    enum verdict verdict = VERDICT_NO_PEER;
    uint32_t number, *first = &asking->inside[family == FAMILY_IPV6];
    for (size_t i = 0; i < targets.count; i++) {
        const struct address *to = &targets.list[(asking->tries + i) % targets.count];
        verdict = send_echo(engine, asking->peer, to, 1, now, first);
        if (verdict == VERDICT_OK && asking->tries)
            verdict = send_echo(engine, asking->peer, to, HOPS_MOST, now, &number);
        if (verdict == VERDICT_OK || verdict == VERDICT_POOL_EMPTY)
            break;
    }
    return verdict;
}

/* Whether its carrier's relay sends on what goes there, and whether there is a host. */
static void ask_on_the_way(struct hop_asking *asking, const struct status_peer *peer,
                           struct engine *engine, instant_ns now)
{
    const struct address *to = &peer->endpoint.address;
    if (peer->carrier < 0 || peer->carrier_peer < 0)
        return;
    const struct peer_handle carrier =
        engine_peer_handle(engine, (uint32_t)peer->carrier, (uint32_t)peer->carrier_peer);
    for (int i = 0; i < 2; i++)
        if (send_echo(engine, carrier, to, i ? HOPS_MOST : 1, now, &asking->ways[i]) != VERDICT_OK)
            return;
}

bool hop_asking_ask(struct hop_asking *asking, const struct described *at, struct engine *engine,
                    instant_ns since, instant_ns now)
{
    struct status_peer peer;
    status_read_peer(engine, asking->peer.tunnel, asking->peer.peer, now, &peer);
    bool is_heard = peer.last_received != INSTANT_NEVER && peer.last_received >= since;
    /* What waits for a session is not asked again. */
    bool may_ask = asking->tries == 0 || peer.has_session || peer.staged_packets == 0;
    if (may_ask) {
        enum verdict ipv4 = ask_inside(asking, at, FAMILY_IPV4, engine, now);
        enum verdict ipv6 = ask_inside(asking, at, FAMILY_IPV6, engine, now);
        if (ipv4 == VERDICT_POOL_EMPTY || ipv6 == VERDICT_POOL_EMPTY)
            return false;
        asking->is_mute = ipv4 != VERDICT_OK && ipv6 != VERDICT_OK;
    }
    /* The other end may have forgotten the session. */
    if ((asking->is_mute || asking->tries) && !is_heard)
        engine_initiate(engine, asking->peer, now);
    if (asking->tries && !is_heard)
        ask_on_the_way(asking, &peer, engine, now);
    asking->tries++;
    return true;
}

static void look_at_answers(struct hop_asking *asking, struct engine *engine)
{
    for (int i = 0; i < 2; i++) {
        const struct echo *echo = echo_find(engine_echoes(engine), asking->inside[i]);
        if (echo && echo->answered && !asking->rtt_ns)
            asking->rtt_ns = echo->rtt_ns ? echo->rtt_ns : 1;
        echo = echo_find(engine_echoes(engine), asking->ways[i]);
        if (!echo || !echo->answered)
            continue;
        asking->is_sent_on |= echo->is_out_of_hops || !echo->words;
        asking->host_answers |= !echo->words;
    }
}

bool hop_asking_is_answered(struct hop_asking *asking, struct engine *engine, instant_ns since,
                            instant_ns now)
{
    struct status_peer peer;
    if (!engine_has_peer(engine, asking->peer))
        return true;
    look_at_answers(asking, engine);
    status_read_peer(engine, asking->peer.tunnel, asking->peer.peer, now, &peer);
    if (asking->is_mute)
        return peer.last_received != INSTANT_NEVER && peer.last_received >= since;
    return peer.last_data >= since;
}

/* ---- words ---- */

/* NULL: the peer's endpoint is no name, or an address was found. */
static const char *cause_of(const struct daemon *daemon, const struct hop_asking *asking)
{
    const struct peer_handle *peer = &asking->peer;
    const char *cause = names_cause(daemon->names, peer->tunnel, peer->peer);
    return cause ? cause : nat64_endpoints_cause(daemon->translation, peer->tunnel, peer->peer);
}

static void tell_unanswered(const struct hop_asking *asking, const struct status_peer *peer,
                            const char *carrier, struct text *to)
{
    char router[ADDRESS_TEXT_BYTES];
    if (peer->misfits)
        text_append(to, "it answers, but not with our keys: its PresharedKey is another one, or "
                        "one end has none");
    else if (peer->error)
        text_append(to, "no answer to its handshake; %s said: %s",
                    address_format(&peer->error_source, router), peer->error);
    else if (asking->host_answers)
        text_append(to, "no answer to its handshake, though its host answers pings: nothing "
                        "listens at that port, or PublicKey or PrivateKey are not the other end's");
    else if (carrier && asking->is_sent_on)
        text_append(to, "no answer to its handshake, though %s sends on what goes there: it is "
                        "off or filtered, or PublicKey or PrivateKey are not the other end's",
                    carrier);
    else if (carrier)
        text_append(to, "no answer to its handshake, and nothing comes back from beyond %s: its "
                        "relay does not forward or masquerade, or the endpoint is off",
                    carrier);
    else
        text_append(to, "no answer to its handshake: it is off, the way there takes no UDP, or "
                        "PublicKey or PrivateKey are not the other end's");
}

static void tell_silent(const struct described *at, struct text *to)
{
    const struct tunnel_description *tunnel = described_tunnel(at);
    char own[ADDRESS_TEXT_BYTES];
    text_append(to, "its handshake is answered, but nothing that is sent inside: Address =");
    for (size_t i = 0; i < tunnel->address_count; i++)
        text_append(to, "%s %s", i ? "," : "", address_format(&tunnel->addresses[i], own));
    text_append(to, " is not what it has for us in AllowedIPs, or it does not forward");
}

static struct described find(const struct daemon *daemon, const struct hop_asking *asking)
{
    struct described at = described_all(&daemon->config->network, network_engine(daemon->network));
    while (described_next(&at))
        if (at.tunnel == (int)asking->peer.tunnel && at.peer == (int)asking->peer.peer)
            break;
    return at;
}

void hop_asking_tell(const struct hop_asking *asking, const struct daemon *daemon, struct text *to)
{
    const struct engine *engine = network_engine(daemon->network);
    const struct described at = find(daemon, asking);
    struct status_tunnel tunnel, carrier = {0};
    struct status_peer peer;
    char key[KEYTEXT_CHARACTERS + 1], endpoint[ENDPOINT_TEXT_BYTES];
    if (at.tunnel < 0)
        return; /* removed just now */
    status_read_tunnel(engine, asking->peer.tunnel, &tunnel);
    status_read_peer(engine, asking->peer.tunnel, asking->peer.peer, loop_now(), &peer);
    if (peer.carrier >= 0)
        status_read_tunnel(engine, (uint32_t)peer.carrier, &carrier);
    const struct peer_description *described = described_peer(&at);
    keytext_format(peer.public_key, key);
    text_append(to, "%s: peer %.*s…", tunnel.name, KEY_SHOWN, key);
    if (peer.endpoint.address.family)
        text_append(to, " at %s", endpoint_format(&peer.endpoint, endpoint));
    else if (described->endpoint_name)
        text_append(to, " at %s:%u", described->endpoint_name, described->endpoint.port);
    if (carrier.name)
        text_append(to, " inside %s", carrier.name);
    text_append(to, ": ");
    const char *cause = cause_of(daemon, asking);
    if (peer.state == STATUS_PEER_NO_ENDPOINT)
        text_append(to, "%s%s", cause ? "its name is not resolved: " : "its name is being resolved",
                    cause ? cause : "");
    else if (peer.state == STATUS_PEER_UNROUTABLE)
        text_append(to, "%s", status_peer_obstacle(asking->peer.tunnel, &peer));
    else if (peer.has_session && !peer.attempts)
        tell_silent(&at, to);
    else
        tell_unanswered(asking, &peer, carrier.name, to);
}
