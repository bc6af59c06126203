/* SPDX-License-Identifier: MIT */
/* Theory of operation. Replacing an address changes every sum over it by one and the same amount:
 * new minus old in ones'-complement, the `delta`. A finished checksum is the complement of its sum,
 * so it moves by -delta (RFC 1624 eqn. 3 written with sums); a partial one is the sum of the
 * pseudo-header itself and moves by +delta. An ICMP checksum covers the quote as plain bytes, so
 * it moves by the deltas of all fields that changed there: address, header checksum, transport
 * checksum. All of these lie at even offsets from the ICMP header, whatever options and extension
 * headers stand between, since those come in multiples of 4 bytes. */
#include "route/nat.h"

#include <assert.h>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "route/icmp.h"

/* Protocols that nothing else here names. */
enum { PROTOCOL_IPV4 = 4, PROTOCOL_IPV6 = 41 };

#define NO_CHECKSUM 0xff

/* What translation has to know about a transport. */
struct transport {
    uint8_t header_bytes;    /* that must be there */
    uint8_t checksum_offset; /* of a checksum over the pseudo-header, or NO_CHECKSUM */
};

/* False: its checksum, if any, is beyond us. */
static bool find_transport(enum family family, uint8_t protocol, struct transport *transport)
{
    *transport = (struct transport){0, NO_CHECKSUM};
    switch (protocol) {
    case IP_PROTOCOL_TCP:
        *transport = (struct transport){TCP_HEADER_BYTES, 16};
        return true;
    case IP_PROTOCOL_UDP:
        *transport = (struct transport){UDP_HEADER_BYTES, 6};
        return true;
    case IP_PROTOCOL_ICMP:
        transport->header_bytes = ICMP_HEADER_BYTES;
        return family == FAMILY_IPV4;
    case IP_PROTOCOL_ICMPV6:
        *transport = (struct transport){ICMP_HEADER_BYTES, 2};
        return family == FAMILY_IPV6;
    case IP_PROTOCOL_SCTP:
    case IP_PROTOCOL_GRE:
    case IP_PROTOCOL_ESP:
    case IP_PROTOCOL_NONE:
    case PROTOCOL_IPV4:
    case PROTOCOL_IPV6:
        return true;
    default:
        return false;
    }
}

/* A later fragment may start amid extension headers of its fragmentable part: the first one tells
 * what they lead to, and without it this one is worth nothing. */
static bool is_extension(const struct ip_view *view)
{
    return view->family == FAMILY_IPV6 &&
           (view->protocol == IP_PROTOCOL_HOPOPTS || view->protocol == IP_PROTOCOL_DSTOPTS ||
            view->protocol == IP_PROTOCOL_ROUTING);
}

static uint64_t delta_of(const uint8_t *old, const uint8_t *new, size_t len)
{
    uint64_t delta = 0;
    for (size_t at = 0; at < len; at += 4)
        delta += (uint64_t)(uint32_t)~load_be32(old + at) + load_be32(new + at);
    return delta;
}

/* Both return what the change of the field itself does to a sum around it. */
static uint64_t replace_field(uint8_t *field, uint16_t new)
{
    uint64_t delta = (uint64_t)(uint16_t)~load_be16(field) + new;
    store_be16(field, new);
    return delta;
}

static uint64_t adjust_field(uint8_t *field, uint64_t delta)
{
    return replace_field(field, checksum_finish((uint16_t)~load_be16(field) + delta));
}

/* The same for a transport's finished checksum. RFC 768: 0 says that a UDP datagram has none. */
static uint64_t adjust_transport(uint8_t *field, uint8_t protocol, uint64_t delta)
{
    if (protocol != IP_PROTOCOL_UDP)
        return adjust_field(field, delta);
    if (load_be16(field) == 0)
        return 0;
    uint16_t new = checksum_finish((uint16_t)~load_be16(field) + delta);
    return replace_field(field, new ? new : 0xffff);
}

/* One replacement, the same in the header and in a quote. */
struct change {
    enum nat_side side;
    size_t len;
    uint8_t old[16];
    const uint8_t *new;
    uint64_t delta;
};

/* The quoted packet went the other way, so its other address is the replaced one. Returns what all
 * changed bytes do to the sum of the error around it. */
