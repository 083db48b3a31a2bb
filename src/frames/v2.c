/* SPDX-License-Identifier: MIT
 * Frame protocol v2 over a connection (docs/PROTOCOL.md). Replies go out as they come. Only a full window of
 * a connection that chose `block` stops reading. Loop thread.
 */
#include "base/clock.h"
#include "frames/frames.h"
#include "frames/v2_private.h"

#include <stdlib.h>
#include <string.h>

#define V2_LINGER_MS      5000              /* for the client to finish sending and read its error */
#define V2_LINGER_STOP_MS 500               /* the same while the server stops */
#define V2_UNSENT_MAX     ((size_t)1 << 20) /* of unread replies, above which nothing more is read */
#define V2_REFUSAL_MS     1000              /* when a refused connection may come again */

static struct v2 *v2_of(struct sg_session *session)
{
    return (struct v2 *)(void *)session;
}

void v2_abandon(struct sg_session *session)
{
    struct v2 *v2 = v2_of(session);

    sg_intake_drop(session->intake, &v2->job);
    sg_intake_leave(session->intake, &v2->flow, &v2->jobs);
    sg_conn_close(&session->conn);
    sg_session_fini(session);
    free(v2);
}

bool v2_send(struct v2 *v2, const void *data, size_t size)
{
    if (sg_conn_send(v2->base.conn, data, size) == 0)
        return true;
    v2_abandon(&v2->base);
    return false;
}

static bool send_empty(struct v2 *v2, enum sg_v2_type type)
{
    struct sg_v2_header header = {.type = (uint8_t)type};
    uint8_t bytes[SG_V2_HEADER_BYTES];

    sg_v2_header_write(bytes, &header);
    return v2_send(v2, bytes, sizeof(bytes));
}

bool v2_send_error(struct v2 *v2, uint64_t id, const struct sg_error *error, int64_t retry_ms)
{
    const struct sg_frame_answer refusal = {
        .protocol = "v2", .id = id, .code = error->code, .us = sg_clock_us() - v2->frame_started_us};
    struct sg_buf bytes;
    bool alive;

    sg_session_log(&v2->base, &refusal);
    /* A byte that is no UTF-8 becomes three. */
    sg_buf_init(&bytes, SG_V2_HEADER_BYTES + SG_V2_ERROR_BODY_BYTES + 3 * sizeof(*error));
    sg_intake_replied(v2->base.intake, error->code);
    if (sg_v2_error_write(id, error, retry_ms, &bytes) < 0) {
        sg_buf_fini(&bytes);
        v2_abandon(&v2->base);
        return false;
    }
    alive = v2_send(v2, bytes.data, bytes.size);
    sg_buf_fini(&bytes);
    return alive;
}

void v2_set_deadline(struct v2 *v2)
{
    const struct sg_server_options *options = v2->base.options;
    int64_t deadline_us = 0;

    if (sg_v2_reader_partial(&v2->reader))
        deadline_us = sg_session_receive_deadline(&v2->base, v2->frame_started_us, v2->frame_bytes);
    else if (options->idle_timeout_ms > 0 && v2->jobs.count == 0)
        deadline_us = sg_clock_us() + options->idle_timeout_ms * 1000;
    sg_conn_set_deadline(v2->base.conn, deadline_us);
}

static bool finish(struct v2 *v2)
{
    sg_intake_drop(v2->base.intake, &v2->job);
    sg_conn_finish(&v2->base.conn, v2->linger_ms);
    sg_session_fini(&v2->base);
    free(v2);
    return false;
}

bool v2_settle(struct v2 *v2)
{
    if (v2->ending && !v2->jobs.first)
        return finish(v2);
    if (v2->ending)
        return true;
    if (v2->paused_us != 0) {
        v2->frame_started_us += sg_clock_us() - v2->paused_us;
        v2->paused_us = 0;
        sg_conn_resume(v2->base.conn);
    }
    v2_set_deadline(v2);
    return true;
}

bool v2_end_with_error(struct v2 *v2, const struct sg_error *error)
{
    sg_intake_drop(v2->base.intake, &v2->job);
    v2->ending = true;
    sg_conn_set_deadline(v2->base.conn, 0);
    return v2_send_error(v2, 0, error, 0) && v2_settle(v2);
}

