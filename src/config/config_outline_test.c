/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include <string.h>

#include "rigs/config_files.h"
#include "tap.h"

static void test_the_outline_of_odd_tunnels_and_long_lines(void)
{
    struct config_files files = {
        {{"n.conf",
          "[Network]\nKillSwitch = on\nAllowLAN = 192.168.0.0/16, fd00:1::/64\n"
          "[Tunnel m13b]\nPrivateKey = " KEY_1 "\n[Peer]\nPublicKey = " KEY_2 "\n"
          "[Tunnel wide]\nPrivateKey = " KEY_1 "\nAddress = 2001:db8:1111:2222:3333:4444:5555:6666,"
          "2001:db8:1111:2222:3333:4444:5555:7777\nMTU = 1400\n"
          "[Peer]\nPublicKey = " KEY_3
          "\nAllowedIPs = 2001:db8:1111:2222:3333:4444:5555:6666/127\n",
          false}}};
    struct config_messages messages;
    struct config *config;
    if (!CHECK(config_files_load(&files, 1, tap_memory(), &config, &messages)))
        return;
    struct text text = TEXT_ROOM(1000);
    config_outline(config, &text);
    CHECK_TEXT(text.bytes, "n: interface n 2001:db8:1111:2222:3333:4444:5555:6666\n"
                           "  m13b: no address, routes none\n"
                           "    peer AgICAgIC… that comes to us, directly\n"
                           "  wide: 2001:db8:1111:2222:3333:4444:5555:6666\n"
                           "      2001:db8:1111:2222:3333:4444:5555:7777 (NAT), routes\n"
                           "      2001:db8:1111:2222:3333:4444:5555:6666/127, MTU 1400\n"
                           "    peer AwMDAwMD… that comes to us, directly\n"
                           "  KillSwitch on, AllowLAN 192.168.0.0/16 fd00:1::/64\n");
    config_free(config);
    config_messages_wipe(&messages);
}

static void test_the_outline_counts_hooks(void)
{
    struct config_files files = {
        {{"n.conf",
          "[Interface]\nPrivateKey = " KEY_1 "\nPostUp = a\nPreDown = b\nPostUp = c\n"
          "SaveConfig = true\n[Peer]\nPublicKey = " KEY_2 "\n",
          false}}};
    struct config_messages messages;
    struct config *config;
    if (!CHECK(config_files_load(&files, 1, tap_memory(), &config, &messages)))
        return;
    struct text text = TEXT_ROOM(1000);
    config_outline(config, &text);
    CHECK(strstr(text.bytes, "\n  2 PostUp, 1 PreDown, SaveConfig\n") != NULL);
    config_free(config);
    config_messages_wipe(&messages);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_the_outline_of_odd_tunnels_and_long_lines);
    TAP_RUN(argc, argv, test_the_outline_counts_hooks);
    return tap_done();
}
