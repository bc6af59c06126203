/* SPDX-License-Identifier: MIT */
/* Small datagrams as fast as the host takes them: sendmmsg without UDP_SEGMENT, and the count of
 * what arrives. iperf3 is too slow for this.
 *
 *     udp_flood send ADDRESS PORT SECONDS [BYTES [RATE [SOURCE]]]    prints "sent=N seconds=S"
 *     udp_flood receive PORT SECONDS    prints "ready", then "received=N seconds=S"
 *
 * RATE is in datagrams a second, 0 (as without it) as fast as it goes. The receiver counts from the
 * first datagram on and ends after SECONDS or 0.3 s of silence. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH_PACKETS 64
#define SLOT_BYTES 2048
#define SILENCE_MS 300
#define RECEIVE_BUFFER_BYTES (32 << 20)

static uint8_t slots[BATCH_PACKETS][SLOT_BYTES];
static struct iovec pieces[BATCH_PACKETS];
static struct mmsghdr messages[BATCH_PACKETS];

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void prepare(size_t bytes)
{
    for (size_t i = 0; i < BATCH_PACKETS; i++) {
        pieces[i] = (struct iovec){slots[i], bytes};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
}

/* A destination in one socket for both families: IPv4 as a mapped address. */
static int parse(const char *text, const char *port, struct sockaddr_in6 *address)
{
    char mapped[INET6_ADDRSTRLEN + 8];
    snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
    *address =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
    return inet_pton(AF_INET6, mapped, &address->sin6_addr) == 1;
}

/* Datagrams in the next sendmmsg. With a rate they leave every millisecond: a wake-up each would
 * cost more than the datagram. */
static unsigned wait_for_turn(double start_s, unsigned rate, unsigned long long sent)
{
    if (!rate)
        return BATCH_PACKETS;
    double due = (now_s() - start_s) * rate - (double)sent;
    if (due < 1) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        return 0;
    }
    return due < BATCH_PACKETS ? (unsigned)due : BATCH_PACKETS;
}

static int flood(int fd, const struct sockaddr_in6 *to, double seconds, size_t bytes, unsigned rate)
{
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0) {
        perror("connect");
        return 1;
    }
    prepare(bytes);
    unsigned long long sent = 0;
    double start_s = now_s(), end_s = start_s + seconds;
    do {
        unsigned count = wait_for_turn(start_s, rate, sent);
        int done = count ? sendmmsg(fd, messages, count, 0) : 0;
        sent += done > 0 ? (unsigned)done : 0;
    } while (now_s() < end_s);
    printf("sent=%llu seconds=%.3f\n", sent, now_s() - start_s);
    return 0;
}

static int count(int fd, double seconds)
{
    int wanted = RECEIVE_BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
    prepare(SLOT_BYTES);
    printf("ready\n");
    fflush(stdout);
    unsigned long long received = 0;
    double first_s = 0, last_s = 0;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (poll(&readable, 1, received ? SILENCE_MS : -1) > 0) {
        int done = recvmmsg(fd, messages, BATCH_PACKETS, MSG_DONTWAIT, NULL);
        if (done <= 0)
            continue;
        last_s = now_s();
        first_s = received ? first_s : last_s;
        received += (unsigned)done;
        if (last_s - first_s >= seconds)
            break;
    }
    printf("received=%llu seconds=%.3f\n", received, last_s - first_s);
    return 0;
}

int main(int argc, char **argv)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), no = 0;
    struct sockaddr_in6 address;
    if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0) {
        perror("socket");
        return 1;
    }
    if (argc >= 5 && strcmp(argv[1], "send") == 0 && parse(argv[2], argv[3], &address)) {
        size_t bytes = argc > 5 ? strtoul(argv[5], NULL, 10) : 64;
        unsigned rate = argc > 6 ? (unsigned)strtoul(argv[6], NULL, 10) : 0;
        struct sockaddr_in6 source;
        if (argc > 7 && (!parse(argv[7], "0", &source) ||
                         bind(fd, (const struct sockaddr *)&source, sizeof(source)) < 0)) {
            perror("source");
            return 1;
        }
        return flood(fd, &address, atof(argv[4]), bytes > SLOT_BYTES ? SLOT_BYTES : bytes, rate);
    }
    if (argc == 4 && strcmp(argv[1], "receive") == 0 && parse("::", argv[2], &address)) {
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
            perror("bind");
            return 1;
        }
        return count(fd, atof(argv[3]));
    }
    fprintf(stderr, "udp_flood send ADDRESS PORT SECONDS [BYTES [RATE [SOURCE]]] | "
                    "udp_flood receive PORT SECONDS\n");
    return 2;
}
