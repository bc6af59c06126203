/* SPDX-License-Identifier: MIT */
#include "daemon/name_choice.h"

#include "config/value.h"

/* An answer has no scope, without which a link-local IPv6 address is none. */
static bool may_be_a_host(const struct address *address)
{
    bool is_ipv6 = address->family == FAMILY_IPV6;
    return value_is_host_address(address) && !(is_ipv6 && address_is_link_local(address));
}

static bool is_of_one_link(const struct address *address)
{
    return address_is_link_local(address) || address_is_loopback(address);
}

/* Where one of the addresses is inside a fellow, the others are another way to the same relay, past
 * it (RULES A8). */
void name_choice_keep(struct name_addresses *kept, const struct address *answer, size_t count,
                      enum engine_way (*way_to)(void *context, const struct address *address),
                      void *context)
{
    enum engine_way ways[RESOLVE_ADDRESSES_MOST];
    bool is_inside = false;
    kept->count = 0;
    count = count < RESOLVE_ADDRESSES_MOST ? count : RESOLVE_ADDRESSES_MOST;
    for (size_t i = 0; i < count; i++) {
        ways[i] = may_be_a_host(&answer[i]) ? way_to(context, &answer[i]) : ENGINE_WAY_NONE;
        if (ways[i] != ENGINE_WAY_SOCKET && is_of_one_link(&answer[i]))
            ways[i] = ENGINE_WAY_NONE;
        is_inside |= ways[i] == ENGINE_WAY_FELLOW || ways[i] == ENGINE_WAY_HIDDEN;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_reached = is_inside ? ways[i] == ENGINE_WAY_FELLOW
                                    : ways[i] == ENGINE_WAY_SOCKET || ways[i] == ENGINE_WAY_CARRIER;
        if (is_reached)
            kept->list[kept->count++] = answer[i];
    }
}

bool name_choice_has(const struct name_addresses *addresses, const struct address *at)
{
    for (size_t i = 0; i < addresses->count; i++)
        if (address_is_equal(&addresses->list[i], at))
            return true;
    return false;
}

/* Those of an answer are in no order that would say anything of this host. */
const struct address *name_choice(const struct name_addresses *addresses, const struct address *at,
                                  bool is_failing,
                                  bool (*has_route)(void *context, const struct address *address),
                                  void *context)
{
    const struct address *routed[RESOLVE_ADDRESSES_MOST];
    size_t count = 0, choice = 0;
    for (size_t i = 0; i < addresses->count; i++)
        if (has_route(context, &addresses->list[i]))
            routed[count++] = &addresses->list[i];
    if (count == 0)
        while (count < addresses->count) {
            routed[count] = &addresses->list[count];
            count++;
        }
    for (size_t i = 0; i < count; i++)
        if (address_is_equal(routed[i], at))
            choice = is_failing ? (i + 1) % count : i;
    return count == 0 || address_is_equal(routed[choice], at) ? NULL : routed[choice];
}
