/* SPDX-License-Identifier: MIT */
#include "daemon/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

/* A terminal's, a service manager's, and a limit on the time that a process may take. */
static const int ending[] = {SIGTERM, SIGINT, SIGQUIT, SIGXCPU};

/* By default each of them ends a process where it stands, and with it what keeps traffic from
 * leaking stays without its owner; SIGTTOU stops it, when it writes to a terminal that is not its
 * own (`stty tostop`). SIGPIPE: whoever read our output is gone. SIGXFSZ: a limit on files' sizes:
 * a sentence, as of a full disk. */
static const int passed_over[] = {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF,
                                  SIGIO,   SIGPWR,  SIGTTOU
#ifdef SIGSTKFLT
                                  ,        SIGSTKFLT
#endif
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* SIGHUP only where nobody passes it over (nohup, or a background process). */
static sigset_t end_signals(void)
{
    struct sigaction hang_up;
    sigset_t signals;
    sigemptyset(&signals);
    for (unsigned i = 0; i < COUNT(ending); i++)
        sigaddset(&signals, ending[i]);
    if (sigaction(SIGHUP, NULL, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN)
        sigaddset(&signals, SIGHUP);
    return signals;
}

void signals_hold(bool is_foreground)
{
    if (!is_foreground)
        signal(SIGHUP, SIG_IGN); /* no terminal can end with it */
    sigset_t signals = end_signals();
    sigprocmask(SIG_BLOCK, &signals, NULL);
    for (unsigned i = 0; i < COUNT(passed_over); i++)
        signal(passed_over[i], SIG_IGN);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        signal(number, SIG_IGN);
}

bool signals_have_come(void)
{
    sigset_t pending, signals = end_signals();
    return sigpending(&pending) == 0 && sigandset(&pending, &pending, &signals) == 0 &&
           sigisemptyset(&pending) == 0;
}

int signals_open(void)
{
    sigset_t signals = end_signals();
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}
