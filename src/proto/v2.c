/* SPDX-License-Identifier: MIT
 * Frame protocol v2 over a connection (docs/PROTOCOL.md). Replies go out as they come. What cannot be served
 * is refused while its picture is still on the way, and the picture read past: only a full window of a
 * connection that chose `block` stops reading. Loop thread, but for v2_encode, which a worker calls.
 */
#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/record.h"
#include "data/result.h"
#include "proto/proto.h"
#include "proto/v2_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V2_LINGER_MS      5000                /* for the client to finish sending and read its error */
#define V2_LINGER_STOP_MS 500                 /* the same while the server stops */
#define V2_FIRST_BYTES    ((size_t)128 << 10) /* memory given to a picture of which nothing has come */
#define V2_UNSENT_MAX     ((size_t)1 << 20)   /* of unread replies, above which nothing more is read */
#define V2_REFUSAL_MS     1000                /* when a refused connection may come again */

struct v2 {
    struct sg_session base;
    struct sg_v2_reader reader;
    struct sg_job *job;   /* its picture is being received */
    struct sg_job *first; /* with the workers, oldest first */
    int outstanding;      /* jobs in that list */
    unsigned window;
    struct sg_flow flow;
    int64_t frame_started_us; /* moved on by every pause of ours: only the client's own time counts */
    size_t frame_bytes;       /* received of the frame */
    int64_t paused_us;        /* 0 while reading */
    int64_t linger_ms;
    bool ending; /* reads no more; finishes when the last reply is out */
};

static struct v2 *v2_of(struct sg_session *session)
{
    return (struct v2 *)(void *)session;
}

/* Worker's thread, and the loop thread for errors. */
static int v2_encode(struct sg_job *job)
{
    struct sg_v2_header header = {
        .type = SG_V2_RESULT, .format = (uint16_t)job->reply_format, .id = job->client_id};
    struct sg_result *result = &job->result;
    int64_t began = sg_clock_us();
    uint8_t bytes[SG_V2_HEADER_BYTES] = {0};
    int code;

    if (job->error.code < 0)
        return sg_v2_error_write(job->client_id, &job->error, 0, &job->reply);
    result->timing_us[SG_STAGE_QUEUE] = job->started_us - job->received_us;
    result->timing_us[SG_STAGE_TOTAL] = began - job->received_us;
    code = sg_buf_append(&job->reply, bytes, sizeof(bytes));
    if (code == 0)
        code = job->reply_format == SG_V2_RECORDS ? sg_record_write(result, &job->reply)
                                                  : sg_json_native(result, NULL, NULL, &job->reply);
    if (code < 0)
        return code;
    header.body_bytes = (uint32_t)(job->reply.size - SG_V2_HEADER_BYTES);
    sg_v2_header_write(job->reply.data, &header);
    if (job->reply_format == SG_V2_RECORDS) {
        result->timing_us[SG_STAGE_ENCODE] = sg_clock_us() - began;
        result->timing_us[SG_STAGE_TOTAL] += result->timing_us[SG_STAGE_ENCODE];
        sg_record_set_timing(job->reply.data + SG_V2_HEADER_BYTES, result);
    }
    return 0;
}

/* Closes now. Jobs that workers hold come back to a connection that is no more, and are dropped there. */
static void abandon(struct sg_session *session)
{
    struct v2 *v2 = v2_of(session);
    struct sg_intake *intake = session->intake;
    struct sg_job *job, *next;

    sg_intake_drop(intake, &v2->job);
    sg_intake_withdraw(intake, &v2->flow);
    for (job = v2->first; job; job = next) {
        next = job->next;
        if (job->in_pool) {
            atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
        } else {
            sg_counter_add(&intake->counters.dropped, 1);
            sg_intake_drop(intake, &job);
        }
    }
    sg_conn_close(&session->conn);
    free(v2);
}

/* False: the connection was lost and v2 is gone. Every function below that returns bool says the same. */
static bool send_bytes(struct v2 *v2, const void *data, size_t size)
{
    if (sg_conn_send(v2->base.conn, data, size) == 0)
        return true;
    abandon(&v2->base);
    return false;
}

static bool send_empty(struct v2 *v2, enum sg_v2_type type)
{
    struct sg_v2_header header = {.type = (uint8_t)type};
    uint8_t bytes[SG_V2_HEADER_BYTES];

    sg_v2_header_write(bytes, &header);
    return send_bytes(v2, bytes, sizeof(bytes));
}

