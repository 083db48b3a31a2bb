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
                             http_header(request, MHD_HTTP_HEADER_ORIGIN));
}

static void add_allowed(const struct sg_server_options *options, const char *origin, bool preflight,
                        http_add_fn add, void *arg)
{
    origin = for_everybody(options) ? "*" : origin;
    add(arg, "Access-Control-Allow-Origin", origin);
    if (preflight)
        return;
    add(arg, "Access-Control-Expose-Headers", exposed);
    add(arg, "Timing-Allow-Origin", origin);
}

void http_cors_headers(const struct http_request *request, http_add_fn add, void *arg)
{
    const struct sg_server_options *options = options_of(request);

    if (options->cors_origin_count == 0 || request->misread)
        return;
    if (!for_everybody(options))
        add(arg, MHD_HTTP_HEADER_VARY, "Origin"); /* also without one: caches must know */
    if (allowed(request))
        add_allowed(options, http_header(request, MHD_HTTP_HEADER_ORIGIN), request->preflight, add, arg);
}

void http_cors_headers_unread(const struct sg_server_options *options, const struct sg_conn *conn,
                              http_add_fn add, void *arg)
{
    char head[HEAD_MAX + 1], *origin, *end;

    if (options->cors_origin_count == 0)
        return;
    head[sg_conn_peek(conn, head, HEAD_MAX)] = '\0';
    end = strstr(head, "\r\n\r\n");
    if (end)
        *end = '\0';
    origin = strcasestr(head, "\r\norigin:");
    if (!origin)
        return;
    origin += strlen("\r\norigin:");
    origin += strspn(origin, " \t");
    origin[strcspn(origin, " \t\r\n")] = '\0';
    if (sg_origin_allowed(options->cors_origins, options->cors_origin_count, origin))
        add_allowed(options, origin, false, add, arg);
}

bool http_cors_is_preflight(const struct http_request *request)
{
    return options_of(request)->cors_origin_count > 0 &&
           strcmp(request->method, MHD_HTTP_METHOD_OPTIONS) == 0 &&
           http_header(request, MHD_HTTP_HEADER_ORIGIN) &&
           http_header(request, "Access-Control-Request-Method");
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
    struct MHD_Response *response;
    struct sg_error err;
    char age[32];

    if (!allowed(request)) {
        request->status = MHD_HTTP_FORBIDDEN;
        sg_error_set(&err, SG_E_INVALID,
                     "pages of \"%.200s\" may not use %.100s from a browser (cors_origins)",
                     http_header(request, MHD_HTTP_HEADER_ORIGIN), request->path);
        http_reply_error(request, &err);
        return;
    }
    response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response) {
        snprintf(age, sizeof(age), "%lld", (long long)options->cors_max_age_ms / 1000);
        MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                http_allow_text(request->route   ? request->route->methods
                                                : request->allow ? request->allow
                                                                 : HTTP_GET | HTTP_POST | HTTP_PUT));
        MHD_add_response_header(response, "Access-Control-Allow-Headers", wanted_headers(request));
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Access-Control-Request-Headers");
        MHD_add_response_header(response, "Access-Control-Max-Age", age);
        if (http_header(request, "Access-Control-Request-Private-Network"))
            MHD_add_response_header(response, "Access-Control-Allow-Private-Network", "true");
    }
    http_reply_queue(request, MHD_HTTP_NO_CONTENT, NULL, response, 0, NULL);
}

/* Forms are what any page may send without asking. An empty one is also what `curl -d ''` sends. */
static bool is_form(const struct http_request *request)
{
    const char *type = http_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);

    return type &&
           (strncasecmp(type, "multipart/form-data", 19) == 0 || strncasecmp(type, "text/plain", 10) == 0 ||
            (request->has_body && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0));
}

int http_cors_same_site(struct http_request *request, struct sg_error *err)
{
    const struct sg_origin_source source = {.host = http_header(request, MHD_HTTP_HEADER_HOST),
                                            .origin = http_header(request, MHD_HTTP_HEADER_ORIGIN),
                                            .referer = http_header(request, MHD_HTTP_HEADER_REFERER),
                                            .fetch_site = http_header(request, "Sec-Fetch-Site")};

    if (!sg_origin_is_cross_site(&source) && !is_form(request))
        return 0;
    request->status = MHD_HTTP_FORBIDDEN;
    return sg_error_set(
        err, SG_E_INVALID,
        "%s is not for pages of other sites, nor for forms: send it from a program, without a body "
        "(curl -X POST)",
        request->path);
}
