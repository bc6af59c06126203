/* SPDX-License-Identifier: MIT */
#include "host/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/state.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLVED_DIRECTORY "/run/systemd/resolve"
#define INTERFACE_ORDER "/etc/resolvconf/interface-order"
#define MARKER "# written by hopwire for "
#define FILE_BYTES_MOST 65536
#define LIST_BYTES 2048
#define ITEMS_MOST 40
#define INTERFACE_BYTES 32
#define RESOLVCONF_NAME_BYTES (INTERFACE_BYTES + 4)

enum way { WAY_NONE, WAY_RESOLVECTL, WAY_RESOLVCONF, WAY_FILE };

static const char *const way_names[] = {
    [WAY_NONE] = "none", [WAY_RESOLVECTL] = "resolvectl", [WAY_RESOLVCONF] = "resolvconf",
    [WAY_FILE] = "file"};

extern char **environ;

int dns_path(const char *network, char *path, struct text *why)
{
    return state_path(network, ".dns", path, why);
}

/* ---- files ---- */

/* The text (NUL-terminated, to be freed), or NULL: errno. */
static char *read_text(const char *path)
{
    char *bytes = calloc(1, FILE_BYTES_MOST + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = 1;
    while (bytes && fd >= 0 && got > 0 && len < FILE_BYTES_MOST) {
        got = read(fd, bytes + len, FILE_BYTES_MOST - len);
        len += got > 0 ? (size_t)got : 0;
    }
    int error = fd < 0 || got < 0 ? errno : len == FILE_BYTES_MOST ? EFBIG : 0;
    if (fd >= 0)
        close(fd);
    if (!bytes || error) {
        free(bytes);
        errno = bytes ? error : ENOMEM;
        return NULL;
    }
    return bytes;
}

static int write_text(const char *path, int flags, const char *first, const char *second)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC | flags, 0600);
    if (fd < 0)
        return -errno;
    size_t first_len = strlen(first), second_len = strlen(second);
    bool is_written = write(fd, first, first_len) == (ssize_t)first_len &&
                      write(fd, second, second_len) == (ssize_t)second_len;
    int error = is_written ? 0 : errno ? errno : EIO;
    if (close(fd) < 0 && !error)
        error = errno;
    return -error;
}

/* As a whole or not at all, wherever it is killed. */
static int replace_text(const char *path, const char *first, const char *second)
{
    char beside[STATE_PATH_BYTES + 4];
    snprintf(beside, sizeof(beside), "%s.new", path);
    int result = write_text(beside, O_CREAT, first, second);
    if (result == 0 && rename(beside, path) < 0)
        result = -errno;
    if (result < 0)
        unlink(beside);
    return result;
}

/* ---- programs ---- */

static bool has_program(const char *name)
{
    const char *path = getenv("PATH");
    char candidate[512];
    while (path && *path) {
        size_t len = strcspn(path, ":");
        snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)len, path, name);
        if (len && access(candidate, X_OK) == 0)
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

/* Runs it to its end, `input` (shorter than a pipe holds) on its standard input. */
static int run(const char *const *arguments, const char *input, struct text *why)
{
    int ends[2], status = 0;
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) < 0 || posix_spawn_file_actions_init(&actions) != 0)
        return -errno;
    bool is_fed = write(ends[1], input, strlen(input)) == (ssize_t)strlen(input);
    close(ends[1]);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    int error = is_fed ? posix_spawnp(&child, arguments[0], &actions, NULL,
                                       (char *const *)arguments, environ)
                        : EIO;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    while (error == 0 && waitpid(child, &status, 0) < 0)
        error = errno == EINTR ? 0 : errno;
    if (error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    text_append(why, "%s %s did not set the system's DNS (%s)", arguments[0], arguments[1],
                error ? strerror(error) : "see what it said");
    return error ? -error : -EIO;
}

/* ---- the three ways ---- */

