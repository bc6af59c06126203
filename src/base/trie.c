/* SPDX-License-Identifier: MIT */
/* Theory of operation. Each node stands for a prefix and knows it in full. A child's prefix is
 * longer than its parent's and lies inside it; which child is told by the first bit after the
 * parent's prefix. A node without a value (glue) exists only where two subtrees part, so there are
 * fewer glue nodes than prefixes. A look-up walks down while the node's prefix contains the address
 * and remembers the last value: at most one step a stored prefix length. Keys are two big-endian
 * 64-bit words, so containment is a shift and a compare. */
#include "base/trie.h"

#include "base/bytes.h"

struct trie_node {
    uint64_t key[2]; /* prefix bits, host byte order, the rest zero */
    struct trie_node *child[2];
    void *value;        /* NULL: glue */
    struct list listed; /* among those with the same value, if they are listed */
    uint8_t len_bits;
    uint8_t family;
};

static void load_key(enum family family, const uint8_t *bytes, uint64_t key[2])
{
    if (family == FAMILY_IPV4) {
        key[0] = (uint64_t)load_be32(bytes) << 32;
        key[1] = 0;
    } else {
        key[0] = load_be64(bytes);
        key[1] = load_be64(bytes + 8);
    }
}

static unsigned bit_at(const uint64_t key[2], unsigned bit)
{
    return (unsigned)(key[bit / 64] >> (63 - bit % 64)) & 1;
}

/* The number of leading bits that two keys share, at most `most`. */
static unsigned common_bits(const uint64_t a[2], const uint64_t b[2], unsigned most)
{
    unsigned common = 128;
    if (a[0] != b[0])
        common = (unsigned)__builtin_clzll(a[0] ^ b[0]);
    else if (a[1] != b[1])
        common = 64 + (unsigned)__builtin_clzll(a[1] ^ b[1]);
    return common < most ? common : most;
}

static bool node_contains(const struct trie_node *node, const uint64_t key[2])
{
    unsigned len = node->len_bits;
    if (len <= 64)
        return len == 0 || ((node->key[0] ^ key[0]) >> (64 - len)) == 0;
    return node->key[0] == key[0] && ((node->key[1] ^ key[1]) >> (128 - len)) == 0;
}

static struct trie_node *take_spare(struct trie *trie)
{
    struct trie_node *node = trie->spares;
    trie->spares = node->child[0];
    trie->spare_count--;
    *node = (struct trie_node){0};
    return node;
}

static struct trie_node *node_new(struct trie *trie, enum family family, const uint64_t key[2],
                                  unsigned len_bits)
{
    struct trie_node *node =
        trie->spares ? take_spare(trie) : memory_take(trie->memory, sizeof(*node));
    if (!node)
        return NULL;
    list_init(&node->listed);
    node->family = (uint8_t)family;
    node->len_bits = (uint8_t)len_bits;
    for (unsigned word = 0; word < 2; word++) {
        unsigned bits = len_bits > word * 64 ? len_bits - word * 64 : 0;
        uint64_t mask = bits >= 64 ? UINT64_MAX : bits ? ~(UINT64_MAX >> bits) : 0;
        node->key[word] = key[word] & mask;
    }
    return node;
}

static void keep_spare(struct trie *trie, struct trie_node *node)
{
    node->child[0] = trie->spares;
    trie->spares = node;
    trie->spare_count++;
}

static void node_free(struct trie *trie, struct trie_node *node)
{
    list_remove(&node->listed);
    if (trie->keeps_spares)
        keep_spare(trie, node);
    else
        memory_give(trie->memory, node, sizeof(*node));
}

bool trie_reserve(struct trie *trie, size_t prefixes)
{
    trie->keeps_spares = true;
    while (trie->spare_count < 2 * prefixes) { /* each may need a glue node */
        struct trie_node *node = memory_take(trie->memory, sizeof(*node));
        if (!node)
            return false;
        keep_spare(trie, node);
    }
    return true;
}

void trie_settle(struct trie *trie)
{
    trie->keeps_spares = false;
    while (trie->spares)
        memory_give(trie->memory, take_spare(trie), sizeof(struct trie_node));
}

static struct trie_node **root_of(struct trie *trie, enum family family)
{
    return family == FAMILY_IPV4 ? &trie->ipv4 : &trie->ipv6;
}

