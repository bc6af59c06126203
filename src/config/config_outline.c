/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <string.h>

#include "config/config.h"
#include "config/keytext.h"

#define PREFIXES_SHOWN 4
#define PEERS_SHOWN 8
#define COLUMNS 80
#define WORD_BYTES 320

/* A line of words that goes on below, further in, where it is full. */
struct line {
    struct text *text;
    unsigned indent;
    size_t column;
};

static struct line line_begin(struct text *text, unsigned indent)
{
    text_append(text, "%*s", (int)indent, "");
    return (struct line){text, indent + 4, indent};
}

/* A letter of UTF-8 is one column. */
static size_t columns_of(const char *word)
{
    size_t columns = 0;
    for (; *word; word++)
        columns += ((unsigned char)*word & 0xc0) != 0x80;
    return columns;
}

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    char word[WORD_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(word, sizeof(word), format, arguments);
    va_end(arguments);
    size_t columns = columns_of(word);
    bool is_first = line->column < line->indent;
    if (!is_first && line->column + 1 + columns > COLUMNS) {
        text_append(line->text, "\n%*s", (int)line->indent, "");
        line->column = line->indent;
    } else if (!is_first) {
        text_append(line->text, " ");
        line->column++;
    }
    text_append(line->text, "%s", word);
    line->column += columns;
    if (is_first && line->column < line->indent)
        line->column = line->indent; /* a short first word; only ever too careful */
}

static void list_prefixes(struct line *line, const char *before, const struct prefix *prefixes,
                          size_t count)
{
    for (size_t i = 0; i < count && i < PREFIXES_SHOWN; i++) {
        char prefix[PREFIX_TEXT_BYTES];
        put(line, "%s%s", before, prefix_format(&prefixes[i], prefix));
    }
    if (count > PREFIXES_SHOWN)
        put(line, "and %zu more", count - PREFIXES_SHOWN);
}

static void list_routes(struct line *line, const struct tunnel_description *tunnel)
{
    size_t default_count = 0;
    put(line, "routes");
    for (size_t p = 0; p < tunnel->peer_count && tunnel->routes_are_default; p++) {
        list_prefixes(line, "", tunnel->peers[p].allowed_ips, tunnel->peers[p].allowed_ips_count);
        default_count += tunnel->peers[p].allowed_ips_count;
    }
    if (tunnel->routes_are_default ? default_count == 0 : tunnel->route_count == 0)
        put(line, "none");
    list_prefixes(line, "", tunnel->routes, tunnel->route_count);
    list_prefixes(line, "!", tunnel->route_exceptions, tunnel->route_exception_count);
}

/* What carries the peer's datagrams; a name's address, and with it a fellow (RULES A8), is not
 * known. */
static void outline_way(const struct config *config, struct line *line, size_t index, size_t peer)
{
    const struct tunnel_description *tunnel = &config->network.tunnels[index];
    const struct peer_description *from = &tunnel->peers[peer];
    int fellow = from->has_endpoint
                     ? description_fellow_of(tunnel, peer, &from->endpoint.address)
                     : NETWORK_FELLOW_NONE;
    if (fellow >= 0) {
        char key[KEYTEXT_CHARACTERS + 1];
        keytext_format(tunnel->peers[fellow].public_key, key);
        put(line, "inside peer %.8s…", key);
    } else if (tunnel->carrier == TUNNEL_NO_CARRIER) {
        put(line, "directly");
    } else {
        put(line, "inside %s", config->network.tunnels[tunnel->carrier].name);
    }
    if (from->endpoint_name && description_levels_of(tunnel) > 1)
        put(line, "or inside the peer that has its address in AllowedIPs");
}

/* Whom the tunnel's datagrams go to, and on what: a wrong order of files or a forgotten Via
 * shows. */
