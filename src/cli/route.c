/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/load.h"

static int print_route(const json_t *route)
{
    size_t index;
    json_t *hop;
    const char *verdict = ask_text(route, "verdict", "?"), *tunnel = ask_text(route, "tunnel", NULL);
    bool is_routed = strcmp(verdict, "ok") == 0;
    printf("%s", ask_text(route, "destination", "?"));
    if (!is_routed)
        printf(" refused (%s: %s)", verdict, ask_text(route, "meaning", "?"));
    if (tunnel)
        printf(" via %s peer %s src %s mtu %lld", tunnel, ask_text(route, "peer", "none"),
               ask_text(route, "source", "none"), ask_number(route, "mtu"));
    printf("\n");
    json_array_foreach(json_object_get(route, "hops"), index, hop)
        printf("  hop %zu: %s to %s mtu %lld\n", json_array_size(json_object_get(route, "hops")) - index,
               ask_text(hop, "tunnel", "?"), ask_text(hop, "endpoint", "unknown"),
               ask_number(hop, "mtu"));
    return is_routed ? COMMAND_DONE : COMMAND_REFUSED;
}

int route_main(int argc, char **argv)
{
    char name[TUNNEL_NAME_BYTES], request[128], text[ADDRESS_TEXT_BYTES];
    struct address destination;
    if (argc != 3)
        return command_misused("route", "route NAME ADDRESS");
    if (!load_network_name(argv[1], name)) {
        fprintf(stderr, "hopwire: %s: not a network's name\n", argv[1]);
        return COMMAND_REFUSED;
    }
    if (!address_parse(argv[2], &destination)) {
        fprintf(stderr, "hopwire: %s: not an IPv4 or IPv6 address; a name must be looked up first\n",
                argv[2]);
        return COMMAND_REFUSED;
    }
    snprintf(request, sizeof(request), "route %s", address_format(&destination, text));
    json_t *route = ask_daemon(name, request, NULL);
    if (!route)
        return COMMAND_REFUSED;
    int result = print_route(route);
    json_decref(route);
    return result;
}
