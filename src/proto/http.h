/* SPDX-License-Identifier: MIT
 * HTTP/1.1: one libmicrohttpd daemon without threads, driven by the server's loop, for all connections that
 * speak it. What the server needs to know of it; the protocol itself is registered in proto.c. Loop thread.
 */
#ifndef SG_PROTO_HTTP_H
#define SG_PROTO_HTTP_H

#include "proto/intake.h"
#include "proto/metrics.h"
#include "proto/reload.h"
#include "proto/server.h"

#include <uv.h>

#define SG_HTTP_CONNECTION_BYTES ((size_t)32 << 10) /* headers of a request, and what is read at a time */

struct sg_http;

/* What the operations side looks at; all of it must outlive the daemon. */
struct sg_http_options {
    uv_loop_t *loop;
    struct sg_intake *intake;
    const struct sg_server_options *server;
    const struct sg_server_app *app; /* or NULL */
    struct sg_metrics *metrics;
    struct sg_reload *reload;
    /* Current values for /metrics, by the server. */
    void (*gauges)(void *arg, struct sg_metrics_gauges *gauges);
    void *gauges_arg;
};

/* SG_E_NOMEM, SG_E_IO. */
int sg_http_create(const struct sg_http_options *options, struct sg_http **out_http, struct sg_error *err);
/* The server will stop soon: /readyz says so. */
void sg_http_leave(struct sg_http *http);
/* The server is stopping: /readyz says so and connections end with their replies. */
void sg_http_drain(struct sg_http *http);
/* Bytes of replies that clients have not read. */
size_t sg_http_unsent(const struct sg_http *http);
/* Ends every connection. Handles close when the loop has run once more. */
void sg_http_destroy(struct sg_http **http);

#endif
