/* SPDX-License-Identifier: MIT
 * One request from its head to its end, as the daemon tells it: called once with the head, then with pieces
 * of the body, then without, and once more whenever a suspended request goes on.
 */
#include "http/http_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

static void name_request(struct http_request *request)
{
    const char *given = http_header(request, "X-Request-Id");

    if (given && sg_http_id_valid(given))
        snprintf(request->id, sizeof(request->id), "%s", given);
    else
        http_make_id(request->http, request->id);
}

static void measure_body(struct http_request *request)
{
    const char *length = http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *expect = http_header(request, MHD_HTTP_HEADER_EXPECT);

    request->chunked = http_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    if (length && !request->chunked)
        request->expected = strtoull(length, NULL, 10);
    request->has_body = request->chunked || request->expected > 0;
    request->expect_continue = expect && strcasecmp(expect, "100-continue") == 0;
}

/* What is wrong with the head alone; 0 when nothing is. */
static int examine(struct http_request *request, const char *version)
{
    struct sg_error *err = &request->error;

    request->misread = http_head_check(request, version, err) < 0;
    if (request->misread)
        return err->code;
    request->preflight = http_cors_is_preflight(request);
    request->route = http_route_find(
        request->preflight ? http_header(request, "Access-Control-Request-Method") : request->method,
        request->path, err, &request->status, &request->allow);
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
static enum MHD_Result fail_early(struct http_request *request)
{
    bool short_body = !request->misread && !request->chunked && request->expected <= HTTP_REST_MAX;

    if (request->job)
        sg_intake_drop(request->session->base.intake, &request->job);
    if (short_body && !request->expect_continue)
        return MHD_YES;
    http_refuse(request->session, &request->error);
    return MHD_NO;
}

static enum MHD_Result begin(struct sg_http *http, struct MHD_Connection *mhd, const char *url,
                             const char *method, const char *version, void **context)
{
    struct http_session *session =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct http_request *request = calloc(1, sizeof(*request));

    if (!request)
        return MHD_NO;
    *context = request;
    request->session = session;
    request->http = http;
    request->mhd = mhd;
    request->method = method;
    request->path = url;
    request->began_us = sg_clock_us();
    request->max_body = HTTP_REST_MAX;
    sg_http_params_init(&request->params);
    session->request = request;
    http_phase_set(session, HTTP_BODY);
    name_request(request);
    measure_body(request);
    if (examine(request, version) < 0)
        return fail_early(request);
    return MHD_YES;
}

static enum MHD_Result take_data(struct http_request *request, const char *data, size_t *size)
{
    struct http_session *session = request->session;
    size_t n = *size;

    *size = 0;
    request->received += n;
    sg_metrics_bytes_in(request->http->server.metrics, n);
    http_phase_set(session, HTTP_BODY);
    if (request->error.code == SG_OK && !request->preflight && request->route->begin) {
        if (http_body_data(request, data, n, &request->error) == 0)
            return MHD_YES;
        sg_intake_drop(session->base.intake, &request->job);
        http_refuse(session, &request->error);
        return MHD_NO;
    }
    if (request->received <= HTTP_REST_MAX)
        return MHD_YES;
    if (request->error.code == SG_OK)
        sg_error_set(&request->error, SG_E_TOO_LARGE, "%s takes no body", request->path);
    http_refuse(session, &request->error);
    return MHD_NO;
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *data, size_t *size, void **context)
{
    struct http_request *request = *context;

    if (!request) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        const struct http_session *session = info->socket_context;

        return session->dead ? MHD_NO : begin(cls, mhd, url, method, version, context);
    }
    if (request->session->dead)
        return MHD_NO;
    if (*size > 0)
        return take_data(request, data, size);
    if (request->session->phase == HTTP_BODY)
        http_phase_set(request->session, HTTP_WORK);
    if (request->error.code < 0)
        http_reply_error(request, &request->error);
    else if (request->preflight)
        http_cors_serve_preflight(request);
    else
        request->route->serve(request);
    return MHD_YES;
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

void http_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode why)
{
    struct http_request *request = *context;
    struct http_session *session;

    (void)cls;
    (void)mhd;
    *context = NULL;
    if (!request)
        return;
    session = request->session;
    session->request = NULL;
    log_request(request);
    if (request->counted_unsent)
        request->http->unsent -= request->sent_bytes;
    free(request->form);
    sg_buf_fini(&request->reload_report);
    sg_reload_leave(request->http->server.reload, &request->reload);
    if (request->job && request->job->in_pool) /* comes back to a session that does not know it */
        atomic_store_explicit(&request->job->cancelled, true, memory_order_relaxed);
    else
        drop_job(request);
    free(request);
    if (session->dead)
        return;
    if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK && session->closing)
        http_kill(session);
    else
        http_phase_set(session, HTTP_IDLE);
}
