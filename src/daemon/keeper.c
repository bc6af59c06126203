/* SPDX-License-Identifier: MIT */
#include "daemon/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/system_dns.h"
#include "host/dns.h"
#include "io/loop.h"

#define SOCKET_PLACE 3 /* the keeper's own, behind the standard ones */
#define SET_TIMEOUT_MS 60000
#define UNDO_TIMEOUT_MS 30000
#define END_TIMEOUT_MS 2000
/* Writers come in steps: a file is removed, then made. Whoever writes again and again gets no more
 * of the time than this. */
#define REST_FIRST_NS (100 * NS_PER_MS)
#define REST_MOST_NS (10 * NS_PER_S)
#define QUIET_NS (5 * NS_PER_S)

enum kind { KIND_SET, KIND_UNDO, KIND_NOTICE };

struct message {
    int kind;
    int result;
    char text[1024];
};

/* ---- the keeper's process ---- */

struct kept {
    struct dns_wish wish;
    int watch; /* what others write; -1: nobody needs to look */
    instant_ns look; /* then, at what was written */
    instant_ns laid;
    duration_ns rest_ns;
    bool has_told;
};

static char **copy_texts(char *const *texts, size_t count)
{
    char **copies = calloc(count + 1, sizeof(*copies));
    for (size_t i = 0; copies && texts && i < count; i++)
        copies[i] = texts[i] ? strdup(texts[i]) : NULL;
    return copies;
}

/* What it needs of the configuration, whose keys it must not keep. */
static struct dns_wish copy_wish(const struct config *config)
{
    struct system_dns dns = system_dns_choose(config);
    struct address *servers = calloc(dns.server_count + 1, sizeof(*servers));
    for (size_t i = 0; servers && i < dns.server_count; i++)
        servers[i] = dns.servers[i];
    return (struct dns_wish){.network = strdup(config->name),
                             .interface = strdup(config->interface_name),
                             .servers = servers,
                             .zones = copy_texts(dns.zones, dns.server_count),
                             .server_count = dns.server_count,
                             .domains = copy_texts(dns.domains, dns.domain_count),
                             .domain_count = dns.domain_count};
}

/* Nothing of the caller's: neither its terminal nor its pipes. */
static void leave_all(int socket)
{
    sigset_t all; /* whoever ends the daemon, by its group or its terminal, ends it alone */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0,
          0); /* what a program leaves behind does not go to PID 1 */
    if (socket != SOCKET_PLACE)
        dup2(socket, SOCKET_PLACE);
    close_range(SOCKET_PLACE + 1, ~0u, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < SOCKET_PLACE; fd++)
        if (null >= 0)
            dup2(null, fd);
    if (null >= 0)
        close(null);
    fcntl(SOCKET_PLACE, F_SETFD, FD_CLOEXEC);
}

