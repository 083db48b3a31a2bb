/* SPDX-License-Identifier: MIT
 * Replies: what every one of them carries (request id, Server-Timing, Retry-After, Allow) is put on here.
 */
#include "http/http_private.h"

#include "base/clock.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_COPY_BYTES  ((size_t)64 << 10) /* smaller replies fit into socket buffers as a rule */
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

/* Whole seconds, as the header has it. */
static int64_t retry_after_s(int64_t retry_ms)
{
    return retry_ms > 0 ? (retry_ms + 999) / 1000 : 1;
}

static void add_to_response(void *arg, const char *name, const char *value)
{
    MHD_add_response_header(arg, name, value);
}

static void add_to_text(void *arg, const char *name, const char *value)
{
    sg_buf_printf(arg, "%s: %s\r\n", name, value);
}

static void add_headers(const struct http_request *request, struct MHD_Response *response, unsigned status,
                        const char *type, const int64_t *timing_us)
{
    char text[TIMING_MAX];

    if (type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, "X-Request-Id", request->id);
    MHD_add_response_header(response, "Server-Timing", timing_text(timing_us, request->began_us, text));
    if (sg_http_status_retry(status)) {
        snprintf(text, sizeof(text), "%lld", (long long)retry_after_s(request->retry_ms));
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, text);
    }
    if (request->allow)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, http_allow_text(request->allow));
    if (request->session->closing)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    http_cors_headers(request, add_to_response, response);
}

void http_reply_queue(struct http_request *request, unsigned status, const char *type,
                      struct MHD_Response *response, size_t size, const int64_t *timing_us)
{
    struct http_session *session = request->session;

    if (response)
        add_headers(request, response, status, type, timing_us);
    if (!response || MHD_queue_response(request->mhd, status, response) == MHD_NO)
        http_kill(session);
    if (response)
        MHD_destroy_response(response);
    request->sent_status = status;
    request->sent_bytes = size;
    request->http->unsent += size;
    request->counted_unsent = true;
    sg_metrics_http(request->http->server.metrics, request->route ? request->route->path : NULL, status);
    sg_metrics_bytes_out(request->http->server.metrics, size);
    if (!session->dead)
        http_phase_set(session, HTTP_REPLY);
}

void http_reply(struct http_request *request, unsigned status, const char *type, struct sg_buf *take_body,
                const int64_t *timing_us)
{
    struct MHD_Response *response;
    size_t size = take_body->size;

    if (size <= REPLY_COPY_BYTES) {
        response = MHD_create_response_from_buffer(size, take_body->data, MHD_RESPMEM_MUST_COPY);
    } else {
        response = MHD_create_response_from_buffer(size, take_body->data, MHD_RESPMEM_MUST_FREE);
        if (response)
            *take_body = (struct sg_buf){0};
    }
    sg_buf_fini(take_body);
    http_reply_queue(request, status, type, response, size, timing_us);
}

void http_reply_static(struct http_request *request, const char *type, const void *data, size_t size)
{
    /* The library never writes to memory that it is told to be persistent. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT);

    http_reply_queue(request, MHD_HTTP_OK, type, response, size, NULL);
}

void http_error_body(const struct sg_error *err, const char *id, struct sg_buf *out)
{
    struct sg_json_native native = {.id = id};

    if (sg_json_native(NULL, err, &native, out) < 0 || sg_buf_append_text(out, "\n") < 0)
        sg_buf_clear(out);
}

void http_reply_error(struct http_request *request, const struct sg_error *err)
{
    unsigned status = request->status ? request->status : sg_http_status(err->code);
    struct sg_buf body;

    request->error = *err;
    sg_buf_init(&body, REPLY_ERROR_BYTES);
    http_error_body(err, request->id, &body);
    sg_intake_replied(request->session->base.intake, err->code);
    http_reply(request, status, "application/json", &body, NULL);
}

void http_reply_raw(const struct http_refusal *refusal, struct sg_buf *out)
{
    const struct http_request *request = refusal->request;
    struct sg_buf body;
    char timing[TIMING_MAX];

    sg_buf_init(&body, REPLY_ERROR_BYTES);
    http_error_body(refusal->err, refusal->id, &body);
    sg_buf_printf(out,
                  "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                  "Server-Timing: %s\r\nX-Request-Id: %s\r\nConnection: close\r\n",
                  refusal->status, MHD_get_reason_phrase_for(refusal->status), body.size,
                  timing_text(NULL, refusal->began_us, timing), refusal->id);
    if (sg_http_status_retry(refusal->status))
        sg_buf_printf(out, "Retry-After: %lld\r\n",
                      (long long)retry_after_s(request ? request->retry_ms : 0));
    if (request && request->allow)
        add_to_text(out, MHD_HTTP_HEADER_ALLOW, http_allow_text(request->allow));
    if (request)
        http_cors_headers(request, add_to_text, out);
    else if (refusal->conn)
        http_cors_headers_unread(refusal->options, refusal->conn, add_to_text, out);
    sg_buf_append_text(out, "\r\n");
    sg_buf_append(out, body.data, body.size);
    sg_buf_fini(&body);
}
