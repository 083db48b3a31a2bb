/* SPDX-License-Identifier: MIT
 * Replies: what every one of them carries (date, request id, Server-Timing, Retry-After, Allow, CORS) is put
 * on here.
 */
#include "http/http_private.h"

#include "base/clock.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#define REPLY_HEAD_BYTES  ((size_t)16 << 10)
#define REPLY_USUAL_BYTES 1024               /* of a head */
#define REPLY_COPY_BYTES  ((size_t)64 << 10) /* smaller bodies go out in one piece with their head */
#define REPLY_ERROR_BYTES ((size_t)8 << 10)
#define TIMING_MAX        400

/* Server-Timing in milliseconds: stages that took any time, then all from the head on. */
static const char *timing_text(const int64_t *timing_us, int64_t began_us, char out[TIMING_MAX])
{
    size_t used = 0;
    int i;

    for (i = 0; timing_us && i < SG_STAGE_TOTAL; i++)
        if (timing_us[i] > 0 && used < TIMING_MAX - 64)
            used += (size_t)snprintf(out + used, TIMING_MAX - used, "%s;dur=%.3f, ",
                                     sg_stage_name((enum sg_stage)i), (double)timing_us[i] / 1000.0);
    snprintf(out + used, TIMING_MAX - used, "total;dur=%.3f", (double)(sg_clock_us() - began_us) / 1000.0);
    return out;
}

/* IMF-fixdate (RFC 9110, 5.6.7). */
static const char *date_text(struct sg_http *http)
{
    time_t now = time(NULL);
    struct tm parts;

    if (now != http->date_s && gmtime_r(&now, &parts) &&
        strftime(http->date, sizeof(http->date), "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0)
        http->date_s = now;
    return http->date;
}

/* Whole seconds, as the header has it. */
static int64_t retry_after_s(int64_t retry_ms)
{
    return retry_ms > 0 ? (retry_ms + 999) / 1000 : 1;
}

static const char *connection_text(const struct http_request *request)
{
    const struct http_session *session = request->session;

    if (!session || session->closing)
        return "Connection: close\r\n";
    return session->parser.http_minor == 0 ? "Connection: keep-alive\r\n" : "";
}

/* unread: the connection of a request that was not read, or NULL. */
static int write_head(struct http_request *request, const struct http_answer *answer, struct sg_conn *unread,
                      struct sg_buf *out)
{
    char timing[TIMING_MAX];
    int code;

    code = sg_buf_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", answer->status,
                         sg_http_status_reason(answer->status), date_text(request->http));
    if (answer->type)
        code |= sg_buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", answer->type, answer->size);
    code |=
        sg_buf_printf(out, "X-Request-Id: %s\r\nServer-Timing: %s\r\n%s", request->id,
                      timing_text(answer->timing_us, request->began_us, timing), connection_text(request));
    if (sg_http_status_retry(answer->status))
        code |= sg_buf_printf(out, "Retry-After: %lld\r\n", (long long)retry_after_s(request->retry_ms));
    if (request->allow)
        code |= sg_buf_printf(out, "Allow: %s\r\n", http_allow_text(request->allow));
    if (unread)
        code |= http_cors_headers_unread(request->http->server.options, unread, out);
    else
        code |= http_cors_headers(request, out);
    if (answer->headers)
        code |= sg_buf_append_text(out, answer->headers);
    return code | sg_buf_append_text(out, "\r\n");
}

/* Whose answer has no body; also when the head went wrong behind its target. */
static bool is_head(const struct http_request *request)
{
    const struct http_session *session = request->session;

    return request->head_done ? strcmp(request->method, "HEAD") == 0
                              : session->head.text.size > 0 && session->parser.method == HTTP_HEAD;
}

static int send_answer(struct http_request *request, const struct http_answer *answer)
{
    struct sg_conn *conn = request->session->base.conn;
    size_t size = is_head(request) ? 0 : answer->size;
    struct sg_buf bytes;
    int code;

    sg_buf_init(&bytes, REPLY_HEAD_BYTES + REPLY_COPY_BYTES);
    code = sg_buf_reserve(&bytes, REPLY_USUAL_BYTES + (size <= REPLY_COPY_BYTES ? size : 0));
    if (code == 0)
        code = write_head(request, answer, NULL, &bytes);
    if (code == 0 && size > 0 && size <= REPLY_COPY_BYTES)
        code = sg_buf_append(&bytes, answer->body, size);
    if (code == 0)
        code = sg_conn_send(conn, bytes.data, bytes.size);
    if (code == 0 && size > REPLY_COPY_BYTES)
        code = sg_conn_send(conn, answer->body, size);
    sg_buf_fini(&bytes);
    return code;
}

void http_reply(struct http_request *request, const struct http_answer *answer)
{
    struct http_session *session = request->session;
    struct sg_metrics *metrics = request->http->server.metrics;

    if (request->http->draining)
        session->closing = true;
    request->sent_status = answer->status;
    request->sent_bytes = answer->size;
    sg_metrics_http(metrics, request->route ? request->route->path : NULL, answer->status);
    sg_metrics_bytes_out(metrics, answer->size);
    if (send_answer(request, answer) < 0)
        http_kill(session);
    else
        http_replied(session);
}

void http_reply_take(struct http_request *request, const char *type, struct sg_buf *take_body)
{
    struct sg_buf body = *take_body;

    *take_body = (struct sg_buf){0};
    http_reply(request,
               &(struct http_answer){.status = 200, .type = type, .body = body.data, .size = body.size});
    sg_buf_fini(&body);
}

static void error_body(const struct sg_error *err, const char *id, struct sg_buf *out)
{
    struct sg_json_native native = {.id = id};

    sg_buf_init(out, REPLY_ERROR_BYTES);
    if (sg_json_native(NULL, err, &native, out) < 0 || sg_buf_append_text(out, "\n") < 0)
        sg_buf_clear(out);
}

static unsigned status_of(const struct http_request *request, const struct sg_error *err)
{
    return request->status ? request->status : sg_http_status(err->code);
}

void http_reply_error(struct http_request *request, const struct sg_error *err)
{
    struct sg_buf body;

    request->error = *err;
    error_body(err, request->id, &body);
    sg_intake_replied(request->session->base.intake, err->code);
    http_reply(request, &(struct http_answer){.status = status_of(request, err),
                                              .type = "application/json",
                                              .body = body.data,
                                              .size = body.size});
    sg_buf_fini(&body);
}

int http_error_bytes(struct http_request *request, const struct sg_error *err, struct sg_conn *unread,
                     struct sg_buf *out)
{
    struct http_answer answer = {.status = status_of(request, err), .type = "application/json"};
    char method[5] = "";
    struct sg_buf body;
    int code;

    error_body(err, request->id, &body);
    answer.size = body.size;
    code = write_head(request, &answer, unread, out);
    if (unread)
        method[sg_conn_peek(unread, method, sizeof(method) - 1)] = '\0';
    if (code == 0 && strcmp(method, "HEAD") != 0)
        code = sg_buf_append(out, body.data, body.size);
    sg_buf_fini(&body);
    return code;
}
