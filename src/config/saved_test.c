/* SPDX-License-Identifier: MIT */
#include "config/saved.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define TWOS "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define THREES "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="
#define HEX_4(x) x x x x
#define HEX(x) HEX_4(HEX_4(x)) HEX_4(HEX_4(x))

static char *name_zone(unsigned number, char *name)
{
    return number == 7 ? strcpy(name, "eth0") : NULL;
}

static void expect(const char *old, const char *answer, const char *wanted)
{
    char bytes[4096], *copy = strdup(answer);
    struct text text;
    text_init(&text, bytes, sizeof(bytes));
    bool is_well = saved_write(old, copy, name_zone, tap_memory(), &text);
    CHECK(is_well == (wanted != NULL));
    if (wanted)
        CHECK_TEXT(bytes, wanted);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
    free(copy);
}

static const char file[] = "# the office's server\n"
                           "[Interface]\n"
                           "Address = 10.8.0.1/24 # ours\n"
                           "PrivateKey = " ONES "\n"
                           "ListenPort = 51820\n"
                           "SaveConfig = true\n"
                           "\n"
                           "# Client: phone\n"
                           "[Peer]\n"
                           "PublicKey = " TWOS "\n"
                           "# only at night\n"
                           "AllowedIPs = 10.8.0.2/32\n"
                           "\n"
                           "# Client: laptop\n"
                           "[Peer]\n"
                           "PublicKey = " THREES "\n"
                           "AllowedIPs = 10.8.0.3/32\n";

static void test_I1_a_file_keeps_what_is_not_wgs(void)
{
    expect(file,
           "private_key=" HEX("03") "\nlisten_port=51821\nfwmark=51820\n"
           "public_key=" HEX("03") "\npreshared_key=" HEX("01") "\nprotocol_version=1\n"
           "endpoint=[2001:db8::1]:7\nlast_handshake_time_sec=1\nlast_handshake_time_nsec=2\n"
           "tx_bytes=1\nrx_bytes=1\npersistent_keepalive_interval=25\n"
           "allowed_ip=10.8.0.3/32\nallowed_ip=2001:db8::/64\n"
           "public_key=" HEX("01") "\npreshared_key=" HEX("00") "\n"
           "persistent_keepalive_interval=0\nerrno=0\n\n",
           "# the office's server\n"
           "[Interface]\n"
           "PrivateKey = " THREES "\n"
           "ListenPort = 51821\n"
           "Address = 10.8.0.1/24 # ours\n"
           "SaveConfig = true\n"
           "\n"
           "# Client: laptop\n"
           "[Peer]\n"
           "PublicKey = " THREES "\n"
           "PresharedKey = " ONES "\n"
           "Endpoint = [2001:db8::1]:7\n"
           "PersistentKeepalive = 25\n"
           "AllowedIPs = 10.8.0.3/32, 2001:db8::/64\n"
           "\n"
           "[Peer]\n"
           "PublicKey = " ONES "\n");
}

static void test_I1_what_has_not_changed_is_written_as_it_was_but_for_order(void)
{
    expect(file,
           "private_key=" HEX("01") "\nlisten_port=51820\n"
           "public_key=" HEX("02") "\nallowed_ip=10.8.0.2/32\n"
           "public_key=" HEX("03") "\nallowed_ip=10.8.0.3/32\nerrno=0\n\n",
           "# the office's server\n"
           "[Interface]\n"
           "PrivateKey = " ONES "\n"
           "ListenPort = 51820\n"
           "Address = 10.8.0.1/24 # ours\n"
           "SaveConfig = true\n"
           "\n"
           "# Client: phone\n"
           "[Peer]\n"
           "# only at night\n"
           "PublicKey = " TWOS "\n"
           "AllowedIPs = 10.8.0.2/32\n"
           "\n"
           "# Client: laptop\n"
           "[Peer]\n"
           "PublicKey = " THREES "\n"
           "AllowedIPs = 10.8.0.3/32\n");
}

static void test_I1_no_comment_is_lost(void)
{
    expect("[Interface]\nPrivateKey = " ONES " # of the office\nMTU = 1300\n# PostUp = true\n\n"
           "# kept\n\n# Client: phone\n[Peer]\nPublicKey = " TWOS " # the old one\n"
           "# by night\n\n# Client: gone\n[Peer]\nPublicKey = " THREES "\n",
           "private_key=" HEX("01") "\npublic_key=" HEX("02") "\nerrno=0\n\n",
           "[Interface]\nPrivateKey = " ONES "\n# of the office\nMTU = 1300\n# PostUp = true\n\n"
           "# kept\n\n# Client: phone\n[Peer]\n# the old one\n# by night\nPublicKey = " TWOS "\n");
    expect("[Interface]\nMTU = 1300\n\n# the end\n\n", "errno=0\n\n",
           "[Interface]\nMTU = 1300\n\n# the end\n");
}