static void outline_peers(const struct config *config, struct text *text, size_t index,
                          unsigned indent)
{
    const struct tunnel_description *tunnel = &config->network.tunnels[index];
    for (size_t p = 0; p < tunnel->peer_count && p < PEERS_SHOWN; p++) {
        const struct peer_description *peer = &tunnel->peers[p];
        char key[KEYTEXT_CHARACTERS + 1], endpoint[ENDPOINT_TEXT_BYTES];
        struct line line = line_begin(text, indent);
        keytext_format(peer->public_key, key);
        put(&line, "peer %.8s…", key);
        if (peer->endpoint_name)
            put(&line, "at %.253s:%u,", peer->endpoint_name, peer->endpoint.port);
        else if (peer->has_endpoint)
            put(&line, "at %s,", endpoint_format(&peer->endpoint, endpoint));
        else
            put(&line, "that comes to us,");
        outline_way(config, &line, index, p);
        text_append(text, "\n");
    }
    if (tunnel->peer_count > PEERS_SHOWN)
        text_append(text, "%*sand %zu peers more\n", (int)indent, "",
                    tunnel->peer_count - PEERS_SHOWN);
}

static void outline_below(const struct config *config, struct text *text, int carrier,
                          unsigned depth)
{
    for (size_t i = 0; i < config->network.tunnel_count; i++) {
        const struct tunnel_description *tunnel = &config->network.tunnels[i];
        if (tunnel->carrier != carrier)
            continue;
        bool has_nat = description_nat_is_on(&config->network, i);
        struct line line = line_begin(text, 2 * depth);
        put(&line, "%s:", tunnel->name);
        for (size_t a = 0; a < tunnel->address_count; a++) {
            char address[ADDRESS_TEXT_BYTES];
            bool is_last = a + 1 == tunnel->address_count;
            put(&line, "%s%s", address_format(&tunnel->addresses[a], address),
                is_last && !has_nat ? "," : "");
        }
        if (tunnel->address_count == 0)
            put(&line, "no address,");
        else if (has_nat)
            put(&line, "(NAT),");
        list_routes(&line, tunnel);
        if (tunnel->mtu_bytes) {
            text_append(text, ",");
            put(&line, "MTU %s%u", tunnel->mtu_is_upper_bound ? "at most " : "",
                tunnel->mtu_bytes);
        }
        text_append(text, "\n");
        outline_peers(config, text, i, 2 * depth + 2);
        outline_below(config, text, (int)i, depth + 1);
    }
}

static void outline_guard(const struct config *config, struct text *text)
{
    struct line line = line_begin(text, 2);
    put(&line, "KillSwitch %s,", config->has_kill_switch ? "on" : "off");
    put(&line, "AllowLAN");
    if (config->allows_lan || config->lan_count == 0)
        put(&line, "%s", config->allows_lan ? "on" : "off");
    if (config->lan_count)
        list_prefixes(&line, "", config->lan, config->lan_count);
    text_append(text, "\n");
}

/* How many commands of each kind run, and whether `down` writes the file. */
static void outline_hooks(const struct config *config, struct text *text)
{
    size_t left = config->hook_count + config->saves_itself;
    if (left == 0)
        return;
    struct line line = line_begin(text, 2);
    for (unsigned keyword = KEYWORD_PRE_UP; keyword <= KEYWORD_POST_DOWN; keyword++) {
        size_t count = 0;
        for (size_t i = 0; i < config->hook_count; i++)
            count += config->hooks[i].kind == keyword - KEYWORD_PRE_UP;
        left -= count;
        if (count)
            put(&line, "%zu %s%s", count, keyword_name((enum keyword)keyword), left ? "," : "");
    }
    if (config->saves_itself)
        put(&line, "SaveConfig");
    text_append(text, "\n");
}

void config_outline(const struct config *config, struct text *text)
{
    char address[ADDRESS_TEXT_BYTES];
    struct line line = line_begin(text, 0);
    put(&line, "%s:", config->name);
    put(&line, "interface %s", config->interface_name);
    if (config->network.nat_ipv4.family)
        put(&line, "%s", address_format(&config->network.nat_ipv4, address));
    if (config->network.nat_ipv6.family)
        put(&line, "%s", address_format(&config->network.nat_ipv6, address));
    text_append(text, "\n");
    outline_below(config, text, TUNNEL_NO_CARRIER, 1);
    outline_guard(config, text);
    outline_hooks(config, text);
}
