/* SPDX-License-Identifier: MIT
 * Bodies of requests for work. Pictures go straight into the job's buffer, which the gate is charged for as
 * it grows; an announced length alone costs nothing. Nothing waits: a full gate is answered "busy".
 */
#include "http/http_json.h"
#include "http/http_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_FIRST_BYTES ((size_t)128 << 10)

static size_t max_picture(const struct http_request *request)
{
    return request->session->base.options->max_frame_bytes;
}

static bool type_is(const char *type, const char *name)
{
    size_t length = strlen(name);

    return strncasecmp(type, name, length) == 0 &&
           (type[length] == '\0' || type[length] == ';' || type[length] == ' ' || name[length - 1] == '/');
}

static int choose_kind(struct http_request *request, struct sg_error *err)
{
    const char *type = http_header(request, "Content-Type");
    const char *encoding = http_header(request, "Content-Encoding");

    if (encoding && strcasecmp(encoding, "identity") != 0)
        return sg_error_set(err, SG_E_UNSUPPORTED,
                            "Content-Encoding \"%.40s\" is not read; pictures are compressed already",
                            encoding);
    if (type && type_is(type, "multipart/form-data"))
        request->body = HTTP_BODY_MULTIPART;
    else if (type && type_is(type, "application/json"))
        request->body = HTTP_BODY_JSON;
    else if (!type || type_is(type, "image/") || type_is(type, "application/octet-stream") ||
             type_is(type, "binary/octet-stream") || type_is(type, "application/x-www-form-urlencoded"))
        request->body = HTTP_BODY_RAW; /* the last one is what curl --data-binary says of any file */
    else
        return sg_error_set(err, SG_E_UNSUPPORTED,
                            "Content-Type \"%.80s\" is not read; send image/* or application/octet-stream, "
                            "multipart/form-data or application/json",
                            type);
    return 0;
}

static int too_large(const struct http_request *request, struct sg_error *err)
{
    return sg_error_set(err, SG_E_TOO_LARGE, "the image is larger than %zu bytes (max_image_bytes)",
                        max_picture(request));
}

const char *http_pipeline_name(const struct http_request *request)
{
    return request->params.pipeline[0] ? request->params.pipeline : NULL;
}

int http_busy(struct http_request *request, const char *what, const char *key, struct sg_error *err)
{
    request->retry_ms = sg_intake_retry_ms(request->session->base.intake);
    return sg_error_set(err, SG_E_BUSY, "the server holds as many %s as it admits (%s); try again in %lld ms",
                        what, key, (long long)request->retry_ms);
}

int http_too_many(struct http_request *request, bool arrived, struct sg_error *err)
{
    const struct sg_session *session = &request->session->base;
    int code = sg_intake_share(session->intake, session->member, arrived, err);

    if (code < 0)
        request->retry_ms = sg_intake_retry_ms(session->intake);
    return code;
}

