/* SPDX-License-Identifier: MIT */
#include "io/io_memory.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tap.h"

static void count_warning(void *context, enum log_level level, const char *line)
{
    (void)line;
    *(unsigned *)context += level == LOG_LEVEL_WARNING;
}

/* VmFlags of the mapping that has `address`: "dd" is left out of dumps, "lo" is locked. */
static bool has_flag(const void *address, const char *flag)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[512];
    unsigned long from, to;
    bool is_inside = false, is_found = false;
    while (maps && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_inside = from <= (unsigned long)address && (unsigned long)address < to;
        else if (is_inside && strncmp(line, "VmFlags:", 8) == 0)
            is_found = strstr(line, flag) != NULL;
    }
    if (maps)
        fclose(maps);
    return is_found;
}

static bool mlock_works(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool is_locked = mlock(page, 4096) == 0 && has_flag(page, " lo");
    munmap(page, 4096);
    return is_locked;
}

static void test_secrets_are_locked_and_left_out_of_dumps(void)
{
    unsigned warnings = 0;
    struct io_memory *memory = io_memory_new((struct log_sink){count_warning, &warnings});
    const struct memory *secrets = io_memory_secrets(memory);
    void *small = memory_take(secrets, 32), *large = memory_take(secrets, 300000);
    CHECK(has_flag(small, " dd") && has_flag(large, " dd"));
    if (mlock_works())
        CHECK(warnings == 0 && has_flag(small, " lo") && has_flag(large, " lo"));
    else
        tap_skip("memory cannot be locked here");
    io_memory_free(memory);
}

static void test_memory_is_zeroed_aligned_and_apart(void)
{
    struct io_memory *memory = io_memory_new((struct log_sink){0});
    const struct memory *sources[] = {io_memory_secrets(memory), io_memory_plain()};
    for (size_t s = 0; s < 2; s++) {
        struct {
            uint8_t *bytes;
            size_t len;
            uint8_t mark;
        } pieces[64] = {0};
        for (unsigned i = 0; i < 20000; i++) {
            size_t at = tap_random_below(64);
            if (pieces[at].bytes) {
                bool is_intact = true;
                for (size_t j = 0; j < pieces[at].len; j++)
                    is_intact = is_intact && pieces[at].bytes[j] == pieces[at].mark;
                CHECK(is_intact);
                memory_give(sources[s], pieces[at].bytes, pieces[at].len);
            }
            pieces[at].len = 1 + tap_random_below(1u << (1 + tap_random_below(i % 500 ? 11 : 19)));
            pieces[at].mark = (uint8_t)(1 + tap_random_below(255));
            pieces[at].bytes = memory_take(sources[s], pieces[at].len);
            CHECK((uintptr_t)pieces[at].bytes % 64 == 0);
            CHECK(bytes_are_zero(pieces[at].bytes, pieces[at].len));
            memset(pieces[at].bytes, pieces[at].mark, pieces[at].len);
        }
        for (size_t i = 0; i < 64; i++)
            memory_give(sources[s], pieces[i].bytes, pieces[i].len);
    }
    io_memory_free(memory);
}

static void test_a_refused_lock_warns_once_and_goes_on(void)
{
    if (!mlock_works()) {
        tap_skip("memory cannot be locked here");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        unsigned warnings = 0;
        if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || (getuid() == 0 && setuid(65534) < 0))
            _exit(2);
        struct io_memory *memory = io_memory_new((struct log_sink){count_warning, &warnings});
        const struct memory *secrets = io_memory_secrets(memory);
        uint8_t *a = memory_take(secrets, 100), *b = memory_take(secrets, 100000);
        bool is_right = a && b && warnings == 1;
        io_memory_free(memory);
        _exit(is_right ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_memory_is_zeroed_aligned_and_apart);
    if (!TAP_IS_SANITIZED) { /* its mlock does nothing, and says that it did */
        TAP_RUN(argc, argv, test_secrets_are_locked_and_left_out_of_dumps);
        TAP_RUN(argc, argv, test_a_refused_lock_warns_once_and_goes_on);
    }
    return tap_done();
}
