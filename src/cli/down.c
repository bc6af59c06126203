/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/load.h"
#include "daemon/earlier.h"
#include "host/state.h"

#define END_TIMEOUT_MS 15000

static int clean_up(const char *name)
{
    char reason[1024];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    int result = earlier_clean_up(name, &why);
    if (result == 0 || result == -ENOENT)
        return COMMAND_DONE;
    fprintf(stderr, "hopwire: %s: %s\n", name, why.len ? reason : strerror(-result));
    return COMMAND_REFUSED;
}

static bool wait_for_end(int process)
{
    struct pollfd ended = {.fd = process, .events = POLLIN};
    return process < 0 || poll(&ended, 1, END_TIMEOUT_MS) == 1;
}

/* The daemon undoes everything itself; it is waited for by its process descriptor. One that does not
 * answer is starting, or dying (a kill -9 takes a moment); what it left is undone here. */
static int end_daemon(const char *name, pid_t pid)
{
    bool is_up;
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    json_decref(ask_daemon(name, "down", &is_up));
    if (!is_up && process >= 0)
        syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0); /* it may be starting */
    bool is_over = wait_for_end(process);
    if (process >= 0)
        close(process);
    if (is_over)
        return clean_up(name);
    fprintf(stderr, "hopwire: %s: process %d does not end; look at what it waits for\n", name,
            (int)pid);
    return COMMAND_REFUSED;
}

int down_main(int argc, char **argv)
{
    char name[TUNNEL_NAME_BYTES], reason[1024];
    struct state state;
    struct text why;
    text_init(&why, reason, sizeof(reason));
    if (argc != 2)
        return command_misused("down", "down NAME");
    if (!load_network_name(argv[1], name))
        return COMMAND_REFUSED;
    int result = state_read(name, &state, &why);
    /* Somebody removed or damaged the file: the daemon itself still knows what to undo. */
    pid_t listener = result == -ENOENT || result == -EBADMSG ? ask_process(name) : 0;
    if (listener)
        return end_daemon(name, listener);
    if (result == -ENOENT) {
        state_remove(name, &why); /* what one wrote of it that was killed while it wrote */
        fprintf(stderr, "hopwire: %s is not up\n", name);
        return COMMAND_DONE; /* what was asked for is so: `down` may be called again (RULES F7) */
    }
    if (result == 0 && state_process_is_alive(&state))
        return end_daemon(name, (pid_t)state.pid);
    if (result == 0)
        return clean_up(name);
    fprintf(stderr, "hopwire: %s: %s\n", name, why.len ? reason : strerror(-result));
    return COMMAND_REFUSED;
}
