/* SPDX-License-Identifier: MIT */
#include "host/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"

#define SHELL(script) ((const char *const[]){"sh", "-c", script, NULL})

static char reason[1024];

static int run(const char *script, const char *input, int timeout_ms)
{
    struct text why;
    text_init(&why, reason, sizeof(reason));
    return program_run(SHELL(script), input, timeout_ms, "do it", &why);
}

static void test_what_it_says_is_told_only_when_it_fails(void)
{
    CHECK_EQUAL(run("echo well", "", 60000), 0);
    CHECK_TEXT(reason, "");
    CHECK_EQUAL(run("echo first; echo 'no: bus' >&2; echo; exit 3", "", 60000), -EIO);
    CHECK_TEXT(reason, "sh -c did not do it: it ended with status 3 and said \"no: bus\"");
    CHECK_EQUAL(run("kill -9 $$", "", 60000), -EIO);
    CHECK_TEXT(reason, "sh -c did not do it: it was ended by signal 9");
}

static void test_it_gets_its_input_and_signals_as_usual(void)
{
    CHECK_EQUAL(run("read line; test \"$line\" = 'nameserver 10.0.0.1'", "nameserver 10.0.0.1\n",
                    60000),
                0);
    CHECK_EQUAL(run("trap 'exit 7' TERM; kill -TERM $$; exit 0", "", 60000), -EIO);
    CHECK(strstr(reason, "status 7") != NULL);
}

static void test_one_that_hangs_is_killed_with_its_children(void)
{
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    CHECK_EQUAL(run("echo waiting; sleep 600 & sleep 600; wait", "", 300), -ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    CHECK(ended.tv_sec - began.tv_sec < 60);
    CHECK(strstr(reason, "was killed and said \"waiting\"") != NULL);
}

/* A script may start a service, which keeps what it was given as standard error. */
static void test_a_service_that_it_leaves_behind_is_not_waited_for(void)
{
    CHECK_EQUAL(run("setsid sleep 5 & exit 0", "", 60000), 0);
}

static void test_a_short_path_still_finds_the_system_s_programs(void)
{
    char path[PROGRAM_PATH_BYTES];
    char *before = strdup(getenv("PATH") ? getenv("PATH") : "");
    setenv("PATH", "/nowhere", 1);
    CHECK(program_find("sh", path) && strstr(path, "bin/sh"));
    CHECK_EQUAL(run("command -v sh", "", 60000), 0);
    unsetenv("PATH");
    CHECK(program_find("sh", path));
    CHECK(!program_find("no-such-program", path));
    struct text why;
    text_init(&why, reason, sizeof(reason));
    CHECK_EQUAL(program_run((const char *const[]){"no-such-program", "-x", NULL}, "", 1000, "do it",
                            &why),
                -ENOENT);
    CHECK_TEXT(reason, "no-such-program -x did not do it: there is no such program (any more)");
    setenv("PATH", before, 1);
    free(before);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_what_it_says_is_told_only_when_it_fails);
    TAP_RUN(argc, argv, test_it_gets_its_input_and_signals_as_usual);
    TAP_RUN(argc, argv, test_one_that_hangs_is_killed_with_its_children);
    TAP_RUN(argc, argv, test_a_service_that_it_leaves_behind_is_not_waited_for);
    TAP_RUN(argc, argv, test_a_short_path_still_finds_the_system_s_programs);
    return tap_done();
}
