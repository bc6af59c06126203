/* SPDX-License-Identifier: MIT */
/* How much a line of a log matters, in syslog's words (RFC 5424, section 6.2.1). */
#ifndef BASE_LOG_LEVEL_H
#define BASE_LOG_LEVEL_H

enum log_level {
    LOG_LEVEL_WARNING, /* something does not work: somebody may want to look */
    LOG_LEVEL_NOTICE,  /* worth knowing */
    LOG_LEVEL_INFO,    /* the ordinary course of things */
};

#endif
