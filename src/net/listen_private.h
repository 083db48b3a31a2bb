/* SPDX-License-Identifier: MIT
 * What listen.c needs of the ways to have a listening socket. Nobody else includes it.
 */
#ifndef SG_NET_LISTEN_PRIVATE_H
#define SG_NET_LISTEN_PRIVATE_H

#include "net/address.h"
#include "net/listen.h"

#include <sys/stat.h>

#define LISTEN_MAX_SOCKETS 8
#define LISTEN_BACKLOG     4096 /* the kernel cuts it to net.core.somaxconn */

/* Bound, listening, non-blocking, close-on-exec. */
struct listen_sockets {
    int fds[LISTEN_MAX_SOCKETS];
    int count;
};

/* Where they are. */
struct listen_place {
    char text[SG_ADDRESS_TEXT_MAX];
    char path[SG_ADDRESS_HOST_MAX]; /* of a unix socket that is ours to remove; "" = none */
    dev_t device;                   /* and what tells it from another that somebody put there since */
    ino_t inode;
};

/* Fill place and sockets. SG_E_INVALID, SG_E_IO, with what to do. */
int listen_tcp(const char *text, const struct sg_address *address, struct listen_place *place,
               struct listen_sockets *sockets, struct sg_error *err);
/* A socket that a server left behind is replaced; one that answers is in use. */
int listen_unix(const struct sg_address *address, struct listen_place *place, struct listen_sockets *sockets,
                struct sg_error *err);
/* Those that systemd hands over (sd_listen_fds(3)); once in a process. */
int listen_inherited(struct listen_place *place, struct listen_sockets *sockets, struct sg_error *err);
/* Removes the unix socket's file. */
void listen_leave(const struct listen_place *place);

/* SG_E_IO in words: an errno of bind(2) or listen(2). */
int listen_error(const char *text, int error, struct sg_error *err);

#endif
