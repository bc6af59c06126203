/* SPDX-License-Identifier: MIT */
/* Which backend it becomes: what the self-test at the start finds out, and what the CPU and the
 * system offer. */
#include <string.h>

#include "crypto/aead_backends.h"
#include "rigs/aead_each.h"

#define DEFAULT_IT_IS 100

static void seal_one_bit_wrong(void *state, struct aead_desc *batch, size_t count)
{
    aead_portable_backend.seal(state, batch, count);
    batch[count - 1].bytes[batch[count - 1].len_bytes] ^= 4;
}

static void open_and_believe(void *state, struct aead_desc *batch, size_t count)
{
    aead_portable_backend.open(state, batch, count);
    for (size_t i = 0; i < count; i++)
        batch[i].is_authentic = true;
}

static void open_and_leave_encrypted(void *state, struct aead_desc *batch, size_t count)
{
    aead_portable_backend.open(state, batch, count);
    batch[count - 1].bytes[0] ^= 1;
}

static void open_and_fail_the_batch(void *state, struct aead_desc *batch, size_t count)
{
    bool all = true;
    aead_portable_backend.open(state, batch, count);
    for (size_t i = 0; i < count; i++)
        all &= batch[i].is_authentic;
    for (size_t i = 0; i < count; i++)
        batch[i].is_authentic = all;
}

static void open_and_only_ever_say_yes(void *state, struct aead_desc *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool before = batch[i].is_authentic;
        aead_portable_backend.open(state, &batch[i], 1);
        batch[i].is_authentic |= before;
    }
}

/* Its own seal and open agree, with each other only. */
static void shift_counters(struct aead_desc *batch, size_t count)
{
    for (size_t i = 0; i < count; i++)
        batch[i].counter ^= 1ull << 40;
}

static void seal_with_other_counters(void *state, struct aead_desc *batch, size_t count)
{
    shift_counters(batch, count);
    aead_portable_backend.seal(state, batch, count);
    shift_counters(batch, count);
}

static void open_with_other_counters(void *state, struct aead_desc *batch, size_t count)
{
    shift_counters(batch, count);
    aead_portable_backend.open(state, batch, count);
    shift_counters(batch, count);
}

/* A real one, wrong in a packet's last bit. */
static const struct aead_backend *real;

static void seal_as_the_real_one_but_a_bit(void *state, struct aead_desc *batch, size_t count)
{
    real->seal(state, batch, count);
    batch[count - 1].bytes[batch[count - 1].len_bytes + AEAD_TAG_BYTES - 1] ^= 0x80;
}

static bool init_never(void *state)
{
    (void)state;
    return false;
}

static bool is_never_supported(void)
{
    return false;
}

