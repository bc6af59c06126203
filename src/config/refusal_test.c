/* SPDX-License-Identifier: MIT */
/* Every refusal of a configuration: the exact sentence, with file, line and key. */
#include "config/config.h"

#include "rigs/config_files.h"
#include "tap.h"

#define HEAD "[Tunnel a]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\n" /* lines 1 to 3 */
#define PEER "[Peer]\nPublicKey = " KEY_2 "\n"                          /* then 4 and 5 */
#define CARRIER HEAD PEER "AllowedIPs = 10.0.0.0/8\n"                   /* 6 */
#define RIDER(via) "[Tunnel b]\nVia = " via "\nPrivateKey = " KEY_1 "\nAddress = 10.1.0.1\n"
#define LINK(name, via)                                                                            \
    "[Tunnel " name "]\nVia = " via "\nPrivateKey = " KEY_1 "\nAddress=10.0.0.1\n"
#define ROOT(name) "[Tunnel " name "]\nPrivateKey = " KEY_1 "\nAddress = 10.0.0.1\n"

struct refusal {
    const char *text; /* of n.conf */
    const char *sentence;
};

static const struct refusal keys[] = {
    {"[Tunnel a]\nPrivateKey = AQEB\n",
     "n.conf:2: PrivateKey: not a key: it must be 44 characters of base64 that end with =, as "
     "`wg genkey` and `wg pubkey` write them"},
    {"[Tunnel a]\nPrivateKey = " KEY_ZERO "\n",
     "n.conf:2: PrivateKey: all zero, which is no key; make one with `wg genkey`"},
    {HEAD "[Peer]\nPublicKey = x\n",
     "n.conf:5: PublicKey: not a key: it must be 44 characters of base64 that end with =, as "
     "`wg genkey` and `wg pubkey` write them"},
    {HEAD PEER "PresharedKey = " KEY_1 "=\n",
     "n.conf:6: PresharedKey: not a key: it must be 44 characters of base64 that end with =, as "
     "`wg genkey` and `wg pubkey` write them"},
    {"[Tunnel a]\nPrivateKeyFile = gone.key\n",
     "n.conf:2: PrivateKeyFile: cannot read gone.key: No such file or directory; correct the path "
     "or the file's rights"},
    {"[Tunnel a]\nPrivateKeyFile = n.conf\n",
     "n.conf:2: PrivateKeyFile: n.conf holds no key: it must hold one line of 44 characters, as "
     "`wg genkey` writes it"},
    {"[Tunnel a]\nAddress = 10.0.0.1\n",
     "n.conf:1: tunnel \"a\" has no private key; add PrivateKey = KEY or PrivateKeyFile = PATH"},
    {HEAD "[Peer]\nAllowedIPs = ::/0\n",
     "n.conf:4: a [Peer] without PublicKey; add PublicKey = KEY"},
    {"[Tunnel a]\nPrivateKeyFile = " KEY_1 "\n",
     "n.conf:2: PrivateKeyFile: a key stands here, which is not shown; it belongs to PrivateKey, "
     "PublicKey or PresharedKey"},
    {HEAD "PrivateKeyFile = x\n",
     "n.conf:4: PrivateKeyFile: given twice: PrivateKey is on line 2 already; keep one of them"},
};

