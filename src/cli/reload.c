/* SPDX-License-Identifier: MIT */
/* Reads the files with the rights of whoever calls it and hands what it read to the daemon, in
 * memory without a name. What the hooks of the new file need is done here too. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/running.h"
#include "config/naming.h"
#include "daemon/attendant.h"
#include "daemon/files_record.h"
#include "daemon/hooks_record.h"
#include "host/life.h"

#define USAGE "reload [--dry-run] NAME|FILE..."
/* A daemon that settles a large change answers behind it; so does one that waits for a resolvconf,
 * none of which has more time than this in all. */
#define TIMEOUT_MS 100000

/* While it goes on nobody else reloads the network, and no signal comes between what the daemon
 * does and what is written down of it. */
struct turn {
    int lock;
    bool holds_signals;
    sigset_t before;
};

/* Where it cannot be had the network is not up, or it is nobody's who has no right to it: which the
 * daemon's socket tells. */
static void take_turn(struct turn *turn, const char *file)
{
    char name[TUNNEL_NAME_BYTES];
    naming_network(file, name);
    turn->lock = life_take_turn(name, TEXT_UNHEARD);
}

static void hold_signals(struct turn *turn)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGHUP);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGQUIT);
    sigaddset(&ending, SIGTERM);
    turn->holds_signals = sigprocmask(SIG_BLOCK, &ending, &turn->before) == 0;
}

static void end_turn(struct turn *turn)
{
    if (turn->lock >= 0)
        close(turn->lock);
    turn->lock = -1;
    if (turn->holds_signals)
        sigprocmask(SIG_SETMASK, &turn->before, NULL);
    turn->holds_signals = false;
}

/* Memory that the daemon can read as a file, with the bytes; it is locked where that is allowed,
 * and wiped by drop_shared. */
struct shared {
    int file;
    char *bytes;
    size_t len;
};

