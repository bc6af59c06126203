/* SPDX-License-Identifier: MIT */
#include "daemon/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "tap.h"

#define MANY 5000

static char directory[256], path[300];

static int listen_as_syslog(int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    unlink(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_EQUAL(bind(fd, (const void *)&address, sizeof(address)), 0);
    if (type == SOCK_STREAM)
        CHECK_EQUAL(listen(fd, 1), 0);
    return fd;
}

/* "" when nothing waits. */
static const char *receive(int fd)
{
    static char bytes[4096];
    ssize_t got = read(fd, bytes, sizeof(bytes) - 1);
    bytes[got > 0 ? got : 0] = '\0';
    return bytes;
}

static bool has(const char *text, const char *part)
{
    return CHECK(strstr(text, part) != NULL) || (printf("# \"%s\" in \"%s\"\n", part, text), false);
}

static void log_number(struct log *log, int number)
{
    char line[32];
    snprintf(line, sizeof(line), "number %d", number);
    log_line(log, LOG_LEVEL_INFO, line);
}

static void test_H3_a_line_reaches_syslog_with_its_priority_and_identity(void)
{
    struct log log;
    int syslog = listen_as_syslog(SOCK_DGRAM);
    char identity[64];
    log_open(&log, "home", false, path);
    log_line(&log, LOG_LEVEL_WARNING, "no answer");
    snprintf(identity, sizeof(identity), " hopwire[%d]: home: no answer", getpid());
    const char *line = receive(syslog);
    CHECK_EQUAL(strncmp(line, "<28>", 4), 0); /* daemon.warning */
    has(line, identity);
    log_line(&log, LOG_LEVEL_NOTICE, "back");
    CHECK_EQUAL(strncmp(receive(syslog), "<29>", 4), 0);
    log_line(&log, LOG_LEVEL_INFO, "100 % well: %s%n");
    line = receive(syslog);
    CHECK_EQUAL(strncmp(line, "<30>", 4), 0);
    has(line, "100 % well: %s%n");
    CHECK_EQUAL(log.lost, 0);
    log_close(&log);
    close(syslog);
}

static void test_H3_a_full_queue_of_syslog_stops_nobody_and_what_is_lost_is_said(void)
{
    struct log log;
    int syslog = listen_as_syslog(SOCK_DGRAM);
    log_open(&log, "home", false, path);
    for (int i = 0; i < MANY; i++)
        log_number(&log, i);
    CHECK(log.lost > 0 && log.lost < MANY);
    uint64_t taken = 0, lost = log.lost;
    while (*receive(syslog))
        taken++;
    CHECK_EQUAL(taken + lost, MANY);
    char sentence[64];
    snprintf(sentence, sizeof(sentence), "%llu lines of this log are lost",
             (unsigned long long)lost);
    log_line(&log, LOG_LEVEL_INFO, "the next");
    has(receive(syslog), sentence);
    has(receive(syslog), "the next");
    log_retry(&log);
    CHECK_TEXT(receive(syslog), ""); /* said once */
    CHECK_EQUAL(log.lost, lost);
    log_close(&log);
    close(syslog);
}

static void test_H3_a_syslog_that_is_started_again_is_found(void)
{
    struct log log;
    log_open(&log, "home", false, path);
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        int syslog = listen_as_syslog(type);
        log_line(&log, LOG_LEVEL_INFO, "heard");
        if (type == SOCK_STREAM) {
            int client = accept(syslog, NULL, NULL);
            const char *line = receive(client);
            CHECK_EQUAL(line[strlen(line) - 1], 'd'); /* a NUL ends it */
            has(line, "home: heard");
            close(client);
        } else {
            has(receive(syslog), "home: heard");
        }
        close(syslog);
        log_line(&log, LOG_LEVEL_INFO, "nobody is there");
        uint64_t lost = log.lost;
        CHECK_EQUAL(lost, type == SOCK_STREAM ? 1 : 2);
        syslog = listen_as_syslog(SOCK_DGRAM);
        log_retry(&log);
        has(receive(syslog), "1 lines of this log are lost");
        log_line(&log, LOG_LEVEL_INFO, "heard again");
        has(receive(syslog), "heard again");
        close(syslog);
        log_close(&log);
        log = (struct log){.network = "home", .syslog_path = path, .syslog = -1, .lost = 1,
                           .error.fd = -1};
    }
    log_close(&log);
}

/* How many of them are said. */
static unsigned say(struct log *log, int syslog, const char *line, unsigned times)
{
    unsigned said = 0;
    for (unsigned i = 0; i < times; i++) {
        log_line(log, LOG_LEVEL_NOTICE, line);
        for (const char *heard = receive(syslog); *heard; heard = receive(syslog))
            said += strstr(heard, line) != NULL;
    }
    return said;
}

static void test_H3_the_same_line_again_and_again_is_counted(void)
{
    struct log log;
    int syslog = listen_as_syslog(SOCK_DGRAM);
    log_open(&log, "home", false, path);
    CHECK_EQUAL(say(&log, syslog, "refused", 27), 20);
    log_line(&log, LOG_LEVEL_NOTICE, "another");
    has(receive(syslog), "home: the line before came 7 times more");
    has(receive(syslog), "home: another");
    CHECK_EQUAL(say(&log, syslog, "another", 21), 19);
    log_retry(&log);
    CHECK_TEXT(receive(syslog), ""); /* not at once */
    log.since -= 61 * NS_PER_S;
    log_retry(&log);
    has(receive(syslog), "came 2 times more");
    CHECK_EQUAL(say(&log, syslog, "another", 2), 2);
    CHECK_EQUAL(log.lost, 0);
    log_close(&log);
    close(syslog);
}

