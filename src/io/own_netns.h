/* SPDX-License-Identifier: MIT */
/* For tests: a network namespace of the test program's own, with nothing in it but lo. */
#ifndef IO_OWN_NETNS_H
#define IO_OWN_NETNS_H

#include <stdbool.h>
#include <stdint.h>

/* Moves the process into a fresh namespace (through a user namespace where it has no rights), lo
 * up. False: refused; the test is skipped with the reason. */
bool own_netns_enter(void);
/* "10.1.2.3" with its prefix length, or IPv6. False and a diagnostic when the kernel refuses. */
bool own_netns_add_address(const char *interface, const char *address, int prefix_len);
bool own_netns_set_up(const char *interface, bool is_up);
bool own_netns_set_mtu(const char *interface, int mtu_bytes);

#endif
