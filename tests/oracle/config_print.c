/* SPDX-License-Identifier: MIT */
/* Prints what plain wg-quick files mean to Hopwire, for a test that asks wg-quick and wg too. Each
 * line of standard input is a path; the answer is KEY=VALUE lines, lists sorted, or `refused`, and
 * an empty line. The messages go to standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load.h"
#include "config/keytext.h"

enum { PATH_MOST_BYTES = 4096 };

static int compare(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

static void print_prefixes(const struct prefix *prefixes, size_t count)
{
    char **texts = calloc(count + 1, sizeof(*texts));
    for (size_t i = 0; texts && i < count; i++) {
        texts[i] = malloc(PREFIX_TEXT_BYTES);
        prefix_format(&prefixes[i], texts[i]);
    }
    qsort(texts, count, sizeof(*texts), compare);
    printf("allowed_ips=");
    for (size_t i = 0; texts && i < count; i++) {
        bool is_again = i && strcmp(texts[i - 1], texts[i]) == 0;
        printf("%s%s", i && !is_again ? " " : "", is_again ? "" : texts[i]);
    }
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
    printf("\n");
}

static void print_key(const char *name, const uint8_t key[32])
{
    char text[KEYTEXT_CHARACTERS + 1];
    printf("%s=%s\n", name, keytext_format(key, text));
}

static void print_peer(const struct peer_description *peer)
{
    char text[ENDPOINT_TEXT_BYTES];
    print_key("peer", peer->public_key);
    print_key("preshared_key", peer->preshared_key);
    print_prefixes(peer->allowed_ips, peer->allowed_ips_count);
    if (peer->endpoint_name)
        printf("endpoint=%s:%u\n", peer->endpoint_name, peer->endpoint.port);
    else
        printf("endpoint=%s\n", peer->has_endpoint ? endpoint_format(&peer->endpoint, text) : "");
    printf("keepalive=%u\n", peer->persistent_keepalive_s);
}

static void print_addresses(const char *name, const struct address *addresses, size_t count)
{
    char text[ADDRESS_TEXT_BYTES];
    printf("%s=", name);
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i ? " " : "", address_format(&addresses[i], text));
    printf("\n");
}

static void print(const struct config *config)
{
    const struct tunnel_description *tunnel = &config->network.tunnels[0];
    print_key("private_key", tunnel->private_key);
    print_addresses("addresses", tunnel->addresses, tunnel->address_count);
    printf("dns=");
    for (size_t i = 0; i < config->dns_count; i++) {
        char text[ADDRESS_TEXT_BYTES];
        const char *zone = config->dns_zones[i];
        printf("%s%s%s%s", i ? " " : "", address_format(&config->dns[i], text), zone ? "%" : "",
               zone ? zone : "");
    }
    printf("\ndomains=");
    for (size_t i = 0; i < config->domain_count; i++)
        printf("%s%s", i ? " " : "", config->domains[i]);
    printf("\nlisten_port=%u\nmtu=%u\n", tunnel->listen_port, tunnel->mtu_bytes);
    if (config->table_is_off)
        printf("table=off\n");
    else if (config->table)
        printf("table=%u\n", config->table);
    else
        printf("table=auto\n");
    for (size_t i = 0; i < tunnel->peer_count; i++)
        print_peer(&tunnel->peers[i]);
}

int main(void)
{
    char path[PATH_MOST_BYTES], *name = path;
    while (fgets(path, sizeof(path), stdin)) {
        path[strcspn(path, "\n")] = '\0';
        struct config *config = load_configuration(&name, 1, true);
        if (config)
            print(config);
        else
            printf("refused\n");
        printf("\n");
        fflush(stdout);
        if (config)
            load_free(config);
    }
    return 0;
}
