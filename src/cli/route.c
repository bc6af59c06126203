/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/peer_state.h"
#include "host/kernel_route.h"
#include "host/sysctl.h"

/* A longer route of the host's own, or a rule, goes before the network's; or nothing can go. */
static void note_other_way(const json_t *route, const struct address *destination, bool is_routed)
{
    struct netlink netlink = {0};
    struct kernel_route_way way;
    struct text why = TEXT_ROOM(256);
    const char *interface = ask_text(route, "interface", ""), *but = is_routed ? "but " : "";
    bool is_open = netlink_open(&netlink, &why) == 0;
    int result = is_open ? kernel_route_towards(&netlink, destination, 0, &way, &why) : 0;
    if (is_open && result == 0 && strcmp(way.interface_name, interface) != 0)
        printf("; %sthe host sends it to %s", but, way.is_local ? "itself" : way.interface_name);
    else if (result != 0 && destination->family == FAMILY_IPV6 &&
             sysctl_ipv6(interface) != SYSCTL_IPV6_USABLE)
        printf("; %sIPv6 is off on this host: nothing of it reaches the interface", but);
    else if (result != 0)
        printf("; %s%s", but, why.bytes);
    netlink_close(&netlink);
}

static int print_route(const json_t *route, const struct address *destination)
{
    size_t index;
    json_t *hop;
    const char *verdict = ask_text(route, "verdict", "?"),
               *tunnel = ask_text(route, "tunnel", NULL);
    bool is_routed = strcmp(verdict, "ok") == 0;
    printf("%s", ask_text(route, "destination", "?"));
    if (!is_routed)
        printf(" refused (%s: %s)", verdict, ask_text(route, "meaning", "?"));
    if (tunnel)
        printf(" via %s", tunnel);
    if (tunnel && ask_text(route, "peer", NULL))
        printf(" peer %s", ask_text(route, "peer", NULL));
    if (is_routed)
        printf(" src %s mtu %lld", ask_text(route, "source", "any"), ask_number(route, "mtu"));
    note_other_way(route, destination, is_routed);
    printf("\n");
    json_array_foreach(json_object_get(route, "hops"), index, hop) {
        printf("  hop %lld: %s to %s mtu %lld · ", ask_number(hop, "depth"),
               ask_text(hop, "tunnel", "?"), peer_state_endpoint(hop),
               ask_number(hop, "mtu"));
        peer_state_print(stdout, hop);
        printf("\n");
    }
    return is_routed ? COMMAND_DONE : COMMAND_REFUSED;
}

int route_main(int argc, char **argv)
{
    char name[TUNNEL_NAME_BYTES], request[128], text[ADDRESS_TEXT_BYTES];
    struct address destination;
    if (argc != 3)
        return command_miscounted("route NAME ADDRESS", argc, argv, 2,
                                  (const char *[]){"NAME", "ADDRESS"});
    if (!load_network_name(argv[1], name))
        return COMMAND_REFUSED;
    if (!address_parse(argv[2], &destination)) {
        fprintf(stderr,
                "hopwire: %s: not an IPv4 or IPv6 address; a name must be looked up first\n",
                argv[2]);
        return COMMAND_REFUSED;
    }
    snprintf(request, sizeof(request), "route %s", address_format(&destination, text));
    json_t *route = ask_daemon(name, request, NULL);
    if (!route)
        return COMMAND_REFUSED;
    int result = print_route(route, &destination);
    json_decref(route);
    return result;
}
