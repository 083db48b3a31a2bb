/* SPDX-License-Identifier: MIT
 * HTTP/1.1: one libmicrohttpd daemon without threads, driven by the server's loop, for all connections that
 * speak it. Loop thread.
 */
#ifndef SG_HTTP_HTTP_H
#define SG_HTTP_HTTP_H

#include "serve/protocol.h"

extern const struct sg_protocol_ops sg_protocol_http;

#endif
