/* SPDX-License-Identifier: MIT */
#include "config/dialect.h"

#include <string.h>
#include <strings.h>

#include "config/foreign.h"
#include "config/syntax.h"

#define PLAIN_WORD_CHARACTERS 24
#define LEAST_KEY_CHARACTERS 40 /* of the 43: one that was copied badly is a secret as well */

struct scan {
    struct loader *loader;
    const char *name; /* of a single file's tunnel */
    enum source_role role;
    enum section section;
    struct draft *draft;
    bool holds_key;
    bool has_section;
};

struct draft *dialect_draft(struct loader *loader, const struct config_place *place,
                            const char *name, bool is_linked)
{
    struct draft *draft = arena_take(&loader->config->arena, sizeof(*draft));
    if (!draft)
        return NULL;
    draft->tunnel.carrier = TUNNEL_NO_CARRIER;
    draft->tunnel.routes_are_default = true;
    draft->notes.place = *place;
    strncpy(draft->tunnel.name, name, sizeof(draft->tunnel.name) - 1);
    if (is_linked) {
        *loader->last = draft;
        loader->last = &draft->next;
        loader->draft_count++;
    }
    return draft;
}

static void open_peer(struct scan *scan, const struct config_place *place)
{
    struct tunnel_description *tunnel = &scan->draft->tunnel;
    struct config_tunnel *notes = &scan->draft->notes;
    struct arena *arena = &scan->loader->config->arena;
    struct peer_description *peers =
        arena_extend(arena, tunnel->peers, tunnel->peer_count, sizeof(*peers));
    struct config_peer *peer_notes =
        arena_extend(arena, notes->peers, tunnel->peer_count, sizeof(*peer_notes));
    if (!peers || !peer_notes)
        return;
    tunnel->peers = peers;
    notes->peers = peer_notes;
    notes->peers[tunnel->peer_count++].place = *place;
    scan->section = SECTION_PEER;
}

static void open_tunnel(struct scan *scan, const struct config_place *place, const char *name)
{
    if (!value_is_name(name, TUNNEL_NAME_BYTES - 1)) {
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "[Tunnel NAME] needs a name of letters, digits or _=+.-");
        return;
    }
    scan->draft = dialect_draft(scan->loader, place, name, true);
    scan->section = scan->draft ? SECTION_TUNNEL : SECTION_NONE;
}

/* [Interface] and [Peer] alone are a plain wg-quick file. */
static bool settle_role(struct scan *scan, const struct config_place *place, enum section section)
{
    bool is_plain = section == SECTION_INTERFACE || section == SECTION_PEER;
    if (scan->role == ROLE_UNKNOWN) {
        scan->role = is_plain ? ROLE_SINGLE : ROLE_NETWORK;
        scan->loader->config->is_plain = is_plain;
        if (is_plain && (scan->draft = dialect_draft(scan->loader, place, scan->name, true)))
            scan->draft->notes.is_plain = true;
    }
    if (scan->role == ROLE_NETWORK && section == SECTION_INTERFACE)
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "[Interface] belongs in a plain wg-quick file; write [Tunnel NAME] "
                            "here");
    else if (scan->role != ROLE_NETWORK && !is_plain)
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "[Network] and [Tunnel NAME] have no place in a plain wg-quick file%s",
                            scan->role == ROLE_PART ? " that is included or chained"
                                                    : "; write [Tunnel NAME] for [Interface]");
    else
        return true;
    return false;
}

static void open_section(struct scan *scan, const struct config_place *place,
                         const struct syntax_line *line)
{
    static const struct {
        const char *name;
        enum section section;
    } sections[] = {{"Network", SECTION_NETWORK},
                    {"Tunnel", SECTION_TUNNEL},
                    {"Interface", SECTION_INTERFACE},
                    {"Peer", SECTION_PEER}};
    size_t nearest = 0;
    for (size_t i = 1; i < sizeof(sections) / sizeof(*sections); i++)
        if (keyword_distance(line->key, sections[i].name) <
            keyword_distance(line->key, sections[nearest].name))
            nearest = i;
    enum section section = sections[nearest].section;
    bool is_known = strcasecmp(line->key, sections[nearest].name) == 0;
    scan->section = SECTION_NONE;
    scan->has_section = true;
    if (!is_known && foreign_section(scan->loader, place, line->key))
        return;
    if (!is_known || (*line->value && section != SECTION_TUNNEL)) {
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "unknown section [%.40s%s%.40s]; the nearest known one is [%s%s]",
                            line->key, *line->value ? " " : "", line->value, sections[nearest].name,
                            section == SECTION_TUNNEL ? " NAME" : "");
        return;
    }
    if (!settle_role(scan, place, section))
        return;
    if (section == SECTION_TUNNEL)
        open_tunnel(scan, place, line->value);
    else if (section != SECTION_PEER)
        scan->section = section;
    else if (scan->draft)
        open_peer(scan, place);
    else
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "a [Peer] before any tunnel; put it below its [Tunnel NAME]");
}

