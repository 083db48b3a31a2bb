/* SPDX-License-Identifier: MIT
 * HTTP/1.1 (RFC 9110, 9112) over the server's own connections; llhttp takes requests apart. Loop thread.
 */
#ifndef SG_HTTP_HTTP_H
#define SG_HTTP_HTTP_H

#include "serve/protocol.h"

extern const struct sg_protocol_ops sg_protocol_http;

#endif
