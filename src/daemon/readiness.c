/* SPDX-License-Identifier: MIT */
#include "daemon/readiness.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/keytext.h"
#include "daemon/findings.h"
#include "daemon/hop_asking.h"
#include "daemon/json_answer.h"
#include "daemon/settle.h"
#include "engine/echo.h"

#define WAITING_MOST 8 /* and room for others at the socket */
#define AGAIN_NS NS_PER_S
#define ROOM_NS (10 * NS_PER_MS) /* until the engine has some */
#define TOLD_MOST 16
#define SENTENCE_BYTES 1024
#define WAIT_MOST_MS (24u * 3600 * 1000)

struct readiness {
    struct readiness *next;
    struct daemon *daemon;
    struct control_answer *to;
    instant_ns since, until, again;
    struct loop_timer timer;
    struct loop_hook hook;
    enum readiness_kind kind;
    size_t next_asking; /* this one's turn comes when the engine has room */
    size_t unanswered;  /* the first wanted one that has not answered */
    size_t count, capacity;
    struct hop_asking *list; /* by the engine's numbers */
};

static struct engine *engine_of(const struct readiness *readiness)
{
    return network_engine(readiness->daemon->network);
}

/* ---- who is asked ---- */

static int compare(const void *a, const void *b)
{
    const struct hop_asking *one = a, *other = b;
    const struct peer_handle *a_peer = &one->peer, *b_peer = &other->peer;
    if (a_peer->tunnel != b_peer->tunnel)
        return a_peer->tunnel < b_peer->tunnel ? -1 : 1;
    return a_peer->peer == b_peer->peer ? 0 : a_peer->peer < b_peer->peer ? -1 : 1;
}

static struct hop_asking *find(const struct readiness *readiness, uint32_t tunnel, uint32_t peer)
{
    const struct hop_asking key = {.peer = {.tunnel = tunnel, .peer = peer}};
    return readiness->count
               ? bsearch(&key, readiness->list, readiness->count, sizeof(key), compare)
               : NULL;
}

static bool add(struct readiness *readiness, uint32_t tunnel, uint32_t peer, bool is_wanted)
{
    if (readiness->count == readiness->capacity) {
        size_t capacity = readiness->capacity ? 2 * readiness->capacity : 8;
        struct hop_asking *list = realloc(readiness->list, capacity * sizeof(*list));
        if (!list)
            return false;
        readiness->list = list;
        readiness->capacity = capacity;
    }
    readiness->list[readiness->count++] = (struct hop_asking){
        .peer = engine_peer_handle(engine_of(readiness), tunnel, peer),
        .is_wanted = is_wanted};
    return true;
}

static bool add_with_its_way(struct readiness *readiness, int tunnel, int peer)
{
    bool is_wanted = true;
    for (; tunnel >= 0 && peer >= 0; is_wanted = false) {
        struct status_peer status;
        if (!add(readiness, (uint32_t)tunnel, (uint32_t)peer, is_wanted))
            return false;
        status_read_peer(engine_of(readiness), (uint32_t)tunnel, (uint32_t)peer, loop_now(),
                         &status);
        tunnel = status.carrier;
        peer = status.carrier_peer;
    }
    return true;
}

/* Several share their way: each once, in order. */
static void sort(struct readiness *readiness)
{
    struct hop_asking *list = readiness->list;
    size_t kept = 0;
    if (readiness->count)
        qsort(list, readiness->count, sizeof(*list), compare);
    for (size_t i = 0; i < readiness->count; i++) {
        if (kept && compare(&list[kept - 1], &list[i]) == 0)
            list[kept - 1].is_wanted |= list[i].is_wanted;
        else
            list[kept++] = list[i];
    }
    readiness->count = kept;
}

