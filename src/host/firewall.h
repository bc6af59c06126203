/* SPDX-License-Identifier: MIT */
/* The network's nftables table, `inet hopwire_NAME`: RULES F4, F5, and CVE-2019-14899. It stands as
 * long as the network does, a crash included. With a kill switch it rejects what is not the
 * tunnels'; always it drops what arrives for the interface's addresses elsewhere, and gives answers
 * to our sockets their mark again, so that a strict rp_filter lets them in. With a DNS guard it
 * rejects queries (TCP and UDP to 53, 853 and 5355, NetBIOS's at 137) that would leave by another
 * interface. */
#ifndef HOST_FIREWALL_H
#define HOST_FIREWALL_H

#include "base/prefix.h"
#include "base/text.h"
#include "host/bridge.h"

/* Of every network's interface: a kill switch knows them by it, whatever they are called. */
#define FIREWALL_LINK_GROUP 51820u

/* A link's own network. */
struct firewall_lan {
    struct prefix prefix; /* masked */
    int link_index;
};

/* All borrowed for the call. */
struct firewall {
    const char *network;        /* a name that state_name_is_valid */
    int interface_index;        /* in FIREWALL_LINK_GROUP: a name can change, or become another's */
    const struct address *addresses; /* of the interface */
    size_t address_count;
    const uint32_t *marks; /* of our sockets, at least one; the first is the resolver's too */
    size_t mark_count;
    const struct endpoint *endpoints; /* where the roots send to; FAMILY_NONE: unknown yet */
    size_t endpoint_count;
    const struct prefix *lan; /* masked; what passes the kill switch, both ways of forwarding too */
    size_t lan_count;
    const struct firewall_lan *on_link; /* what passes by that link, from an address of it, to the
                                         * neighbour itself: not by a gateway */
    size_t on_link_count;
    const struct bridge *bridges; /* to guests of this host */
    size_t bridge_count;
    const struct prefix *guests; /* their prefixes, masked */
    size_t guest_count;
    bool allows_lan_multicast; /* and the LAN's link-local addresses and groups */
    bool allows_dns;           /* marked queries for the roots' names */
    bool has_kill_switch;
    bool has_dns_guard; /* names are asked inside a Hopwire network or not at all (RULES G3) */
};

/* What firewall_lay has laid: zeroed, nothing. */
struct firewall_laid {
    uint64_t wanted; /* a hash of the table's text */
    uint64_t stands; /* see nft_table_read */
};

enum firewall_state {
    FIREWALL_GONE,
    FIREWALL_CHANGED, /* somebody emptied it, or took out, added or replaced something */
    FIREWALL_STANDS,  /* exactly as laid */
};

/* Puts exactly this into the table, in one transaction: also over an older one, also a crashed
 * run's, whose count of dropped packets goes on. What *laid tells and stands is left alone. 0, or
 * -errno and a sentence (no nftables in the kernel, no right), and nothing changed. */
int firewall_lay(const struct firewall *firewall, struct firewall_laid *laid, struct text *why);
/* An enum firewall_state, or -errno and a sentence. */
int firewall_look(const char *network, const struct firewall_laid *laid, struct text *why);
/* One that does not exist is fine. 0, or -errno and a sentence. */
int firewall_remove(const char *network, struct text *why);

#endif
