/* SPDX-License-Identifier: MIT */
/* Theory: nothing here waits, and no turn is long. A request is read a few lines a round and
 * changes nothing until it is whole; an answer is written from what one moment was, a piece a
 * round, as its reader takes it. All that clients make us hold comes from one budget. */
#include "daemon/uapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <unistd.h>

#include "base/bytes.h"
#include "config/uapi_get.h"
#include "config/uapi_set.h"
#include "config/value.h"
#include "engine/status.h"
#include "host/control_listener.h"
#include "host/control_socket.h"
#include "host/directory.h"

#define PATH_BYTES (sizeof(UAPI_DIRECTORY) + INTERFACE_NAME_BYTES + sizeof("/.sock"))
#define BUDGET_BYTES (64u << 20) /* 130,000 allowed_ip lines take less than 16 MiB */
#define PIECE_BYTES 16384
#define WHY_BYTES 1024

/* One tunnel's. */
struct uapi_socket {
    struct uapi *uapi;
    char tunnel[TUNNEL_NAME_BYTES];
    char name[INTERFACE_NAME_BYTES];
    struct control_socket *server; /* NULL: it could not be made */
    struct loop_source source;
    bool is_missing; /* when it was looked for last */
};

struct uapi {
    struct uapi_options options;
    struct memory memory; /* the budget's */
    size_t taken_bytes;
    struct uapi_socket *sockets[2 * STATE_WG_MOST]; /* while names change: the old ones, too */
    size_t count;
};

/* A client's request from its first line to the end of its answer. */
struct request {
    bool is_set;
    int error; /* of a get */
    struct uapi_set set;
    struct uapi_get get;
    struct arena arena; /* what the answer to get is written from */
};

static void *take(void *context, size_t bytes)
{
    struct uapi *uapi = context;
    void *taken =
        bytes > BUDGET_BYTES - uapi->taken_bytes ? NULL : memory_take(uapi->options.memory, bytes);
    uapi->taken_bytes += taken ? bytes : 0;
    return taken;
}

static void give(void *context, void *pointer, size_t bytes)
{
    struct uapi *uapi = context;
    memory_give(uapi->options.memory, pointer, bytes);
    uapi->taken_bytes -= bytes;
}

/* ---- requests ---- */

static uint32_t find_interface(void *context, const char *name)
{
    (void)context;
    return if_nametoindex(name);
}

/* -1: it has gone. */
static int find_tunnel(const struct uapi_socket *socket, struct status_tunnel *tunnel)
{
    const struct engine *engine = network_engine(socket->uapi->options.network);
    int number = engine_find_tunnel(engine, socket->tunnel);
    if (number >= 0)
        status_read_tunnel(engine, (uint32_t)number, tunnel);
    return number;
}

/* `wg` reads a set's errno as it is, negative, and that of a get as a positive number. */
static void tell(struct control_answer *answer, int number)
{
    control_answer_format(answer, "errno=%d\n\n", number);
}

static void end_request(struct uapi *uapi, struct control_answer *answer)
{
    void **slot = control_answer_slot(answer);
    struct request *request = *slot;
    if (!request)
        return;
    if (request->is_set)
        uapi_set_wipe(&request->set);
    arena_wipe(&request->arena);
    bytes_wipe(request, sizeof(*request));
    memory_give(&uapi->memory, request, sizeof(*request));
    *slot = NULL;
}

static void begin_request(struct uapi_socket *socket, const char *line,
                          struct control_answer *answer)
{
    struct uapi *uapi = socket->uapi;
    bool is_set = strcmp(line, "set=1") == 0, is_get = strcmp(line, "get=1") == 0;
    struct request *request =
        is_set || is_get ? memory_take(&uapi->memory, sizeof(*request)) : NULL;
    if (!request) {
        tell(answer, is_get ? ENOMEM : is_set ? -ENOMEM : -EINVAL);
        control_answer_end(answer); /* nobody knows where the next request begins */
        return;
    }
    request->is_set = is_set;
    if (is_set)
        uapi_set_init(&request->set, &uapi->memory, socket->tunnel, find_interface, NULL);
    arena_init(&request->arena, &uapi->memory);
    control_answer_half(answer, true);
    *control_answer_slot(answer) = request;
}

static bool next_piece(void *context, struct control_answer *answer)
{
    struct uapi_socket *socket = context;
    struct request *request = *control_answer_slot(answer);
    char bytes[PIECE_BYTES];
    struct text piece;
    text_init(&piece, bytes, sizeof(bytes));
    bool has_more = uapi_get_piece(&request->get, &piece);
    control_answer_bytes(answer, bytes, piece.len);
    bytes_wipe(bytes, sizeof(bytes));
    if (!has_more)
        end_request(socket->uapi, answer);
    return has_more;
}

