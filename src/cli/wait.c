/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/readiness.h"

int wait_main(int argc, char **argv)
{
    struct command_hops hops = {.usage = "wait [--timeout SECONDS] NAME [TUNNEL]",
                                .option = "timeout",
                                .what = "number of seconds",
                                .most = READINESS_SECONDS_MOST,
                                .number = READINESS_SECONDS};
    int result = command_parse_hops(argc, argv, &hops);
    return result == COMMAND_DONE ? readiness_wait(hops.network, hops.tunnel, hops.number, true)
                                  : result;
}
