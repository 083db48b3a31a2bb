/* SPDX-License-Identifier: MIT
 * Looking up where clients connect to.
 */
#include "net/peer.h"

#include "net/address_private.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static int lacks(const struct sg_address_use *use, const char *text, const char *what, struct sg_error *err)
{
    return sg_error_set(err, SG_E_INVALID, "%s \"%s\" has no %s to connect to; expected %s", use->what, text,
                        what, use->expected);
}

static void add_place(struct sg_peer *peer, const void *address, socklen_t bytes)
{
    struct sg_peer_place *place = &peer->places[peer->count];

    if (peer->count == SG_PEER_PLACES_MAX || bytes > sizeof(place->address))
        return;
    memcpy(&place->address, address, bytes);
    place->bytes = bytes;
    peer->count++;
}

static int look_up(const struct sg_address_use *use, const char *text, const char *port, struct sg_peer *peer,
                   struct sg_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *found = NULL, *one;
    int failure = getaddrinfo(peer->name.host, port, &hints, &found);

    if (failure != 0)
        return sg_error_set(err, SG_E_NOT_FOUND, "%s \"%s\": %s", use->what, text, gai_strerror(failure));
    for (one = found; one; one = one->ai_next)
        add_place(peer, one->ai_addr, one->ai_addrlen);
    freeaddrinfo(found);
    return peer->count > 0 ? 0 : lacks(use, text, "place", err);
}

static int find_tcp(const struct sg_address_use *use, const char *text, const char *port,
                    struct sg_peer *peer, struct sg_error *err)
{
    char number[8];
    int code;

    if (!peer->name.host[0])
        return lacks(use, text, "host", err);
    if (port && isalpha((unsigned char)*port)) /* the name of a service */
        return look_up(use, text, port, peer, err);
    code = port ? address_port(use, text, port, &peer->name.port, err) : 0;
    if (code < 0)
        return code;
    if (peer->name.port == 0)
        return lacks(use, text, "port", err);
    snprintf(number, sizeof(number), "%u", peer->name.port);
    return look_up(use, text, number, peer, err);
}

int sg_peer_find(const struct sg_address_use *use, const char *text, struct sg_peer *peer,
                 struct sg_error *err)
{
    struct sockaddr_un local;
    const char *port;
    int code;

    peer->count = 0;
    code = address_split(use, text, &peer->name, &port, err);
    if (code < 0)
        return code;
    if (peer->name.kind == SG_ADDRESS_TCP)
        return find_tcp(use, text, port, peer, err);
    if (peer->name.kind == SG_ADDRESS_INHERITED)
        return lacks(use, text, "host", err);
    local = address_local(&peer->name);
    add_place(peer, &local, sizeof(local));
    return 0;
}

bool sg_peer_is_here(const struct sg_peer_place *place)
{
    const struct sockaddr *address = (const struct sockaddr *)&place->address;

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;

        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;

        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    }
    return address->sa_family == AF_UNIX;
}
