/* SPDX-License-Identifier: MIT */
#include "host/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host/kernel_route.h"
#include "host/state_lock.h"
#include "rigs/own_netns.h"
#include "tap.h"

static char base[STATE_PATH_BYTES - 32];
static char said[512];
static struct text why;

static void start(void)
{
    tap_make_directory(base, sizeof(base), "state");
    char path[STATE_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/run", base);
    setenv("HOPWIRE_RUN_DIR", path, 1);
    text_init(&why, said, sizeof(said));
    CHECK_EQUAL(state_make_directory(&why), 0);
    CHECK_EQUAL(state_make_directory(&why), 0);
}

static void end(void)
{
    char path[STATE_PATH_BYTES];
    CHECK_EQUAL(state_remove("net", &why), 0);
    CHECK_EQUAL(state_remove("net", &why), 0);
    snprintf(path, sizeof(path), "%s/run/.lock", base);
    unlink(path);
    snprintf(path, sizeof(path), "%s/run", base);
    CHECK_EQUAL(rmdir(path), 0); /* nothing is left beside */
    CHECK_EQUAL(rmdir(base), 0);
}

static struct state example(void)
{
    struct state state = {.routing = {.mode = ROUTING_AUTO,
                                      .mark = 0x48000002,
                                      .mask = 0xff000000,
                                      .tables = {4802, 4803},
                                      .priority = 5271,
                                      .twin_metric = KERNEL_ROUTE_METRIC_LAST,
                                      .interface_index = 7,
                                      .interface_name = "hop0",
                                      .ipv6 = SYSCTL_IPV6_DISABLED,
                                      .has_kill_switch = true},
                          .is_laid = true,
                          .has_firewall = true,
                          .has_kill_switch = true,
                          .restores_src_valid_mark = true,
                          .wg_count = 2,
                          .wg = {"hop0", "hop0.office"}};
    CHECK_EQUAL(state_set_process(&state, &why), 0);
    return state;
}

static struct state example_after_a_crash(void)
{
    struct state state = example();
    state.has_previous = true;
    state.previous = state.routing;
    state.previous.mark = 0x48000009;
    state.previous.tables[0] = 4816;
    state.previous.tables[1] = 4817;
    return state;
}

static void write_raw(const char *bytes, size_t len)
{
    char path[STATE_PATH_BYTES];
    CHECK_EQUAL(state_path("net", ".state", path, &why), 0);
    unlink(path); /* truncating would wait for the disk on some file systems */
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(file >= 0 && write(file, bytes, len) == (ssize_t)len);
    close(file);
}

static size_t read_raw(char *bytes, size_t capacity)
{
    char path[STATE_PATH_BYTES];
    CHECK_EQUAL(state_path("net", ".state", path, &why), 0);
    int file = open(path, O_RDONLY);
    ssize_t len = read(file, bytes, capacity - 1);
    close(file);
    CHECK(len > 0);
    bytes[len > 0 ? len : 0] = '\0';
    return len > 0 ? (size_t)len : 0;
}

static void test_f7_a_state_is_read_as_it_was_written(void)
{
    start();
    struct state written = example(), got;
    struct stat found;
    char path[STATE_PATH_BYTES];
    memset(&got, 0xaa, sizeof(got));
    CHECK_EQUAL(state_read("net", &got, &why), -ENOENT);
    CHECK_EQUAL(state_write("net", &written, &why), 0);
    CHECK_EQUAL(state_write("net", &written, &why), 0);
    CHECK_EQUAL(state_read("net", &got, &why), 0);
    CHECK_BYTES(&got, &written, sizeof(got));
    CHECK_EQUAL(state_path("net", ".state", path, &why), 0);
    CHECK(stat(path, &found) == 0 && (found.st_mode & 07777) == 0600);
    written = example_after_a_crash();
    written.is_laid = false;
    CHECK_EQUAL(state_write("net", &written, &why), 0);
    CHECK_EQUAL(state_read("net", &got, &why), 0);
    CHECK_BYTES(&got, &written, sizeof(got));
    written.routing.mode = ROUTING_TABLE;
    written.routing.tables[0] = 254;
    written.routing.tables[1] = 0;
    written.routing.twin_metric = KERNEL_ROUTE_METRIC_LAST - 7;
    written.routing.priority = 0;
    CHECK_EQUAL(state_write("net", &written, &why), 0);
    CHECK_EQUAL(state_read("net", &got, &why), 0);
    CHECK_BYTES(&got, &written, sizeof(got));
    end();
}

static void test_a_process_is_told_from_a_later_one(void)
{
    start();
    struct state state = example();
    CHECK(state_process_is_alive(&state));
    CHECK(state_is_of_this_namespace(&state));
    state.process_start_ticks++;
    CHECK(!state_process_is_alive(&state));
    state.network_namespace++;
    CHECK(!state_is_of_this_namespace(&state));
    int pipe_fds[2];
    CHECK_EQUAL(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct state own = {0};
        int result = state_set_process(&own, &why);
        ssize_t written = write(pipe_fds[1], &own, sizeof(own));
        _exit(result < 0 || written != sizeof(own));
    }
    CHECK(read(pipe_fds[0], &state, sizeof(state)) == sizeof(state));
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    CHECK(!state_process_is_alive(&state)); /* dead, though nobody has waited for it */
    waitpid(child, NULL, 0);
    CHECK(!state_process_is_alive(&state));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    end();
}

static void test_f5_the_last_network_restores_the_switch(void)
{
    start();
    struct state state = example();
    CHECK_EQUAL(state_write("net", &state, &why), 0);
    CHECK(!state_others_need_src_valid_mark("net"));
    CHECK(state_others_need_src_valid_mark("net2"));
    state.network_namespace++;
    CHECK_EQUAL(state_write("net", &state, &why), 0);
    CHECK(!state_others_need_src_valid_mark("net2"));
    state = example();
    state.restores_src_valid_mark = false;
    CHECK_EQUAL(state_write("net", &state, &why), 0);
    CHECK(!state_others_need_src_valid_mark("net2"));
    write_raw("{", 1);
    CHECK(!state_others_need_src_valid_mark("net2"));
    end();
}

static void test_f3_numbers_that_states_name_are_taken(void)
{
    start();
    struct state_numbers taken;
    struct state state = example_after_a_crash();
    CHECK_EQUAL(state_write("net", &state, &why), 0);
    state_list_numbers(&taken);
    CHECK_EQUAL(taken.count, 4);
    CHECK(taken.numbers[0] == 0x48000002 && taken.numbers[1] == 4802);
    CHECK(taken.numbers[2] == 0x48000009 && taken.numbers[3] == 4816);
    state.network_namespace++;
    CHECK_EQUAL(state_write("net", &state, &why), 0);
    state_list_numbers(&taken);
    CHECK_EQUAL(taken.count, 0);
    end();
}

/* What a crash of an earlier version left can still be undone. */
static void test_f7_a_state_of_the_earlier_kind_is_read(void)
{
    static const char old[] =
        "{\"version\": 2, \"pid\": 4711, \"start_ticks\": 12, \"network_namespace\": 4026531840, "
        "\"routing\": {\"interface\": \"hop0\", \"interface_index\": 7, \"mode\": \"auto\", "
        "\"mark\": %u, \"tables\": [%u, %u], \"priorities\": [32763, 32764, 32765], "
        "\"twin_metric\": 4294967295, \"ipv6\": \"usable\", \"kill_switch\": false}, "
        "\"laid\": true, \"firewall\": true, \"kill_switch\": false, "
        "\"restores_src_valid_mark\": false}";
    static const unsigned numbers[][3] = {
        {51822, 51822, 51823}, {51822, 51824, 51825}, {254, 254, 255}, {0x48000001, 4800, 4801}};
    char text[1024];
    struct state got;
    start();
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        int len = snprintf(text, sizeof(text), old, numbers[i][0], numbers[i][1], numbers[i][2]);
        write_raw(text, (size_t)len);
        CHECK_EQUAL(state_read("net", &got, &why), i == 0 ? 0 : -EBADMSG);
    }
    CHECK_EQUAL(got.routing.mask, NETWORK_OLD_MARK_MASK);
    CHECK_EQUAL(got.routing.tables[1], 51823);
    end();
}

