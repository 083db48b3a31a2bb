/* SPDX-License-Identifier: MIT
 * A request of frame protocol v2, from its head to its reply. What cannot be served is refused while its
 * picture is still on the way, and the picture read past. Loop thread, but for encode, which a worker calls.
 */
#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/record.h"
#include "data/result.h"
#include "frames/v2_private.h"

#include <stdio.h>
#include <string.h>

#define V2_FIRST_BYTES ((size_t)128 << 10) /* memory given to a picture of which nothing has come */

/* Worker's thread, and the loop thread for errors. */
static int encode(struct sg_job *job, enum sg_v2_format format)
{
    struct sg_v2_header header = {.type = SG_V2_RESULT, .format = (uint16_t)format, .id = job->tag};
    struct sg_result *result = &job->result;
    int64_t began = sg_clock_us();
    uint8_t bytes[SG_V2_HEADER_BYTES] = {0};
    int code;

    if (job->error.code < 0)
        return sg_v2_error_write(job->tag, &job->error, 0, &job->reply);
    result->timing_us[SG_STAGE_TOTAL] = began - job->received_us;
    code = sg_buf_append(&job->reply, bytes, sizeof(bytes));
    if (code == 0)
        code = format == SG_V2_RECORDS ? sg_record_write(result, &job->reply)
                                       : sg_json_native(result, NULL, NULL, &job->reply);
    if (code < 0)
        return code;
    header.body_bytes = (uint32_t)(job->reply.size - SG_V2_HEADER_BYTES);
    sg_v2_header_write(job->reply.data, &header);
    if (format == SG_V2_RECORDS) {
        result->timing_us[SG_STAGE_ENCODE] = sg_clock_us() - began;
        result->timing_us[SG_STAGE_TOTAL] += result->timing_us[SG_STAGE_ENCODE];
        sg_record_set_timing(job->reply.data + SG_V2_HEADER_BYTES, result);
    }
    return 0;
}

static int encode_json(struct sg_job *job)
{
    return encode(job, SG_V2_JSON);
}

static int encode_record(struct sg_job *job)
{
    return encode(job, SG_V2_RECORDS);
}

/* Answers the request that is being received, with its own error; its picture is read past. */
static bool refuse(struct v2 *v2, int64_t retry_ms)
{
    struct sg_job *job = v2->job;
    uint64_t id = job->tag;
    struct sg_error error = job->error;

    if (v2->base.intake->metrics) {
        sg_metrics_job(v2->base.intake->metrics, SG_PROTOCOL_V2, job);
        sg_metrics_refused(v2->base.intake->metrics, SG_PROTOCOL_V2, sg_clock_us() - job->received_us);
    }
    v2->job = NULL;
    sg_v2_reader_skip(&v2->reader);
    sg_intake_drop(v2->base.intake, &job);
    return v2_send_error(v2, id, &error, retry_ms) && v2_settle(v2);
}

bool v2_request_answer(struct v2 *v2, struct sg_job *job)
{
    struct sg_intake *intake = v2->base.intake;
    bool alive;

    sg_job_list_remove(&v2->jobs, job);
    if (job->reply.size == 0) {
        if (job->error.code == SG_OK)
            sg_error_set(&job->error, SG_E_CANCELLED, "the request was cancelled");
        if (job->encode(job) < 0)
            sg_buf_clear(&job->reply); /* nothing can be said: the connection ends below */
    }
    sg_session_log_job(&v2->base, "v2", job->tag, job);
    sg_intake_answered(intake, job, SG_PROTOCOL_V2);
    if (job->reply.size > 0) {
        alive = v2_send(v2, job->reply.data, job->reply.size);
    } else {
        v2_abandon(&v2->base);
        alive = false;
    }
    sg_intake_drop(intake, &job);
    return alive;
}

static struct sg_job *find_job(const struct v2 *v2, uint64_t id)
{
    struct sg_job *job = v2->jobs.first;

    while (job && job->tag != id)
        job = job->next;
    return job;
}

/* Takes the oldest job that no worker has begun back and answers it `dropped`. *out_dropped: there was one.
 */
static bool drop_oldest(struct v2 *v2, bool *out_dropped)
{
    struct sg_job *job = v2->jobs.first;

    while (job && !sg_intake_withdraw_job(v2->base.intake, &v2->flow, job))
        job = job->next;
    *out_dropped = job != NULL;
    if (!job)
        return true;
    sg_error_set(&job->error, SG_E_DROPPED, "a newer frame of this connection took its place");
    return v2_request_answer(v2, job);
}

bool v2_window_full(const struct v2 *v2)
{
    /* Its own replies will make room again. */
    if (v2->jobs.count > 0 && sg_intake_over(v2->base.intake, v2->base.member))
        return true;
    if (v2->reader.hello.policy == SG_V2_BLOCK)
        return (unsigned)v2->jobs.count >= v2->window;
    return (unsigned)sg_pool_waiting(v2->base.intake->pool, &v2->flow) >= v2->window;
}

