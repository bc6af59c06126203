/* SPDX-License-Identifier: MIT */
#include "host/dhcp.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/small_file.h"

#define LEASES_BYTES_MOST (256 * 1024)
#define NETWORKD_LEASE "/run/systemd/netif/leases/%d"
#define DHCLIENT_LEASES "/var/lib/dhcp/dhclient*.leases"

static bool take_server(const char *text, struct address *server)
{
    struct address parsed;
    if (!address_parse(text, &parsed) || parsed.family != FAMILY_IPV4 ||
        address_is_unspecified(&parsed) || address_is_loopback(&parsed))
        return false;
    *server = parsed;
    return true;
}

bool dhcp_server_in_networkd(char *text, struct address *server)
{
    static const char key[] = "SERVER_ADDRESS=";
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (strncmp(line, key, sizeof(key) - 1) == 0)
            return take_server(line + sizeof(key) - 1, server);
    return false;
}

bool dhcp_server_in_dhclient(char *text, const char *link_name, struct address *server)
{
    static const char server_key[] = "option dhcp-server-identifier ", link_key[] = "interface \"";
    bool is_of_link = false, is_found = false;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        line += strspn(line, " \t");
        char *end = strpbrk(line, ";");
        if (!end)
            continue;
        *end = '\0';
        if (strncmp(line, link_key, sizeof(link_key) - 1) == 0) {
            size_t len = strlen(link_name);
            line += sizeof(link_key) - 1;
            is_of_link = strncmp(line, link_name, len) == 0 && strcmp(line + len, "\"") == 0;
        } else if (is_of_link && strncmp(line, server_key, sizeof(server_key) - 1) == 0) {
            is_found |= take_server(line + sizeof(server_key) - 1, server);
        }
    }
    return is_found;
}

/* The file's text, malloc's; NULL: there is none. Of a longer one the end counts. */
static char *read_text(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return NULL;
    size_t len;
    if (lseek(file, -LEASES_BYTES_MOST, SEEK_END) < 0)
        lseek(file, 0, SEEK_SET);
    char *text = small_file_take(file, LEASES_BYTES_MOST, &len);
    close(file);
    return text;
}

bool dhcp_server(int link_index, const char *link_name, struct address *server)
{
    char path[64];
    snprintf(path, sizeof(path), NETWORKD_LEASE, link_index);
    char *text = read_text(path);
    bool is_found = text && dhcp_server_in_networkd(text, server);
    free(text);
    glob_t leases;
    if (is_found || glob(DHCLIENT_LEASES, 0, NULL, &leases) != 0)
        return is_found;
    for (size_t i = 0; i < leases.gl_pathc && !is_found; i++) {
        text = read_text(leases.gl_pathv[i]);
        is_found = text && dhcp_server_in_dhclient(text, link_name, server);
        free(text);
    }
    globfree(&leases);
    return is_found;
}