static void test_a_relative_directory_is_a_sentence(void)
{
    char path[STATE_PATH_BYTES];
    setenv("HOPWIRE_RUN_DIR", "run", 1);
    text_init(&why, said, sizeof(said));
    CHECK_EQUAL(state_make_directory(&why), -EINVAL);
    CHECK(strstr(said, "HOPWIRE_RUN_DIR") && strstr(said, "starting with /"));
    CHECK_EQUAL(state_path("net", ".sock", path, &why), -EINVAL);
}

static void test_names_stay_in_the_directory(void)
{
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\nb", "ä"};
    char path[STATE_PATH_BYTES], longest[STATE_NAME_BYTES + 1];
    start();
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK(!state_name_is_valid(bad[i]));
        CHECK_EQUAL(state_path(bad[i], ".state", path, &why), -EINVAL);
    }
    memset(longest, 'x', STATE_NAME_BYTES);
    longest[STATE_NAME_BYTES] = '\0';
    CHECK(!state_name_is_valid(longest));
    longest[STATE_NAME_BYTES - 1] = '\0';
    CHECK(state_name_is_valid(longest) && state_name_is_valid("wg0") &&
          state_name_is_valid("my_net-1.home"));
    end();
}

/* What stands in a good file, and what must not stand in its place. */
static const char *const swaps[][2] = {
    {"\"version\": 3", "\"version\": 1"},
    {"\"version\": 3", "\"versio\": 3"},
    {"4802", "254"},
    {"4803", "4801"},
    {"4278190080", "0"}, /* the mask */
    {"\"priority\"", "\"priorit\""},
    {"\"auto\"", "\"Auto\""},
    {"\"auto\"", "7"},
    {"\"hop0\"", "\"\""},
    {"\"hop0\"", "\"a/b\""},
    {"\"hop0\"", "\"sixteen-bytes-is\""},
    {"\"hop0\"", "\"a\\u0000b\""},
    {"\"interface_index\": 7", "\"interface_index\": -7"},
    {"\"interface_index\": 7", "\"interface_index\": 99999999999"},
    {"\"interface_index\": 7", "\"interface_index\": 7, \"interface_index\": 7"},
    {"\"interface_index\": 7", "\"interface_index\": 7.5"},
    {"4294967295", "0"},
    {"4294967295", "99999999999999999999999"},
    {"\"pid\": ", "\"pid\": -"},
    {"\"kill_switch\": true", "\"kill_switch\": 1"},
    {"\"firewall\": true", "\"firewal\": true"},
    {"\"restores_src_valid_mark\": true", "\"restores_src_valid_mark\": \"true\""},
    {"4816", "4818"},
    {"4817", "254"},
    {"\"previous\": {", "\"previous\": [], \"x\": {"},
    {"\"previous\": {", "\"previous\": null, \"x\": {"},
    {"\"hop0.office\"", "\"../hop0\""},
    {"\"hop0.office\"", "\"\""},
    {"\"hop0.office\"", "7"},
    {"\"hop0.office\"", "\"longer-than-15-l\""},
    {"\"wg\": [", "\"wg\": {}, \"x\": ["},
    {"\"routing\": {", "\"routin\": {"},
    {"\"laid\": true", "\"laid\": 1"},
    {"{", "[{"},
};

