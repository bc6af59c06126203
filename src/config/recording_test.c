/* SPDX-License-Identifier: MIT */
/* RULES I2: what was read once is read again from bytes, in a process that may not read the
 * files. */
#include "config/recording.h"

#include "rigs/config_files.h"
#include "tap.h"

#define PARTS                                                                                      \
    "[Tunnel entry]\nPrivateKeyFile = entry.key\nAddress = 10.64.0.2\n"                            \
    "[Peer]\nPublicKey = " KEY_2 "\nAllowedIPs = 0.0.0.0/0\nEndpoint = [fe80::1%eth0]:wire\n"      \
    "[Tunnel office]\nVia = entry\nConfig = office.conf\n[Network]\nTable = mine\n"

static bool find_port(void *context, const char *name, uint16_t *port)
{
    (void)context;
    *port = 4711;
    return strcmp(name, "wire") == 0;
}

static bool find_table(void *context, const char *name, uint32_t *table)
{
    (void)context;
    *table = 77;
    return strcmp(name, "mine") == 0;
}

static uint32_t find_interface(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "eth0") == 0 ? 3 : 0;
}

static bool is_taken(void *context, const char *interface_name, const char *network)
{
    (void)context;
    (void)network;
    return strcmp(interface_name, "a") == 0;
}

static struct config_files files = {{{"a.conf", PARTS, false},
                                     {"entry.key", KEY_1 "\n", true},
                                     {"office.conf", OFFICE_CONF, false}}};

static const struct config_reader host = {.read = config_files_read,
                                          .find_port = find_port,
                                          .find_table = find_table,
                                          .find_interface = find_interface,
                                          .is_taken = is_taken,
                                          .context = &files};

/* Loads with the reader; what was said, a line each. */
static struct config *load(const struct config_reader *reader, const char *const *paths,
                           size_t count, struct text *said)
{
    struct config *config = NULL;
    struct config_messages messages;
    config_messages_init(&messages, tap_memory());
    config_load(&config, tap_memory(), reader, paths, count, &messages);
    for (size_t i = 0; i < messages.count; i++)
        text_append(said, "%s\n", messages.items[i].text);
    config_messages_wipe(&messages);
    return config;
}

static struct config *load_and_record(struct recording *recording, const char *path,
                                      struct text *said)
{
    const char *const paths[] = {path};
    const struct config_reader reader =
        recording_begin(recording, tap_memory(), &host, paths, 1);
    return load(&reader, paths, 1, said);
}

static struct config *load_again(struct recording_replay *replay, struct text *said)
{
    const char *paths[4];
    size_t count;
    const struct config_reader reader = recording_reader(replay);
    return recording_paths(replay, paths, 4, &count) ? load(&reader, paths, count, said) : NULL;
}

static void test_i2_the_same_is_read_and_said(void)
{
    static char first[8192], second[8192], first_tree[4096], second_tree[4096];
    struct text said, again, tree;
    struct recording recording;
    text_init(&said, first, sizeof(first));
    text_init(&again, second, sizeof(second));
    struct config *config = load_and_record(&recording, "a.conf", &said);
    CHECK(config && !recording.is_cut);
    CHECK(said.len > 0); /* what is passed over, and the key that others can read */
    struct recording_replay replay = {recording.bytes, recording.len};
    struct config *same = load_again(&replay, &again);
    CHECK(same != NULL);
    CHECK_TEXT(second, first);
    if (config && same) {
        text_init(&tree, first_tree, sizeof(first_tree));
        config_outline(config, &tree);
        text_init(&tree, second_tree, sizeof(second_tree));
        config_outline(same, &tree);
        CHECK_TEXT(second_tree, first_tree);
        CHECK_EQUAL(same->table, 77);
        CHECK_EQUAL(same->network.tunnels[0].peers[0].endpoint.port, 4711);
        CHECK_BYTES(same->network.tunnels[0].private_key, config->network.tunnels[0].private_key,
                    32);
    }
    config_free(config);
    config_free(same);
    recording_wipe(&recording);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_i2_a_file_that_is_missing_is_missing_again(void)
{
    static char first[1024], second[1024];
    struct text said, again;
    struct recording recording;
    text_init(&said, first, sizeof(first));
    text_init(&again, second, sizeof(second));
    CHECK(!load_and_record(&recording, "gone.conf", &said));
    struct recording_replay replay = {recording.bytes, recording.len};
    CHECK(!load_again(&replay, &again));
    CHECK(said.len > 0);
    CHECK_TEXT(second, first);
    recording_wipe(&recording);
}

/* Cut anywhere, and with any byte changed: refused or read, never more than there is. */
static void test_hostile_recordings_harm_nobody(void)
{
    static char said[8192];
    struct text text;
    struct recording recording;
    text_init(&text, said, sizeof(said));
    config_free(load_and_record(&recording, "a.conf", &text));
    for (int i = 0; i < 400; i++) {
        size_t len = i % 2 ? recording.len : tap_random_below(recording.len);
        char *copy = memory_take(tap_memory(), len + 1); /* so that a sanitizer sees its end */
        memcpy(copy, recording.bytes, len);
        if (i % 2)
            copy[tap_random_below(len)] ^= (char)(1 + tap_random_below(255));
        struct recording_replay replay = {copy, len};
        text_init(&text, said, sizeof(said));
        config_free(load_again(&replay, &text));
        memory_give(tap_memory(), copy, len + 1);
    }
    recording_wipe(&recording);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_i2_the_same_is_read_and_said);
    TAP_RUN(argc, argv, test_i2_a_file_that_is_missing_is_missing_again);
    TAP_RUN(argc, argv, test_hostile_recordings_harm_nobody);
    return tap_done();
}
