/* SPDX-License-Identifier: MIT
 * One request from its head to its end.
 */
#include "http/http_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct http_request *http_request_create(struct http_session *session)
{
    struct http_request *request = calloc(1, sizeof(*request));

    if (!request)
        return NULL;
    request->session = session;
    request->http = session->http;
    request->method = request->path = "";
    request->began_us = sg_clock_us();
    request->max_body = HTTP_REST_MAX;
    http_make_id(session->http, request->id);
    sg_http_params_init(&request->params);
    return request;
}

static void measure_body(struct http_request *request)
{
    const char *length = http_header(request, "Content-Length");
    const char *expect = http_header(request, "Expect");

    request->chunked = http_header(request, "Transfer-Encoding") != NULL;
    if (length && !request->chunked)
        request->expected = strtoull(length, NULL, 10);
    request->has_body = request->chunked || request->expected > 0;
    request->expect_continue =
        request->session->parser.http_minor > 0 && expect && strcasestr(expect, "100-continue"); /* a list */
}

/* What is wrong with the head alone; 0 when nothing is. */
static int examine(struct http_request *request)
{
    struct sg_error *err = &request->error;

    request->misread = http_head_check(request, err) < 0;
    if (request->misread)
        return err->code;
    request->preflight = http_cors_is_preflight(request);
    (void)http_route_find(
        request, request->preflight ? http_header(request, "Access-Control-Request-Method") : request->method,
        err);
    if (request->preflight) {
        sg_error_clear(err); /* the request itself is told what is wrong with it */
        request->status = 0;
        return 0;
    }
    if (!request->route)
        return err->code;
    if (request->route->same_site && http_cors_same_site(request, err) < 0)
        return err->code;
    if (request->has_body && request->expected > request->max_body && !request->route->begin)
        return sg_error_set(err, SG_E_TOO_LARGE, "%s takes no body, %llu bytes were announced", request->path,
                            (unsigned long long)request->expected);
    return request->route->begin ? request->route->begin(request, err) : 0;
}

/* An error is known while the body is still to come. A short body is read so that the connection lives on;
 * otherwise the answer goes out at once and the connection ends. */
static int fail_early(struct http_request *request)
{
    bool short_body = !request->misread && !request->chunked && request->expected <= HTTP_REST_MAX;

    if (request->job)
        sg_intake_drop(request->session->base.intake, &request->job);
    return short_body && !(request->has_body && request->expect_continue) ? 0 : request->error.code;
}

static int encourage(struct http_request *request)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    /* A failure shows again with the reply. */
    (void)sg_conn_send(request->session->base.conn, text, sizeof(text) - 1);
    return 0;
}

void http_request_name(struct http_request *request)
{
    const char *given = http_header(request, "X-Request-Id");

    if (given && sg_http_id_valid(given))
        snprintf(request->id, sizeof(request->id), "%s", given);
}

int http_request_head(struct http_request *request)
{
    request->head_done = true;
    request->began_us = sg_clock_us();
    request->method = llhttp_method_name((llhttp_method_t)request->session->parser.method);
    http_request_name(request);
    measure_body(request);
    http_phase_set(request->session, HTTP_PHASE_BODY);
    if (examine(request) < 0)
        return fail_early(request);
    return request->has_body && request->expect_continue ? encourage(request) : 0;
}

int http_request_data(struct http_request *request, const char *data, size_t size)
{
    request->received += size;
    sg_metrics_bytes_in(request->http->server.metrics, size);
    http_phase_set(request->session, HTTP_PHASE_BODY);
    if (request->error.code == SG_OK && !request->preflight && request->route->begin) {
        if (http_body_data(request, data, size, &request->error) < 0)
            sg_intake_drop(request->session->base.intake, &request->job);
        return request->error.code;
    }
    if (request->received <= HTTP_REST_MAX)
        return 0;
    if (request->error.code == SG_OK)
        sg_error_set(&request->error, SG_E_TOO_LARGE, "%s takes no body", request->path);
    return request->error.code;
}

void http_request_serve(struct http_request *request)
{
    http_phase_set(request->session, HTTP_PHASE_WORK);
    if (!request->keep_alive)
        request->session->closing = true;
    if (request->error.code < 0)
        http_reply_error(request, &request->error);
    else if (request->preflight)
        http_cors_serve_preflight(request);
    else if (request->route->file)
        http_file_serve(request);
    else
        request->route->serve(request);
}

static void log_request(const struct http_request *request)
{
    bool told = request->http->server.options->log_http && !(request->route && request->route->quiet);
    enum sg_log_level level = told ? SG_LOG_INFO : SG_LOG_DEBUG;
    int64_t us = sg_clock_us() - request->began_us;
    char path[160];

    if (!sg_log_enabled(level))
        return;
    sg_log(
        level, "request",
        "protocol=http method=%.20s route=%s status=%u code=%s ms=%lld.%03d in_bytes=%zu out_bytes=%zu id=%s "
        "conn=%llu",
        request->method, sg_log_quote(request->path, path, sizeof(path)), request->sent_status,
        sg_err_name(request->error.code), (long long)us / 1000, (int)(us % 1000), request->received,
        request->sent_bytes, request->id, (unsigned long long)sg_conn_id(request->session->base.conn));
}

/* A job that was done, or taken back, and not answered: its client had gone. */
static void drop_job(struct http_request *request)
{
    struct sg_intake *intake = request->session->base.intake;

    if (request->job && request->job->finished)
        sg_counter_add(&intake->counters.dropped, 1);
    sg_intake_drop(intake, &request->job);
}

void http_request_destroy(struct http_request **request)
{
    struct http_request *r = *request;

    *request = NULL;
    if (!r)
        return;
    log_request(r);
    free(r->form);
    sg_reload_leave(r->http->server.reload, &r->reload);
    if (r->job && r->job->in_pool) /* comes back to a session that does not know it */
        atomic_store_explicit(&r->job->cancelled, true, memory_order_relaxed);
    else
        drop_job(r);
    free(r);
}