static bool send_error(struct v2 *v2, uint64_t id, const struct sg_error *error, int64_t retry_ms)
{
    struct sg_buf bytes;
    bool alive;

    if (sg_log_enabled(SG_LOG_DEBUG))
        sg_log(SG_LOG_DEBUG, "refused", "conn=%llu request=%llu code=%s",
               (unsigned long long)sg_conn_id(v2->base.conn), (unsigned long long)id,
               sg_err_name(error->code));
    sg_buf_init(&bytes, SG_V2_HEADER_BYTES + sizeof(*error));
    sg_intake_replied(v2->base.intake, error->code);
    if (sg_v2_error_write(id, error, retry_ms, &bytes) < 0) {
        abandon(&v2->base);
        return false;
    }
    alive = send_bytes(v2, bytes.data, bytes.size);
    sg_buf_fini(&bytes);
    return alive;
}

static void set_deadline(struct v2 *v2)
{
    const struct sg_server_options *options = v2->base.options;
    int64_t deadline_us = 0;

    if (sg_v2_reader_partial(&v2->reader))
        deadline_us = v2->frame_started_us + options->receive_timeout_ms * 1000 +
                      (int64_t)v2->frame_bytes * 1000000 / SG_SERVER_MIN_RATE_BYTES_PER_S;
    else if (options->idle_timeout_ms > 0 && v2->outstanding == 0)
        deadline_us = sg_clock_us() + options->idle_timeout_ms * 1000;
    sg_conn_set_deadline(v2->base.conn, deadline_us);
}

static bool finish(struct v2 *v2)
{
    sg_intake_drop(v2->base.intake, &v2->job);
    sg_conn_finish(&v2->base.conn, v2->linger_ms);
    free(v2);
    return false;
}

/* After every step: ends when all is said, else reading goes on, the client's time extended by our pause. */
static bool settle(struct v2 *v2)
{
    if (v2->ending && !v2->first)
        return finish(v2);
    if (v2->ending)
        return true;
    if (v2->paused_us != 0) {
        v2->frame_started_us += sg_clock_us() - v2->paused_us;
        v2->paused_us = 0;
        sg_conn_resume(v2->base.conn);
    }
    set_deadline(v2);
    return true;
}

/* No request is taken after it; those with the workers are still answered. */
static bool end_with_error(struct v2 *v2, const struct sg_error *error)
{
    sg_intake_drop(v2->base.intake, &v2->job);
    v2->ending = true;
    sg_conn_set_deadline(v2->base.conn, 0);
    return send_error(v2, 0, error, 0) && settle(v2);
}

/* Answers the request that is being received, with its own error; its picture is read past. */
static bool refuse(struct v2 *v2, int64_t retry_ms)
{
    struct sg_job *job = v2->job;
    uint64_t id = job->client_id;
    struct sg_error error = job->error;

    if (v2->base.intake->metrics) {
        sg_metrics_job(v2->base.intake->metrics, SG_PROTOCOL_V2, job);
        sg_metrics_refused(v2->base.intake->metrics, SG_PROTOCOL_V2, sg_clock_us() - job->received_us);
    }
    v2->job = NULL;
    sg_v2_reader_skip(&v2->reader);
    sg_intake_drop(v2->base.intake, &job);
    return send_error(v2, id, &error, retry_ms) && settle(v2);
}

/* A job that is no worker's: out of the list, and its reply goes out. */
static bool answer(struct v2 *v2, struct sg_job *job)
{
    struct sg_intake *intake = v2->base.intake;
    struct sg_job **link = &v2->first;
    bool alive;

    while (*link && *link != job)
        link = &(*link)->next;
    if (*link) {
        *link = job->next;
        v2->outstanding--;
    }
    if (job->reply.size == 0) {
        if (job->error.code == SG_OK)
            sg_error_set(&job->error, SG_E_CANCELLED, "the request was cancelled");
        if (v2_encode(job) < 0)
            sg_buf_clear(&job->reply); /* nothing can be said: the connection ends below */
    }
    if (sg_log_enabled(SG_LOG_DEBUG))
        sg_log(SG_LOG_DEBUG, "reply", "id=%llu conn=%llu request=%llu code=%s out_bytes=%zu us=%lld",
               (unsigned long long)job->id, (unsigned long long)sg_conn_id(v2->base.conn),
               (unsigned long long)job->client_id, sg_err_name(job->error.code), job->reply.size,
               (long long)(sg_clock_us() - job->received_us));
    sg_intake_answered(intake, job, SG_PROTOCOL_V2);
    if (job->reply.size > 0) {
        alive = send_bytes(v2, job->reply.data, job->reply.size);
    } else {
        abandon(&v2->base);
        alive = false;
    }
    sg_intake_drop(intake, &job);
    return alive;
}

