/* SPDX-License-Identifier: MIT */
#include "host/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char path[256];

static void write_bytes(size_t len)
{
    char directory[200];
    tap_make_directory(directory, sizeof(directory), "small");
    snprintf(path, sizeof(path), "%s/file", directory);
    FILE *file = fopen(path, "w");
    for (size_t i = 0; i < len; i++)
        fputc('a' + (int)(i % 26), file);
    fclose(file);
}

static void check_refused(size_t most, int error)
{
    errno = 0;
    char *bytes = small_file_read(path, most);
    CHECK(bytes == NULL);
    CHECK_EQUAL(errno, error);
    free(bytes);
}

static void test_a_file_is_read_whole_or_not_at_all(void)
{
    static const size_t sizes[] = {0, 1, 31, 4096, 70000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        write_bytes(sizes[i]);
        char *bytes = small_file_read(path, sizes[i]);
        CHECK(bytes != NULL);
        CHECK_EQUAL(bytes ? strlen(bytes) : 0, sizes[i]);
        free(bytes);
        if (sizes[i])
            check_refused(sizes[i] - 1, EFBIG);
    }
}

static void test_a_file_that_tells_no_size_is_read(void)
{
    snprintf(path, sizeof(path), "/proc/self/stat");
    char *bytes = small_file_read(path, 1024);
    CHECK_EQUAL(bytes ? atoi(bytes) : 0, getpid());
    free(bytes);
}

static void test_what_is_no_file_is_told(void)
{
    write_bytes(1);
    CHECK_EQUAL(unlink(path), 0);
    check_refused(9, ENOENT);
    CHECK_EQUAL(mkdir(path, 0700), 0);
    check_refused(9, EISDIR);
    CHECK_EQUAL(rmdir(path), 0);
    CHECK_EQUAL(mkfifo(path, 0600), 0); /* without anybody who writes */
    char *bytes = small_file_read(path, 9);
    CHECK_TEXT(bytes ? bytes : "none", "");
    free(bytes);
    int writer = open(path, O_RDWR);
    check_refused(9, EAGAIN);
    close(writer);
}

static void test_a_descriptor_is_taken_from_where_it_stands(void)
{
    size_t len;
    write_bytes(26);
    int file = open(path, O_RDONLY);
    CHECK_EQUAL(lseek(file, 20, SEEK_SET), 20);
    char *bytes = small_file_take(file, 6, &len);
    CHECK_TEXT(bytes ? bytes : "none", "uvwxyz");
    CHECK_EQUAL(len, 6);
    free(bytes);
    close(file);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_a_file_is_read_whole_or_not_at_all);
    TAP_RUN(argc, argv, test_a_file_that_tells_no_size_is_read);
    TAP_RUN(argc, argv, test_what_is_no_file_is_told);
    TAP_RUN(argc, argv, test_a_descriptor_is_taken_from_where_it_stands);
    return tap_done();
}