/* As `wg setconf` joins them: the later section's endpoint counts. */
static void test_I1_a_peer_in_two_sections_keeps_the_comments_of_both(void)
{
    const char answer[] = "private_key=" HEX("01") "\npublic_key=" HEX("02") "\nerrno=0\n\n";
    expect("[Interface]\n\n# Client: phone\n[Peer]\nPublicKey = " TWOS "\n# by night\n"
           "Endpoint = a.example:1\n\n# Client: laptop\n[Peer]\nPublicKey = " THREES "\n\n"
           "# its new relay\n[Peer] # second\nPublicKey = " TWOS "\n"
           "Endpoint = b.example:2 # by day\n\n# from home\n[Peer]\nPublicKey = " TWOS "\n",
           answer,
           "[Interface]\nPrivateKey = " ONES "\n\n"
           "# Client: phone\n# its new relay\n# from home\n[Peer]\n# by night\n# second\n"
           "# by day\nPublicKey = " TWOS "\nEndpoint = b.example:2\n");
    expect("[Interface]\n[Peer]\nPublicKey = " TWOS "\nEndpoint = a.example:1\n"
           "[Peer]\nPublicKey = " TWOS "\nEndpoint =\n",
           answer,
           "[Interface]\nPrivateKey = " ONES "\n\n[Peer]\nPublicKey = " TWOS "\n");
}

static void test_I1_a_mark_stays_where_the_file_has_one(void)
{
    expect("[interface]\nfwmark=0x1\n[ Peer ]\npublickey=" TWOS "\n[Interface]\nMTU = 1300",
           "private_key=" HEX("01") "\nfwmark=51820\nerrno=0\n\n",
           "[interface]\nPrivateKey = " ONES "\nFwMark = 0xca6c\nMTU = 1300\n");
    expect("[Interface]\nFwMark = off # none\n", "fwmark=1207959553\nerrno=0\n\n",
           "[Interface]\nFwMark = off\n# none\n");
}

static void test_I1_an_endpoint_whose_name_has_no_answer_stays(void)
{
    expect("[Interface]\n[Peer]\nPublicKey = " TWOS "\nEndpoint = relay.example:51820\n[Peer]\n"
           "PublicKey = " THREES "\nEndpoint = relay.example:51820\n",
           "public_key=" HEX("02") "\npersistent_keepalive_interval=5\npublic_key=" HEX("03")
           "\nendpoint=192.0.2.1:51820\nerrno=0\n\n",
           "[Interface]\n\n[Peer]\nPublicKey = " TWOS "\nPersistentKeepalive = 5\n"
           "Endpoint = relay.example:51820\n\n[Peer]\nPublicKey = " THREES
           "\nEndpoint = 192.0.2.1:51820\n");
}

static void test_I1_a_key_that_is_cut_off_is_none(void)
{
    char *cut = strdup("[Interface]\n[Peer]\nPublicKey = abc");
    expect(cut, "errno=0\n\n", "[Interface]\n");
    free(cut);
}

static void test_I1_a_zone_is_written_by_its_name(void)
{
    expect("[Interface]\n",
           "public_key=" HEX("02") "\nendpoint=[fe80::1%7]:51820\n"
           "public_key=" HEX("03") "\nendpoint=[fe80::1%8]:51820\nerrno=0\n\n",
           "[Interface]\n\n[Peer]\nPublicKey = " TWOS "\nEndpoint = [fe80::1%eth0]:51820\n\n"
           "[Peer]\nPublicKey = " THREES "\nEndpoint = [fe80::1%8]:51820\n");
}

static void test_I1_what_is_no_answer_writes_nothing(void)
{
    expect(file, "", NULL);
    expect(file, "errno=1\n\n", NULL);
    expect(file, "private_key=" HEX("01") "\n", NULL); /* cut off */
    expect(file, "private_key=" HEX("0") "\nerrno=0\n\n", NULL);
    expect(file, "private_key\nerrno=0\n\n", NULL);
    expect(file, "public_key=" HEX("02") "\npreshared_key=1\nerrno=0\n\n", NULL);
    expect("", "errno=0\n\n", NULL); /* no [Interface] */
    expect("# nothing\n[Peer]\n", "errno=0\n\n", NULL);
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_I1_a_file_keeps_what_is_not_wgs);
    TAP_RUN(argc, argv, test_I1_what_has_not_changed_is_written_as_it_was_but_for_order);
    TAP_RUN(argc, argv, test_I1_no_comment_is_lost);
    TAP_RUN(argc, argv, test_I1_a_peer_in_two_sections_keeps_the_comments_of_both);
    TAP_RUN(argc, argv, test_I1_a_mark_stays_where_the_file_has_one);
    TAP_RUN(argc, argv, test_I1_an_endpoint_whose_name_has_no_answer_stays);
    TAP_RUN(argc, argv, test_I1_a_key_that_is_cut_off_is_none);
    TAP_RUN(argc, argv, test_I1_a_zone_is_written_by_its_name);
    TAP_RUN(argc, argv, test_I1_what_is_no_answer_writes_nothing);
    return tap_done();
}
