/* SPDX-License-Identifier: MIT */
#include "config/uapi_get.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rigs/sample.h"
#include "tap.h"

#define WHOLE_BYTES 65536

/* All pieces behind each other, each in a text of `piece_bytes`. */
static void print(const struct tunnel_description *tunnel, const struct status_peer *status,
                  uint16_t port, size_t piece_bytes, char whole[WHOLE_BYTES])
{
    struct uapi_get get = {.tunnel = tunnel,
                           .listen_port = port,
                           .mark = port ? 51820 : 0,
                           .status = status};
    char *piece = malloc(piece_bytes);
    size_t len = 0;
    for (bool has_more = true; has_more && len + piece_bytes < WHOLE_BYTES;) {
        struct text text;
        text_init(&text, piece, piece_bytes);
        has_more = uapi_get_piece(&get, &text);
        CHECK(!text.is_cut && text.len > 0 && text.bytes[text.len - 1] == '\n');
        memcpy(whole + len, text.bytes, text.len + 1);
        len += text.len;
    }
    free(piece);
}

static void test_all_lines_of_a_tunnel(void)
{
    struct prefix prefixes[2];
    struct peer_description peers[2] = {{.persistent_keepalive_s = 25}};
    struct status_peer status[2] = {{.last_handshake_wall_ns = UINT64_C(1700000000123456789),
                                     .sent_bytes = UINT64_MAX,
                                     .received_bytes = 7}};
    struct tunnel_description tunnel = {.peers = peers, .peer_count = 2};
    char whole[WHOLE_BYTES];
    memset(tunnel.private_key, 0xab, 32);
    memset(peers[0].public_key, 1, 32);
    memset(peers[0].preshared_key, 2, 32);
    memset(peers[1].public_key, 3, 32);
    CHECK(prefix_parse("10.0.0.0/8", &prefixes[0]) && prefix_parse("2001:db8::/32", &prefixes[1]));
    peers[0].allowed_ips = prefixes;
    peers[0].allowed_ips_count = 2;
    status[0].endpoint = sample_endpoint("[fe80::1%3]:51820");
    print(&tunnel, status, 4242, 4096, whole);
    CHECK_TEXT(whole,
               "private_key=abababababababababababababababababababababababababababababababab\n"
               "listen_port=4242\nfwmark=51820\n"
               "public_key=0101010101010101010101010101010101010101010101010101010101010101\n"
               "preshared_key=0202020202020202020202020202020202020202020202020202020202020202\n"
               "protocol_version=1\nendpoint=[fe80::1%3]:51820\n"
               "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=123456789\n"
               "tx_bytes=18446744073709551615\nrx_bytes=7\npersistent_keepalive_interval=25\n"
               "allowed_ip=10.0.0.0/8\nallowed_ip=2001:db8::/32\n"
               "public_key=0303030303030303030303030303030303030303030303030303030303030303\n"
               "preshared_key=0000000000000000000000000000000000000000000000000000000000000000\n"
               "protocol_version=1\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\n"
               "tx_bytes=0\nrx_bytes=0\npersistent_keepalive_interval=0\nerrno=0\n\n");
    tunnel = (struct tunnel_description){0};
    print(&tunnel, status, 0, 4096, whole);
    CHECK_TEXT(whole, "errno=0\n\n");
}

static void test_pieces_of_any_size_are_the_same_text(void)
{
    enum { PEERS = 9, MOST = 60 };
    static struct prefix prefixes[PEERS][MOST];
    static char one[WHOLE_BYTES], other[WHOLE_BYTES];
    struct peer_description peers[PEERS] = {0};
    struct status_peer status[PEERS] = {0};
    struct tunnel_description tunnel = {.peers = peers, .peer_count = PEERS};
    for (unsigned i = 0; i < PEERS; i++) {
        memset(peers[i].public_key, (int)i + 1, 32);
        memset(&status[i].endpoint, 0xff, sizeof(status[i].endpoint));
        status[i].endpoint.address.family = FAMILY_IPV6;
        status[i].sent_bytes = status[i].received_bytes = status[i].last_handshake_wall_ns =
            UINT64_MAX;
        peers[i].allowed_ips = prefixes[i];
        peers[i].allowed_ips_count = tap_random_below(MOST);
        for (unsigned p = 0; p < MOST; p++) {
            prefixes[i][p] = (struct prefix){.address.family = FAMILY_IPV6, .len_bits = 128};
            tap_random_bytes(prefixes[i][p].address.bytes, 16);
            prefixes[i][p].address.bytes[0] |= 0x80; /* as long as they get */
        }
    }
    print(&tunnel, status, 1, WHOLE_BYTES / 2, one);
    for (size_t bytes = UAPI_GET_PIECE_BYTES; bytes < 3000; bytes += 1 + tap_random_below(100)) {
        print(&tunnel, status, 1, bytes, other);
        CHECK(strcmp(one, other) == 0);
    }
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_all_lines_of_a_tunnel);
    TAP_RUN(argc, argv, test_pieces_of_any_size_are_the_same_text);
    return tap_done();
}
