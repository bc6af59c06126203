/* SPDX-License-Identifier: MIT */
#include "daemon/ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/described.h"
#include "engine/status.h"

static int bind_udp(const struct address *address, uint16_t port)
{
    bool is_ipv4 = address->family == FAMILY_IPV4;
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int smallest = 0, only = 1,
        fd = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    memcpy(&ipv4.sin_addr, address->bytes, sizeof(ipv4.sin_addr));
    memcpy(&ipv6.sin6_addr, address->bytes, sizeof(ipv6.sin6_addr));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest));
    if (!is_ipv4)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    int result = is_ipv4 ? bind(fd, (struct sockaddr *)&ipv4, sizeof(ipv4))
                         : bind(fd, (struct sockaddr *)&ipv6, sizeof(ipv6));
    if (result == 0)
        return fd;
    result = -errno;
    close(fd);
    return result;
}

int ports_try(uint16_t port)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    int fds[2] = {-1, -1}, result = 0;
    for (size_t i = 0; i < 2 && result == 0; i++) {
        const struct address any = {.family = (uint8_t)families[i]};
        fds[i] = bind_udp(&any, port);
        /* A family that the host has not is no hindrance. */
        if (fds[i] < 0 && fds[i] != -EAFNOSUPPORT && fds[i] != -EADDRNOTAVAIL)
            result = fds[i];
    }
    for (size_t i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return result;
}

static const struct address *first_address(const struct tunnel_description *tunnel,
                                           enum family family)
{
    for (size_t i = 0; i < tunnel->address_count; i++) {
        if (tunnel->addresses[i].family == family)
            return &tunnel->addresses[i];
    }
    return NULL;
}

static bool is_on_interface(const struct config *config, size_t carrier,
                            const struct address *address)
{
    return !description_nat_is_on(&config->network, carrier) ||
           address_is_equal(address, &config->network.nat_ipv4) ||
           address_is_equal(address, &config->network.nat_ipv6);
}

/* The tunnel's port on the addresses of its carrier, which may be itself (RULES A8). */
static void reserve(struct ports *ports, const struct config *config, uint32_t tunnel,
                    uint32_t carrier, uint16_t port, struct log *log)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    for (size_t i = 0; i < 2; i++) {
        const struct address *address =
            first_address(&config->network.tunnels[carrier], families[i]);
        char line[160], text[ADDRESS_TEXT_BYTES];
        if (!address || !is_on_interface(config, carrier, address))
            continue;
        int fd = bind_udp(address, port);
        if (fd >= 0) {
            ports->fds[ports->count++] = fd;
            continue;
        }
        snprintf(line, sizeof(line), "%s: UDP port %u of %s cannot be reserved: %s",
                 config->network.tunnels[tunnel].name, port, address_format(address, text),
                 strerror(-fd));
        log_notice(log, line);
    }
}

int ports_reserve(struct ports *ports, const struct config *config, const struct engine *engine,
                  struct log *log)
{
    ports->fds = calloc(4 * config->network.tunnel_count + 1, sizeof(*ports->fds));
    if (!ports->fds)
        return -ENOMEM;
    int number = -1;
    for (uint32_t i = 0; i < config->network.tunnel_count; i++) {
        struct status_tunnel tunnel;
        number = engine_next_tunnel(engine, number);
        status_read_tunnel(engine, (uint32_t)number, &tunnel);
        bool is_root = tunnel.carrier < 0;
        if (!is_root)
            reserve(ports, config, i, (uint32_t)described_place(engine, (uint32_t)tunnel.carrier),
                    tunnel.listen_port, log);
        /* A root's own ListenPort is its socket's, on all addresses. */
        if (tunnel.inner_port && !(is_root && tunnel.inner_port == tunnel.listen_port))
            reserve(ports, config, i, i, tunnel.inner_port, log);
    }
    return 0;
}

void ports_release(struct ports *ports)
{
    for (size_t i = 0; i < ports->count; i++)
        close(ports->fds[i]);
    free(ports->fds);
    *ports = (struct ports){0};
}
