/* SPDX-License-Identifier: MIT
 * Listening over uv_poll and accept4 rather than uv_listen: the protocols want the plain descriptor.
 */
#include "base/log.h"
#include "net/listen_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_ACCEPT_BURST 64  /* accepted before other work of the loop gets its turn */
#define LISTEN_REST_MS      200 /* after descriptors ran out */

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
    struct listen_place place;
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

static int open_all(struct sg_listener *listener, const char *text, struct sg_error *err)
{
    struct sg_address address;
    struct listen_sockets sockets = {.count = 0};
    int code = sg_address_parse(text, &address, err), i;

    if (code == 0 && address.kind == SG_ADDRESS_UNIX)
        code = listen_unix(&address, &listener->place, &sockets, err);
    else if (code == 0 && address.kind == SG_ADDRESS_INHERITED)
        code = listen_inherited(&listener->place, &sockets, err);
    else if (code == 0)
        code = listen_tcp(text, &address, &listener->place, &sockets, err);
    for (i = 0; i < sockets.count; i++) {
        if (code == 0)
            code = add_socket(listener, sockets.fds[i], err);
        else
            close(sockets.fds[i]);
    }
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
    code = open_all(listener, address, err);
    if (code < 0)
        sg_listener_close(&listener);
    *out_listener = listener;
    return code;
}

const char *sg_listener_address(const struct sg_listener *listener)
{
    return listener->place.text;
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
    listen_leave(&l->place); /* while nobody can take it for left behind */
    for (i = 0; i < l->socket_count; i++) {
        uv_close((uv_handle_t *)&l->sockets[i].poll, on_socket_closed);
        close(l->sockets[i].fd);
    }
    uv_close((uv_handle_t *)&l->rest, on_timer_closed);
}
