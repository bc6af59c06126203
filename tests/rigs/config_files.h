/* SPDX-License-Identifier: MIT */
/* For this room's tests: a configuration's files as text in the program. */
#ifndef TESTS_RIGS_CONFIG_FILES_H
#define TESTS_RIGS_CONFIG_FILES_H

#include <stdio.h>
#include <string.h>

#include "config/config.h"

/* Private keys; any 32 bytes are one. */
#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define KEY_3 "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="
#define KEY_4 "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ="
#define KEY_ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

#define CONFIG_FILES_MOST 4

struct named_file {
    const char *path;
    const char *text;
    bool others_can_read;
};

struct config_files {
    struct named_file files[CONFIG_FILES_MOST];
};

static inline bool config_files_read(void *context, const struct memory *memory, const char *path,
                                     struct config_file *file)
{
    const struct config_files *files = context;
    for (size_t i = 0; i < CONFIG_FILES_MOST && files->files[i].path; i++) {
        const struct named_file *found = &files->files[i];
        if (strcmp(found->path, path) != 0)
            continue;
        size_t len = strlen(found->text);
        file->capacity_bytes = len + 10; /* a reader may not know the length before */
        file->bytes = memory_take(memory, file->capacity_bytes);
        if (!file->bytes) {
            snprintf(file->reason, sizeof(file->reason), "Cannot allocate memory");
            return false;
        }
        memcpy(file->bytes, found->text, len);
        file->len = len;
        file->others_can_read = found->others_can_read;
        return true;
    }
    snprintf(file->reason, sizeof(file->reason), "No such file or directory");
    return false;
}

/* Loads the first `path_count` files as the command line's. */
static inline bool config_files_load(struct config_files *files, size_t path_count,
                                     const struct memory *memory, struct config **config,
                                     struct config_messages *messages)
{
    const char *paths[CONFIG_FILES_MOST];
    struct config_reader reader = {.read = config_files_read, .context = files};
    for (size_t i = 0; i < path_count; i++)
        paths[i] = files->files[i].path;
    config_messages_init(messages, memory);
    return config_load(config, memory, &reader, paths, path_count, messages);
}

/* DESIGN's example with literals for names, and the file it includes. */
#define EXAMPLE_CONF                                                                               \
    "[Network]                      # all optional\n"                                              \
    "Interface = hop0               # default: the file's name\n"                                  \
    "KillSwitch = off\n"                                                                           \
    "\n"                                                                                           \
    "[Tunnel entry]\n"                                                                             \
    "PrivateKey = " KEY_1 "\n"                                                                     \
    "Address = 10.64.0.2/32, fc00:bbbb::2/128\n"                                                   \
    "[Peer]\n"                                                                                     \
    "PublicKey = " KEY_2 "\n"                                                                      \
    "Endpoint = relay.example.net:51820\n"                                                         \
    "AllowedIPs = 0.0.0.0/0, ::/0\n"                                                               \
    "\n"                                                                                           \
    "[Tunnel office]\n"                                                                            \
    "Via = entry                    # inside entry\n"                                              \
    "Config = office.conf\n"                                                                       \
    "Routes = 10.20.0.0/16\n"                                                                      \
    "NAT = auto\n"
#define OFFICE_CONF                                                                                \
    "\xef\xbb\xbf[Interface]\r\n"                                                                  \
    "PrivateKey = " KEY_3 "\r\n"                                                                   \
    "Address = 10.2.0.2/24\r\n"                                                                    \
    "MTU = 1400\r\n"                                                                               \
    "DNS = 10.2.0.1\r\n"                                                                           \
    "FwMark = 0x55\r\n"                                                                            \
    "Table = off\r\n"                                                                              \
    "PostUp = iptables -A FORWARD # -i %i\r\n"                                                     \
    "SaveConfig = true\r\n"                                                                        \
    "\r\n"                                                                                         \
    "[Peer]\r\n"                                                                                   \
    "publickey=" KEY_4 "\r\n"                                                                      \
    "PresharedKey = " KEY_1 "\r\n"                                                                 \
    "AllowedIPs = 10.20.0.0/16\r\n"                                                                \
    "AllowedIPs =\r\n"                                                                             \
    "AllowedIPs = 10.30.0.0/16\r\n"                                                                \
    "Endpoint = 198.51.100.7:443\r\n"                                                              \
    "PersistentKeepalive = 25\r\n"

#endif
