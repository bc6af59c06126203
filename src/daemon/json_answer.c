/* SPDX-License-Identifier: MIT */
#include "daemon/json_answer.h"

#include <stdlib.h>
#include <string.h>

void json_answer_give(struct control_answer *to, char *json)
{
    const char *line = json ? json : "{\"error\": \"no memory\"}";
    if (strlen(line) >= CONTROL_SOCKET_ANSWER_BYTES) /* it would be dropped without a word */
        line = "{\"error\": \"the answer is longer than 8 MiB: there are too many peers to list\"}";
    control_answer_format(to, "%s\n", line);
    control_answer_end(to);
    free(json);
}
