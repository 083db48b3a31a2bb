/* SPDX-License-Identifier: MIT
 * Routes, for this room and for those above it, whose tables app hands over:
 *
 *     static const struct http_route rows[] = {{.path = "/page/{name}", .methods = HTTP_ROUTE_GET, .serve =
 * show}}; struct http_route_table tables[] = {{.rows = rows, .count = 1, .ctx = console}}; struct
 * sg_http_setup setup = {.tables = tables, .count = 1}; struct sg_protocol_ops http = sg_protocol_http; (and
 * http.setup = &setup, before the server is created)
 *
 * Everything here is the loop thread's.
 */
#ifndef SG_HTTP_HTTP_ROUTE_H
#define SG_HTTP_HTTP_ROUTE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_ROUTES_MAX       128 /* of all tables */
#define HTTP_FILE_HEADERS_MAX 256 /* bytes of ETag and Cache-Control with their names */

struct http_request;

enum { HTTP_ROUTE_GET = 1, HTTP_ROUTE_POST = 2, HTTP_ROUTE_PUT = 4 }; /* GET: and HEAD */

/* Bytes that are linked in, as scripts/embed writes them. Who has them already (If-None-Match) gets 304. */
struct http_file {
    const char *type; /* Content-Type */
    const unsigned char *bytes;
    const size_t *size;
    const char *etag;  /* with its quotes */
    const char *cache; /* Cache-Control; NULL: "no-cache", to be kept but asked for each time */
};

struct http_route {
    const char *path;             /* a pattern, see http/http_path.h */
    unsigned methods;             /* of the enum above */
    bool quiet;                   /* asked all day long by those who watch: no line in the log */
    bool same_site;               /* changes the server: not for pages of other sites */
    const struct http_file *file; /* to GET alone: this is the answer, and begin and serve are NULL */
    /* Headers are there: what is wrong already, what the body is. NULL = the body is ignored. */
    int (*begin)(struct http_request *request, struct sg_error *err);
    /* The body is complete: replies, now or later. */
    void (*serve)(struct http_request *request);
};

/* Lives as long as the server. Where patterns of several rows match a path it is the first one's by
 * sg_http_path_order; no two may be the same for it, in whatever tables they stand. */
struct http_route_table {
    const struct http_route *rows;
    int count;
    void *ctx; /* what http_route_ctx gives to its rows */
};

/* sg_protocol_ops.setup of sg_protocol_http; NULL there: the routes of this room alone. */
struct sg_http_setup {
    const struct http_route_table *tables;
    int count;
};

void *http_route_ctx(const struct http_request *request);
/* What the path has for the pattern's parameter of that index, or below it, as sg_http_path_matches says.
 * Valid until the request is replied to. */
const char *http_path_value(const struct http_request *request, int index);
/* The first header line of that name; NULL = absent. Valid until the next request is read. */
const char *http_header(const struct http_request *request, const char *name);
/* The parameters of the query, one after the other; stops with what `each` returns below 0. Once. */
int http_query(struct http_request *request,
               int (*each)(struct http_request *request, const char *name, const char *value));

/* Replies: each ends the request, or sees to it that the reply is waited for. */
struct http_answer {
    unsigned status;
    const char *type; /* NULL: no content */
    const void *body;
    size_t size;
    const int64_t *timing_us; /* of SG_STAGE_COUNT stages, or NULL */
    const char *headers;      /* further lines, each with its CRLF; or NULL */
};
void http_reply(struct http_request *request, const struct http_answer *answer);
/* The same of JSON and the like that was written for it; takes the bytes. */
void http_reply_take(struct http_request *request, const char *type, struct sg_buf *take_body);
void http_reply_error(struct http_request *request, const struct sg_error *err);

#endif
