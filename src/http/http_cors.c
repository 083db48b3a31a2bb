/* SPDX-License-Identifier: MIT
 * What browsers ask before a page of another site may use this server (Fetch standard, "CORS protocol"), and
 * which requests of such pages are refused. Nothing of it is said unless cors_origins is set.
 */
#include "http/http_private.h"

#include "base/origin.h"

#include <stdio.h>
#include <string.h>

#define HEAD_MAX    4096 /* looked at of a request that is not read */
#define HEADERS_MAX 1024 /* of Access-Control-Request-Headers that is repeated */

static const char exposed[] = "X-Request-Id, Server-Timing, Retry-After, Allow";

static const struct sg_server_options *options_of(const struct http_request *request)
{
    return request->http->server.options;
}

/* One entry "*": the answer is the same for everybody. */
static bool for_everybody(const struct sg_server_options *options)
{
    int i;

    for (i = 0; i < options->cors_origin_count && strcmp(options->cors_origins[i], "*") != 0; i++)
        ;
    return i < options->cors_origin_count;
}

static bool allowed(const struct http_request *request)
{
    const struct sg_server_options *options = options_of(request);

    return !(request->route && request->route->same_site) &&
           sg_origin_allowed(options->cors_origins, options->cors_origin_count,
                             http_header(request, "Origin"));
}

static int add_allowed(const struct sg_server_options *options, const char *origin, bool preflight,
                       struct sg_buf *out)
{
    int code;

    origin = for_everybody(options) ? "*" : origin;
    code = sg_buf_printf(out, "Access-Control-Allow-Origin: %s\r\n", origin);
    if (preflight || code < 0)
        return code;
    return sg_buf_printf(out, "Access-Control-Expose-Headers: %s\r\nTiming-Allow-Origin: %s\r\n", exposed,
                         origin);
}

int http_cors_headers(const struct http_request *request, struct sg_buf *out)
{
    const struct sg_server_options *options = options_of(request);
    int code = 0;

    if (options->cors_origin_count == 0 || request->misread)
        return 0;
    if (!for_everybody(options))
        code = sg_buf_append_text(out, "Vary: Origin\r\n"); /* also without one: caches must know */
    if (code == 0 && allowed(request))
        code = add_allowed(options, http_header(request, "Origin"), request->preflight, out);
    return code;
}

int http_cors_headers_unread(const struct sg_server_options *options, struct sg_conn *conn,
                             struct sg_buf *out)
{
    char head[HEAD_MAX + 1], *origin, *end;

    if (options->cors_origin_count == 0)
        return 0;
    head[sg_conn_peek(conn, head, HEAD_MAX)] = '\0';
    end = strstr(head, "\r\n\r\n");
    if (end)
        *end = '\0';
    origin = strcasestr(head, "\r\norigin:");
    if (!origin)
        return 0;
    origin += strlen("\r\norigin:");
    origin += strspn(origin, " \t");
    origin[strcspn(origin, " \t\r\n")] = '\0';
    return sg_origin_allowed(options->cors_origins, options->cors_origin_count, origin)
               ? add_allowed(options, origin, false, out)
               : 0;
}

bool http_cors_is_preflight(const struct http_request *request)
{
    return options_of(request)->cors_origin_count > 0 && strcmp(request->method, "OPTIONS") == 0 &&
           http_header(request, "Origin") && http_header(request, "Access-Control-Request-Method");
}

/* Names with commas between them; what else there is gets no say in our answer. */
static const char *wanted_headers(const struct http_request *request)
{
    const char *wanted = http_header(request, "Access-Control-Request-Headers"), *p;

    for (p = wanted;
         p && ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z' ? true : *p && strchr("0123456789-_, ", *p)); p++)
        ;
    return p && p > wanted && !*p && p - wanted <= HEADERS_MAX ? wanted : "Content-Type, X-Request-Id";
}

void http_cors_serve_preflight(struct http_request *request)
{
    const struct sg_server_options *options = options_of(request);
    char headers[HEADERS_MAX + 512];
    struct sg_error err;

    if (!allowed(request)) {
        request->status = 403;
        sg_error_set(&err, SG_E_INVALID,
                     "pages of \"%.200s\" may not use %.100s from a browser (cors_origins)",
                     http_header(request, "Origin"), request->path);
        http_reply_error(request, &err);
        return;
    }
    snprintf(headers, sizeof(headers),
             "Access-Control-Allow-Methods: %s\r\nAccess-Control-Allow-Headers: %s\r\n"
             "Vary: Access-Control-Request-Headers\r\nAccess-Control-Max-Age: %lld\r\n%s",
             http_allow_text(request->route   ? request->route->methods
                             : request->allow ? request->allow
                                              : HTTP_ROUTE_GET | HTTP_ROUTE_POST | HTTP_ROUTE_PUT),
             wanted_headers(request), (long long)options->cors_max_age_ms / 1000,
             http_header(request, "Access-Control-Request-Private-Network")
                 ? "Access-Control-Allow-Private-Network: true\r\n"
                 : "");
    http_reply(request, &(struct http_answer){.status = 204, .headers = headers});
}

/* Forms are what any page may send without asking. An empty one is also what `curl -d ''` sends. */
static bool is_form(const struct http_request *request)
{
    const char *type = http_header(request, "Content-Type");

    return type &&
           (strncasecmp(type, "multipart/form-data", 19) == 0 || strncasecmp(type, "text/plain", 10) == 0 ||
            (request->has_body && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0));
}

int http_cors_same_site(struct http_request *request, struct sg_error *err)
{
    const struct sg_origin_source source = {.host = http_header(request, "Host"),
                                            .origin = http_header(request, "Origin"),
                                            .referer = http_header(request, "Referer"),
                                            .fetch_site = http_header(request, "Sec-Fetch-Site")};

    if (!sg_origin_is_cross_site(&source) && !is_form(request))
        return 0;
    request->status = 403;
    return sg_error_set(
        err, SG_E_INVALID,
        "%s is not for pages of other sites, nor for forms: send it from a program, without a body "
        "(curl -X POST)",
        request->path);
}