static struct sg_job *find_job(const struct v2 *v2, uint64_t id)
{
    struct sg_job *job = v2->first;

    while (job && job->client_id != id)
        job = job->next;
    return job;
}

/* Takes the oldest job that no worker has begun back and answers it `dropped`. *out_dropped: there was one.
 */
static bool drop_oldest(struct v2 *v2, bool *out_dropped)
{
    struct sg_job *job = v2->first;

    while (job && !sg_intake_withdraw_job(v2->base.intake, &v2->flow, job))
        job = job->next;
    *out_dropped = job != NULL;
    if (!job)
        return true;
    sg_error_set(&job->error, SG_E_DROPPED, "a newer frame of this connection took its place");
    return answer(v2, job);
}

static bool window_full(const struct v2 *v2)
{
    if (v2->reader.hello.policy == SG_V2_BLOCK)
        return (unsigned)v2->outstanding >= v2->window;
    return (unsigned)sg_pool_waiting(v2->base.intake->pool, &v2->flow) >= v2->window;
}

static void fill_job(struct v2 *v2, struct sg_job *job)
{
    const struct sg_v2_infer *infer = &v2->reader.infer;

    job->client_id = v2->reader.header.id;
    snprintf(job->name, sizeof(job->name), "%llu", (unsigned long long)job->client_id);
    job->reply_format = (int)infer->format;
    job->options = infer->options;
    job->pixels = infer->pixels;
    job->conn_id = sg_conn_id(v2->base.conn);
    job->encode = v2_encode;
    job->received_us = sg_clock_us();
    if (infer->deadline_ms)
        job->deadline_us = job->received_us + (int64_t)infer->deadline_ms * 1000;
}

/* The head of a request is there: what can be known before its picture is decided now. */
static bool begin_request(struct v2 *v2)
{
    const char *name = v2->reader.infer.pipeline;
    uint64_t id = v2->reader.header.id;
    struct sg_error error;
    int64_t retry_ms = 0;
    int code;

    if (find_job(v2, id)) {
        sg_error_set(&error, SG_E_FRAMING, "request id %llu is still unanswered and was used again",
                     (unsigned long long)id);
        return end_with_error(v2, &error);
    }
    v2->job = sg_intake_take(v2->base.intake);
    if (!v2->job) {
        sg_v2_reader_skip(&v2->reader);
        sg_error_set(&error, SG_E_NOMEM, "no memory for the request");
        return send_error(v2, id, &error, sg_intake_retry_ms(v2->base.intake));
    }
    fill_job(v2, v2->job);
    code = sg_intake_pipeline(v2->base.intake, v2->job, name[0] ? name : NULL);
    if (code == 0 && v2->reader.hello.policy == SG_V2_OLDEST && window_full(v2))
        code = sg_error_set(&v2->job->error, SG_E_DROPPED, "%u older frames of this connection wait",
                            v2->window);
    if (code == 0)
        code = sg_intake_deadline(v2->base.intake, &v2->flow, v2->job, &retry_ms);
    return code == 0 || refuse(v2, retry_ms);
}

/* The picture is complete. */
static bool submit(struct v2 *v2)
{
    struct sg_intake *intake = v2->base.intake;
    struct sg_job *job = v2->job, **link = &v2->first;
    bool newest = v2->reader.hello.policy == SG_V2_NEWEST, dropped = true;
    int64_t retry_ms = 0;

    job->received_us = sg_clock_us();
    if (newest && window_full(v2) && !drop_oldest(v2, &dropped))
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
    while (*link)
        link = &(*link)->next;
    job->next = NULL;
    *link = job;
    v2->outstanding++;
    if (sg_intake_submit(intake, &v2->flow, job, NULL) < 0)
        return answer(v2, job) && settle(v2);
    set_deadline(v2);
    return true;
}

