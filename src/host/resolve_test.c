/* SPDX-License-Identifier: MIT */
/* A tiny DNS server in the test's own namespace, whose rules let only marked packets pass. */
#include "host/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "rigs/own_netns.h"
#include "tap.h"

#define MARK 0xca6cu
#define DNS_HEADER_BYTES 12

struct dns {
    int fd;
    bool is_mute;
    unsigned queries;
    char names[1024]; /* asked for, with their types: "relay.test/1 " */
};

struct result {
    unsigned calls;
    size_t count;
    struct address addresses[RESOLVE_ADDRESSES_MOST];
    char why[256];
};

static char directory[96], conf[128], said[512];
static struct text why;

static void write_conf(const char *text)
{
    int file = open(conf, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

static int open_server(const char *address)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(53)};
    uint32_t mark = MARK;
    inet_pton(AF_INET, address, &own.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
    CHECK_EQUAL(bind(fd, (const void *)&own, sizeof(own)), 0);
    return fd;
}

static struct resolver *start(struct dns *dns)
{
    static bool is_ready;
    static struct resolve_options options;
    char output[256];
    struct resolver *resolver = NULL;
    *dns = (struct dns){.fd = -1};
    if (!own_netns_enter_once() || !own_netns_has_ip_command())
        return NULL;
    if (!is_ready)
        CHECK_TEXT(own_netns_run(output, sizeof(output),
                                 "ip link set lo up && ip addr add 10.99.0.53/32 dev lo && "
                                 "ip rule add pref 100 lookup local && ip rule del pref 0 && "
                                 "ip rule add pref 50 not fwmark %u prohibit",
                                 MARK),
                   "");
    is_ready = true;
    tap_make_directory(directory, sizeof(directory), "resolve");
    snprintf(conf, sizeof(conf), "%s/resolv.conf", directory);
    text_init(&why, said, sizeof(said));
    write_conf("# a comment\nsearch example.test\nnameserver 10.99.0.53\n");
    dns->fd = open_server("10.99.0.53");
    options = (struct resolve_options){.mark = MARK, .resolv_conf = conf, .timeout_ms = 200};
    CHECK_EQUAL(resolve_open(&options, &resolver, &why), 0);
    return resolver;
}

static void end(struct resolver *resolver, struct dns *dns)
{
    resolve_close(resolver);
    if (dns->fd < 0)
        return;
    close(dns->fd);
    unlink(conf);
    CHECK_EQUAL(rmdir(directory), 0);
}

/* The question's name in text and the length of the whole question; 0: not one. */
static size_t read_question(const uint8_t *query, size_t len, char *name, size_t capacity)
{
    size_t at = DNS_HEADER_BYTES, used = 0;
    while (at < len && query[at]) {
        size_t label = query[at];
        if (at + 1 + label >= len || used + label + 2 > capacity)
            return 0;
        memcpy(name + used, query + at + 1, label);
        used += label;
        name[used++] = '.';
        at += 1 + label;
    }
    name[used ? used - 1 : 0] = '\0';
    return at + 5 <= len ? at + 5 - DNS_HEADER_BYTES : 0;
}

/* One answer to each question: relay.test has both families, old.test IPv4 alone; others nothing.
 */
static void serve(struct dns *dns)
{
    static const uint8_t ipv4[] = {198, 51, 100, 7}, ipv6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof(from);
    uint8_t bytes[600];
    char name[256];
    ssize_t got;
    while ((got = recvfrom(dns->fd, bytes, 512, 0, (void *)&from, &from_bytes)) > 0) {
        size_t question = read_question(bytes, (size_t)got, name, sizeof(name));
        if (!CHECK(question > 0))
            continue;
        uint16_t type = load_be16(bytes + DNS_HEADER_BYTES + question - 4);
        dns->queries++;
        snprintf(dns->names + strlen(dns->names), sizeof(dns->names) - strlen(dns->names), "%s/%u ",
                 name, type);
        bool is_known = strcmp(name, "relay.test") == 0 || strcmp(name, "old.test") == 0;
        bool has_answer = is_known && (type == 1 || name[0] == 'r');
        uint8_t *at = bytes + DNS_HEADER_BYTES + question;
        store_be16(bytes + 2, is_known ? 0x8180 : 0x8183);
        memset(bytes + 4, 0, 8);
        bytes[5] = 1;
        bytes[7] = has_answer;
        if (has_answer) {
            size_t len = type == 1 ? 4 : 16;
            static const uint8_t pointer[] = {0xc0, DNS_HEADER_BYTES};
            memcpy(at, pointer, 2);
            store_be16(at + 2, type);
            store_be16(at + 4, 1);
            store_be32(at + 6, 60);
            store_be16(at + 10, (uint16_t)len);
            memcpy(at + 12, type == 1 ? ipv4 : ipv6, len);
            at += 12 + len;
        }
        if (!dns->is_mute)
            sendto(dns->fd, bytes, (size_t)(at - bytes), 0, (void *)&from, from_bytes);
    }
}

static void keep(void *context, const struct address *addresses, size_t count, const char *reason)
{
    struct result *result = context;
    result->calls++;
    result->count = count;
    if (count)
        memcpy(result->addresses, addresses, count * sizeof(*addresses));
    snprintf(result->why, sizeof(result->why), "%s", reason ? reason : "");
}

/* Until the result is told, or for so long. */
static void run(struct resolver *resolver, struct dns *dns, const struct result *result,
                unsigned most_ms)
{
    for (unsigned ms = 0; ms < most_ms && !result->calls; ms += 20) {
        struct pollfd pollers[] = {{.fd = resolve_fd(resolver), .events = POLLIN},
                                   {.fd = dns->fd, .events = POLLIN}};
        poll(pollers, 2, 20);
        serve(dns);
        if (pollers[0].revents)
            resolve_dispatch(resolver);
    }
}

static bool has_address(const struct result *result, const char *text)
{
    struct address address;
    bool is_there = false;
    CHECK(address_parse(text, &address));
    for (size_t i = 0; i < result->count; i++)
        is_there |= address_is_equal(&result->addresses[i], &address);
    return is_there;
}

static void test_g1_a_name_has_the_addresses_of_both_families_by_marked_queries(void)
{
    struct dns dns;
    struct resolver *resolver = start(&dns);
    struct result both = {0}, one = {0};
    if (!resolver)
        return;
    CHECK_EQUAL(resolve_start(resolver, "relay.test", keep, &both, &why), 0);
    CHECK_EQUAL(resolve_start(resolver, "old.test", keep, &one, &why), 0);
    CHECK_EQUAL(both.calls, 0);
    run(resolver, &dns, &both, 5000);
    run(resolver, &dns, &one, 5000);
    CHECK_EQUAL(both.calls, 1);
    CHECK_EQUAL(both.count, 2);
    CHECK(has_address(&both, "198.51.100.7") && has_address(&both, "2001:db8::7"));
    CHECK_EQUAL(one.count, 1);
    CHECK(has_address(&one, "198.51.100.7"));
    CHECK_TEXT(both.why, "");
    CHECK(strstr(dns.names, "relay.test/1 ") && strstr(dns.names, "relay.test/28 "));
    CHECK(strstr(dns.names, "example.test") == NULL); /* nothing asked but the name */
    end(resolver, &dns);
}

static void test_g1_without_the_mark_no_query_gets_out(void)
{
    struct dns dns;
    struct resolver *resolver = start(&dns), *unmarked = NULL;
    struct result result = {0};
    if (!resolver)
        return;
    struct resolve_options options = {.resolv_conf = conf, .timeout_ms = 200};
    CHECK_EQUAL(resolve_open(&options, &unmarked, &why), 0);
    CHECK_EQUAL(resolve_start(unmarked, "relay.test", keep, &result, &why), 0);
    run(unmarked, &dns, &result, 15000);
    CHECK_EQUAL(result.calls, 1);
    CHECK_EQUAL(result.count, 0);
    CHECK_EQUAL(dns.queries, 0);
    resolve_close(unmarked);
    end(resolver, &dns);
}

static void test_a_name_that_is_not_there_is_a_sentence(void)
{
    struct dns dns;
    struct resolver *resolver = start(&dns);
    struct result result = {0};
    if (!resolver)
        return;
    CHECK_EQUAL(resolve_start(resolver, "nobody.test", keep, &result, &why), 0);
    run(resolver, &dns, &result, 5000);
    CHECK_EQUAL(result.calls, 1);
    CHECK_EQUAL(result.count, 0);
    CHECK(strstr(result.why, "nobody.test") != NULL);
    end(resolver, &dns);
}

static void test_a_mute_server_ends_in_a_sentence_and_cancelling_in_silence(void)
{
    struct dns dns;
    struct resolver *resolver = start(&dns);
    struct result result = {0}, cancelled = {0};
    if (!resolver)
        return;
    dns.is_mute = true;
    CHECK_EQUAL(resolve_start(resolver, "relay.test", keep, &result, &why), 0);
    CHECK_EQUAL(resolve_start(resolver, "old.test", keep, &cancelled, &why), 0);
    run(resolver, &dns, &result, 100);
    resolve_cancel(resolver, &cancelled);
    run(resolver, &dns, &result, 40000);
    CHECK_EQUAL(result.calls, 1);
    CHECK_EQUAL(result.count, 0);
    CHECK_EQUAL(cancelled.calls, 0);
    CHECK(dns.queries >= 6); /* tried again */
    CHECK_EQUAL(resolve_start(resolver, "relay.test", keep, &cancelled, &why), 0);
    end(resolver, &dns); /* with one on its way */
    CHECK_EQUAL(cancelled.calls, 0);
}

static void test_g1_a_local_resolver_is_refused_but_systemds_stub_is_seen_through(void)
{
    static const char *const local[] = {"nameserver 127.0.0.1\n", "nameserver ::1\n",
                                        "nameserver 127.0.1.1 # dnsmasq\n", "nameserver 0.0.0.0\n"};
    struct dns dns;
    struct resolver *resolver = start(&dns), *systemd = NULL;
    struct result result = {0};
    char stub[128];
    if (!resolver)
        return;
    for (unsigned i = 0; i < 4; i++) {
        write_conf(local[i]);
        text_init(&why, said, sizeof(said));
        CHECK(resolve_start(resolver, "relay.test", keep, &result, &why) < 0);
        CHECK(strstr(said, "only a resolver on this host") != NULL);
    }
    write_conf("options edns0\nnameserver\nnameserver not-an-address\nnameserverx 10.99.0.53\n");
    CHECK(resolve_start(resolver, "relay.test", keep, &result, &why) < 0);
    CHECK(strstr(said, "names no DNS server") != NULL);
    unlink(conf);
    CHECK_EQUAL(resolve_start(resolver, "relay.test", keep, &result, &why), -ENOENT);
    CHECK_EQUAL(result.calls, 0);

    snprintf(stub, sizeof(stub), "%s/stub", directory);
    int file = open(stub, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    close(file);
    CHECK(own_netns_write(stub, "nameserver 127.0.0.53\noptions edns0 trust-ad\n"));
    write_conf("nameserver 10.99.0.53\n");
    struct resolve_options options = {
        .mark = MARK, .resolv_conf = stub, .systemd_resolv_conf = conf};
    CHECK_EQUAL(resolve_open(&options, &systemd, &why), 0);
    CHECK_EQUAL(resolve_start(systemd, "relay.test", keep, &result, &why), 0);
    run(systemd, &dns, &result, 5000);
    CHECK_EQUAL(result.count, 2);
    resolve_close(systemd);
    unlink(stub);
    end(resolver, &dns);
}

static void test_literals_and_hosts_are_known_without_a_query(void)
{
    struct dns dns;
    struct resolver *resolver = start(&dns);
    struct result literal = {0}, host = {0};
    if (!resolver)
        return;
    CHECK_EQUAL(resolve_start(resolver, "203.0.113.5", keep, &literal, &why), 0);
    CHECK_EQUAL(literal.calls, 0); /* never told from inside resolve_start */
    run(resolver, &dns, &literal, 1000);
    CHECK(has_address(&literal, "203.0.113.5"));
    literal = (struct result){0};
    CHECK_EQUAL(resolve_start(resolver, "2001:db8::5", keep, &literal, &why), 0);
    run(resolver, &dns, &literal, 1000);
    CHECK(has_address(&literal, "2001:db8::5"));
    CHECK_EQUAL(resolve_start(resolver, "localhost", keep, &host, &why), 0);
    run(resolver, &dns, &host, 1000);
    CHECK(host.count >= 1);
    CHECK_EQUAL(dns.queries, 0);
    CHECK_TEXT(dns.names, "");
    end(resolver, &dns);
}

static void test_what_is_no_name_and_what_is_too_much_is_refused(void)
{
    static const char *const bad[] = {"", "a b", "a/b", "a\nb", "a:1"};
    struct dns dns;
    struct resolver *resolver = start(&dns);
    struct result result = {0};
    char name[400];
    if (!resolver)
        return;
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQUAL(resolve_start(resolver, bad[i], keep, &result, &why), -EINVAL);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    CHECK_EQUAL(resolve_start(resolver, name, keep, &result, &why), -EINVAL);
    for (unsigned i = 0; i < RESOLVE_REQUESTS_MOST; i++)
        CHECK_EQUAL(resolve_start(resolver, "relay.test", keep, &result, &why), 0);
    CHECK_EQUAL(resolve_start(resolver, "relay.test", keep, &result, &why), -EBUSY);
    resolve_cancel(resolver, &result);
    CHECK_EQUAL(resolve_start(resolver, "relay.test", keep, &result, &why), 0);
    run(resolver, &dns, &result, 5000);
    CHECK_EQUAL(result.count, 2);
    CHECK_EQUAL(result.calls, 1);
    end(resolver, &dns);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_g1_a_name_has_the_addresses_of_both_families_by_marked_queries);
    TAP_RUN(argc, argv, test_g1_without_the_mark_no_query_gets_out);
    TAP_RUN(argc, argv, test_a_name_that_is_not_there_is_a_sentence);
    TAP_RUN(argc, argv, test_a_mute_server_ends_in_a_sentence_and_cancelling_in_silence);
    TAP_RUN(argc, argv, test_g1_a_local_resolver_is_refused_but_systemds_stub_is_seen_through);
    TAP_RUN(argc, argv, test_literals_and_hosts_are_known_without_a_query);
    TAP_RUN(argc, argv, test_what_is_no_name_and_what_is_too_much_is_refused);
    return tap_done();
}
