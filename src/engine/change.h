/* SPDX-License-Identifier: MIT */
/* What may change in a living network, as plain data: one shape for reload, `wg set` and the
 * library. Tunnels are called by name, peers by public key. Everything pointed to is the caller's
 * and may go once the changes are applied. */
#ifndef ENGINE_CHANGE_H
#define ENGINE_CHANGE_H

#include "base/text.h"
#include "engine/description.h"

enum change_kind {
    CHANGE_TUNNEL_ADD,    /* `tunnel` whole, with its peers, as the last one; in front of what it
                           * carries in the list */
    CHANGE_TUNNEL_REMOVE, /* nothing may be left that it carries */
    CHANGE_TUNNEL_SET,    /* the `fields` of `tunnel` */
    CHANGE_PEER_SET,     /* the `fields` of `peer`; one that is not known yet is added, the tunnel's
                          * own key is passed over */
    CHANGE_PEER_REMOVE,  /* one that is not known is no error, as in `wg set` */
    CHANGE_PEERS_REMOVE, /* all of the tunnel: `replace_peers` */
};

/* Of CHANGE_TUNNEL_SET. */
enum change_tunnel_fields {
    /* All zero: none; the tunnel is silent then. A peer with this key of its own goes. */
    CHANGE_PRIVATE_KEY = 1 << 0,
    CHANGE_LISTEN_PORT = 1 << 1, /* 0: chosen anew */
    CHANGE_FWMARK = 1 << 2,      /* roots only */
    CHANGE_CARRIER = 1 << 3,     /* `carrier`; a root's mark goes where there is one */
    CHANGE_ADDRESSES = 1 << 4,
    CHANGE_DNS = 1 << 5,
    CHANGE_MTU = 1 << 6,         /* with mtu_is_upper_bound */
    CHANGE_NAT = 1 << 7,
    CHANGE_ROUTES = 1 << 8,      /* with routes_are_default and the exceptions */
};

/* Of CHANGE_PEER_SET. */
enum change_peer_fields {
    CHANGE_PRESHARED_KEY = 1 << 0,        /* all zero: none */
    CHANGE_ENDPOINT = 1 << 1,             /* a literal, a name (with the port), or neither: none */
    CHANGE_KEEPALIVE = 1 << 2,            /* 0: off */
    CHANGE_REPLACE_ALLOWED_IPS = 1 << 3,  /* those that it has go first */
    CHANGE_ONLY_UPDATE = 1 << 4,          /* one that is not known is passed over */
};

struct change_allowed_ip {
    struct prefix prefix; /* masked */
    bool is_removed;      /* `-PREFIX`: of this peer; no error where it has none such */
};

struct change {
    enum change_kind kind;
    unsigned fields;
    const char *where;    /* for refusals: "office.conf:12"; NULL: the tunnel's name alone */
    const char *port_where; /* the same of a ListenPort that is written; NULL: none is */
    const char *tunnel;   /* its name */
    const char *carrier;  /* the carrier's name; NULL: a root. For ADD and CHANGE_CARRIER */
    const struct tunnel_description
        *description; /* for ADD and TUNNEL_SET; its `carrier` is not read */
    /* For PEER_SET and PEER_REMOVE: its public key, and what `fields` name. Its allowed_ips are not
     * read but these: in order, the last of one prefix holds. */
    const struct peer_description *peer;
    const struct change_allowed_ip *allowed_ips;
    size_t allowed_ips_count;
};

/* How each refusal begins, whoever refuses: "office.conf:12: tunnel office: ". `where` may be
 * NULL. */
static inline void change_begin_refusal(struct text *why, const char *where, const char *tunnel)
{
    text_append(why, "%s%stunnel %s: ", where ? where : "", where ? ": " : "", tunnel);
}

struct changes {
    const struct change *list; /* applied as one: all or nothing */
    size_t count;
    /* The tunnels' names in file order after it (the first root, ties of DNS); NULL: those that
     * stay as they stood, then those that are added. */
    const char *const *order;
    size_t order_count;
    /* The interface's NAT addresses (RULES B1) after it; `has_nat` false: as they are. */
    bool has_nat;
    struct address nat_ipv4;
    struct address nat_ipv6;
};

static inline bool changes_are_any(const struct changes *changes)
{
    return changes->count > 0 || changes->has_nat || changes->order_count > 0;
}

#endif