static bool describe(const struct engine *engine, struct arena *arena, const char *tunnel,
                     const struct tunnel_description **described)
{
    struct network_description network;
    const struct memory memory = arena_memory(arena);
    *described = NULL;
    if (!engine_describe(engine, &memory, &network))
        return false;
    for (size_t i = 0; i < network.tunnel_count && !*described; i++)
        if (strcmp(network.tunnels[i].name, tunnel) == 0)
            *described = &network.tunnels[i];
    return *described != NULL;
}

/* What this moment is; 0, or an errno as `wg` wants it. */
static int take_snapshot(const struct uapi_socket *socket, struct request *request)
{
    const struct engine *engine = network_engine(socket->uapi->options.network);
    const struct tunnel_description *described;
    struct status_tunnel tunnel;
    int index = find_tunnel(socket, &tunnel);
    if (request->error || index < 0)
        return request->error ? request->error : ENODEV;
    struct status_peer *status =
        arena_take(&request->arena, (tunnel.peer_count + 1) * sizeof(*status));
    if (!status || !describe(engine, &request->arena, socket->tunnel, &described))
        return ENOMEM;
    struct status_peer *next = status;
    for (int i = -1; (i = engine_next_peer(engine, (uint32_t)index, i)) >= 0; next++)
        status_read_peer(engine, (uint32_t)index, (uint32_t)i, loop_now(), next);
    const struct network *network = socket->uapi->options.network;
    bool is_root = tunnel.carrier < 0;
    request->get = (struct uapi_get){
        .tunnel = described,
        .listen_port = is_root ? network_port(network, (uint32_t)index) : tunnel.listen_port,
        .mark = is_root ? network_mark(network, (uint32_t)index) : 0, /* also one that we chose */
        .status = status};
    return 0;
}

static void answer_get(struct uapi_socket *socket, struct request *request,
                       struct control_answer *answer)
{
    int error = take_snapshot(socket, request);
    if (error == 0) {
        control_answer_continue(answer, next_piece);
        return;
    }
    tell(answer, error);
    end_request(socket->uapi, answer);
}

static void answer_set(struct uapi_socket *socket, struct request *request,
                       struct control_answer *answer)
{
    struct changes changes;
    struct status_tunnel tunnel;
    int result = find_tunnel(socket, &tunnel) < 0 ? -ENODEV : 0;
    if (result == 0)
        result = uapi_set_finish(&request->set, tunnel.public_key, &changes);
    if (result == 0 && changes.count)
        result = socket->uapi->options.apply(socket->uapi->options.context, &changes);
    tell(answer, result);
    end_request(socket->uapi, answer);
}

static void answer_whole(struct uapi_socket *socket, struct request *request,
                         struct control_answer *answer)
{
    control_answer_half(answer, false);
    if (request->is_set)
        answer_set(socket, request, answer);
    else
        answer_get(socket, request, answer);
}

static void answer_line(void *context, char *line, struct control_answer *answer)
{
    struct uapi_socket *socket = context;
    struct request *request = *control_answer_slot(answer);
    if (!line)
        end_request(socket->uapi, answer);
    else if (!request && *line)
        begin_request(socket, line, answer);
    else if (!request)
        return; /* an empty line more than needed */
    else if (*line && request->is_set)
        uapi_set_line(&request->set, line);
    else if (*line)
        request->error = EINVAL;
    else
        answer_whole(socket, request, answer);
}

/* ---- sockets ---- */

static void socket_path(const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, UAPI_DIRECTORY "/%s.sock", name);
}

static void socket_ready(void *context, uint32_t events)
{
    struct uapi_socket *socket = context;
    (void)events;
    control_socket_dispatch(socket->server);
}

/* `listening`: somebody's who has bound it there already; -1: none. */
static int open_socket(struct uapi_socket *socket, int listening, struct text *why)
{
    char path[PATH_BYTES];
    struct uapi *uapi = socket->uapi;
    const struct control_options options = {.request = answer_line,
                                            .context = socket,
                                            .memory = &uapi->memory,
                                            .unreadable = "errno=-22\n\n"};
    socket_path(socket->name, path);
    int result = directory_make(UAPI_DIRECTORY, 0700, why);
    if (result == 0)
        result = listening >= 0
                     ? control_socket_adopt(path, listening, &options, &socket->server, why)
                     : control_socket_open(path, &options, &socket->server, why);
    if (result != 0)
        return result;
    socket->source = (struct loop_source){.fd = control_socket_fd(socket->server),
                                          .events = EPOLLIN,
                                          .ready = socket_ready,
                                          .context = socket};
    result = loop_add(uapi->options.loop, &socket->source);
    if (result == 0)
        return 0;
    text_append(why, "%s: %s", path, strerror(-result));
    control_socket_close(socket->server);
    socket->server = NULL;
    return result;
}