void trie_init(struct trie *trie, const struct memory *memory)
{
    *trie = (struct trie){.memory = memory};
}

static void free_below(struct trie *trie, struct trie_node *node)
{
    if (!node)
        return;
    free_below(trie, node->child[0]);
    free_below(trie, node->child[1]);
    trie->prefixes -= node->value != NULL;
    node_free(trie, node);
}

void trie_wipe(struct trie *trie)
{
    trie_settle(trie);
    free_below(trie, trie->ipv4);
    free_below(trie, trie->ipv6);
    *trie = (struct trie){.memory = trie->memory};
}

/* The node of the prefix, perhaps new and without a value; NULL: no memory. */
static struct trie_node *find_or_add(struct trie *trie, const struct prefix *prefix)
{
    uint64_t key[2];
    unsigned len = prefix->len_bits;
    enum family family = (enum family)prefix->address.family;
    load_key(family, prefix->address.bytes, key);
    struct trie_node **place = root_of(trie, family);
    while (*place && (*place)->len_bits < len && node_contains(*place, key))
        place = &(*place)->child[bit_at(key, (*place)->len_bits)];

    struct trie_node *below = *place;
    unsigned shortest = below && below->len_bits < len ? below->len_bits : len;
    unsigned common = below ? common_bits(below->key, key, shortest) : 0;
    if (below && common == len && below->len_bits == len)
        return below;
    struct trie_node *node = node_new(trie, family, key, len);
    if (!node)
        return NULL;
    if (below && common < len) {
        struct trie_node *glue = node_new(trie, family, key, common);
        if (!glue) {
            node_free(trie, node);
            return NULL;
        }
        glue->child[bit_at(key, common)] = node;
        glue->child[bit_at(below->key, common)] = below;
        *place = glue;
    } else {
        if (below)
            node->child[bit_at(below->key, len)] = below;
        *place = node;
    }
    return node;
}

bool trie_insert_listed(struct trie *trie, const struct prefix *prefix, void *value,
                        struct list *listed)
{
    struct trie_node *node = find_or_add(trie, prefix);
    if (!node)
        return false;
    trie->prefixes += node->value == NULL;
    node->value = value;
    list_remove(&node->listed);
    if (listed)
        list_append(listed, &node->listed);
    return true;
}

bool trie_insert(struct trie *trie, const struct prefix *prefix, void *value)
{
    return trie_insert_listed(trie, prefix, value, NULL);
}

/* Replaces a node that has no value and fewer than two children by what is below it. */
static void unlink_if_idle(struct trie *trie, struct trie_node **place)
{
    struct trie_node *node = *place;
    if (!node || node->value || (node->child[0] && node->child[1]))
        return;
    *place = node->child[0] ? node->child[0] : node->child[1];
    node_free(trie, node);
}

bool trie_remove(struct trie *trie, const struct prefix *prefix)
{
    uint64_t key[2];
    load_key(prefix->address.family, prefix->address.bytes, key);
    struct trie_node **above = NULL, **place = root_of(trie, prefix->address.family);
    while (*place && (*place)->len_bits < prefix->len_bits && node_contains(*place, key)) {
        above = place;
        place = &(*place)->child[bit_at(key, (*place)->len_bits)];
    }
    struct trie_node *node = *place;
    if (!node || node->len_bits != prefix->len_bits || !node_contains(node, key) || !node->value)
        return false;
    node->value = NULL;
    list_remove(&node->listed);
    trie->prefixes--;
    unlink_if_idle(trie, place);
    if (above)
        unlink_if_idle(trie, above);
    return true;
}

void trie_remove_inside(struct trie *trie, const struct prefix *prefix)
{
    uint64_t key[2];
    unsigned len = prefix->len_bits;
    load_key(prefix->address.family, prefix->address.bytes, key);
    struct trie_node **above = NULL, **place = root_of(trie, prefix->address.family);
    while (*place && (*place)->len_bits < len && node_contains(*place, key)) {
        above = place;
        place = &(*place)->child[bit_at(key, (*place)->len_bits)];
    }
    if (!*place || (*place)->len_bits < len || common_bits((*place)->key, key, len) < len)
        return;
    free_below(trie, *place);
    *place = NULL;
    if (above)
        unlink_if_idle(trie, above);
}

