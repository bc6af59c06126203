/* SPDX-License-Identifier: MIT */
/* Only attributes that say what the table does are read: not what counts or ages, so that the
 * number stands as long as the table does. The kernel gives each object a handle that no later one
 * gets, and that is what tells a rule from one of the same text. The order of an answer says
 * nothing (a set's elements come as they lie), a rule names the one before it: so a sum will do. */
#include "host/nft_table.h"

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* FNV-1a's, of 64 bits. */
#define HASH_SEED 0xcbf29ce484222325u
#define HASH_FACTOR 0x100000001b3u

#define SETS_MOST 16
#define NAME_BYTES 64
/* In each kind of message the first attribute is the table's name. */
#define TABLE_ATTRIBUTE NFTA_TABLE_NAME

struct reading {
    const char *table;
    const uint16_t *attributes; /* that count, ended by 0 */
    uint64_t sum;
    uint64_t set; /* the place of the one whose elements are read */
    char sets[SETS_MOST][NAME_BYTES];
    size_t set_count;
};

static uint64_t hash(uint64_t seed, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        seed = (seed ^ at[i]) * HASH_FACTOR;
    return seed;
}

uint64_t nft_table_hash(const char *text)
{
    return hash(HASH_SEED, text, strlen(text));
}

static uint64_t hash_attribute(uint64_t seed, const struct nlattr *attribute)
{
    uint16_t type = mnl_attr_get_type(attribute);
    return hash(hash(seed, &type, sizeof(type)), mnl_attr_get_payload(attribute),
                mnl_attr_get_payload_len(attribute));
}

/* A counter in a rule counts; its place says enough. */
static uint64_t hash_expressions(uint64_t seed, const struct nlattr *list)
{
    const struct nlattr *element, *part;
    mnl_attr_for_each_nested(element, list)
    {
        bool is_counting = false;
        mnl_attr_for_each_nested(part, element)
        {
            uint16_t type = mnl_attr_get_type(part);
            if (type == NFTA_EXPR_NAME && mnl_attr_validate(part, MNL_TYPE_NUL_STRING) >= 0) {
                const char *name = mnl_attr_get_str(part);
                is_counting = strcmp(name, "counter") == 0 || strcmp(name, "quota") == 0 ||
                              strcmp(name, "last") == 0;
            }
            if (type == NFTA_EXPR_NAME || !is_counting)
                seed = hash_attribute(seed, part);
        }
    }
    return seed;
}

static bool counts(const struct reading *reading, uint16_t type)
{
    for (const uint16_t *at = reading->attributes; *at; at++)
        if (*at == type)
            return true;
    return false;
}

static bool is_of_table(const struct reading *reading, const struct nlmsghdr *message)
{
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attribute) == TABLE_ATTRIBUTE)
            return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 &&
                   strcmp(mnl_attr_get_str(attribute), reading->table) == 0;
    }
    return false;
}

static int add_message(void *context, const struct nlmsghdr *message)
{
    struct reading *reading = context;
    uint16_t kind = message->nlmsg_type & 0xff;
    uint64_t one = hash(HASH_SEED, &kind, sizeof(kind));
    const struct nlattr *attribute;
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
        return -EBADMSG;
    if (!is_of_table(reading, message))
        return 0;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
    {
        uint16_t type = mnl_attr_get_type(attribute);
        if (!counts(reading, type))
            continue;
        one = kind == NFT_MSG_NEWRULE && type == NFTA_RULE_EXPRESSIONS
                  ? hash_expressions(one, attribute)
                  : hash_attribute(one, attribute);
    }
    reading->sum += one;
    return 0;
}

/* A set whose flags say that it has a name, for its elements to be asked. */
static int add_set(void *context, const struct nlmsghdr *message)
{
    struct reading *reading = context;
    const struct nlattr *attribute;
    const char *name = NULL;
    uint32_t flags = 0;
    int result = add_message(context, message);
    if (result < 0 || !is_of_table(reading, message))
        return result;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attribute) == NFTA_SET_NAME &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            name = mnl_attr_get_str(attribute);
        if (mnl_attr_get_type(attribute) == NFTA_SET_FLAGS &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            flags = be32toh(mnl_attr_get_u32(attribute));
    }
    if (name && !(flags & NFT_SET_ANONYMOUS) && strlen(name) < NAME_BYTES &&
        reading->set_count < SETS_MOST)
        strcpy(reading->sets[reading->set_count++], name);
    return 0;
}

static int add_elements(void *context, const struct nlmsghdr *message)
{
    struct reading *reading = context;
    const struct nlattr *list, *element, *part;
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
        return -EBADMSG;
    mnl_attr_for_each(list, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
            continue;
        mnl_attr_for_each_nested(element, list)
        {
            uint64_t one = hash(HASH_SEED, &reading->set, sizeof(reading->set));
            mnl_attr_for_each_nested(part, element)
            {
                if (counts(reading, mnl_attr_get_type(part)))
                    one = hash_attribute(one, part);
            }
            reading->sum += one;
        }
    }
    return 0;
}