static void close_socket(struct uapi_socket *socket)
{
    if (!socket->server)
        return;
    loop_remove(socket->uapi->options.loop, &socket->source);
    control_socket_close(socket->server);
    socket->server = NULL;
}

bool uapi_has(const struct uapi *uapi, const char *name)
{
    for (size_t i = 0; i < uapi->count; i++)
        if (uapi->sockets[i]->server && strcmp(uapi->sockets[i]->name, name) == 0)
            return true;
    return false;
}

struct uapi *uapi_new(const struct uapi_options *options)
{
    struct uapi *uapi = calloc(1, sizeof(*uapi));
    if (!uapi)
        return NULL;
    uapi->options = *options;
    uapi->memory = (struct memory){take, give, uapi};
    return uapi;
}

int uapi_add(struct uapi *uapi, const char *tunnel, const char *name, int listening,
             struct text *why)
{
    struct uapi_socket *socket =
        uapi->count < 2 * STATE_WG_MOST ? calloc(1, sizeof(*socket)) : NULL;
    if (!socket) {
        text_append(why, "no memory for the socket of %s", name);
        return -ENOMEM;
    }
    *socket = (struct uapi_socket){.uapi = uapi};
    snprintf(socket->tunnel, sizeof(socket->tunnel), "%s", tunnel);
    snprintf(socket->name, sizeof(socket->name), "%s", name);
    uapi->sockets[uapi->count++] = socket;
    return open_socket(socket, listening, why);
}

static bool is_named(const struct uapi_socket *socket, const struct network_description *network,
                     char (*names)[INTERFACE_NAME_BYTES])
{
    bool is = false;
    for (size_t i = 0; i < network->tunnel_count; i++)
        is |= strcmp(socket->tunnel, network->tunnels[i].name) == 0 &&
              strcmp(socket->name, names[i]) == 0;
    return is;
}

void uapi_keep(struct uapi *uapi, const struct network_description *network,
               char (*names)[INTERFACE_NAME_BYTES])
{
    size_t kept = 0;
    for (size_t i = 0; i < uapi->count; i++) {
        struct uapi_socket *socket = uapi->sockets[i];
        if (socket->server && is_named(socket, network, names)) {
            uapi->sockets[kept++] = socket;
            continue;
        }
        close_socket(socket);
        free(socket);
    }
    uapi->count = kept;
}

void uapi_free(struct uapi *uapi)
{
    for (size_t i = 0; uapi && i < uapi->count; i++) {
        close_socket(uapi->sockets[i]);
        free(uapi->sockets[i]);
    }
    free(uapi);
}

bool uapi_stands(const struct uapi *uapi)
{
    bool stands = true;
    for (size_t i = 0; i < uapi->count; i++) {
        const struct uapi_socket *socket = uapi->sockets[i];
        stands = stands && (!socket->server || control_socket_stands(socket->server));
    }
    return stands;
}

/* Missing twice in a row: who moves it away for a moment puts it back himself. */
void uapi_look(struct uapi *uapi, struct log *log)
{
    for (size_t i = 0; uapi && i < uapi->count; i++) {
        struct uapi_socket *socket = uapi->sockets[i];
        bool was_missing = socket->is_missing;
        struct text why = TEXT_ROOM(WHY_BYTES);
        socket->is_missing = socket->server && !control_socket_stands(socket->server);
        if (!socket->is_missing || !was_missing)
            continue;
        close_socket(socket);
        log_notice(log, open_socket(socket, -1, &why) == 0
                            ? "somebody removed a socket of `wg`: made again"
                            : why.bytes);
    }
}

const char *uapi_name(const struct uapi *uapi, const char *tunnel)
{
    for (size_t i = 0; uapi && i < uapi->count; i++)
        if (uapi->sockets[i]->server && strcmp(uapi->sockets[i]->tunnel, tunnel) == 0)
            return uapi->sockets[i]->name;
    return NULL;
}

int uapi_clean_up(const struct state *crashed, struct text *why)
{
    int result = 0;
    for (size_t i = 0; i < crashed->wg_count && result == 0; i++) {
        char path[PATH_BYTES];
        struct text said = TEXT_ROOM(512);
        socket_path(crashed->wg[i], path);
        result = control_listener_remove_stale(path, &said);
        if (result == -EADDRINUSE)
            result = 0; /* another's by now */
        else if (result != 0)
            text_append(why, "%s", said.bytes);
    }
    return result;
}
