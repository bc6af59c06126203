/* SPDX-License-Identifier: MIT */
#include "daemon/hooks_record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "host/life.h"
#include "host/seal.h"
#include "host/state.h"
#include "tap.h"

static char directory[200], sentence[512], path[STATE_PATH_BYTES];
static struct text why;
static bool is_sealed;

static void start(void)
{
    tap_make_directory(directory, sizeof(directory), "hooks");
    setenv("HOPWIRE_RUN_DIR", directory, 1);
    text_init(&why, sentence, sizeof(sentence));
    CHECK_EQUAL(state_path("one", ".hooks", path, &why), 0);
}

/* Of the network "one", borrowed. */
static struct hooks hooks_of(struct config_hook *list, size_t count, const char *saved)
{
    return (struct hooks){.network = (char *)"one",
                          .interface = (char *)"hop0",
                          .file = (char *)"/etc/hopwire/one.conf",
                          .saved = (char *)saved,
                          .list = list,
                          .count = count};
}

static struct config_hook hook(enum config_hook_kind kind, const char *command)
{
    return (struct config_hook){.kind = kind, .command = (char *)command, .place = {.line = 7}};
}

/* 0, or as hooks_record_write says. */
static int write_record(const struct hooks *hooks)
{
    int written, result = hooks_record_write(hooks, &written, &why);
    if (written >= 0)
        close(written);
    return result;
}

static bool stands(void)
{
    return access(path, F_OK) == 0;
}

/* What runs at the end, taken and put back. */
static void check_pre_down(const char *command)
{
    struct hooks taken;
    int record = hooks_record_take("one", HOOKS_TAKER_NEXT_UP, &taken, &why);
    CHECK(record >= 0);
    CHECK_EQUAL(taken.count, 1);
    CHECK_TEXT(taken.count ? taken.list[0].command : "", command);
    if (record < 0)
        return;
    hooks_wipe(&taken);
    close(record);
}

static void test_what_is_written_is_read_also_what_is_no_text(void)
{
    start();
    struct config_hook list[] = {hook(HOOK_POST_UP, "no end"), hook(HOOK_PRE_DOWN, "echo \xff\n"),
                                 hook(HOOK_POST_DOWN, ""), hook(HOOK_PRE_DOWN, "echo %i")};
    const struct hooks hooks = hooks_of(list, 4, "/etc/caf\xe9.conf");
    struct hooks taken;
    CHECK_EQUAL(write_record(&hooks), 0);
    int record = hooks_record_take("one", HOOKS_TAKER_DOWN, &taken, &why);
    CHECK(record >= 0);
    CHECK_TEXT(taken.interface, "hop0");
    CHECK_TEXT(taken.file, "/etc/hopwire/one.conf");
    CHECK_TEXT(taken.saved, "/etc/caf\xe9.conf");
    CHECK_EQUAL(taken.count, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQUAL(taken.list[i].kind, list[i + 1].kind);
        CHECK_EQUAL(taken.list[i].place.line, 7);
        CHECK_TEXT(taken.list[i].command, list[i + 1].command);
    }
    CHECK_EQUAL(hooks_record_forget(record, &taken, HOOK_PRE_DOWN, &why), 0);
    CHECK_EQUAL(taken.count, 1);
    CHECK(stands() && !taken.saved);
    CHECK_EQUAL(hooks_record_forget(record, &taken, HOOK_POST_DOWN, &why), 0);
    CHECK(!stands());
    hooks_wipe(&taken);
    close(record);
}

static bool has_attributes(void)
{
    int file = open(path, O_RDWR | O_CREAT, 0600);
    bool has = fsetxattr(file, "trusted.hopwire", "x", 1, 0) == 0;
    close(file);
    unlink(path);
    return has;
}

static void check_not_taken(int result, const char *what)
{
    struct hooks taken;
    text_init(&why, sentence, sizeof(sentence));
    CHECK_EQUAL(hooks_record_take("one", HOOKS_TAKER_DOWN, &taken, &why), result);
    CHECK_EQUAL(taken.count, 0);
    if (!strstr(sentence, what) || !strstr(sentence, path))
        printf("# %s\n", sentence);
    CHECK(strstr(sentence, what) && strstr(sentence, path));
}

