/* SPDX-License-Identifier: MIT */
/* What a configuration is, while and after it is read: plain data and what follows from it. */
#ifndef CONFIG_CONFIG_DATA_H
#define CONFIG_CONFIG_DATA_H

#include <stdio.h>

#include "config/arena.h"
#include "config/config_messages.h"
#include "config/keyword.h"
#include "config/value.h"
#include "engine/description.h"

#define CONFIG_FILE_MOST_BYTES (16u << 20)
#define CONFIG_TUNNELS_MOST 128
#define CONFIG_MTU_LEAST_BYTES 576

struct config_file {
    char *bytes; /* taken from the configuration's memory, which wipes it and gives it back */
    size_t capacity_bytes; /* what was taken */
    size_t len;
    bool others_can_read; /* any permission for group or others */
    char reason[128];     /* of a refusal: "No such file or directory" */
};

struct config_reader {
    /* Reads a whole file (at most CONFIG_FILE_MOST_BYTES: more is refused). False: only `reason` is
     * set, and nothing stays taken. */
    bool (*read)(void *context, const struct memory *memory, const char *path,
                 struct config_file *file);
    /* What only the host knows; each may be NULL, where there is none to ask. */
    bool (*find_port)(void *context, const char *name, uint16_t *port); /* a UDP service's */
    /* A routing table's number, as iproute2 reads its names. */
    bool (*find_table)(void *context, const char *name, uint32_t *table);
    uint32_t (*find_interface)(void *context, const char *name); /* its index; 0: there is none */
    /* The name is another interface's than that of the network `network`, if this is up. */
    bool (*is_taken)(void *context, const char *interface_name, const char *network);
    void *context;
};

struct config_peer {
    struct config_place place;                     /* its [Peer] */
    struct config_place given[KEYWORD_PEER_COUNT]; /* file NULL: not given */
    unsigned *allowed_ip_lines;                    /* beside allowed_ips, in that key's file */
    /* `AllowedIPs = +PREFIX, -PREFIX` changes those of an earlier section of the same peer instead
     * of replacing them. */
    bool changes_allowed_ips;
    struct prefix *withdrawn;
    size_t withdrawn_count;
};

struct config_tunnel {
    struct config_place place;                /* its [Tunnel NAME] or [Interface] */
    struct config_place given[KEYWORD_COUNT]; /* file NULL: not given */
    bool is_plain;                            /* a wg-quick file of the command line */
    char *via;                                /* NULL: a root, or carried by the chain */
    char *included;                           /* path of its `Config =`; NULL: none */
    unsigned *route_lines;                    /* beside routes */
    unsigned *exception_lines;                /* beside route_exceptions */
    char **domains;                           /* search domains among `DNS =`, but a plain file's */
    size_t domain_count;
    struct config_peer *peers;                /* beside the description's */
};

/* Commands of a network, run around its start and its end, in file order. */
enum config_hook_kind { HOOK_PRE_UP, HOOK_POST_UP, HOOK_PRE_DOWN, HOOK_POST_DOWN, HOOK_KINDS };

struct config_hook {
    enum config_hook_kind kind;
    struct config_place place;
    char *command; /* for bash; `%i` stands for the interface */
};

struct config {
    struct arena arena; /* owns everything below */
    char name[TUNNEL_NAME_BYTES];
    char interface_name[INTERFACE_NAME_BYTES];
    struct network_description network;
    struct config_tunnel *tunnels;            /* beside network.tunnels */
    struct config_place given[KEYWORD_COUNT]; /* of [Network] */
    uint32_t mtu_bytes;                       /* of the interface; 0: computed (E2) */
    struct address *dns; /* [Network] or a plain file's DNS: the system's (G3) */
    char **dns_zones;                         /* beside it: of fe80::1%eth0 "eth0"; else NULL */
    size_t dns_count;
    char **domains;
    size_t domain_count;
    bool table_is_off;                        /* `Table = off`: no routes and rules */
    uint32_t table;                           /* `Table = N`; 0: auto */
    uint32_t mark;                            /* `FwMark = VALUE`; 0: one of Hopwire's own */
    uint32_t mark_mask;                       /* `/MASK`: under it the rules know it (F3) */
    uint32_t priority;                        /* of the rules; 0: behind local's (F1) */
    bool has_kill_switch;                     /* F4 */
    bool dns_guard_is_off;                    /* `DNSGuard = off` (G3) */
    bool is_plain;                            /* a single wg-quick file, not a network's */
    bool allows_lan;                          /* `AllowLAN = on`: what is on the uplink's link */
    struct prefix *lan;                       /* `AllowLAN = PREFIX…`, masked */
    size_t lan_count;
    bool saves_itself;                        /* `SaveConfig = true` of a plain file */
    struct config_hook *hooks;                /* in file order */
    size_t hook_count;
};

#endif
