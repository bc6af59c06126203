/* SPDX-License-Identifier: MIT */
/* What the process that parses packets may do, at its start and from then on (RULES I5). */
#ifndef CLI_RIGHTS_H
#define CLI_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

#define RIGHTS_MISSING \
    "making an interface needs the right CAP_NET_ADMIN; run it as root, for example with sudo"

bool rights_suffice(void);
/* What it needs stands: CAP_NET_ADMIN is enough for marks and routes, and for what the end undoes;
 * its files are those of its own user. No program that it could be made to run gets more, and it
 * makes no other system calls than calls.h lets it. `kept`: a capability more; -1: none. `child`:
 * as there. What cannot be given up is told. */
void rights_give_up(int kept, pid_t child);

#endif
