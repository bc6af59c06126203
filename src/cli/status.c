/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/peer_state.h"
#include "cli/readiness.h"
#include "host/state.h"

#define USAGE "status [NAME] [--json | --healthy]"

static const char *bytes_text(long long bytes, char text[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned unit = 0;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    snprintf(text, 32, unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
    return text;
}

static void print_drops(const json_t *drops, const char *indent)
{
    const char *verdict;
    json_t *count;
    if (json_object_size(drops) == 0)
        return;
    printf("%sdrops:", indent);
    json_object_foreach((json_t *)drops, verdict, count)
        printf(" %s %lld", verdict, (long long)json_integer_value(count));
    printf("\n");
}

/* The clock may have been set back since. */
static long long ago_s(long long wall_s)
{
    long long now = time(NULL);
    return now > wall_s ? now - wall_s : 0;
}

static void print_peer(const json_t *peer, const char *indent)
{
    char sent[32], received[32];
    long long handshake = ask_number(peer, "latest_handshake");
    printf("%speer %s\n%s  endpoint %s · ", indent, ask_text(peer, "public_key", "?"), indent,
           peer_state_endpoint(peer));
    if (ask_text(peer, "rides", NULL))
        printf("inside peer %s · ", ask_text(peer, "rides", NULL));
    peer_state_print(stdout, peer);
    if (handshake)
        printf(" · handshake %lld s ago", ago_s(handshake));
    if (handshake && ask_number(peer, "handshake_rtt_us"))
        printf(" in %.1f ms", (double)ask_number(peer, "handshake_rtt_us") / 1000);
    if (ask_number(peer, "path_mtu"))
        printf("\n%s  the way there takes %lld bytes, less than its carrier: MTU %lld inside",
               indent, ask_number(peer, "path_mtu"), ask_number(peer, "mtu"));
    if (ask_text(peer, "error", NULL))
        printf("\n%s  %s said %lld s ago: %s", indent, ask_text(peer, "error_from", "a router"),
               ask_number(peer, "error_s"), ask_text(peer, "error", "?"));
    if (json_is_integer(json_object_get(peer, "preshared_key_s")))
        printf("\n%s  its preshared key has been the present one for %lld s%s", indent,
               ask_number(peer, "preshared_key_s"),
               json_is_true(json_object_get(peer, "preshared_key_used"))
                   ? ""
                   : "; the next handshake is the first with it");
    printf("\n%s  received %s, sent %s\n", indent,
           bytes_text(ask_number(peer, "received_bytes"), received),
           bytes_text(ask_number(peer, "sent_bytes"), sent));
}

static void print_tunnel(const json_t *tunnel)
{
    char indent[2 * NETWORK_DEPTH_MOST + 1];
    long long depth = ask_number(tunnel, "depth");
    size_t index;
    json_t *item;
    if (depth < 1 || depth > NETWORK_DEPTH_MOST) /* no daemon of ours says so */
        depth = 1;
    snprintf(indent, sizeof(indent), "%*s", (int)(2 * depth), "");
    printf("%s%s: ", indent + 2, ask_text(tunnel, "name", "?"));
    const char *via = ask_text(tunnel, "via", NULL);
    printf(via ? "via %s, " : "root, ", via);
    const json_t *addresses = json_object_get(tunnel, "addresses");
    printf("port %lld, MTU %lld, NAT %s, %s", ask_number(tunnel, "listen_port"),
           ask_number(tunnel, "mtu"), json_is_true(json_object_get(tunnel, "nat")) ? "on" : "off",
           json_array_size(addresses) ? "addresses" : "no address");
    json_array_foreach(addresses, index, item)
        printf(" %s", json_is_string(item) ? json_string_value(item) : "?");
    printf("\n");
    json_array_foreach(json_object_get(tunnel, "peers"), index, item)
        print_peer(item, indent);
    print_drops(json_object_get(tunnel, "drops"), indent);
}

/* Others' rules that came in front of the network's since it is up. */
static void print_rules(const json_t *rules)
{
    size_t index;
    json_t *rule;
    json_array_foreach(rules, index, rule) if (json_is_true(json_object_get(rule, "came_later")))
        printf("  in front of the tunnels: IPv%lld rule %lld (%s): what it decides never reaches "
               "them\n",
               ask_number(rule, "family"), ask_number(rule, "priority"),
               ask_text(rule, "rule", "?"));
}

static void print_network(const json_t *status)
{
    size_t index;
    json_t *tunnel;
    printf("%s: interface %s, MTU %lld, up %lld s, AEAD %s\n", ask_text(status, "name", "?"),
           ask_text(status, "interface", "?"), ask_number(status, "mtu"),
           ask_number(status, "up_s"), ask_text(status, "aead", "?"));
    if (ask_number(status, "lost_log_lines"))
        printf("  log: %lld lines were lost, syslog or standard error did not take them\n",
               ask_number(status, "lost_log_lines"));
    if (ask_text(status, "behind", NULL))
        printf("  this host is behind: %s; tried again until it is done\n",
               ask_text(status, "behind", NULL));
    print_rules(json_object_get(status, "rules_in_front"));
    print_drops(json_object_get(status, "drops"), "  ");
    json_array_foreach(json_object_get(status, "tunnels"), index, tunnel)
        print_tunnel(tunnel);
}

static void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    printf("\n");
}

/* Of a network whose daemon does not answer only this much; NULL: there is none. *result: its part
 * of the exit status. */
static json_t *ask_status(const char *name, int *result)
{
    bool listens;
    json_t *status = ask_daemon(name, "status", &listens);
    if (status)
        return status;
    const char *state = listens ? "not answering" : ask_say_not_up(name);
    *result = COMMAND_REFUSED;
    return state ? json_pack("{s:s, s:s}", "name", name, "state", state) : NULL;
}

/* What was said of one that does not answer is enough for people. */
static void print_text(const json_t *status)
{
    if (strcmp(ask_text(status, "state", "up"), "up") == 0)
        print_network(status);
}

static int show(const char *name, bool as_json)
{
    int result = COMMAND_DONE;
    json_t *status = ask_status(name, &result);
    if (status && as_json)
        print_json(status);
    else if (status)
        print_text(status);
    json_decref(status);
    return result;
}

static int is_state(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 6 && strcmp(entry->d_name + len - 6, ".state") == 0;
}

/* The names of all networks that are up or crashed, sorted: the files that `down` works from. Free
 * each and the array. -1: refused, a sentence was printed. */
static int list_networks(struct dirent ***entries)
{
    char path[STATE_PATH_BYTES];
    struct text why = TEXT_ROOM(512);
    *entries = NULL;
    if (state_path("x", "", path, &why) != 0) {
        fprintf(stderr, "hopwire: %s\n", why.bytes);
        return -1;
    }
    *strrchr(path, '/') = '\0';
    int count = scandir(path, entries, is_state, alphasort);
    if (count >= 0 || errno == ENOENT)
        return count < 0 ? 0 : count;
    fprintf(stderr, "hopwire: %s cannot be listed: %s\n", path, strerror(errno));
    return -1;
}

/* As JSON one array, whatever their number. */
static int show_all(bool as_json)
{
    struct dirent **entries;
    int count = list_networks(&entries), result = count < 0 ? COMMAND_REFUSED : COMMAND_DONE;
    json_t *all = json_array();
    for (int i = 0; i < count; i++) {
        char *name = entries[i]->d_name;
        name[strlen(name) - 6] = '\0';
        json_t *status = ask_status(name, &result);
        if (status && as_json)
            json_array_append(all, status);
        else if (status)
            print_text(status);
        json_decref(status);
        free(entries[i]);
    }
    free(entries);
    if (as_json)
        print_json(all);
    json_decref(all);
    return result;
}

/* All that are up or crashed; nobody's health is good where there is none. */
static int check_health_of_all(void)
{
    struct dirent **entries;
    int count = list_networks(&entries), result = count > 0 ? COMMAND_DONE : COMMAND_REFUSED;
    if (count == 0)
        fprintf(stderr, "hopwire: no network is up\n");
    for (int i = 0; i < count; i++) {
        char *name = entries[i]->d_name;
        name[strlen(name) - 6] = '\0';
        if (readiness_wait(name, NULL, READINESS_HEALTH_SECONDS, false) != COMMAND_DONE)
            result = COMMAND_REFUSED;
        free(entries[i]);
    }
    free(entries);
    return result;
}

int status_main(int argc, char **argv)
{
    char name[TUNNEL_NAME_BYTES];
    const char *argument = NULL;
    bool as_json = false, checks_health = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (strcmp(argv[i], "--healthy") == 0)
            checks_health = true;
        else if (argv[i][0] == '-')
            return command_misused(USAGE, "status: %.100s is no option of it", argv[i]);
        else if (argument)
            return command_misused(USAGE, "status: \"%.100s\" is one argument too many", argv[i]);
        else
            argument = argv[i];
    }
    if (checks_health && as_json)
        return command_misused(USAGE, "status: --healthy says it by the exit status, not as JSON");
    if (!argument)
        return checks_health ? check_health_of_all() : show_all(as_json);
    if (!load_network_name(argument, name))
        return COMMAND_REFUSED;
    return checks_health ? readiness_wait(name, NULL, READINESS_HEALTH_SECONDS, false)
                         : show(name, as_json);
}
