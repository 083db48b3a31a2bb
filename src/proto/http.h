/* SPDX-License-Identifier: MIT
 * HTTP/1.1: one libmicrohttpd daemon without threads, driven by the server's loop, for all connections that
 * speak it. Loop thread.
 */
#ifndef SG_PROTO_HTTP_H
#define SG_PROTO_HTTP_H

#include "proto/proto.h"

extern const struct sg_protocol_ops sg_protocol_http;

#endif
