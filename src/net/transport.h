/* SPDX-License-Identifier: MIT
 * What carries a connection's bytes: a plain socket; TLS will be another. Everything that a protocol reads or
 * writes goes through here (net/conn). Never blocks; interrupted calls are taken up again. Loop thread.
 */
#ifndef SG_NET_TRANSPORT_H
#define SG_NET_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sg_transport;

struct sg_transport_ops {
    const char *name;
    /* Bytes that have come, at most size, without taking them; and taking them. 0: the peer has ended its
     * side; -1 with errno: EAGAIN when there is nothing yet, anything else is the end of the connection. */
    ssize_t (*peek)(struct sg_transport *transport, void *out, size_t size);
    ssize_t (*read)(struct sg_transport *transport, void *out, size_t size);
    /* How many bytes were taken; -1 with errno, as above. */
    ssize_t (*write)(struct sg_transport *transport, const void *data, size_t size);
    /* Nothing more will be written: the peer reads to the end. */
    void (*shutdown)(struct sg_transport *transport);
    /* Closes the descriptor. */
    void (*close)(struct sg_transport *transport);
};

/* fd is what a loop polls: readable when bytes have come, writable when some can be written. A transport that
 * holds bytes of its own (decrypted ones) must give them with the read that took them off fd: nobody asks
 * again until fd is readable. */
struct sg_transport {
    const struct sg_transport_ops *ops;
    int fd;
};

/* A stream socket as it is, TCP or unix; owns fd, which is non-blocking. */
struct sg_transport sg_transport_plain(int fd);

#endif
