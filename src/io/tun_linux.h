/* SPDX-License-Identifier: MIT */
/* The TUN device: IP packets and super-packets, one system call each. */
#ifndef IO_TUN_LINUX_H
#define IO_TUN_LINUX_H

#include <net/if.h>

#include "base/text.h"
#include "packet/offload.h"

/* A buffer for tun_read: the largest super-packet. */
#define TUN_READ_BYTES (65536 + 64)
#define TUN_QUEUES_MOST 8

struct tun_options {
    bool no_tso; /* neither reads nor writes TCP super-packets (TRAPS 35) */
    bool no_uso; /* the same for UDP */
    bool no_queues; /* one queue for all flows */
};

struct tun_counters {
    uint64_t reads;
    uint64_t read_bytes;
    uint64_t writes;
    uint64_t written_bytes;
    uint64_t written_packets; /* that the writes carried */
    uint64_t refused_writes;
    uint64_t splits; /* super-packets that the kernel did not take as such (TRAPS 34) */
};

/* The kernel puts an answered flow into the queue that its answers were written to, which is the
 * first, and any other by its hash. So a flood that nobody answers mostly fills a queue of its own,
 * and what finds no room there is its own (TRAPS 14). */
struct tun {
    int fds[TUN_QUEUES_MOST];
    unsigned queue_count;
    char name[IF_NAMESIZE];
    bool has_vnet_header;
    bool hands_out_tcp; /* reads may return TCP (TSO) or UDP (USO) super-packets */
    bool hands_out_udp;
    bool takes_tcp4; /* as super-packets: for engine_options */
    bool takes_tcp6;
    bool takes_udp;
    uint8_t *scratch; /* for splitting what the kernel refused; made when first needed */
    struct tun_counters counters;
};

/* The device can be opened: 0, or -errno and a sentence. */
int tun_look(struct text *why);
/* Makes the interface `name` (it goes when the descriptors are closed) with the best offloads that
 * the kernel has and as many queues as it and the limit of open files allow. 0; or -errno and a
 * sentence: -EEXIST: there is such an interface, -ENOENT or -ENODEV: no /dev/net/tun, -EPERM. */
int tun_open(struct tun *tun, const char *name, const struct tun_options *options,
             struct text *why);
/* Takes a descriptor of an existing TUN (IFF_TUN, IFF_NO_PI, with or without IFF_VNET_HDR): made
 * non-blocking. Whether it has IFF_NO_PI is the caller's to know: no descriptor tells. On failure
 * it stays the caller's. 0, or -errno and a sentence. */
int tun_adopt(struct tun *tun, int fd, const struct tun_options *options, struct text *why);
void tun_close(struct tun *tun);

/* Reads one packet or super-packet from a queue. Its length, or -errno: -EAGAIN: none; -EBADFD: the
 * interface is gone. */
ssize_t tun_read(struct tun *tun, unsigned queue, struct vnet_header *vnet, uint8_t *bytes,
                 size_t capacity);
/* Writes one frame, to the first queue; the packets stay the caller's. A super-packet that the
 * kernel refuses is written as single packets, now and from then on (TRAPS 34). 0, or -errno: -EIO:
 * the link is down; -EBADFD: gone. */
int tun_write(struct tun *tun, const struct tun_frame *frame);

#endif
