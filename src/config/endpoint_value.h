/* SPDX-License-Identifier: MIT */
/* `Endpoint =` and `ListenPort =`, as `wg` reads them: ADDRESS:PORT, [ADDRESS]:PORT or NAME:PORT,
 * the port behind the last colon where no bracket says so, a zone behind a link-local address, and
 * ports by their services' names. Private to this room. */
#ifndef CONFIG_ENDPOINT_VALUE_H
#define CONFIG_ENDPOINT_VALUE_H

#include "config/source.h"

/* Into `peer`, which keeps the name; `value` has no blanks, is in the arena and is cut in place. */
void endpoint_value_read(struct loader *loader, const struct config_place *place, char *value,
                         struct peer_description *peer);
/* A number, or the name of a UDP service, as the host knows it. False: nothing was told. */
bool endpoint_value_port(const struct loader *loader, const char *text, uint16_t *port);

#endif