/* False: no memory. `tunnel` -1: all. */
static bool list_all(struct readiness *readiness, int tunnel)
{
    struct described at =
        described_all(&readiness->daemon->config->network, engine_of(readiness));
    while (described_next(&at)) {
        const struct peer_description *peer = described_peer(&at);
        bool has_endpoint = peer->has_endpoint || peer->endpoint_name;
        if (has_endpoint && (tunnel < 0 || at.tunnel == tunnel) &&
            !add_with_its_way(readiness, at.tunnel, at.peer))
            return false;
    }
    sort(readiness);
    return true;
}

/* ---- the answer ---- */

static bool is_answered(const struct readiness *readiness, struct hop_asking *asking)
{
    return hop_asking_is_answered(asking, engine_of(readiness), readiness->since, loop_now());
}

/* Whose own way works: the one to look at. */
static struct hop_asking *outermost_failing(const struct readiness *readiness,
                                            struct hop_asking *asking)
{
    struct hop_asking *failing = asking;
    struct status_peer peer;
    for (unsigned i = 0; asking && i < NETWORK_DEPTH_MOST * NETWORK_LEVELS_MOST; i++) {
        if (!is_answered(readiness, asking))
            failing = asking;
        status_read_peer(engine_of(readiness), asking->peer.tunnel, asking->peer.peer, loop_now(),
                         &peer);
        asking = peer.carrier >= 0 && peer.carrier_peer >= 0
                     ? find(readiness, (uint32_t)peer.carrier, (uint32_t)peer.carrier_peer)
                     : NULL;
        if (asking && !engine_has_peer(engine_of(readiness), asking->peer))
            asking = NULL;
    }
    return failing;
}

static json_t *list_failing(const struct readiness *readiness)
{
    json_t *list = json_array();
    const struct hop_asking *told[TOLD_MOST];
    size_t count = 0;
    for (size_t i = 0; i < readiness->count && count < TOLD_MOST; i++) {
        struct hop_asking *asking = &readiness->list[i];
        char sentence[SENTENCE_BYTES];
        struct text text;
        if (!asking->is_wanted || is_answered(readiness, asking))
            continue;
        asking = outermost_failing(readiness, asking);
        size_t known = 0;
        while (known < count && told[known] != asking)
            known++;
        if (known < count)
            continue;
        told[count++] = asking;
        text_init(&text, sentence, sizeof(sentence));
        hop_asking_tell(asking, readiness->daemon, &text);
        json_array_append_new(list, json_string(sentence));
    }
    return list;
}

static json_t *milliseconds(duration_ns time_ns)
{
    return time_ns ? json_real((double)time_ns / NS_PER_MS) : json_null();
}

static json_t *list_hops(const struct readiness *readiness)
{
    const struct engine *engine = engine_of(readiness);
    json_t *list = json_array();
    for (size_t i = 0; i < readiness->count; i++) {
        const struct hop_asking *asking = &readiness->list[i];
        struct status_tunnel tunnel;
        struct status_peer peer;
        char key[KEYTEXT_CHARACTERS + 1], endpoint[ENDPOINT_TEXT_BYTES];
        if (!engine_has_peer(engine, asking->peer))
            continue;
        status_read_tunnel(engine, asking->peer.tunnel, &tunnel);
        status_read_peer(engine, asking->peer.tunnel, asking->peer.peer, loop_now(), &peer);
        keytext_format(peer.public_key, key);
        endpoint_format(&peer.endpoint, endpoint);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:o, s:o}", "tunnel", tunnel.name, "peer", key,
                            "endpoint",
                            peer.endpoint.address.family ? json_string(endpoint) : json_null(),
                            "milliseconds", milliseconds(asking->rtt_ns), "handshake_milliseconds",
                            milliseconds(peer.handshake_rtt_ns)));
    }
    return list;
}

static void add_finding(void *context, enum log_level level, const char *line)
{
    static const char *const words[] = {[LOG_LEVEL_WARNING] = "fault",
                                        [LOG_LEVEL_NOTICE] = "note",
                                        [LOG_LEVEL_INFO] = "fine"};
    json_array_append_new(context, json_pack("{s:s, s:s}", "kind", words[level], "line", line));
}

