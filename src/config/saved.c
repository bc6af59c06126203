/* SPDX-License-Identifier: MIT */
#include "config/saved.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "config/arena.h"
#include "config/keytext.h"
#include "config/value.h"
#include "engine/description.h"

/* A line of the file, without its end. */
struct line {
    const char *bytes;
    size_t len;
};

/* A [Peer] of the file, with the comments directly before it. */
struct section {
    const char *comments; /* where these begin */
    const char *header;
    const char *end;
    uint8_t public_key[KEY_BYTES];
};

struct saver {
    struct arena arena;
    struct section *sections; /* by public key, those of one peer in file order */
    size_t section_count;
    char *answer; /* what is left of it */
    char *key, *value; /* the line that was read last; NULL: the answer is over */
    saved_name_zone name_zone;
    struct text *text;
};

/* ---- the file ---- */

static bool next_line(const char **at, struct line *line)
{
    if (!**at)
        return false;
    line->bytes = *at;
    line->len = strcspn(*at, "\n");
    *at += line->len + ((*at)[line->len] == '\n');
    return true;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\v\f");
}

static bool is_comment(const struct line *line)
{
    return *skip_blanks(line->bytes) == '#';
}

static bool is_header(const struct line *line, const char *name)
{
    const char *at = skip_blanks(line->bytes);
    if (*at != '[')
        return false;
    at = skip_blanks(at + 1);
    return strncasecmp(at, name, strlen(name)) == 0 &&
           *skip_blanks(at + strlen(name)) == ']';
}

static bool is_any_header(const struct line *line)
{
    return *skip_blanks(line->bytes) == '[';
}

/* The value's first byte; NULL: the line sets another key, or none. */
static const char *value_of(const struct line *line, const char *key)
{
    const char *at = skip_blanks(line->bytes);
    if (strncasecmp(at, key, strlen(key)) != 0)
        return NULL;
    at = skip_blanks(at + strlen(key));
    return *at == '=' ? skip_blanks(at + 1) : NULL;
}

static bool add_section(struct saver *saver, const struct section *section)
{
    struct section *more = arena_extend(&saver->arena, saver->sections, saver->section_count,
                                        sizeof(*more));
    if (!more)
        return false;
    more[saver->section_count++] = *section;
    saver->sections = more;
    return true;
}

static int compare_sections(const void *left, const void *right)
{
    const struct section *a = left, *b = right;
    int order = memcmp(a->public_key, b->public_key, KEY_BYTES);
    return order ? order : a->header < b->header ? -1 : a->header > b->header;
}