static void fill_job(struct v2 *v2, struct sg_job *job)
{
    const struct sg_v2_infer *infer = &v2->reader.infer;

    job->tag = v2->reader.header.id;
    snprintf(job->name, sizeof(job->name), "%llu", (unsigned long long)job->tag);
    job->options = infer->options;
    job->pixels = infer->pixels;
    sg_session_own(&v2->base, job);
    job->encode = infer->format == SG_V2_RECORDS ? encode_record : encode_json;
    job->received_us = sg_clock_us();
    if (infer->deadline_ms)
        job->deadline_us = job->received_us + (int64_t)infer->deadline_ms * 1000;
}

bool v2_request_begin(struct v2 *v2)
{
    const char *name = v2->reader.infer.pipeline;
    uint64_t id = v2->reader.header.id;
    struct sg_error error;
    int64_t retry_ms = 0;
    int code;

    if (find_job(v2, id)) {
        sg_error_set(&error, SG_E_FRAMING, "request id %llu is still unanswered and was used again",
                     (unsigned long long)id);
        return v2_end_with_error(v2, &error);
    }
    v2->job = sg_intake_take(v2->base.intake, v2->base.member);
    if (!v2->job) {
        sg_v2_reader_skip(&v2->reader);
        sg_error_set(&error, SG_E_NOMEM, "no memory for the request");
        return v2_send_error(v2, id, &error, sg_intake_retry_ms(v2->base.intake));
    }
    fill_job(v2, v2->job);
    code = sg_intake_pipeline(v2->base.intake, v2->job, name[0] ? name : NULL);
    if (code == 0 && v2->reader.hello.policy == SG_V2_OLDEST && v2_window_full(v2))
        code = sg_error_set(&v2->job->error, SG_E_DROPPED, "%d older frames of this connection are under way",
                            v2->jobs.count);
    if (code == 0 && v2->jobs.count == 0) {
        code = sg_intake_share(v2->base.intake, v2->base.member, false, &v2->job->error);
        retry_ms = code < 0 ? sg_intake_retry_ms(v2->base.intake) : 0;
    }
    if (code == 0)
        code = sg_intake_deadline(v2->base.intake, &v2->flow, v2->job, &retry_ms);
    return code == 0 || refuse(v2, retry_ms);
}

bool v2_request_submit(struct v2 *v2)
{
    struct sg_intake *intake = v2->base.intake;
    struct sg_job *job = v2->job;
    bool newest = v2->reader.hello.policy == SG_V2_NEWEST, dropped = true;
    int64_t retry_ms = 0;

    job->received_us = sg_clock_us();
    if (newest && v2_window_full(v2) && !drop_oldest(v2, &dropped))
        return false;
    while (sg_intake_admit(intake, job, NULL) < 0) {
        if (newest && !drop_oldest(v2, &dropped))
            return false;
        if (newest && dropped)
            continue;
        sg_error_set(&job->error, SG_E_BUSY,
                     "the server has %d requests under way, as many as it admits (max_queue)",
                     intake->gate.jobs);
        return refuse(v2, sg_intake_retry_ms(intake));
    }
    if (sg_intake_deadline(intake, &v2->flow, job, &retry_ms) < 0)
        return refuse(v2, retry_ms);
    v2->job = NULL;
    sg_job_list_append(&v2->jobs, job);
    if (sg_intake_submit(intake, &v2->flow, job, NULL) < 0)
        return v2_request_answer(v2, job) && v2_settle(v2);
    v2_set_deadline(v2);
    return true;
}

bool v2_request_want(struct v2 *v2, uint8_t **out_data, size_t *out_size)
{
    struct sg_buf *bytes = &v2->job->bytes;
    size_t capacity = bytes->capacity;

    if (bytes->size == capacity) {
        capacity = capacity < V2_FIRST_BYTES / 2 ? V2_FIRST_BYTES : capacity * 2;
        if (capacity > v2->reader.picture_bytes)
            capacity = v2->reader.picture_bytes;
    }
    if (sg_intake_charge(v2->base.intake, v2->job, capacity, NULL) < 0) {
        sg_error_set(&v2->job->error, SG_E_BUSY,
                     "the server holds as many bytes of pictures as it admits (max_queue_bytes)");
        return refuse(v2, sg_intake_retry_ms(v2->base.intake));
    }
    bytes->max_bytes = capacity;
    if (sg_buf_reserve(bytes, capacity - bytes->size) < 0) {
        sg_error_set(&v2->job->error, SG_E_NOMEM, "no memory for a picture of %zu bytes",
                     v2->reader.picture_bytes);
        return refuse(v2, sg_intake_retry_ms(v2->base.intake));
    }
    *out_data = bytes->data + bytes->size;
    *out_size =
        bytes->capacity - bytes->size < v2->reader.left ? bytes->capacity - bytes->size : v2->reader.left;
    return true;
}

bool v2_request_cancel(struct v2 *v2, uint64_t id)
{
    struct sg_job *job = find_job(v2, id);

    if (!job)
        return true; /* answered meanwhile */
    if (!sg_intake_withdraw_job(v2->base.intake, &v2->flow, job)) {
        atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
        return true;
    }
    sg_error_set(&job->error, SG_E_CANCELLED, "the request was cancelled before it was begun");
    return v2_request_answer(v2, job) && v2_settle(v2);
}
