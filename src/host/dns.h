/* SPDX-License-Identifier: MIT */
/* The system's name servers while a network is up (RULES G3): set by whoever keeps what
 * /etc/resolv.conf leads to, systemd-resolved or resolvconf, else by writing that file. A record
 * beside the state file, written first, says what to undo, also after a crash (dns_record.h). Needs
 * all rights; never waits without a bound. */
#ifndef HOST_DNS_H
#define HOST_DNS_H

#include "base/address.h"
#include "base/text.h"

struct dns_wish {
    const char *network;
    const char *interface;
    const struct address *servers;
    char *const *zones; /* beside them: of fe80::1%eth0 "eth0"; NULL, or each NULL: none */
    size_t server_count;
    char *const *domains; /* search domains, and "~corp": whose names the servers are for */
    size_t domain_count;
};

/* 0, or -errno and a sentence, and the system as before. What an earlier run of the network left
 * behind, by a crash or since it could not be undone, is taken over. */
int dns_set(const struct dns_wish *wish, struct text *why);

/* The same of a network that has set some, while it is up: the place of its servers among other
 * networks' stays. On failure they may have been told in part: say what they were again. */
int dns_change(const struct dns_wish *wish, struct text *why);
/* A network that stays up has none any more; the rest is dns_undo's. */
int dns_leave(const struct dns_wish *wish, struct text *why);

/* What dns_set would refuse, as far as that can be told without doing it; changes nothing. 0, or
 * -errno and a sentence; a right that this process lacks is no reason. */
int dns_look(const struct dns_wish *wish, struct text *why);

/* As before the first dns_set of all networks, or as a network shows it that is still up, unless
 * somebody else keeps it now. 0, also when none was set; or -errno and a sentence: what could not
 * be undone stays in the record, for the next time. `may_forget`: what was set where nothing is any
 * more (in a container that is gone) needs no undoing. */
int dns_undo(const char *network, bool may_forget, struct text *why);

/* After others wrote /etc/resolv.conf: shows our servers again, and keeps theirs to be restored. 1:
 * it did; 0: there was nothing to do; or -errno and a sentence. */
int dns_lay_again(const char *network, struct text *why);
/* A descriptor that is readable when others may have written it; -1: nobody needs to look, or, with
 * a sentence, nobody can. To be read empty and closed. */
int dns_watch(const char *network, struct text *why);

/* ---- for queries outside of the tunnels (G1) ---- */

/* resolv.conf's text as others last wrote it, if what stands in `resolv_conf` comes from a dns_set;
 * malloc's. NULL: it does not. */
char *dns_text_before(const char *resolv_conf);
/* True: systemd-resolved was told this server for a network's interface. */
bool dns_told_resolved(const struct address *server);

#endif
