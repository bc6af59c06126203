/* SPDX-License-Identifier: MIT */
/* From the command line's NAME or FILE to a configuration, its messages printed. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "config/config.h"
#include "config/recording.h"

/* NAME stands for /etc/hopwire/NAME.conf (HOPWIRE_CONFIG_DIR in the environment names another
 * directory); whatever has a '/' or ends in ".conf" is a file. Prints errors and warnings, and
 * notices where asked. NULL: refused, everything is said. Free with load_free. */
struct config *load_configuration(char **names, int count, bool with_notices);
void load_free(struct config *config); /* again: does nothing */
/* The same, and all that it was read from; the recording is the caller's to wipe, before
 * load_free. */
struct config *load_recorded(char **names, int count, struct recording *recording);
/* Where the last configuration's files are, as any directory finds them. Borrowed for good. */
const char *const *load_paths(size_t *count);

/* The network's name of a command's NAME or FILE argument, as `up` calls it; false: it names none,
 * and that was printed. */
bool load_network_name(const char *argument, char name[TUNNEL_NAME_BYTES]);
/* The argument is a file's path, and no NAME. */
bool load_is_file(const char *argument);

#define LOAD_ADVICE_BYTES 1024
/* "`hopwire up work`": the command that would start the network, as a shell reads it, in the words
 * of load_network_name's argument if that names a file. */
const char *load_advise_up(const char *network, char text[LOAD_ADVICE_BYTES]);

#endif