static const struct refusal values[] = {
    {HEAD PEER "AllowedIPs = 10.0.0.0/33\n",
     "n.conf:6: AllowedIPs: not a prefix: \"10.0.0.0/33\"; write ADDRESS/LENGTH, with a length of "
     "at most 32 (IPv4) or 128 (IPv6)"},
    {HEAD PEER "AllowedIPs = 10.0.0.0/8, \033[2J/1\n",
     "n.conf:6: AllowedIPs: not a prefix: \"?[2J/1\"; write ADDRESS/LENGTH, with a length of at "
     "most 32 (IPv4) or 128 (IPv6)"},
    {HEAD PEER "Endpoint = 192.0.2.300:1\n",
     "n.conf:6: Endpoint: not an endpoint: \"192.0.2.300:1\"; write IPV4:PORT, [IPV6]:PORT or "
     "NAME:PORT"},
    {HEAD PEER "Endpoint = 0.0.0.0:1\n",
     "n.conf:6: Endpoint: nothing can be sent to 0.0.0.0:1; write a host's address and a port"},
    {HEAD PEER "Endpoint = [fe80::1]:1\n", "n.conf:6: Endpoint: [fe80::1]:1 is on some link, and "
                                           "which one is not said; write it behind a "
                                           "%, as in [fe80::1%eth0]:51820"},
    {HEAD PEER "Endpoint = [fe80::1%eth0]:1\n", /* nobody to ask */
     "n.conf:6: Endpoint: no interface eth0 is known here; write the name or the number of one "
     "behind the %"},
    {HEAD PEER "Endpoint = [fe80::1%e/0]:1\n",
     "n.conf:6: Endpoint: \"e/0\" behind the % is no interface's name; write one, as in "
     "[fe80::1%eth0]:51820"},
    {HEAD PEER "Endpoint = 192.0.2.1:wireguard\n",
     "n.conf:6: Endpoint: not a port: \"wireguard\"; write a number from 1 to 65535"},
    {HEAD PEER "Endpoint = 192.0.2.1:65536\n",
     "n.conf:6: Endpoint: not a port: \"65536\"; write a number from 1 to 65535"},
    {HEAD PEER "PersistentKeepalive = 65536\n",
     "n.conf:6: PersistentKeepalive: not an interval: \"65536\"; write off or 1 to 65535 seconds"},
    {HEAD "Address = 10.0.0.256\n",
     "n.conf:4: Address: not a host's address: \"10.0.0.256\"; write one as 10.64.0.2/32 or "
     "fc00::2/128"},
    {HEAD "MTU = 9217\n",
     "n.conf:4: MTU: not an MTU: \"9217\"; write a number from 576 to 9216, or remove the line: it "
     "is computed"},
    {HEAD "ListenPort = 65536\n",
     "n.conf:4: ListenPort: not a port: \"65536\"; write a number from 0 to 65535"},
    {HEAD "FwMark = blue\n",
     "n.conf:4: FwMark: not a mark: \"blue\"; write off or a 32-bit number"},
    {HEAD "NAT = on\n", "n.conf:4: NAT: neither auto nor off: \"on\"; write one of them"},
    {HEAD "Routes = 10.0.0.0/8, none\n",
     "n.conf:4: Routes: none stands alone; remove it or the other routes"},
    {HEAD "Routes = none\nRoutes = 10.0.0.0/8\n",
     "n.conf:5: Routes: none stands alone; remove it or the other routes"},
    {HEAD "Routes = 10.0.0.0/8, !10.0.0.0/8\n",
     "n.conf:4: Routes: 10.0.0.0/8 is both taken and excepted; remove one of them"},
    {HEAD "Via =\n", "n.conf:4: Via: has no value; write one or remove the line"},
    {"[Network]\nInterface = sixteen-letters-\n" HEAD,
     "n.conf:2: Interface: not an interface's name: \"sixteen-letters-\"; write 1 to 15 letters, "
     "digits or _=+.-"},
    {"[Network]\nTable = 255\n" HEAD,
     "n.conf:2: Table: local is the kernel's table of the host's own addresses, which comes before "
     "every rule: the tunnels' own datagrams would never leave; write auto or another table"},
    {HEAD "Address = 127.0.0.1\n",
     "n.conf:4: Address: not a host's address: \"127.0.0.1\"; write one as 10.64.0.2/32 or "
     "fc00::2/128"},
    {HEAD "Address = ::1/128\n",
     "n.conf:4: Address: not a host's address: \"::1/128\"; write one as 10.64.0.2/32 or "
     "fc00::2/128"},
    {"[Network]\nTable = mian\n" HEAD,
     "n.conf:2: Table: not a routing table: \"mian\"; write off, auto, a number, or a name that "
     "/etc/iproute2/rt_tables has"},
    {"[Network]\nTable = local\n" HEAD,
     "n.conf:2: Table: local is the kernel's table of the host's own addresses, which comes before "
     "every rule: the tunnels' own datagrams would never leave; write auto or another table"},
    {"[Network]\nKillSwitch = 1\n" HEAD,
     "n.conf:2: KillSwitch: neither on nor off: \"1\"; write one of "
     "them"},
    {"[Network]\nDNSGuard = 53\n" HEAD,
     "n.conf:2: DNSGuard: neither on nor off: \"53\"; write one of them"},
    {"[Network]\nAllowLAN = lan\n" HEAD,
     "n.conf:2: AllowLAN: neither on, off nor a prefix: \"lan\"; write one of the two words, or a "
     "list of prefixes as 192.168.0.0/16"},
    {"[Network]\nAllowLAN = 10.0.0.0/8, off\n" HEAD,
     "n.conf:2: AllowLAN: off in a list of what is allowed: take it out, or the rest"},
    {"[Network]\nAllowLAN = 128.0.0.0/1, 0.0.0.0/1\n" HEAD,
     "n.conf:2: AllowLAN: both halves of IPv4 would let everything pass the tunnels by; write the "
     "LAN's own prefixes, or on"},
    {HEAD "Routes = , ,\n", "n.conf:4: Routes: has no value; write one or remove the line"},
    {"[Network]\nAllowLAN = 10.0.0.0/8, ::/0\n" HEAD,
     "n.conf:2: AllowLAN: ::/0 would let everything pass the tunnels by; write the LAN's own "
     "prefixes, or on"},
    {HEAD "DNS = 10.0.0.1, -x\n",
     "n.conf:4: DNS: neither a name server's address nor a search domain: \"-x\""},
    {HEAD "DNS = 10.0.0.256\n",
     "n.conf:4: DNS: neither a name server's address nor a search domain: \"10.0.0.256\""},
    {HEAD "DNS = 127.0.0.1\n",
     "n.conf:4: DNS: 127.0.0.1 is not inside the tunnel; for the system's names write DNS = "
     "127.0.0.1 into [Network], and not here"},
    {HEAD "DNS = fe80::1%eth0, 224.0.0.251\n",
     "n.conf:4: DNS: no name server can be asked at 224.0.0.251; write a host's address"},
    {"[Network]\nAddress = 10.0.0.1, 10.0.0.2\n" HEAD,
     "n.conf:2: Address: a second address of a family: 10.0.0.2; the interface has one of each"},
};

