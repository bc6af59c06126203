/* SPDX-License-Identifier: MIT */
/* Rung 3 of the ladder: what a session adds to the AEAD. Sealing: counter, padding and data header.
 * Opening: the header, the session by its index, its age, the replay window. */
#include <stdlib.h>

#include "measure.h"
#include "rigs/tunnel_pair.h"

#define BATCH_PACKETS 64
#define SLOT_BYTES 2048
#define MTU_BYTES 1440
#define ROWS_MOST ((MEASURE_AEADS_MOST + 1) * 4)

struct row {
    struct aead *aead;
    struct tunnel_pair *pair;
    size_t size_bytes;
    bool is_open;
};

static uint8_t slots[BATCH_PACKETS][SLOT_BYTES];
static size_t message_bytes[BATCH_PACKETS];

static double seal_batch(const struct row *row)
{
    struct aead_desc descs[BATCH_PACKETS];
    const struct peer *peer = row->pair->a.peer;
    double start_ns = measure_now_ns();
    struct session *session = peer_sending_session(peer, row->pair->now);
    for (size_t i = 0; i < BATCH_PACKETS; i++) {
        uint8_t *bytes = slots[i] + MESSAGE_DATA_HEADER_BYTES;
        uint64_t counter = session_next_counter(session);
        size_t padded = message_padded_bytes(row->size_bytes, MTU_BYTES);
        memset(bytes + row->size_bytes, 0, padded - row->size_bytes);
        message_write_data_header(slots[i], session->remote_index, counter);
        message_bytes[i] = MESSAGE_DATA_HEADER_BYTES + padded + AEAD_TAG_BYTES;
        descs[i] = (struct aead_desc){.bytes = bytes,
                                      .len_bytes = (uint32_t)padded,
                                      .counter = counter,
                                      .key = session->send_key};
    }
    aead_seal(row->aead, descs, BATCH_PACKETS);
    return measure_now_ns() - start_ns;
}

static double open_batch(const struct row *row)
{
    struct aead_desc descs[BATCH_PACKETS];
    struct session *sessions[BATCH_PACKETS];
    size_t accepted = 0;
    double start_ns = measure_now_ns();
    for (size_t i = 0; i < BATCH_PACKETS; i++) {
        uint64_t counter = message_counter(slots[i]);
        if (message_type(slots[i], message_bytes[i]) != MESSAGE_DATA)
            abort();
        sessions[i] =
            tunnel_find_session(&row->pair->b.tunnel, message_receiver_index(slots[i]));
        if (!sessions[i] || !session_may_receive(sessions[i], counter, row->pair->now))
            abort();
        descs[i] = (struct aead_desc){
            .bytes = slots[i] + MESSAGE_DATA_HEADER_BYTES,
            .len_bytes = (uint32_t)(message_bytes[i] - MESSAGE_DATA_HEADER_BYTES),
            .counter = counter,
            .key = sessions[i]->receive_key};
    }
    aead_open(row->aead, descs, BATCH_PACKETS);
    for (size_t i = 0; i < BATCH_PACKETS; i++)
        accepted += descs[i].is_authentic &&
                    replay_accept(&sessions[i]->replay, message_counter(slots[i]));
    double spent_ns = measure_now_ns() - start_ns;
    if (accepted != BATCH_PACKETS)
        abort();
    return spent_ns;
}

static struct measure_burst burst(void *context)
{
    const struct row *row = context;
    double sealing_ns = seal_batch(row);
    return (struct measure_burst){row->is_open ? open_batch(row) : sealing_ns, BATCH_PACKETS};
}

int main(int argc, char **argv)
{
    static const size_t sizes_bytes[] = {64, 1420};
    static struct row rows[ROWS_MOST];
    struct aead *aeads[MEASURE_AEADS_MOST + 1];
    struct row *row = rows;
    struct tunnel_pair pair;
    size_t count = 1 + measure_aeads(aeads + 1);
    aeads[0] = measure_aead_none();
    tunnel_pair_init(&pair, false);
    tunnel_pair_connect(&pair, &pair.a);
    for (size_t i = 0; i < count; i++) {
        for (unsigned kind = 0; kind < 4; kind++, row++) {
            *row = (struct row){.aead = aeads[i],
                                .pair = &pair,
                                .size_bytes = sizes_bytes[kind / 2],
                                .is_open = kind % 2};
            measure_add(burst, row, "rung=3 backend=%s op=%s size=%zu", aead_name(row->aead),
                        row->is_open ? "open" : "seal", row->size_bytes);
        }
    }
    measure_run(argc, argv);
    for (size_t i = 0; i < count; i++)
        aead_free(aeads[i]);
    tunnel_pair_wipe(&pair);
    return 0;
}
