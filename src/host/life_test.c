/* SPDX-License-Identifier: MIT */
#include "host/life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/control_socket.h"
#include "host/state.h"
#include "host/state_lock.h"
#include "tap.h"

static char directory[200], sentence[512];
static struct text why;

static void start(void)
{
    tap_make_directory(directory, sizeof(directory), "life");
    setenv("HOPWIRE_RUN_DIR", directory, 1);
    text_init(&why, sentence, sizeof(sentence));
}

/* A child that lives for the network until told to end by the pipe. */
static pid_t live(const char *network, int *until)
{
    int told[2], begun[2];
    CHECK_EQUAL(pipe(told), 0);
    CHECK_EQUAL(pipe(begun), 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(told[1]);
        bool lives = life_begin(network, &why) >= 0;
        ssize_t done = write(begun[1], lives ? "y" : "n", 1);
        done += read(told[0], &byte, 1);
        _exit(done < 0);
    }
    char answer = 0;
    CHECK_EQUAL(read(begun[0], &answer, 1), 1);
    CHECK_EQUAL(answer, 'y');
    close(begun[0]);
    close(begun[1]);
    close(told[0]);
    *until = told[1];
    return child;
}

static void test_F7_a_life_is_seen_until_its_process_has_ended(void)
{
    int until;
    start();
    CHECK(!life_goes_on("one")); /* not even a directory's lock stands */
    pid_t child = live("one", &until);
    CHECK(life_goes_on("one"));
    CHECK(!life_goes_on("on"));
    CHECK(!life_goes_on("two"));
    CHECK_EQUAL(life_begin("one", &why), -EEXIST);
    CHECK(strstr(sentence, "one is up already") != NULL);
    close(until);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    CHECK(!life_goes_on("one")); /* also while nobody has waited for it */
    waitpid(child, NULL, 0);
    int own = life_begin("one", &why);
    CHECK(own >= 0);
    close(own);
}

static void test_F7_a_life_is_seen_also_where_its_directory_was_removed(void)
{
    char path[STATE_PATH_BYTES], other[240];
    int until;
    start();
    pid_t child = live("one", &until);
    snprintf(path, sizeof(path), "%s/.lock", directory);
    CHECK_EQUAL(unlink(path), 0);
    CHECK_EQUAL(rmdir(directory), 0);
    CHECK(life_goes_on("one"));
    CHECK(!life_goes_on("two"));
    CHECK_EQUAL(mkdir(directory, 0755), 0);
    CHECK_EQUAL(life_begin("one", &why), -EEXIST);
    snprintf(other, sizeof(other), "%s/.", directory); /* another directory's is another matter */
    setenv("HOPWIRE_RUN_DIR", other, 1);
    CHECK(!life_goes_on("one"));
    setenv("HOPWIRE_RUN_DIR", directory, 1);
    close(until);
    waitpid(child, NULL, 0);
    CHECK(!life_goes_on("one"));
    int own = life_begin("one", &why);
    CHECK(own >= 0);
    close(own);
}

static void test_F7_a_start_s_lock_is_another_matter(void)
{
    int until;
    start();
    pid_t child = live("one", &until);
    int lock = state_lock(&why), other = life_begin("two", &why);
    CHECK(lock >= 0);
    CHECK(other >= 0);
    close(lock);
    CHECK(life_goes_on("one"));
    close(other);
    CHECK(!life_goes_on("two"));
    close(until);
    waitpid(child, NULL, 0);
}

static void ignore(void *context, char *line, struct control_answer *answer)
{
    (void)context, (void)line, (void)answer;
}

static void test_F7_one_that_listens_lives_though_its_lock_was_removed(void)
{
    struct control_socket *server;
    char path[STATE_PATH_BYTES];
    start();
    CHECK_EQUAL(state_path("one", ".sock", path, &why), 0);
    CHECK_EQUAL(control_socket_open(
                    path, &(struct control_options){.request = ignore, .memory = tap_memory()},
                    &server, &why),
                0);
    CHECK(life_goes_on("one"));
    CHECK_EQUAL(life_begin("one", &why), -EEXIST);
    control_socket_close(server);
    CHECK(!life_goes_on("one"));
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_F7_a_life_is_seen_until_its_process_has_ended);
    TAP_RUN(argc, argv, test_F7_a_life_is_seen_also_where_its_directory_was_removed);
    TAP_RUN(argc, argv, test_F7_a_start_s_lock_is_another_matter);
    TAP_RUN(argc, argv, test_F7_one_that_listens_lives_though_its_lock_was_removed);
    return tap_done();
}
