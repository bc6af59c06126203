/* SPDX-License-Identifier: MIT */
/* What `down` needs to know, also after a crash: /run/hopwire/NAME.state (RULES F7). JSON, 0600,
 * replaced atomically. HOPWIRE_RUN_DIR in the environment names another directory. */
#ifndef HOST_STATE_H
#define HOST_STATE_H

#include "base/text.h"
#include "host/routing.h"

#define STATE_NAME_BYTES 64 /* a network's name with its NUL */
#define STATE_PATH_BYTES 256
#define STATE_WG_MOST 128

struct state {
    uint32_t pid;
    uint64_t process_start_ticks; /* /proc/PID/stat: tells the process from a later one */
    uint64_t network_namespace;   /* inode of /proc/PID/ns/net: rules live there and nowhere else */
    struct routing routing; /* with the interface's name and index; its addresses go with it */
    bool is_laid;           /* all of it stood: what a run before it left may go */
    bool has_previous;
    struct routing previous;      /* what a run before it left, until that is undone; else all 0 */
    bool has_firewall;            /* the table `inet hopwire_NAME` stands */
    bool has_kill_switch;         /* and may reject: this run's, or one before until this is laid */
    bool restores_src_valid_mark; /* net.ipv4.conf.all.src_valid_mark was 0, and is 1 for us */
    size_t wg_count;
    char wg[STATE_WG_MOST][16];   /* what its tunnels are called in `wg`: sockets' names */
};

/* 1 to 63 bytes of A-Z a-z 0-9 _ = + . -, not starting with '.': safe as a file's name. */
bool state_name_is_valid(const char *network);
/* "/run/hopwire/NAME" and the suffix (".state", ".sock"). -EINVAL or -ENAMETOOLONG: a bad name. */
int state_path(const char *network, const char *suffix, char path[STATE_PATH_BYTES],
               struct text *why);
/* That directory, as it was named: refused by the rest unless it is a whole path. */
const char *state_directory(void);
/* Makes the directory (0755) when it is missing; refuses one that others may write to. */
int state_make_directory(struct text *why);
/* Changes nothing: whether that, and the first file there, would be refused. */
int state_look_at_directory(struct text *why);

/* Fills in the calling process. */
int state_set_process(struct state *state, struct text *why);
/* True: exactly the process that wrote the state is alive, and seen from here. That it is not means
 * nothing: see host/life.h. */
bool state_process_is_alive(const struct state *state);

/* False: its rules and routes lie elsewhere; there is nothing to undo here. */
bool state_is_of_this_namespace(const struct state *state);

/* True: another network here still needs the switch on; the last one restores it. */
bool state_others_need_src_valid_mark(const char *network);

/* Marks and first tables that the states of this namespace name, their own network's too: `down`
 * will undo them, so nobody else may use them, though no rule holds them yet. */
#define STATE_NUMBERS_MOST 1100 /* more than there are */
struct state_numbers {
    uint32_t numbers[STATE_NUMBERS_MOST];
    size_t count;
};
void state_list_numbers(struct state_numbers *numbers);

/* All: 0, or -errno and a sentence. */
int state_write(const char *network, const struct state *state, struct text *why);
/* -ENOENT: there is none. -EBADMSG: not what state_write writes; *state is untouched. */
int state_read(const char *network, struct state *state, struct text *why);
/* One that does not exist is fine. */
int state_remove(const char *network, struct text *why);

#endif
