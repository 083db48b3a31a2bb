/* SPDX-License-Identifier: MIT
 * POST /v1/infer: a picture in, the native reply or the drawn picture out. Loop thread, but for encode.
 */
#include "http/http_private.h"

#include "base/clock.h"
#include "codec/json.h"
#include "serve/content.h"

#include <stdio.h>
#include <string.h>

/* What a worker needs to know of the request. */
struct manner {
    enum http_body body;
    bool no_timing;
};

static const struct manner manners[][2] = {
    [HTTP_BODY_NONE] = {{HTTP_BODY_NONE, false}, {HTTP_BODY_NONE, true}},
    [HTTP_BODY_RAW] = {{HTTP_BODY_RAW, false}, {HTTP_BODY_RAW, true}},
    [HTTP_BODY_MULTIPART] = {{HTTP_BODY_MULTIPART, false}, {HTTP_BODY_MULTIPART, true}},
    [HTTP_BODY_JSON] = {{HTTP_BODY_JSON, false}, {HTTP_BODY_JSON, true}},
};

/* No picture could be read: what came instead, and how it is sent right, where that can be seen. */
static void explain(const struct sg_buf *bytes, enum http_body body, struct sg_error *err)
{
    static const char *const subjects[] = {[HTTP_BODY_NONE] = "this is",
                                           [HTTP_BODY_RAW] = "the body is",
                                           [HTTP_BODY_MULTIPART] = "the form's file is",
                                           [HTTP_BODY_JSON] = "image, decoded from base64, is"};

    if (body == HTTP_BODY_RAW && sg_content_stripped(bytes->data, bytes->size))
        sg_error_set(
            err, SG_E_BAD_IMAGE,
            "the body is %s without its zero bytes and line ends: curl -d takes them out; send it with curl "
            "--data-binary @photo.jpg",
            sg_content_look(bytes->data, bytes->size).what);
    else
        sg_content_check(bytes->data, bytes->size, subjects[body], err);
}

/* Worker's thread. */
static int encode(struct sg_job *job)
{
    const struct manner *manner = job->encode_arg;
    struct sg_json_native native = {.id = job->name, .no_timing = manner->no_timing};

    if (job->error.code == SG_E_BAD_IMAGE || job->error.code == SG_E_UNSUPPORTED)
        explain(&job->bytes, manner->body, &job->error);

    if (job->annotate != SG_JOB_ANNOTATE_NO && job->error.code == SG_OK && job->reply.size > 0)
        return 0; /* the drawn picture is there */
    sg_buf_clear(&job->reply);
    job->result.timing_us[SG_STAGE_TOTAL] = sg_clock_us() - job->received_us;
    return sg_json_native(&job->result, job->error.code < 0 ? &job->error : NULL, &native, &job->reply);
}

static int set_parameter(struct http_request *request, const char *name, const char *value)
{
    return sg_http_params_set(&request->params, name, value, strlen(value), &request->error);
}

int http_infer_begin(struct http_request *request, struct sg_error *err)
{
    return http_query(request, set_parameter) < 0 ? err->code : http_body_begin(request, err);
}

/* To the workers, or the reason why not in job->error. */
static int find_place(struct http_request *request, struct sg_job *job)
{
    struct http_session *session = request->session;
    struct sg_intake *intake = session->base.intake;
    const char *pipeline = http_pipeline_name(request);
    int code = job->pipeline ? 0 : sg_intake_pipeline(intake, job, pipeline);

    if (code == 0)
        code = sg_intake_deadline(intake, &session->flow, job, &request->retry_ms);
    if (code == 0)
        code = http_too_many(request, true, &job->error);
    if (code < 0)
        return code;
    if (sg_intake_admit(intake, job, NULL) < 0)
        return http_busy(request, "requests", "max_queue", &job->error);
    return sg_intake_submit(intake, &session->flow, job, pipeline);
}

static int submit(struct http_request *request, struct sg_error *err)
{
    struct http_session *session = request->session;
    const struct sg_http_params *params = &request->params;
    struct sg_job *job = request->job;
    int code = http_body_end(request, err);

    if (code < 0)
        return code;
    sg_session_own(&session->base, job);
    job->received_us = sg_clock_us();
    job->options = params->options;
    job->annotate = params->annotate;
    job->deadline_us = params->deadline_ms > 0 ? job->received_us + params->deadline_ms * 1000 : 0;
    snprintf(job->name, sizeof(job->name), "%s", request->id);
    job->encode = encode;
    job->encode_arg = &manners[request->body][params->no_timing];
    code = find_place(request, job);
    if (code < 0)
        *err = job->error;
    return code;
}

static const char *type_of(const struct sg_job *job)
{
    if (job->error.code < 0 || job->annotate == SG_JOB_ANNOTATE_NO)
        return "application/json";
    return job->annotate == SG_JOB_ANNOTATE_PNG ? "image/png" : "image/jpeg";
}

void http_infer_answer(struct http_request *request)
{
    struct sg_job *job = request->job;
    struct sg_buf body = job->reply;
    int64_t timing[SG_STAGE_COUNT];
    const char *type = type_of(job);

    memcpy(timing, job->result.timing_us, sizeof(timing));
    request->error = job->error;
    /* The reply leaves the job, so that a slow reader holds its bytes and not a place at the gate. */
    sg_buf_init(&job->reply, SG_JOB_REPLY_BYTES);
    sg_intake_answered(request->session->base.intake, job, SG_PROTOCOL_HTTP);
    sg_intake_drop(request->session->base.intake, &request->job);
    http_reply(request, &(struct http_answer){.status = sg_http_status(request->error.code),
                                              .type = type,
                                              .body = body.data,
                                              .size = body.size,
                                              .timing_us = timing});
    sg_buf_fini(&body);
}

void http_infer_serve(struct http_request *request)
{
    if (submit(request, &request->error) == 0)
        return; /* http_infer_answer goes on */
    if (request->job->received_us > 0)
        sg_metrics_refused(request->http->server.metrics, SG_PROTOCOL_HTTP,
                           sg_clock_us() - request->job->received_us);
    sg_intake_drop(request->session->base.intake, &request->job);
    http_reply_error(request, &request->error);
}
