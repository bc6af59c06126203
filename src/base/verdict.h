/* SPDX-License-Identifier: MIT */
/* What became of a packet. Every drop has a verdict, counted per tunnel and shown by `status`. */
#ifndef BASE_VERDICT_H
#define BASE_VERDICT_H

/* clang-format off */
#define VERDICT_LIST(X) \
    X(OK, "ok", "the packet goes on") \
    /* from the TUN */ \
    X(MALFORMED, "malformed", "headers that are cut off or contradict each other") \
    X(NO_ROUTE, "no_route", "no tunnel routes this destination") \
    X(NO_PEER, "no_peer", "routed, but in no peer's AllowedIPs") \
    X(NO_ADDRESS, "no_address", "the tunnel has no address of this family") \
    X(NO_ENDPOINT, "no_endpoint", "the peer has no endpoint yet") \
    X(UNROUTABLE, "unroutable", "the carrier cannot reach the peer's endpoint") \
    X(NAT_SOURCE, "nat_source", "a source that is not the interface's NAT address") \
    X(NAT_UNSUPPORTED, "nat_unsupported", "a packet that cannot be translated") \
    X(TOO_BIG, "too_big", "larger than the path's MTU") \
    X(NARROW_PATH, "narrow_path", "a path too narrow for IPv6 (1280 bytes), or for IPv4 (68)") \
    X(NO_MTU, "no_mtu", "the MTU of the way to the root's endpoint is not known") \
    X(SCOPE, "scope", "this host's own, link-local, multicast or broadcast") \
    X(PORT_TAKEN, "port_taken", "would leave with a carried tunnel's own port") \
    X(LOOP, "loop", "a datagram of the program's own that would ride itself") \
    X(STAGE_FULL, "stage_full", "the oldest packet waiting for a handshake made room") \
    X(STAGE_EXPIRED, "stage_expired", "waited for a handshake that did not come") \
    X(SUPERSEDED, "superseded", "a staged initiation was replaced by a newer one") \
    X(MOVED, "moved", "for or from a tunnel or peer that was removed or is reached another way") \
    X(POOL_EMPTY, "pool_empty", "no buffer left") \
    X(NO_SESSION, "no_session", "no session to send with") \
    X(SOCKET_FULL, "socket_full", "the socket took no more") \
    X(SOCKET_ERROR, "socket_error", "the kernel refused to send") \
    X(TUN_ERROR, "tun_error", "the kernel refused the packet on the interface") \
    /* from the network */ \
    X(BAD_MESSAGE, "bad_message", "no WireGuard message, or one of a wrong length") \
    X(BAD_MAC1, "bad_mac1", "a handshake message that was not meant for this key") \
    X(UNDER_LOAD, "under_load", "answered with a cookie instead") \
    X(RATE_LIMITED, "rate_limited", "too many handshakes from one address") \
    X(BACKLOG_FULL, "backlog_full", "too many handshakes wait") \
    X(HANDSHAKE_REFUSED, "handshake_refused", "a handshake that proves nothing") \
    X(HANDSHAKE_REPLAYED, "handshake_replayed", "an initiation that is not newer than the last") \
    X(COOKIE_REFUSED, "cookie_refused", "a cookie reply that answers nothing") \
    X(UNKNOWN_INDEX, "unknown_index", "no session has this receiver index") \
    X(SESSION_EXPIRED, "session_expired", "a session past its time or its count") \
    X(BAD_TAG, "bad_tag", "authentication failed") \
    X(REPLAYED, "replayed", "a counter that was seen or is too old") \
    X(SOURCE_NOT_ALLOWED, "source_not_allowed", "a source outside the peer's AllowedIPs") \
    X(MISDIRECTED, "misdirected", "not for this tunnel's own address") \
    X(SPOOFED, "spoofed", "a source that belongs to another tunnel or peer") \
    X(ICMP_CONSUMED, "icmp_consumed", "an ICMP error about a carried datagram") \
    X(ICMP_REFUSED, "icmp_refused", "an ICMP error whose quote is not ours") \
    X(REDIRECT, "redirect", "an ICMP redirect: a tunnel has no other next hop") \
    X(NOT_ASKED, "not_asked", "an answer to a query of the program's own that came too late") \
    X(FRAGMENT_REFUSED, "fragment_refused", "a fragment that cannot be reassembled")
/* clang-format on */

enum verdict {
#define VERDICT_ENUM(name, text, meaning) VERDICT_##name,
    VERDICT_LIST(VERDICT_ENUM)
#undef VERDICT_ENUM
    VERDICT_COUNT
};

/* The word that `status` shows ("no_route"); borrowed for ever. */
const char *verdict_name(enum verdict verdict);
/* One sentence for people. */
const char *verdict_meaning(enum verdict verdict);

#endif