static uint64_t rewrite_quote(uint8_t *quote, const struct icmp_error *error,
                              const struct change *change)
{
    const struct ip_view *view = &error->quote;
    uint8_t *address =
        quote + (change->side == NAT_SOURCE ? view->destination_offset : view->source_offset);
    if (memcmp(address, change->old, change->len) != 0)
        return 0;
    memcpy(address, change->new, change->len);
    uint64_t around = change->delta;
    if (view->family == FAMILY_IPV4)
        around += adjust_field(quote + 10, change->delta);

    struct transport transport;
    size_t field = view->transport_offset;
    /* with routing segments left the final destination, not this one, is in the pseudo-header */
    bool is_covered = change->side == NAT_DESTINATION || !view->has_routing_segments;
    if (view->is_later_fragment || !is_covered ||
        !find_transport((enum family)view->family, view->protocol, &transport) ||
        transport.checksum_offset == NO_CHECKSUM)
        return around;
    field += transport.checksum_offset;
    if (field + 2 <= error->quote_len_bytes)
        around += adjust_transport(quote + field, view->protocol, change->delta);
    return around;
}

/* Everything that can be refused, before a byte changes. */
static enum verdict check(const uint8_t *bytes, const struct ip_view *view,
                          struct transport *transport, struct icmp_error *error, bool *has_quote)
{
    *has_quote = false;
    if (view->has_routing_segments)
        return VERDICT_NAT_UNSUPPORTED;
    if (view->is_later_fragment && is_extension(view)) {
        *transport = (struct transport){0, NO_CHECKSUM};
        return VERDICT_OK;
    }
    if (!find_transport((enum family)view->family, view->protocol, transport))
        return VERDICT_NAT_UNSUPPORTED;
    if (view->is_later_fragment)
        return VERDICT_OK;
    if (view->len_bytes < (uint32_t)view->transport_offset + transport->header_bytes)
        return VERDICT_NAT_UNSUPPORTED;
    *has_quote = icmp_is_error(bytes, view);
    if (*has_quote && !icmp_parse_error(bytes, view, error))
        return VERDICT_NAT_UNSUPPORTED;
    return VERDICT_OK;
}

enum verdict nat_rewrite(uint8_t *bytes, size_t len, const struct ip_view *view, enum nat_side side,
                         const struct address *to, uint16_t partial_checksum_at)
{
    assert(view->len_bytes <= len);
    enum family family = (enum family)view->family;
    uint8_t *address =
        bytes + (side == NAT_SOURCE ? view->source_offset : view->destination_offset);
    struct change change = {.side = side, .len = family_bytes(family), .new = to->bytes};
    if (to->family != view->family)
        return VERDICT_NO_ADDRESS;
    if (address_has_bytes(to, family, address))
        return VERDICT_OK;

    struct transport transport;
    struct icmp_error error;
    bool has_quote;
    enum verdict verdict = check(bytes, view, &transport, &error, &has_quote);
    if (verdict != VERDICT_OK)
        return verdict;

    memcpy(change.old, address, change.len);
    change.delta = delta_of(change.old, to->bytes, change.len);
    memcpy(address, to->bytes, change.len);
    if (family == FAMILY_IPV4)
        adjust_field(bytes + 10, change.delta);
    if (view->is_later_fragment)
        return VERDICT_OK;

    uint8_t *header = bytes + view->transport_offset;
    bool is_partial = partial_checksum_at == view->transport_offset;
    uint64_t quote_delta = 0;
    if (has_quote)
        quote_delta = rewrite_quote(bytes + error.quote_offset, &error, &change);
    if (is_partial) {
        /* what follows the pseudo-header is summed later, as it is then */
        if (transport.checksum_offset != NO_CHECKSUM) {
            uint8_t *field = header + transport.checksum_offset;
            store_be16(field, checksum_fold(load_be16(field) + change.delta));
        }
    } else if (view->protocol == IP_PROTOCOL_ICMP) {
        if (quote_delta)
            adjust_field(header + 2, quote_delta);
    } else if (transport.checksum_offset != NO_CHECKSUM) {
        adjust_transport(header + transport.checksum_offset, view->protocol,
                         change.delta + quote_delta);
    }
    return VERDICT_OK;
}
