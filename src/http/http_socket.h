/* SPDX-License-Identifier: MIT
 * What the kernel knows of a socket.
 */
#ifndef SG_HTTP_HTTP_SOCKET_H
#define SG_HTTP_HTTP_SOCKET_H

#include <stdint.h>

/* Bytes that have ever arrived, read or not; 0 when the kernel does not say. */
uint64_t sg_http_socket_arrived(int fd);
/* Bytes sent that the other side has acknowledged; 0 when the kernel does not say. */
uint64_t sg_http_socket_acked(int fd);

#endif