static void answer(enum kind kind, int result, const char *text)
{
    struct message message = {.kind = (int)kind, .result = result};
    snprintf(message.text, sizeof(message.text), "%s", text);
    send(SOCKET_PLACE, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void look_again(struct kept *kept)
{
    char reason[1024];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    int result = dns_lay_again(kept->wish.network, &why);
    instant_ns now = loop_now();
    bool is_quiet = now > instant_add(kept->laid, QUIET_NS);
    kept->rest_ns = is_quiet ? REST_FIRST_NS : kept->rest_ns * 2;
    if (kept->rest_ns > REST_MOST_NS)
        kept->rest_ns = REST_MOST_NS;
    if (result == 0)
        return;
    kept->laid = now;
    if (result > 0)
        text_append(&why, "somebody wrote /etc/resolv.conf: it shows the network's name servers "
                          "again, and `down` restores what they wrote");
    if (is_quiet || !kept->has_told)
        answer(KIND_NOTICE, result, reason);
    kept->has_told = true;
}

static void read_events(struct kept *kept)
{
    char events[4096];
    while (read(kept->watch, events, sizeof(events)) > 0)
        continue;
    if (kept->look == INSTANT_NEVER)
        kept->look = instant_add(loop_now(), kept->rest_ns);
}

static void set(struct kept *kept)
{
    char reason[1024], unwatched[512];
    struct text why, no_watch;
    text_init(&why, reason, sizeof(reason));
    text_init(&no_watch, unwatched, sizeof(unwatched));
    int result = dns_set(&kept->wish, &why);
    if (result == 0)
        kept->watch = dns_watch(kept->wish.network, &no_watch);
    if (no_watch.len)
        answer(KIND_NOTICE, 0, unwatched);
    answer(KIND_SET, result, reason);
}

static _Noreturn void undo_and_end(const struct kept *kept)
{
    char reason[1024];
    struct text why;
    text_init(&why, reason, sizeof(reason));
    int result = dns_undo(kept->wish.network, false, &why);
    answer(KIND_UNDO, result, reason);
    _exit(0);
}

static _Noreturn void keep(struct kept *kept)
{
    for (;;) {
        struct pollfd sources[] = {{.fd = SOCKET_PLACE, .events = POLLIN},
                                   {.fd = kept->watch, .events = POLLIN}};
        struct message message;
        duration_ns left = instant_since(loop_now(), kept->look);
        poll(sources, 2, kept->look == INSTANT_NEVER ? -1 : (int)(left / NS_PER_MS) + 1);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        if (sources[1].revents)
            read_events(kept);
        if (kept->look != INSTANT_NEVER && instant_is_reached(kept->look, loop_now())) {
            kept->look = INSTANT_NEVER;
            look_again(kept);
        }
        if (!sources[0].revents)
            continue;
        if (recv(SOCKET_PLACE, &message, sizeof(message), 0) != (ssize_t)sizeof(message))
            _exit(0); /* the daemon has ended */
        if (message.kind == KIND_SET)
            set(kept);
        else
            undo_and_end(kept);
    }
}

/* ---- the daemon's side ---- */

int keeper_start(struct keeper *keeper, struct config *config,
                 void (*forget)(struct config *config), struct text *why)
{
    int ends[2];
    *keeper = (struct keeper){.socket = -1};
    if (system_dns_choose(config).server_count == 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
        (keeper->process = fork()) < 0) {
        int error = errno;
        text_append(why, "no process to keep the system's DNS: %s", strerror(error));
        return -error;
    }
    if (keeper->process > 0) {
        close(ends[1]);
        keeper->socket = ends[0];
        return 0;
    }
    leave_all(ends[1]);
    struct kept kept = {.wish = copy_wish(config), .watch = -1, .look = INSTANT_NEVER,
                        .rest_ns = REST_FIRST_NS};
    forget(config);
    if (!kept.wish.network || !kept.wish.interface || !kept.wish.servers || !kept.wish.zones ||
        !kept.wish.domains)
        _exit(1);
    keep(&kept);
}

/* 1: a message; 0: not in time; -1: it has ended. */
static int hear(struct keeper *keeper, int timeout_ms, struct message *message)
{
    struct pollfd source = {.fd = keeper->socket, .events = POLLIN};
    int ready;
    do {
        ready = poll(&source, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        return ready;
    ssize_t got = recv(keeper->socket, message, sizeof(*message), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return 0;
    message->text[sizeof(message->text) - 1] = '\0';
    return got == (ssize_t)sizeof(*message) ? 1 : -1;
}

static int ask(struct keeper *keeper, enum kind kind, int timeout_ms,
               void (*log)(void *context, const char *line), void *context, struct text *why)
{
    static const char gone[] = "the process that keeps the system's DNS has ended: `hopwire down` "
                               "puts it back";
    struct message message = {.kind = (int)kind};
    instant_ns end = instant_add(loop_now(), timeout_ms * NS_PER_MS);
    if (keeper->socket < 0 || send(keeper->socket, &message, sizeof(message), MSG_NOSIGNAL) < 0) {
        text_append(why, "%s", gone);
        return -EPIPE;
    }
    for (int heard = 1; heard > 0;) {
        heard = hear(keeper, (int)(instant_since(loop_now(), end) / NS_PER_MS), &message);
        if (heard > 0 && message.kind == (int)kind) {
            text_append(why, "%s", message.text);
            return message.result;
        }
        if (heard > 0)
            log(context, message.text);
        else if (heard < 0)
            text_append(why, "%s", gone);
        else
            text_append(why, "the process that keeps the system's DNS does not answer");
        if (heard <= 0)
            return heard < 0 ? -EPIPE : -ETIMEDOUT;
    }
    return -EPIPE;
}

int keeper_set(struct keeper *keeper, void (*log)(void *context, const char *line), void *context,
               struct text *why)
{
    return ask(keeper, KIND_SET, SET_TIMEOUT_MS, log, context, why);
}

int keeper_undo(struct keeper *keeper, void (*log)(void *context, const char *line), void *context,
                struct text *why)
{
    return ask(keeper, KIND_UNDO, UNDO_TIMEOUT_MS, log, context, why);
}

bool keeper_hear(struct keeper *keeper, void (*log)(void *context, const char *line), void *context)
{
    struct message message;
    int heard = hear(keeper, 0, &message);
    if (heard > 0)
        log(context, message.text);
    return heard >= 0;
}

void keeper_end(struct keeper *keeper)
{
    if (keeper->socket < 0)
        return;
    close(keeper->socket);
    keeper->socket = -1;
    int process = (int)syscall(SYS_pidfd_open, keeper->process, 0);
    struct pollfd ended = {.fd = process, .events = POLLIN};
    if (process >= 0 && poll(&ended, 1, END_TIMEOUT_MS) == 0)
        kill(keeper->process, SIGKILL);
    if (process >= 0)
        close(process);
    waitpid(keeper->process, NULL, 0);
}
