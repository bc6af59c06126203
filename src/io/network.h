/* SPDX-License-Identifier: MIT */
/* One network at work: an engine, its TUN, a pair of sockets for each root, on a loop. Runs the
 * engine's doors in fair turns (RULES H2) and performs its actions. */
#ifndef IO_NETWORK_H
#define IO_NETWORK_H

#include "engine/engine.h"
#include "io/loop.h"
#include "io/tun_linux.h"
#include "io/udp_linux.h"

struct network;
struct root;

/* Switches for kernels that get an offload wrong (TRAPS 35). */
struct network_offloads {
    bool no_tun_tso;
    bool no_tun_uso;
    bool no_tun_queues;
    bool no_udp_gso;
    bool no_udp_gro;
};

struct network_options {
    struct loop *loop;                             /* borrowed */
    const struct network_description *description; /* may go after network_start */
    struct tun *tun;                    /* borrowed; open, closed by the caller afterwards */
    const struct memory *secrets;       /* borrowed */
    const struct memory *plain;         /* borrowed: buffers */
    const struct random_source *random; /* borrowed */
    struct aead *aead;                  /* borrowed */
    uint32_t mark; /* of sockets whose tunnel has no fwmark of its own; 0: none */
    struct network_offloads offloads; /* only the UDP ones; the TUN's are tun_options */
    struct log_sink log;
    /* The interface is gone (EBADFD): nothing more will happen. Called once, from the loop. */
    void (*ended)(void *context);
    /* See udp_options; may be NULL. */
    int (*protect)(void *context, int fd);
    void *context;
};

struct network_counters {
    uint64_t turns; /* of a source */
    uint64_t ticks;
    uint64_t idles;       /* empty polls with something held */
    uint64_t tun_packets; /* segments, as far as their header tells */
    uint64_t udp_packets;
    uint64_t tun_errors;
};

/* HOPWIRE_NO_TUN_TSO, HOPWIRE_NO_TUN_USO, HOPWIRE_NO_TUN_QUEUES, HOPWIRE_NO_UDP_GSO,
 * HOPWIRE_NO_UDP_GRO set to anything but 0. */
void network_offloads_from_environment(struct network_offloads *offloads);

/* Opens the sockets, makes the engine and joins the loop; the engine waits for engine_set_up. 0, or
 * -errno and a sentence: -EINVAL: the engine refused the description. */
int network_start(struct network **network, const struct network_options *options,
                  struct text *why);
/* Leaves the loop, wipes the engine, closes the sockets. NULL does nothing. */
void network_stop(struct network *network);

/* For commands and questions. Call it from the loop's thread: what a command sets in motion is
 * picked up at the end of the round. */
struct engine *network_engine(const struct network *network);
/* `root` is an index in the description; a carried tunnel has none of these: NULL, 0,
 * -EOPNOTSUPP. */
const struct udp *network_udp(const struct network *network, uint32_t root);
uint16_t network_port(const struct network *network, uint32_t root);
uint32_t network_mark(const struct network *network, uint32_t root);
/* 0: the options' mark. */
int network_set_mark(struct network *network, uint32_t root, uint32_t mark);
/* engine_apply with what it means for the roots' sockets: new ones are opened first, as only the
 * kernel knows whether a port is free, old ones closed last, and those whose port another root gets
 * go to it; then the marks. 0, or -errno and a sentence, and all is as before. */
int network_apply(struct network *network, const struct changes *changes, struct text *why);
/* What network_apply would refuse now; ports are tried and let go. Changes nothing. */
int network_apply_try(struct network *network, const struct changes *changes, struct text *why);
/* For the options' log. */
void network_log(const struct network *network, enum log_level level, const char *line);
/* Room for the numbers that `more` tunnels may get. False: no memory. */
bool network_reserve(struct network *network, size_t more);
/* Sockets for a root, port 0: any; then network_add_root once the engine has a root of that number,
 * for which there is room and which has none, or network_drop_root. 0, or -errno and a sentence. */
int network_prepare_root(struct network *network, uint16_t port, uint32_t mark,
                         struct root **prepared, struct text *why);
void network_add_root(struct network *network, struct root *prepared, uint32_t tunnel);
/* NULL does nothing. */
void network_drop_root(struct network *network, struct root *prepared);
/* The root's sockets out of their place, for another one or to be dropped. */
struct root *network_take_root(struct network *network, uint32_t tunnel);
/* The host's network under a root changed (RULES F8). */
void network_changed(struct network *network, uint32_t root);
void network_read_counters(const struct network *network, struct network_counters *counters);

#endif