static void test_H3_a_machine_without_syslog_has_no_fault(void)
{
    struct log log;
    unlink(path);
    log_open(&log, "home", false, path);
    log_line(&log, LOG_LEVEL_INFO, "nobody");
    CHECK_EQUAL(log.lost, 0);
    int syslog = listen_as_syslog(SOCK_DGRAM);
    log_line(&log, LOG_LEVEL_INFO, "it came later");
    has(receive(syslog), "it came later");
    log_close(&log);
    close(syslog);
}

/* Standard error is `fd` until give_back. */
static int take_error(int fd)
{
    int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    CHECK_EQUAL(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    return kept;
}

static void give_back(int kept)
{
    dup2(kept, STDERR_FILENO);
    close(kept);
}

static uint64_t log_many(int error, struct log *log)
{
    int kept = take_error(error);
    log_open(log, "home", true, path);
    for (int i = 0; i < MANY; i++)
        log_number(log, i);
    CHECK_EQUAL(fcntl(error, F_GETFL) & O_NONBLOCK, 0); /* it is the caller's as well */
    give_back(kept);
    return log->lost;
}

static void test_H3_a_pipe_that_nobody_reads_stops_nobody(void)
{
    struct log log;
    int ends[2];
    char bytes[65536];
    CHECK_EQUAL(pipe2(ends, O_CLOEXEC), 0);
    uint64_t lost = log_many(ends[1], &log);
    CHECK(lost > 0 && lost < MANY);
    CHECK(read(ends[0], bytes, sizeof(bytes)) > 0);
    log_line(&log, LOG_LEVEL_INFO, "the next");
    ssize_t got = read(ends[0], bytes, sizeof(bytes) - 1);
    bytes[got > 0 ? got : 0] = '\0';
    has(bytes, "lines of this log are lost: standard error did not take them\n");
    has(bytes, "hopwire: home: the next\n");
    log_close(&log);
    close(ends[0]);
    close(ends[1]);
}

static void test_H3_a_socket_that_nobody_reads_stops_nobody(void)
{
    struct log log;
    int ends[2];
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    uint64_t lost = log_many(ends[1], &log);
    CHECK(lost > 0 && lost < MANY);
    log_close(&log);
    close(ends[0]);
    close(ends[1]);
}

static void test_H3_a_stopped_terminal_stops_nobody(void)
{
    struct log log;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) {
        tap_skip("no pseudo-terminals here");
        return;
    }
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(terminal >= 0);
    CHECK_EQUAL(tcflow(terminal, TCOOFF), 0); /* as Ctrl-S does */
    CHECK_EQUAL(log_many(terminal, &log), MANY);
    CHECK_EQUAL(tcflow(terminal, TCOON), 0);
    log_retry(&log);
    CHECK_EQUAL(log.untold, 0);
    has(receive(master), "5000 lines of this log are lost");
    log_close(&log);
    close(terminal);
    close(master);
}

static void test_H3_a_file_is_written_to_behind_what_its_others_write(void)
{
    struct log log;
    char name[300];
    snprintf(name, sizeof(name), "%s/output", directory);
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_EQUAL(write(file, "begun\n", 6), 6);
    int kept = take_error(file);
    log_open(&log, "home", true, path);
    log_line(&log, LOG_LEVEL_INFO, "one");
    give_back(kept);
    CHECK_EQUAL(write(file, "ended\n", 6), 6);
    CHECK_EQUAL(lseek(file, 0, SEEK_SET), 0);
    CHECK_TEXT(receive(file), "begun\nhopwire: home: one\nended\n");
    log_close(&log);
    close(file);
}

int main(int argc, char **argv)
{
    tap_make_directory(directory, sizeof(directory), "log");
    snprintf(path, sizeof(path), "%s/syslog", directory);
    alarm(60); /* whoever waits is ended */
    TAP_RUN(argc, argv, test_H3_a_line_reaches_syslog_with_its_priority_and_identity);
    TAP_RUN(argc, argv, test_H3_a_full_queue_of_syslog_stops_nobody_and_what_is_lost_is_said);
    TAP_RUN(argc, argv, test_H3_a_syslog_that_is_started_again_is_found);
    TAP_RUN(argc, argv, test_H3_the_same_line_again_and_again_is_counted);
    TAP_RUN(argc, argv, test_H3_a_machine_without_syslog_has_no_fault);
    TAP_RUN(argc, argv, test_H3_a_pipe_that_nobody_reads_stops_nobody);
    TAP_RUN(argc, argv, test_H3_a_socket_that_nobody_reads_stops_nobody);
    TAP_RUN(argc, argv, test_H3_a_stopped_terminal_stops_nobody);
    TAP_RUN(argc, argv, test_H3_a_file_is_written_to_behind_what_its_others_write);
    return tap_done();
}