static json_t *list_findings(struct daemon *daemon)
{
    json_t *list = json_array();
    findings_tell(daemon, (struct log_sink){.take = add_finding, .context = list});
    return list;
}

static void unlink_and_free(struct readiness *readiness)
{
    struct daemon *daemon = readiness->daemon;
    struct readiness **link = &daemon->waiting;
    while (*link != readiness)
        link = &(*link)->next;
    *link = readiness->next;
    loop_remove_timer(daemon->loop, &readiness->timer);
    loop_remove_hook(daemon->loop, &readiness->hook);
    free(readiness->list);
    free(readiness);
}

static void answer(struct readiness *readiness, bool is_ready)
{
    duration_ns took = instant_since(readiness->since, loop_now());
    json_t *failing = is_ready ? json_array() : list_failing(readiness);
    json_t *object = json_pack("{s:b, s:I, s:o}", "ready", is_ready, "milliseconds",
                               (json_int_t)(took / NS_PER_MS), "failing", failing);
    if (readiness->kind != READINESS_WAIT)
        json_object_set_new(object, "hops", list_hops(readiness));
    if (readiness->kind == READINESS_DOCTOR)
        json_object_set_new(object, "findings", list_findings(readiness->daemon));
    json_answer_give(readiness->to, object ? json_dumps(object, JSON_COMPACT) : NULL);
    json_decref(object);
    control_answer_release(readiness->to);
    unlink_and_free(readiness);
}

/* ---- waiting ---- */

static bool is_done_with(const struct readiness *readiness, struct hop_asking *asking)
{
    bool answers = is_answered(readiness, asking);
    if (readiness->kind != READINESS_WAIT)
        return asking->rtt_ns || (answers && asking->is_mute) ||
               !engine_has_peer(engine_of(readiness), asking->peer);
    return answers || !asking->is_wanted;
}

static bool is_done(struct readiness *readiness)
{
    for (; readiness->unanswered < readiness->count; readiness->unanswered++)
        if (!is_done_with(readiness, &readiness->list[readiness->unanswered]))
            return false;
    return true;
}

static bool is_ready(const struct readiness *readiness)
{
    bool is_ready = true;
    for (size_t i = 0; i < readiness->count && is_ready; i++)
        is_ready = !readiness->list[i].is_wanted || is_answered(readiness, &readiness->list[i]);
    return is_ready;
}

/* Whatever came in this round has been opened. */
static bool look(void *context)
{
    struct readiness *readiness = context;
    if (is_done(readiness))
        answer(readiness, true);
    return false;
}

/* Before newer echo requests take their place. */
static void take_answers(const struct readiness *readiness)
{
    for (size_t i = 0; i < readiness->count; i++)
        is_answered(readiness, &readiness->list[i]);
}

/* Of all that do not answer, as many as the engine takes now; where each one's own answer is
 * wanted, no more than it remembers until those can be here. */
static void ask_all(struct readiness *readiness, instant_ns now)
{
    size_t room = readiness->kind == READINESS_WAIT ? SIZE_MAX : ECHOES / HOP_ASKING_ECHOES_MOST;
    struct engine *engine = engine_of(readiness);
    struct described at = described_all(&readiness->daemon->config->network, engine);
    size_t first = readiness->next_asking, place = 0;
    take_answers(readiness);
    readiness->next_asking = 0;
    readiness->again = instant_add(now, AGAIN_NS);
    while (described_next(&at)) {
        struct hop_asking *asking = find(readiness, (uint32_t)at.tunnel, (uint32_t)at.peer);
        if (!asking || place++ < first || is_done_with(readiness, asking))
            continue;
        if (room > 0 && hop_asking_ask(asking, &at, engine, readiness->since, now)) {
            room--;
            continue;
        }
        readiness->next_asking = place - 1;
        if (room > 0)
            readiness->again = instant_add(now, ROOM_NS);
        return;
    }
}

