/* SPDX-License-Identifier: MIT */
#include "host/uplink_dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/dns.h"

#define SYSTEMD_RESOLV_CONF "/run/systemd/resolve/resolv.conf"
#define RESOLV_CONF_BYTES_MOST 65536

struct found {
    struct uplink_dns dns;
    bool names_stub;  /* systemd-resolved's */
    bool names_local; /* another one on this host */
};

static bool is_systemd_stub(const struct address *address)
{
    /* systemd-resolved listens on 127.0.0.53 and, without DNSSEC in between, on .54. */
    static const uint8_t stubs[2][4] = {{127, 0, 0, 53}, {127, 0, 0, 54}};
    return address->family == FAMILY_IPV4 &&
           (memcmp(address->bytes, stubs[0], 4) == 0 || memcmp(address->bytes, stubs[1], 4) == 0);
}

/* One line of resolv.conf(5). Servers with a scope ("fe80::1%eth0") are passed over. */
static void take_line(const char *line, struct found *found)
{
    static const char blanks[] = " \t\r";
    static const char keyword[] = "nameserver";
    char text[ADDRESS_TEXT_BYTES];
    struct address address;
    line += strspn(line, blanks);
    if (strncmp(line, keyword, strlen(keyword)) != 0)
        return;
    line += strlen(keyword);
    size_t gap = strspn(line, blanks), len = strcspn(line + gap, " \t\r#;");
    if (gap == 0 || len >= sizeof(text))
        return;
    memcpy(text, line + gap, len);
    text[len] = '\0';
    if (!address_parse(text, &address))
        return;
    if (is_systemd_stub(&address))
        found->names_stub = true;
    else if (address_is_loopback(&address) || address_is_unspecified(&address))
        found->names_local = true;
    else if (found->dns.count < UPLINK_DNS_MOST)
        found->dns.addresses[found->dns.count++] = address;
}

static void take_lines(FILE *file, struct found *found)
{
    char line[512];
    bool is_continued = false;
    for (size_t read_bytes = 0;
         read_bytes < RESOLV_CONF_BYTES_MOST && fgets(line, sizeof(line), file);
         read_bytes += strlen(line) + 1) {
        size_t len = strcspn(line, "\n");
        bool is_whole = line[len] == '\n';
        line[len] = '\0';
        if (!is_continued)
            take_line(line, found);
        is_continued = !is_whole;
    }
    fclose(file);
}

/* Of `text`, or if that is NULL of what stands at `path`. */
static int read_servers(const char *path, char *text, struct found *found, struct text *why)
{
    *found = (struct found){0};
    if (text && !*text)
        return 0; /* fmemopen refuses it */
    FILE *file = text ? fmemopen(text, strlen(text), "r") : fopen(path, "re");
    if (!file) {
        int error = errno;
        text_append(why, "cannot read %s, which names the host's DNS servers: %s", path,
                    strerror(error));
        return -error;
    }
    take_lines(file, found);
    return 0;
}

/* systemd-resolved lists the servers of all links in the order of their indices, so those of an
 * uplink that came after the tunnels stand behind the tunnels'. A server of both stays if there is
 * no other. */
static void leave_out_told(struct uplink_dns *dns)
{
    struct uplink_dns kept = {0};
    for (size_t i = 0; i < dns->count; i++)
        if (!dns_told_resolved(&dns->addresses[i]))
            kept.addresses[kept.count++] = dns->addresses[i];
    if (kept.count > 0)
        *dns = kept;
}

/* RULES G1: never a resolver on this host, whose own queries carry no mark. */
int uplink_dns_find(const struct uplink_dns_files *files, struct uplink_dns *dns, struct text *why)
{
    const char *path = files->resolv_conf ? files->resolv_conf : UPLINK_DNS_RESOLV_CONF;
    struct found found;
    /* Or the tunnels' own servers would be asked from outside. */
    char *before = files->resolv_conf ? NULL : dns_text_before(path);
    int result = read_servers(path, before, &found, why);
    free(before);
    if (result == 0 && found.names_stub && found.dns.count == 0) {
        path = files->systemd_resolv_conf ? files->systemd_resolv_conf : SYSTEMD_RESOLV_CONF;
        result = read_servers(path, NULL, &found, why);
    }
    if (result < 0)
        return result;
    if (found.dns.count > 0) {
        *dns = found.dns;
        if (!files->resolv_conf)
            leave_out_told(dns);
        return 0;
    }
    if (found.names_local) {
        text_append(why,
                    "%s names only a resolver on this host (127.0.0.1 or ::1), whose own queries "
                    "would enter the tunnels: write the uplink's DNS server there, or the "
                    "endpoint's address "
                    "into the configuration",
                    path);
        return -EPERM;
    }
    text_append(why,
                "%s names no DNS server: write the uplink's there, or the endpoint's address into "
                "the configuration",
                path);
    return -EDESTADDRREQ;
}
