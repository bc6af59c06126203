/* SPDX-License-Identifier: MIT */
/* One netlink socket: requests with their answers and the kernel's own words on a refusal
 * (rtnetlink(7)). Blocking; the kernel answers within the call. One thread at a time. */
#ifndef HOST_NETLINK_H
#define HOST_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/text.h"

struct mnl_socket;
struct nlattr;
struct nlmsghdr;

/* Fits every request that this room makes. */
#define NETLINK_REQUEST_BYTES 512
/* As many refusals fit the socket's receive buffer, at about 1 KiB of kernel memory each. */
#define NETLINK_BATCH_MOST 128

struct netlink {
    struct mnl_socket *socket;
    uint32_t sequence;
    char reason[224]; /* why the last request was refused; borrowed until the next */
    bool is_torn; /* the last dump: what it lists changed meanwhile */
};

/* A dump's or a query's answer, one message a call; 0 to go on or -errno to end with. */
typedef int (*netlink_answer)(void *context, const struct nlmsghdr *message);

/* For routes, rules and links. 0 or -errno and a sentence in `why`. */
int netlink_open(struct netlink *netlink, struct text *why);
/* The same for nftables. */
int netlink_open_netfilter(struct netlink *netlink, struct text *why);
/* Does nothing on a zeroed struct. */
void netlink_close(struct netlink *netlink);

/* Starts a request in `bytes` (NETLINK_REQUEST_BYTES, aligned for a struct nlmsghdr). */
struct nlmsghdr *netlink_request(void *bytes, uint16_t type, uint16_t flags);
/* Sends the request and waits for its end (an acknowledgement is asked for, or a dump is read).
 * 0 or -errno; then netlink->reason says why, as the end of a sentence. `answer` may be NULL. */
int netlink_ask(struct netlink *netlink, struct nlmsghdr *request, netlink_answer answer,
                void *context);
/* The same of a dump that shall be whole: where the list changes while it is read it is read anew,
 * and *count, of what `answer` keeps, goes back to what it was. -EINTR: it never held still. */
int netlink_list(struct netlink *netlink, struct nlmsghdr *request, netlink_answer answer,
                 void *context, size_t *count);
/* A refusal of the moment: the same may be asked again. */
bool netlink_is_passing(int error);
/* Sends `count` requests (1 to NETLINK_BATCH_MOST) that lie one after another, each padded to 4
 * bytes, in one system call. `tolerated` is an -errno that counts as success (0: none). All are
 * tried; the first refusal is returned and *failed is its place. */
int netlink_ask_all(struct netlink *netlink, uint8_t *requests, size_t count, int tolerated,
                    size_t *failed);

/* AF_INET, AF_INET6 or AF_UNSPEC. */
uint8_t netlink_family(enum family family);
enum family netlink_family_from(uint8_t family);
void netlink_put_address(struct nlmsghdr *request, uint16_t type, const struct address *address);
/* False: not an address of that family. */
bool netlink_get_address(const struct nlattr *attribute, enum family family,
                         struct address *address);

#endif
