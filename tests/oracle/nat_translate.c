/* SPDX-License-Identifier: MIT */
/* Translates packets as the engine does, for a test that asks another translator too. Each line of
 * standard input is `source|destination ADDRESS HEX`; each answer is the translated packet in hex,
 * without padding behind its IP length, or `refused VERDICT`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void translate(uint8_t *bytes, size_t len, enum nat_side side, const struct address *to)
{
    struct ip_view view;
    enum verdict verdict = ip_parse(bytes, len, &view);
    if (verdict == VERDICT_OK)
        verdict = nat_rewrite(bytes, len, &view, side, to, 0);
    if (verdict != VERDICT_OK) {
        printf("refused %s\n", verdict_name(verdict));
        return;
    }
    for (size_t i = 0; i < view.len_bytes; i++)
        printf("%02x", bytes[i]);
    putchar('\n');
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *words = line, *side = strsep(&words, " "), *text = strsep(&words, " ");
        struct address to;
        size_t len;
        uint8_t *bytes = words ? read_hex(words, &len) : NULL;
        if (!bytes || !address_parse(text, &to)) {
            fprintf(stderr, "nat_translate: not a request: %s\n", line);
            return 2;
        }
        translate(bytes, len, strcmp(side, "source") == 0 ? NAT_SOURCE : NAT_DESTINATION, &to);
        free(bytes);
    }
    free(line);
    return 0;
}
