/* SPDX-License-Identifier: MIT
 * Seed frames over a connection (docs/PROTOCOL.md). Frames are read ahead up to max_pipelined; the replies
 * wait in a list in the order of the frames and go out from its head. When the gate is full, or the client
 * does not read, reading stops and TCP holds the client back: the protocol has no way to say "try again".
 * Loop thread, but for seed_encode, which a worker calls.
 */
#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "frames/frames.h"
#include "frames/seed_frame.h"
#include "frames/seed_stranger.h"
#include "serve/protocol.h"

#include <stdlib.h>
#include <string.h>

#define SEED_LINGER_MS      5000 /* for the client to finish sending and read its error */
#define SEED_LINGER_STOP_MS 500  /* the same while the server stops */

struct seed {
    struct sg_session base;
    struct sg_seed_frame frame;
    struct sg_seed_stranger stranger;
    struct sg_job *job;         /* being received, or complete and waiting for a place at the gate */
    struct sg_job_list replies; /* due, in order */
    struct sg_flow flow;
    struct sg_gate_waiter waiter;
    int64_t frame_started_us; /* moved on by every pause of ours: only the client's own time counts */
    int64_t paused_us;        /* 0 while reading */
    int64_t linger_ms;
    bool ending; /* reads no more; finishes when the last reply is out */
    bool eof;
};

static const char last_resort[] = "{\"object_list\":{\"object_num\":0},\"error\":{\"code\":\"out_of_memory\","
                                  "\"message\":\"no memory for the reply\"}}";

static void flush(struct seed *seed);

static struct seed *seed_of(struct sg_session *session)
{
    return (struct seed *)(void *)session;
}

static int seed_encode(struct sg_job *job)
{
    const struct sg_server_options *options = job->encode_arg;

    return (options->json_seed ? options->json_seed : sg_json_seed)(
        &job->result, job->error.code < 0 ? &job->error : NULL, SG_JSON_SEED_MAX_BYTES, &job->reply);
}

/* Writes the reply of a job that no worker sees. */
static void answer_here(struct sg_job *job)
{
    if (seed_encode(job) < 0)
        sg_buf_clear(&job->reply);
    job->finished = true;
}

static void drop_unfinished_frame(struct seed *seed)
{
    sg_gate_leave(&seed->base.intake->gate, &seed->waiter);
    sg_intake_drop(seed->base.intake, &seed->job);
    sg_seed_frame_next(&seed->frame);
    sg_conn_set_deadline(seed->base.conn, 0);
}

/* Closes now. Jobs that workers hold come back to a connection that is no more, and are dropped there. */
static void abandon(struct sg_session *session)
{
    struct seed *seed = seed_of(session);

    drop_unfinished_frame(seed);
    sg_intake_leave(session->intake, &seed->flow, &seed->replies);
    sg_conn_close(&session->conn);
    sg_session_fini(session);
    free(seed);
}

static void finish(struct seed *seed)
{
    drop_unfinished_frame(seed);
    sg_conn_finish(&seed->base.conn, seed->linger_ms);
    sg_session_fini(&seed->base);
    free(seed);
}

static void set_deadline(struct seed *seed)
{
    const struct sg_server_options *options = seed->base.options;
    int64_t deadline_us = 0;

    if (sg_seed_frame_partial(&seed->frame)) {
        deadline_us = sg_session_receive_deadline(&seed->base, seed->frame_started_us,
                                                  seed->job ? seed->job->bytes.size : 0);
        if (sg_seed_stranger_counted(&seed->stranger, NULL)) {
            int64_t silent_us = sg_clock_us() + (int64_t)SG_SEED_STRANGER_SILENCE_MS * 1000;

            deadline_us = silent_us < deadline_us ? silent_us : deadline_us;
        }
    } else if (options->idle_timeout_ms > 0 && seed->replies.count == 0 && !seed->job) {
        deadline_us = sg_clock_us() + options->idle_timeout_ms * 1000;
    }
    sg_conn_set_deadline(seed->base.conn, deadline_us);
}

/* Reading starts again after a pause of ours; the client's time for the frame is extended by it. */
static void go_on(struct seed *seed)
{
    if (seed->paused_us == 0)
        return;
    seed->frame_started_us += sg_clock_us() - seed->paused_us;
    seed->paused_us = 0;
    set_deadline(seed);
    sg_conn_resume(seed->base.conn);
}

/* The error is the connection's last reply, after those still due. May free seed. */
static void end_with_error(struct seed *seed, const struct sg_error *error)
{
    struct sg_job *job;

    drop_unfinished_frame(seed);
    seed->ending = true;
    job = sg_intake_take(seed->base.intake, seed->base.member);
    if (!job) {
        abandon(&seed->base);
        return;
    }
    sg_session_own(&seed->base, job);
    job->received_us = sg_clock_us();
    job->error = *error;
    job->encode_arg = seed->base.options;
    answer_here(job);
    sg_job_list_append(&seed->replies, job);
    flush(seed);
}

