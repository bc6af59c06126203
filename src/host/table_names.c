/* SPDX-License-Identifier: MIT */
#include "host/table_names.h"

#include <dirent.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 512
#define LINE_BYTES 512

static const char *const folders[] = {"/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"};
#define FOLDERS (sizeof(folders) / sizeof(*folders))

/* "254 main" or "0xfe main", and perhaps a comment behind. */
static bool line_names(char *line, const char *name, uint32_t *table)
{
    char *end, *rest;
    line[strcspn(line, "#\n")] = '\0';
    char *number = strtok_r(line, " \t\r", &rest);
    char *named = number ? strtok_r(NULL, " \t\r", &rest) : NULL;
    if (!named || strcmp(named, name) != 0)
        return false;
    errno = 0;
    unsigned long value = strtoul(number, &end, strncmp(number, "0x", 2) == 0 ? 16 : 10);
    if (*end || errno || value > UINT32_MAX || *number == '-')
        return false;
    *table = (uint32_t)value;
    return true;
}

/* -1: there is no such file. A later line wins, as it does for iproute2. */
static int file_names(const char *path, const char *name, uint32_t *table)
{
    char line[LINE_BYTES];
    int found = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (fgets(line, sizeof(line), file))
        found |= line_names(line, name, table);
    fclose(file);
    return found;
}

static bool is_hidden(const char *root, size_t folder, const char *file)
{
    char path[PATH_BYTES];
    uint32_t unheard;
    for (size_t i = 0; i < folder; i++) {
        snprintf(path, sizeof(path), "%s%s/rt_tables.d/%s", root, folders[i], file);
        if (file_names(path, "", &unheard) >= 0)
            return true;
    }
    return false;
}

static bool folder_names(const char *root, size_t folder, const char *name, uint32_t *table)
{
    char path[PATH_BYTES];
    bool is_found = false;
    snprintf(path, sizeof(path), "%s%s/rt_tables.d", root, folders[folder]);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || len < 6 || strcmp(entry->d_name + len - 5, ".conf") != 0 ||
            is_hidden(root, folder, entry->d_name))
            continue;
        snprintf(path, sizeof(path), "%s%s/rt_tables.d/%s", root, folders[folder], entry->d_name);
        is_found |= file_names(path, name, table) == 1;
    }
    if (directory)
        closedir(directory);
    return is_found;
}

bool table_names_find(const char *root, const char *name, uint32_t *table)
{
    char path[PATH_BYTES];
    bool is_found = false;
    int in_file = -1;
    for (size_t i = 0; i < FOLDERS && in_file < 0; i++) {
        snprintf(path, sizeof(path), "%s%s/rt_tables", root, folders[i]);
        in_file = file_names(path, name, table);
        is_found = in_file == 1;
    }
    for (size_t i = FOLDERS; i-- > 0;)
        is_found |= folder_names(root, i, name, table);
    return is_found;
}

const char *table_names_show(uint32_t table, char text[TABLE_NAMES_TEXT_BYTES])
{
    const char *name = table == RT_TABLE_MAIN      ? "main"
                       : table == RT_TABLE_LOCAL   ? "local"
                       : table == RT_TABLE_DEFAULT ? "default"
                                                            : NULL;
    if (name)
        snprintf(text, TABLE_NAMES_TEXT_BYTES, "%s", name);
    else
        snprintf(text, TABLE_NAMES_TEXT_BYTES, "%u", table);
    return text;
}