/* Room for `more` bytes in the job, charged for. */
static int make_room(struct http_request *request, size_t more, struct sg_error *err)
{
    struct sg_buf *bytes = &request->job->bytes;
    size_t need = bytes->size + more, capacity = bytes->capacity;

    if (need < more || need > request->max_body)
        return too_large(request, err);
    if (need > capacity) {
        capacity = capacity < BODY_FIRST_BYTES / 2 ? BODY_FIRST_BYTES : capacity * 2;
        if (request->expected > 0 && capacity > request->expected)
            capacity = (size_t)request->expected;
        if (capacity < need)
            capacity = need;
    }
    if (sg_intake_charge(request->session->base.intake, request->job, capacity, NULL) < 0)
        return http_busy(request, "image bytes", "max_queue_bytes", err);
    bytes->max_bytes = capacity > bytes->capacity ? capacity : bytes->capacity;
    if (sg_buf_reserve(bytes, more) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory for an image of %zu bytes", need);
    return 0;
}

static int append(struct http_request *request, const char *data, size_t size, struct sg_error *err)
{
    int code = make_room(request, size, err);

    if (code == 0) {
        char *at = (char *)request->job->bytes.data + request->job->bytes.size;

        if (data != at) /* http_body_place named it, and it was read there */
            memcpy(at, data, size);
        request->job->bytes.size += size;
    }
    return code;
}

void http_body_place(const struct http_request *request, uint8_t **out_data, size_t *out_size)
{
    const struct sg_buf *bytes = request->job ? &request->job->bytes : NULL;
    size_t room = bytes ? bytes->capacity - bytes->size : 0;

    *out_size = 0;
    if (request->body != HTTP_BODY_RAW || request->chunked || request->error.code < 0 || room == 0)
        return;
    *out_data = bytes->data + bytes->size;
    *out_size = room < request->expected - request->received ? room : request->expected - request->received;
}

/* A part with a file name, or called image or file, is the picture. */
static int part_begin(void *arg, const struct sg_http_form_part *part, struct sg_error *err)
{
    struct http_request *request = arg;

    if (part->encoding[0] && strcasecmp(part->encoding, "binary") != 0 &&
        strcasecmp(part->encoding, "8bit") != 0)
        return sg_error_set(err, SG_E_UNSUPPORTED, "Content-Transfer-Encoding \"%s\" is not read",
                            part->encoding);
    request->in_picture =
        part->has_filename || strcmp(part->name, "image") == 0 || strcmp(part->name, "file") == 0;
    if (request->in_picture && ++request->picture_parts > 1)
        return sg_error_set(err, SG_E_INVALID,
                            "the form has more than one picture; send one request for each");
    if (!request->in_picture && !part->name[0])
        return sg_error_set(err, SG_E_INVALID,
                            "a part of the form has neither a name nor a file name in Content-Disposition");
    snprintf(request->field, sizeof(request->field), "%s", part->name);
    request->value_size = 0;
    return 0;
}

static int part_data(void *arg, const char *data, size_t size, struct sg_error *err)
{
    struct http_request *request = arg;

    if (request->in_picture)
        return append(request, data, size, err);
    if (size > sizeof(request->value) - request->value_size)
        return sg_error_set(err, SG_E_INVALID, "%.40s: the value has more than %d bytes", request->field,
                            SG_HTTP_VALUE_MAX);
    memcpy(request->value + request->value_size, data, size);
    request->value_size += size;
    return 0;
}

static int part_end(void *arg, struct sg_error *err)
{
    struct http_request *request = arg;

    if (request->in_picture)
        return 0;
    return sg_http_params_set(&request->params, request->field, request->value, request->value_size, err);
}

static const struct sg_http_form_ops form_ops = {.begin = part_begin, .data = part_data, .end = part_end};

static int begin_form(struct http_request *request, struct sg_error *err)
{
    const char *type = http_header(request, "Content-Type");

    request->form = malloc(sizeof(*request->form));
    if (!request->form)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a form");
    return sg_http_form_init(request->form, type, &form_ops, request, err);
}

int http_body_begin(struct http_request *request, struct sg_error *err)
{
    struct sg_intake *intake = request->session->base.intake;
    size_t limit = max_picture(request);
    int code = choose_kind(request, err);

    if (code < 0)
        return code;
    request->max_body = limit;
    if (request->body == HTTP_BODY_JSON)
        request->max_body = limit / 3 * 4 + ((size_t)64 << 10);
    /* A form has room for its boundaries and fields; its picture is measured as it comes. */
    if (request->expected > request->max_body + (request->body == HTTP_BODY_RAW ? 0 : HTTP_REST_MAX))
        return too_large(request, err);
    if (intake->gate.jobs >= intake->gate.limits.max_jobs)
        return http_busy(request, "requests", "max_queue", err);
    if (http_too_many(request, false, err) < 0)
        return err->code;
    request->job = sg_intake_take(intake, request->session->base.member);
    if (!request->job)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a request");
    if (request->body == HTTP_BODY_MULTIPART)
        return begin_form(request, err);
    /* Of a picture alone everything is known now: no need to hear it out when it has no pipeline. */
    if (request->body == HTTP_BODY_RAW &&
        sg_intake_pipeline(intake, request->job, http_pipeline_name(request)) < 0) {
        *err = request->job->error;
        return err->code;
    }
    return 0;
}

int http_body_data(struct http_request *request, const char *data, size_t size, struct sg_error *err)
{
    if (request->body != HTTP_BODY_MULTIPART)
        return append(request, data, size, err);
    if (sg_http_form_feed(request->form, data, size, err) < 0)
        return err->code;
    if (request->received - request->job->bytes.size > HTTP_REST_MAX)
        return sg_error_set(err, SG_E_TOO_LARGE, "the form has more than %zu bytes besides its picture",
                            HTTP_REST_MAX);
    return 0;
}

static int end_form(struct http_request *request, struct sg_error *err)
{
    if (sg_http_form_finish(request->form, err) < 0)
        return err->code;
    if (request->picture_parts == 0)
        return sg_error_set(
            err, SG_E_INVALID,
            "the form has no picture%s%s%s: name its part \"image\", or give it a file name (curl -F "
            "image=@photo.jpg)",
            request->field[0] ? ", only fields such as \"" : "", request->field,
            request->field[0] ? "\"" : "");
    return 0;
}

int http_body_end(struct http_request *request, struct sg_error *err)
{
    int code = 0;

    if (request->body == HTTP_BODY_MULTIPART)
        code = end_form(request, err);
    else if (request->body == HTTP_BODY_JSON)
        code = sg_http_json_read(&request->job->bytes, &request->params, err);
    if (code == 0 && request->job->bytes.size == 0)
        code = request->body == HTTP_BODY_MULTIPART
                   ? sg_error_set(err, SG_E_EMPTY_IMAGE, "no image bytes were sent: the form's file is empty")
                   : sg_error_set(
                         err, SG_E_EMPTY_IMAGE,
                         "no image bytes were sent: the body is empty; send the picture as the body (curl "
                         "--data-binary @photo.jpg) or as a form (curl -F image=@photo.jpg)");
    if (code == 0 && request->job->bytes.size > max_picture(request))
        code = too_large(request, err);
    return code;
}