/* Whoever runs the server should hear of it too: a client often shows its user nothing. */
static void end_stranger(struct seed *seed, const struct sg_error *error)
{
    char peer[64], quoted[SG_ERROR_TEXT_MAX + 64];

    sg_log(SG_LOG_WARN, "a client does not speak seed frames", "conn=%llu peer=%s why=%s",
           (unsigned long long)sg_conn_id(seed->base.conn), sg_conn_peer(seed->base.conn, peer, sizeof(peer)),
           sg_log_quote(error->text, quoted, sizeof(quoted)));
    end_with_error(seed, error);
}

static int send_reply(struct seed *seed, struct sg_job *job)
{
    sg_session_log_job(&seed->base, "seed", job->id, job);
    if (job->reply.size == 0)
        return sg_conn_send(seed->base.conn, last_resort, sizeof(last_resort) - 1);
    return sg_conn_send(seed->base.conn, job->reply.data, job->reply.size);
}

/* Sends what is ready at the head of the list. May free seed. */
static void flush(struct seed *seed)
{
    struct sg_job *job;

    while ((job = seed->replies.first) && job->finished) {
        int code = send_reply(seed, job);

        if (code < 0) {
            abandon(&seed->base);
            return;
        }
        sg_job_list_remove(&seed->replies, job);
        seed->stranger.known = seed->stranger.known || job->error.code == SG_OK;
        sg_intake_answered(seed->base.intake, job, SG_PROTOCOL_SEED);
        sg_intake_drop(seed->base.intake, &job);
    }
    if (!seed->replies.first && (seed->ending || seed->eof)) {
        finish(seed);
        return;
    }
    if (seed->paused_us != 0)
        go_on(seed);
    else
        set_deadline(seed);
}

/* The complete, admitted job goes to the workers. May free seed. */
static void submit(struct seed *seed)
{
    struct sg_job *job = seed->job;

    seed->job = NULL;
    sg_seed_frame_next(&seed->frame);
    sg_job_list_append(&seed->replies, job);
    if (sg_intake_submit(seed->base.intake, &seed->flow, job, NULL) < 0) {
        answer_here(job);
        flush(seed);
    }
}

static void complete(struct seed *seed)
{
    struct sg_job *job = seed->job;

    sg_session_own(&seed->base, job);
    job->received_us = sg_clock_us();
    job->encode = seed_encode;
    job->encode_arg = seed->base.options;
    sg_conn_set_deadline(seed->base.conn, 0);
    sg_gate_leave(&seed->base.intake->gate, &seed->waiter);
    if (sg_intake_admit(seed->base.intake, job, &seed->waiter) == 0)
        submit(seed);
}

/* Called by the gate when what this connection waited for has been taken for it. */
static void granted(struct sg_gate_waiter *waiter)
{
    struct seed *seed = sg_container_of(waiter, struct seed, waiter);

    if (seed->frame.state == SG_SEED_PAYLOAD) {
        sg_intake_charged(seed->job, waiter);
        go_on(seed);
        return;
    }
    seed->job->admitted = true;
    /* First, because submit may end the session; nothing is read before the loop polls again. */
    go_on(seed);
    submit(seed);
}

/* Where the payload goes on; size stays 0 when the gate makes it wait. False: ended with an error, and seed
 * may be gone. */
static bool want_payload(struct seed *seed, uint8_t **out_data, size_t *out_size)
{
    size_t capacity = sg_seed_frame_capacity(&seed->frame, &seed->job->bytes);
    struct sg_error error;

    if (sg_intake_charge(seed->base.intake, seed->job, capacity, &seed->waiter) < 0)
        return true;
    if (sg_seed_frame_payload(&seed->frame, &seed->job->bytes, out_data, out_size) == 0)
        return true;
    sg_error_set(&error, SG_E_NOMEM, "no memory for an image of %d bytes", (int)seed->frame.length);
    end_with_error(seed, &error);
    return false;
}

static void on_want(void *user, uint8_t **out_data, size_t *out_size)
{
    struct seed *seed = user;
    bool may_read = !seed->ending && seed->waiter.want == SG_GATE_NOTHING &&
                    seed->replies.count < seed->base.options->max_pipelined &&
                    sg_conn_unsent(seed->base.conn) == 0;

    if (may_read && seed->frame.state == SG_SEED_HEADER)
        sg_seed_frame_header(&seed->frame, out_data, out_size);
    else if (may_read && !want_payload(seed, out_data, out_size))
        return;
    if (*out_size == 0) {
        seed->paused_us = sg_clock_us();
        sg_conn_set_deadline(seed->base.conn, 0);
    }
}