/* The commands of the record, others in their place, by somebody who cannot set the attribute. */
static void test_I5_what_others_of_roots_user_wrote_is_not_run(void)
{
    static const char planted[] = "hop0\0/etc/hopwire/one.conf\0\0002\0007\0evil";
    struct config_hook list[] = {hook(HOOK_PRE_DOWN, "true")};
    const struct hooks hooks = hooks_of(list, 1, NULL);
    char aside[STATE_PATH_BYTES + 8];
    start();
    if (!has_attributes()) {
        tap_skip("no right to set trusted attributes, or a file system without them");
        return;
    }
    CHECK_EQUAL(write_record(&hooks), 0);
    check_pre_down("true");
    int file = open(path, O_RDWR | O_TRUNC);
    CHECK_EQUAL(write(file, planted, sizeof(planted)), sizeof(planted));
    close(file);
    check_not_taken(-EPERM, "nothing of it is run");
    unlink(path);
    file = open(path, O_RDWR | O_CREAT, 0600);
    CHECK_EQUAL(write(file, planted, sizeof(planted)), sizeof(planted));
    check_not_taken(-EPERM, "nothing of it is run");
    check_not_taken(-EPERM, "nothing of it is run"); /* the look has not made it good */
    CHECK_EQUAL(fgetxattr(file, "trusted.hopwire", NULL, 0), -1);
    close(file);
    /* Another network's, whole. */
    CHECK_EQUAL(write_record(&hooks), 0);
    CHECK_EQUAL(state_path("two", ".hooks", aside, &why), 0);
    CHECK_EQUAL(rename(path, aside), 0);
    struct hooks taken;
    CHECK_EQUAL(hooks_record_take("two", HOOKS_TAKER_NEXT_UP, &taken, &why), -EPERM);
    unlink(aside);
    /* A link to a good one, and a file that others may write to. */
    CHECK_EQUAL(write_record(&hooks), 0);
    CHECK_EQUAL(rename(path, aside), 0);
    CHECK_EQUAL(symlink(aside, path), 0);
    check_not_taken(-ELOOP, "cannot read");
    CHECK_EQUAL(rename(aside, path), 0);
    CHECK_EQUAL(chmod(path, 0666), 0);
    check_not_taken(-EPERM, "nothing of it is run");
    /* Root writes it again. */
    CHECK_EQUAL(chmod(path, 0600), 0);
    CHECK_EQUAL(write_record(&hooks), 0);
    check_pre_down("true");
}

static void test_bytes_that_are_no_record_are_told(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } records[] = {{"x", 1},           {"\0", 1},           {"a\0b\0", 4},        {"a\0b\0c", 5},
                   {"a\0b\0\0001", 6}, {"a\0b\0\0002\0", 7}, {"a\0b\0\0002\0007", 8},
                   {"a\0b\0\0002\0007\0", 9}, {"a\0b\0\0000\0007\0x\0", 11},
                   {"a\0b\0\0009\0007\0x\0", 11}};
    start();
    for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
        struct config_hook list[] = {hook(HOOK_PRE_DOWN, "true")};
        const struct hooks hooks = hooks_of(list, 1, NULL);
        CHECK_EQUAL(write_record(&hooks), 0);
        int file = seal_replace(path, "one", records[i].bytes, records[i].len, &is_sealed);
        CHECK(file >= 0);
        close(file);
        check_not_taken(-EBADMSG, "is damaged");
    }
}

/* In a process of its own, which holds neither the life nor the record: its result, as an exit
 * status. */
static pid_t replace_elsewhere(const struct hooks *hooks, int life, int record)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        close(life);
        close(record);
        _exit(-hooks_record_replace(hooks, &is_sealed, &why));
    }
    return child;
}

static int result_of(pid_t child)
{
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : 1;
}

static void test_I2_hooks_that_come_while_the_network_is_ended_come_too_late(void)
{
    struct config_hook list[] = {hook(HOOK_PRE_DOWN, "new")}, old[] = {hook(HOOK_PRE_DOWN, "old")};
    const struct hooks hooks = hooks_of(list, 1, NULL), before = hooks_of(old, 1, NULL);
    for (unsigned had_hooks = 0; had_hooks < 2; had_hooks++) {
        struct hooks taken;
        start();
        int life = life_begin("one", &why);
        if (had_hooks)
            CHECK_EQUAL(write_record(&before), 0);
        int record = hooks_record_take("one", HOOKS_TAKER_DOWN, &taken, &why);
        CHECK(record >= 0);
        if (record < 0)
            return;
        CHECK_EQUAL(taken.count, had_hooks);
        pid_t reload = replace_elsewhere(&hooks, life, record);
        CHECK_EQUAL(hooks_record_forget(record, &taken, HOOK_PRE_DOWN, &why), 0);
        close(life);
        CHECK_EQUAL(hooks_record_forget(record, &taken, HOOK_POST_DOWN, &why), 0);
        hooks_wipe(&taken);
        close(record);
        CHECK_EQUAL(result_of(reload), -ESTALE);
        CHECK(!stands());
    }
}

