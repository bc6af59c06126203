/* SPDX-License-Identifier: MIT */
#include "daemon/requests.h"

#include <stdlib.h>

#include "daemon/daemon_state.h"
#include "daemon/interface.h"
#include "daemon/report.h"

static void answer(struct control_answer *to, char *json)
{
    const char *line = json ? json : "{\"error\": \"no memory\"}";
    if (strlen(line) >= CONTROL_SOCKET_ANSWER_BYTES) /* it would be dropped without a word */
        line = "{\"error\": \"the answer is longer than 8 MiB: there are too many peers to list\"}";
    control_answer_format(to, "%s\n", line);
    control_answer_end(to);
    free(json);
}

void requests_answer(void *context, const char *line, struct control_answer *to)
{
    struct daemon *daemon = context;
    if (!line)
        return;
    struct report report = {.config = daemon->config,
                            .interface_name = daemon->tun.name,
                            .network = daemon->network,
                            .aead_name = aead_name(daemon->aead),
                            .interface_mtu_bytes =
                                interface_mtu(daemon->config, network_engine(daemon->network)),
                            .mark = daemon->state.routing.mark,
                            .names = daemon->names,
                            .log_lost = daemon->log.lost,
                            .started = daemon->started};
    struct address destination;
    if (strcmp(line, "status") == 0) {
        answer(to, report_status(&report, loop_now()));
    } else if (strncmp(line, "route ", 6) == 0 && address_parse(line + 6, &destination)) {
        answer(to, report_route(&report, &destination));
    } else if (strcmp(line, "down") == 0) {
        control_answer_format(to, "{}\n");
        control_answer_end(to);
        loop_stop(daemon->loop);
    } else {
        control_answer_format(to, "{\"error\": \"unknown request\"}\n");
        control_answer_end(to);
    }
}
