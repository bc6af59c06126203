/* SPDX-License-Identifier: MIT */
#include "daemon/dns_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/system_dns.h"
#include "host/child.h"
#include "host/dns.h"
#include "io/loop.h"

#define SOCKET_PLACE 3 /* the keeper's own, behind the standard ones */
#define SET_TIMEOUT_MS 60000
#define UNDO_TIMEOUT_MS 30000
#define END_TIMEOUT_MS 2000
#define WISHES_MOST 40 /* of servers, of domains */
/* Writers come in steps: a file is removed, then made. Whoever writes again and again gets no more
 * of the time than this. */
#define REST_FIRST_NS (100 * NS_PER_MS)
#define REST_MOST_NS (10 * NS_PER_S)
#define QUIET_NS (5 * NS_PER_S)

enum kind { KIND_SET, KIND_CHANGE, KIND_UNDO, KIND_NOTICE };

struct message {
    int kind;
    int result;
    char text[4096]; /* a sentence; or name servers and search domains, a line each */
};

/* ---- what is wished, as text ---- */

static bool format_wish(const struct config *config, struct text *text)
{
    struct system_dns dns = system_dns_choose(config);
    for (size_t i = 0; i < dns.server_count; i++) {
        char address[ADDRESS_TEXT_BYTES];
        const char *zone = dns.zones ? dns.zones[i] : NULL;
        text_append(text, "server %s%s%s\n", address_format(&dns.servers[i], address),
                    zone ? "%" : "", zone ? zone : "");
    }
    for (size_t i = 0; dns.server_count && i < dns.domain_count; i++)
        text_append(text, "domain %s\n", dns.domains[i]);
    return !text->is_cut;
}

/* A wish of its own memory. */
struct wish {
    struct address servers[WISHES_MOST];
    char *zones[WISHES_MOST], *domains[WISHES_MOST];
    size_t server_count, domain_count;
    char text[4096]; /* which zones and domains point into */
};

static bool add_server(struct wish *wish, char *server)
{
    char *zone = server;
    const char *address = strsep(&zone, "%");
    wish->zones[wish->server_count] = zone;
    return address_parse(address, &wish->servers[wish->server_count++]);
}

/* False: it is none, or has more than anybody takes. */
static bool parse_wish(const char *text, struct wish *wish)
{
    bool is_well = true;
    *wish = (struct wish){0};
    snprintf(wish->text, sizeof(wish->text), "%s", text);
    char *rest = wish->text;
    for (char *line; is_well && (line = strsep(&rest, "\n")) && *line;) {
        char *value = line;
        const char *word = strsep(&value, " ");
        bool is_server = strcmp(word, "server") == 0;
        is_well = value && (is_server ? wish->server_count : wish->domain_count) < WISHES_MOST;
        if (is_well && is_server)
            is_well = add_server(wish, value);
        else if (is_well)
            wish->domains[wish->domain_count++] = value;
    }
    return is_well;
}

/* ---- the keeper's process ---- */

struct kept {
    char *network, *interface;
    struct wish wish; /* what the system uses; no server: its own */
    int watch;        /* what others write; -1: nobody needs to look */
    instant_ns look;  /* then, at what was written */
    instant_ns laid;
    duration_ns rest_ns;
    bool has_told;
};

static struct dns_wish wish_of(const struct kept *kept, const struct wish *wish)
{
    return (struct dns_wish){.network = kept->network,
                             .interface = kept->interface,
                             .servers = wish->servers,
                             .zones = wish->zones,
                             .server_count = wish->server_count,
                             .domains = wish->domains,
                             .domain_count = wish->domain_count};
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
    struct text why = TEXT_ROOM(1024);
    int result = dns_lay_again(kept->network, &why);
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
        answer(KIND_NOTICE, result, why.bytes);
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

static void watch_again(struct kept *kept)
{
    struct text no_watch = TEXT_ROOM(512);
    if (kept->watch >= 0)
        close(kept->watch);
    kept->watch = kept->wish.server_count ? dns_watch(kept->network, &no_watch) : -1;
    if (no_watch.len)
        answer(KIND_NOTICE, 0, no_watch.bytes);
}

static int change(const struct kept *kept, const struct wish *wish, struct text *why)
{
    const struct dns_wish wanted = wish_of(kept, wish);
    return wish->server_count ? dns_change(&wanted, why) : dns_leave(&wanted, why);
}

static void set(struct kept *kept, enum kind kind, const char *text)
{
    struct text why = TEXT_ROOM(1024);
    struct wish next;
    bool is_first = kind == KIND_SET;
    int result = parse_wish(text, &next) ? 0 : -E2BIG;
    const struct dns_wish wanted = wish_of(kept, &next);
    if (result != 0)
        text_append(&why, "too many name servers and search domains; remove some from DNS");
    else
        result = is_first ? dns_set(&wanted, &why) : change(kept, &next, &why);
    if (result != 0 && !is_first)
        change(kept, &kept->wish, TEXT_UNHEARD); /* who was told in part hears the old ones */
    if (result == 0) {
        parse_wish(text, &kept->wish);
        watch_again(kept);
    }
    answer(kind, result, why.bytes);
}

static _Noreturn void undo_and_end(const struct kept *kept)
{
    struct text why = TEXT_ROOM(1024);
    int result = dns_undo(kept->network, false, &why);
    answer(KIND_UNDO, result, why.bytes);
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
        message.text[sizeof(message.text) - 1] = '\0';
        if (message.kind == KIND_UNDO)
            undo_and_end(kept);
        set(kept, (enum kind)message.kind, message.text);
    }
}