static bool got_control(struct v2 *v2)
{
    const struct sg_v2_header *header = &v2->reader.header;
    uint8_t pong[SG_V2_HEADER_BYTES + SG_V2_CONTROL_MAX];
    struct sg_v2_header reply = {.type = SG_V2_PONG, .id = header->id, .body_bytes = header->body_bytes};

    switch (header->type) {
    case SG_V2_PING:
        sg_v2_header_write(pong, &reply);
        memcpy(pong + SG_V2_HEADER_BYTES, v2->reader.small, header->body_bytes);
        return v2_send(v2, pong, SG_V2_HEADER_BYTES + header->body_bytes);
    case SG_V2_CANCEL:
        return v2_request_cancel(v2, header->id);
    default: /* a goodbye */
        v2->ending = true;
        sg_conn_set_deadline(v2->base.conn, 0);
        return send_empty(v2, SG_V2_LEAVING) && v2_settle(v2);
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
        v2_abandon(&v2->base);
    else
        alive = v2_send(v2, bytes.data, bytes.size);
    sg_buf_fini(&bytes);
    return alive;
}

static void on_want(void *user, uint8_t **out_data, size_t *out_size)
{
    struct v2 *v2 = user;
    struct sg_conn *conn = v2->base.conn;
    bool may_read = !v2->ending && sg_conn_unsent(conn) <= V2_UNSENT_MAX;

    if (may_read && v2->reader.state == SG_V2_AT_PICTURE &&
        (v2->job->bytes.size > 0 || v2->reader.hello.policy != SG_V2_BLOCK || !v2_window_full(v2)) &&
        !v2_request_want(v2, out_data, out_size))
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
        return v2_request_begin(v2);
    case SG_V2_GOT_PICTURE:
        return v2_request_submit(v2);
    case SG_V2_GOT_BAD:
        return v2_send_error(v2, v2->reader.header.id, error, 0);
    case SG_V2_GOT_BROKEN:
        v2_end_with_error(v2, error);
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
        v2_set_deadline(v2);
}

static void on_eof(void *user)
{
    struct v2 *v2 = user;

    if (sg_v2_reader_partial(&v2->reader) && !v2->ending) {
        v2_abandon(&v2->base); /* closed in the middle of a frame: the client has gone */
        return;
    }
    v2->ending = true;
    v2_settle(v2);
}

static void on_drained(void *user)
{
    v2_settle(user);
}

static void on_lost(void *user, int code)
{
    struct v2 *v2 = user;

    sg_session_log_lost(&v2->base, code);
    v2_abandon(&v2->base);
}

static void on_late(void *user)
{
    struct v2 *v2 = user;
    struct sg_error error;

    if (!sg_v2_reader_partial(&v2->reader)) {
        v2->ending = true; /* idle for longer than allowed */
        if (send_empty(v2, SG_V2_LEAVING))
            v2_settle(v2);
        return;
    }
    sg_error_set(
        &error, SG_E_TIMEOUT,
        "a frame did not arrive in time: %zu bytes after %lld ms (receive_timeout); the connection closes",
        v2->frame_bytes, (long long)(sg_clock_us() - v2->frame_started_us) / 1000);
    v2_end_with_error(v2, &error);
}

static void job_done(struct sg_session *session, struct sg_job *job)
{
    struct v2 *v2 = v2_of(session);

    if (v2_request_answer(v2, job))
        v2_settle(v2);
}

static void drain(struct sg_session *session)
{
    struct v2 *v2 = v2_of(session);
    struct sg_error error;
    bool hurt = v2->job != NULL;
    uint64_t id = hurt ? v2->job->tag : 0;

    v2->linger_ms = V2_LINGER_STOP_MS;
    if (v2->ending)
        return;
    v2->ending = true;
    sg_conn_set_deadline(session->conn, 0);
    sg_intake_drop(session->intake, &v2->job);
    sg_error_set(&error, SG_E_SHUTDOWN, "the server is stopping; send the request again to the next one");
    if ((!hurt || v2_send_error(v2, id, &error, 0)) && send_empty(v2, SG_V2_LEAVING))
        v2_settle(v2);
}

static int64_t idle_since(struct sg_session *session)
{
    const struct v2 *v2 = v2_of(session);
    bool busy =
        v2->jobs.first || v2->job || sg_v2_reader_partial(&v2->reader) || sg_conn_unsent(session->conn) > 0;

    return busy || v2->ending ? 0 : sg_conn_active_us(session->conn);
}

static const struct sg_session_ops session_ops = {
    .job_done = job_done, .idle_since = idle_since, .drain = drain, .abandon = v2_abandon};
static const struct sg_conn_ops conn_ops = {
    .want = on_want, .got = on_got, .eof = on_eof, .drained = on_drained, .lost = on_lost, .late = on_late};

static const char *const begins[] = {SG_V2_MAGIC, NULL};

static void v2_open(void *shared, struct sg_conn *conn, struct sg_intake *intake,
                    const struct sg_server_options *options, const struct sg_error *refusal)
{
    struct v2 *v2 = calloc(1, sizeof(*v2));
    struct sg_v2_limits limits = {.max_image_bytes = options->max_frame_bytes,
                                  .max_pixels = options->max_pixels};

    (void)shared;
    if (!v2) {
        sg_conn_close(&conn);
        return;
    }
    sg_session_init(&v2->base, &session_ops, conn, intake, options);
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
        if (v2_send_error(v2, 0, refusal, V2_REFUSAL_MS))
            v2_settle(v2);
    } else {
        v2_set_deadline(v2);
    }
}

const struct sg_protocol_ops sg_protocol_v2 = {.name = "v2", .begins = begins, .open = v2_open};
