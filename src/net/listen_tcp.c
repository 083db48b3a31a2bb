/* SPDX-License-Identifier: MIT
 * Listening sockets of a host and a port, in one family or both.
 */
#include "net/listen_private.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_PORT_TRIES 32 /* free ports asked for that are free in one family only */

/* A bound and listening socket for one resolved address, or -1 with errno. */
static int open_socket(const struct addrinfo *info, bool both_families)
{
    int one = 1, v6_only = both_families ? 0 : 1, saved;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, info->ai_protocol);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int listen_error(const char *text, int error, struct sg_error *err)
{
    const char *hint = "";

    if (error == EADDRINUSE)
        hint = "; is another sightd running? stop it or choose another port with --listen HOST:PORT";
    else if (error == EADDRNOTAVAIL)
        hint = "; this machine has no such address, use --listen 127.0.0.1:PORT or 0.0.0.0:PORT";
    else if (error == EACCES)
        hint = "; ports below 1024 need privileges, choose another with --listen HOST:PORT";
    return sg_error_set(err, SG_E_IO, "cannot listen on %s: %s%s", text, strerror(error), hint);
}

static void set_port(struct sockaddr *address, in_port_t port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)(void *)address)->sin_port = port;
    else if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = port;
}

static in_port_t port_in(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return ((const struct sockaddr_in6 *)(const void *)address)->sin6_port;
    return address->sa_family == AF_INET ? ((const struct sockaddr_in *)(const void *)address)->sin_port : 0;
}

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static in_port_t port_of(int fd)
{
    union any_address bound = {.v6 = {.sin6_family = AF_UNSPEC}};
    socklen_t size = sizeof(bound);

    return getsockname(fd, &bound.any, &size) == 0 ? port_in(&bound.any) : 0;
}

static void note_address(struct listen_place *place, int fd)
{
    union any_address bound = {.v6 = {.sin6_family = AF_UNSPEC}};
    socklen_t size = sizeof(bound);

    if (getsockname(fd, &bound.any, &size) == 0)
        sg_address_text(&bound.any, size, place->text, sizeof(place->text));
}

struct bound {
    int fds[LISTEN_MAX_SOCKETS];
    int count;
    int error; /* errno of the last address that could not be had */
};

static void unbind(struct bound *bound)
{
    while (bound->count > 0)
        close(bound->fds[--bound->count]);
}

/* One socket for each address, all on the port of the first. False: that one is in use. */
static bool bind_each(struct addrinfo *infos, bool every, struct bound *bound)
{
    struct addrinfo *info;

    *bound = (struct bound){.count = 0};
    for (info = infos; info && bound->count < LISTEN_MAX_SOCKETS; info = info->ai_next) {
        in_port_t port = bound->count > 0 ? port_of(bound->fds[0]) : 0;
        int fd;

        if (port != 0)
            set_port(info->ai_addr, port);
        fd = open_socket(info, every);
        if (fd >= 0)
            bound->fds[bound->count++] = fd;
        else
            bound->error = errno; /* of a family this machine lacks: another address may do */
        if (fd < 0 && bound->error == EADDRINUSE)
            return false;
        if (every && fd >= 0)
            break; /* [::] took IPv4 as well */
    }
    return true;
}

/* Port 0: what the system picks for one family may be taken in the other, then it is asked again. */
static bool bind_free_port(struct addrinfo *infos, bool every, struct bound *bound)
{
    int tries = 0;

    while (!bind_each(infos, every, bound)) {
        bool first = bound->count == 0;
        struct addrinfo *info;

        unbind(bound);
        if (first || ++tries == LISTEN_PORT_TRIES)
            return false;
        for (info = infos; info; info = info->ai_next)
            set_port(info->ai_addr, 0);
    }
    return true;
}

static int bind_all(const char *text, struct addrinfo *infos, bool every, struct listen_place *place,
                    struct listen_sockets *sockets, struct sg_error *err)
{
    bool any_port = port_in(infos->ai_addr) == 0;
    struct bound bound;

    if (!(any_port ? bind_free_port(infos, every, &bound) : bind_each(infos, every, &bound)) ||
        bound.count == 0) {
        unbind(&bound);
        return listen_error(text, bound.error, err);
    }
    note_address(place, bound.fds[0]);
    memcpy(sockets->fds, bound.fds, sizeof(bound.fds));
    sockets->count = bound.count;
    return 0;
}

int listen_tcp(const char *text, const struct sg_address *address, struct listen_place *place,
               struct listen_sockets *sockets, struct sg_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *infos = NULL;
    bool every = address->host[0] == '\0';
    char port[8];
    int code;

    snprintf(port, sizeof(port), "%u", address->port);
    if (every || strcmp(address->host, "::") == 0) {
        /* One IPv6 socket serves both families; without IPv6 in the kernel it becomes 0.0.0.0. */
        struct sg_error ignored;

        hints.ai_family = AF_INET6;
        if (getaddrinfo("::", port, &hints, &infos) == 0) {
            code = bind_all(text, infos, true, place, sockets, &ignored);
            freeaddrinfo(infos);
            if (code == 0 || !every) {
                if (code < 0 && err)
                    *err = ignored;
                return code;
            }
        }
        hints.ai_family = AF_INET;
    }
    infos = NULL;
    code = getaddrinfo(every ? "0.0.0.0" : address->host, port, &hints, &infos);
    if (code != 0)
        return sg_error_set(err, SG_E_INVALID, "cannot listen on %s: host \"%s\": %s", text, address->host,
                            gai_strerror(code));
    code = bind_all(text, infos, every, place, sockets, err);
    freeaddrinfo(infos);
    return code;
}
