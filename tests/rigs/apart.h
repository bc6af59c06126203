/* SPDX-License-Identifier: MIT */
/* A process of its own for what its kernel is to refuse. */
#ifndef TESTS_RIGS_APART_H
#define TESTS_RIGS_APART_H

#include <stdbool.h>
#include <stdint.h>

/* From here on `call` fails with `error` where its argument number `place` is `value`. It cannot be
 * undone: only for what apart_check runs. */
void apart_forbid(uint32_t call, unsigned place, uint32_t value, uint32_t error);
/* Runs it in a child, which ends by _exit: what looks for leaks is not its business. The child's
 * exit status 2 means that there is no seccomp here. */
void apart_check(bool (*is_right)(void));

#endif