static struct nlmsghdr *start(uint8_t *bytes, uint16_t kind, uint16_t flags, const char *table)
{
    struct nlmsghdr *request =
        netlink_request(bytes, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | kind), flags);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
    header->nfgen_family = NFPROTO_INET;
    header->version = NFNETLINK_V0;
    if (table)
        mnl_attr_put_strz(request, TABLE_ATTRIBUTE, table);
    return request;
}

static int read_kind(struct netlink *netlink, struct reading *reading, uint16_t kind,
                     uint16_t flags, const uint16_t *attributes, netlink_answer answer)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    reading->attributes = attributes;
    return netlink_ask(netlink, start(bytes, kind, flags, reading->table), answer, reading);
}

static int read_elements(struct netlink *netlink, struct reading *reading)
{
    static const uint16_t element[] = {NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_KEY_END,
                                       NFTA_SET_ELEM_FLAGS, 0};
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    int result = 0;
    reading->attributes = element;
    for (size_t i = 0; i < reading->set_count && result == 0; i++) {
        struct nlmsghdr *request = start(bytes, NFT_MSG_GETSETELEM, NLM_F_DUMP, reading->table);
        mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, reading->sets[i]);
        reading->set = i;
        result = netlink_ask(netlink, request, add_elements, reading);
    }
    return result;
}

int nft_table_read(struct netlink *netlink, const char *table, uint64_t *print)
{
    static const uint16_t of_table[] = {NFTA_TABLE_FLAGS, NFTA_TABLE_HANDLE, 0};
    static const uint16_t of_chain[] = {NFTA_CHAIN_NAME, NFTA_CHAIN_HANDLE, NFTA_CHAIN_HOOK,
                                        NFTA_CHAIN_POLICY, NFTA_CHAIN_FLAGS, 0};
    static const uint16_t of_rule[] = {NFTA_RULE_CHAIN, NFTA_RULE_HANDLE, NFTA_RULE_POSITION,
                                       NFTA_RULE_EXPRESSIONS, 0};
    static const uint16_t of_set[] = {NFTA_SET_NAME, NFTA_SET_HANDLE, NFTA_SET_FLAGS, 0};
    struct reading reading = {.table = table};
    int result = read_kind(netlink, &reading, NFT_MSG_GETTABLE, 0, of_table, add_message);
    if (result == 0)
        result =
            read_kind(netlink, &reading, NFT_MSG_GETCHAIN, NLM_F_DUMP, of_chain, add_message);
    if (result == 0)
        result = read_kind(netlink, &reading, NFT_MSG_GETRULE, NLM_F_DUMP, of_rule, add_message);
    if (result == 0)
        result = read_kind(netlink, &reading, NFT_MSG_GETSET, NLM_F_DUMP, of_set, add_set);
    if (result == 0)
        result = read_elements(netlink, &reading);
    *print = reading.sum;
    return result;
}

static int keep_generation(void *context, const struct nlmsghdr *message)
{
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attribute) == NFTA_GEN_ID &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            *(uint32_t *)context = be32toh(mnl_attr_get_u32(attribute));
    }
    return 0;
}

int nft_table_generation(struct netlink *netlink, uint32_t *generation)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    *generation = 0;
    return netlink_ask(netlink, start(bytes, NFT_MSG_GETGEN, 0, NULL), keep_generation, generation);
}

static int keep_counter(void *context, const struct nlmsghdr *message)
{
    struct nft_table_counter *counter = context;
    const struct nlattr *data, *part;
    mnl_attr_for_each(data, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(data) != NFTA_OBJ_DATA)
            continue;
        mnl_attr_for_each_nested(part, data)
        {
            if (mnl_attr_validate(part, MNL_TYPE_U64) < 0)
                continue;
            if (mnl_attr_get_type(part) == NFTA_COUNTER_PACKETS)
                counter->packets = be64toh(mnl_attr_get_u64(part));
            if (mnl_attr_get_type(part) == NFTA_COUNTER_BYTES)
                counter->bytes = be64toh(mnl_attr_get_u64(part));
        }
    }
    return 0;
}

struct nft_table_counter nft_table_counter(struct netlink *netlink, const char *table,
                                           const char *counter)
{
    uint8_t bytes[NETLINK_REQUEST_BYTES] __attribute__((aligned(8)));
    struct nft_table_counter found = {0};
    struct nlmsghdr *request = start(bytes, NFT_MSG_GETOBJ, 0, table);
    mnl_attr_put_strz(request, NFTA_OBJ_NAME, counter);
    mnl_attr_put_u32(request, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER));
    netlink_ask(netlink, request, keep_counter, &found);
    return found;
}
