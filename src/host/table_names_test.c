/* SPDX-License-Identifier: MIT */
#include "host/table_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char root[256];

static void put(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "%s%s", root, path);
    for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(whole, 0755);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    CHECK(file != NULL);
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

/* 0: no file has the name. */
static uint32_t number_of(const char *name)
{
    uint32_t table = 0;
    return table_names_find(root, name, &table) ? table : 0;
}

static void test_f3_tables_are_named_as_iproute2_names_them(void)
{
    char command[300];
    tap_make_directory(root, sizeof(root), "tables");
    CHECK_EQUAL(number_of("main"), 0);
    put("/usr/share/iproute2/rt_tables", "254 main\n7 vendor\n");
    put("/usr/share/iproute2/rt_tables.d/a.conf", "20 hidden\n");
    put("/usr/share/iproute2/rt_tables.d/b.conf", "21 shown\n");
    put("/usr/share/iproute2/rt_tables.d/c.txt", "22 no-conf\n");
    CHECK_EQUAL(number_of("main"), 254);
    CHECK_EQUAL(number_of("hidden"), 20);
    put("/etc/iproute2/rt_tables",
        "# mine\n\n  100 vpn # the office\n0x65\thex\n102 two\n103 two\nx bad\n104\n-1 minus\n"
        "4294967296 large\n");
    put("/etc/iproute2/rt_tables.d/a.conf", "30 own\n");
    static const struct {
        const char *name;
        uint32_t table;
    } names[] = {{"vpn", 100},   {"hex", 101},  {"two", 103},    {"own", 30},     {"shown", 21},
                 {"vendor", 0},  {"hidden", 0}, {"no-conf", 0},  {"bad", 0},      {"minus", 0},
                 {"large", 0},   {"", 0},       {"mine", 0},     {"the", 0},      {"vp", 0}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        CHECK_EQUAL(number_of(names[i].name), names[i].table);
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    CHECK_EQUAL(system(command), 0);
}

static void test_f3_the_kernels_tables_are_shown_by_name(void)
{
    char text[TABLE_NAMES_TEXT_BYTES];
    CHECK_TEXT(table_names_show(253, text), "default");
    CHECK_TEXT(table_names_show(254, text), "main");
    CHECK_TEXT(table_names_show(255, text), "local");
    CHECK_TEXT(table_names_show(UINT32_MAX, text), "4294967295");
    CHECK_TEXT(table_names_show(100, text), "100");
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_f3_tables_are_named_as_iproute2_names_them);
    TAP_RUN(argc, argv, test_f3_the_kernels_tables_are_shown_by_name);
    return tap_done();
}