/* ---- the daemon's side ---- */

int dns_keeper_start(struct dns_keeper *keeper, struct config *config,
                     void (*forget)(struct config *config), struct text *why)
{
    int ends[2];
    *keeper = (struct dns_keeper){.socket = -1};
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
    static struct kept kept;
    kept = (struct kept){.network = strdup(config->name),
                         .interface = strdup(config->interface_name),
                         .watch = -1,
                         .look = INSTANT_NEVER,
                         .rest_ns = REST_FIRST_NS};
    forget(config);
    if (!kept.network || !kept.interface)
        _exit(1);
    keep(&kept);
}

/* 1: a message; 0: not in time; -1: it has ended. */
static int hear(struct dns_keeper *keeper, int timeout_ms, struct message *message)
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

static const char gone[] = "the process that keeps the system's DNS has ended: `hopwire down` "
                           "puts it back";

static int say(struct dns_keeper *keeper, struct message *message, struct text *why)
{
    if (keeper->socket >= 0 && send(keeper->socket, message, sizeof(*message), MSG_NOSIGNAL) > 0)
        return 0;
    text_append(why, "%s", gone);
    return -EPIPE;
}

static int say_wish(struct dns_keeper *keeper, enum kind kind, const struct config *config,
                    struct text *why)
{
    struct message message = {.kind = (int)kind};
    struct text text;
    text_init(&text, message.text, sizeof(message.text));
    if (format_wish(config, &text))
        return say(keeper, &message, why);
    text_append(why, "too many name servers and search domains; remove some from DNS");
    return -E2BIG;
}

/* Its answer of that kind. */
static int await(struct dns_keeper *keeper, enum kind kind, int timeout_ms, struct log *log,
                 struct text *why)
{
    struct message message;
    instant_ns end = instant_add(loop_now(), timeout_ms * NS_PER_MS);
    for (;;) {
        int heard = hear(keeper, (int)(instant_since(loop_now(), end) / NS_PER_MS), &message);
        if (heard > 0 && message.kind == (int)kind) {
            text_append(why, "%s", message.text);
            return message.result;
        }
        if (heard > 0 && message.kind == KIND_NOTICE)
            log_notice(log, message.text);
        if (heard > 0)
            continue;
        text_append(why, "%s",
                    heard < 0 ? gone : "the process that keeps the system's DNS does not answer");
        return heard < 0 ? -EPIPE : -ETIMEDOUT;
    }
}

int dns_keeper_set(struct dns_keeper *keeper, const struct config *config, struct log *log,
                   struct text *why)
{
    int result = say_wish(keeper, KIND_SET, config, why);
    return result ? result : await(keeper, KIND_SET, SET_TIMEOUT_MS, log, why);
}

int dns_keeper_undo(struct dns_keeper *keeper, struct log *log, struct text *why)
{
    int result = say(keeper, &(struct message){.kind = KIND_UNDO}, why);
    return result ? result : await(keeper, KIND_UNDO, UNDO_TIMEOUT_MS, log, why);
}

int dns_keeper_change(struct dns_keeper *keeper, const struct config *config, struct text *why)
{
    return say_wish(keeper, KIND_CHANGE, config, why);
}

enum dns_keeper_heard dns_keeper_hear(struct dns_keeper *keeper, struct log *log, int *result,
                                      struct text *why)
{
    struct message message;
    int heard = hear(keeper, 0, &message);
    if (heard > 0 && message.kind == KIND_CHANGE) {
        *result = message.result;
        text_append(why, "%s", message.text);
        return DNS_KEEPER_CHANGED;
    }
    if (heard > 0)
        log_notice(log, message.text);
    return heard < 0 ? DNS_KEEPER_ENDED : DNS_KEEPER_TOLD;
}

void dns_keeper_end(struct dns_keeper *keeper)
{
    if (keeper->socket < 0)
        return;
    close(keeper->socket);
    keeper->socket = -1;
    if (!child_wait(keeper->process, NULL, 0, END_TIMEOUT_MS))
        kill(keeper->process, SIGKILL);
    waitpid(keeper->process, NULL, 0);
}