static void ring(void *context, instant_ns now)
{
    struct readiness *readiness = context;
    if (instant_is_reached(readiness->until, now)) {
        answer(readiness, is_ready(readiness));
        return;
    }
    if (settle_describe(readiness->daemon))
        ask_all(readiness, now);
    loop_set_timer(&readiness->timer, instant_min(readiness->again, readiness->until));
}

static void begin(struct readiness *readiness)
{
    struct daemon *daemon = readiness->daemon;
    readiness->hook = (struct loop_hook){.end_round = look, .context = readiness};
    readiness->timer = (struct loop_timer){
        .deadline = INSTANT_NEVER, .ring = ring, .context = readiness};
    readiness->next = daemon->waiting;
    daemon->waiting = readiness;
    loop_add_timer(daemon->loop, &readiness->timer);
    loop_add_hook(daemon->loop, &readiness->hook);
    control_answer_hold(readiness->to);
    ring(readiness, readiness->since);
}

static void refuse(struct control_answer *to, const char *sentence)
{
    json_t *object = json_pack("{s:s}", "error", sentence);
    json_answer_give(to, object ? json_dumps(object, JSON_COMPACT) : NULL);
    json_decref(object);
}

static void refuse_tunnel(const struct daemon *daemon, const char *name, struct control_answer *to)
{
    const struct engine *engine = network_engine(daemon->network);
    char sentence[SENTENCE_BYTES];
    struct text text;
    struct status_tunnel tunnel;
    text_init(&text, sentence, sizeof(sentence));
    text_append(&text, "it has no tunnel \"%.100s\"; there is", name);
    for (int i = -1, count = 0; (i = engine_next_tunnel(engine, i)) >= 0; count++) {
        status_read_tunnel(engine, (uint32_t)i, &tunnel);
        text_append(&text, "%s %s", count ? "," : "", tunnel.name);
    }
    refuse(to, sentence);
}

static bool has_room(const struct daemon *daemon)
{
    size_t count = 0;
    for (const struct readiness *waiting = daemon->waiting; waiting; waiting = waiting->next)
        count++;
    return count < WAITING_MOST;
}

void readiness_request(struct daemon *daemon, enum readiness_kind kind, const char *arguments,
                       struct control_answer *to)
{
    char *name = NULL;
    unsigned long milliseconds = strtoul(arguments, &name, 10);
    bool is_known = name != arguments && milliseconds <= WAIT_MOST_MS && (!*name || *name == ' ');
    int tunnel = is_known && *name ? engine_find_tunnel(network_engine(daemon->network), name + 1)
                                   : -1;
    if (!is_known) {
        refuse(to, "unknown request");
    } else if (*name && tunnel < 0) {
        refuse_tunnel(daemon, name + 1, to);
    } else if (!has_room(daemon)) {
        refuse(to, "others wait already, as many as eight; try again");
    } else {
        struct readiness *readiness = calloc(1, sizeof(*readiness));
        instant_ns now = loop_now();
        if (!readiness || !settle_describe(daemon)) {
            free(readiness);
            json_answer_give(to, NULL);
            return;
        }
        *readiness = (struct readiness){.daemon = daemon,
                                        .to = to,
                                        .kind = kind,
                                        .since = now,
                                        .until = instant_add(now, milliseconds * NS_PER_MS)};
        bool is_whole = list_all(readiness, tunnel);
        if (is_whole && (readiness->count > 0 || kind != READINESS_PING)) {
            begin(readiness);
            return;
        }
        free(readiness->list);
        free(readiness);
        if (is_whole)
            refuse(to, "no peer of it has an Endpoint: there is nobody to ask");
        else
            json_answer_give(to, NULL);
    }
}

void readiness_forget(struct daemon *daemon, const struct control_answer *to)
{
    for (struct readiness *waiting = daemon->waiting; waiting; waiting = waiting->next)
        if (waiting->to == to) {
            unlink_and_free(waiting);
            return;
        }
}
