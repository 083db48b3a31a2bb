/* SPDX-License-Identifier: MIT
 * Listening sockets: bind, accept, rest when descriptors run out. Loop thread only.
 */
#ifndef SG_NET_LISTEN_H
#define SG_NET_LISTEN_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

struct sg_listener;

/* Gets an accepted, non-blocking, close-on-exec socket with TCP_NODELAY set; owns fd from then on. */
typedef void (*sg_accept_fn)(void *user, int fd, const struct sockaddr *peer, socklen_t peer_size);

/* Binds and listens at once, so that a busy port fails before models are loaded and early clients wait in the
 * backlog; nothing is accepted until sg_listener_accept. A name that has several addresses listens on all (at
 * most 8). See sg_address_parse for unix sockets and those that are handed over. SG_E_INVALID, SG_E_IO (with
 * the address and what to do), SG_E_NOMEM. */
int sg_listener_open(uv_loop_t *loop, const char *address, sg_accept_fn accepted, void *user,
                     struct sg_listener **out_listener, struct sg_error *err);
/* "127.0.0.1:43817": the first address really bound. Lives as long as the listener. */
const char *sg_listener_address(const struct sg_listener *listener);
/* Accepts (true) or lets clients wait in the backlog (false). */
void sg_listener_accept(struct sg_listener *listener, bool on);
/* Closes the sockets at once and removes the file of a unix one; memory goes when the loop has run once more.
 */
void sg_listener_close(struct sg_listener **listener);

#endif