static const struct refusal words[] = {
    {HEAD PEER "AllowedIP = ::/0\n",
     "n.conf:6: AllowedIP: unknown key; the nearest known one is AllowedIPs"},
    {HEAD "adress = ::1\n", "n.conf:4: adress: unknown key; the nearest known one is Address"},
    {"[Network]\nKilSwitch = on\n" HEAD,
     "n.conf:2: KilSwitch: unknown key; the nearest known one is KillSwitch"},
    {HEAD KEY_3 "\n", /* a key that slipped onto a line of its own is not shown */
     "n.conf:4: no key's name stands before the =; write KEY = VALUE on one line"},
    {HEAD "Endpoint = 192.0.2.1:1\n",
     "n.conf:4: Endpoint: has no place in this section; it belongs in [Peer]"},
    {HEAD "Table = off\n",
     "n.conf:4: Table: has no place in this section; it belongs in [Network]"},
    {HEAD "[Pear]\n", "n.conf:4: unknown section [Pear]; the nearest known one is [Peer]"},
    {"[Tunel a]\n", "n.conf:1: unknown section [Tunel a]; the nearest known one is [Tunnel NAME]"},
    {"[Tunnel]\n", "n.conf:1: [Tunnel NAME] needs a name of letters, digits or _=+.-"},
    {"[Tunnel a/b]\n", "n.conf:1: [Tunnel NAME] needs a name of letters, digits or _=+.-"},
    {"[Peer\n", "n.conf:1: a section must end with ']', as in [Peer]"},
    {HEAD "nonsense\n", "n.conf:4: neither [Section] nor KEY = VALUE; put # before a comment"},
    {"PrivateKey = x\n",
     "n.conf:1: a key before any section; the file begins with [Interface], [Network] or [Tunnel "
     "NAME]"},
    {"[Network]\n[Peer]\n", "n.conf:2: a [Peer] before any tunnel; put it below its [Tunnel NAME]"},
    {HEAD "[Interface]\n",
     "n.conf:4: [Interface] belongs in a plain wg-quick file; write [Tunnel NAME] here"},
    {"[Interface]\nPrivateKey = " KEY_1 "\n[Tunnel b]\n",
     "n.conf:3: [Network] and [Tunnel NAME] have no place in a plain wg-quick file; write [Tunnel "
     "NAME] for [Interface]"},
    {"", "n.conf: no tunnel; write [Tunnel NAME] with PrivateKey, Address and a [Peer]"},
    {"[Network]\n", "n.conf: no tunnel; write [Tunnel NAME] with PrivateKey, Address and a [Peer]"},
};

