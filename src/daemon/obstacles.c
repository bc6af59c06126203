/* SPDX-License-Identifier: MIT */
#include "daemon/obstacles.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "daemon/crashed.h"
#include "daemon/host_dns.h"
#include "daemon/interface.h"
#include "daemon/ports.h"
#include "daemon/spare_descriptors.h"
#include "host/firewall.h"
#include "host/uplink_dns.h"
#include "io/io_memory.h"
#include "io/tun_linux.h"

#define LINES_BYTES 1024 /* of which the first is used */

struct search {
    struct text *text;
    bool has_found;
};

/* Nothing where `result` is 0, or only rights are missing. `place`: of the key that asks for it;
 * NULL, or of file NULL: none does. */
static void note_at(struct search *search, const struct config_place *place, int result,
                    const struct text *why)
{
    if (result >= 0 || result == -EPERM || result == -EACCES)
        return;
    config_messages_append_place(search->text, place);
    text_append(search->text, "%s\n", why->bytes);
    search->has_found = true;
}

static void note(struct search *search, int result, const struct text *why)
{
    note_at(search, NULL, result, why);
}

static void look_at_interface(struct search *search, const struct config *config, int held_index)
{
    unsigned index = if_nametoindex(config->interface_name);
    struct text why = TEXT_ROOM(256);
    if (index == 0 || index == (unsigned)held_index)
        return;
    text_append(&why, "%s: there is such an interface already: remove it, or choose another name, "
                      "%s",
                config->interface_name,
                config->is_plain ? "by the file's" : "with Interface = in [Network]");
    note_at(search, &config->given[KEYWORD_INTERFACE], -EEXIST, &why);
}

static bool is_held(const struct obstacles_held *held, uint16_t port)
{
    for (size_t i = 0; i < held->port_count; i++)
        if (held->ports[i] == port)
            return true;
    return false;
}

static void look_at_ports(struct search *search, const struct config *config,
                          const struct obstacles_held *held)
{
    for (size_t i = 0; i < config->network.tunnel_count; i++) {
        const struct tunnel_description *tunnel = &config->network.tunnels[i];
        struct text why = TEXT_ROOM(256);
        if (tunnel->carrier != TUNNEL_NO_CARRIER || !tunnel->listen_port ||
            held->is_unknown || is_held(held, tunnel->listen_port))
            continue;
        int result = ports_try(tunnel->listen_port);
        if (result == -EADDRINUSE)
            text_append(&why, "UDP port %u is taken by another program: choose another ListenPort",
                        tunnel->listen_port);
        else if (result != 0)
            text_append(&why, "no UDP socket on port %u: %s", tunnel->listen_port,
                        strerror(-result));
        note_at(search, &config->tunnels[i].given[KEYWORD_LISTEN_PORT], result, &why);
    }
}

static void look_at_firewall(struct search *search, const struct config *config)
{
    struct text why = TEXT_ROOM(512);
    const struct firewall_laid laid = {0};
    int stands = config->has_kill_switch ? firewall_look(config->name, &laid, &why) : 0;
    if (stands < 0)
        text_append(&why, "; without it there is no kill switch: remove KillSwitch = on, or "
                          "use a kernel that has it");
    note_at(search, &config->given[KEYWORD_KILL_SWITCH], stands, &why);
}

static void look_at_kernel(struct search *search)
{
    struct text why = TEXT_ROOM(512);
    note(search, tun_look(&why), &why);
}

/* A root's name that only a resolver on this host would be asked for (RULES G1). */
static void look_at_names(struct search *search, const struct network_description *network)
{
    struct text why = TEXT_ROOM(512);
    struct uplink_dns servers = {0};
    bool has_any = false;
    for (size_t i = 0; i < network->tunnel_count; i++)
        for (size_t p = 0; p < network->tunnels[i].peer_count; p++)
            has_any |= network->tunnels[i].carrier == TUNNEL_NO_CARRIER &&
                       network->tunnels[i].peers[p].endpoint_name;
    if (has_any && uplink_dns_find(&(struct uplink_dns_files){0}, &servers, &why) == -EPERM)
        note(search, -EINVAL, &why);
}

/* The entries as they would be, in the tables that the routing has. */
static int look_at_entries(const struct config *config, struct netlink *netlink,
                           const struct routing *routing, struct text *why)
{
    struct routing_entry *entries;
    size_t count;
    if (interface_routes_ahead(config, &entries, &count) != 0)
        return 0; /* the configuration is refused for another reason */
    int result = routing_look(netlink, routing, entries, count, why);
    free(entries);
    return result;
}

