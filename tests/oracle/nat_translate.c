/* SPDX-License-Identifier: MIT */
/* Translates packets as the engine does, for a test that asks another translator too. Each line of
 * standard input is `source|destination ADDRESS HEX[/START/OFFSET]`, with the csum_start and
 * csum_offset of a partial checksum; each answer is the translated packet in hex, its checksum
 * completed, without padding behind its IP length, or `refused VERDICT`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/split.h"
#include "route/icmp.h"
#include "route/nat.h"

enum { PACKET_MOST_BYTES = 65536 };

/* The packet in a heap buffer of exactly its size, so that sanitizers see the first byte too many;
 * NULL: no hex. */
static uint8_t *read_hex(const char *text, size_t *len)
{
    size_t digits = strspn(text, "0123456789abcdef");
    if (digits % 2 || digits / 2 > PACKET_MOST_BYTES || text[digits])
        return NULL;
    *len = digits / 2;
    uint8_t *bytes = malloc(*len ? *len : 1);
    for (size_t i = 0; bytes && i < *len; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return bytes;
}

static void print_hex(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
    putchar('\n');
}

/* What engine/plan does to a packet of the TUN; one without a partial checksum inbound is the
 * same. */
static enum verdict translate(uint8_t *bytes, size_t len, const struct vnet_header *vnet,
                              enum nat_side side, const struct address *to)
{
    static uint8_t copied[PACKET_MOST_BYTES];
    struct packet out = {.data = copied, .floor = copied, .ceiling = copied + sizeof(copied)};
    struct ip_view view;
    struct split split;
    enum verdict verdict = ip_parse(bytes, len, &view);
    if (verdict == VERDICT_OK && icmp_is_redirect(bytes, &view))
        verdict = VERDICT_REDIRECT;
    if (verdict == VERDICT_OK)
        verdict = nat_rewrite(bytes, len, &view, side, to, vnet->csum_start);
    if (verdict == VERDICT_OK)
        verdict = split_init(&split, vnet, bytes, len, &view);
    if (verdict != VERDICT_OK)
        return verdict;
    split_next(&split, &out);
    print_hex(out.data, out.len_bytes);
    return VERDICT_OK;
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *words = line, *side = strsep(&words, " "), *text = strsep(&words, " ");
        char *hex = strsep(&words, "/"), *start = strsep(&words, "/");
        struct vnet_header vnet = {0};
        struct address to;
        size_t len;
        uint8_t *bytes = hex ? read_hex(hex, &len) : NULL;
        if (words) {
            vnet.flags = VNET_NEEDS_CSUM;
            vnet.csum_start = (uint16_t)strtoul(start, NULL, 10);
            vnet.csum_offset = (uint16_t)strtoul(words, NULL, 10);
        }
        if (!bytes || !address_parse(text, &to)) {
            fprintf(stderr, "nat_translate: not a request: %s\n", line);
            return 2;
        }
        enum nat_side nat_side = strcmp(side, "source") == 0 ? NAT_SOURCE : NAT_DESTINATION;
        enum verdict verdict = translate(bytes, len, &vnet, nat_side, &to);
        if (verdict != VERDICT_OK)
            printf("refused %s\n", verdict_name(verdict));
        free(bytes);
    }
    free(line);
    return 0;
}