static const struct refusal saving[] = {
    {"[Tunnel a]\nSaveConfig = true\n",
     "n.conf:2: SaveConfig: only a plain wg-quick file is ever written back; remove the line"},
    {"[Network]\nSaveConfig = true\n",
     "n.conf:2: SaveConfig: has no place in this section; it belongs in [Interface] of a plain "
     "wg-quick file, the only one that is ever written back"},
    {"[Interface]\nSaveConfig = maybe\n",
     "n.conf:2: SaveConfig: neither true nor false: \"maybe\"; write one of them"},
};

static const struct refusal trees[] = {
    {CARRIER RIDER("c"),
     "n.conf:8: Via: no tunnel is called \"c\"; the nearest one is a; write the name of the tunnel "
     "that carries this one"},
    {RIDER("b"), "n.conf:2: Via: a loop: each would ride inside the next: b → b; one tunnel of the "
                 "loop must have "
                 "no Via"},
    {LINK("x", "y") LINK("y", "z") LINK("z", "y"),
     "n.conf:6: Via: a loop: each would ride inside the next: y → z → y; one tunnel of the loop "
     "must "
     "have no Via"},
    {ROOT("t1") LINK("t2", "t1") LINK("t3", "t2") LINK("t4", "t3") LINK("t5", "t4") LINK("t6", "t5")
         LINK("t7", "t6") LINK("t8", "t7") LINK("t9", "t8"),
     "n.conf:33: Via: \"t9\" is deeper than 8 tunnels; shorten the path"},
    {ROOT("a") ROOT("a"),
     "n.conf:4: a second tunnel called \"a\"; the first is in n.conf:1: rename one"},
    {HEAD "FwMark = 0x1234\n",
     "n.conf:4: FwMark: 0x1234 under the mask 0xff000000 is not 0x48000000, which the rules let "
     "pass; choose one that is, or remove the line, or choose the network's: [Network] FwMark = "
     "VALUE/MASK"},
    {"[Network]\nFwMark = 0x2000/0xff00\n" HEAD "FwMark = 0x2100\n",
     "n.conf:6: FwMark: 0x2100 under the mask 0xff00 is not 0x2000, which the rules let pass; "
     "choose "
     "one that is, or remove the line, or choose the network's: [Network] FwMark = VALUE/MASK"},
    {"[Network]\nFwMark = 0x2000/0xff\n" HEAD,
     "n.conf:2: FwMark: not a mark: \"0x2000/0xff\"; write off, a 32-bit number, or VALUE/MASK, of "
     "which the mask leaves some bits"},
    {"[Network]\nPriority = 32764\n" HEAD,
     "n.conf:2: Priority: not a priority: \"32764\"; write a number from 1 to 32763, so that three "
     "rules stand before the one of the main table, or remove the line"},
    {CARRIER RIDER("a") "FwMark = 7\n",
     "n.conf:11: FwMark: a carried tunnel has no socket to mark; remove the line"},
    {CARRIER "[Tunnel b]\nConfig = gone.conf\n",
     "n.conf:8: Config: cannot read gone.conf: No such file or directory; correct the path or the "
     "file's rights"},
    {"[Tunnel b]\nConfig = n.conf\n",
     "n.conf:1: [Network] and [Tunnel NAME] have no place in a plain wg-quick file that is "
     "included or chained"},
};

