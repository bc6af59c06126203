/* SPDX-License-Identifier: MIT */
#include "daemon/behind.h"

#include <stdio.h>
#include <string.h>

#define PAUSE_FIRST_NS (1 * NS_PER_S)
#define PAUSE_MOST_NS (64 * NS_PER_S)

void behind_add(struct text *failed, int result, const char *why)
{
    text_append(failed, "%s%s", failed->len ? "; " : "", *why ? why : strerror(-result));
}

duration_ns behind_end(struct behind *behind, const struct text *failed, struct log *log)
{
    char said[BEHIND_BYTES], line[BEHIND_BYTES + 64];
    snprintf(said, sizeof(said), "%s", failed->len ? failed->bytes : "");
    bool is_news = strcmp(said, behind->said) != 0;
    memcpy(behind->said, said, sizeof(said));
    snprintf(line, sizeof(line), "%s%s", *said ? said : "the host stands as it should again",
             *said ? "; tried again until it is done" : "");
    if (is_news)
        log_notice(log, line);
    duration_ns pause_ns = behind->pause_ns ? 2 * behind->pause_ns : PAUSE_FIRST_NS;
    behind->pause_ns = !*said                      ? 0
                       : pause_ns > PAUSE_MOST_NS ? PAUSE_MOST_NS
                                                  : pause_ns;
    return behind->pause_ns;
}
