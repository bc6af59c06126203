/* SPDX-License-Identifier: MIT */
/* Theory: syslog(3) waits while the queue of /dev/log is full, and a write to a pipe or terminal
 * that nobody reads waits for ever. O_NONBLOCK belongs to the open file description, which standard
 * error shares with the caller's shell: so it is opened once more for ourselves, by its name in
 * /proc. Where that is not allowed, poll() is asked first, and a line is short enough for the room
 * that it tells of (PIPE_BUF). */
#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "io/loop.h"

#define REPEATS_SAID 20
#define REPEATS_NS (60 * NS_PER_S)
#define SYSLOG_PATH "/dev/log"
#define LINE_BYTES 2048 /* below PIPE_BUF, and what syslog daemons take; longer ones are cut */

static const int priorities[] = {[LOG_LEVEL_WARNING] = LOG_DAEMON | LOG_WARNING,
                                 [LOG_LEVEL_NOTICE] = LOG_DAEMON | LOG_NOTICE,
                                 [LOG_LEVEL_INFO] = LOG_DAEMON | LOG_INFO};

/* ---- standard error ---- */

static void open_stream(struct log_stream *stream)
{
    char path[32];
    struct stat found;
    *stream = (struct log_stream){.fd = STDERR_FILENO};
    if (fstat(STDERR_FILENO, &found) < 0) {
        stream->fd = -1;
        return;
    }
    stream->is_socket = S_ISSOCK(found.st_mode);
    stream->is_file = S_ISREG(found.st_mode);
    if (stream->is_socket || stream->is_file)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", STDERR_FILENO);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return;
    stream->fd = fd;
    stream->is_own = true;
}

static void close_stream(struct log_stream *stream)
{
    if (stream->is_own)
        close(stream->fd);
    *stream = (struct log_stream){.fd = -1};
}

static ssize_t put(const struct log_stream *stream, const char *bytes, size_t len)
{
    struct pollfd room = {.fd = stream->fd, .events = POLLOUT};
    if (stream->is_socket)
        return send(stream->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (!stream->is_own && !stream->is_file &&
        (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)))
        return -1;
    return write(stream->fd, bytes, len);
}

static bool write_stream(struct log_stream *stream, const char *network, const char *line)
{
    char bytes[LINE_BYTES];
    if (stream->fd < 0)
        return false;
    int len = snprintf(bytes, sizeof(bytes), "%shopwire: %s: %s\n", stream->is_cut ? "\n" : "",
                       network, line);
    if (len < 0)
        return false;
    if ((size_t)len >= sizeof(bytes)) {
        len = sizeof(bytes) - 1;
        bytes[len - 1] = '\n';
    }
    ssize_t taken = put(stream, bytes, (size_t)len);
    if (taken > 0)
        stream->is_cut = taken < len;
    return taken == len;
}

/* ---- syslog ---- */

static void close_syslog(struct log *log)
{
    if (log->syslog >= 0)
        close(log->syslog);
    log->syslog = -1;
}

static bool connect_syslog(struct log *log)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    if (log->syslog >= 0)
        return true;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", log->syslog_path);
    for (unsigned i = 0; i < 2; i++) {
        int fd = socket(AF_UNIX, types[i] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (const void *)&address, sizeof(address)) == 0) {
            log->syslog = fd;
            log->syslog_is_stream = types[i] == SOCK_STREAM;
            return true;
        }
        int error = errno;
        if (fd >= 0)
            close(fd);
        errno = error;
        if (error != EPROTOTYPE)
            return false;
    }
    return false;
}

/* Of a stream each message ends with a NUL; one that is taken in part ends the connection. */
static bool send_syslog(struct log *log, const char *bytes, size_t len)
{
    size_t whole = len + log->syslog_is_stream;
    ssize_t taken = send(log->syslog, bytes, whole, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken == (ssize_t)whole)
        return true;
    if (taken >= 0 || (errno != EAGAIN && errno != ENOBUFS))
        close_syslog(log);
    return false;
}

