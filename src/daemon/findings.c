/* SPDX-License-Identifier: MIT */
#include "daemon/findings.h"

#include <stdio.h>
#include <string.h>

#include "config/keytext.h"
#include "daemon/host_dns.h"

#define LINE_BYTES 512
#define KEY_SHOWN 8

/* A line of what was said elsewhere in one text. */
static void tell_lines(char *lines, enum log_level level, const struct log_sink *sink)
{
    for (char *line; (line = strsep(&lines, "\n")) && *line;)
        log_sink_say(sink, level, line);
}

static void tell_beside(struct daemon *daemon, const struct log_sink *sink)
{
    char lines[BESIDE_BYTES];
    struct text text;
    text_init(&text, lines, sizeof(lines));
    beside_append(daemon->config, &daemon->state.routing, &daemon->netlink, &text);
    tell_lines(lines, LOG_LEVEL_NOTICE, sink);
}

/* Who asks for names where nobody is, told as `up` does, is no failure of what is up. */
static void note(void *context, enum log_level level, const char *line)
{
    (void)level;
    log_sink_say(context, LOG_LEVEL_NOTICE, line);
}

/* The kernel's or the way's refusal of runs costs speed, and nobody sees it. */
static void tell_runs(struct daemon *daemon, uint32_t root, const char *name,
                      const struct log_sink *sink)
{
    const struct udp *udp = network_udp(daemon->network, root);
    char line[LINE_BYTES];
    if (!udp || udp_counters(udp)->unsegmented == 0)
        return;
    snprintf(line, sizeof(line),
             "%s: datagrams go singly where runs of them (UDP_SEGMENT) were refused, %llu times so "
             "far: a link without checksum offload, or a way narrower than the link; `MTU =` of "
             "%s may be too large",
             name, (unsigned long long)udp_counters(udp)->unsegmented, name);
    log_sink_say(sink, LOG_LEVEL_NOTICE, line);
}

static void tell_way(const struct status_peer *peer, const char *name, const struct log_sink *sink)
{
    char line[LINE_BYTES], key[KEYTEXT_CHARACTERS + 1], router[ADDRESS_TEXT_BYTES];
    keytext_format(peer->public_key, key);
    if (peer->path_mtu_bytes) {
        snprintf(line, sizeof(line),
                 "%s: the way to peer %.*s… takes %u bytes, less than its carrier: MTU %u inside; "
                 "it is tried again every ten minutes, unless `MTU = %u` is written",
                 name, KEY_SHOWN, key, peer->path_mtu_bytes, peer->mtu_bytes, peer->mtu_bytes);
        log_sink_say(sink, LOG_LEVEL_NOTICE, line);
    }
    if (peer->error) {
        snprintf(line, sizeof(line), "%s: of what goes to peer %.*s… %s said %llu s ago: %s", name,
                 KEY_SHOWN, key, address_format(&peer->error_source, router),
                 (unsigned long long)(peer->error_ns / NS_PER_S), peer->error);
        log_sink_say(sink, LOG_LEVEL_NOTICE, line);
    }
}

static void tell_tunnel(struct daemon *daemon, uint32_t number, const struct log_sink *sink)
{
    const struct engine *engine = network_engine(daemon->network);
    struct status_tunnel tunnel;
    struct status_peer peer;
    char line[LINE_BYTES];
    status_read_tunnel(engine, number, &tunnel);
    snprintf(line, sizeof(line), "%s: MTU %u", tunnel.name, tunnel.mtu_bytes);
    log_sink_say(sink, LOG_LEVEL_INFO, line);
    tell_runs(daemon, number, tunnel.name, sink);
    for (int i = -1; (i = engine_next_peer(engine, number, i)) >= 0;) {
        status_read_peer(engine, number, (uint32_t)i, loop_now(), &peer);
        tell_way(&peer, tunnel.name, sink);
    }
}

static void tell_tun(const struct daemon *daemon, const struct log_sink *sink)
{
    const struct tun *tun = &daemon->tun;
    char line[LINE_BYTES];
    snprintf(line, sizeof(line), "interface %s: packets in runs:%s%s%s%s", tun->name,
             tun->takes_tcp4 ? " TCP" : "", tun->takes_tcp6 ? " TCP over IPv6" : "",
             tun->takes_udp ? " UDP" : "",
             tun->takes_tcp4 || tun->takes_tcp6 || tun->takes_udp
                 ? ""
                 : " none, this kernel's TUN gives and takes them singly");
    log_sink_say(sink, LOG_LEVEL_INFO, line);
}

void findings_tell(struct daemon *daemon, struct log_sink sink)
{
    const struct engine *engine = network_engine(daemon->network);
    char line[BEHIND_BYTES + 64];
    const struct log_sink notes = {.take = note, .context = &sink};
    if (*daemon->behind.said) {
        snprintf(line, sizeof(line), "this host is behind: %s; tried again until it is done",
                 daemon->behind.said);
        log_sink_say(&sink, LOG_LEVEL_WARNING, line);
    }
    if (daemon->is_interface_down)
        log_sink_say(&sink, LOG_LEVEL_WARNING,
                     "its interface is down: nothing enters the tunnels; set it up with `ip link`");
    tell_beside(daemon, &sink);
    host_dns_tell(daemon, notes);
    for (int i = -1; (i = engine_next_tunnel(engine, i)) >= 0;)
        tell_tunnel(daemon, (uint32_t)i, &sink);
    tell_tun(daemon, &sink);
}