/* Undoing what a damaged file says could flush another's table. */
static void test_what_is_no_state_is_refused(void)
{
    static const char *const whole[] = {"{}", "[]",      "null", "\"x\"", "{\"version\":2}",
                                        "",   "\xff\xfe"};
    char good[4096], bad[4200];
    start();
    struct state state = example_after_a_crash(), untouched, got;
    CHECK_EQUAL(state_write("net", &state, &why), 0);
    size_t len = read_raw(good, sizeof(good));
    memset(&untouched, 0x55, sizeof(untouched));
    got = untouched;
    for (unsigned i = 0; i < sizeof(swaps) / sizeof(*swaps); i++) {
        char *at = strstr(good, swaps[i][0]);
        if (!CHECK(at != NULL))
            continue;
        int bad_len = snprintf(bad, sizeof(bad), "%.*s%s%s", (int)(at - good), good, swaps[i][1],
                               at + strlen(swaps[i][0]));
        write_raw(bad, (size_t)bad_len);
        if (!CHECK_EQUAL(state_read("net", &got, &why), -EBADMSG))
            printf("# %s -> %s\n", swaps[i][0], swaps[i][1]);
    }
    for (unsigned i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
        write_raw(whole[i], strlen(whole[i]));
        CHECK_EQUAL(state_read("net", &got, &why), -EBADMSG);
    }
    for (size_t cut = 0; cut < len; cut++) {
        write_raw(good, cut);
        CHECK_EQUAL(state_read("net", &got, &why), -EBADMSG);
    }
    CHECK_BYTES(&got, &untouched, sizeof(got));
    end();
}

static void test_random_damage_never_gives_other_numbers_than_allowed(void)
{
    char good[4096], bad[4096];
    start();
    struct state state = example_after_a_crash(), got;
    CHECK_EQUAL(state_write("net", &state, &why), 0);
    size_t len = read_raw(good, sizeof(good));
    for (unsigned i = 0; i < 3000; i++) {
        memcpy(bad, good, len);
        for (uint64_t n = tap_random_below(4) + 1; n > 0; n--)
            bad[tap_random_below(len)] = (char)tap_random();
        write_raw(bad, len);
        text_init(&why, said, sizeof(said));
        if (state_read("net", &got, &why) < 0)
            continue;
        const struct routing *routing = i % 2 && got.has_previous ? &got.previous : &got.routing;
        CHECK(routing->mode != ROUTING_AUTO ||
              (routing->tables[0] >= ROUTING_TABLE_FIRST && routing->tables[0] % 2 == 0 &&
               routing->tables[1] == routing->tables[0] + 1 &&
               routing->tables[1] <= ROUTING_OLD_LAST + 1));
        CHECK(memchr(routing->interface_name, '\0', sizeof(routing->interface_name)) != NULL);
    }
    end();
}

