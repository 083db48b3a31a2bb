/* SPDX-License-Identifier: MIT
 * The plain transport.
 */
#include "net/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t take(struct sg_transport *transport, void *out, size_t size, int flags)
{
    ssize_t n;

    do
        n = recv(transport->fd, out, size, MSG_DONTWAIT | flags);
    while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t plain_peek(struct sg_transport *transport, void *out, size_t size)
{
    return take(transport, out, size, MSG_PEEK);
}

static ssize_t plain_read(struct sg_transport *transport, void *out, size_t size)
{
    return take(transport, out, size, 0);
}

static ssize_t plain_write(struct sg_transport *transport, const void *data, size_t size)
{
    ssize_t n;

    do
        n = send(transport->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

static void plain_shutdown(struct sg_transport *transport)
{
    shutdown(transport->fd, SHUT_WR);
}

static void plain_close(struct sg_transport *transport)
{
    close(transport->fd);
    transport->fd = -1;
}

struct sg_transport sg_transport_plain(int fd)
{
    static const struct sg_transport_ops ops = {.name = "plain",
                                                .peek = plain_peek,
                                                .read = plain_read,
                                                .write = plain_write,
                                                .shutdown = plain_shutdown,
                                                .close = plain_close};

    return (struct sg_transport){&ops, fd};
}
