/* SPDX-License-Identifier: MIT
 * The servers that clients of ours connect to: an address as people write it, looked up. Any thread; waits
 * for the resolver.
 */
#ifndef SG_NET_PEER_H
#define SG_NET_PEER_H

#include "base/error.h"
#include "net/address.h"

#include <stdbool.h>
#include <sys/socket.h>

#define SG_PEER_PLACES_MAX 8

struct sg_peer_place {
    struct sockaddr_storage address;
    socklen_t bytes;
};

struct sg_peer {
    struct sg_address name;
    struct sg_peer_place places[SG_PEER_PLACES_MAX]; /* in the order to try them */
    int count;                                       /* at least 1 */
};

/* What sg_address_parse takes, but for what only a listener can mean: every interface, port 0, sockets that
 * are handed over. A port may be the name of a service. SG_E_INVALID, SG_E_NOT_FOUND: no such host or
 * service. */
int sg_peer_find(const struct sg_address_use *use, const char *text, struct sg_peer *peer,
                 struct sg_error *err);

/* Whether it is on this machine. */
bool sg_peer_is_here(const struct sg_peer_place *place);

#endif
