/* SPDX-License-Identifier: MIT */
/* Lines for people, and who takes them: a log, a list, an answer. One line an event, no newline,
 * never a key. */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

/* How much a line matters, in syslog's words (RFC 5424, section 6.2.1). */
enum log_level {
    LOG_LEVEL_WARNING, /* something does not work: somebody may want to look */
    LOG_LEVEL_NOTICE,  /* worth knowing */
    LOG_LEVEL_INFO,    /* the ordinary course of things */
};

struct log_sink {
    void (*take)(void *context, enum log_level level, const char *line); /* NULL: nobody does */
    void *context;
};

static inline void log_sink_say(const struct log_sink *sink, enum log_level level, const char *line)
{
    if (sink->take)
        sink->take(sink->context, level, line);
}

#endif