/* The peer's sections, `count` of them from the one that is returned; NULL: it has none. */
static const struct section *find_sections(const struct saver *saver, const uint8_t *public_key,
                                           size_t *count)
{
    size_t first = 0, end = saver->section_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (memcmp(saver->sections[middle].public_key, public_key, KEY_BYTES) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    for (end = first; end < saver->section_count &&
                      memcmp(saver->sections[end].public_key, public_key, KEY_BYTES) == 0;)
        end++;
    *count = end - first;
    return *count ? &saver->sections[first] : NULL;
}

/* Where a section's own text ends: before the comments that belong to the next header. */
static bool gather_sections(struct saver *saver, const char *old)
{
    struct section section = {0};
    const char *comments = NULL; /* the first of those that end here */
    struct line line;
    bool has_key = false;
    for (const char *at = old; next_line(&at, &line);) {
        if (is_any_header(&line)) {
            section.end = comments ? comments : line.bytes;
            if (has_key && !add_section(saver, &section))
                return false;
            bool is_peer = is_header(&line, "Peer");
            section = (struct section){.comments = is_peer ? (comments ? comments : line.bytes)
                                                           : NULL,
                                       .header = line.bytes};
            has_key = false;
        }
        const char *key = section.comments ? value_of(&line, "PublicKey") : NULL;
        if (key)
            has_key = strnlen(key, KEYTEXT_CHARACTERS) == KEYTEXT_CHARACTERS &&
                      keytext_parse(key, KEYTEXT_CHARACTERS, section.public_key);
        comments = !is_comment(&line) ? NULL : comments ? comments : line.bytes;
    }
    section.end = old + strlen(old);
    if (has_key && !add_section(saver, &section))
        return false;
    if (saver->section_count)
        qsort(saver->sections, saver->section_count, sizeof(*saver->sections), compare_sections);
    return true;
}

/* The key's last value from `from` to `end`, without its comment; false: there is none. */
static bool find_value(const char *from, const char *end, const char *name, struct line *value)
{
    struct line line;
    bool is_found = false;
    while (from < end && next_line(&from, &line)) {
        const char *at = value_of(&line, name);
        if (!at)
            continue;
        *value = (struct line){at, strcspn(at, "#\n")};
        while (value->len && skip_blanks(at + value->len - 1) >= at + value->len)
            value->len--;
        is_found = true;
    }
    return is_found;
}

/* The line's comment, if it has one, as a line of its own. */
static void copy_comment(struct saver *saver, const struct line *line)
{
    const char *comment = memchr(line->bytes, '#', line->len);
    if (comment)
        text_append(saver->text, "%.*s\n", (int)(line->bytes + line->len - comment), comment);
}

static void copy_comments(struct saver *saver, const char *from, const char *end)
{
    struct line line;
    while (from < end && next_line(&from, &line))
        copy_comment(saver, &line);
}

/* ---- the answer ---- */

/* The next KEY=VALUE; false: it is no such line. At the end `key` is NULL. */
static bool read_answer(struct saver *saver)
{
    char *line = strsep(&saver->answer, "\n");
    saver->key = line && *line ? line : NULL;
    if (!saver->key)
        return true;
    saver->value = strchr(line, '=');
    if (!saver->value)
        return false;
    *saver->value++ = '\0';
    return strcmp(line, "errno") != 0 || strcmp(saver->value, "0") == 0;
}

/* What stands before this key is over: the device, or a peer. */
static bool is_peers_end(const char *key)
{
    return strcmp(key, "public_key") == 0 || strcmp(key, "errno") == 0;
}

static bool append_key(struct saver *saver, const char *name, bool unless_zero)
{
    uint8_t key[KEY_BYTES];
    char text[KEYTEXT_CHARACTERS + 1];
    if (!keytext_parse_hex(saver->value, strlen(saver->value), key))
        return false;
    if (!unless_zero || !bytes_are_zero(key, sizeof(key)))
        text_append(saver->text, "%s = %s\n", name, keytext_format(key, text));
    bytes_wipe(key, sizeof(key));
    bytes_wipe(text, sizeof(text));
    return true;
}

/* `FwMark = off` stays: a mark that Hopwire chose is none that the next run has to have. */
static void write_mark(struct saver *saver, unsigned long mark, const struct line *old)
{
    if ((mark & NETWORK_MARK_MASK) == NETWORK_MARK)
        text_append(saver->text, "FwMark = %.*s\n", (int)old->len, old->bytes);
    else
        text_append(saver->text, "FwMark = 0x%lx\n", mark);
}

/* The device's keys, to the first peer. `mark`: the file's; no bytes: it has none. */
static bool write_device(struct saver *saver, const struct line *mark)
{
    for (;;) {
        if (!read_answer(saver))
            return false;
        if (!saver->key || is_peers_end(saver->key))
            return true;
        if (strcmp(saver->key, "private_key") == 0 && !append_key(saver, "PrivateKey", true))
            return false;
        if (strcmp(saver->key, "listen_port") == 0)
            text_append(saver->text, "ListenPort = %s\n", saver->value);
        if (strcmp(saver->key, "fwmark") == 0 && mark->bytes)
            write_mark(saver, strtoul(saver->value, NULL, 10), mark);
    }
}

/* ADDRESS:PORT or [ADDRESS%ZONE]:PORT, whose zone is a number in the answer. It is in place of the
 * file's. */
static void append_endpoint(struct saver *saver, struct line *old)
{
    *old = (struct line){0};
    char *zone = strchr(saver->value, '%'), *rest;
    char name[INTERFACE_NAME_BYTES];
    text_append(saver->text, "Endpoint = ");
    if (zone && saver->name_zone((unsigned)strtoul(zone + 1, &rest, 10), name))
        text_append(saver->text, "%.*s%s%s\n", (int)(zone + 1 - saver->value), saver->value, name,
                    rest);
    else
        text_append(saver->text, "%s\n", saver->value);
}

/* What stands in front of the peer's keys; `endpoint`: the text that counts, as they are joined. */
static bool write_peer_head(struct saver *saver, struct line *endpoint)
{
    uint8_t public_key[KEY_BYTES];
    size_t count;
    if (!keytext_parse_hex(saver->value, strlen(saver->value), public_key))
        return false;
    const struct section *sections = find_sections(saver, public_key, &count);
    text_append(saver->text, "\n");
    for (size_t i = 0; i < count; i++)
        copy_comments(saver, sections[i].comments, sections[i].header);
    text_append(saver->text, "[Peer]\n");
    for (size_t i = 0; i < count; i++) {
        copy_comments(saver, sections[i].header, sections[i].end);
        find_value(sections[i].header, sections[i].end, "Endpoint", endpoint);
    }
    return append_key(saver, "PublicKey", false);
}

/* One peer, whose public key was read last; what follows it is then. */
static bool write_peer(struct saver *saver)
{
    struct line endpoint = {0}; /* until its name is resolved the answer has none */
    bool is_well = write_peer_head(saver, &endpoint), has_prefix = false;
    while (is_well && (is_well = read_answer(saver)) && saver->key && !is_peers_end(saver->key)) {
        bool is_prefix = strcmp(saver->key, "allowed_ip") == 0;
        if (has_prefix && !is_prefix)
            text_append(saver->text, "\n");
        if (is_prefix)
            text_append(saver->text, has_prefix ? ", %s" : "AllowedIPs = %s", saver->value);
        has_prefix = is_prefix;
        if (strcmp(saver->key, "preshared_key") == 0)
            is_well = append_key(saver, "PresharedKey", true);
        else if (strcmp(saver->key, "endpoint") == 0)
            append_endpoint(saver, &endpoint);
        else if (strcmp(saver->key, "persistent_keepalive_interval") == 0 &&
                 strcmp(saver->value, "0") != 0)
            text_append(saver->text, "PersistentKeepalive = %s\n", saver->value);
    }
    if (has_prefix)
        text_append(saver->text, "\n");
    if (endpoint.len)
        text_append(saver->text, "Endpoint = %.*s\n", (int)endpoint.len, endpoint.bytes);
    return is_well;
}

/* ---- both ---- */

static bool is_of_wg(const struct line *line)
{
    return value_of(line, "PrivateKey") || value_of(line, "PrivateKeyFile") ||
           value_of(line, "ListenPort") || value_of(line, "FwMark");
}

bool saved_has_secret(const char *old)
{
    struct line line;
    while (next_line(&old, &line)) {
        if (value_of(&line, "PrivateKey") || value_of(&line, "PresharedKey"))
            return true;
    }
    return false;
}

/* Comments and empty lines that nothing of [Interface] follows; those directly before a [Peer] are
 * its own. */
static void write_rest(struct saver *saver, const char *held, const char *end)
{
    while (held && end > held && strchr(" \t\r\v\f\n", end[-1]))
        end--;
    if (held && end > held)
        text_append(saver->text, "%.*s\n", (int)(end - held), held);
}

static void write_setting(struct saver *saver, const struct line *line)
{
    if (is_of_wg(line))
        copy_comment(saver, line);
    else
        text_append(saver->text, "%.*s\n", (int)line->len, line->bytes);
}

/* All but the peers. */
static bool write_interface(struct saver *saver, const char *old)
{
    bool is_peer = false, is_written = false, is_well = true;
    struct line mark = {0};
    find_value(old, old + strlen(old), "FwMark", &mark);
    const char *held = NULL,
               *comments = NULL; /* what waits for the next line, and its last comments */
    struct line line;
    for (const char *at = old; is_well && next_line(&at, &line);) {
        bool is_empty = (size_t)(skip_blanks(line.bytes) - line.bytes) >= line.len;
        bool is_head = is_any_header(&line), was_peer = is_peer;
        if (is_head)
            is_peer = is_header(&line, "Peer");
        if (is_empty || is_comment(&line)) {
            held = held ? held : line.bytes;
            comments = is_empty ? NULL : comments ? comments : line.bytes;
            continue;
        }
        if (is_peer && !was_peer)
            write_rest(saver, held, comments ? comments : line.bytes);
        else if (!is_peer && held)
            text_append(saver->text, "%.*s", (int)(line.bytes - held), held);
        held = comments = NULL;
        if (is_peer)
            continue;
        if (!is_head || !is_written)
            write_setting(saver, &line);
        if (is_head && !is_written)
            is_well = write_device(saver, &mark);
        is_written |= is_head;
    }
    if (!is_peer)
        write_rest(saver, held, old + strlen(old));
    return is_well && is_written;
}

bool saved_write(const char *old, char *answer, saved_name_zone name_zone,
                 const struct memory *memory, struct text *text)
{
    struct saver saver = {.answer = answer, .name_zone = name_zone, .text = text};
    arena_init(&saver.arena, memory);
    bool is_well = gather_sections(&saver, old) && write_interface(&saver, old);
    while (is_well && saver.key && strcmp(saver.key, "public_key") == 0)
        is_well = write_peer(&saver);
    is_well = is_well && saver.key && strcmp(saver.key, "errno") == 0 && !text->is_cut;
    arena_wipe(&saver.arena);
    return is_well;
}