/* Any number of an interface will do where there is none yet: that of loopback has no route of
 * ours. */
static void look_at_routes(struct search *search, const struct config *config, int held_index)
{
    char reason[512];
    struct text why;
    struct netlink netlink = {0};
    struct state_numbers taken;
    struct state state;
    struct routing routing = {0};
    text_init(&why, reason, sizeof(reason));
    bool stands = state_read(config->name, &state, &why) == 0; /* its rules have their place */
    text_init(&why, reason, sizeof(reason));
    state_list_numbers(&taken);
    struct routing_choice choice =
        interface_choice(config, config->interface_name, held_index ? held_index : 1, &taken);
    int result = netlink_open(&netlink, &why);
    if (result == 0)
        result = routing_choose(&netlink, &choice, &routing, &why);
    routing.has_kill_switch = config->has_kill_switch;
    if (result == 0 && (choice.mode == ROUTING_TABLE || !stands))
        result = look_at_entries(config, &netlink, &routing, &why);
    note(search, result, &why);
    netlink_close(&netlink);
}

static void look_at_dns(struct search *search, const struct config *config)
{
    struct text why = TEXT_ROOM(512);
    note(search, host_dns_look(config, &why), &why);
}

void obstacles_tell_aead(const char *backend, struct text *why)
{
    text_append(why, "AEAD backend %s: unknown or not usable on this machine; unset HOPWIRE_AEAD",
                backend);
}

static void look_at_aead(struct search *search, const char *backend)
{
    struct text why = TEXT_ROOM(256);
    struct aead *aead = backend ? aead_new(io_memory_plain(), backend) : NULL;
    if (backend && !aead) {
        obstacles_tell_aead(backend, &why);
        note(search, -EINVAL, &why);
    }
    aead_free(aead);
}

bool obstacles_is_up(const struct config *config)
{
    struct state state;
    return state_read(config->name, &state, TEXT_UNHEARD) == 0 && state_process_is_alive(&state);
}

bool obstacles_beside(const struct config *config, const char *aead_backend,
                      const struct obstacles_held *held, struct text *text)
{
    struct search search = {.text = text};
    look_at_aead(&search, aead_backend);
    look_at_kernel(&search);
    look_at_firewall(&search, config);
    look_at_interface(&search, config, held->interface_index);
    look_at_ports(&search, config, held);
    look_at_routes(&search, config, held->interface_index);
    look_at_dns(&search, config);
    look_at_names(&search, &config->network);
    return !search.has_found;
}

bool obstacles_inside(const struct config *config, bool changes_dns, struct netlink *netlink,
                      const struct routing *laid, struct text *text)
{
    struct search search = {.text = text};
    struct text why = TEXT_ROOM(512);
    look_at_firewall(&search, config);
    if (laid->mode == ROUTING_TABLE)
        note(&search, look_at_entries(config, netlink, laid, &why), &why);
    if (changes_dns)
        look_at_dns(&search, config);
    look_at_names(&search, &config->network);
    return !search.has_found;
}

int obstacles_refuse(const struct config *config, const char *aead_backend,
                     const struct obstacles_held *held, struct text *why)
{
    struct text text = TEXT_ROOM(LINES_BYTES);
    if (obstacles_beside(config, aead_backend, held, &text))
        return 0;
    text_append(why, "%.*s", (int)strcspn(text.bytes, "\n"), text.bytes);
    return -EINVAL;
}

/* What the network's own process would have to do without. */
static void look_at_process(struct search *search)
{
    char reason[512];
    struct text why;
    struct spare_descriptors reserve = {.count = 0};
    struct state state = {.pid = 0};
    text_init(&why, reason, sizeof(reason));
    note(search, state_look_at_directory(&why), &why);
    text_init(&why, reason, sizeof(reason));
    note(search, state_set_process(&state, &why), &why);
    text_init(&why, reason, sizeof(reason));
    note(search, spare_descriptors_take(&reserve, &why), &why);
    spare_descriptors_give(&reserve);
}

bool obstacles_append(const struct config *config, const char *aead_backend, struct text *text)
{
    struct search search = {.text = text};
    struct state crashed;
    struct text why = TEXT_ROOM(1024);
    bool has_crashed;
    look_at_process(&search);
    note(&search, crashed_read(config->name, &crashed, &has_crashed, &why), &why);
    bool is_free = obstacles_beside(config, aead_backend, &(struct obstacles_held){0}, text);
    return is_free && !search.has_found;
}
