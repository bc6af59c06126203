/* SPDX-License-Identifier: MIT */
/* The values of the dialect: numbers, marks, names, endpoints. Nothing here writes a message; false
 * leaves the output as it is. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

#define INTERFACE_NAME_BYTES 16

/* Decimal digits only. */
bool value_number(const char *text, uint32_t least, uint32_t most, uint32_t *number);
/* "off" (0), decimal or 0x hexadecimal. */
bool value_mark(const char *text, uint32_t *mark);
/* "VALUE" or "VALUE/MASK", each as above; the mask is then UINT32_MAX, or that of Hopwire's own
 * marks for one of those. A value that the mask leaves nothing of is none, but for "off". */
bool value_mark_and_mask(const char *text, uint32_t *mark, uint32_t *mask);
/* "on" or "off", also "true" and "false" as SaveConfig has it, "yes" and "no", in any case. */
bool value_switch(const char *text, bool *is_on);
/* A name of 1 to `most` letters, digits and _=+.- that is safe as a file name. */
bool value_is_name(const char *text, size_t most);
/* What Linux takes as an interface's name, and no word that /proc/sys means otherwise. */
bool value_is_interface_name(const char *text);
/* A host's name (RFC 1123; the last label not a number, or it would be a mistyped address). */
bool value_is_host_name(const char *text);
/* An address that a host can have or be reached at: not unspecified, multicast or broadcast. */
bool value_is_host_address(const struct address *address);

#endif
