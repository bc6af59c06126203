/* SPDX-License-Identifier: MIT */
/* A test program's voice: plain TAP on standard output. A test is a function; `main` lists them.
 *
 *     static void test_a_thing(void) { CHECK(1 + 1 == 2); CHECK_EQUAL(two(), 2); }
 *     int main(int argc, char **argv) { TAP_RUN(argc, argv, test_a_thing); return tap_done(); }
 *
 * A random test takes its numbers from tap_random(): the seed is printed, and HOPWIRE_TEST_SEED
 * sets it. Arguments name the tests to run (all without any). */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/random.h"

/* A failed check prints its place and fails the running test, which goes on. */
#define CHECK(claim) tap_check((claim), #claim, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, expected)                                                              \
    tap_check_equal((long long)(actual), (long long)(expected), #actual, __FILE__, __LINE__)
#define CHECK_BYTES(actual, expected, len)                                                         \
    tap_check_bytes((actual), (expected), (len), #actual, __FILE__, __LINE__)
#define CHECK_TEXT(actual, expected)                                                               \
    tap_check_text((actual), (expected), #actual, __FILE__, __LINE__)

#define TAP_RUN(argc, argv, test) tap_run((argc), (argv), #test, (test))

/* A program with the address sanitizer does not run inside valgrind, nor in useful time inside an
 * emulator, and its mlock does nothing: such tests are not run there. */
#if defined(__has_feature)
#define TAP_HAS_FEATURE(feature) __has_feature(feature)
#else
#define TAP_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || TAP_HAS_FEATURE(address_sanitizer)
#define TAP_IS_SANITIZED 1
#else
#define TAP_IS_SANITIZED 0
#endif

bool tap_check(bool holds, const char *claim, const char *file, int line);
bool tap_check_equal(long long actual, long long expected, const char *what, const char *file,
                     int line);
bool tap_check_bytes(const void *actual, const void *expected, size_t len, const char *what,
                     const char *file, int line);
bool tap_check_text(const char *actual, const char *expected, const char *what, const char *file,
                    int line);
void tap_run(int argc, char **argv, const char *name, void (*test)(void));
/* A check of the running test was wrong: for those who go on from many. */
bool tap_has_failed(void);
/* Skips the rest of the running test's meaning: prints "# SKIP why". */
void tap_skip(const char *why);
/* Prints the plan; the program's exit status. */
int tap_done(void);

uint64_t tap_random(void);
/* Uniform in 0 … below - 1. */
uint64_t tap_random_below(uint64_t below);
void tap_random_bytes(void *bytes, size_t len);
/* The same source in the shape that the product takes. */
const struct random_source *tap_random_source(void);
/* malloc in the shape that the product takes; the balance must be 0 at the end of a test. */
const struct memory *tap_memory(void);
size_t tap_memory_balance_bytes(void);
/* Makes an empty directory, called after `name`, in $TMPDIR or /tmp; writes its path. */
void tap_make_directory(char *path, size_t path_bytes, const char *name);
/* "0a1b" to bytes; spaces are passed over; returns the count, asserts on anything else. */
size_t tap_hex(const char *hex, uint8_t *bytes, size_t capacity_bytes);

#endif
