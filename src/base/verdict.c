/* SPDX-License-Identifier: MIT */
#include "base/verdict.h"

static const char *const names[] = {
#define VERDICT_NAME(name, text, meaning) text,
    VERDICT_LIST(VERDICT_NAME)
#undef VERDICT_NAME
};

static const char *const meanings[] = {
#define VERDICT_MEANING(name, text, meaning) meaning,
    VERDICT_LIST(VERDICT_MEANING)
#undef VERDICT_MEANING
};

const char *verdict_name(enum verdict verdict)
{
    return verdict < VERDICT_COUNT ? names[verdict] : "unknown";
}

const char *verdict_meaning(enum verdict verdict)
{
    return verdict < VERDICT_COUNT ? meanings[verdict] : "unknown";
}
