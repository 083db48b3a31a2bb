/* SPDX-License-Identifier: MIT
 * Listening over uv_poll and accept4 rather than uv_listen: the protocols want the plain descriptor.
 */
#include "net/listen.h"

#include "base/log.h"
#include "net/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_MAX_SOCKETS  4
#define LISTEN_PORT_TRIES   32   /* free ports asked for that are free in one family only */
#define LISTEN_BACKLOG      4096 /* the kernel cuts it to net.core.somaxconn */
#define LISTEN_ACCEPT_BURST 64   /* accepted before other work of the loop gets its turn */
#define LISTEN_REST_MS      200  /* after descriptors ran out */

struct listen_socket {
    uv_poll_t poll;
    struct sg_listener *listener;
    int fd;
};

struct sg_listener {
    uv_loop_t *loop;
    struct listen_socket sockets[LISTEN_MAX_SOCKETS];
    int socket_count;
    int handles; /* uv handles not closed yet; the last one frees */
    uv_timer_t rest;
    bool accepting, resting, warned;
    sg_accept_fn accepted;
    void *user;
    char address[SG_ADDRESS_TEXT_MAX];
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void apply(struct sg_listener *listener)
{
    bool on = listener->accepting && !listener->resting;
    int i;

    for (i = 0; i < listener->socket_count; i++) {
        if (on)
            uv_poll_start(&listener->sockets[i].poll, UV_READABLE, on_readable);
        else
            uv_poll_stop(&listener->sockets[i].poll);
    }
}

static void on_rested(uv_timer_t *timer)
{
    struct sg_listener *listener = timer->data;

    listener->resting = false;
    apply(listener);
}

static void rest(struct sg_listener *listener, int error)
{
    if (!listener->warned)
        sg_log(SG_LOG_WARN, "cannot accept connections for now", "error=\"%s\" hint=\"raise ulimit -n\"",
               strerror(error));
    listener->warned = true;
    listener->resting = true;
    apply(listener);
    uv_timer_start(&listener->rest, on_rested, LISTEN_REST_MS, 0);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listen_socket *socket = poll->data;
    struct sg_listener *listener = socket->listener;
    int left;

    (void)status;
    (void)events;
    for (left = LISTEN_ACCEPT_BURST; left > 0 && listener->accepting; left--) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);
        int one = 1, fd = accept4(socket->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            listener->warned = false;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            listener->accepted(listener->user, fd, (struct sockaddr *)&peer, size);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(listener, errno);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
        /* Everything else (ECONNABORTED, EINTR, a network error) concerns that one connection only. */
    }
}

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

static int bind_error(const char *text, int error, struct sg_error *err)
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

static int add_socket(struct sg_listener *listener, int fd, struct sg_error *err)
{
    struct listen_socket *entry = &listener->sockets[listener->socket_count];
    int code = uv_poll_init(listener->loop, &entry->poll, fd);

    if (code < 0) {
        close(fd);
        return sg_error_set(err, SG_E_IO, "cannot watch the listening socket: %s", uv_strerror(code));
    }
    entry->fd = fd;
    entry->listener = listener;
    entry->poll.data = entry;
    listener->socket_count++;
    listener->handles++;
    return 0;
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

static void note_address(struct sg_listener *listener, int fd)
{
    union any_address bound = {.v6 = {.sin6_family = AF_UNSPEC}};
    socklen_t size = sizeof(bound);

    if (getsockname(fd, &bound.any, &size) == 0)
        sg_address_text(&bound.any, size, listener->address, sizeof(listener->address));
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

static int bind_all(struct sg_listener *listener, const char *text, struct addrinfo *infos, bool every,
                    struct sg_error *err)
{
    bool any_port = port_in(infos->ai_addr) == 0;
    struct bound bound;
    int code = 0, i;

    if (!(any_port ? bind_free_port(infos, every, &bound) : bind_each(infos, every, &bound)) ||
        bound.count == 0) {
        unbind(&bound);
        return bind_error(text, bound.error, err);
    }
    note_address(listener, bound.fds[0]);
    for (i = 0; i < bound.count; i++) {
        if (code == 0)
            code = add_socket(listener, bound.fds[i], err);
        else
            close(bound.fds[i]);
    }
    return code;
}

static int resolve_and_bind(struct sg_listener *listener, const char *text, struct sg_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *infos = NULL;
    struct sg_address address;
    char port[8];
    bool every;
    int code = sg_address_parse(text, &address, err);

    if (code < 0)
        return code;
    every = address.host[0] == '\0';
    snprintf(port, sizeof(port), "%u", address.port);
    if (every || strcmp(address.host, "::") == 0) {
        /* One IPv6 socket serves both families; without IPv6 in the kernel it becomes 0.0.0.0. */
        struct sg_error ignored;

        hints.ai_family = AF_INET6;
        if (getaddrinfo("::", port, &hints, &infos) == 0) {
            code = bind_all(listener, text, infos, true, &ignored);
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
    code = getaddrinfo(every ? "0.0.0.0" : address.host, port, &hints, &infos);
    if (code != 0)
        return sg_error_set(err, SG_E_INVALID, "cannot listen on %s: host \"%s\": %s", text, address.host,
                            gai_strerror(code));
    code = bind_all(listener, text, infos, every, err);
    freeaddrinfo(infos);
    return code;
}

int sg_listener_open(uv_loop_t *loop, const char *address, sg_accept_fn accepted, void *user,
                     struct sg_listener **out_listener, struct sg_error *err)
{
    struct sg_listener *listener = calloc(1, sizeof(*listener));
    int code;

    *out_listener = NULL;
    if (!listener)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a listener");
    listener->loop = loop;
    listener->accepted = accepted;
    listener->user = user;
    uv_timer_init(loop, &listener->rest);
    listener->rest.data = listener;
    listener->handles = 1;
    code = resolve_and_bind(listener, address, err);
    if (code < 0)
        sg_listener_close(&listener);
    *out_listener = listener;
    return code;
}

const char *sg_listener_address(const struct sg_listener *listener)
{
    return listener->address;
}

void sg_listener_accept(struct sg_listener *listener, bool on)
{
    listener->accepting = on;
    apply(listener);
}

static void release(struct sg_listener *listener)
{
    if (--listener->handles == 0)
        free(listener);
}

static void on_socket_closed(uv_handle_t *handle)
{
    release(((struct listen_socket *)handle->data)->listener);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void sg_listener_close(struct sg_listener **listener)
{
    struct sg_listener *l = *listener;
    int i;

    *listener = NULL;
    if (!l)
        return;
    l->accepting = false;
    for (i = 0; i < l->socket_count; i++) {
        uv_close((uv_handle_t *)&l->sockets[i].poll, on_socket_closed);
        close(l->sockets[i].fd);
    }
    uv_close((uv_handle_t *)&l->rest, on_timer_closed);
}
