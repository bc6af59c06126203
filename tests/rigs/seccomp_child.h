/* SPDX-License-Identifier: MIT */
/* A child under a seccomp filter, for what its kernel is to refuse. */
#ifndef TESTS_RIGS_SECCOMP_CHILD_H
#define TESTS_RIGS_SECCOMP_CHILD_H

#include <stdbool.h>
#include <stdint.h>

/* From here on `call` fails with `error` where its argument number `place` is `value`. It cannot be
 * undone: only for what seccomp_child_check runs. */
void seccomp_child_forbid(uint32_t call, unsigned place, uint32_t value, uint32_t error);
/* Runs it in a child, which ends by _exit: what looks for leaks is not its business. The child's
 * exit status 2 means that there is no seccomp here. */
void seccomp_child_check(bool (*is_right)(void));

#endif