static void test_I2_hooks_take_the_others_place_while_the_network_runs(void)
{
    struct config_hook list[] = {hook(HOOK_PRE_DOWN, "new")}, old[] = {hook(HOOK_PRE_DOWN, "old")};
    const struct hooks hooks = hooks_of(list, 1, NULL), before = hooks_of(old, 1, NULL),
                       none = hooks_of(list, 0, NULL);
    start();
    int life = life_begin("one", &why);
    CHECK_EQUAL(hooks_record_replace(&none, &is_sealed, &why), 0);
    CHECK(!stands());
    CHECK_EQUAL(hooks_record_replace(&before, &is_sealed, &why), 0);
    check_pre_down("old");
    CHECK_EQUAL(hooks_record_replace(&hooks, &is_sealed, &why), 0);
    check_pre_down("new");
    CHECK_EQUAL(hooks_record_replace(&none, &is_sealed, &why), 0);
    CHECK(!stands());
    /* After a crash those that were in use when it crashed are the ones to run. */
    CHECK_EQUAL(hooks_record_replace(&before, &is_sealed, &why), 0);
    close(life);
    CHECK_EQUAL(hooks_record_replace(&hooks, &is_sealed, &why), -ESTALE);
    check_pre_down("old");
    CHECK_EQUAL(hooks_record_replace(&none, &is_sealed, &why), -ESTALE);
    check_pre_down("old");
}