/* A word that may be quoted: a key that slipped onto a line of its own may not. */
static bool is_plain_word(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-");
    return len > 0 && len <= PLAIN_WORD_CHARACTERS && !text[len];
}

/* A slip of the hand, and not another word. */
static bool is_like(const char *text, const char *name)
{
    return 3 * keyword_distance(text, name) <= strlen(name);
}

static void tell_unknown_key(struct scan *scan, struct config_place *place,
                             const struct syntax_line *line)
{
    enum keyword keyword = keyword_find(line->key);
    bool is_plain = scan->role != ROLE_NETWORK;
    if (keyword < KEYWORD_COUNT) {
        place->key = keyword_name(keyword);
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "has no place in this section; it belongs in %s",
                            keyword_home(keyword, is_plain));
    } else if (foreign_key(scan->loader, place, line->key, line->value)) {
        return;
    } else if (is_plain_word(line->key)) {
        enum keyword nearest = keyword_nearest(line->key, scan->section);
        place->key = line->key;
        if (!is_like(line->key, keyword_name(nearest)))
            config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                                "unknown key, and none is like it; remove the line, or look at "
                                "hopwire.conf(5) for the one that is meant");
        else if (keyword_sections(nearest) & scan->section)
            config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                                "unknown key; the nearest known one is %s", keyword_name(nearest));
        else
            config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                                "unknown key; the nearest known one is %s, which belongs in %s",
                                keyword_name(nearest), keyword_home(nearest, is_plain));
    } else {
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "no key's name stands before the =; write KEY = VALUE on one line");
    }
}

/* A key and the one that names a file for the same thing. */
static enum keyword twin_of(enum keyword keyword)
{
    switch (keyword) {
    case KEYWORD_PRIVATE_KEY:
        return KEYWORD_PRIVATE_KEY_FILE;
    case KEYWORD_PRIVATE_KEY_FILE:
        return KEYWORD_PRIVATE_KEY;
    case KEYWORD_PRESHARED_KEY:
        return KEYWORD_PRESHARED_KEY_FILE;
    case KEYWORD_PRESHARED_KEY_FILE:
        return KEYWORD_PRESHARED_KEY;
    default:
        return keyword;
    }
}

/* Where the section keeps the places of its keys. */
static struct config_place *places_of(const struct scan *scan)
{
    if (scan->section == SECTION_NETWORK)
        return scan->loader->config->given;
    struct config_tunnel *notes = &scan->draft->notes;
    if (scan->section == SECTION_PEER)
        return notes->peers[scan->draft->tunnel.peer_count - 1].given;
    return notes->given;
}

/* A key's text, also amid others. */
static bool holds_key(const char *value)
{
    while (*value) {
        size_t len = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789+/");
        value += len;
        if (len >= LEAST_KEY_CHARACTERS && *value == '=')
            return true;
        value += *value != '\0';
    }
    return false;
}

/* Its value is named in no message: a key, or a command, which may have keys among its words. */
static bool is_never_quoted(enum keyword keyword)
{
    switch (keyword) {
    case KEYWORD_PUBLIC_KEY:
    case KEYWORD_PRESHARED_KEY:
    case KEYWORD_PRIVATE_KEY:
    case KEYWORD_PRE_UP:
    case KEYWORD_POST_UP:
    case KEYWORD_PRE_DOWN:
    case KEYWORD_POST_DOWN:
        return true;
    default:
        return false;
    }
}

/* Of wg-quick's own keys an empty one takes back what stood before it, and of `wg`'s it is
 * nothing. */