static const struct refusal promises[] = {
    /* A2 */
    {CARRIER ROOT("b") PEER "AllowedIPs = 10.1.0.0/8\n",
     "n.conf:12: AllowedIPs: 10.0.0.0/8 of \"b\" belongs to \"a\" already (n.conf:6), "
     "and neither tunnel carries the other; give one of them Routes without it"},
    {CARRIER ROOT("b") "Routes = 10.0.0.0/8\n",
     "n.conf:10: Routes: 10.0.0.0/8 of \"b\" belongs to \"a\" already (n.conf:6), and "
     "neither tunnel carries the other; give one of them Routes without it"},
    /* A5 */
    {CARRIER RIDER("a") PEER "Endpoint = 192.0.2.1:1\n",
     "n.conf:13: Endpoint: 192.0.2.1 is not in the AllowedIPs of the carrier \"a\"; add it there "
     "or choose another carrier"},
    {HEAD PEER "AllowedIPs = 0.0.0.0/0\n" RIDER("a") PEER "Endpoint = 127.0.0.1:1\n",
     "n.conf:13: Endpoint: 127.0.0.1 is an address on one host or link, where no carrier leads; "
     "write one behind \"a\""},
    {CARRIER RIDER("a") PEER "Endpoint = [2001:db8::1]:1\n",
     "n.conf:13: Endpoint: 2001:db8::1 is IPv6, and the carrier \"a\" has no IPv6 address; write "
     "an endpoint of the other family or give the carrier an address"},
    {CARRIER RIDER("a") PEER "Endpoint = relay.example:1\n",
     "n.conf:13: Endpoint: relay.example can only be asked for inside \"a\", which has no name "
     "server; write DNS = ADDRESS there, of one that it reaches, or the endpoint's address here"},
    {HEAD "DNS = 9.9.9.9\n" PEER "AllowedIPs = 10.0.0.0/8\n" RIDER("a") PEER
     "Endpoint = relay.example:1\n",
     "n.conf:14: Endpoint: relay.example can only be asked for inside \"a\", which cannot ask the "
     "name servers of its DNS; write DNS = ADDRESS there, of one that it reaches, or the "
     "endpoint's "
     "address here"},
    /* C1 */
    {ROOT("a") "ListenPort = 7\n" ROOT("b") "ListenPort = 7\n",
     "n.conf:8: ListenPort: port 7 is \"a\"'s already, beside which this tunnel stands; write "
     "another one or remove the line"},
    {ROOT("a") RIDER("a") "ListenPort = 7\n" LINK("c", "a") "ListenPort = 7\n",
     "n.conf:13: ListenPort: port 7 is \"b\"'s already, beside which this tunnel stands; write "
     "another one or remove the line"},
    /* E1, E4 */
    {ROOT("a") "MTU = 1420\n" RIDER("a") "MTU = 1361\n",
     "n.conf:9: MTU: 1361 does not fit into \"a\", whose MTU is 1420 and which needs 60 of it for "
     "itself; write at most 1360 or remove the line: it is computed"},
    {"[Network]\nMTU = 1279\n" ROOT("a") "Address = fd00::1\n",
     "n.conf:2: MTU: 1279 is too small for IPv6, and the interface has an IPv6 address; write at "
     "least 1280 or remove the IPv6 addresses"},
    {ROOT("a") "Address = fd00::1\nMTU = 1200\n",
     "n.conf:5: MTU: 1200 is too small for IPv6, and the interface has an IPv6 address; write at "
     "least 1280 or remove the IPv6 addresses"},
};

