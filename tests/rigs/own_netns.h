/* SPDX-License-Identifier: MIT */
/* A network namespace of the test program's own, as root or as anybody, with nothing in it but lo,
 * which is up. Nothing of the host is touched. */
#ifndef TESTS_RIGS_OWN_NETNS_H
#define TESTS_RIGS_OWN_NETNS_H

#include <stdbool.h>
#include <stddef.h>

/* Leaves for new namespaces of that kind (CLONE_NEW…), as root there: through a user namespace
 * where it has no rights. False: refused. */
bool own_netns_unshare(int kind);
/* Moves the process into a fresh network namespace, each time. False: refused. */
bool own_netns_enter(void);
/* Moves the whole program into one, the first time. False: skip the test, it is said why. */
bool own_netns_enter_once(void);

/* "10.1.2.3" with its prefix length, or IPv6. False and a diagnostic when the kernel refuses. */
bool own_netns_add_address(const char *interface, const char *address, int prefix_len);
bool own_netns_set_up(const char *interface, bool is_up);
bool own_netns_set_mtu(const char *interface, int mtu_bytes);
/* A TUN device that lives as long as the descriptor; -1: skip, it is said why. */
int own_netns_tun(const char *name, int *index);

/* All of the text, into a file that is there. */
bool own_netns_write(const char *path, const char *text);
/* Runs a shell command made like printf; its output with a NUL, or "failed" on a bad exit. */
char *own_netns_run(char *output, size_t capacity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* False: skip, it is said why. */
bool own_netns_has_ip_command(void);

#endif
