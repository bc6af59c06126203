/* SPDX-License-Identifier: MIT */
#include "host/bridge.h"

#include <stdio.h>
#include <stdlib.h>

#include "rigs/own_netns.h"
#include "tap.h"

#define OUTPUT_BYTES 1024

/* The names of the guests' bridges, as they are listed, each followed by a blank. */
static const char *list(char *text, size_t capacity)
{
    struct netlink netlink;
    struct bridge *bridges;
    size_t count;
    char said[256];
    struct text why, names;
    text_init(&why, said, sizeof(said));
    text_init(&names, text, capacity);
    if (!CHECK_EQUAL(netlink_open(&netlink, &why), 0))
        return "";
    CHECK_EQUAL(bridge_list_guests(&netlink, &bridges, &count, &why), 0);
    for (size_t i = 0; i < count; i++)
        text_append(&names, "%s ", bridges[i].name);
    free(bridges);
    netlink_close(&netlink);
    return text;
}

/* False: skip; this kernel has not got the kind of link. */
static bool ip(const char *command)
{
    char output[OUTPUT_BYTES];
    own_netns_run(output, sizeof(output), "ip link %s 2>/dev/null", command);
    return strncmp(output, "failed", 6) != 0;
}

static void test_f1_a_bridge_with_virtual_ports_alone_is_guests(void)
{
    char names[OUTPUT_BYTES];
    if (!own_netns_enter_once() || !own_netns_has_ip_command())
        return;
    CHECK_TEXT(list(names, sizeof(names)), "");
    if (!ip("add docker0 type bridge")) {
        tap_skip("this kernel has no bridges (module bridge)");
        return;
    }
    CHECK_TEXT(list(names, sizeof(names)), "docker0 "); /* nothing runs yet */
    CHECK(ip("add v0 type veth peer name v1") && ip("set v0 master docker0"));
    CHECK_TEXT(list(names, sizeof(names)), "docker0 ");
    CHECK(ip("add virbr0 type bridge"));
    char output[OUTPUT_BYTES];
    own_netns_run(output, sizeof(output),
                  "ip tuntap add vnet0 mode tap && ip link set vnet0 "
                  "master virbr0");
    CHECK_TEXT(list(names, sizeof(names)), "docker0 virbr0 ");
    CHECK(ip("del virbr0") && ip("del docker0") && ip("del v0") && ip("del vnet0"));
}

static void test_f1_a_bridge_with_another_port_is_none(void)
{
    static const char *const ports[] = {"add port type ifb", "add port type dummy",
                                        "add port type vxlan id 7 dstport 4789",
                                        "add port link base type macvlan",
                                        "add port link base name port type vlan id 7",
                                        "add port type bond"};
    char names[OUTPUT_BYTES];
    if (!own_netns_enter_once() || !own_netns_has_ip_command() || !ip("add br0 type bridge"))
        return;
    CHECK(ip("add base type veth peer name far") && ip("add v0 type veth peer name v1") &&
          ip("set v0 master br0"));
    unsigned tried = 0;
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        if (!ip(ports[i]))
            continue; /* this kernel has no such kind */
        bool is_port = ip("set port master br0");
        bool is_virtual = strstr(ports[i], "dummy") != NULL;
        if (is_port && !CHECK_TEXT(list(names, sizeof(names)), is_virtual ? "br0 " : ""))
            printf("# with a port by `ip link %s`\n", ports[i]);
        tried += is_port && !is_virtual;
        CHECK(ip("del port"));
        CHECK_TEXT(list(names, sizeof(names)), "br0 ");
    }
    CHECK(tried > 0);
    CHECK(ip("del br0") && ip("del base") && ip("del v0"));
}

static void test_f1_a_cable_between_bridges_leads_to_what_is_behind_the_other(void)
{
    char names[OUTPUT_BYTES];
    if (!own_netns_enter_once() || !own_netns_has_ip_command() || !ip("add fw0 type bridge"))
        return;
    CHECK(ip("add fw1 type bridge") && ip("add fw2 type bridge"));
    CHECK(ip("add cable0 type veth peer name cable1") &&
          ip("add cable2 type veth peer name cable3"));
    CHECK(ip("set cable0 master fw0") && ip("set cable1 master fw1") &&
          ip("set cable2 master fw1") && ip("set cable3 master fw2"));
    CHECK_TEXT(list(names, sizeof(names)), "fw0 fw1 fw2 ");
    if (ip("add uplink type ifb") && ip("set uplink master fw2"))
        CHECK_TEXT(list(names, sizeof(names)), "");
    CHECK(ip("del fw0") && ip("del fw1") && ip("del fw2"));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f1_a_bridge_with_virtual_ports_alone_is_guests);
    TAP_RUN(argc, argv, test_f1_a_bridge_with_another_port_is_none);
    TAP_RUN(argc, argv, test_f1_a_cable_between_bridges_leads_to_what_is_behind_the_other);
    return tap_done();
}
