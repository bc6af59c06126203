/* SPDX-License-Identifier: MIT */
#include "io/tun_linux.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* Younger than the headers of some systems that we build on (Linux 6.2). */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define DEVICE "/dev/net/tun"
#define TUN_FLAGS (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR)
#define SCRATCH_BYTES (2 * TUN_READ_BYTES) /* the super-packet in one piece, and one segment */

__attribute__((format(printf, 3, 0))) static int refuse(struct text *why, int error,
                                                        const char *sentence, const char *name)
{
    text_append(why, sentence, name);
    return error;
}

/* Asks for the most first. A kernel that knows none of it hands out whole, checksummed packets. */
static void set_offloads(struct tun *tun, const struct tun_options *options)
{
    const unsigned tso = options->no_tso ? 0 : TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    const unsigned uso = options->no_uso ? 0 : TUN_F_USO4 | TUN_F_USO6;
    bool knows_uso = uso && ioctl(tun->fds[0], TUNSETOFFLOAD, TUN_F_CSUM | tso | uso) == 0;
    bool knows_tso = tso && (knows_uso || ioctl(tun->fds[0], TUNSETOFFLOAD, TUN_F_CSUM | tso) == 0);
    if (!knows_uso && !knows_tso && ioctl(tun->fds[0], TUNSETOFFLOAD, TUN_F_CSUM) < 0)
        ioctl(tun->fds[0], TUNSETOFFLOAD, 0);
    tun->hands_out_tcp = knows_tso;
    tun->hands_out_udp = knows_uso;
    tun->takes_tcp4 = tun->takes_tcp6 = !options->no_tso;
    tun->takes_udp = knows_uso; /* reading and writing them came with the same kernel */
}

static int set_up(struct tun *tun, const struct tun_options *options, short flags, struct text *why)
{
    tun->has_vnet_header = flags & IFF_VNET_HDR;
    if (!tun->has_vnet_header)
        return 0;
    int header_bytes = VNET_HEADER_BYTES;
    if (ioctl(tun->fds[0], TUNSETVNETHDRSZ, &header_bytes) < 0)
        return refuse(why, -errno, "%s: the kernel refuses a 10 byte vnet header", tun->name);
    set_offloads(tun, options);
    return 0;
}

static int open_device(struct text *why)
{
    int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    int error = -errno;
    if (error == -ENOENT || error == -ENODEV || error == -ENXIO)
        text_append(why, DEVICE " is missing: load the kernel's tun module (modprobe tun), or "
                         "give the container this device");
    else if (error == -EACCES || error == -EPERM)
        text_append(why, DEVICE " may not be opened: run as root");
    else
        text_append(why, DEVICE " cannot be opened: %s", strerror(-error));
    return error;
}

int tun_look(struct text *why)
{
    int fd = open_device(why);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

/* Stops at the first that cannot be had: with fewer, flows only share them. */
static void add_queues(struct tun *tun)
{
    struct ifreq request = {.ifr_flags = (short)(TUN_FLAGS | IFF_MULTI_QUEUE)};
    memcpy(request.ifr_name, tun->name, IF_NAMESIZE);
    while (tun->queue_count < TUN_QUEUES_MOST) {
        int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            return;
        if (ioctl(fd, TUNSETIFF, &request) < 0) {
            close(fd);
            return;
        }
        tun->fds[tun->queue_count++] = fd;
    }
}

int tun_open(struct tun *tun, const char *name, const struct tun_options *options, struct text *why)
{
    if (!*name || strlen(name) >= IF_NAMESIZE)
        return refuse(why, -EINVAL, "%s: an interface name has 1 to 15 bytes", name);
    int fd = open_device(why);
    if (fd < 0)
        return fd;
    struct ifreq request = {.ifr_flags = (short)(TUN_FLAGS | IFF_TUN_EXCL)};
    memcpy(request.ifr_name, name, strlen(name));
    if (!options->no_queues)
        request.ifr_flags |= IFF_MULTI_QUEUE;
    int error;
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        error = -errno;
        if (error == -EBUSY)
            error = refuse(why, -EEXIST, "%s: there is such an interface already", name);
        else if (error == -EPERM)
            refuse(why, error, "%s: no right to make an interface: run as root", name);
        else
            text_append(why, "%s: the interface cannot be made: %s", name, strerror(-error));
        goto close_fd;
    }
    struct tun made = {.fds = {fd}, .queue_count = 1};
    memcpy(made.name, request.ifr_name, IF_NAMESIZE - 1);
    error = set_up(&made, options, request.ifr_flags, why);
    if (error)
        goto close_fd;
    if (!options->no_queues)
        add_queues(&made);
    *tun = made;
    return 0;

close_fd:
    close(fd);
    return error;
}

int tun_adopt(struct tun *tun, int fd, const struct tun_options *options, struct text *why)
{
    struct ifreq request = {0};
    if (ioctl(fd, TUNGETIFF, &request) < 0)
        return refuse(why, -errno, "%s is not the descriptor of a TUN interface", "what was given");
    struct tun adopted = {.fds = {fd}, .queue_count = 1};
    memcpy(adopted.name, request.ifr_name, IF_NAMESIZE - 1);
    if (!(request.ifr_flags & IFF_TUN))
        return refuse(why, -EINVAL, "%s must be a TUN, not a TAP", adopted.name);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return refuse(why, -errno, "%s cannot be made non-blocking", adopted.name);
    int error = set_up(&adopted, options, request.ifr_flags, why);
    if (!error)
        *tun = adopted;
    return error;
}