static struct prefix prefix_of(const struct trie_node *node)
{
    struct prefix prefix = {.address.family = node->family, .len_bits = node->len_bits};
    if (node->family == FAMILY_IPV4) {
        store_be32(prefix.address.bytes, (uint32_t)(node->key[0] >> 32));
    } else {
        store_be64(prefix.address.bytes, node->key[0]);
        store_be64(prefix.address.bytes + 8, node->key[1]);
    }
    return prefix;
}

struct prefix trie_listed_prefix(const struct list *member)
{
    return prefix_of(CONTAINER_OF(member, struct trie_node, listed));
}

void trie_remove_listed(struct trie *trie, struct list *listed)
{
    while (!list_is_empty(listed)) {
        struct prefix prefix = trie_listed_prefix(listed->next);
        trie_remove(trie, &prefix);
    }
}

static const struct trie_node *match(const struct trie *trie, enum family family,
                                     const uint8_t *bytes)
{
    uint64_t key[2];
    unsigned most = family_bits(family);
    const struct trie_node *longest = NULL;
    const struct trie_node *node = family == FAMILY_IPV4 ? trie->ipv4 : trie->ipv6;
    load_key(family, bytes, key);
    while (node && node_contains(node, key)) {
        if (node->value)
            longest = node;
        if (node->len_bits == most)
            break;
        node = node->child[bit_at(key, node->len_bits)];
    }
    return longest;
}

void *trie_lookup_bytes(const struct trie *trie, enum family family, const uint8_t *bytes)
{
    const struct trie_node *node = match(trie, family, bytes);
    return node ? node->value : NULL;
}

void *trie_lookup(const struct trie *trie, const struct address *address)
{
    return trie_lookup_bytes(trie, address->family, address->bytes);
}

void *trie_match(const struct trie *trie, const struct address *address, unsigned *len_bits)
{
    const struct trie_node *node = match(trie, address->family, address->bytes);
    if (!node)
        return NULL;
    *len_bits = node->len_bits;
    return node->value;
}

/* Of exactly this prefix, perhaps glue; or NULL. */
static struct trie_node *find(const struct trie *trie, const struct prefix *prefix)
{
    uint64_t key[2];
    load_key(prefix->address.family, prefix->address.bytes, key);
    struct trie_node *node = prefix->address.family == FAMILY_IPV4 ? trie->ipv4 : trie->ipv6;
    while (node && node->len_bits < prefix->len_bits && node_contains(node, key))
        node = node->child[bit_at(key, node->len_bits)];
    bool found = node && node->len_bits == prefix->len_bits && node_contains(node, key);
    return found ? node : NULL;
}

void *trie_get(const struct trie *trie, const struct prefix *prefix)
{
    const struct trie_node *node = find(trie, prefix);
    return node ? node->value : NULL;
}

struct list *trie_listed(const struct trie *trie, const struct prefix *prefix)
{
    return &find(trie, prefix)->listed;
}

static void visit_node(const struct trie_node *node,
                       void (*visit)(void *, const struct prefix *, void *), void *context)
{
    struct prefix prefix = prefix_of(node);
    if (node->value)
        visit(context, &prefix, node->value);
}

static void walk_below(const struct trie_node *node,
                       void (*visit)(void *, const struct prefix *, void *), void *context)
{
    if (!node)
        return;
    visit_node(node, visit, context);
    walk_below(node->child[0], visit, context);
    walk_below(node->child[1], visit, context);
}

void trie_walk(const struct trie *trie,
               void (*visit)(void *context, const struct prefix *prefix, void *value),
               void *context)
{
    walk_below(trie->ipv4, visit, context);
    walk_below(trie->ipv6, visit, context);
}

void trie_walk_around(const struct trie *trie, const struct prefix *prefix,
                      void (*visit)(void *context, const struct prefix *prefix, void *value),
                      void *context)
{
    uint64_t key[2];
    unsigned len = prefix->len_bits;
    load_key(prefix->address.family, prefix->address.bytes, key);
    const struct trie_node *node =
        prefix->address.family == FAMILY_IPV4 ? trie->ipv4 : trie->ipv6;
    for (; node && node->len_bits < len && node_contains(node, key);
         node = node->child[bit_at(key, node->len_bits)])
        visit_node(node, visit, context);
    if (node && node->len_bits >= len && common_bits(node->key, key, len) == len)
        walk_below(node, visit, context);
}
