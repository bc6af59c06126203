/* SPDX-License-Identifier: MIT */
#include "cli/rights.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "daemon/system_calls.h"

bool rights_suffice(void)
{
    return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

void rights_give_up(int kept, pid_t child)
{
    struct rlimit no_limit = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &no_limit); /* secrets of sessions to come are locked too */
    bool may_unbind = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    bool may_keep = kept >= 0 && capng_have_capability(CAPNG_PERMITTED, (unsigned)kept);
    capng_clear(CAPNG_SELECT_BOTH);
    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
    if (may_keep)
        capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)kept);
    if (capng_apply(may_unbind ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fprintf(stderr, "hopwire: the rights beyond CAP_NET_ADMIN cannot be given up: %s\n",
                strerror(errno));
    struct text why = TEXT_ROOM(256);
    if (system_calls_limit(child, &why) != 0)
        fprintf(stderr, "hopwire: %s\n", why.bytes);
}