static bool holds(const struct config_messages *messages, const char *sentence)
{
    for (size_t i = 0; i < messages->count; i++)
        if (messages->items[i].kind == CONFIG_ERROR &&
            strcmp(messages->items[i].text, sentence) == 0)
            return true;
    printf("# expected: %s\n", sentence);
    for (size_t i = 0; i < messages->count; i++)
        printf("# said:     %s\n", messages->items[i].text);
    return false;
}

static void check_refused(struct config_files *files, size_t path_count, const char *sentence)
{
    struct config_messages messages;
    struct config *config = NULL;
    CHECK(!config_files_load(files, path_count, tap_memory(), &config, &messages));
    CHECK(config == NULL);
    CHECK(messages.errors > 0);
    CHECK(holds(&messages, sentence));
    config_messages_wipe(&messages);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void check_all(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config_files files = {{{"n.conf", refusals[i].text, false}}};
        check_refused(&files, 1, refusals[i].sentence);
    }
}

#define CHECK_ALL(refusals) check_all((refusals), sizeof(refusals) / sizeof(*(refusals)))

static void test_wrong_keys_are_refused(void)
{
    CHECK_ALL(keys);
}

static void test_values_that_cannot_be_are_refused(void)
{
    CHECK_ALL(values);
}

static void test_unknown_words_are_refused_with_the_nearest_known_one(void)
{
    CHECK_ALL(words);
}

static void test_i1_only_a_plain_file_is_written_back(void)
{
    CHECK_ALL(saving);
}

static void test_trees_that_cannot_be_are_refused(void)
{
    CHECK_ALL(trees);
}

static void test_a2_a5_c1_e1_e4_are_refused_at_load(void)
{
    CHECK_ALL(promises);
}

static void test_no_private_key_is_ever_shown(void)
{
    struct config_files files = {{{"n.conf",
                                   "[Tunnel a]\nPrivateKey = " KEY_3 "x\n" KEY_3 "\n[Peer]\n"
                                   "PresharedKey = " KEY_3 KEY_3 "\nPresharedKey " KEY_3 "\n"
                                   "AllowedIPs = 10.0.0.0/8, " KEY_3 "\nEndpoint = " KEY_3 "\n"
                                   "PersistentKeepalive = " KEY_3 "\nPresharedKeyFile = x" KEY_3
                                   "\n[Tunnel b]\nPrivateKeyFile = " KEY_3 "\nVia = " KEY_3
                                   "\nConfig = keys/" KEY_3 "\nDNS = " KEY_3 "\nMTU = " KEY_3
                                   "\nRoutes = !" KEY_3 "\nNAT = " KEY_3 "\nAddress = " KEY_3 "\n",
                                   false}}};
    struct config_messages messages;
    struct config *config;
    CHECK(!config_files_load(&files, 1, tap_memory(), &config, &messages));
    CHECK(messages.count >= 16);
    for (size_t i = 0; i < messages.count; i++)
        CHECK(!strstr(messages.items[i].text, "AwMD"));
    config_messages_wipe(&messages);
}