static void test_a_backend_that_fails_its_self_test_is_passed_over(void)
{
    struct aead_backend wrong[8];
    for (unsigned i = 0; i < 8; i++) {
        wrong[i] = aead_portable_backend;
        wrong[i].name = "wrong";
        wrong[i].state_bytes = 100;
    }
    wrong[0].seal = seal_one_bit_wrong;
    wrong[1].open = open_and_believe;
    wrong[2].open = open_and_leave_encrypted;
    wrong[3].open = open_and_fail_the_batch;
    wrong[4].init = init_never;
    wrong[5].is_supported = is_never_supported;
    wrong[6].open = open_and_only_ever_say_yes;
    wrong[7].seal = seal_with_other_counters;
    wrong[7].open = open_with_other_counters;
    for (unsigned i = 0; i < 8; i++) {
        const struct aead_backend *const table[] = {&wrong[i], &aead_portable_backend};
        struct aead *aead = aead_new_from(tap_memory(), table, 2, NULL);
        CHECK_TEXT(aead_name(aead), "portable");
        aead_free(aead);
        CHECK(!aead_new_from(tap_memory(), table, 2, "wrong"));
    }
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_a_mismatch_costs_one_step_and_no_more(void)
{
    size_t count;
    const struct aead_backend *const *backends = aead_backends(&count);
    for (size_t wrong = 0; wrong + 1 < count; wrong++) {
        const struct aead_backend *table[8];
        size_t next = wrong + 1;
        struct aead_backend mistaken = *backends[wrong];
        memcpy(table, backends, count * sizeof(table[0]));
        real = backends[wrong];
        mistaken.seal = seal_as_the_real_one_but_a_bit;
        table[wrong] = &mistaken;
        if (!real->is_supported())
            continue;
        while (!backends[next]->is_supported())
            next++;
        struct aead *aead = aead_new_from(tap_memory(), table + wrong, count - wrong, NULL);
        CHECK_TEXT(aead_name(aead), backends[next]->name);
        aead_free(aead);
    }
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_the_default_is_the_first_that_works_and_unknown_names_are_refused(void)
{
    size_t count, i = 0;
    const struct aead_backend *const *backends = aead_backends(&count);
    while (!backends[i]->is_supported())
        i++;
    struct aead *aead = aead_new(tap_memory(), NULL);
    CHECK_TEXT(aead_name(aead), backends[i]->name);
    printf("# the default here is %s\n", aead_name(aead));
    aead_free(aead);
    aead_free(NULL);
    CHECK_TEXT(backends[count - 1]->name, "portable");
    CHECK(!aead_new(tap_memory(), "rot13"));
    CHECK(!aead_new(tap_memory(), ""));
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

/* Which one is the default on a CPU that the emulator makes up. */
static bool default_is(const char *cpu, const char *name)
{
    const char *argv[8] = {"qemu-x86_64", "-cpu", cpu};
    return aead_each_rerun(argv, name) == DEFAULT_IT_IS;
}

/* AVX2's registers are of use only where the system saves them at a change of process: CPUID may
 * well offer AVX2 where OSXSAVE and XCR0 do not (a hypervisor, a kernel's option). */
static void test_avx2_is_left_alone_where_the_system_does_not_save_its_registers(void)
{
    if (!default_is("max", "avx2")) {
        tap_skip("no emulator for this program: apt-get install qemu-user, and build for x86_64");
        return;
    }
    CHECK(default_is("max,-xsave", "libcrypto"));
    CHECK(default_is("max,-avx", "libcrypto"));
    CHECK(default_is("max,-avx2", "libcrypto"));
    CHECK(default_is("max,-bmi2", "libcrypto"));
}

static void *take_a_few(void *context, size_t bytes)
{
    unsigned *left = context;
    return *left && (*left)-- ? tap_memory()->take(NULL, bytes) : NULL;
}

static void test_without_memory_there_is_none_and_nothing_leaks(void)
{
    for (unsigned few = 0; few < 2; few++) {
        unsigned left = few;
        const struct memory memory = {
            .take = take_a_few, .give = tap_memory()->give, .context = &left};
        CHECK(!aead_new(&memory, "portable"));
        CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    }
}

/* On another CPU: whether the default is the named one. */
static int again(const char *name)
{
    struct aead *aead = aead_new(tap_memory(), NULL);
    bool it_is = aead && strcmp(aead_name(aead), name) == 0;
    aead_free(aead);
    return it_is ? DEFAULT_IT_IS : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "again") == 0)
        return again(argv[2]);
    TAP_RUN(argc, argv, test_a_backend_that_fails_its_self_test_is_passed_over);
    TAP_RUN(argc, argv, test_a_mismatch_costs_one_step_and_no_more);
    TAP_RUN(argc, argv, test_the_default_is_the_first_that_works_and_unknown_names_are_refused);
    if (!TAP_IS_SANITIZED)
        TAP_RUN(argc, argv, test_avx2_is_left_alone_where_the_system_does_not_save_its_registers);
    TAP_RUN(argc, argv, test_without_memory_there_is_none_and_nothing_leaks);
    return tap_done();
}