static bool note_empty(struct scan *scan, const struct config_place *place, enum keyword keyword)
{
    if (!keyword_is_of_wg(keyword) || scan->section == SECTION_NETWORK) {
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "has no value; write one or remove the line");
        return false;
    }
    if (keyword == KEYWORD_ALLOWED_IPS)
        return true;
    struct config_place *given = places_of(scan);
    if (keyword == KEYWORD_MTU || keyword == KEYWORD_TABLE) {
        given[keyword] = (struct config_place){0};
        settings_forget(scan->loader, keyword, scan->draft);
    }
    config_messages_add(scan->loader->messages, CONFIG_NOTICE, place,
                        "has no value, and is as if it were not there");
    return false;
}

/* False: the value is not to be read. */
static bool note_key(struct scan *scan, const struct config_place *place, enum keyword keyword,
                     const char *value)
{
    struct config_place *given = places_of(scan), *twin = &given[twin_of(keyword)];
    const struct config_place *first = given[keyword].file ? &given[keyword] : twin;
    bool is_empty = !value[strspn(value, " \t\r\v\f,")];
    if (is_empty && !note_empty(scan, place, keyword))
        return false;
    if (first->file && !keyword_may_repeat(keyword)) {
        bool may_be_again = keyword_is_of_wg(keyword) && scan->section != SECTION_NETWORK &&
                            given[keyword].file;
        config_messages_add(scan->loader->messages, may_be_again ? CONFIG_WARNING : CONFIG_ERROR,
                            place, may_be_again ? "given twice: this one counts, and %s on line "
                                                  "%u does not, as with wg-quick"
                                                : "given twice: %s is on line %u already; keep one "
                                                  "of them",
                            first->key, first->line);
        if (!may_be_again)
            return false;
        given[keyword] = *place;
    }
    if (!given[keyword].file)
        given[keyword] = *place;
    if (!is_never_quoted(keyword) && holds_key(value)) {
        config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                            "a key stands here, which is not shown; it belongs to PrivateKey, "
                            "PublicKey or PresharedKey");
        return false;
    }
    scan->holds_key |= keyword == KEYWORD_PRIVATE_KEY || keyword == KEYWORD_PRESHARED_KEY;
    return true;
}

static void read_setting(struct scan *scan, struct config_place *place,
                         const struct syntax_line *line)
{
    enum keyword keyword = keyword_find(syntax_squeeze(line->key));
    if (scan->section == SECTION_NONE) {
        if (!scan->has_section)
            config_messages_add(scan->loader->messages, CONFIG_ERROR, place,
                                "a key before any section; the file begins with [Interface], "
                                "[Network] or [Tunnel NAME]");
        scan->has_section = true; /* told once */
        return;
    }
    if (keyword == KEYWORD_COUNT || !(keyword_sections(keyword) & scan->section)) {
        tell_unknown_key(scan, place, line);
        return;
    }
    place->key = keyword_name(keyword);
    if (!note_key(scan, place, keyword, line->value))
        return;
    if (scan->section == SECTION_NETWORK)
        settings_network(scan->loader, place, keyword, line->value);
    else if (scan->section == SECTION_PEER)
        settings_peer(scan->loader, place, keyword, line->value, scan->draft);
    else
        settings_tunnel(scan->loader, place, keyword, line->value, scan->role, scan->draft);
}

void dialect_read(struct loader *loader, const char *path, const struct config_place *place,
                  enum source_role role, const char *name, struct draft *draft)
{
    struct source source;
    if (!source_read(loader, path, place, &source))
        return;
    struct scan scan = {.loader = loader, .name = name, .role = role, .draft = draft};
    struct syntax syntax;
    struct syntax_line line = {0};
    syntax_init(&syntax, source.text);
    while (!loader->config->arena.is_exhausted && syntax_next(&syntax, &line)) {
        struct config_place here = {.file = path, .line = line.line};
        if (line.kind == SYNTAX_BROKEN && foreign_line(loader, &here, line.key))
            break;
        else if (line.kind == SYNTAX_BROKEN)
            config_messages_add(loader->messages, CONFIG_ERROR, &here, "%s", line.reason);
        else if (line.kind == SYNTAX_SECTION)
            open_section(&scan, &here, &line);
        else
            read_setting(&scan, &here, &line);
    }
    if (source.others_can_read && scan.holds_key) {
        struct config_place whole = {.file = path};
        source_tell_readable(loader, &whole, "this file, which holds keys", path);
    }
}
