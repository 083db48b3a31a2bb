/* SPDX-License-Identifier: MIT
 * The socket under v2_link.c: connecting, sending rows, receiving so many bytes, each with a timeout. Private
 * to the two files.
 */
#ifndef SG_CLIENT_V2_LINK_IO_H
#define SG_CLIENT_V2_LINK_IO_H

#include "client/v2_link.h"

/* A connected non-blocking socket. SG_E_INVALID, SG_E_NOT_FOUND, SG_E_IO, SG_E_TIMEOUT. */
int link_connect(const char *address, int timeout_ms, int *out_fd, struct sg_error *err);
/* All of head, then all of the parts. timeout_ms counts from the last byte that went; below 0: none. SG_E_IO,
 * SG_E_TIMEOUT. */
int link_send(int fd, const void *head, size_t head_bytes, const struct sg_v2_part *parts, int part_count,
              int timeout_ms, struct sg_error *err);
/* size bytes. deadline_us on sg_clock_us; 0 = none. SG_E_IO (also the end of the stream), SG_E_TIMEOUT. */
int link_receive(int fd, void *data, size_t size, int64_t deadline_us, struct sg_error *err);

#endif
