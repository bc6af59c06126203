/* SPDX-License-Identifier: MIT */
/* Asks a running network's daemon. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/* The answer, to be given back with json_decref; NULL: refused, a sentence was printed. That nobody
 * listens is told by *is_up and not printed, unless `is_up` is NULL. */
json_t *ask_daemon(const char *network, const char *request, bool *is_up);
/* The same, with `timeout_ms` for the answer. */
json_t *ask_patiently(const char *network, const char *request, unsigned timeout_ms, bool *is_up);
/* The same with a copy of the descriptor; `timeout_ms` for the answer. That nobody listens is
 * printed. */
json_t *ask_with_file(const char *network, const char *request, int passed, unsigned timeout_ms);

/* Says that nobody listens, and what that means. "crashed" or "not listening": there is a network
 * all the same; NULL: it is not up. */
const char *ask_say_not_up(const char *network);

/* Who listens to the network's socket, also when no state names it: its process id; 0: nobody, or
 * one that cannot be seen from here. */
pid_t ask_process(const char *network);

/* "text" of a string member, or `otherwise`. */
const char *ask_text(const json_t *object, const char *key, const char *otherwise);
long long ask_number(const json_t *object, const char *key);

#endif