static void test_files_that_are_none_are_refused(void)
{
    char path[STATE_PATH_BYTES];
    struct state got;
    static char large[70000];
    start();
    CHECK_EQUAL(state_path("net", ".state", path, &why), 0);
    CHECK_EQUAL(mkfifo(path, 0600), 0);
    CHECK_EQUAL(state_read("net", &got, &why), -EBADMSG); /* and does not hang */
    CHECK_EQUAL(unlink(path), 0);
    CHECK_EQUAL(symlink("/etc/passwd", path), 0);
    CHECK(state_read("net", &got, &why) < 0);
    CHECK_EQUAL(unlink(path), 0);
    memset(large, ' ', sizeof(large));
    write_raw(large, sizeof(large));
    CHECK_EQUAL(state_read("net", &got, &why), -EBADMSG);
    end();
}

static void test_a_failed_write_leaves_the_old_state(void)
{
    char path[STATE_PATH_BYTES];
    start();
    struct state state = example(), got;
    CHECK_EQUAL(state_write("net", &state, &why), 0);
    CHECK_EQUAL(state_path("net", ".state.new", path, &why), 0);
    CHECK_EQUAL(mkdir(path, 0700), 0); /* stands in for any failure to write the new file */
    state.routing.interface_index = 8;
    CHECK(state_write("net", &state, &why) < 0);
    CHECK(strstr(said, "net.state") != NULL);
    CHECK_EQUAL(rmdir(path), 0);
    CHECK_EQUAL(state_read("net", &got, &why), 0);
    CHECK_EQUAL(got.routing.interface_index, 7);
    end();
}

/* In a mount namespace of the child's own; its exit status: 0 good, 1 bad, 2 not possible here. */
static int write_on_a_full_disk(void)
{
    char path[STATE_PATH_BYTES];
    static char filling[65536];
    const char *directory = getenv("HOPWIRE_RUN_DIR");
    struct state state = example(), got;
    if (!own_netns_unshare(CLONE_NEWNS) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("full", directory, "tmpfs", 0, "size=16k,mode=0755") < 0)
        return 2;
    if (state_write("net", &state, &why) < 0)
        return 1;
    snprintf(path, sizeof(path), "%s/filling", directory);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    while (write(file, filling, sizeof(filling)) > 0)
        ;
    close(file);
    bool is_refused = state_write("net", &state, &why) == -ENOSPC;
    bool is_said = strstr(said, "No space left") && strstr(said, "make room");
    return !is_refused || !is_said || state_read("net", &got, &why) < 0;
}

static void test_a_full_disk_is_a_sentence(void)
{
    start();
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(write_on_a_full_disk());
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        tap_skip("no small file system can be mounted here");
    else
        CHECK_EQUAL(status, 0);
    end();
}

static void test_a_directory_that_others_may_write_is_refused(void)
{
    char path[STATE_PATH_BYTES];
    start();
    snprintf(path, sizeof(path), "%s/run", base);
    CHECK_EQUAL(chmod(path, 0777), 0);
    CHECK_EQUAL(state_make_directory(&why), -EPERM);
    CHECK_EQUAL(chmod(path, 0755), 0);
    end();
}

static void test_one_up_at_a_time(void)
{
    start();
    int lock = state_lock(&why);
    CHECK(lock >= 0);
    pid_t child = fork();
    if (child == 0) {
        close(lock); /* a lock lives as long as any copy of its descriptor */
        _exit(state_lock(&why) < 0);
    }
    usleep(150000);
    CHECK_EQUAL(waitpid(child, NULL, WNOHANG), 0);
    close(lock);
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_EQUAL(status, 0);
    end();
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f7_a_state_is_read_as_it_was_written);
    TAP_RUN(argc, argv, test_a_process_is_told_from_a_later_one);
    TAP_RUN(argc, argv, test_f5_the_last_network_restores_the_switch);
    TAP_RUN(argc, argv, test_f3_numbers_that_states_name_are_taken);
    TAP_RUN(argc, argv, test_f7_a_state_of_the_earlier_kind_is_read);
    TAP_RUN(argc, argv, test_a_relative_directory_is_a_sentence);
    TAP_RUN(argc, argv, test_names_stay_in_the_directory);
    TAP_RUN(argc, argv, test_what_is_no_state_is_refused);
    TAP_RUN(argc, argv, test_random_damage_never_gives_other_numbers_than_allowed);
    TAP_RUN(argc, argv, test_files_that_are_none_are_refused);
    TAP_RUN(argc, argv, test_a_failed_write_leaves_the_old_state);
    TAP_RUN(argc, argv, test_a_full_disk_is_a_sentence);
    TAP_RUN(argc, argv, test_a_directory_that_others_may_write_is_refused);
    TAP_RUN(argc, argv, test_one_up_at_a_time);
    return tap_done();
}
