/* SPDX-License-Identifier: MIT */
/* What the tests of the AEAD backends share. */
#ifndef TESTS_RIGS_AEAD_EACH_H
#define TESTS_RIGS_AEAD_EACH_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "tap.h"

/* Runs `body` on every backend that works here; one that says it is supported must. */
static inline void aead_each(void (*body)(struct aead *aead))
{
    size_t count, before = tap_memory_balance_bytes();
    const struct aead_backend *const *backends = aead_backends(&count);
    for (size_t i = 0; i < count; i++) {
        struct aead *aead = aead_new(tap_memory(), backends[i]->name);
        if (!aead) {
            printf("# %s is not supported here\n", backends[i]->name);
            CHECK(!backends[i]->is_supported());
            continue;
        }
        CHECK_TEXT(aead_name(aead), backends[i]->name);
        body(aead);
        aead_free(aead);
    }
    CHECK_EQUAL(tap_memory_balance_bytes(), before);
}

/* This program once more, inside another one: `argv` names that one and its options, NULL, and has
 * room for three more. Its main sees "again" and `what`. Returns the exit status; -1: none, or no
 * such program. */
static inline int aead_each_rerun(const char **argv, const char *what)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char self[1024];
        ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
        const char **end = argv;
        self[len > 0 ? len : 0] = '\0';
        while (*end)
            end++;
        end[0] = self;
        end[1] = "again";
        end[2] = what;
        end[3] = NULL;
        bool is_quiet = freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr);
        if (is_quiet)
            execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    bool has_ended = waitpid(child, &status, 0) == child && WIFEXITED(status);
    return has_ended && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

#endif