static void test_files_that_cannot_be_read(void)
{
    struct config_files none = {{{"n.conf", "", false}}};
    struct config_reader reader = {.read = config_files_read, .context = &none};
    struct config_messages messages;
    struct config *config;
    config_messages_init(&messages, tap_memory());
    CHECK(
        !config_load(&config, tap_memory(), &reader, (const char *[]){"gone.conf"}, 1, &messages));
    CHECK(holds(&messages, "gone.conf: cannot be read: No such file or directory; correct the path "
                           "or the file's rights"));
    config_messages_wipe(&messages);
    CHECK(!config_load(&config, tap_memory(), &reader, NULL, 0, &messages));
    CHECK(holds(&messages, "no configuration file is named"));
    config_messages_wipe(&messages);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static bool read_zero_byte(void *context, const struct memory *memory, const char *path,
                           struct config_file *file)
{
    (void)context;
    (void)path;
    file->capacity_bytes = file->len = 16;
    file->bytes = memory_take(memory, 16);
    memcpy(file->bytes, "[Network]\nDNS=\0x", 16);
    return true;
}

static void test_a_zero_byte_is_refused(void)
{
    struct config_reader reader = {.read = read_zero_byte};
    struct config_messages messages;
    struct config *config;
    config_messages_init(&messages, tap_memory());
    CHECK(!config_load(&config, tap_memory(), &reader, (const char *[]){"n.conf"}, 1, &messages));
    CHECK(holds(&messages, "n.conf:2: a zero byte: this is not a text file"));
    config_messages_wipe(&messages);
    CHECK_EQUAL(tap_memory_balance_bytes(), 0);
}

static void test_two_files_of_one_name_cannot_be_chained(void)
{
    struct config_files chain = {{{"x/a.conf", "[Interface]\nPrivateKey = " KEY_1 "\n", false},
                                  {"y/a.conf", "[Interface]\nPrivateKey = " KEY_1 "\n", false}}};
    check_refused(&chain, 2,
                  "y/a.conf: a second tunnel called \"a\"; the first is in x/a.conf: "
                  "rename one");
}

static void test_every_fault_of_a_file_is_told(void)
{
    struct config_files files = {
        {{"n.conf", "[Tunnel a]\nPrivateKey = 1\nMTU = 1\nAdress = 1\n[Peer]\nEndpoint = 1\n",
          false}}};
    struct config_messages messages;
    struct config *config;
    CHECK(!config_files_load(&files, 1, tap_memory(), &config, &messages));
    CHECK_EQUAL(messages.errors, 5);
    config_messages_wipe(&messages);
}

static void test_an_error_finds_room_among_many_warnings(void)
{
    static char text[20000];
    struct text writer;
    text_init(&writer, text, sizeof(text));
    text_append(&writer, HEAD PEER);
    for (unsigned i = 0; i < 200; i++)
        text_append(&writer, "AllowedIPs = 10.%u.0.1/16\n", i);
    text_append(&writer, "Endpont = x\n");
    struct config_files files = {{{"n.conf", text, false}}};
    check_refused(&files, 1, "n.conf:206: Endpont: unknown key; the nearest known one is Endpoint");
}

int main(int argc, char **argv)
{
    TAP_RUN(argc, argv, test_wrong_keys_are_refused);
    TAP_RUN(argc, argv, test_values_that_cannot_be_are_refused);
    TAP_RUN(argc, argv, test_unknown_words_are_refused_with_the_nearest_known_one);
    TAP_RUN(argc, argv, test_i1_only_a_plain_file_is_written_back);
    TAP_RUN(argc, argv, test_trees_that_cannot_be_are_refused);
    TAP_RUN(argc, argv, test_a2_a5_c1_e1_e4_are_refused_at_load);
    TAP_RUN(argc, argv, test_no_private_key_is_ever_shown);
    TAP_RUN(argc, argv, test_files_that_cannot_be_read);
    TAP_RUN(argc, argv, test_a_zero_byte_is_refused);
    TAP_RUN(argc, argv, test_two_files_of_one_name_cannot_be_chained);
    TAP_RUN(argc, argv, test_every_fault_of_a_file_is_told);
    TAP_RUN(argc, argv, test_an_error_finds_room_among_many_warnings);
    return tap_done();
}