static bool got_control(struct v2 *v2)
{
    const struct sg_v2_header *header = &v2->reader.header;
    uint8_t pong[SG_V2_HEADER_BYTES + SG_V2_CONTROL_MAX];
    struct sg_v2_header reply = {.type = SG_V2_PONG, .id = header->id, .body_bytes = header->body_bytes};
    struct sg_job *job;

    switch (header->type) {
    case SG_V2_PING:
        sg_v2_header_write(pong, &reply);
        memcpy(pong + SG_V2_HEADER_BYTES, v2->reader.small, header->body_bytes);
        return send_bytes(v2, pong, SG_V2_HEADER_BYTES + header->body_bytes);
    case SG_V2_CANCEL:
        job = find_job(v2, header->id);
        if (!job)
            return true; /* answered meanwhile */
        if (!sg_intake_withdraw_job(v2->base.intake, &v2->flow, job)) {
            atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
            return true;
        }
        sg_error_set(&job->error, SG_E_CANCELLED, "the request was cancelled before it was begun");
        return answer(v2, job) && settle(v2);
    default: /* a goodbye */
        v2->ending = true;
        sg_conn_set_deadline(v2->base.conn, 0);
        return send_empty(v2, SG_V2_LEAVING) && settle(v2);
    }
}

static bool send_hello(struct v2 *v2)
{
    const struct sg_v2_hello *hello = &v2->reader.hello;
    const struct sg_job_ops *ops = v2->base.intake->ops;
    unsigned most = (unsigned)v2->base.options->max_pipelined;
    struct sg_v2_welcome welcome = {.policy = hello->policy,
                                    .max_image_bytes = v2->reader.limits.max_image_bytes,
                                    .receive_timeout_ms = v2->base.options->receive_timeout_ms};
    struct sg_buf bytes;
    bool alive = false;

    v2->window = hello->window ? hello->window : hello->policy == SG_V2_BLOCK ? most : 1;
    if (v2->window > most)
        v2->window = most;
    welcome.window = v2->window;
    sg_buf_init(&bytes, (size_t)1 << 20);
    if (sg_v2_welcome_write(&welcome, ops->pipeline_name, ops->ctx, &bytes) < 0)
        abandon(&v2->base);
    else
        alive = send_bytes(v2, bytes.data, bytes.size);
    sg_buf_fini(&bytes);
    return alive;
}

/* Where the picture goes on; size stays 0 when it is refused instead. */
static bool want_picture(struct v2 *v2, uint8_t **out_data, size_t *out_size)
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

static void on_want(void *user, uint8_t **out_data, size_t *out_size)
{
    struct v2 *v2 = user;
    struct sg_conn *conn = v2->base.conn;
    bool may_read = !v2->ending && sg_conn_unsent(conn) <= V2_UNSENT_MAX;

    if (may_read && v2->reader.state == SG_V2_AT_PICTURE &&
        (v2->reader.hello.policy != SG_V2_BLOCK || !window_full(v2)) && !want_picture(v2, out_data, out_size))
        return;
    if (may_read && v2->reader.state == SG_V2_AT_SKIP) {
        *out_data = v2->base.intake->discard;
        *out_size = v2->reader.left < SG_INTAKE_DISCARD ? v2->reader.left : SG_INTAKE_DISCARD;
    } else if (may_read && v2->reader.state != SG_V2_AT_PICTURE && v2->reader.state != SG_V2_BROKEN) {
        sg_v2_reader_place(&v2->reader, out_data, out_size);
    }
    if (*out_size == 0) {
        if (v2->paused_us == 0)
            v2->paused_us = sg_clock_us();
        sg_conn_set_deadline(conn, 0);
    }
}

static bool handle(struct v2 *v2, enum sg_v2_event event, const struct sg_error *error)
{
    switch (event) {
    case SG_V2_GOT_HELLO:
        return send_hello(v2);
    case SG_V2_GOT_CONTROL:
        return got_control(v2);
    case SG_V2_GOT_INFER:
        return begin_request(v2);
    case SG_V2_GOT_PICTURE:
        return submit(v2);
    case SG_V2_GOT_BAD:
        return send_error(v2, v2->reader.header.id, error, 0);
    case SG_V2_GOT_BROKEN:
        end_with_error(v2, error);
        return false;
    case SG_V2_NOTHING:
        break;
    }
    return true;
}