/* As where the file system has no room for all of them. */
static void test_I2_hooks_that_cannot_be_written_leave_those_of_before(void)
{
    struct config_hook list[] = {hook(HOOK_PRE_DOWN, "new")}, old[] = {hook(HOOK_PRE_DOWN, "old")};
    const struct hooks hooks = hooks_of(list, 1, NULL), before = hooks_of(old, 1, NULL);
    const struct rlimit one_byte = {1, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    for (unsigned had_hooks = 0; had_hooks < 2; had_hooks++) {
        start();
        int life = life_begin("one", &why);
        if (had_hooks)
            CHECK_EQUAL(hooks_record_replace(&before, &is_sealed, &why), 0);
        setrlimit(RLIMIT_FSIZE, &one_byte);
        int result = hooks_record_replace(&hooks, &is_sealed, &why);
        setrlimit(RLIMIT_FSIZE, &all);
        CHECK(result < 0);
        CHECK(strstr(sentence, "cannot write "));
        CHECK_EQUAL(stands(), had_hooks);
        if (had_hooks)
            check_pre_down("old");
        close(life);
    }
}

static void test_F7_two_downs_without_hooks_do_not_wait_for_each_other(void)
{
    struct hooks taken, again;
    start();
    int record = hooks_record_take("one", HOOKS_TAKER_DOWN, &taken, &why);
    int other = hooks_record_take("one", HOOKS_TAKER_DOWN, &again, &why);
    CHECK(record >= 0 && other >= 0);
    CHECK_EQUAL(hooks_record_forget(record, &taken, HOOK_PRE_DOWN, &why), 0);
    CHECK_EQUAL(hooks_record_forget(record, &taken, HOOK_POST_DOWN, &why), 0);
    hooks_wipe(&taken);
    close(record);
    struct config_hook list[] = {hook(HOOK_PRE_DOWN, "of the next run")};
    const struct hooks hooks = hooks_of(list, 1, NULL);
    CHECK_EQUAL(write_record(&hooks), 0);
    CHECK_EQUAL(hooks_record_forget(other, &again, HOOK_PRE_DOWN, &why), 0);
    CHECK_EQUAL(hooks_record_forget(other, &again, HOOK_POST_DOWN, &why), 0);
    check_pre_down("of the next run");
    hooks_wipe(&again);
    close(other);
}

static void test_I1_a_signal_waits_for_a_reload_and_not_for_a_down(void)
{
    struct hooks taken, again;
    start();
    int record = hooks_record_take("one", HOOKS_TAKER_DOWN, &taken, &why);
    CHECK(record >= 0);
    CHECK_EQUAL(hooks_record_take("one", HOOKS_TAKER_SIGNAL, &again, &why), -EWOULDBLOCK);
    hooks_wipe(&taken);
    close(record);
    record = hooks_record_take("one", HOOKS_TAKER_SIGNAL, &again, &why);
    CHECK(record >= 0);
    hooks_wipe(&again);
    close(record);
    hooks_record_drop("one", -1);
    CHECK_EQUAL(hooks_record_take("one", HOOKS_TAKER_NEXT_UP, &again, &why), -ENOENT);
}

static void test_I1_a_start_that_is_undone_forgets_its_own_record_alone(void)
{
    struct config_hook list[] = {hook(HOOK_PRE_DOWN, "of the next run")};
    const struct hooks hooks = hooks_of(list, 1, NULL);
    int earlier, later;
    start();
    CHECK_EQUAL(hooks_record_write(&hooks, &earlier, &why), 0);
    CHECK_EQUAL(hooks_record_write(&hooks, &later, &why), 0);
    hooks_record_drop("one", earlier);
    check_pre_down("of the next run");
    hooks_record_drop("one", later);
    CHECK(!stands());
    close(earlier);
    close(later);
}

static void test_I1_what_starts_while_a_down_waits_for_it_writes_none(void)
{
    struct config_hook list[] = {hook(HOOK_PRE_DOWN, "never")};
    const struct hooks hooks = hooks_of(list, 1, NULL);
    struct hooks taken;
    start();
    CHECK(!hooks_record_is_ended("one"));
    int record = hooks_record_take("one", HOOKS_TAKER_DOWN, &taken, &why);
    CHECK(hooks_record_is_ended("one"));
    CHECK_EQUAL(write_record(&hooks), -EWOULDBLOCK);
    CHECK(strstr(sentence, "`hopwire down one` ended it") != NULL);
    hooks_record_drop("one", record);
    CHECK(!hooks_record_is_ended("one"));
    CHECK_EQUAL(write_record(&hooks), 0);
    check_pre_down("never");
    hooks_wipe(&taken);
    close(record);
}

/* The `down` waits for the end of a start that would wait for the `down`. */
static void test_F7_what_starts_does_not_wait_for_a_down_that_waits_for_it(void)
{
    struct hooks taken, again, none;
    start();
    int record = hooks_record_take("one", HOOKS_TAKER_DOWN, &taken, &why);
    int other = hooks_record_take("one", HOOKS_TAKER_DOWN, &again, &why);
    CHECK(record >= 0 && other >= 0);
    CHECK_EQUAL(hooks_record_take("one", HOOKS_TAKER_NEXT_UP, &none, &why), -ENOENT);
    CHECK(hooks_record_is_ended("one"));
    hooks_wipe(&taken);
    hooks_wipe(&again);
    close(record);
    close(other);
    record = hooks_record_take("one", HOOKS_TAKER_NEXT_UP, &taken, &why); /* nobody's */
    CHECK(record >= 0);
    hooks_wipe(&taken);
    close(record);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_I2_hooks_that_cannot_be_written_leave_those_of_before);
    TAP_RUN(argc, argv, test_what_is_written_is_read_also_what_is_no_text);
    TAP_RUN(argc, argv, test_I5_what_others_of_roots_user_wrote_is_not_run);
    TAP_RUN(argc, argv, test_bytes_that_are_no_record_are_told);
    TAP_RUN(argc, argv, test_I2_hooks_that_come_while_the_network_is_ended_come_too_late);
    TAP_RUN(argc, argv, test_I2_hooks_take_the_others_place_while_the_network_runs);
    TAP_RUN(argc, argv, test_F7_two_downs_without_hooks_do_not_wait_for_each_other);
    TAP_RUN(argc, argv, test_I1_a_signal_waits_for_a_reload_and_not_for_a_down);
    TAP_RUN(argc, argv, test_I1_a_start_that_is_undone_forgets_its_own_record_alone);
    TAP_RUN(argc, argv, test_I1_what_starts_while_a_down_waits_for_it_writes_none);
    TAP_RUN(argc, argv, test_F7_what_starts_does_not_wait_for_a_down_that_waits_for_it);
    return tap_done();
}