static bool share(struct shared *shared, const struct recording *recording)
{
    *shared = (struct shared){.len = recording->len,
                              .file = memfd_create("hopwire", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (shared->file < 0 || ftruncate(shared->file, (off_t)shared->len) != 0)
        return false;
    void *bytes =
        mmap(NULL, shared->len, PROT_READ | PROT_WRITE, MAP_SHARED, shared->file, 0);
    if (bytes == MAP_FAILED)
        return false;
    shared->bytes = bytes;
    if (mlock(bytes, shared->len) != 0)
        errno = 0; /* then it may be swapped out, as it may be where it is refused elsewhere */
    memcpy(bytes, recording->bytes, shared->len);
    return fcntl(shared->file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
}

static void drop_shared(struct shared *shared)
{
    if (shared->bytes) {
        bytes_wipe(shared->bytes, shared->len);
        munmap(shared->bytes, shared->len);
    }
    if (shared->file >= 0)
        close(shared->file);
}

/* The daemon's answer, or NULL: it was said why not. */
static json_t *hand_over(const char *network, const struct recording *recording, bool is_dry)
{
    struct shared shared = {.file = -1};
    json_t *answer = NULL;
    if (recording->is_cut || !share(&shared, recording))
        fprintf(stderr, "hopwire: %s: no memory to hand the configuration over\n", network);
    else
        answer = ask_with_file(network, is_dry ? "reload dry-run" : "reload", shared.file,
                               TIMEOUT_MS);
    drop_shared(&shared);
    return answer;
}

static bool print_refusals(const char *network, const json_t *refusals)
{
    for (size_t i = 0; i < json_array_size(refusals); i++)
        fprintf(stderr, "hopwire: %s: %s\n", network,
                json_string_value(json_array_get(refusals, i)));
    if (refusals)
        fprintf(stderr, "hopwire: %s: nothing was changed\n", network);
    return refusals != NULL;
}

static void print_changes(const json_t *changes)
{
    for (size_t i = 0; i < json_array_size(changes); i++)
        printf("%s\n", json_string_value(json_array_get(changes, i)));
    if (json_array_size(changes) == 0)
        printf("nothing changes\n");
    fflush(stdout); /* before what the hooks say */
}

/* False: it was told that the host does not stand as the file says. */
static bool print_behind(const char *network, const json_t *answer)
{
    const char *behind = ask_text(answer, "behind", NULL);
    if (behind)
        fprintf(stderr,
                "hopwire: %s: the file is in use, but this host does not stand as it says: %s; "
                "tried again until it is done\n",
                network, behind);
    return !behind;
}

static void print_notes(const char *network, const json_t *notes)
{
    for (size_t i = 0; i < json_array_size(notes); i++)
        fprintf(stderr, "hopwire: %s: %s\n", network,
                json_string_value(json_array_get(notes, i)));
}

/* Those that are in the list, and all that are for the end. */
static bool copy_wanted(struct hooks *hooks, const struct config *config, const json_t *post_up)
{
    if (!hooks_copy(hooks, config))
        return false;
    for (size_t i = hooks->count; i-- > 0;) {
        bool is_wanted = hooks->list[i].kind == HOOK_PRE_DOWN ||
                         hooks->list[i].kind == HOOK_POST_DOWN;
        for (size_t n = 0; n < json_array_size(post_up); n++)
            is_wanted |= json_integer_value(json_array_get(post_up, n)) == (json_int_t)i;
        if (!is_wanted)
            hooks_drop_at(hooks, i);
    }
    return true;
}

/* The daemon gets a process that runs them after a signal, and knows them should what is written
 * down be removed. Before they are written down: nobody would be left to run them. */
static bool give_attendant(struct config *config, struct text *why)
{
    struct attendant attendant;
    if (attendant_start_later(&attendant, config, load_free, why) != 0)
        return false;
    json_t *answer = ask_with_file(config->name, "attendant", attendant.socket, TIMEOUT_MS);
    attendant_end(&attendant);
    if (!answer)
        text_append(why, "none of its hooks ran");
    json_decref(answer);
    return answer != NULL;
}

/* What `down` will run, in place of what it would have run. */
static bool record_hooks(struct config *config, const struct hooks *hooks, struct text *why)
{
    bool is_sealed = true;
    bool is_well = (!hooks_record_is_needed(hooks) || give_attendant(config, why)) &&
                   hooks_record_replace(hooks, &is_sealed, why) == 0;
    if (is_well && !is_sealed)
        fprintf(stderr,
                "hopwire: %s: its hooks stand without a seal, which takes the right CAP_SYS_ADMIN: "
                "a `hopwire down` with that right will not run them\n",
                config->name);
    return is_well;
}

/* `down` runs the new file's PreDown and PostDown; of PostUp what is new runs now, with the signals
 * as they were. */
static int follow_hooks(struct config *config, const json_t *answer, struct turn *turn)
{
    struct hooks hooks;
    struct text why = TEXT_ROOM(1024);
    if (!json_is_true(json_object_get(answer, "hooks")))
        return COMMAND_DONE;
    bool is_well = copy_wanted(&hooks, config, json_object_get(answer, "post_up"));
    if (!is_well) {
        text_append(&why, "no memory for its hooks");
    } else {
        is_well = record_hooks(config, &hooks, &why);
        end_turn(turn);
        is_well = is_well && hooks_run(&hooks, HOOK_POST_UP, NULL, &why);
        hooks_wipe(&hooks);
    }
    if (!is_well)
        fprintf(stderr, "hopwire: %s: the rest of the file is in use; %s\n", config->name,
                why.bytes);
    return is_well ? COMMAND_DONE : COMMAND_REFUSED;
}

/* For the next time; unless it has ended meanwhile. */
static void note_sources(const char *network)
{
    struct text why = TEXT_ROOM(512);
    size_t count;
    const char *const *paths = load_paths(&count);
    if (files_record_write(network, paths, count, &why) != 0)
        fprintf(stderr, "hopwire: %s: %s\n", network, why.bytes);
    if (!life_goes_on(network))
        files_record_remove(network);
}

/* From reading the files until the hooks are written down. */
static int reload_in_turn(char **files, int count, bool is_dry, struct turn *turn)
{
    struct recording recording = {0};
    struct config *config = load_recorded(files, count, &recording);
    if (!config)
        return COMMAND_REFUSED;
    if (!is_dry)
        hold_signals(turn);
    json_t *answer = hand_over(config->name, &recording, is_dry);
    recording_wipe(&recording);
    int result = COMMAND_REFUSED;
    if (answer && !print_refusals(config->name, json_object_get(answer, "refusals"))) {
        print_changes(json_object_get(answer, "changes"));
        print_notes(config->name, json_object_get(answer, "notes"));
        if (!is_dry)
            note_sources(config->name);
        result = is_dry ? COMMAND_DONE : follow_hooks(config, answer, turn);
        if (!print_behind(config->name, answer))
            result = COMMAND_REFUSED;
    }
    json_decref(answer);
    load_free(config);
    return result;
}

static int reload(char **files, int count, bool is_dry)
{
    struct turn turn = {.lock = -1};
    if (!is_dry)
        take_turn(&turn, files[count - 1]);
    int result = reload_in_turn(files, count, is_dry, &turn);
    end_turn(&turn);
    return result;
}

/* The files that it runs from. */
static int reload_named(const char *argument, bool is_dry)
{
    struct running running;
    if (!running_read(argument, "reload", &running))
        return COMMAND_REFUSED;
    int result = reload((char **)running.files, (int)running.count, is_dry);
    free(running.bytes);
    return result;
}

int reload_main(int argc, char **argv)
{
    static const struct option words[] = {{.name = "dry-run", .val = 'n'}, {0}};
    bool is_dry = false;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", words, NULL)) != -1) {
        const char letter[] = {'-', (char)optopt, '\0'};
        if (option != 'n')
            return command_misused(USAGE, "reload: %.100s is no option of it",
                                   optopt ? letter : argv[optind - 1]);
        is_dry = true;
    }
    if (optind >= argc)
        return command_misused(USAGE, "reload: NAME or FILE is missing");
    if (argc - optind == 1 && !load_is_file(argv[optind]))
        return reload_named(argv[optind], is_dry);
    return reload(argv + optind, argc - optind, is_dry);
}