/* Also true where there is none. */
static bool write_syslog(struct log *log, enum log_level level, const char *line)
{
    char bytes[LINE_BYTES], when[32] = "";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local)) /* the locale is C's: nobody has set another */
        strftime(when, sizeof(when), "%b %e %H:%M:%S ", &local);
    int len = snprintf(bytes, sizeof(bytes), "<%d>%shopwire[%d]: %s: %s", priorities[level], when,
                       (int)getpid(), log->network, line);
    if (len < 0)
        return false;
    if ((size_t)len >= sizeof(bytes))
        len = sizeof(bytes) - 1;
    bool was_connected = log->syslog >= 0;
    if (!connect_syslog(log))
        return errno == ENOENT;
    if (send_syslog(log, bytes, (size_t)len))
        return true;
    /* A syslog daemon that was started again has a new socket. */
    return was_connected && log->syslog < 0 && connect_syslog(log) &&
           send_syslog(log, bytes, (size_t)len);
}

/* ---- the log ---- */

void log_open(struct log *log, const char *network, bool is_foreground, const char *syslog_path)
{
    *log = (struct log){.network = network,
                        .syslog_path = syslog_path ? syslog_path : SYSLOG_PATH,
                        .is_foreground = is_foreground,
                        .syslog = -1};
    open_stream(&log->error);
    if (!is_foreground)
        tzset(); /* reads its file before the process has given up its rights */
}

void log_close(struct log *log)
{
    close_stream(&log->error);
    close_syslog(log);
}

static bool write_line(struct log *log, enum log_level level, const char *line)
{
    return log->is_foreground ? write_stream(&log->error, log->network, line)
                              : write_syslog(log, level, line);
}

/* Says how many lines were lost, if that is taken now. */
static void tell_lost(struct log *log)
{
    char line[128];
    if (log->untold == 0)
        return;
    snprintf(line, sizeof(line), "%llu lines of this log are lost: %s did not take them",
             (unsigned long long)log->untold, log->is_foreground ? "standard error" : "syslog");
    if (write_line(log, LOG_LEVEL_WARNING, line))
        log->untold = 0;
}

static void put_line(struct log *log, enum log_level level, const char *line)
{
    tell_lost(log);
    if (log->untold == 0 && write_line(log, level, line))
        return;
    log->lost++;
    log->untold++;
}

static void tell_repeats(struct log *log)
{
    char line[64];
    unsigned unsaid = log->repeats > REPEATS_SAID ? log->repeats - REPEATS_SAID : 0;
    log->repeats = 0;
    if (!unsaid)
        return;
    snprintf(line, sizeof(line), "the line before came %u times more", unsaid);
    put_line(log, LOG_LEVEL_NOTICE, line);
}

void log_line(struct log *log, enum log_level level, const char *line)
{
    instant_ns now = loop_now();
    char begin[LOG_LAST_BYTES];
    snprintf(begin, sizeof(begin), "%s", line);
    bool is_again = log->repeats && strcmp(begin, log->last) == 0;
    if (!is_again) {
        tell_repeats(log);
        memcpy(log->last, begin, sizeof(begin));
        log->since = now;
    }
    if (++log->repeats <= REPEATS_SAID)
        put_line(log, level, line);
}

void log_retry(struct log *log)
{
    if (log->repeats && instant_is_reached(instant_add(log->since, REPEATS_NS), loop_now()))
        tell_repeats(log);
    tell_lost(log);
}

void log_notice(struct log *log, const char *line)
{
    log_line(log, LOG_LEVEL_NOTICE, line);
}

void log_warn(struct log *log, const char *line)
{
    if (!log->is_foreground)
        write_stream(&log->error, log->network, line);
    log_line(log, LOG_LEVEL_WARNING, line);
}

static void take(void *context, enum log_level level, const char *line)
{
    log_line(context, level, line);
}

static void take_aloud(void *context, enum log_level level, const char *line)
{
    (void)level;
    log_warn(context, line);
}

struct log_sink log_as_sink(struct log *log)
{
    return (struct log_sink){take, log};
}

struct log_sink log_as_sink_aloud(struct log *log)
{
    return (struct log_sink){take_aloud, log};
}

void log_started(struct log *log)
{
    if (!log->is_foreground)
        close_stream(&log->error);
}