/* A mount of its own cannot be replaced by renaming: no manager keeps it. */
static bool is_mount(const char *path)
{
    struct statx found;
    return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &found) == 0 &&
           (found.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
           (found.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static enum way choose_way(void)
{
    if (access(RESOLVED_DIRECTORY, F_OK) == 0 && has_program("resolvectl"))
        return WAY_RESOLVECTL;
    if (has_program("resolvconf"))
        return WAY_RESOLVCONF;
    return is_mount(RESOLV_CONF) ? WAY_FILE : WAY_NONE;
}

/* resolvconf orders by interface; Debian's knows tunnels as "tun.*". */
static void name_for_resolvconf(const char *interface, char name[RESOLVCONF_NAME_BYTES])
{
    snprintf(name, RESOLVCONF_NAME_BYTES, "%s%s", access(INTERFACE_ORDER, F_OK) == 0 ? "tun." : "",
             interface);
}

static void format_file(const struct dns_wish *wish, struct text *text)
{
    char address[ADDRESS_TEXT_BYTES];
    for (size_t i = 0; i < wish->server_count; i++)
        text_append(text, "nameserver %s\n", address_format(&wish->servers[i], address));
    for (size_t i = 0; i < wish->domain_count; i++)
        text_append(text, "%s%s", i ? " " : "search ", wish->domains[i]);
    if (wish->domain_count)
        text_append(text, "\n");
}

/* To be freed; NULL: no memory. */
static char *list_of(const struct dns_wish *wish)
{
    char *list = calloc(1, LIST_BYTES);
    struct text text;
    if (!list)
        return NULL;
    text_init(&text, list, LIST_BYTES);
    format_file(wish, &text);
    return list;
}

static int set_resolvectl(const struct dns_wish *wish, struct text *why)
{
    char texts[ITEMS_MOST][ADDRESS_TEXT_BYTES];
    const char *arguments[ITEMS_MOST + 4] = {"resolvectl", "dns", wish->interface};
    size_t count = 3;
    for (size_t i = 0; i < wish->server_count && i < ITEMS_MOST; i++)
        arguments[count++] = address_format(&wish->servers[i], texts[i]);
    int result = run(arguments, "", why);
    const char *domains[ITEMS_MOST + 5] = {"resolvectl", "domain", wish->interface, "~."};
    for (size_t i = 0; i < wish->domain_count && i < ITEMS_MOST; i++)
        domains[4 + i] = wish->domains[i];
    return result ? result : run(domains, "", why);
}

static int set_way(const struct dns_wish *wish, enum way way, struct text *why)
{
    char list[LIST_BYTES], marker[256], name[RESOLVCONF_NAME_BYTES];
    struct text text;
    text_init(&text, list, sizeof(list));
    format_file(wish, &text);
    if (text.is_cut) {
        text_append(why, "too many name servers and search domains; remove some from DNS");
        return -E2BIG;
    }
    if (way == WAY_RESOLVECTL)
        return set_resolvectl(wish, why);
    if (way == WAY_RESOLVCONF) {
        name_for_resolvconf(wish->interface, name);
        const char *arguments[] = {"resolvconf", "-a", name, "-m", "0", "-x", NULL};
        return run(arguments, list, why);
    }
    snprintf(marker, sizeof(marker), MARKER "%s; `hopwire down %s` restores it\n", wish->network,
             wish->network);
    int result = write_text(RESOLV_CONF, 0, marker, list);
    if (result < 0)
        text_append(why, "cannot write %s: %s", RESOLV_CONF, strerror(-result));
    return result;
}

bool dns_lists_told(const char *path)
{
    char *text = read_text(path);
    bool lists = text && strncmp(text, "resolvectl ", 11) == 0;
    free(text);
    return lists;
}

bool dns_is_ours(const char *resolv_conf, const char *path)
{
    char *now = read_text(resolv_conf), *before = read_text(path);
    bool by_resolvconf = before && strncmp(before, "resolvconf ", 11) == 0;
    bool is_ours = before && now && (by_resolvconf || strncmp(now, MARKER, strlen(MARKER)) == 0);
    free(now);
    free(before);
    return is_ours;
}

int dns_set(const struct dns_wish *wish, struct text *why)
{
    char path[STATE_PATH_BYTES], first[128];
    enum way way = choose_way();
    int result = dns_path(wish->network, path, why);
    if (result < 0)
        return result;
    if (way == WAY_NONE) {
        text_append(why,
                    "the system's DNS cannot be set: there is neither systemd-resolved with "
                    "resolvectl nor resolvconf, and %s is no mount of its own; install openresolv, "
                    "or remove DNS from the configuration",
                    RESOLV_CONF);
        return -EOPNOTSUPP;
    }
    snprintf(first, sizeof(first), "%s %s\n", way_names[way], wish->interface);
    if (access(path, F_OK) != 0 || dns_lists_told(path)) { /* else a crashed run's text of before */
        char *text = way == WAY_RESOLVECTL ? list_of(wish) : read_text(RESOLV_CONF);
        result = replace_text(path, first, text ? text : "");
        free(text);
        if (result < 0) {
            text_append(why, "cannot write %s: %s", path, strerror(-result));
            return result;
        }
    }
    result = set_way(wish, way, why);
    char ignored[256];
    struct text whatever;
    text_init(&whatever, ignored, sizeof(ignored));
    if (result < 0)
        dns_undo(wish->network, &whatever);
    return result;
}

static int restore_file(const char *network, const char *before, struct text *why)
{
    char marker[256];
    snprintf(marker, sizeof(marker), MARKER "%s;", network);
    char *now = read_text(RESOLV_CONF);
    /* What somebody else wrote meanwhile stays. */
    bool is_ours = !now || !*now || strncmp(now, marker, strlen(marker)) == 0;
    int result = is_ours ? write_text(RESOLV_CONF, 0, before, "") : 0;
    free(now);
    if (result < 0)
        text_append(why, "cannot restore %s: %s", RESOLV_CONF, strerror(-result));
    return result;
}

int dns_undo(const char *network, struct text *why)
{
    char path[STATE_PATH_BYTES], beside[STATE_PATH_BYTES + 4], way[16], interface[INTERFACE_BYTES];
    char name[RESOLVCONF_NAME_BYTES];
    int result = dns_path(network, path, why);
    if (result == 0) {
        snprintf(beside, sizeof(beside), "%s.new", path);
        unlink(beside); /* of one that was killed while it wrote */
    }
    char *text = result < 0 ? NULL : read_text(path);
    if (!text)
        return result < 0 || errno == ENOENT ? result : -errno;
    char *before = strchr(text, '\n');
    if (!before || sscanf(text, "%15s %31s", way, interface) != 2) {
        text_append(why, "%s is damaged; remove it and look at %s", path, RESOLV_CONF);
        free(text);
        return -EBADMSG;
    }
    if (strcmp(way, way_names[WAY_FILE]) == 0) {
        result = restore_file(network, before + 1, why);
    } else if (strcmp(way, way_names[WAY_RESOLVCONF]) == 0) {
        name_for_resolvconf(interface, name);
        const char *arguments[] = {"resolvconf", "-d", name, "-f", NULL};
        result = run(arguments, "", why);
    } /* systemd-resolved forgets a link's servers with the link */
    free(text);
    if (result == 0 && unlink(path) < 0 && errno != ENOENT)
        result = -errno;
    return result;
}