static void on_got(void *user, size_t n)
{
    struct v2 *v2 = user;
    struct sg_error error;
    enum sg_v2_event event;

    if (!sg_v2_reader_partial(&v2->reader)) {
        v2->frame_started_us = sg_clock_us();
        v2->frame_bytes = 0;
    }
    v2->frame_bytes += n;
    if (v2->reader.state == SG_V2_AT_PICTURE)
        v2->job->bytes.size += n;
    event = sg_v2_reader_got(&v2->reader, n, &error);
    if (handle(v2, event, &error) && !v2->ending)
        set_deadline(v2);
}

static void on_eof(void *user)
{
    struct v2 *v2 = user;

    if (sg_v2_reader_partial(&v2->reader) && !v2->ending) {
        abandon(&v2->base); /* closed in the middle of a frame: the client has gone */
        return;
    }
    v2->ending = true;
    settle(v2);
}

static void on_drained(void *user)
{
    settle(user);
}

static void on_lost(void *user, int code)
{
    struct v2 *v2 = user;

    if (code == SG_E_TIMEOUT)
        sg_log(SG_LOG_WARN, "a client does not read its replies", "conn=%llu unsent_bytes=%zu",
               (unsigned long long)sg_conn_id(v2->base.conn), sg_conn_unsent(v2->base.conn));
    abandon(&v2->base);
}

static void on_late(void *user)
{
    struct v2 *v2 = user;
    struct sg_error error;

    if (!sg_v2_reader_partial(&v2->reader)) {
        v2->ending = true; /* idle for longer than allowed */
        if (send_empty(v2, SG_V2_LEAVING))
            settle(v2);
        return;
    }
    sg_error_set(
        &error, SG_E_TIMEOUT,
        "a frame did not arrive in time: %zu bytes after %lld ms (receive_timeout); the connection closes",
        v2->frame_bytes, (long long)(sg_clock_us() - v2->frame_started_us) / 1000);
    end_with_error(v2, &error);
}

static void job_done(struct sg_session *session, struct sg_job *job)
{
    struct v2 *v2 = v2_of(session);

    if (answer(v2, job))
        settle(v2);
}

static void drain(struct sg_session *session)
{
    struct v2 *v2 = v2_of(session);
    struct sg_error error;
    bool hurt = v2->job != NULL;
    uint64_t id = hurt ? v2->job->client_id : 0;

    v2->linger_ms = V2_LINGER_STOP_MS;
    if (v2->ending)
        return;
    v2->ending = true;
    sg_conn_set_deadline(session->conn, 0);
    sg_intake_drop(session->intake, &v2->job);
    sg_error_set(&error, SG_E_SHUTDOWN, "the server is stopping; send the request again to the next one");
    if ((!hurt || send_error(v2, id, &error, 0)) && send_empty(v2, SG_V2_LEAVING))
        settle(v2);
}

static const struct sg_session_ops session_ops = {.job_done = job_done, .drain = drain, .abandon = abandon};
static const struct sg_conn_ops conn_ops = {
    .want = on_want, .got = on_got, .eof = on_eof, .drained = on_drained, .lost = on_lost, .late = on_late};

static bool v2_match(const uint8_t head[SG_SNIFF_BYTES])
{
    return memcmp(head, SG_V2_MAGIC, SG_SNIFF_BYTES) == 0;
}

static void v2_open(struct sg_conn *conn, struct sg_intake *intake, const struct sg_server_options *options,
                    const struct sg_error *refusal)
{
    struct v2 *v2 = calloc(1, sizeof(*v2));
    struct sg_v2_limits limits = {.max_image_bytes = options->max_frame_bytes};

    if (!v2) {
        sg_conn_close(&conn);
        return;
    }
    v2->base = (struct sg_session){&session_ops, conn, intake, options};
    v2->linger_ms = V2_LINGER_MS;
    v2->frame_started_us = sg_clock_us();
    /* More would be refused for ever. */
    if (limits.max_image_bytes > options->max_queue_bytes)
        limits.max_image_bytes = options->max_queue_bytes;
    if (limits.max_image_bytes > SG_V2_SKIP_MAX / 2)
        limits.max_image_bytes = SG_V2_SKIP_MAX / 2;
    sg_v2_reader_init(&v2->reader, &limits);
    sg_conn_start(conn, &conn_ops, v2);
    if (refusal) {
        v2->ending = true;
        if (send_error(v2, 0, refusal, V2_REFUSAL_MS))
            settle(v2);
    } else {
        set_deadline(v2);
    }
}

const struct sg_proto_ops sg_proto_v2 = {.name = "v2", .match = v2_match, .open = v2_open};
