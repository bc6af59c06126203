/* SPDX-License-Identifier: MIT */
#include "daemon/stage.h"

/* Where nothing stands the event changes nothing: a signal that comes while it starts is looked for
 * there, and no request is heard before there is a loop. */
static const struct {
    bool leads;
    enum stage to;
} table[][STAGE_EVENTS] = {
    [STAGE_STARTING] = {[STAGE_HAS_STARTED] = {true, STAGE_POST_UP},
                        [STAGE_IS_REFUSED] = {true, STAGE_REFUSED},
                        [STAGE_ABANDONED] = {true, STAGE_ORPHANED}},
    [STAGE_POST_UP] = {[STAGE_IS_REFUSED] = {true, STAGE_FAILED},
                       [STAGE_HOOKS_WELL] = {true, STAGE_UP},
                       [STAGE_HOOKS_FAILED] = {true, STAGE_FAILED},
                       [STAGE_HOOKS_FAILED_AFTER_CRASH] = {true, STAGE_RELAPSED},
                       [STAGE_SIGNAL] = {true, STAGE_FAILED},
                       [STAGE_ASKED_DOWN] = {true, STAGE_DOWN},
                       [STAGE_ABANDONED] = {true, STAGE_ORPHANED}},
    [STAGE_UP] = {[STAGE_HOOKS_FAILED] = {true, STAGE_FAILED}, /* who called `up` has gone */
                  [STAGE_HOOKS_FAILED_AFTER_CRASH] = {true, STAGE_RELAPSED},
                  [STAGE_SIGNAL] = {true, STAGE_PRE_DOWN},
                  [STAGE_ASKED_DOWN] = {true, STAGE_DOWN},
                  [STAGE_ABANDONED] = {true, STAGE_ORPHANED}},
    [STAGE_PRE_DOWN] = {[STAGE_HOOKS_WELL] = {true, STAGE_SIGNALLED},
                        [STAGE_HOOKS_FAILED] = {true, STAGE_SIGNALLED},
                        [STAGE_HOOKS_FAILED_AFTER_CRASH] = {true, STAGE_SIGNALLED},
                        [STAGE_SIGNAL] = {true, STAGE_SIGNALLED}, /* a second one waits no longer */
                        [STAGE_ASKED_DOWN] = {true, STAGE_SIGNALLED},
                        [STAGE_ABANDONED] = {true, STAGE_ORPHANED}},
    [STAGE_ORPHANED] = {{0}},
};

enum stage stage_after(enum stage stage, enum stage_event event)
{
    return table[stage][event].leads ? table[stage][event].to : stage;
}

bool stage_is_end(enum stage stage)
{
    return stage >= STAGE_REFUSED;
}

bool stage_has_failed(enum stage stage)
{
    return stage == STAGE_FAILED || stage == STAGE_RELAPSED;
}

bool stage_keeps_host(enum stage stage)
{
    return stage == STAGE_ORPHANED || stage == STAGE_RELAPSED;
}
