/* SPDX-License-Identifier: MIT */
#include "host/dns_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define LIST "nameserver 10.64.0.1\nnameserver fc00::1\nsearch corp.example\n"
#define BEFORE "# \xe9, and a line without an end\nnameserver 192.0.2.1"

static char reason[512], directory[256];

static struct text *why(void)
{
    static struct text text;
    text_init(&text, reason, sizeof(reason));
    return &text;
}

static bool begin(void)
{
    tap_make_directory(directory, sizeof(directory), "dns_record");
    chmod(directory, 0755);
    return setenv("HOPWIRE_RUN_DIR", directory, 1) == 0;
}

static struct dns_record example(unsigned order)
{
    struct dns_record record = {.order = order, .list = LIST, .file = "mount-8.1-2f",
                                .resolvconf = {"tun.hop0", "hop1"}, .resolvconf_count = 2,
                                .is_resolved = true, .is_leaving = true};
    record.before = strdup(BEFORE);
    return record;
}

static void test_what_is_written_is_read(void)
{
    struct dns_record record = example(7), read;
    if (!begin())
        return;
    CHECK_EQUAL(dns_record_write("net", &record, why()), 0);
    CHECK_EQUAL(dns_record_read("net", &read, why()), 0);
    CHECK_EQUAL(read.order, 7);
    CHECK(read.is_resolved && read.is_leaving);
    CHECK_TEXT(read.list, LIST);
    CHECK_TEXT(read.file, "mount-8.1-2f");
    CHECK_EQUAL(read.resolvconf_count, 2);
    CHECK_TEXT(read.resolvconf[1], "hop1");
    CHECK_TEXT(read.before ? read.before : "none", BEFORE);
    dns_record_wipe(&read);
    dns_record_wipe(&record);
    record = (struct dns_record){.order = 1, .list = LIST};
    CHECK_EQUAL(dns_record_write("net", &record, why()), 0);
    CHECK_EQUAL(dns_record_read("net", &read, why()), 0);
    CHECK(!read.is_resolved && !read.is_leaving && !read.before && !read.file[0] &&
          !read.resolvconf_count);
    dns_record_wipe(&read);
    CHECK_EQUAL(dns_record_remove("net", why()), 0);
    CHECK_EQUAL(dns_record_remove("net", why()), 0);
    CHECK_EQUAL(dns_record_read("net", &read, why()), -ENOENT);
    CHECK_TEXT(reason, "");
}

struct seen {
    unsigned count, orders;
};

static void see(void *context, const char *network, const struct dns_record *record)
{
    struct seen *seen = context;
    seen->count++;
    seen->orders += record->order;
    CHECK(strcmp(network, "a") == 0 || strcmp(network, "b") == 0);
}

static void test_the_walk_passes_over_what_is_no_record(void)
{
    char path[512];
    struct seen seen = {0};
    struct dns_record record = {.order = 2, .list = LIST};
    if (!begin())
        return;
    CHECK_EQUAL(dns_record_write("a", &record, why()), 0);
    record.order = 5;
    CHECK_EQUAL(dns_record_write("b", &record, why()), 0);
    snprintf(path, sizeof(path), "%s/damaged.dns", directory);
    CHECK_EQUAL(dns_record_replace_text(path, "file hop0\nnameserver 192.0.2.1\n"), 0);
    snprintf(path, sizeof(path), "%s/a.state", directory);
    CHECK_EQUAL(dns_record_replace_text(path, "{}"), 0);
    dns_record_walk(see, &seen);
    CHECK_EQUAL(seen.count, 2);
    CHECK_EQUAL(seen.orders, 7);
    CHECK_EQUAL(dns_record_read("damaged", &record, why()), -EBADMSG);
    CHECK(strstr(reason, "damaged.dns is damaged") != NULL);
}

/* Whatever somebody made of it: read as a record that is within its bounds, or refused. */
static void test_random_bytes_and_cuts(void)
{
    char path[512], text[600];
    struct dns_record record = example(3);
    if (!begin())
        return;
    CHECK_EQUAL(dns_record_write("net", &record, why()), 0);
    dns_record_wipe(&record);
    snprintf(path, sizeof(path), "%s/net.dns", directory);
    char *whole = dns_record_read_text(path);
    unsigned read = 0, refused = 0;
    for (unsigned round = 0; whole && round < 2000; round++) {
        size_t len = strlen(whole);
        memcpy(text, whole, len + 1);
        for (unsigned i = 0; i < round % 4; i++)
            text[tap_random_below(len)] = (char)(1 + tap_random_below(255));
        if (round % 5 == 0)
            text[tap_random_below(len)] = '\0';
        CHECK_EQUAL(dns_record_replace_text(path, text), 0);
        int result = dns_record_read("net", &record, why());
        read += result == 0;
        refused += result == -EBADMSG;
        CHECK(record.resolvconf_count <= DNS_RECORD_NAMES_MOST);
        dns_record_wipe(&record);
    }
    CHECK_EQUAL(read + refused, 2000);
    CHECK(read > 100 && refused > 100);
    free(whole);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_what_is_written_is_read);
    TAP_RUN(argc, argv, test_the_walk_passes_over_what_is_no_record);
    TAP_RUN(argc, argv, test_random_bytes_and_cuts);
    return tap_done();
}
