/* SPDX-License-Identifier: MIT */
/* The daemon's lines for people: to syslog (RFC 3164, by /dev/log), in the foreground to standard
 * error. It never waits (RULES H3): a line that is not taken at once is lost and counted, and how
 * many were is said when lines are taken again. The same line again and again (a kernel that
 * refuses a route at each event) is said twenty times in a minute, then counted. A machine without
 * a syslog has no log. */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log_sink.h"

#define LOG_LAST_BYTES 256

/* Standard error, so that a write never waits. */
struct log_stream {
    int fd;         /* -1: closed */
    bool is_own;    /* a description of ours, which may be non-blocking: the caller's may not */
    bool is_socket;
    bool is_file;   /* never waits; the place to write at is the caller's description's */
    bool is_cut;    /* the last line was taken in part */
};

struct log {
    const char *network;     /* borrowed: begins each line */
    const char *syslog_path; /* borrowed */
    bool is_foreground;
    struct log_stream error;
    int syslog; /* -1: not connected */
    bool syslog_is_stream;
    uint64_t lost;   /* lines that were not taken */
    uint64_t untold; /* of these, since that was last said */
    char last[LOG_LAST_BYTES]; /* the beginning of the last line */
    unsigned repeats;          /* of it, since `since` */
    instant_ns since;
};

/* `syslog_path` NULL: /dev/log. */
void log_open(struct log *log, const char *network, bool is_foreground, const char *syslog_path);
void log_close(struct log *log);

void log_line(struct log *log, enum log_level level, const char *line);
/* Most of them. */
void log_notice(struct log *log, const char *line);
/* To whoever started it too. */
void log_warn(struct log *log, const char *line);
/* For others' lines; aloud: each as log_warn does. */
struct log_sink log_as_sink(struct log *log);
struct log_sink log_as_sink_aloud(struct log *log);
/* A background process has standard error no more. */
void log_started(struct log *log);
/* Now and then: says how many lines were lost, if that is taken now, and how often the last line
 * would have been said again. */
void log_retry(struct log *log);

#endif