void tun_close(struct tun *tun)
{
    while (tun->queue_count)
        close(tun->fds[--tun->queue_count]);
    free(tun->scratch);
    tun->scratch = NULL;
}

ssize_t tun_read(struct tun *tun, unsigned queue, struct vnet_header *vnet, uint8_t *bytes,
                 size_t capacity)
{
    assert(queue < tun->queue_count);
    const struct iovec parts[2] = {{vnet, sizeof(*vnet)}, {bytes, capacity}};
    ssize_t len;
    if (tun->has_vnet_header) {
        len = readv(tun->fds[queue], parts, 2);
    } else {
        memset(vnet, 0, sizeof(*vnet));
        len = read(tun->fds[queue], bytes, capacity);
    }
    if (len < 0)
        return -errno;
    if (tun->has_vnet_header)
        len = len < VNET_HEADER_BYTES ? 0 : len - VNET_HEADER_BYTES;
    tun->counters.reads++;
    tun->counters.read_bytes += (uint64_t)len;
    return len;
}

static int write_parts(struct tun *tun, const struct iovec *parts, int count)
{
    ssize_t written = writev(tun->fds[0], parts, count);
    if (written >= 0) {
        tun->counters.writes++;
        tun->counters.written_bytes += (uint64_t)written;
        return 0;
    }
    return -errno;
}

static int write_whole(struct tun *tun, const struct tun_frame *frame)
{
    struct iovec parts[1 + COALESCE_SEGMENTS_MOST];
    int count = 0;
    if (tun->has_vnet_header)
        parts[count++] = (struct iovec){(void *)&frame->vnet, VNET_HEADER_BYTES};
    for (const struct packet *packet = frame->first; packet; packet = packet->next) {
        assert(count < (int)(sizeof(parts) / sizeof(*parts)));
        parts[count++] = (struct iovec){packet->data, packet->len_bytes};
    }
    return write_parts(tun, parts, count);
}

static int write_segment(struct tun *tun, const struct packet *packet)
{
    static const struct vnet_header plain = {0};
    const struct iovec parts[2] = {{(void *)&plain, VNET_HEADER_BYTES},
                                   {packet->data, packet->len_bytes}};
    return tun->has_vnet_header ? write_parts(tun, parts, 2) : write_parts(tun, parts + 1, 1);
}

/* Copies the frame into one piece and cuts it as if it came from the TUN: slow, and only for
 * kernels that leave no other way. The first error ends it: a flow's later segments are then lost
 * with it. */
static int write_split(struct tun *tun, const struct tun_frame *frame)
{
    if (!tun->scratch)
        tun->scratch = malloc(SCRATCH_BYTES);
    if (!tun->scratch)
        return -ENOMEM;
    size_t len = 0;
    for (const struct packet *packet = frame->first; packet; packet = packet->next) {
        if (packet->len_bytes > TUN_READ_BYTES - len)
            return -EMSGSIZE;
        memcpy(tun->scratch + len, packet->data, packet->len_bytes);
        len += packet->len_bytes;
    }
    struct ip_view view;
    struct split split;
    if (ip_parse_quoted(tun->scratch, len, &view) != VERDICT_OK ||
        split_init(&split, &frame->vnet, tun->scratch, len, &view) != VERDICT_OK)
        return -EINVAL;
    tun->counters.splits++;
    uint8_t *room = tun->scratch + TUN_READ_BYTES;
    while (!split_is_finished(&split)) {
        struct packet segment = {.data = room, .floor = room, .ceiling = room + TUN_READ_BYTES};
        split_next(&split, &segment);
        int error = write_segment(tun, &segment);
        if (error)
            return error;
    }
    return 0;
}

/* Whether super-packets of this kind may be written; NULL: this is none. */
static bool *super_capability(struct tun *tun, const struct tun_frame *frame)
{
    switch (frame->vnet.gso_type & ~VNET_GSO_ECN) {
    case VNET_GSO_TCPV4:
        return &tun->takes_tcp4;
    case VNET_GSO_TCPV6:
        return &tun->takes_tcp6;
    case VNET_GSO_UDP_L4:
        return &tun->takes_udp;
    default:
        return NULL;
    }
}

int tun_write(struct tun *tun, const struct tun_frame *frame)
{
    bool *takes = super_capability(tun, frame);
    bool may_be_whole =
        takes ? *takes : tun->has_vnet_header || !(frame->vnet.flags & VNET_NEEDS_CSUM);
    int error = may_be_whole ? write_whole(tun, frame) : write_split(tun, frame);
    if (error == -EINVAL && may_be_whole && takes) {
        error = write_split(tun, frame);
        if (!error) /* so it was not the packet that the kernel disliked */
            *takes = false;
    }
    if (error)
        tun->counters.refused_writes++;
    else
        tun->counters.written_packets += frame->packets;
    return error;
}
