/* SPDX-License-Identifier: MIT */
/* A configuration from a text in the test. */
#ifndef TESTS_RIGS_CONFIG_TEXT_H
#define TESTS_RIGS_CONFIG_TEXT_H

#include "config/config.h"

/* As a file net.conf; NULL, failed and told why: it is refused. config_free gives it back. */
struct config *config_text_load(const char *text);

#endif