static void got_header(struct seed *seed, size_t n)
{
    struct sg_error error;

    if (seed->frame.header_bytes == 0)
        seed->frame_started_us = sg_clock_us();
    if (sg_seed_frame_header_got(&seed->frame, n, &error) < 0) {
        uint8_t more[SG_SEED_STRANGER_LOOK];
        size_t more_bytes = sg_conn_peek(seed->base.conn, more, sizeof(more));
        struct sg_error got = error;

        sg_seed_stranger_explain(&seed->stranger, more, more_bytes, seed->frame.max_bytes, &error);
        if (strcmp(got.text, error.text) != 0)
            end_stranger(seed, &error);
        else
            end_with_error(seed, &error);
        return;
    }
    if (seed->frame.state == SG_SEED_PAYLOAD) {
        seed->job = sg_intake_take(seed->base.intake, seed->base.member);
        if (!seed->job) {
            abandon(&seed->base);
            return;
        }
    }
    set_deadline(seed);
}

static void on_got(void *user, size_t n)
{
    struct seed *seed = user;
    bool looking = seed->stranger.count < SG_SEED_STRANGER_LOOK;
    struct sg_error error;

    if (seed->frame.state == SG_SEED_HEADER) {
        sg_seed_stranger_add(&seed->stranger, seed->frame.header + seed->frame.header_bytes, n);
        got_header(seed, n);
        return;
    }
    sg_seed_stranger_add(&seed->stranger, seed->job->bytes.data + seed->job->bytes.size, n);
    sg_seed_frame_payload_got(&seed->frame, &seed->job->bytes, n);
    if (looking && sg_seed_stranger_sure(&seed->stranger, &error))
        end_stranger(seed, &error);
    else if (seed->frame.state == SG_SEED_COMPLETE)
        complete(seed);
    else
        set_deadline(seed);
}

static void on_eof(void *user)
{
    struct seed *seed = user;

    seed->eof = true;
    if (sg_seed_frame_partial(&seed->frame))
        abandon(&seed->base); /* closed in the middle of a frame: the client has gone */
    else if (!seed->replies.first && !seed->job)
        finish(seed);
}

static void on_drained(void *user)
{
    go_on(user);
}

static void on_lost(void *user, int code)
{
    struct seed *seed = user;

    sg_session_log_lost(&seed->base, code);
    abandon(&seed->base);
}

static void on_late(void *user)
{
    struct seed *seed = user;
    struct sg_error error;
    uint8_t next;

    if (!sg_seed_frame_partial(&seed->frame)) {
        finish(seed); /* idle for longer than allowed */
        return;
    }
    if (sg_seed_stranger_counted(&seed->stranger, &error)) {
        if (sg_conn_peek(seed->base.conn, &next, 1) > 0)
            set_deadline(seed); /* there is more, the loop was late */
        else
            end_stranger(seed, &error);
        return;
    }
    sg_error_set(&error, SG_E_TIMEOUT,
                 "the image did not arrive in time: %zu of %d bytes after %lld ms (receive_timeout); the "
                 "connection closes",
                 seed->job ? seed->job->bytes.size : (size_t)0, (int)seed->frame.length,
                 (long long)(sg_clock_us() - seed->frame_started_us) / 1000);
    end_with_error(seed, &error);
}

static void job_done(struct sg_session *session, struct sg_job *job)
{
    job->finished = true;
    flush(seed_of(session));
}

static void drain(struct sg_session *session)
{
    struct seed *seed = seed_of(session);
    struct sg_error error;

    seed->linger_ms = SEED_LINGER_STOP_MS;
    if (seed->ending)
        return;
    if (seed->job || sg_seed_frame_partial(&seed->frame)) {
        sg_error_set(&error, SG_E_SHUTDOWN, "the server is stopping; send the image again to the next one");
        end_with_error(seed, &error);
    } else if (seed->replies.first) {
        seed->ending = true;
    } else {
        abandon(session);
    }
}

static int64_t idle_since(struct sg_session *session)
{
    const struct seed *seed = seed_of(session);
    bool busy = seed->replies.first || seed->job || sg_seed_frame_partial(&seed->frame) ||
                sg_conn_unsent(session->conn) > 0;

    return busy || seed->ending ? 0 : sg_conn_active_us(session->conn);
}

static const struct sg_session_ops session_ops = {
    .job_done = job_done, .idle_since = idle_since, .drain = drain, .abandon = abandon};
static const struct sg_conn_ops conn_ops = {
    .want = on_want, .got = on_got, .eof = on_eof, .drained = on_drained, .lost = on_lost, .late = on_late};

/* Whatever nobody else claims. */
static const char *const begins[] = {NULL};

static void seed_open(void *shared, struct sg_conn *conn, struct sg_intake *intake,
                      const struct sg_server_options *options, const struct sg_error *refusal)
{
    struct seed *seed = calloc(1, sizeof(*seed));

    (void)shared;
    if (!seed) {
        sg_conn_close(&conn);
        return;
    }
    sg_session_init(&seed->base, &session_ops, conn, intake, options);
    seed->waiter.granted = granted;
    seed->linger_ms = SEED_LINGER_MS;
    sg_seed_frame_init(&seed->frame, options->max_frame_bytes);
    sg_conn_start(conn, &conn_ops, seed);
    if (refusal)
        end_with_error(seed, refusal);
    else
        set_deadline(seed);
}

const struct sg_protocol_ops sg_protocol_seed = {.name = "seed", .begins = begins, .open = seed_open};
