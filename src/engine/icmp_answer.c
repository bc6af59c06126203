/* SPDX-License-Identifier: MIT */
#include "engine/icmp_answer.h"

#include "route/icmp.h"

static enum icmp_reason reason_for(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_NO_ROUTE:
    case VERDICT_NO_ADDRESS:
    case VERDICT_NARROW_PATH:
    case VERDICT_NO_MTU:
        return ICMP_NO_ROUTE;
    case VERDICT_NAT_SOURCE:
        return ICMP_SOURCE_POLICY;
    case VERDICT_NAT_UNSUPPORTED:
    case VERDICT_PORT_TAKEN:
        return ICMP_PROHIBITED;
    default:
        return ICMP_HOST_UNREACHABLE;
    }
}

void icmp_answer_write(struct core *core, const struct icmp_answer *answer, instant_ns now,
                       struct actions *actions)
{
    enum verdict verdict = answer->verdict;
    core_count(core, answer->node, verdict);
    bool is_silent = verdict == VERDICT_MALFORMED || verdict == VERDICT_SCOPE ||
                     verdict == VERDICT_LOOP; /* of our own sockets: nobody to tell */
    if (is_silent || !icmp_may_answer(answer->bytes, answer->view))
        return;
    /* Before a tunnel is known, the first one's buckets stand for the network's. */
    struct node *limiter = answer->node ? answer->node : tree_next(&core->tree, NULL);
    bool is_too_big = verdict == VERDICT_TOO_BIG;
    if (!bucket_take(is_too_big ? &limiter->too_big_errors : &limiter->other_errors, now))
        return;
    struct packet *packet = pool_take_packet(core->pool);
    if (!packet)
        return;
    size_t room = packet_tailroom_bytes(packet);
    size_t written = is_too_big
                         ? icmp_create_too_big(packet->data, room, answer->bytes, answer->len,
                                               answer->view, answer->mtu_bytes)
                         : icmp_create_unreachable(packet->data, room, answer->bytes, answer->len,
                                                   answer->view, reason_for(verdict));
    packet->len_bytes = (uint32_t)written;
    if (written == 0 || actions->write_count == ACTIONS_MOST) {
        pool_give_packet(core->pool, packet);
        return;
    }
    actions->writes[actions->write_count++] =
        (struct tun_frame){.first = packet, .packets = 1, .len_bytes = packet->len_bytes};
}
