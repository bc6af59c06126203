/* SPDX-License-Identifier: MIT */
/* A process beside the daemon that has the rights and, until the network works, the terminal of
 * whoever called `up`: it runs the network's hooks (RULES I5), which the process that parses
 * packets has no rights for. There is one where the network has hooks, from the start or since a
 * reload; it ends with the daemon, and after a kill -9 runs nothing. */
#ifndef DAEMON_ATTENDANT_H
#define DAEMON_ATTENDANT_H

#include "config/config.h"
#include "daemon/log.h"

struct attendant {
    int socket; /* to it; -1: there is none */
};

/* Forks it. `told` is where "R" is to be written when PostUp has ended well (-1: nobody waits); the
 * attendant has it alone from now on. `forget` gives its copy of the configuration, with the keys,
 * back. 0, or -errno and a sentence. */
int attendant_start(struct attendant *attendant, struct config *config, int told,
                    void (*forget)(struct config *config), struct text *why);

/* For a network that runs already, with the hooks that it has from now on; its daemon is to be
 * given the socket. In the attendant nothing of the caller's is left open. */
int attendant_start_later(struct attendant *attendant, struct config *config,
                          void (*forget)(struct config *config), struct text *why);

/* PreDown of a run that is to be replaced, before that ends; and PreUp, behind what is left of an
 * earlier run's end. Each waits; a signal ends the wait. 0, or -errno and a sentence. */
int attendant_end_earlier(struct attendant *attendant, struct text *why);
int attendant_pre_up(struct attendant *attendant, struct text *why);
/* Asks for PostUp, or PreDown; attendant_hear tells of the end. `follows_crash`: if PostUp fails,
 * what a crashed or replaced run left stands, which is told. */
void attendant_post_up(struct attendant *attendant, bool follows_crash);
void attendant_pre_down(struct attendant *attendant);
/* Somebody has removed the network's files: what its end runs, as the configuration had it when the
 * attendant was forked, is written again. Waits for nothing. */
void attendant_keep_record(struct attendant *attendant);
/* Waits for PostDown, unless a signal comes: PreDown that still runs is ended. `log` is told what
 * it has to say meanwhile. False: it failed, and what it said stands on its standard error. */
bool attendant_post_down(struct attendant *attendant, struct log *log, struct text *why);

/* When its socket is readable. */
enum attendant_heard {
    ATTENDANT_WELL,   /* the hooks asked for were */
    ATTENDANT_FAILED, /* they were not; a sentence */
    ATTENDANT_TOLD,   /* a sentence for the log, and no answer */
    ATTENDANT_ENDED,  /* there will be no answer; a sentence */
};
enum attendant_heard attendant_hear(struct attendant *attendant, struct text *why);

/* Lets it end. Without one does nothing. */
void attendant_end(struct attendant *attendant);

#endif
